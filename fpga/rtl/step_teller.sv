`default_nettype none
// Says in words of the protocol what the core does in this cycle: the answer to a command, a fill, a
// cancellation. It decides nothing; what it is shown is what the core acts on in the same cycle.
module step_teller #(
    parameter integer ACCOUNT_BITS = 16
) (
    input  wire logic                    clock,
    input  wire logic                    reset,
    // Which kind of cycle it is: at most one.
    input  wire logic                    at_tell,
    input  wire logic                    at_reduce,
    input  wire logic                    at_fill,
    input  wire logic                    at_expire,
    // The command.
    input  wire logic [2:0]              operation,
    input  wire logic [1:0]              command_side,
    input  wire logic [1:0]              side,
    input  wire logic                    may_rest,
    input  wire logic                    free_available,
    input  wire logic [2:0]              self_trade,
    input  wire logic [31:0]             command_quantity,
    input  wire logic [ACCOUNT_BITS-1:0] account,
    input  wire logic [7:0]              refusal,
    input  wire logic [7:0]              refusal_kind,
    input  wire logic [31:0]             left,
    input  wire logic [7:0]              reason,
    input  wire logic                    expire_at_maker,
    // The best maker, weighed against it.
    input  wire logic                    crosses,
    input  wire logic                    capped,
    input  wire logic                    fills,
    input  wire logic                    decrements,
    input  wire logic                    maker_done,
    input  wire logic                    taker_done,
    input  wire logic [31:0]             met,
    input  wire logic [31:0]             maker_leaves,
    // The order it works on.
    input  wire logic                    target_known,
    input  wire logic                    marks,
    input  wire logic                    keeps,
    input  wire logic                    cut_above,
    input  wire logic                    cut_nothing,
    input  wire logic                    cut_smaller,
    input  wire logic [31:0]             cut_left,
    input  wire logic [31:0]             reduced,
    input  wire logic [31:0]             target_leaves,
    // What is told, a cycle later.
    output logic                         step_valid,
    output logic                         step_last,
    output logic [2:0]                   step_form,
    output logic                         step_pair,
    output logic [7:0]                   step_kind,
    output logic [7:0]                   step_reason,
    output logic [7:0]                   step_flags,
    output logic                         step_taker_done,
    output logic                         step_at_maker_price,
    output logic                         step_answers,
    output logic [31:0]                  step_quantity,
    output logic [1:0]                   step_side,
    output logic [ACCOUNT_BITS-1:0]      step_account
);
    logic tell, tell_last, tell_pair, tell_maker_price, tell_answers;
    logic [2:0] tell_form;
    logic [7:0] tell_kind, tell_reason, tell_flags;
    logic [31:0] tell_quantity;
    wire rests_whole = may_rest && !crosses;
    wire [7:0] done_flag = maker_done ? message_pkg::EVENT_FLAG_DONE : 8'd0;

    always @* begin
        tell = 1'b0;
        tell_last = 1'b0;
        tell_pair = 1'b0;
        tell_maker_price = 1'b0;
        tell_answers = 1'b1;
        tell_form = core_pkg::FORM_OWN;
        tell_kind = message_pkg::EVENT_CANCELLED;
        tell_reason = 8'd0;
        tell_flags = 8'd0;
        tell_quantity = left;
        case (1'b1)
            at_tell: begin
                tell = 1'b1;
                if (refusal != 8'd0 || operation == core_pkg::REFUSE) begin
                    tell_form = core_pkg::FORM_ANSWER;
                    tell_kind = refusal_kind;
                    tell_reason = refusal;
                    tell_quantity = command_quantity;
                    tell_last = 1'b1;
                end else if (operation == core_pkg::ENTER) begin
                    tell_kind = message_pkg::EVENT_ACCEPTED;
                    tell_flags = rests_whole ? message_pkg::EVENT_FLAG_RESTS : 8'd0;
                    tell_last = rests_whole;
                    if (may_rest && !free_available) begin
                        tell_form = core_pkg::FORM_ANSWER;
                        tell_kind = message_pkg::EVENT_REJECTED;
                        tell_reason = message_pkg::REJECT_BOOK_FULL;
                        tell_flags = 8'd0;
                        tell_quantity = command_quantity;
                        tell_last = 1'b1;
                    end
                end else if (!target_known || (operation == core_pkg::REMARK
                        && (!marks || cut_above))) begin
                    tell_form = core_pkg::FORM_ANSWER;
                    tell_kind = operation == core_pkg::REPLACE ? message_pkg::EVENT_REJECTED : message_pkg::EVENT_CANCEL_REJECTED;
                    tell_reason = target_known ? message_pkg::REJECT_UNSUPPORTED : message_pkg::REJECT_UNKNOWN_ORDER;
                    tell_quantity = command_quantity;
                    tell_last = 1'b1;
                end else if (cut_nothing) begin
                    tell_form = operation == core_pkg::REPLACE ? core_pkg::FORM_OUTRUN : core_pkg::FORM_SLOT;
                    tell_reason = operation == core_pkg::REPLACE
                        ? message_pkg::CANCEL_REPLACED_BELOW_EXECUTED : message_pkg::CANCEL_USER;
                    tell_flags = message_pkg::EVENT_FLAG_DONE | message_pkg::EVENT_FLAG_RESTS;
                    tell_quantity = target_leaves;
                    tell_last = 1'b1;
                end else if (operation == core_pkg::REPLACE) begin
                    tell_form = core_pkg::FORM_REPLACED;
                    tell_kind = message_pkg::EVENT_REPLACED;
                    tell_quantity = cut_left;
                    tell_flags = keeps ? message_pkg::EVENT_FLAG_KEPT_PRIORITY | message_pkg::EVENT_FLAG_RESTS
                        : rests_whole ? message_pkg::EVENT_FLAG_RESTS : 8'd0;
                    tell_last = keeps ? !cut_smaller : rests_whole;
                end else if (operation == core_pkg::REMARK) begin
                    tell_form = core_pkg::FORM_SLOT;
                    tell_kind = message_pkg::EVENT_MODIFIED;
                    tell_quantity = cut_left;
                    tell_last = !cut_smaller;
                end else if (cut_smaller) begin
                    tell_form = core_pkg::FORM_SLOT;
                    tell_reason = message_pkg::CANCEL_USER;
                    tell_flags = message_pkg::EVENT_FLAG_RESTS;
                    tell_quantity = reduced;
                    tell_last = 1'b1;
                end else begin
                    tell_form = core_pkg::FORM_ANSWER;
                    tell_kind = message_pkg::EVENT_NOTHING;
                    tell_quantity = command_quantity;
                    tell_last = 1'b1;
                end
            end
            at_reduce: begin
                tell = 1'b1;
                tell_last = 1'b1;
                tell_form = operation == core_pkg::REPLACE ? core_pkg::FORM_KEPT : core_pkg::FORM_SLOT;
                tell_kind = message_pkg::EVENT_REDUCED;
                tell_quantity = reduced;
                tell_answers = 1'b0;
            end
            at_fill: begin
                tell = 1'b1;
                if (!crosses) begin
                    tell_kind = may_rest ? message_pkg::EVENT_RESTED : message_pkg::EVENT_CANCELLED;
                    tell_reason = may_rest ? 8'd0 : message_pkg::CANCEL_IMMEDIATE;
                    tell_flags = may_rest ? 8'd0 : message_pkg::EVENT_FLAG_DONE;
                    tell_last = 1'b1;
                end else if (capped) begin
                    tell_reason = message_pkg::CANCEL_FILL_LIMIT;
                    tell_flags = message_pkg::EVENT_FLAG_DONE;
                    tell_last = 1'b1;
                end else if (fills || decrements) begin
                    tell_pair = 1'b1;
                    tell_form = core_pkg::FORM_SLOT;
                    tell_kind = fills ? message_pkg::EVENT_EXECUTED : message_pkg::EVENT_CANCELLED;
                    tell_reason = fills ? 8'd0 : message_pkg::CANCEL_SELF_TRADE;
                    tell_flags = (fills ? message_pkg::EVENT_FLAG_MAKER : message_pkg::EVENT_FLAG_RESTS) | done_flag;
                    tell_quantity = met;
                    tell_answers = 1'b0;
                    tell_maker_price = 1'b1;
                    tell_last = taker_done;
                end else if (self_trade == message_pkg::SELF_TRADE_CANCEL_NEWEST[2:0]) begin
                    tell_reason = message_pkg::CANCEL_SELF_TRADE;
                    tell_flags = message_pkg::EVENT_FLAG_DONE;
                    tell_maker_price = 1'b1;
                    tell_last = 1'b1;
                end else begin
                    tell_form = core_pkg::FORM_SLOT;
                    tell_reason = message_pkg::CANCEL_SELF_TRADE;
                    tell_flags = message_pkg::EVENT_FLAG_DONE | message_pkg::EVENT_FLAG_RESTS;
                    tell_quantity = maker_leaves;
                    tell_answers = 1'b0;
                end
            end
            at_expire: begin
                tell = 1'b1;
                tell_reason = reason;
                tell_flags = message_pkg::EVENT_FLAG_DONE;
                tell_maker_price = expire_at_maker;
                tell_last = 1'b1;
            end
            default: ;
        endcase
    end

    always @(posedge clock) begin
        step_valid <= tell && !reset;
        step_last <= tell_last;
        step_form <= tell_form;
        step_pair <= tell_pair;
        step_kind <= tell_kind;
        step_reason <= tell_reason;
        step_flags <= tell_flags;
        step_taker_done <= taker_done;
        step_at_maker_price <= tell_maker_price;
        step_answers <= tell_answers;
        step_quantity <= tell_quantity;
        step_side <= operation == core_pkg::REMARK ? command_side : side;
        step_account <= account;
    end
endmodule
`default_nettype wire
