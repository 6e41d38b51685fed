`default_nettype none
// What an account has at stake: an order passes when it fits below the limit with all before it.
// What comes back is never more than is at stake.
module credit_gate #(
    parameter integer MONEY_BITS = 56
) (
    input  wire logic                  clock,
    input  wire logic                  reset,
    input  wire logic                  sets_limit,
    input  wire logic                  sets_used,
    input  wire logic [MONEY_BITS-1:0] set_to,
    // `fits` is about the amount of the cycle before.
    input  wire logic [MONEY_BITS-1:0] amount,
    output logic                       fits,
    input  wire logic                  takes,
    input  wire logic                  gives,
    input  wire logic [MONEY_BITS-1:0] given
);
    logic [MONEY_BITS-1:0] limit_q, used_q, amount_q;
    logic fits_q, stale_q;
    wire [MONEY_BITS:0] sum = {1'b0, used_q} + {1'b0, amount};
    wire granted = takes && fits;

    // What changed since it was weighed makes it wait a cycle.
    assign fits = fits_q && !stale_q;

    always @(posedge clock) begin
        amount_q <= amount;
        fits_q <= sum <= {1'b0, limit_q};
        stale_q <= granted || sets_limit || sets_used;
        if (sets_limit) limit_q <= set_to;
        if (sets_used) used_q <= set_to;
        else if (granted) used_q <= used_q + amount_q;
        else if (gives) used_q <= given < used_q ? used_q - given : '0;
        if (reset) begin
            limit_q <= '0;
            used_q <= '0;
            stale_q <= 1'b1;
        end
    end

`ifdef FORMAL
    logic past_q = 1'b0;
    always @(posedge clock) past_q <= 1'b1;
    always @* if (!past_q) assume (reset);
    // The host lowers no limit below what is at stake, and says nothing above the limit is.
    always @* if (sets_limit) assume (set_to >= used_q && !sets_used && !granted);
    always @* if (sets_used) assume (set_to <= limit_q);
    always @(posedge clock) if (past_q) begin
        assert (used_q <= limit_q);
        if (fits) assert ({1'b0, used_q} + {1'b0, amount_q} <= {1'b0, limit_q});
        cover (granted && used_q != '0);
        cover (used_q == limit_q && limit_q > 4);
    end
`endif
endmodule
`default_nettype wire
