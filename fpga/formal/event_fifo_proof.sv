`default_nettype none
// What goes in comes out, once and in order: two numbered words are followed through.
module event_fifo_proof (
    input wire logic clock,
    input wire logic push,
    input wire logic ready
);
    logic [3:0] age_q = 4'd0;
    wire reset = age_q == 4'd0;
    logic [3:0] in_q, out_q;
    logic valid, roomy;
    logic [3:0] data;
    wire pushes = push && roomy && !reset;
    event_fifo #(.DEPTH_BITS(2), .DATA_BITS(4), .RESERVE(1)) fifo (
        .clock(clock), .reset(reset), .push(pushes), .pushed(in_q), .roomy(roomy),
        .valid(valid), .ready(ready), .data(data));
    logic stalled_q;
    logic [3:0] last_q;
    always @(posedge clock) begin
        if (age_q != 4'd15) age_q <= age_q + 1'b1;
        if (pushes) in_q <= in_q + 1'b1;
        if (valid && ready && !reset) out_q <= out_q + 1'b1;
        stalled_q <= valid && !ready && !reset;
        last_q <= data;
        if (reset) begin
            in_q <= 4'd0;
            out_q <= 4'd0;
            stalled_q <= 1'b0;
        end
    end
    always @(posedge clock) if (!reset) begin
        if (valid) assert (data == out_q);
        if (valid) assert (in_q != out_q);
        if (stalled_q) assert (valid && data == last_q);
        cover (!roomy);
        cover (out_q == 4'd4);
    end
endmodule
`default_nettype wire
