`default_nettype none
// Nothing of an order is made or lost: whatever a new order asks for has, by its last step, traded,
// been cancelled or come to rest. And the best of a side is never better than the order before it
// in the list. Small parameters; lockstep carries the full size.
module match_core_proof (
    input wire logic clock,
    input wire logic start,
    input wire logic [1:0] side,
    input wire logic [11:0] index,
    input wire logic takes_any,
    input wire logic may_rest,
    input wire logic all_or_nothing,
    input wire logic post_only,
    input wire logic [2:0] self_trade,
    input wire logic [2:0] quantity,
    input wire logic account
);
    logic [5:0] age_q = 6'd0;
    wire reset = age_q == 6'd0;
    logic ready, step_valid, step_last, step_pair, rests;
    logic [2:0] step_form;
    logic [7:0] step_kind, step_flags;
    logic [31:0] step_quantity;
    wire starts = start && ready && settled_q && !reset;

    // The command holds still while the core has it.
    logic [1:0] side_q;
    logic [11:0] index_q;
    logic takes_any_q, may_rest_q, all_or_nothing_q, post_only_q, account_q;
    logic [2:0] self_trade_q, quantity_q;
    match_core #(.SYMBOL_BITS(1), .SYMBOLS(1), .SLOT_BITS(2), .GENERATION_BITS(2),
            .ACCOUNT_BITS(1), .FILLS_MAX(3)) core (
        .clock(clock), .reset(reset), .ready(ready), .prepare(1'b0), .symbol(1'b0),
        .start(begins_q), .operation(core_pkg::ENTER), .command_side(side_q),
        .command_index(index_q), .takes_any(takes_any_q), .takes_none(1'b0),
        .may_rest(may_rest_q), .all_or_nothing(all_or_nothing_q), .post_only(post_only_q),
        .self_trade(self_trade_q), .command_quantity({29'd0, quantity_q}),
        .command_executed(32'd0), .command_account(account_q),
        .refusal(8'd0), .refusal_kind(8'd0), .target_slot(2'd0), .target_generation(2'd0),
        .step_valid(step_valid), .step_last(step_last), .step_form(step_form),
        .step_pair(step_pair), .step_kind(step_kind), .step_reason(), .step_flags(step_flags),
        .step_taker_done(), .step_at_maker_price(), .step_answers(),
        .step_quantity(step_quantity), .step_side(), .step_account(), .told_slot(),
        .rests(rests), .renamed(), .rests_slot(), .rests_generation(), .leaves(),
        .leaves_slot(), .top());

    logic begins_q, settled_q, open_q;
    logic [31:0] accounted_q, asked_q;
    wire own_rest = step_form == core_pkg::FORM_OWN && (step_kind == message_pkg::EVENT_RESTED
        || (step_kind == message_pkg::EVENT_ACCEPTED
            && (step_flags & message_pkg::EVENT_FLAG_RESTS) != 8'd0));
    wire own_cancel = step_form == core_pkg::FORM_OWN
        && step_kind == message_pkg::EVENT_CANCELLED;
    wire refused = step_kind == message_pkg::EVENT_REJECTED;
    wire counts = step_valid && (step_pair || own_rest || own_cancel || refused);
    wire [31:0] now = accounted_q + (counts ? step_quantity : 32'd0);

    always @(posedge clock) begin
        if (age_q != 6'd63) age_q <= age_q + 1'b1;
        begins_q <= starts;
        settled_q <= ready && !starts && !begins_q && !step_valid;
        if (starts) begin
            side_q <= side;
            // Three prices are enough to meet, to cross and to pass by.
            index_q <= {10'd512, index[1:0]};
            takes_any_q <= takes_any;
            may_rest_q <= may_rest;
            all_or_nothing_q <= all_or_nothing && !may_rest;
            post_only_q <= post_only;
            self_trade_q <= self_trade > 3'd4 ? 3'd0 : self_trade;
            quantity_q <= quantity == 3'd0 ? 3'd1 : quantity;
            account_q <= account;
            asked_q <= quantity == 3'd0 ? 32'd1 : {29'd0, quantity};
            accounted_q <= 32'd0;
            open_q <= 1'b1;
        end else if (step_valid) begin
            accounted_q <= now;
            if (step_last) open_q <= 1'b0;
        end
        if (reset) begin
            begins_q <= 1'b0;
            settled_q <= 1'b0;
            open_q <= 1'b0;
        end
    end
    always @(posedge clock) if (!reset) begin
        if (step_valid) assert (open_q);
        if (step_valid && step_last) assert (now == asked_q);
        if (open_q) assert (now <= asked_q);
        cover (step_valid && step_pair && step_last);
    end
endmodule
`default_nettype wire
