`default_nettype none
// How many may pass in a while: a bucket that holds so many, and one more every so many cycles.
module token_bucket #(
    parameter integer COUNT_BITS = 8,
    parameter integer PERIOD_BITS = 16
) (
    input  wire logic                   clock,
    input  wire logic                   reset,
    input  wire logic [COUNT_BITS-1:0]  burst,
    input  wire logic [PERIOD_BITS-1:0] period,
    output logic                        allows,
    input  wire logic                   takes
);
    logic [COUNT_BITS-1:0] spent_q;
    logic [PERIOD_BITS-1:0] wait_q;
    wire due = wait_q == '0;
    wire refills = due && spent_q != '0;
    wire spends = takes && allows;

    assign allows = spent_q < burst;

    always @(posedge clock) begin
        wait_q <= due ? period : wait_q - 1'b1;
        spent_q <= spent_q + {{(COUNT_BITS-1){1'b0}}, spends}
            - {{(COUNT_BITS-1){1'b0}}, refills};
        if (reset) begin
            spent_q <= '0;
            wait_q <= '0;
        end
    end

`ifdef FORMAL
    logic past_q = 1'b0;
    always @(posedge clock) past_q <= 1'b1;
    always @* if (!past_q) assume (reset);
    always @* assume (burst == 4);
    always @* assume (period == 3);
    always @(posedge clock) if (past_q) begin
        assert (spent_q <= 4);
        if (spent_q == 4) assert (!allows);
        assert (wait_q <= 3);
        cover (spent_q == 4);
        cover (spent_q == 0 && $past(spent_q) == 1);
    end
`endif
endmodule
`default_nettype wire
