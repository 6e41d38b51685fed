`default_nettype none
// The memories of the book, and what each cycle of the core writes to them. All are read at the
// addresses that the core names; an answer is there one cycle later.
module book_memory #(
    parameter integer SYMBOL_BITS = 1,
    parameter integer SLOT_BITS = 12,
    parameter integer GENERATION_BITS = 4,
    parameter integer ACCOUNT_BITS = 16,
    parameter integer CLEAR_BITS = 12,
    parameter integer LEVEL_BITS = SYMBOL_BITS + 1 + 12,
    parameter integer WORD_BITS = SYMBOL_BITS + 1 + 6,
    parameter integer PLACE_BITS = 12 + ACCOUNT_BITS + 2 + 1
) (
    input  wire logic                       clock,
    // Which kind of cycle it is: at most one.
    input  wire logic                       clears,
    input  wire logic                       at_fill,
    input  wire logic                       at_tell,
    input  wire logic                       at_join,
    input  wire logic                       at_joined,
    input  wire logic                       at_parted,
    input  wire logic [CLEAR_BITS:0]        clear,
    input  wire logic [SYMBOL_BITS-1:0]     symbol,
    // The command, and the best maker that it meets.
    input  wire logic                       sells,
    input  wire logic [31:0]                left,
    input  wire logic [31:0]                executed,
    input  wire logic                       fills,
    input  wire logic                       pops,
    input  wire logic                       dents,
    input  wire logic                       level_ends,
    input  wire logic [31:0]                maker_left,
    input  wire logic [SLOT_BITS-1:0]       maker_slot,
    input  wire logic [GENERATION_BITS-1:0] maker_generation,
    input  wire logic [11:0]                maker_index,
    input  wire logic [31:0]                maker_executed,
    input  wire logic                       second_valid,
    input  wire logic [SLOT_BITS-1:0]       second_slot,
    input  wire logic [63:0]                popped_word,
    // The order it works on: cut, marked anew, or taken out of its list.
    input  wire logic                       cuts,
    input  wire logic                       remarks,
    input  wire logic [31:0]                cut_left,
    input  wire logic [SLOT_BITS-1:0]       target_slot,
    input  wire logic                       target_sells,
    input  wire logic [11:0]                target_index,
    input  wire logic [31:0]                target_executed,
    input  wire logic [GENERATION_BITS-1:0] target_generation,
    input  wire logic [PLACE_BITS-1:0]      target_place,
    input  wire logic                       target_has_next,
    input  wire logic [SLOT_BITS-1:0]       target_next,
    input  wire logic                       target_has_prev,
    input  wire logic [SLOT_BITS-1:0]       target_prev,
    input  wire logic                       is_tail,
    input  wire logic                       same_prev,
    input  wire logic                       level_goes,
    input  wire logic [63:0]                parted_word,
    // The order it makes, and where that joins.
    input  wire logic [SLOT_BITS-1:0]       new_slot,
    input  wire logic [11:0]                mine_index,
    input  wire logic [PLACE_BITS-1:0]      new_place,
    input  wire logic                       join_has_succ,
    input  wire logic [SLOT_BITS-1:0]       join_succ,
    input  wire logic                       has_pred,
    input  wire logic [SLOT_BITS-1:0]       pred,
    input  wire logic                       has_succ,
    input  wire logic [SLOT_BITS-1:0]       succ,
    input  wire logic [63:0]                joined_word,
    // What is read.
    input  wire logic [SLOT_BITS-1:0]       node_address,
    input  wire logic [LEVEL_BITS-1:0]      tail_address,
    input  wire logic [WORD_BITS-1:0]       bits_address,
    output logic [SLOT_BITS:0]              next_read,
    output logic [SLOT_BITS:0]              prev_read,
    output logic [63:0]                     stock_read,
    output logic [PLACE_BITS-1:0]           place_read,
    output logic [GENERATION_BITS-1:0]      generation_read,
    output logic [SLOT_BITS-1:0]            tail_read,
    output logic [63:0]                     bits_read
);
    logic next_write, prev_write, stock_write, place_write, generation_write;
    logic [SLOT_BITS-1:0] next_slot, prev_slot, stock_slot, generation_slot;
    logic [SLOT_BITS:0] next_data, prev_data;
    logic [63:0] stock_data;
    logic [GENERATION_BITS-1:0] generation_data;
    logic tail_write, bits_write;
    logic [LEVEL_BITS-1:0] tail_level;
    logic [SLOT_BITS-1:0] tail_data;
    logic [WORD_BITS-1:0] bits_word;
    logic [63:0] bits_data;
    wire [PLACE_BITS-1:0] place_data = at_tell ? target_place : new_place;

    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(SLOT_BITS + 1)) next_ram (
        .clock(clock), .write(next_write), .write_address(next_slot), .write_data(next_data),
        .read_address(node_address), .read_data(next_read));
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(SLOT_BITS + 1)) prev_ram (
        .clock(clock), .write(prev_write), .write_address(prev_slot), .write_data(prev_data),
        .read_address(node_address), .read_data(prev_read));
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(64)) stock_ram (
        .clock(clock), .write(stock_write), .write_address(stock_slot), .write_data(stock_data),
        .read_address(node_address), .read_data(stock_read));
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(PLACE_BITS)) place_ram (
        .clock(clock), .write(place_write), .write_address(stock_slot), .write_data(place_data),
        .read_address(node_address), .read_data(place_read));
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(GENERATION_BITS)) generation_ram (
        .clock(clock), .write(generation_write), .write_address(generation_slot),
        .write_data(generation_data), .read_address(node_address), .read_data(generation_read));
    ram #(.ADDRESS_BITS(LEVEL_BITS), .DATA_BITS(SLOT_BITS)) tail_ram (
        .clock(clock), .write(tail_write), .write_address(tail_level), .write_data(tail_data),
        .read_address(tail_address), .read_data(tail_read));
    ram #(.ADDRESS_BITS(WORD_BITS), .DATA_BITS(64)) bits_ram (
        .clock(clock), .write(bits_write), .write_address(bits_word), .write_data(bits_data),
        .read_address(bits_address), .read_data(bits_read));

    always @* begin
        next_write = 1'b0;
        next_slot = new_slot;
        next_data = {join_has_succ, join_succ};
        prev_write = 1'b0;
        prev_slot = new_slot;
        prev_data = {has_pred, pred};
        stock_write = 1'b0;
        stock_slot = new_slot;
        stock_data = {executed, left};
        place_write = 1'b0;
        generation_write = 1'b0;
        generation_slot = maker_slot;
        generation_data = maker_generation + 1'b1;
        tail_write = 1'b0;
        tail_level = {symbol, sells, mine_index};
        tail_data = new_slot;
        bits_write = 1'b0;
        bits_word = {symbol, !sells, maker_index[11:6]};
        bits_data = popped_word;
        case (1'b1)
            clears: begin
                bits_write = 1'b1;
                bits_word = clear[WORD_BITS-1:0];
                bits_data = 64'd0;
                generation_write = 1'b1;
                generation_slot = clear[SLOT_BITS-1:0];
                generation_data = '0;
            end
            at_fill: begin
                generation_write = pops;
                prev_write = pops && second_valid;
                prev_slot = second_slot;
                prev_data = '0;
                bits_write = pops && level_ends;
                stock_write = dents;
                stock_slot = maker_slot;
                stock_data = {fills ? maker_executed + left : maker_executed, maker_left};
            end
            at_tell: begin
                stock_write = cuts;
                stock_slot = target_slot;
                stock_data = {target_executed, cut_left};
                place_write = remarks;
            end
            at_join: begin
                next_write = 1'b1;
                prev_write = 1'b1;
                stock_write = 1'b1;
                place_write = 1'b1;
                tail_write = 1'b1;
                bits_write = 1'b1;
                bits_word = {symbol, sells, mine_index[11:6]};
                bits_data = joined_word;
            end
            at_joined: begin
                next_write = has_pred;
                next_slot = pred;
                next_data = {1'b1, new_slot};
                prev_write = has_succ;
                prev_slot = succ;
                prev_data = {1'b1, new_slot};
            end
            at_parted: begin
                next_write = target_has_prev;
                next_slot = target_prev;
                next_data = {target_has_next, target_next};
                prev_write = target_has_next;
                prev_slot = target_next;
                prev_data = {target_has_prev, target_prev};
                generation_write = 1'b1;
                generation_slot = target_slot;
                generation_data = target_generation + 1'b1;
                tail_write = is_tail && same_prev;
                tail_level = {symbol, target_sells, target_index};
                tail_data = target_prev;
                bits_write = level_goes;
                bits_word = {symbol, target_sells, target_index[11:6]};
                bits_data = parted_word;
            end
            default: ;
        endcase
    end
endmodule
`default_nettype wire
