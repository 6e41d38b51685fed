`default_nettype none
// Events on their way out: what comes in is there the next cycle when nobody is before it.
module event_fifo #(
    parameter integer DEPTH_BITS = 10,
    parameter integer DATA_BITS = 512,
    // `roomy` says that so many more fit.
    parameter integer RESERVE = 520
) (
    input  wire logic                 clock,
    input  wire logic                 reset,
    input  wire logic                 push,
    input  wire logic [DATA_BITS-1:0] pushed,
    output logic                      roomy,
    output logic                      valid,
    input  wire logic                 ready,
    output logic [DATA_BITS-1:0]      data
);
    initial if (RESERVE >= (1 << DEPTH_BITS)) $error("RESERVE does not fit DEPTH_BITS");

    logic [DEPTH_BITS-1:0] head_q, tail_q, waiting_q;
    // What was fetched and not yet taken stays addressed.
    logic [DEPTH_BITS-1:0] last_q;
    localparam logic [DEPTH_BITS-1:0] MOST = DEPTH_BITS'((1 << DEPTH_BITS) - RESERVE);
    logic [DATA_BITS-1:0] stored, data_q;
    logic valid_q, fetched_q;
    wire empties = ready || !valid_q;
    wire stores = push && !(empties && waiting_q == '0 && !fetched_q);
    wire fetches = waiting_q != '0 && (!fetched_q || empties);

    ram #(.ADDRESS_BITS(DEPTH_BITS), .DATA_BITS(DATA_BITS)) words (
        .clock(clock), .write(stores), .write_address(tail_q), .write_data(pushed),
        .read_address(fetches ? head_q : last_q), .read_data(stored));

    assign valid = valid_q;
    assign data = data_q;
    assign roomy = waiting_q < MOST;

    always @(posedge clock) begin
        if (stores) tail_q <= tail_q + 1'b1;
        if (fetches) begin
            head_q <= head_q + 1'b1;
            last_q <= head_q;
        end
        waiting_q <= waiting_q + {{(DEPTH_BITS-1){1'b0}}, stores}
            - {{(DEPTH_BITS-1){1'b0}}, fetches};
        fetched_q <= fetches || (fetched_q && !empties);
        if (empties) begin
            valid_q <= fetched_q || (push && !stores);
            data_q <= fetched_q ? stored : pushed;
        end
        if (reset) begin
            head_q <= '0;
            tail_q <= '0;
            last_q <= '0;
            waiting_q <= '0;
            valid_q <= 1'b0;
            fetched_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
