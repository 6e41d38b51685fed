`default_nettype none
// The two first orders of each side, in registers: what a command meets next is known without a
// look into memory. An order is {valid, slot, leaves, executed, index, account, generation,
// has_next, next}, as the core has it.
module front_orders #(
    parameter integer SLOT_BITS = 12,
    parameter integer GENERATION_BITS = 4,
    parameter integer ACCOUNT_BITS = 16,
    parameter integer NODE_BITS = 1 + SLOT_BITS + 64 + 12 + ACCOUNT_BITS + GENERATION_BITS
        + 1 + SLOT_BITS
) (
    input  wire logic                   clock,
    input  wire logic                   reset,
    // The side that a command meets: its first goes, or is left with less.
    input  wire logic                   sells,
    input  wire logic                   pops,
    input  wire logic                   dents,
    input  wire logic                   fills,
    input  wire logic [31:0]            left,
    input  wire logic [31:0]            maker_left,
    input  wire logic [NODE_BITS-1:0]   popped_second,
    // The side of an order that is cut or taken away.
    input  wire logic                   target_sells,
    input  wire logic                   cuts,
    input  wire logic                   parted,
    input  wire logic                   refills,
    input  wire logic [31:0]            cut_left,
    input  wire logic [SLOT_BITS-1:0]   target_slot,
    input  wire logic                   target_has_next,
    input  wire logic [SLOT_BITS-1:0]   target_next,
    input  wire logic [NODE_BITS-1:0]   refilled,
    // The side that an order joins, behind another or at the front.
    input  wire logic                   joined,
    input  wire logic                   has_pred,
    input  wire logic [SLOT_BITS-1:0]   pred,
    input  wire logic [SLOT_BITS-1:0]   new_slot,
    input  wire logic [NODE_BITS-1:0]   joining,
    // Another instrument's take their place.
    input  wire logic                   swaps,
    input  wire logic [4*NODE_BITS-1:0] swapped,
    output logic [NODE_BITS-1:0]        bid,
    output logic [NODE_BITS-1:0]        bid_second,
    output logic [NODE_BITS-1:0]        ask,
    output logic [NODE_BITS-1:0]        ask_second
);
    typedef struct packed {
        logic                       valid;
        logic [SLOT_BITS-1:0]       slot;
        logic [31:0]                leaves;
        logic [31:0]                executed;
        logic [11:0]                index;
        logic [ACCOUNT_BITS-1:0]    account;
        logic [GENERATION_BITS-1:0] generation;
        logic                       has_next;
        logic [SLOT_BITS-1:0]       next;
    } node_t;

    node_t bid_q, bid_second_q, ask_q, ask_second_q;
    assign bid = bid_q;
    assign bid_second = bid_second_q;
    assign ask = ask_q;
    assign ask_second = ask_second_q;

    wire node_t mine = sells ? ask_q : bid_q;
    wire node_t mine_second = sells ? ask_second_q : bid_second_q;
    wire node_t part_first = target_sells ? ask_q : bid_q;
    wire node_t part_second = target_sells ? ask_second_q : bid_second_q;
    wire parts_first = part_first.valid && part_first.slot == target_slot;
    wire parts_second = part_second.valid && part_second.slot == target_slot;
    wire follows_first = mine.valid && pred == mine.slot;
    wire follows_second = mine_second.valid && pred == mine_second.slot;

    always @(posedge clock) begin
        if (pops) begin
            if (sells) begin bid_q <= bid_second_q; bid_second_q <= popped_second; end
            else begin ask_q <= ask_second_q; ask_second_q <= popped_second; end
        end else if (dents) begin
            if (sells) begin
                bid_q.leaves <= maker_left;
                if (fills) bid_q.executed <= bid_q.executed + left;
            end else begin
                ask_q.leaves <= maker_left;
                if (fills) ask_q.executed <= ask_q.executed + left;
            end
        end
        // The side of an order that is cut or taken away.
        if (cuts && parts_first) begin
            if (target_sells) ask_q.leaves <= cut_left;
            else bid_q.leaves <= cut_left;
        end
        if (cuts && parts_second) begin
            if (target_sells) ask_second_q.leaves <= cut_left;
            else bid_second_q.leaves <= cut_left;
        end
        if (parted && parts_first) begin
            if (target_sells) ask_q <= ask_second_q;
            else bid_q <= bid_second_q;
        end else if (parted && parts_second) begin
            if (target_sells) begin
                ask_q.has_next <= target_has_next;
                ask_q.next <= target_next;
            end else begin
                bid_q.has_next <= target_has_next;
                bid_q.next <= target_next;
            end
        end
        if (refills) begin
            if (target_sells) ask_second_q <= refilled;
            else bid_second_q <= refilled;
        end
        // The side that an order joins.
        if (joined && !has_pred) begin
            if (sells) begin ask_second_q <= ask_q; ask_q <= joining; end
            else begin bid_second_q <= bid_q; bid_q <= joining; end
        end else if (joined && follows_first) begin
            if (sells) begin
                ask_second_q <= joining;
                ask_q.has_next <= 1'b1;
                ask_q.next <= new_slot;
            end else begin
                bid_second_q <= joining;
                bid_q.has_next <= 1'b1;
                bid_q.next <= new_slot;
            end
        end else if (joined && follows_second) begin
            if (sells) begin
                ask_second_q.has_next <= 1'b1;
                ask_second_q.next <= new_slot;
            end else begin
                bid_second_q.has_next <= 1'b1;
                bid_second_q.next <= new_slot;
            end
        end
        if (swaps) begin
            {bid_q, bid_second_q, ask_q, ask_second_q} <= swapped;
        end
        if (reset) begin
            bid_q.valid <= 1'b0;
            bid_second_q.valid <= 1'b0;
            ask_q.valid <= 1'b0;
            ask_second_q.valid <= 1'b0;
        end
    end
endmodule
`default_nettype wire
