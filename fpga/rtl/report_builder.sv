`default_nettype none
// Frames for the sessions that events are told to: one message a frame, headers from the host's
// rows, the first word in the cycle the event is there. The event waits until its frame has gone.
module report_builder #(
    parameter integer SESSIONS = 4,
    parameter integer SESSION_BITS = 10,
    parameter integer SYMBOL_BITS = 1
) (
    input  wire logic            clock,
    input  wire logic            reset,
    input  wire logic            setting_write,
    input  wire logic [15:0]     setting_address,
    input  wire logic [63:0]     setting_data,
    input  wire logic [47:0]     own_mac,
    input  wire logic [31:0]     own_address,
    input  wire logic [15:0]     own_port,
    input  wire logic [31:0]     first_instrument,
    // The last order's words that a report says again.
    input  wire logic [7:0]      time_in_force,
    input  wire logic [7:0]      flags,
    input  wire logic            event_valid,
    output logic                 event_ready,
    input  wire message_pkg::event_t event_data,
    // To the MAC.
    output logic                 report_valid,
    input  wire logic            report_ready,
    output logic [63:0]          report_data,
    output logic [7:0]           report_keep,
    output logic                 report_last
);
    logic [47:0] macs_q [0:SESSIONS-1];
    logic [47:0] sources_q [0:SESSIONS-1];
    logic [79:0] tokens_q [0:SESSIONS-1];
    logic [63:0] numbers_q [0:SESSIONS-1];
    logic [15:0] sums_q [0:SESSIONS-1];
    logic [SESSION_BITS-1:0] sessions_q [0:SESSIONS-1];
    logic [SESSIONS-1:0] alive_q;
    (* ram_style = "distributed" *) logic [63:0] names [0:(1 << SYMBOL_BITS)-1];
    logic [63:0] midnight_q;

    wire sets_sessions = setting_write && setting_address[15:12] == 4'd4;
    wire [3:0] field = setting_address[3:0];
    integer at;
    always @(posedge clock) begin
        if (setting_write && setting_address[15:12] == 4'd6)
            names[setting_address[SYMBOL_BITS-1:0]] <= setting_data;
        if (setting_write && setting_address[15:12] == 4'd7 && field == 4'd3)
            midnight_q <= setting_data;
        for (at = 0; at < SESSIONS; at = at + 1) if (sets_sessions && setting_address[11:4] == at[7:0])
            case (field)
                4'd0: tokens_q[at][63:0] <= setting_data;
                4'd1: begin
                    tokens_q[at][79:64] <= setting_data[15:0];
                    sources_q[at] <= setting_data[63:16];
                end
                4'd2: sessions_q[at] <= setting_data[SESSION_BITS-1:0];
                4'd4: alive_q[at] <= setting_data[0];
                4'd7: macs_q[at] <= setting_data[47:0];
                // The sum of the header's constant words.
                4'd8: sums_q[at] <= setting_data[15:0];
                default: ;
            endcase
        if (reset) alive_q <= '0;
    end

    localparam integer WHICH_BITS = $clog2(SESSIONS);
    logic [WHICH_BITS-1:0] which;
    logic known;
    integer row;
    always @* begin
        which = '0;
        known = 1'b0;
        for (row = 0; row < SESSIONS; row = row + 1)
            if (alive_q[row] && sessions_q[row] == event_data.session[SESSION_BITS-1:0]
                    && event_data.session[31:SESSION_BITS] == '0) begin
                which = row[WHICH_BITS-1:0];
                known = 1'b1;
            end
    end

    // ---- the message ----
    wire [63:0] clock_time = event_data.timestamp - midnight_q;
    wire [31:0] symbol_wide = event_data.instrument - first_instrument;
    wire [63:0] name = names[symbol_wide[SYMBOL_BITS-1:0]];
    wire [7:0] side = event_data.side == 8'd0 ? "B" : event_data.side == 8'd1 ? "S"
        : event_data.side == 8'd2 ? "T" : "E";
    wire [7:0] tif = time_in_force == message_pkg::TIME_DAY ? "0"
        : time_in_force == message_pkg::TIME_GTC ? "1" : "3";
    wire [7:0] for_whom = flags[7:6] == 2'd0 ? "A" : flags[7:6] == 2'd1 ? "P"
        : flags[7:6] == 2'd2 ? "R" : "O";
    wire is_maker = (event_data.flags & message_pkg::EVENT_FLAG_MAKER) != 8'd0;
    wire is_kept = (event_data.flags & message_pkg::EVENT_FLAG_KEPT_PRIORITY) != 8'd0;
    wire [63:0] match_number = is_maker ? event_data.id : event_data.id - 64'd1;
    wire [63:0] own_reference = {16'd0, event_data.id[63:16]};
    wire [7:0] why = event_data.reason == message_pkg::CANCEL_IMMEDIATE ? "I"
        : event_data.reason == message_pkg::CANCEL_SELF_TRADE ? "Q"
        : event_data.reason == message_pkg::CANCEL_POST_ONLY ? "F"
        : event_data.reason == message_pkg::CANCEL_USER
            || event_data.reason == message_pkg::CANCEL_REPLACED_BELOW_EXECUTED ? "U" : "Z";
    localparam logic [111:0] NO_NAME = {14{8'h20}};
    wire is_accepted = event_data.kind == message_pkg::EVENT_ACCEPTED;
    wire is_replaced = event_data.kind == message_pkg::EVENT_REPLACED;
    wire is_executed = event_data.kind == message_pkg::EVENT_EXECUTED;
    wire is_cancelled = event_data.kind == message_pkg::EVENT_CANCELLED;
    wire is_rejected = event_data.kind == message_pkg::EVENT_REJECTED;
    wire is_modified = event_data.kind == message_pkg::EVENT_MODIFIED;
    wire is_refused = event_data.kind == message_pkg::EVENT_CANCEL_REJECTED
        && event_data.reason != message_pkg::REJECT_UNKNOWN_ORDER;
    wire tells = known && (is_accepted || is_replaced || is_executed || is_cancelled
        || is_rejected || is_modified || is_refused);

    // Reasons for a refusal in the protocol's own numbers.
    function automatic [15:0] refusal(input logic [7:0] code);
        case (code)
`include "reject_reasons.svh"
            default: refusal = 16'h000f;
        endcase
    endfunction

    // The first byte is the highest here; 68 bytes.
    logic [543:0] message;
    logic [15:0] length;
    wire [63:0] t = clock_time;
    wire [31:0] n = event_data.ordinal;
    wire [31:0] q = event_data.quantity;
    wire [15:0] blank = 16'd0;
    wire [63:0] tail_of_order = {for_whom, "N", "N", "L", 32'h2020_2020};
    always @* begin
        message = '0;
        length = 16'd18;
        if (is_accepted) begin
            length = 16'd64;
            message[543 -: 512] = {"A", t, n, side, q, name, event_data.price, tif, "Y",
                event_data.reference, tail_of_order[63:32], NO_NAME, blank};
        end else if (is_replaced) begin
            length = 16'd68;
            message = {"U", t, event_data.target, n, side, q, name, event_data.price, tif, "Y",
                is_kept ? event_data.reference : own_reference, tail_of_order[63:32], NO_NAME,
                blank};
        end else if (is_executed) begin
            length = 16'd36;
            message[543 -: 288] = {"E", t, n, q, event_data.price, is_maker ? "A" : "R",
                match_number, blank};
        end else if (is_rejected) begin
            length = 16'd29;
            message[543 -: 232] = {"J", t, n, refusal(event_data.reason), NO_NAME};
        end else if (is_modified) begin
            message[543 -: 144] = {"M", t, n, side, q};
        end else if (is_cancelled) begin
            message[543 -: 144] = {"C", t, n, q, why};
        end else begin
            length = 16'd13;
            message[543 -: 104] = {"I", t, n};
        end
    end

    // ---- the frame: 64 bytes of headers, then the message ----
    wire [15:0] ip_length = length + 16'd50;
    wire [15:0] udp_length = length + 16'd30;
    logic [16:0] folded_q;
    logic [15:0] checksum_q;
    always @(posedge clock) begin
        folded_q <= {1'b0, sums_q[which]} + {1'b0, ip_length};
        checksum_q <= ~(folded_q[15:0] + {15'd0, folded_q[16]});
    end
    wire [511:0] header = {macs_q[which], own_mac, 16'h0800, 16'h4500, ip_length, 16'd0, 16'h4000,
        16'h4011, checksum_q, own_address, sources_q[which][31:0], own_port,
        sources_q[which][47:32], udp_length, 16'd0, token_bytes, numbers_q[which], 16'd1, length};
    wire [79:0] raw_token = tokens_q[which];
    wire [79:0] token_bytes = {raw_token[7:0], raw_token[15:8], raw_token[23:16],
        raw_token[31:24], raw_token[39:32], raw_token[47:40], raw_token[55:48], raw_token[63:56],
        raw_token[71:64], raw_token[79:72]};
    wire [1087:0] whole = {header, message, 32'd0};

    logic [4:0] word_q;
    wire [6:0] bytes = 7'd64 + length[6:0];
    logic [8:0] bytes_left;
    assign bytes_left = {2'd0, 7'd64} + {2'd0, length[6:0]} - {1'b0, word_q, 3'd0};
    logic [63:0] chosen;
    always @* begin
        chosen = 64'd0;
        for (at_word = 0; at_word < 17; at_word = at_word + 1)
            if (word_q == at_word[4:0]) chosen = whole[1087 - 64*at_word -: 64];
    end
    integer at_word;
    assign report_valid = event_valid && tells;
    assign report_data = {chosen[7:0], chosen[15:8], chosen[23:16], chosen[31:24], chosen[39:32],
        chosen[47:40], chosen[55:48], chosen[63:56]};
    assign report_last = bytes_left <= 9'd8;
    assign report_keep = bytes_left >= 9'd8 ? 8'hff : 8'hff >> (4'd8 - bytes_left[3:0]);
    assign event_ready = !tells || (report_ready && report_last);

    always @(posedge clock) begin
        if (report_valid && report_ready) word_q <= report_last ? 5'd0 : word_q + 1'b1;
        if (report_valid && report_ready && report_last)
            numbers_q[which] <= numbers_q[which] + 1'b1;
        if (sets_sessions && field == 4'd9) numbers_q[setting_address[4 +: WHICH_BITS]] <= setting_data;
        if (reset) word_q <= 5'd0;
    end
endmodule
`default_nettype wire
