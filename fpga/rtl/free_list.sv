`default_nettype none
// Slots that no order has: those never used by a counter, those given back in a ring.
// One is always at hand, so a slot is taken in the cycle that asks.
module free_list #(
    parameter integer SLOT_BITS = 12
) (
    input  wire logic                 clock,
    input  wire logic                 reset,
    input  wire logic                 take,
    output logic [SLOT_BITS-1:0]      slot,
    output logic                      available,
    input  wire logic                 give,
    input  wire logic [SLOT_BITS-1:0] given
);
    // Slots up to `fresh_q` have been used; a ring keeps those that came back.
    logic [SLOT_BITS:0] fresh_q;
    logic [SLOT_BITS:0] head_q, tail_q;
    logic               at_hand_q;
    logic [SLOT_BITS-1:0] slot_q;
    logic               fetched_q;

    wire has_fresh = !fresh_q[SLOT_BITS];
    wire has_ring = head_q != tail_q;
    wire [SLOT_BITS-1:0] from_ring;

    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(SLOT_BITS)) ring (
        .clock(clock),
        .write(give), .write_address(tail_q[SLOT_BITS-1:0]), .write_data(given),
        .read_address(head_q[SLOT_BITS-1:0]), .read_data(from_ring)
    );

    assign slot = slot_q;
    assign available = at_hand_q;

    always @(posedge clock) begin
        if (give) tail_q <= tail_q + 1'b1;
        if (take) at_hand_q <= 1'b0;
        fetched_q <= 1'b0;
        if (fetched_q) begin
            slot_q <= from_ring;
            at_hand_q <= 1'b1;
        end else if (!at_hand_q || take) begin
            if (has_fresh) begin
                slot_q <= fresh_q[SLOT_BITS-1:0];
                fresh_q <= fresh_q + 1'b1;
                at_hand_q <= 1'b1;
            end else if (has_ring) begin
                head_q <= head_q + 1'b1;
                fetched_q <= 1'b1;
            end
        end
        if (reset) begin
            fresh_q <= '0;
            head_q <= '0;
            tail_q <= '0;
            at_hand_q <= 1'b0;
            fetched_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
