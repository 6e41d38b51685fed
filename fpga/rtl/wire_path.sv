`default_nettype none
// Wire to wire: frames in, the book, frames out, and every event mirrored to the host. The device
// is the sequencer of its instruments: it gives an order its place and its time when the frame is
// known to be good.
module wire_path #(
    parameter integer SYMBOL_BITS = 1,
    parameter integer SYMBOLS = 1,
    parameter integer SLOT_BITS = 12,
    parameter integer BUCKET_BITS = 11,
    parameter integer FILLS_MAX = 256,
    parameter integer DEPTH_BITS = 10,
    parameter integer SESSIONS = 4
) (
    input  wire logic         clock,
    input  wire logic         reset,
    input  wire logic         setting_write,
    input  wire logic [15:0]  setting_address,
    input  wire logic [63:0]  setting_data,
    // Log time, from whoever keeps it.
    input  wire logic [63:0]  now,
    // From the MAC, which never waits.
    input  wire logic         frame_valid,
    input  wire logic [63:0]  frame_data,
    input  wire logic [7:0]   frame_keep,
    input  wire logic         frame_last,
    input  wire logic         frame_bad,
    // To the MAC.
    output logic              report_valid,
    input  wire logic         report_ready,
    output logic [63:0]       report_data,
    output logic [7:0]        report_keep,
    output logic              report_last,
    // The host's own commands: limits, kills, cancels of a session that is gone.
    input  wire logic         command_valid,
    output logic              command_ready,
    input  wire logic [511:0] command_data,
    // The mirror: no report leaves before the host has its event.
    output logic              event_valid,
    input  wire logic         event_ready,
    output logic [511:0]      event_data,
    output logic              started,
    output logic              stepped,
    output logic              idle,
    output logic [3:0]        top,
    // By cause: what was dropped or refused, and what was taken.
    output logic [767:0]      counters
);
    localparam integer SESSION_BITS = 10;
    localparam integer ACCOUNT_BITS = 16;

    // ---- settings of the port ----
    logic [47:0] own_mac_q;
    logic [31:0] own_address_q, first_instrument_q;
    logic [15:0] own_port_q;
    wire sets_port = setting_write && setting_address[15:12] == 4'd7;
    always @(posedge clock) begin
        if (sets_port && setting_address[3:0] == 4'd0) own_mac_q <= setting_data[47:0];
        if (sets_port && setting_address[3:0] == 4'd1)
            {own_port_q, own_address_q} <= setting_data[47:0];
        if (setting_write && setting_address == 16'd0) first_instrument_q <= setting_data[31:0];
    end
    (* ram_style = "distributed" *) logic [63:0] names [0:(1 << SYMBOL_BITS)-1];
    always @(posedge clock) if (setting_write && setting_address[15:12] == 4'd6)
        names[setting_address[SYMBOL_BITS-1:0]] <= setting_data;

    // ---- the frame ----
    logic begins, asked, sweeps, post_only, good, dropped;
    logic [7:0] kind, side, time_in_force, capacity;
    logic [31:0] ordinal, target, quantity, source_address;
    logic [63:0] price, symbol, number;
    logic [79:0] token;
    logic [15:0] source_port;
    logic [3:0] cause;
    // An order that was begun and has not gone into the core, or waits for its turn.
    logic pending_q, begun_q, judged_q;
    frame_parser parser (
        .clock(clock), .reset(reset),
        .frame_valid(frame_valid), .frame_data(frame_data), .frame_keep(frame_keep),
        .frame_last(frame_last), .frame_bad(frame_bad),
        .own_mac(own_mac_q), .own_address(own_address_q), .own_port(own_port_q),
        .open(!pending_q), .begins(begins), .asked(asked), .kind(kind), .ordinal(ordinal), .target(target),
        .quantity(quantity), .price(price), .symbol(symbol), .side(side),
        .time_in_force(time_in_force), .capacity(capacity), .sweeps(sweeps),
        .post_only(post_only), .token(token), .number(number),
        .source_address(source_address), .source_port(source_port),
        .good(good), .dropped(dropped), .cause(cause));

    // ---- whose it is, and risk ----
    wire is_market = price == 64'h7fff_ffff;
    logic known, commits, duplicate, gap, stranger;
    logic [SESSION_BITS-1:0] session;
    logic [ACCOUNT_BITS-1:0] account;
    logic [2:0] self_trade;
    logic [7:0] verdict;
    order_gate #(.SESSIONS(SESSIONS)) gate (
        .clock(clock), .reset(reset), .setting_write(setting_write),
        .setting_address(setting_address), .setting_data(setting_data),
        .token(token), .number(number), .source_address(source_address),
        .source_port(source_port), .kind(kind), .ordinal(ordinal), .quantity(quantity),
        .price(price), .is_market(is_market), .good(good && pending_q), .known(known),
        .commits(commits), .duplicate(duplicate), .gap(gap), .stranger(stranger),
        .session(session), .account(account), .self_trade(self_trade), .verdict(verdict),
        .told(event_valid && taken_out), .event_told(event_data));

    // ---- the order as a command ----
    logic [31:0] instrument;
    integer at;
    always @* begin
        instrument = 32'd0;
        for (at = 0; at < SYMBOLS; at = at + 1)
            if (names[at[SYMBOL_BITS-1:0]] == {symbol[7:0], symbol[15:8], symbol[23:16],
                    symbol[31:24], symbol[39:32], symbol[47:40], symbol[55:48], symbol[63:56]})
                instrument = first_instrument_q + at;
    end
    wire adds = kind == message_pkg::COMMAND_ENTER || kind == message_pkg::COMMAND_REPLACE;
    message_pkg::command_t asked_for;
    always @* begin
        asked_for = '0;
        asked_for.session = {{(32-SESSION_BITS){1'b0}}, session};
        asked_for.client_seq = number[31:0];
        asked_for.kind = kind;
        asked_for.quantity = quantity;
        asked_for.lines = 8'd1;
        asked_for.version = 8'd1;
        asked_for.target = kind == message_pkg::COMMAND_ENTER ? 32'd0 : target;
        if (kind == message_pkg::COMMAND_MODIFY) asked_for.side = side;
        if (adds) begin
            asked_for.ordinal = ordinal;
            asked_for.price = is_market ? 64'd0 : price;
            asked_for.order_type = is_market ? message_pkg::ORDER_MARKET
                : message_pkg::ORDER_LIMIT;
            asked_for.time_in_force = time_in_force;
            asked_for.flags = {capacity[1:0], sweeps, 1'b0, self_trade, 1'b0};
        end
        if (kind == message_pkg::COMMAND_ENTER) begin
            asked_for.side = side;
            asked_for.instrument = instrument;
            asked_for.account = {{(32-ACCOUNT_BITS){1'b0}}, account};
        end
    end

    // A wire's order goes before a host's command; a host's has its own place and time.
    logic from_wire_q, begins_wire;
    logic [63:0] seq_q;
    wire book_ready;
    // A flood's frames say nothing about the order that waits.
    wire dropped_own = dropped && cause != 4'd10;
    wire judged = good || dropped_own;
    // Begun before it is judged, or, where the book was busy then, after.
    assign begins_wire = asked && known && pending_q && !begun_q
        && !(dropped_own || (good && !commits));
    assign command_ready = book_ready && !pending_q;
    wire takes_wire = begins_wire && book_ready;
    wire forgets = from_wire_q && begun_q && (dropped_own || (good && !commits));

    always @(posedge clock) begin
        // Not the later words of a frame that was dropped for a flood: nobody would judge them.
        if (begins) pending_q <= 1'b1;
        if (takes_wire) begin
            begun_q <= 1'b1;
            from_wire_q <= 1'b1;
        end
        if (command_valid && command_ready) from_wire_q <= 1'b0;
        // A good order that found the book busy waits for it, and its frame's words with it.
        if (judged && pending_q) begin
            if (!commits) begin
                pending_q <= 1'b0;
                begun_q <= 1'b0;
            end else judged_q <= 1'b1;
        end
        if (started && from_wire_q) begin
            pending_q <= 1'b0;
            begun_q <= 1'b0;
            judged_q <= 1'b0;
        end
        if (setting_write && setting_address == 16'h7002) seq_q <= setting_data;
        else if (commits) seq_q <= seq_q + 1'b1;
        if (commits) begin
            late_verdict_q <= verdict;
            late_time_q <= now;
            late_seq_q <= seq_q;
        end
        if (reset) begin
            pending_q <= 1'b0;
            begun_q <= 1'b0;
            judged_q <= 1'b0;
            from_wire_q <= 1'b0;
        end
    end
    logic [7:0] late_verdict_q;
    logic [63:0] late_time_q, late_seq_q;

    logic book_event_valid, book_event_ready;
    logic [31:0] commands_count, map_full_count;
    offload #(
        .SYMBOL_BITS(SYMBOL_BITS), .SYMBOLS(SYMBOLS), .SLOT_BITS(SLOT_BITS),
        .BUCKET_BITS(BUCKET_BITS), .SESSION_BITS(SESSION_BITS), .ACCOUNT_BITS(ACCOUNT_BITS),
        .FILLS_MAX(FILLS_MAX), .DEPTH_BITS(DEPTH_BITS)
    ) book (
        .clock(clock), .reset(reset), .setting_write(setting_write),
        .setting_address(setting_address), .setting_data(setting_data),
        .command_valid(begins_wire || (command_valid && command_ready)),
        .command_ready(book_ready),
        .command_data(begins_wire ? asked_for : command_data),
        .commit(from_wire_q ? commits || judged_q : 1'b1), .forget(forgets),
        .verdict(!from_wire_q ? 8'd0 : commits ? verdict : late_verdict_q),
        .stamps(from_wire_q), .stamp_seq(commits ? seq_q : late_seq_q),
        .stamp_time(commits ? now : late_time_q), .stamp_post_only(post_only && adds),
        .event_valid(book_event_valid), .event_ready(book_event_ready), .event_data(event_data),
        .started(started), .stepped(stepped), .idle(idle), .top(top),
        .commands_count(commands_count), .map_full_count(map_full_count));

    // ---- out: the host first, then the session ----
    logic mirrored_q, report_done;
    wire taken_out = book_event_valid && book_event_ready;
    wire mirrored = mirrored_q || event_ready;
    assign event_valid = book_event_valid && !mirrored_q;
    assign book_event_ready = mirrored && report_done;
    logic [7:0] said_time_q, said_flags_q;
    always @(posedge clock) begin
        if (taken_out) mirrored_q <= 1'b0;
        else if (event_valid && event_ready) mirrored_q <= 1'b1;
        if (started && from_wire_q) begin
            said_time_q <= time_in_force;
            said_flags_q <= {capacity[1:0], sweeps, 5'd0};
        end
        if (reset) mirrored_q <= 1'b0;
    end
    report_builder #(.SESSIONS(SESSIONS), .SYMBOL_BITS(SYMBOL_BITS)) reports (
        .clock(clock), .reset(reset), .setting_write(setting_write),
        .setting_address(setting_address), .setting_data(setting_data),
        .own_mac(own_mac_q), .own_address(own_address_q), .own_port(own_port_q),
        .first_instrument(first_instrument_q),
        .time_in_force(said_time_q), .flags(said_flags_q),
        .event_valid(book_event_valid && mirrored), .event_ready(report_done),
        .event_data(event_data), .report_valid(report_valid), .report_ready(report_ready),
        .report_data(report_data), .report_keep(report_keep), .report_last(report_last));

    // ---- counters: frames by cause, then sessions, then the book ----
    logic [31:0] count_q [0:18];
    integer which;
    always @(posedge clock) begin
        if (dropped) count_q[{1'b0, cause}] <= count_q[{1'b0, cause}] + 1'b1;
        if (stranger) count_q[11] <= count_q[11] + 1'b1;
        if (duplicate) count_q[12] <= count_q[12] + 1'b1;
        if (gap) count_q[13] <= count_q[13] + 1'b1;
        if (commits) count_q[14] <= count_q[14] + 1'b1;
        if (commits && verdict != 8'd0) count_q[15] <= count_q[15] + 1'b1;
        if (report_valid && report_ready && report_last) count_q[16] <= count_q[16] + 1'b1;
        if (good && !pending_q) count_q[17] <= count_q[17] + 1'b1;
        if (frame_valid && frame_last) count_q[18] <= count_q[18] + 1'b1;
        if (reset) for (which = 0; which < 19; which = which + 1) count_q[which] <= 32'd0;
    end
    genvar counter;
    generate
        for (counter = 0; counter < 19; counter = counter + 1) begin : shown
            assign counters[32*counter +: 32] = count_q[counter];
        end
    endgenerate
    assign counters[32*19 +: 32] = commands_count;
    assign counters[32*20 +: 32] = map_full_count;
    assign counters[767:32*21] = '0;
endmodule
`default_nettype wire
