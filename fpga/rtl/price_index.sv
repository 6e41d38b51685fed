`default_nettype none
// From a price to its place on an instrument's ladder, in three cycles: less the lowest price,
// times the tick's reciprocal, and back to see what is left. Rows are written by the host.
module price_index #(
    parameter integer SYMBOL_BITS = 1
) (
    input  wire logic                   clock,
    input  wire logic                   row_write,
    input  wire logic [SYMBOL_BITS-1:0] row_symbol,
    input  wire logic                   row_is_base,
    // The lowest price; or the tick in bits 7..0 and its reciprocal, 2^28 over it and rounded up.
    input  wire logic [39:0]            row_data,
    input  wire logic [SYMBOL_BITS-1:0] symbol,
    input  wire logic [63:0]            price,
    // Three cycles later.
    output logic                        below,
    output logic                        above,
    output logic                        on_tick,
    output logic [11:0]                 index
);
    (* ram_style = "distributed" *) logic [39:0] bases [0:(1 << SYMBOL_BITS)-1];
    (* ram_style = "distributed" *) logic [35:0] ticks [0:(1 << SYMBOL_BITS)-1];
    always @(posedge clock) begin
        if (row_write && row_is_base) bases[row_symbol] <= row_data;
        if (row_write && !row_is_base) ticks[row_symbol] <= row_data[35:0];
    end

    wire [63:0] offset = price - {24'd0, bases[symbol]};
    logic [19:0] offset_q, offset_qq;
    logic [35:0] tick_q;
    logic [7:0] tick_qq;
    logic below_q, above_q, below_qq, above_qq;
    logic [47:0] product_q;
    wire [19:0] quotient = product_q[47:28];
    wire [27:0] back = quotient * tick_qq;

    always @(posedge clock) begin
        offset_q <= offset[19:0];
        below_q <= offset[63];
        above_q <= !offset[63] && offset[62:20] != 43'd0;
        tick_q <= ticks[symbol];
        product_q <= offset_q * tick_q[35:8];
        tick_qq <= tick_q[7:0];
        offset_qq <= offset_q;
        below_qq <= below_q;
        above_qq <= above_q;
        below <= below_qq;
        above <= above_qq || (!below_qq && quotient[19:12] != 8'd0);
        on_tick <= back[19:0] == offset_qq;
        index <= quotient[11:0];
    end
endmodule
`default_nettype wire
