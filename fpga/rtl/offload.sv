`default_nettype none
// The order book as a device: commands in, events out, both the software's 64-byte messages, one a
// beat; and a port for the host's settings. One command is in the works at a time; it is taken only
// when the events of any command find room. No board in it.
module offload #(
    parameter integer SYMBOL_BITS = 1,
    parameter integer SYMBOLS = 1,
    parameter integer SLOT_BITS = 12,
    parameter integer BUCKET_BITS = 11,
    parameter integer SESSION_BITS = 10,
    parameter integer ACCOUNT_BITS = 16,
    parameter integer FILLS_MAX = 256,
    parameter integer DEPTH_BITS = 10
) (
    input  wire logic         clock,
    input  wire logic         reset,
    // Settings: what and which in the address.
    input  wire logic         setting_write,
    input  wire logic [15:0]  setting_address,
    input  wire logic [63:0]  setting_data,
    // Commands. What a frame asks comes before its last byte: it is begun and waits for `commit`,
    // or is forgotten at `forget`. A host holds `commit` high.
    input  wire logic         command_valid,
    output logic              command_ready,
    input  wire logic [511:0] command_data,
    input  wire logic         commit,
    input  wire logic         forget,
    // What is known only then: a gate's refusal, and where the device is the sequencer, the
    // command's place, its time and whether it must not take.
    input  wire logic [7:0]   verdict,
    input  wire logic         stamps,
    input  wire logic [63:0]  stamp_seq,
    input  wire logic [63:0]  stamp_time,
    input  wire logic         stamp_post_only,
    // Events.
    output logic              event_valid,
    input  wire logic         event_ready,
    output logic [511:0]      event_data,
    // For whoever watches: the core takes a command, tells a step; counters of what was refused.
    output logic              started,
    output logic              stepped,
    output logic              idle,
    output logic [3:0]        top,
    output logic [31:0]       commands_count,
    output logic [31:0]       map_full_count
);
    localparam integer GENERATION_BITS = 4;

    // ---- settings ----
    logic [31:0] first_instrument_q, sessions_max_q;
    wire sets_registers = setting_write && setting_address[15:12] == 4'd0;
    wire sets_rows = setting_write && setting_address[15:13] == 3'd1;
    always @(posedge clock) begin
        if (sets_registers && setting_address[0] == 1'b0) first_instrument_q <= setting_data[31:0];
        if (sets_registers && setting_address[0] == 1'b1) sessions_max_q <= setting_data[31:0];
    end

    // ---- the steps before the core ----
    message_pkg::command_t taken, command_q;
    assign taken = command_data;
    // One bit a step; bit 0 is rest.
    logic [5:0] step_q;
    logic start_q;
    logic committed_q;
    wire core_ready, map_busy, clearing, roomy;
    wire takes = step_q[0] && command_valid && command_ready;
    // After the core has finished, the map's and the mirror's last writes take a moment.
    assign command_ready = step_q[0] && core_ready && !start_q && !stepped && !renamed_q
        && !renamed_qq && !map_busy && !clearing && roomy;

    wire is_enter = command_q.kind == message_pkg::COMMAND_ENTER;
    wire is_replace = command_q.kind == message_pkg::COMMAND_REPLACE;
    wire is_cancel = command_q.kind == message_pkg::COMMAND_CANCEL;
    wire is_modify = command_q.kind == message_pkg::COMMAND_MODIFY;
    wire takes_enter = taken.kind == message_pkg::COMMAND_ENTER;

    // ---- client's numbers ----
    logic hit, has_room;
    logic [SLOT_BITS-1:0] found_slot;
    logic [GENERATION_BITS-1:0] found_generation;
    logic [SYMBOL_BITS-1:0] found_symbol;
    logic found_sells, target_sells_q;
    logic [1:0] step_side;
    logic [BUCKET_BITS+2:0] room;
    logic core_rests, core_renamed, core_leaves;
    logic [SLOT_BITS-1:0] rests_slot, leaves_slot;
    logic [GENERATION_BITS-1:0] rests_generation;
    logic renamed_q, renamed_qq, own_hit_q, own_room_q, target_hit_q;
    logic [SLOT_BITS-1:0] target_slot_q;
    logic [GENERATION_BITS-1:0] target_generation_q;
    logic [BUCKET_BITS+2:0] room_q;
    logic [SYMBOL_BITS-1:0] symbol_q;

    // A new order's number is looked up first, of two numbers the target's.
    order_map #(
        .BUCKET_BITS(BUCKET_BITS), .SESSION_BITS(SESSION_BITS), .SLOT_BITS(SLOT_BITS),
        .GENERATION_BITS(GENERATION_BITS), .SYMBOL_BITS(SYMBOL_BITS + 1)
    ) map (
        .clock(clock), .reset(reset), .clearing(clearing),
        .session(step_q[0] ? taken.session[SESSION_BITS-1:0]
            : command_q.session[SESSION_BITS-1:0]),
        .ordinal(!step_q[0] ? command_q.ordinal : takes_enter ? taken.ordinal : taken.target),
        .hit(hit), .slot(found_slot), .generation(found_generation), .symbol({found_sells, found_symbol}),
        .has_room(has_room), .room(room),
        .enters(core_rests || renamed_qq), .enters_at(room_q),
        .enters_session(command_q.session[SESSION_BITS-1:0]), .enters_ordinal(command_q.ordinal),
        .enters_slot(renamed_qq ? target_slot_q : rests_slot),
        .enters_generation(renamed_qq ? target_generation_q : rests_generation),
        .enters_symbol({renamed_qq ? target_sells_q : step_side != message_pkg::SIDE_BUY[1:0],
            symbol_q}),
        .leaves(core_leaves || core_renamed),
        .leaves_slot(core_renamed ? target_slot_q : leaves_slot), .busy(map_busy));

    wire session_known = command_q.session < sessions_max_q;
    wire [31:0] symbol_wide = command_q.instrument - first_instrument_q;
    wire instrument_known = symbol_wide < SYMBOLS;

    // ---- prices ----
    logic below, above, on_tick;
    logic [11:0] index;
    wire [SYMBOL_BITS-1:0] priced_symbol =
        is_enter ? symbol_wide[SYMBOL_BITS-1:0] : step_q[2] ? found_symbol : symbol_q;
    price_index #(.SYMBOL_BITS(SYMBOL_BITS)) prices (
        .clock(clock),
        .row_write(sets_rows), .row_symbol(setting_address[SYMBOL_BITS-1:0]),
        .row_is_base(!setting_address[12]), .row_data(setting_data[39:0]),
        .symbol(priced_symbol), .price(command_q.price),
        .below(below), .above(above), .on_tick(on_tick), .index(index));

    // ---- what is refused before the core ----
    logic [7:0] refusal, refusal_kind;
    wire is_limit = command_q.order_type == message_pkg::ORDER_LIMIT;
    wire is_market = command_q.order_type == message_pkg::ORDER_MARKET;
    wire may_rest = is_limit && (command_q.time_in_force == message_pkg::TIME_DAY
        || command_q.time_in_force == message_pkg::TIME_GTC);
    wire post_only = command_q.flags[0];
    wire plain = (is_limit || is_market) && command_q.time_in_force <= message_pkg::TIME_GTC
        && !command_q.flags[4];
    wire bad_price = is_limit && (below || above || !on_tick);
    logic [7:0] asked;
    always @* begin
        asked = 8'd0;
        if (command_q.quantity == 32'd0) asked = message_pkg::REJECT_INVALID_QUANTITY;
        else if (bad_price) asked = message_pkg::REJECT_INVALID_PRICE;
        else if (!plain) asked = message_pkg::REJECT_UNSUPPORTED;
        else if (is_enter && command_q.side > message_pkg::SIDE_SELL_SHORT_EXEMPT)
            asked = message_pkg::REJECT_INVALID_SIDE;
        else if (may_rest && !own_room_q) asked = message_pkg::REJECT_BOOK_FULL;
    end
    wire [7:0] gated = command_q.verdict != 8'd0 ? command_q.verdict : verdict;
    wire found = target_hit_q && session_known;
    always @* begin
        refusal = 8'd0;
        if (gated != 8'd0) refusal = gated;
        else if (is_enter) begin
            if (!session_known) refusal = message_pkg::REJECT_UNKNOWN_SESSION;
            else if (!instrument_known) refusal = message_pkg::REJECT_UNKNOWN_INSTRUMENT;
            else if (own_hit_q) refusal = message_pkg::REJECT_DUPLICATE_ORDER;
            else refusal = asked;
        end else if (!found) refusal = message_pkg::REJECT_UNKNOWN_ORDER;
        else if (is_replace) refusal = own_hit_q ? message_pkg::REJECT_DUPLICATE_ORDER : asked;
        else if (is_modify && command_q.side > message_pkg::SIDE_SELL_SHORT_EXEMPT)
            refusal = message_pkg::REJECT_UNSUPPORTED;
        refusal_kind = is_cancel || is_modify
            ? message_pkg::EVENT_CANCEL_REJECTED : message_pkg::EVENT_REJECTED;
    end

    // A market order's protection may lie between two prices, or off the ladder.
    wire buys = is_replace ? !target_sells_q : command_q.side == message_pkg::SIDE_BUY;
    wire limits = is_limit || command_q.price != 64'd0;
    logic takes_any_q, takes_none_q;
    logic [11:0] index_q;
    logic [7:0] refusal_q, refusal_kind_q;
    logic [2:0] operation_q;
    wire rounds_up = !buys && !on_tick && !is_limit;
    wire begins = is_replace ? step_q[5] : is_enter ? step_q[4] : step_q[3];
    wire goes = begins && (commit || committed_q) && !forget;

    always @(posedge clock) begin
        renamed_q <= core_renamed;
        renamed_qq <= renamed_q;
        start_q <= 1'b0;
        if (commit && !step_q[0]) committed_q <= 1'b1;
        if (takes) begin
            command_q <= taken;
            step_q <= 6'b10;
            committed_q <= 1'b0;
        end else if (forget && !start_q && !step_q[0]) step_q <= 6'b1;
        else if (goes) begin
            step_q <= 6'b1;
            start_q <= 1'b1;
        end else if (!step_q[0] && !begins) step_q <= step_q << 1;
        if (step_q[2]) begin
            target_hit_q <= hit && !is_enter;
            target_slot_q <= found_slot;
            target_sells_q <= found_sells;
            target_generation_q <= found_generation;
            symbol_q <= priced_symbol;
        end
        if (is_enter ? step_q[2] : step_q[3]) begin
            own_hit_q <= hit;
            own_room_q <= has_room;
            room_q <= room;
        end
        if (goes) begin
            index_q <= rounds_up ? index + 1'b1 : index;
            takes_any_q <= !limits || (!is_limit && (buys ? above : below));
            takes_none_q <= limits && !is_limit && (buys ? below
                : above || (rounds_up && index == 12'hfff && !below));
            refusal_q <= refusal;
            refusal_kind_q <= refusal_kind;
            operation_q <= is_enter ? core_pkg::ENTER : is_replace ? core_pkg::REPLACE
                : is_cancel ? core_pkg::REDUCE_TO : is_modify ? core_pkg::REMARK
                : core_pkg::REFUSE;
            if (stamps) begin
                command_q.seq <= stamp_seq;
                command_q.timestamp <= stamp_time;
                command_q.flags[0] <= stamp_post_only;
            end
            commands_count <= commands_count + 1'b1;
            if (is_enter && refusal == message_pkg::REJECT_BOOK_FULL && !own_room_q)
                map_full_count <= map_full_count + 1'b1;
        end
        if (reset) begin
            step_q <= 6'b1;
            start_q <= 1'b0;
            commands_count <= 32'd0;
            map_full_count <= 32'd0;
        end
    end
    assign started = start_q;
    assign idle = command_ready;

    // ---- core and mirror ----
    logic step_last, step_pair, step_taker_done, step_at_maker_price, step_answers;
    logic [2:0] step_form;
    logic [7:0] step_kind, step_reason, step_flags;
    logic [31:0] step_quantity;
    logic [ACCOUNT_BITS-1:0] step_account;
    logic [SLOT_BITS-1:0] told_slot;

    match_core #(
        .SYMBOL_BITS(SYMBOL_BITS), .SYMBOLS(SYMBOLS), .SLOT_BITS(SLOT_BITS),
        .GENERATION_BITS(GENERATION_BITS), .ACCOUNT_BITS(ACCOUNT_BITS), .FILLS_MAX(FILLS_MAX)
    ) core (
        .clock(clock), .reset(reset), .ready(core_ready),
        .prepare(step_q[2]), .symbol(step_q[2] ? priced_symbol : symbol_q),
        .start(start_q), .operation(operation_q),
        .command_side(command_q.side[1:0]), .command_index(index_q),
        .takes_any(takes_any_q), .takes_none(takes_none_q),
        .may_rest(may_rest),
        .all_or_nothing(command_q.time_in_force == message_pkg::TIME_FOK),
        .post_only(post_only), .self_trade(command_q.flags[3:1]),
        .command_quantity(command_q.quantity),
        // The host puts an order back that has traded: how much lies where a target would.
        .command_executed(command_q.version[7] && is_enter ? command_q.target : 32'd0),
        .command_account(command_q.account[ACCOUNT_BITS-1:0]),
        .refusal(refusal_q), .refusal_kind(refusal_kind_q),
        .target_slot(target_slot_q), .target_generation(target_generation_q),
        .step_valid(stepped), .step_last(step_last), .step_form(step_form),
        .step_pair(step_pair), .step_kind(step_kind), .step_reason(step_reason),
        .step_flags(step_flags), .step_taker_done(step_taker_done),
        .step_at_maker_price(step_at_maker_price), .step_answers(step_answers),
        .step_quantity(step_quantity), .step_side(step_side), .step_account(step_account),
        .told_slot(told_slot), .rests(core_rests), .renamed(core_renamed),
        .rests_slot(rests_slot), .rests_generation(rests_generation),
        .leaves(core_leaves), .leaves_slot(leaves_slot), .top(top));

    event_mirror #(
        .SYMBOL_BITS(SYMBOL_BITS), .SLOT_BITS(SLOT_BITS), .SESSION_BITS(SESSION_BITS),
        .ACCOUNT_BITS(ACCOUNT_BITS), .DEPTH_BITS(DEPTH_BITS), .FILLS_MAX(FILLS_MAX)
    ) mirror (
        .clock(clock), .reset(reset), .command(command_q), .start(start_q),
        .instrument({{(32-SYMBOL_BITS){1'b0}}, symbol_q} + first_instrument_q),
        .step_valid(stepped), .step_last(step_last), .step_form(step_form),
        .step_pair(step_pair), .step_kind(step_kind), .step_reason(step_reason),
        .step_flags(step_flags), .step_taker_done(step_taker_done),
        .step_at_maker_price(step_at_maker_price), .step_answers(step_answers),
        .step_quantity(step_quantity), .step_side(step_side), .step_account(step_account),
        .told_slot(told_slot), .rests(core_rests), .renamed(renamed_q),
        .rests_slot(renamed_q ? target_slot_q : rests_slot),
        .roomy(roomy), .event_valid(event_valid), .event_ready(event_ready),
        .event_data(event_data));
endmodule
`default_nettype wire
