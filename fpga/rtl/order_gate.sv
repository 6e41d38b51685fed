`default_nettype none
// Whose order it is, whether it is that session's next, and whether risk lets it pass. Sessions are
// few and compared at once; the host says who they are, and hears what was not taken.
module order_gate #(
    parameter integer SESSIONS = 4,
    parameter integer SESSION_BITS = 10,
    parameter integer ACCOUNT_BITS = 16
) (
    input  wire logic        clock,
    input  wire logic        reset,
    input  wire logic        setting_write,
    input  wire logic [15:0] setting_address,
    input  wire logic [63:0] setting_data,
    // The order, as the parser has it.
    input  wire logic [79:0] token,
    input  wire logic [63:0] number,
    input  wire logic [31:0] source_address,
    input  wire logic [15:0] source_port,
    input  wire logic [7:0]  kind,
    input  wire logic [31:0] ordinal,
    input  wire logic [31:0] quantity,
    input  wire logic [63:0] price,
    input  wire logic        is_market,
    // The frame is good: take the order, or do not.
    input  wire logic        good,
    output logic             known,
    output logic             commits,
    output logic             duplicate,
    output logic             gap,
    output logic             stranger,
    output logic [SESSION_BITS-1:0] session,
    output logic [ACCOUNT_BITS-1:0] account,
    output logic [2:0]       self_trade,
    output logic [7:0]       verdict,
    // What became of orders.
    input  wire logic                    told,
    input  wire message_pkg::event_t     event_told
);
    localparam integer MONEY_BITS = 56;
    localparam integer WHICH_BITS = $clog2(SESSIONS);

    logic [SESSIONS-1:0] alive_q, here, killed_q, fits, allows;
    logic [79:0] tokens_q [0:SESSIONS-1];
    logic [47:0] sources_q [0:SESSIONS-1];
    logic [63:0] expected_q [0:SESSIONS-1];
    logic [31:0] last_ordinal_q [0:SESSIONS-1];
    logic [SESSION_BITS-1:0] sessions_q [0:SESSIONS-1];
    logic [ACCOUNT_BITS-1:0] accounts_q [0:SESSIONS-1];
    logic [2:0] self_trades_q [0:SESSIONS-1];
    logic [15:0] open_q [0:SESSIONS-1];

    // Limits of every session alike.
    logic [31:0] quantity_max_q;
    logic [MONEY_BITS-1:0] notional_max_q;
    logic [15:0] open_max_q, period_q;
    logic [7:0] burst_q;
    logic [39:0] collar_low_q, collar_high_q;
    logic killed_all_q;

    wire sets_sessions = setting_write && setting_address[15:12] == 4'd4;
    wire sets_limits = setting_write && setting_address[15:12] == 4'd5;
    wire [3:0] field = setting_address[3:0];
    wire [7:0] row = setting_address[11:4];

    logic [WHICH_BITS-1:0] which, which_q;
    integer at;
    always @* begin
        which = '0;
        for (at = 0; at < SESSIONS; at = at + 1)
            if (here[at]) which = at[WHICH_BITS-1:0];
    end

    // ---- risk, a step a cycle, over before the frame is known to be good ----
    logic [MONEY_BITS-1:0] notional_q;
    logic [7:0] verdict_q;
    logic big_q, dear_q, off_q;
    wire [31:0] counted = price[63:32] != 32'd0 ? 32'hffff_ffff : price[31:0];
    wire [31:0] worth = is_market ? collar_high_q[31:0] : counted;
    wire adds = kind == message_pkg::COMMAND_ENTER || kind == message_pkg::COMMAND_REPLACE;
    wire repeated = adds && ordinal <= last_ordinal_q[which_q];

    always @(posedge clock) begin
        known <= |here;
        which_q <= which;
        notional_q <= worth * quantity[23:0];
        big_q <= quantity > quantity_max_q || quantity[31:24] != 8'd0;
        off_q <= !is_market && (price < {24'd0, collar_low_q} || price > {24'd0, collar_high_q});
        dear_q <= notional_q > notional_max_q;
        verdict_q <= !adds ? 8'd0
            : killed_all_q || killed_q[which_q] ? message_pkg::REJECT_KILLED
            : repeated ? message_pkg::REJECT_DUPLICATE_ORDER
            : big_q ? message_pkg::REJECT_QUANTITY_LIMIT
            : dear_q ? message_pkg::REJECT_NOTIONAL_LIMIT
            : off_q ? message_pkg::REJECT_PRICE_COLLAR
            : open_q[which_q] >= open_max_q ? message_pkg::REJECT_OPEN_ORDER_LIMIT
            : !allows[which_q] ? message_pkg::REJECT_MESSAGE_RATE
            : !fits[which_q] ? message_pkg::REJECT_BUYING_POWER : 8'd0;
    end

    assign session = sessions_q[which_q];
    assign account = accounts_q[which_q];
    assign self_trade = self_trades_q[which_q];
    assign verdict = verdict_q;
    assign stranger = good && !known;
    assign duplicate = good && known && number < expected_q[which_q];
    assign gap = good && known && number > expected_q[which_q];
    assign commits = good && known && number == expected_q[which_q];
    wire passes = commits && adds && verdict_q == 8'd0;

    // ---- what comes back ----
    wire told_cancel = told && event_told.kind == message_pkg::EVENT_CANCELLED;
    wire told_reject = told && event_told.kind == message_pkg::EVENT_REJECTED
        && event_told.reason != 8'd0;
    // A taker's self-trade is told at the maker's price: nothing comes back for it.
    wire returns = told_cancel && !(event_told.reason == message_pkg::CANCEL_SELF_TRADE
        && event_told.client_seq != 32'd0);
    wire told_done = told && (event_told.flags & message_pkg::EVENT_FLAG_DONE) != 8'd0;
    logic returns_q, told_done_q;
    logic [SESSION_BITS-1:0] told_session_q;
    logic [MONEY_BITS-1:0] returned_q;
    always @(posedge clock) begin
        returns_q <= returns;
        told_done_q <= told_done || (told_reject && event_told.account != 32'd0 && entered_q);
        told_session_q <= event_told.session[SESSION_BITS-1:0];
        returned_q <= event_told.price[31:0] * event_told.quantity[23:0];
        if (commits) entered_q <= passes;
        if (reset) begin
            returns_q <= 1'b0;
            told_done_q <= 1'b0;
        end
    end
    logic entered_q;

    genvar n;
    generate
        for (n = 0; n < SESSIONS; n = n + 1) begin : rows
            wire mine = sets_sessions && row == n;
            wire told_mine = told_session_q == sessions_q[n];
            assign here[n] = alive_q[n] && tokens_q[n] == token
                && sources_q[n] == {source_port, source_address};
            credit_gate #(.MONEY_BITS(MONEY_BITS)) credit (
                .clock(clock), .reset(reset),
                .sets_limit(mine && field == 4'd5), .sets_used(mine && field == 4'd6),
                .set_to(setting_data[MONEY_BITS-1:0]),
                .amount(notional_q), .fits(fits[n]),
                .takes(passes && which_q == n), .gives(returns_q && told_mine),
                .given(returned_q));
            token_bucket #(.COUNT_BITS(8), .PERIOD_BITS(16)) rate (
                .clock(clock), .reset(reset), .burst(burst_q), .period(period_q),
                .allows(allows[n]), .takes(passes && which_q == n));
            always @(posedge clock) begin
                if (mine && field == 4'd0) tokens_q[n][63:0] <= setting_data;
                if (mine && field == 4'd1) begin
                    tokens_q[n][79:64] <= setting_data[15:0];
                    sources_q[n] <= setting_data[63:16];
                end
                if (mine && field == 4'd2) begin
                    sessions_q[n] <= setting_data[SESSION_BITS-1:0];
                    accounts_q[n] <= setting_data[32 +: ACCOUNT_BITS];
                    self_trades_q[n] <= setting_data[50:48];
                end
                if (mine && field == 4'd4) begin
                    alive_q[n] <= setting_data[0];
                    killed_q[n] <= setting_data[1];
                end
                if (mine && field == 4'd3) expected_q[n] <= setting_data;
                else if (commits && which_q == n) expected_q[n] <= expected_q[n] + 1'b1;
                if (mine && field == 4'd3) last_ordinal_q[n] <= 32'd0;
                else if (commits && which_q == n && adds && !repeated)
                    last_ordinal_q[n] <= ordinal;
                if (mine && field == 4'd3) open_q[n] <= 16'd0;
                else if (passes && which_q == n && !(told_done_q && told_mine))
                    open_q[n] <= open_q[n] + 1'b1;
                else if (told_done_q && told_mine && !(passes && which_q == n)
                        && open_q[n] != 16'd0)
                    open_q[n] <= open_q[n] - 1'b1;
                if (reset) begin
                    alive_q[n] <= 1'b0;
                    killed_q[n] <= 1'b0;
                    open_q[n] <= 16'd0;
                end
            end
        end
    endgenerate

    always @(posedge clock) begin
        if (sets_limits) case (field)
            4'd0: quantity_max_q <= setting_data[31:0];
            4'd1: notional_max_q <= setting_data[MONEY_BITS-1:0];
            4'd2: {period_q, burst_q, open_max_q} <= setting_data[39:0];
            4'd3: collar_low_q <= setting_data[39:0];
            4'd4: collar_high_q <= setting_data[39:0];
            4'd5: killed_all_q <= setting_data[0];
            default: ;
        endcase
        if (reset) killed_all_q <= 1'b0;
    end
endmodule
`default_nettype wire
