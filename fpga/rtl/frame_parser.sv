`default_nettype none
// Order entry off the wire, a word of eight bytes a cycle: fields are there as soon as their bytes
// are, so that the order is begun before its last byte; whether it counts is known three cycles
// after that, when lengths, checksums and the MAC's own check have agreed.
module frame_parser (
    input  wire logic        clock,
    input  wire logic        reset,
    // From the MAC; byte 0 is the first on the wire. `frame_bad` with the last word: bad checksum.
    input  wire logic        frame_valid,
    input  wire logic [63:0] frame_data,
    input  wire logic [7:0]  frame_keep,
    input  wire logic        frame_last,
    input  wire logic        frame_bad,
    // This port's own address.
    input  wire logic [47:0] own_mac,
    input  wire logic [31:0] own_address,
    input  wire logic [15:0] own_port,
    // The book can take the next order; a frame that begins while it cannot is dropped.
    input  wire logic        open,
    // The first word of a frame that is looked at.
    output logic             begins,
    // What the order says, and that all of it that the look-ups need is there.
    output logic             asked,
    output logic [7:0]       kind,
    output logic [31:0]      ordinal,
    output logic [31:0]      target,
    output logic [31:0]      quantity,
    output logic [63:0]      price,
    output logic [63:0]      symbol,
    output logic [7:0]       side,
    output logic [7:0]       time_in_force,
    output logic [7:0]       capacity,
    output logic             sweeps,
    output logic             post_only,
    output logic [79:0]      token,
    output logic [63:0]      number,
    output logic [31:0]      source_address,
    output logic [15:0]      source_port,
    // Once a frame: it counts, or why not.
    output logic             good,
    output logic             dropped,
    output logic [3:0]       cause
);
    // Why a frame was not an order for this port.
    localparam logic [3:0] BAD_CHECK = 4'd0;
    localparam logic [3:0] TOO_SHORT = 4'd1;
    localparam logic [3:0] TOO_LONG = 4'd2;
    localparam logic [3:0] NOT_OURS = 4'd3;
    localparam logic [3:0] NOT_UDP = 4'd4;
    localparam logic [3:0] IP_CHECKSUM = 4'd5;
    localparam logic [3:0] UDP_CHECKSUM = 4'd6;
    localparam logic [3:0] LENGTHS = 4'd7;
    localparam logic [3:0] NOT_ONE_ORDER = 4'd8;
    localparam logic [3:0] OPTIONS = 4'd9;
    localparam logic [3:0] FLOOD = 4'd10;

    // Words of the longest frame that is looked at; longer ones are giants.
    localparam logic [7:0] WORDS_MAX = 8'd190;

    logic [7:0] word_q;
    logic takes_q, giant_q;
    logic [63:0] d;
    assign d = frame_data;
    wire first = word_q == 8'd0;
    wire goes = frame_valid;
    // A frame that begins while the book is busy is not looked at.
    wire takes = first ? open : takes_q;

    function automatic [15:0] be16(input logic [15:0] raw);
        be16 = {raw[7:0], raw[15:8]};
    endfunction
    function automatic [31:0] be32(input logic [31:0] raw);
        be32 = {raw[7:0], raw[15:8], raw[23:16], raw[31:24]};
    endfunction

    logic [7:0] type_q;
    logic ours_q, udp_q;
    logic [15:0] total_q, udp_length_q, block_q, appendage_q;
    logic one_block_q, has_checksum_q, side_good_q, tif_good_q, shown_q, tail_good_q;
    logic [63:0] price_q;
    logic [10:0] bytes_q;
    logic asked_q;
    wire is_enter = type_q == "O";
    wire is_replace = type_q == "U";
    wire is_cancel = type_q == "X";
    wire is_modify = type_q == "M";

    function automatic [3:0] kept(input logic [7:0] keep);
        kept = {3'd0, keep[0]} + {3'd0, keep[1]} + {3'd0, keep[2]} + {3'd0, keep[3]}
            + {3'd0, keep[4]} + {3'd0, keep[5]} + {3'd0, keep[6]} + {3'd0, keep[7]};
    endfunction

    function automatic [2:0] side_of(input logic [7:0] letter);
        side_of = letter == "B" ? 3'd0 : letter == "S" ? 3'd1 : letter == "T" ? 3'd2
            : letter == "E" ? 3'd3 : 3'd4;
    endfunction
    // Day, immediate, good till cancelled; 4 is none of them.
    function automatic [2:0] time_of(input logic [7:0] letter);
        time_of = letter == "0" ? 3'd0 : letter == "3" ? 3'd1 : letter == "1" ? 3'd3 : 3'd4;
    endfunction
    function automatic [2:0] capacity_of(input logic [7:0] letter);
        capacity_of = letter == "A" ? 3'd0 : letter == "P" ? 3'd1 : letter == "R" ? 3'd2
            : letter == "O" ? 3'd3 : 3'd4;
    endfunction

    assign price = price_q;
    assign asked = asked_q;
    assign begins = goes && first && open;

    // ---- fields as they come ----
    always @(posedge clock) begin
        if (goes) begin
            word_q <= frame_last ? 8'd0 : (word_q == 8'hff ? 8'hff : word_q + 1'b1);
            takes_q <= takes;
            bytes_q <= (first ? 11'd0 : bytes_q) + {7'd0, kept(frame_keep)};
            giant_q <= !first && (giant_q || word_q >= WORDS_MAX);
            if (takes) case (word_q)
                8'd0: begin
                    asked_q <= 1'b0;
                    type_q <= 8'd0;
                    ours_q <= {d[7:0], d[15:8], d[23:16], d[31:24], d[39:32], d[47:40]} == own_mac;
                    appendage_q <= 16'd0;
                    tail_good_q <= 1'b1;
                    post_only <= 1'b0;
                    one_block_q <= 1'b0;
                    side_good_q <= 1'b1;
                    tif_good_q <= 1'b1;
                    shown_q <= 1'b1;
                end
                8'd1: udp_q <= d[47:32] == 16'h0008 && d[55:48] == 8'h45;
                8'd2: begin
                    total_q <= be16(d[15:0]);
                    udp_q <= udp_q && (be16(d[47:32]) & 16'h3fff) == 16'd0 && d[63:56] == 8'd17;
                end
                8'd3: begin
                    source_address <= be32(d[47:16]);
                    ours_q <= ours_q && be16(d[63:48]) == own_address[31:16];
                end
                8'd4: begin
                    ours_q <= ours_q && be16(d[15:0]) == own_address[15:0]
                        && be16(d[47:32]) == own_port;
                    source_port <= be16(d[31:16]);
                    udp_length_q <= be16(d[63:48]);
                end
                8'd5: begin
                    has_checksum_q <= d[15:0] != 16'd0;
                    token[47:0] <= d[63:16];
                end
                8'd6: begin
                    token[79:48] <= d[31:0];
                    number[63:32] <= be32(d[63:32]);
                end
                8'd7: begin
                    number[31:0] <= be32(d[31:0]);
                    one_block_q <= d[47:32] == 16'h0100;
                    block_q <= be16(d[63:48]);
                end
                8'd8: begin
                    type_q <= d[7:0];
                    target <= be32(d[39:8]);
                    ordinal <= be32(d[39:8]);
                    if (d[7:0] == "U") ordinal[31:8] <= {d[47:40], d[55:48], d[63:56]};
                    if (d[7:0] == "O") begin
                        side <= {5'd0, side_of(d[47:40])};
                        side_good_q <= side_of(d[47:40]) != 3'd4;
                        quantity[31:16] <= be16(d[63:48]);
                    end
                    if (d[7:0] == "M") begin
                        side <= {5'd0, side_of(d[47:40])};
                        side_good_q <= side_of(d[47:40]) != 3'd4;
                        quantity[31:16] <= be16(d[63:48]);
                    end
                    if (d[7:0] == "X") quantity[31:8] <= {d[47:40], d[55:48], d[63:56]};
                end
                8'd9: begin
                    if (is_cancel) begin
                        quantity[7:0] <= d[7:0];
                        appendage_q <= block_q > 16'd9 ? be16(d[23:8]) : 16'd0;
                        asked_q <= 1'b1;
                    end
                    if (is_modify) begin
                        quantity[15:0] <= be16(d[15:0]);
                        appendage_q <= block_q > 16'd10 ? be16(d[31:16]) : 16'd0;
                        asked_q <= 1'b1;
                    end
                    if (is_enter) begin
                        quantity[15:0] <= be16(d[15:0]);
                        symbol[47:0] <= d[63:16];
                    end
                    if (is_replace) begin
                        ordinal[7:0] <= d[7:0];
                        quantity <= be32(d[39:8]);
                        price_q[63:40] <= {d[47:40], d[55:48], d[63:56]};
                    end
                end
                8'd10: begin
                    if (is_enter) begin
                        symbol[63:48] <= d[15:0];
                        price_q[63:16] <= {d[23:16], d[31:24], d[39:32], d[47:40], d[55:48],
                            d[63:56]};
                    end
                    if (is_replace) begin
                        price_q[39:0] <= {d[7:0], d[15:8], d[23:16], d[31:24], d[39:32]};
                        time_in_force <= {5'd0, time_of(d[47:40])};
                        tif_good_q <= time_of(d[47:40]) != 3'd4;
                        shown_q <= d[55:48] == "Y" || d[55:48] == "A" || d[55:48] == "Z";
                        sweeps <= d[63:56] == "Y";
                        capacity <= 8'd3;
                        asked_q <= 1'b1;
                    end
                end
                8'd11: if (is_enter) begin
                    price_q[15:0] <= be16(d[15:0]);
                    time_in_force <= {5'd0, time_of(d[23:16])};
                    tif_good_q <= time_of(d[23:16]) != 3'd4;
                    capacity <= {6'd0, capacity_of(d[39:32]) == 3'd4 ? 2'd3
                        : 2'(capacity_of(d[39:32]))};
                    sweeps <= d[47:40] == "Y";
                    shown_q <= (d[31:24] == "Y" || d[31:24] == "A" || d[31:24] == "Z")
                        && d[55:48] == "N" && capacity_of(d[39:32]) != 3'd4;
                    asked_q <= 1'b1;
                end
                8'd12: if (is_replace) appendage_q <= be16(d[63:48]);
                8'd13: begin
                    if (is_enter) appendage_q <= be16(d[55:40]);
                    // The one option that is taken: three bytes that say post only.
                    if (is_enter) tail_good_q <= frame_last || d[63:56] == 8'h02;
                    if (is_replace) begin
                        tail_good_q <= d[23:0] == 24'h500c02;
                        post_only <= d[23:0] == 24'h500c02;
                    end
                end
                8'd14: if (is_enter) begin
                    tail_good_q <= tail_good_q && d[15:0] == 16'h500c;
                    post_only <= tail_good_q && d[15:0] == 16'h500c;
                end
                default: ;
            endcase
        end
        if (reset) begin
            word_q <= 8'd0;
            asked_q <= 1'b0;
            takes_q <= 1'b0;
        end
    end

    // ---- sums, a word behind ----
    logic [63:0] sum_data_q;
    logic [7:0] sum_word_q;
    logic sum_valid_q, last_q, bad_q, first_q, taken_q;
    logic [17:0] ip_q, udp_lanes_q;
    logic [2:0] finish_q;
    logic [23:0] ip_sum_q, udp_sum_q;
    logic [63:0] masked;
    integer lane;
    always @* begin
        for (lane = 0; lane < 8; lane = lane + 1)
            masked[lane*8 +: 8] = frame_keep[lane] ? d[lane*8 +: 8] : 8'd0;
    end
    function automatic [15:0] part(input logic [63:0] data, input logic [3:0] lanes,
        input integer which);
        part = lanes[which] ? {data[which*16 +: 8], data[which*16+8 +: 8]} : 16'd0;
    endfunction
    function automatic [17:0] total(input logic [63:0] data, input logic [3:0] lanes);
        total = {2'd0, part(data, lanes, 0)} + {2'd0, part(data, lanes, 1)}
            + {2'd0, part(data, lanes, 2)} + {2'd0, part(data, lanes, 3)};
    endfunction
    // Which 16-bit lanes of a word are summed: the IP header is bytes 14 to 33; UDP's own sum has
    // the addresses before it, from byte 26, and its length and protocol twice and once.
    wire [3:0] ip_lanes = sum_word_q == 8'd1 ? 4'b1000 : sum_word_q == 8'd2 || sum_word_q == 8'd3
        ? 4'b1111 : sum_word_q == 8'd4 ? 4'b0001 : 4'b0000;
    wire [3:0] udp_lanes = sum_word_q < 8'd3 ? 4'b0000 : sum_word_q == 8'd3 ? 4'b1110 : 4'b1111;
    function automatic logic ones(input logic [23:0] sum);
        logic [16:0] once;
        once = {1'b0, sum[15:0]} + {9'd0, sum[23:16]};
        ones = (once[15:0] == 16'hffff && !once[16]) || (once == 17'h1fffe);
    endfunction

    logic short_q, lengths_q, checksum_ip_q, checksum_udp_q;
    always @(posedge clock) begin
        sum_valid_q <= goes && !reset;
        sum_data_q <= masked;
        sum_word_q <= word_q;
        first_q <= first;
        last_q <= goes && frame_last;
        bad_q <= frame_bad;
        taken_q <= takes;
        ip_q <= total(sum_data_q, ip_lanes);
        udp_lanes_q <= total(sum_data_q, udp_lanes);
        // Sums of the word before, and the pseudo header when the length is known.
        if (finish_q[0] || summed_q) begin
            ip_sum_q <= (summed_first_q ? 24'd0 : ip_sum_q) + {6'd0, ip_q};
            udp_sum_q <= (summed_first_q ? 24'd17 : udp_sum_q) + {6'd0, udp_lanes_q}
                + (summed_length_q ? {8'd0, udp_length_q} : 24'd0);
        end
        summed_q <= sum_valid_q;
        summed_first_q <= first_q;
        summed_length_q <= sum_word_q == 8'd5;
        finish_q <= {finish_q[1:0], last_q && !reset};
        if (last_q) begin
            held_bad_q <= bad_q;
            held_taken_q <= taken_q;
            short_q <= sum_word_q < 8'd9;
            lengths_q <= {5'd0, bytes_q} == total_q + 16'd14
                && total_q == udp_length_q + 16'd20 && udp_length_q == block_q + 16'd30;
        end
    end
    logic summed_q, summed_first_q, summed_length_q, held_bad_q, held_taken_q;
    // Each kind's length, with and without what may follow it.
    wire appended = appendage_q == 16'd3;
    wire sized = is_enter ? block_q == 16'd47 + appendage_q && (appendage_q == 16'd0 || appended)
        : is_replace ? block_q == 16'd40 + appendage_q && (appendage_q == 16'd0 || appended)
        : is_cancel ? block_q == 16'd9 || (block_q == 16'd11 && appendage_q == 16'd0)
        : is_modify ? block_q == 16'd10 || (block_q == 16'd12 && appendage_q == 16'd0) : 1'b0;
    wire options_good = side_good_q && tif_good_q && shown_q && sized
        && (tail_good_q || appendage_q == 16'd0);
    wire is_order = is_enter || is_replace || is_cancel || is_modify;

    always @* begin
        kind = is_enter ? message_pkg::COMMAND_ENTER : is_replace ? message_pkg::COMMAND_REPLACE
            : is_cancel ? message_pkg::COMMAND_CANCEL : message_pkg::COMMAND_MODIFY;
    end

    wire [3:0] why = !held_taken_q ? FLOOD
        : held_bad_q ? BAD_CHECK
        : giant_held_q ? TOO_LONG
        : short_q ? TOO_SHORT
        : !udp_q ? NOT_UDP
        : !ours_q ? NOT_OURS
        : !lengths_q ? LENGTHS
        : !ones(ip_sum_q) ? IP_CHECKSUM
        : has_checksum_q && !ones(udp_sum_q) ? UDP_CHECKSUM
        : !one_block_q || !is_order ? NOT_ONE_ORDER
        : !options_good ? OPTIONS : 4'd15;
    logic giant_held_q;
    always @(posedge clock) begin
        if (last_q) giant_held_q <= giant_q;
        good <= finish_q[1] && why == 4'd15 && !reset;
        dropped <= finish_q[1] && why != 4'd15 && !reset;
        cause <= why;
    end
endmodule
`default_nettype wire
