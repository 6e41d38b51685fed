`default_nettype none
// Makes the software's 64-byte events of the core's steps, with what is kept of every resting order.
module event_mirror #(
    parameter integer SYMBOL_BITS = 1,
    parameter integer SLOT_BITS = 12,
    parameter integer SESSION_BITS = 10,
    parameter integer ACCOUNT_BITS = 16,
    parameter integer DEPTH_BITS = 10,
    parameter integer FILLS_MAX = 256
) (
    input  wire logic                    clock,
    input  wire logic                    reset,
    input  wire message_pkg::command_t   command,
    input  wire logic                    start,
    // The instrument of the order, in the host's numbers.
    input  wire logic [31:0]             instrument,
    input  wire logic                    step_valid,
    input  wire logic                    step_last,
    input  wire logic [2:0]              step_form,
    input  wire logic                    step_pair,
    input  wire logic [7:0]              step_kind,
    input  wire logic [7:0]              step_reason,
    input  wire logic [7:0]              step_flags,
    input  wire logic                    step_taker_done,
    input  wire logic                    step_at_maker_price,
    input  wire logic                    step_answers,
    input  wire logic [31:0]             step_quantity,
    input  wire logic [1:0]              step_side,
    input  wire logic [ACCOUNT_BITS-1:0] step_account,
    input  wire logic [SLOT_BITS-1:0]    told_slot,
    input  wire logic                    rests,
    input  wire logic                    renamed,
    input  wire logic [SLOT_BITS-1:0]    rests_slot,
    output logic                         roomy,
    output logic                         event_valid,
    input  wire logic                    event_ready,
    output logic [511:0]                 event_data
);
    localparam integer KEPT_BITS = 40 + 48 + SESSION_BITS + ACCOUNT_BITS + 2;

    // ---- what is kept of a resting order ----
    logic [KEPT_BITS-1:0] kept;
    logic [31:0] kept_ordinal;
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(KEPT_BITS)) orders (
        .clock(clock), .write(rests), .write_address(rests_slot),
        .write_data({command.price[39:0], command.seq[47:0], command.session[SESSION_BITS-1:0],
            step_account, step_side}),
        .read_address(told_slot), .read_data(kept));
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(32)) ordinals (
        .clock(clock), .write(rests || renamed), .write_address(rests_slot),
        .write_data(command.ordinal),
        .read_address(told_slot), .read_data(kept_ordinal));

    wire [63:0] kept_price = {24'd0, kept[KEPT_BITS-1 -: 40]};
    wire [63:0] kept_reference = {16'd0, kept[KEPT_BITS-41 -: 48]};
    wire [31:0] kept_session =
        {{(32-SESSION_BITS){1'b0}}, kept[ACCOUNT_BITS + 2 +: SESSION_BITS]};
    wire [31:0] kept_account = {{(32-ACCOUNT_BITS){1'b0}}, kept[2 +: ACCOUNT_BITS]};
    wire [31:0] own_account = {{(32-ACCOUNT_BITS){1'b0}}, step_account};

    logic [15:0] index_q;
    logic pair_q, pair_last_q, pair_done_q;
    logic [63:0] pair_price_q;
    logic [31:0] pair_quantity_q, pair_account_q;
    logic [7:0] pair_kind_q, pair_reason_q;
    logic [1:0] pair_side_q;

    message_pkg::event_t made;
    wire is_slot = step_form == core_pkg::FORM_SLOT || step_form == core_pkg::FORM_OUTRUN;
    wire is_answer = step_form == core_pkg::FORM_ANSWER;
    wire is_replaced = step_form == core_pkg::FORM_REPLACED;
    wire last_now = pair_q ? pair_last_q : step_last && !step_pair;
    wire remarks = command.kind == message_pkg::COMMAND_MODIFY
        && (step_kind == message_pkg::EVENT_MODIFIED || step_kind == message_pkg::EVENT_REDUCED);

    always @* begin
        made = '0;
        made.id = {command.seq[47:0], index_q};
        made.timestamp = command.timestamp;
        made.instrument = instrument;
        made.client_seq = step_answers ? command.client_seq : 32'd0;
        made.quantity = step_quantity;
        made.kind = step_kind;
        made.reason = step_reason;
        made.flags = step_flags;
        // As an order of the command's own.
        made.price = step_at_maker_price && !step_pair ? kept_price : command.price;
        made.reference = command.seq;
        made.session = command.session;
        made.ordinal = command.ordinal;
        made.account = own_account;
        made.side = {6'd0, step_side};
        if (is_answer) begin
            made.instrument = command.instrument;
            made.target = command.target;
            made.account = command.account;
            made.side = command.side;
            if (step_kind == message_pkg::EVENT_CANCEL_REJECTED) made.ordinal = command.target;
        end
        if (is_replaced) made.target = kept_ordinal;
        if (is_replaced || step_form == core_pkg::FORM_KEPT) made.reference = kept_reference;
        if (is_slot) begin
            made.price = kept_price;
            made.reference = kept_reference;
            made.session = kept_session;
            made.ordinal = kept_ordinal;
            made.account = kept_account;
            made.side = {6'd0, remarks ? step_side : kept_side};
            made.target = step_form == core_pkg::FORM_OUTRUN ? command.ordinal : 32'd0;
        end
        if (pair_q) begin
            made.price = pair_price_q;
            made.reference = command.seq;
            made.session = command.session;
            made.ordinal = command.ordinal;
            made.instrument = instrument;
            made.account = pair_account_q;
            made.side = {6'd0, pair_side_q};
            made.target = 32'd0;
            made.client_seq = command.client_seq;
            made.quantity = pair_quantity_q;
            made.kind = pair_kind_q;
            made.reason = pair_reason_q;
            made.flags = pair_done_q ? message_pkg::EVENT_FLAG_DONE : 8'd0;
        end
        if (last_now) made.flags = made.flags | message_pkg::EVENT_FLAG_LAST;
    end

    // A sale that was marked anew: its side lies apart, for the core rewrites it.
    logic [1:0] kept_side;
    ram #(.ADDRESS_BITS(SLOT_BITS), .DATA_BITS(2)) sides (
        .clock(clock), .write(rests || remarked), .write_address(remarked ? told_q : rests_slot),
        .write_data(step_side), .read_address(told_slot), .read_data(kept_side));
    logic [SLOT_BITS-1:0] told_q;
    wire remarked = step_valid && step_kind == message_pkg::EVENT_MODIFIED;

    always @(posedge clock) begin
        told_q <= told_slot;
        pair_q <= step_valid && step_pair && !reset;
        pair_last_q <= step_last;
        pair_done_q <= step_taker_done;
        pair_price_q <= kept_price;
        pair_quantity_q <= step_quantity;
        pair_account_q <= own_account;
        pair_kind_q <= step_kind;
        pair_reason_q <= step_reason;
        pair_side_q <= step_side;
        if (start) index_q <= 16'd0;
        else if (step_valid || pair_q) index_q <= index_q + 1'b1;
    end

    event_fifo #(.DEPTH_BITS(DEPTH_BITS), .RESERVE(2*FILLS_MAX + 8)) queue (
        .clock(clock), .reset(reset),
        .push(step_valid || pair_q), .pushed(made), .roomy(roomy),
        .valid(event_valid), .ready(event_ready), .data(event_data));
endmodule
`default_nettype wire
