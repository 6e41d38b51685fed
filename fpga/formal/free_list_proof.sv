`default_nettype none
// No slot is given twice, and none is lost: a shadow knows who has each of four slots.
module free_list_proof (
    input wire logic clock,
    input wire logic take,
    input wire logic give,
    input wire logic [1:0] given
);
    logic [4:0] age_q = 5'd0;
    wire reset = age_q == 5'd0;
    logic [3:0] held_q;
    logic [1:0] slot;
    logic available;
    free_list #(.SLOT_BITS(2)) list (
        .clock(clock), .reset(reset), .take(take && available && !reset), .slot(slot),
        .available(available), .give(give && held_q[given] && !reset), .given(given));

    wire takes = take && available && !reset;
    wire gives = give && held_q[given] && !reset;
    logic [2:0] idle_q;
    always @(posedge clock) begin
        if (age_q != 5'd31) age_q <= age_q + 1'b1;
        if (takes) held_q[slot] <= 1'b1;
        if (gives) held_q[given] <= 1'b0;
        // How long nobody took, gave, or was answered.
        idle_q <= takes || gives || reset ? 3'd0 : idle_q == 3'd7 ? 3'd7 : idle_q + 1'b1;
        if (reset) held_q <= 4'd0;
    end
    always @(posedge clock) if (!reset) begin
        if (available) assert (!held_q[slot]);
        // Whoever waits a moment finds a slot as long as there is one.
        if (idle_q >= 3'd3 && held_q != 4'hf) assert (available);
        cover (held_q == 4'hf);
        cover (held_q == 4'h0 && age_q > 5'd10 && available);
    end
endmodule
`default_nettype wire
