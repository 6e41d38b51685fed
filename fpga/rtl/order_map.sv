`default_nettype none
// Where the order with a client's number is: eight places for every number, four in each of two
// tables, so that a look-up takes two cycles whatever the numbers are. A number enters the table
// with more room; when neither has any the order is refused, and counted.
module order_map #(
    parameter integer BUCKET_BITS = 11,
    parameter integer SESSION_BITS = 10,
    parameter integer SLOT_BITS = 12,
    parameter integer GENERATION_BITS = 4,
    parameter integer SYMBOL_BITS = 1
) (
    input  wire logic                       clock,
    input  wire logic                       reset,
    output logic                            clearing,
    // A look-up: its answer is there two cycles later.
    input  wire logic [SESSION_BITS-1:0]    session,
    input  wire logic [31:0]                ordinal,
    output logic                            hit,
    output logic [SLOT_BITS-1:0]            slot,
    output logic [GENERATION_BITS-1:0]      generation,
    output logic [SYMBOL_BITS-1:0]          symbol,
    output logic                            has_room,
    output logic [BUCKET_BITS+2:0]          room,
    // An order gets a place, or leaves its own.
    input  wire logic                       enters,
    input  wire logic [BUCKET_BITS+2:0]     enters_at,
    input  wire logic [SESSION_BITS-1:0]    enters_session,
    input  wire logic [31:0]                enters_ordinal,
    input  wire logic [SLOT_BITS-1:0]       enters_slot,
    input  wire logic [GENERATION_BITS-1:0] enters_generation,
    input  wire logic [SYMBOL_BITS-1:0]     enters_symbol,
    input  wire logic                       leaves,
    input  wire logic [SLOT_BITS-1:0]       leaves_slot,
    // One of the two came while the other was done; it is done the cycle after.
    output logic                            busy
);
    localparam integer KEY_BITS = SESSION_BITS + 32;
    localparam integer CELL_BITS = 1 + KEY_BITS + SLOT_BITS + GENERATION_BITS + SYMBOL_BITS;
    localparam integer AT_BITS = BUCKET_BITS + 3;

    // Two numbers from a client's: neighbours never meet in the first, and are strewn in the second.
    function automatic [BUCKET_BITS-1:0] bucket_of(
        input logic second, input logic [SESSION_BITS-1:0] of_session, input logic [31:0] number
    );
        logic [31:0] mixed;
        mixed = number ^ {of_session, {(32 - SESSION_BITS){1'b0}}}
            ^ {{(32 - SESSION_BITS){1'b0}}, of_session} << 3;
        if (second) mixed = mixed ^ (mixed >> 7) ^ (mixed << 9) ^ (mixed >> 15) ^ (mixed << 3);
        bucket_of = mixed[BUCKET_BITS-1:0] ^ mixed[31 -: BUCKET_BITS]
            ^ {2'd0, mixed[BUCKET_BITS +: BUCKET_BITS - 2]};
    endfunction

    logic [BUCKET_BITS-1:0] bucket [0:1];
    assign bucket[0] = bucket_of(1'b0, session, ordinal);
    assign bucket[1] = bucket_of(1'b1, session, ordinal);

    logic [KEY_BITS-1:0] key_q;
    logic [BUCKET_BITS-1:0] bucket_q [0:1];
    always @(posedge clock) begin
        key_q <= {session, ordinal};
        bucket_q[0] <= bucket[0];
        bucket_q[1] <= bucket[1];
    end

    // ---- places ----
    logic [BUCKET_BITS:0] clear_q;
    assign clearing = !clear_q[BUCKET_BITS];
    always @(posedge clock) begin
        if (clearing) clear_q <= clear_q + 1'b1;
        if (reset) clear_q <= '0;
    end

    // Which place an order that leaves has; known a cycle after it was asked for.
    logic leaves_q;
    logic [AT_BITS-1:0] left_at;
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(AT_BITS)) places (
        .clock(clock), .write(enters), .write_address(enters_slot), .write_data(enters_at),
        .read_address(leaves_slot), .read_data(left_at));
    always @(posedge clock) leaves_q <= leaves && !reset;
    assign busy = leaves_q;

    wire [CELL_BITS-1:0] entering = {1'b1, enters_session, enters_ordinal, enters_slot,
        enters_generation, enters_symbol};
    // In a command's cycles an order enters only when none left in the cycle before.
    wire [AT_BITS-1:0] at = leaves_q ? left_at : enters_at;

    logic [7:0] used, hits;
    logic [SLOT_BITS-1:0] slots [0:7];
    logic [GENERATION_BITS-1:0] generations [0:7];
    logic [SYMBOL_BITS-1:0] symbols [0:7];
    genvar way;
    generate
        for (way = 0; way < 8; way = way + 1) begin : ways
            logic [CELL_BITS-1:0] cell_read;
            wire here = (leaves_q || enters) && at[2:0] == way[2:0];
            ram #(.ADDRESS_BITS(BUCKET_BITS), .DATA_BITS(CELL_BITS)) cells (
                .clock(clock),
                .write(clearing || here),
                .write_address(clearing ? clear_q[BUCKET_BITS-1:0] : at[AT_BITS-1:3]),
                .write_data(clearing || leaves_q ? '0 : entering),
                .read_address(bucket[way / 4]), .read_data(cell_read));
            assign used[way] = cell_read[CELL_BITS-1];
            assign hits[way] = used[way] && cell_read[CELL_BITS-2 -: KEY_BITS] == key_q;
            assign slots[way] = cell_read[SYMBOL_BITS + GENERATION_BITS +: SLOT_BITS]
                & {SLOT_BITS{hits[way]}};
            assign generations[way] = cell_read[SYMBOL_BITS +: GENERATION_BITS]
                & {GENERATION_BITS{hits[way]}};
            assign symbols[way] = cell_read[0 +: SYMBOL_BITS] & {SYMBOL_BITS{hits[way]}};
        end
    endgenerate

    // The emptier table, counted coarsely: by whether its places fill in order.
    function automatic [2:0] first_free(input logic [3:0] places_used);
        first_free = !places_used[0] ? 3'd0 : !places_used[1] ? 3'd1
            : !places_used[2] ? 3'd2 : !places_used[3] ? 3'd3 : 3'd4;
    endfunction
    wire [2:0] free_low = first_free(used[3:0]);
    wire [2:0] free_high = first_free(used[7:4]);
    wire chooses_high = free_high < free_low;

    always @(posedge clock) begin
        hit <= |hits;
        slot <= slots[0] | slots[1] | slots[2] | slots[3]
            | slots[4] | slots[5] | slots[6] | slots[7];
        generation <= generations[0] | generations[1] | generations[2] | generations[3]
            | generations[4] | generations[5] | generations[6] | generations[7];
        symbol <= symbols[0] | symbols[1] | symbols[2] | symbols[3]
            | symbols[4] | symbols[5] | symbols[6] | symbols[7];
        has_room <= !(&used);
        room <= {chooses_high ? bucket_q[1] : bucket_q[0], chooses_high,
            chooses_high ? free_high[1:0] : free_low[1:0]};
    end
endmodule
`default_nettype wire
