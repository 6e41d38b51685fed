`default_nettype none
// Price-time matching of many instruments, one command at a time. The orders of a side are one list
// in order of priority, whatever their price, and its first two are in registers: so a fill takes two
// cycles whether the next maker is at the same price or a thousand ticks away. The bitmap of
// occupied prices is needed only to find where a new order joins the list, after its answer is out.
//
// `command_*` and `target_*` hold still from `start` until `ready` comes again.
module match_core #(
    parameter integer SYMBOL_BITS = 1,
    parameter integer SYMBOLS = 1,
    parameter integer SLOT_BITS = 12,
    parameter integer GENERATION_BITS = 4,
    parameter integer ACCOUNT_BITS = 16,
    parameter integer FILLS_MAX = 256
) (
    input  wire logic                       clock,
    input  wire logic                       reset,
    output logic                            ready,
    // The instrument of the command to come, two cycles before `start`.
    input  wire logic                       prepare,
    input  wire logic [SYMBOL_BITS-1:0]     symbol,
    input  wire logic                       start,
    input  wire logic [2:0]                 operation,
    input  wire logic [1:0]                 command_side,
    input  wire logic [11:0]                command_index,
    input  wire logic                       takes_any,
    input  wire logic                       takes_none,
    input  wire logic                       may_rest,
    input  wire logic                       all_or_nothing,
    input  wire logic                       post_only,
    input  wire logic [2:0]                 self_trade,
    input  wire logic [31:0]                command_quantity,
    input  wire logic [31:0]                command_executed,
    input  wire logic [ACCOUNT_BITS-1:0]    command_account,
    input  wire logic [7:0]                 refusal,
    input  wire logic [7:0]                 refusal_kind,
    input  wire logic [SLOT_BITS-1:0]       target_slot,
    input  wire logic [GENERATION_BITS-1:0] target_generation,
    // What happened, a step at a time; never held up, so whoever listens has room for a command.
    output logic                            step_valid,
    output logic                            step_last,
    output logic [2:0]                      step_form,
    output logic                            step_pair,
    output logic [7:0]                      step_kind,
    output logic [7:0]                      step_reason,
    output logic [7:0]                      step_flags,
    output logic                            step_taker_done,
    output logic                            step_at_maker_price,
    output logic                            step_answers,
    output logic [31:0]                     step_quantity,
    output logic [1:0]                      step_side,
    output logic [ACCOUNT_BITS-1:0]         step_account,
    // The slot whose attributes belong to the step of the next cycle.
    output logic [SLOT_BITS-1:0]            told_slot,
    // An order rests in, or leaves, its slot.
    output logic                            rests,
    output logic                            renamed,
    output logic [SLOT_BITS-1:0]            rests_slot,
    output logic [GENERATION_BITS-1:0]      rests_generation,
    output logic                            leaves,
    output logic [SLOT_BITS-1:0]            leaves_slot,
    output logic [3:0]                      top
);
    localparam integer NODE_BITS = 1 + SLOT_BITS + 64 + 12 + ACCOUNT_BITS + GENERATION_BITS
        + 1 + SLOT_BITS;
    localparam integer LEVEL_BITS = SYMBOL_BITS + 1 + 12;
    localparam integer WORD_BITS = SYMBOL_BITS + 1 + 6;
    localparam integer CLEAR_BITS = (WORD_BITS > SLOT_BITS) ? WORD_BITS : SLOT_BITS;

    initial begin
        if (SYMBOLS > (1 << SYMBOL_BITS)) $error("SYMBOLS needs more SYMBOL_BITS");
        if (FILLS_MAX < 1 || FILLS_MAX > 1023) $error("FILLS_MAX is outside 1 to 1023");
    end

    typedef struct packed {
        logic                       valid;
        logic [SLOT_BITS-1:0]       slot;
        logic [31:0]                leaves;
        logic [31:0]                executed;
        logic [11:0]                index;
        logic [ACCOUNT_BITS-1:0]    account;
        logic [GENERATION_BITS-1:0] generation;
        logic                       has_next;
        logic [SLOT_BITS-1:0]       next;
    } node_t;

    typedef enum logic [4:0] {
        CLEAR, IDLE, SWAP, LOOK, CUT, TELL, FILL, WEIGH, DRY, DRY_NEXT, EXPIRE, REDUCE,
        SEEK, SCAN, PICK, RESCAN, REMASK, TAIL, PRED, SUCC, JOIN, JOINED,
        PART, PARTING, PARTED, REFETCH, REFILL
    } state_t;

    state_t state_q;

    // The two first orders of each side, and which words of its bitmap are not empty.
    wire node_t bid, bid_second, ask, ask_second;
    logic [63:0] bid_words_q, ask_words_q;
    logic [SYMBOL_BITS-1:0] symbol_q;

    // The command at work.
    logic sells_q;
    logic [1:0] side_q;
    logic [ACCOUNT_BITS-1:0] account_q;
    logic [31:0] left_q, executed_q, wanted_q;
    logic [9:0] steps_q;
    logic [7:0] reason_q;
    logic expire_at_maker_q, moves_q;
    logic [SLOT_BITS-1:0] expire_slot_q;

    // What the best maker and the command come to, weighed one cycle before it is acted on.
    logic crosses_q, maker_done_q, taker_done_q, own_q, capped_q, level_ends_q;
    logic [31:0] taker_left_q, maker_left_q;

    // The order a command works on.
    node_t target_q;
    logic target_sells_q, target_known_q, target_post_q, target_has_prev_q;
    logic [1:0] target_side_q;
    logic [SLOT_BITS-1:0] target_prev_q;
    logic [31:0] cut_left_q, reduced_q;
    logic cut_smaller_q, cut_nothing_q, keeps_q, marks_q, same_prev_q, is_tail_q, refetch_q;
    logic cut_above_q;

    // Where a new order joins.
    logic better_q, has_pred_q;
    logic [5:0] seek_word_q;
    logic [63:0] masked_q, words_below_q, joined_word_q;
    logic [11:0] pred_index_q;
    logic [SLOT_BITS-1:0] pred_q, succ_q;
    logic has_succ_q;
    logic [GENERATION_BITS-1:0] new_generation_q;

    // A dry run's place.
    node_t walk_q;

    logic [CLEAR_BITS:0] clear_q;
    logic [63:0] cleared_q;
    logic cleared_valid_q, cleared_sells_q;
    logic [5:0] cleared_word_q;

    wire targets = operation == core_pkg::REPLACE || operation == core_pkg::REDUCE_TO || operation == core_pkg::REMARK;
    wire [11:0] mine_index = sells_q ? command_index : ~command_index;
    wire [11:0] limit = ~mine_index;
    wire node_t theirs = sells_q ? bid : ask;
    wire node_t theirs_second = sells_q ? bid_second : ask_second;
    wire node_t mine = sells_q ? ask : bid;
    wire [63:0] mine_words = sells_q ? ask_words_q : bid_words_q;
    wire node_t part_first = target_sells_q ? ask : bid;

    assign top = {ask_second.valid, ask.valid, bid_second.valid, bid.valid};
    assign ready = state_q == IDLE;

    // ---- slots ----
    logic take, give;
    logic [SLOT_BITS-1:0] free_slot;
    logic free_available;
    wire [SLOT_BITS-1:0] new_slot = operation == core_pkg::REPLACE ? target_slot : free_slot;
    free_list #(.SLOT_BITS(SLOT_BITS)) slots (
        .clock(clock), .reset(reset),
        .take(take), .slot(free_slot), .available(free_available),
        .give(give), .given(leaves_slot)
    );

    // ---- memories ----
    localparam integer PLACE_BITS = 12 + ACCOUNT_BITS + 2 + 1;
    logic [SLOT_BITS-1:0] node_address;
    logic [LEVEL_BITS-1:0] tail_address;
    logic [WORD_BITS-1:0] bits_address;
    wire [SLOT_BITS:0] next_read, prev_read;
    wire [63:0] stock_read, bits_read;
    wire [PLACE_BITS-1:0] place_read;
    wire [GENERATION_BITS-1:0] generation_read;
    wire [SLOT_BITS-1:0] tail_read;
    book_memory #(
        .SYMBOL_BITS(SYMBOL_BITS), .SLOT_BITS(SLOT_BITS), .GENERATION_BITS(GENERATION_BITS),
        .ACCOUNT_BITS(ACCOUNT_BITS), .CLEAR_BITS(CLEAR_BITS)
    ) memory (
        .clock(clock), .clears(state_q == CLEAR), .at_fill(state_q == FILL),
        .at_tell(state_q == TELL), .at_join(state_q == JOIN), .at_joined(state_q == JOINED),
        .at_parted(state_q == PARTED), .clear(clear_q), .symbol(symbol_q),
        .sells(sells_q), .left(left_q), .executed(executed_q), .fills(fills), .pops(pops),
        .dents(dents), .level_ends(level_ends_q), .maker_left(maker_left_q),
        .maker_slot(theirs.slot), .maker_generation(theirs.generation),
        .maker_index(theirs.index), .maker_executed(theirs.executed),
        .second_valid(theirs_second.valid), .second_slot(theirs_second.slot),
        .popped_word(popped_word),
        .cuts(cuts), .remarks(cuts && operation == core_pkg::REMARK), .cut_left(cut_left_q),
        .target_slot(target_slot), .target_sells(target_sells_q), .target_index(target_q.index),
        .target_executed(target_q.executed), .target_generation(target_q.generation),
        .target_place({target_q.index, target_q.account, command_side, target_post_q}),
        .target_has_next(target_q.has_next), .target_next(target_q.next),
        .target_has_prev(target_has_prev_q), .target_prev(target_prev_q),
        .is_tail(is_tail_q), .same_prev(same_prev_q), .level_goes(level_goes),
        .parted_word(masked_q),
        .new_slot(new_slot), .mine_index(mine_index),
        .new_place({mine_index, account_q, side_q, post_only}),
        .join_has_succ(join_has_succ), .join_succ(join_succ), .has_pred(has_pred_q),
        .pred(pred_q), .has_succ(has_succ_q), .succ(succ_q), .joined_word(joined_word_q),
        .node_address(node_address), .tail_address(tail_address), .bits_address(bits_address),
        .next_read(next_read), .prev_read(prev_read), .stock_read(stock_read),
        .place_read(place_read), .generation_read(generation_read), .tail_read(tail_read),
        .bits_read(bits_read)
    );

    wire [11:0] read_index = place_read[PLACE_BITS-1 -: 12];

    // An order as the memories have it, one cycle after its slot was named.
    function automatic node_t stored(input logic valid, input logic [SLOT_BITS-1:0] slot);
        stored = {valid, slot, stock_read[31:0], stock_read[63:32],
            place_read[PLACE_BITS-1 -: 12], place_read[3 +: ACCOUNT_BITS], generation_read,
            next_read};
    endfunction

    always @* begin
        node_address = theirs_second.next;
        bits_address = {symbol_q, !sells_q, theirs.index[11:6]};
        tail_address = {symbol_q, sells_q, pred_index_q};
        case (state_q)
            IDLE: node_address = target_slot;
            DRY: node_address = walk_q.next;
            SEEK: begin
                node_address = new_slot;
                bits_address = {symbol_q, sells_q, mine_index[11:6]};
            end
            RESCAN: bits_address = {symbol_q, sells_q, seek_word_q};
            PRED, SUCC: node_address = pred_q;
            PART: begin
                node_address = target_prev_q;
                bits_address = {symbol_q, target_sells_q, target_q.index[11:6]};
                tail_address = {symbol_q, target_sells_q, target_q.index};
            end
            REFETCH: node_address = part_first.next;
            default: ;
        endcase
    end

    // ---- where to join ----
    logic [5:0] in_word, in_words;
    logic any_in_word, any_in_words;
    find_last in_masked (.word(masked_q), .index(in_word), .found(any_in_word));
    find_last in_below (.word(words_below_q), .index(in_words), .found(any_in_words));
    // Bits below and including a place, and below it.
    wire [63:0] up_to = ~(64'hffff_ffff_ffff_fffe << mine_index[5:0]);
    wire [63:0] below = ~(64'hffff_ffff_ffff_ffff << mine_index[11:6]);
    wire [63:0] here = 64'd1 << mine_index[5:0];

    wire join_has_succ = has_pred_q ? next_read[SLOT_BITS] : mine.valid;
    wire [SLOT_BITS-1:0] join_succ = has_pred_q ? next_read[SLOT_BITS-1:0] : mine.slot;

    // ---- acts ----
    wire fills = state_q == FILL && crosses_q && !capped_q && !own_q;
    wire own = state_q == FILL && crosses_q && !capped_q && own_q;
    wire decrements = own && self_trade == message_pkg::SELF_TRADE_DECREMENT[2:0];
    wire withdraws = own && (self_trade == message_pkg::SELF_TRADE_CANCEL_OLDEST[2:0] || self_trade == message_pkg::SELF_TRADE_CANCEL_BOTH[2:0]);
    wire pops = withdraws || ((fills || decrements) && maker_done_q);
    wire dents = (fills || decrements) && !maker_done_q;
    wire [31:0] met = maker_done_q ? theirs.leaves : left_q;
    wire [63:0] popped_word = bits_read & ~(64'd1 << theirs.index[5:0]);
    wire [63:0] parted_word = bits_read & ~(64'd1 << target_q.index[5:0]);
    wire cuts = state_q == TELL && target_known_q && !cut_nothing_q && refusal == 8'd0
        && ((operation == core_pkg::REDUCE_TO && cut_smaller_q)
            || (operation == core_pkg::REMARK && marks_q && !cut_above_q)
            || (operation == core_pkg::REPLACE && keeps_q));
    wire level_goes = is_tail_q && !same_prev_q;

    // A slot's order is gone: a maker's, the target's, or a replacement's that does not rest.
    wire ends_unrested = moves_q && ((state_q == EXPIRE)
        || (state_q == FILL && ((!crosses_q && !may_rest) || (crosses_q && capped_q)
            || (own && self_trade == message_pkg::SELF_TRADE_CANCEL_NEWEST[2:0])
            || ((fills || decrements) && taker_done_q))));
    // The slot of a replacement that does not rest is given back a cycle later.
    logic owed_q;
    wire give_owed = owed_q && !pops && state_q != PARTED;
    assign leaves = pops || (state_q == PARTED);
    assign leaves_slot = give_owed ? target_slot : state_q == PARTED ? target_slot : theirs.slot;
    assign give = pops || (state_q == PARTED && !moves_q) || give_owed;
    assign take = state_q == JOINED && operation == core_pkg::ENTER;
    assign rests = state_q == JOIN;
    assign renamed = state_q == TELL && cuts && operation == core_pkg::REPLACE;
    assign rests_slot = new_slot;
    assign rests_generation = renamed ? target_q.generation : new_generation_q;
    assign told_slot = state_q == EXPIRE ? expire_slot_q
        : targets && state_q != FILL ? target_slot : theirs.slot;

    // ---- what is told ----
    step_teller #(.ACCOUNT_BITS(ACCOUNT_BITS)) teller (
        .clock(clock), .reset(reset),
        .at_tell(state_q == TELL), .at_reduce(state_q == REDUCE),
        .at_fill(state_q == FILL), .at_expire(state_q == EXPIRE),
        .operation(operation), .command_side(command_side), .side(side_q), .may_rest(may_rest),
        .free_available(free_available), .self_trade(self_trade),
        .command_quantity(command_quantity), .account(account_q),
        .refusal(refusal), .refusal_kind(refusal_kind), .left(left_q), .reason(reason_q),
        .expire_at_maker(expire_at_maker_q),
        .crosses(crosses_q), .capped(capped_q), .fills(fills), .decrements(decrements),
        .maker_done(maker_done_q), .taker_done(taker_done_q), .met(met),
        .maker_leaves(theirs.leaves),
        .target_known(target_known_q), .marks(marks_q), .keeps(keeps_q), .cut_above(cut_above_q),
        .cut_nothing(cut_nothing_q), .cut_smaller(cut_smaller_q), .cut_left(cut_left_q),
        .reduced(reduced_q), .target_leaves(target_q.leaves),
        .step_valid(step_valid), .step_last(step_last), .step_form(step_form),
        .step_pair(step_pair), .step_kind(step_kind), .step_reason(step_reason),
        .step_flags(step_flags), .step_taker_done(step_taker_done),
        .step_at_maker_price(step_at_maker_price), .step_answers(step_answers),
        .step_quantity(step_quantity), .step_side(step_side), .step_account(step_account)
    );

    // ---- the walk through a command ----
    wire meets = crosses_q && !post_only;
    state_t after_tell;
    always @* begin
        after_tell = IDLE;
        if (refusal != 8'd0 || operation == core_pkg::REFUSE) after_tell = IDLE;
        else if (operation == core_pkg::ENTER) begin
            if (may_rest && !free_available) after_tell = IDLE;
            else if (crosses_q && post_only) after_tell = EXPIRE;
            else if (all_or_nothing) after_tell = meets ? DRY : EXPIRE;
            else if (meets) after_tell = FILL;
            else after_tell = may_rest ? SEEK : EXPIRE;
        end else if (!target_known_q) after_tell = IDLE;
        else if (operation == core_pkg::REMARK && (!marks_q || cut_above_q)) after_tell = IDLE;
        else if (cut_nothing_q) after_tell = PART;
        else if (operation == core_pkg::REPLACE && !keeps_q) after_tell = PART;
        else if (operation != core_pkg::REDUCE_TO && cut_smaller_q) after_tell = REDUCE;
    end

    // What the next order of a dry run comes to.
    wire walk_crosses = walk_q.valid && !takes_none && (takes_any || walk_q.index <= limit);
    wire walk_own = self_trade != message_pkg::SELF_TRADE_ALLOW[2:0] && walk_q.account == account_q;
    wire walk_fails = !walk_crosses || steps_q == FILLS_MAX[9:0]
        || (walk_own && self_trade != message_pkg::SELF_TRADE_CANCEL_OLDEST[2:0]);
    wire walk_enough = !walk_own && walk_q.leaves >= wanted_q;

    always @(posedge clock) begin
        cleared_valid_q <= 1'b0;
        owed_q <= ends_unrested;
        if (cleared_valid_q && cleared_q == 64'd0) begin
            if (cleared_sells_q) ask_words_q[cleared_word_q] <= 1'b0;
            else bid_words_q[cleared_word_q] <= 1'b0;
        end
        // Weighing goes on whenever there is time for it; the states below say when it counts.
        if (state_q == LOOK || state_q == CUT || state_q == WEIGH) begin
            crosses_q <= theirs.valid && !takes_none && (takes_any || theirs.index <= limit);
            maker_done_q <= theirs.leaves <= left_q;
            taker_done_q <= left_q <= theirs.leaves;
            taker_left_q <= left_q - theirs.leaves;
            maker_left_q <= theirs.leaves - left_q;
            own_q <= self_trade != message_pkg::SELF_TRADE_ALLOW[2:0] && theirs.account == account_q;
            capped_q <= steps_q == FILLS_MAX[9:0];
            level_ends_q <= !(theirs_second.valid && theirs_second.index == theirs.index);
        end
        case (state_q)
            CLEAR: begin
                clear_q <= clear_q + 1'b1;
                if (clear_q[CLEAR_BITS]) state_q <= IDLE;
            end
            IDLE: begin
                sells_q <= command_side != message_pkg::SIDE_BUY[1:0];
                side_q <= command_side;
                account_q <= command_account;
                left_q <= command_quantity;
                wanted_q <= command_quantity;
                executed_q <= command_executed;
                steps_q <= 10'd0;
                moves_q <= 1'b0;
                expire_at_maker_q <= 1'b0;
                if (start) state_q <= LOOK;
                else if (prepare && SYMBOLS > 1) state_q <= SWAP;
            end
            SWAP: state_q <= IDLE;
            LOOK: begin
                target_q <= stored(1'b1, target_slot);
                target_known_q <= generation_read == target_generation;
                target_side_q <= place_read[2:1];
                target_sells_q <= place_read[2:1] != message_pkg::SIDE_BUY[1:0];
                target_post_q <= place_read[0];
                target_has_prev_q <= prev_read[SLOT_BITS];
                target_prev_q <= prev_read[SLOT_BITS-1:0];
                cut_left_q <= command_quantity > stock_read[63:32]
                    ? command_quantity - stock_read[63:32] : 32'd0;
                if (operation == core_pkg::REPLACE) begin
                    side_q <= place_read[2:1];
                    sells_q <= place_read[2:1] != message_pkg::SIDE_BUY[1:0];
                    account_q <= place_read[3 +: ACCOUNT_BITS];
                    executed_q <= stock_read[63:32];
                end
                state_q <= targets ? CUT : TELL;
            end
            CUT: begin
                cut_nothing_q <= cut_left_q == 32'd0;
                cut_smaller_q <= cut_left_q < target_q.leaves;
                cut_above_q <= cut_left_q > target_q.leaves;
                reduced_q <= target_q.leaves - cut_left_q;
                marks_q <= command_side == target_side_q
                    || (command_side != message_pkg::SIDE_BUY[1:0] && target_side_q != message_pkg::SIDE_BUY[1:0]);
                keeps_q <= may_rest && post_only == target_post_q
                    && mine_index == target_q.index && cut_left_q <= target_q.leaves;
                if (operation == core_pkg::REPLACE) begin
                    left_q <= cut_left_q;
                    wanted_q <= cut_left_q;
                end
                state_q <= TELL;
            end
            TELL: begin
                state_q <= after_tell;
                steps_q <= 10'd0;
                walk_q <= theirs;
                reason_q <= crosses_q && post_only ? message_pkg::CANCEL_POST_ONLY : message_pkg::CANCEL_IMMEDIATE;
                moves_q <= operation == core_pkg::REPLACE && !cut_nothing_q;
            end
            REDUCE: state_q <= IDLE;
            WEIGH: state_q <= FILL;
            FILL: begin
                steps_q <= steps_q + 1'b1;
                state_q <= WEIGH;
                if (fills) executed_q <= executed_q + met;
                if (fills || decrements) left_q <= taker_done_q ? 32'd0 : taker_left_q;
                if (pops && level_ends_q) begin
                    cleared_q <= popped_word;
                    cleared_valid_q <= 1'b1;
                    cleared_sells_q <= !sells_q;
                    cleared_word_q <= theirs.index[11:6];
                end
                reason_q <= message_pkg::CANCEL_SELF_TRADE;
                if (!crosses_q) state_q <= may_rest ? SEEK : IDLE;
                else if (capped_q) state_q <= IDLE;
                else if (fills || decrements) begin
                    if (taker_done_q) state_q <= IDLE;
                end else if (self_trade == message_pkg::SELF_TRADE_CANCEL_NEWEST[2:0]) state_q <= IDLE;
                else if (self_trade == message_pkg::SELF_TRADE_CANCEL_BOTH[2:0]) begin
                    state_q <= EXPIRE;
                    expire_at_maker_q <= 1'b1;
                    expire_slot_q <= theirs.slot;
                end
            end
            DRY: begin
                if (walk_fails) state_q <= EXPIRE;
                else if (walk_enough) state_q <= WEIGH;
                else state_q <= DRY_NEXT;
                if (walk_fails || walk_enough) steps_q <= 10'd0;
                else steps_q <= steps_q + 1'b1;
                if (!walk_own) wanted_q <= wanted_q - walk_q.leaves;
            end
            DRY_NEXT: begin
                walk_q <= stored(walk_q.has_next, walk_q.next);
                state_q <= DRY;
            end
            EXPIRE: state_q <= IDLE;
            SEEK: begin
                better_q <= !mine.valid || mine_index < mine.index;
                seek_word_q <= mine_index[11:6];
                state_q <= SCAN;
            end
            SCAN: begin
                new_generation_q <= generation_read;
                masked_q <= bits_read & up_to;
                words_below_q <= mine_words & below;
                joined_word_q <= bits_read | here;
                state_q <= PICK;
            end
            PICK: begin
                pred_index_q <= {seek_word_q, in_word};
                has_pred_q <= !better_q;
                if (better_q) state_q <= SUCC;
                else if (any_in_word) state_q <= TAIL;
                else begin
                    seek_word_q <= in_words;
                    state_q <= RESCAN;
                end
            end
            RESCAN: state_q <= REMASK;
            REMASK: begin
                masked_q <= bits_read;
                state_q <= PICK;
            end
            TAIL: state_q <= PRED;
            PRED: begin
                pred_q <= tail_read;
                state_q <= SUCC;
            end
            SUCC: state_q <= JOIN;
            JOIN: state_q <= JOINED;
            JOINED: state_q <= IDLE;
            PART: state_q <= PARTING;
            PARTING: begin
                same_prev_q <= target_has_prev_q && read_index == target_q.index;
                is_tail_q <= tail_read == target_slot;
                masked_q <= parted_word;
                state_q <= PARTED;
            end
            PARTED: begin
                if (level_goes) begin
                    cleared_q <= masked_q;
                    cleared_valid_q <= 1'b1;
                    cleared_sells_q <= target_sells_q;
                    cleared_word_q <= target_q.index[11:6];
                end
                state_q <= REFETCH;
            end
            REFETCH: state_q <= REFILL;
            REFILL: begin
                if (!moves_q) state_q <= IDLE;
                else if (crosses_q && post_only) state_q <= EXPIRE;
                else if (all_or_nothing) state_q <= meets ? DRY : EXPIRE;
                else if (meets) state_q <= WEIGH;
                else state_q <= may_rest ? SEEK : EXPIRE;
            end
            default: state_q <= IDLE;
        endcase
        if (state_q == JOIN) begin
            has_succ_q <= join_has_succ;
            succ_q <= join_succ;
            if (sells_q) ask_words_q[mine_index[11:6]] <= 1'b1;
            else bid_words_q[mine_index[11:6]] <= 1'b1;
        end
        if (state_q == SWAP && changes) begin
            bid_words_q <= swapped[63:0];
            ask_words_q <= swapped[127:64];
            symbol_q <= symbol;
        end
        if (reset) begin
            state_q <= CLEAR;
`ifdef FORMAL
            // Proofs begin with memories that are clear.
            clear_q <= {1'b0, {CLEAR_BITS{1'b1}}};
`else
            clear_q <= '0;
`endif
            symbol_q <= '0;
            bid_words_q <= 64'd0;
            ask_words_q <= 64'd0;
            cleared_valid_q <= 1'b0;
            owed_q <= 1'b0;
            moves_q <= 1'b0;
        end
    end

    // ---- the two first of each side ----
    wire node_t popped_second =
        stored(theirs_second.valid && theirs_second.has_next, theirs_second.next);
    wire node_t refilled = stored(part_first.valid && part_first.has_next, part_first.next);
    wire node_t joining = {1'b1, new_slot, left_q, executed_q, mine_index, account_q,
        new_generation_q, has_succ_q, succ_q};
    front_orders #(
        .SLOT_BITS(SLOT_BITS), .GENERATION_BITS(GENERATION_BITS), .ACCOUNT_BITS(ACCOUNT_BITS)
    ) front (
        .clock(clock), .reset(reset),
        .sells(sells_q), .pops(pops), .dents(dents), .fills(fills), .left(left_q),
        .maker_left(maker_left_q), .popped_second(popped_second),
        .target_sells(target_sells_q), .cuts(cuts), .parted(state_q == PARTED),
        .refills(state_q == REFILL), .cut_left(cut_left_q), .target_slot(target_slot),
        .target_has_next(target_q.has_next), .target_next(target_q.next), .refilled(refilled),
        .joined(state_q == JOINED), .has_pred(has_pred_q), .pred(pred_q), .new_slot(new_slot),
        .joining(joining),
        .swaps(state_q == SWAP && changes), .swapped(swapped[128 +: 4*NODE_BITS]),
        .bid(bid), .bid_second(bid_second), .ask(ask), .ask_second(ask_second)
    );

    // ---- what belongs to the instruments that are not at work ----
    localparam integer CONTEXT_BITS = 128 + 4*NODE_BITS;
    logic [CONTEXT_BITS-1:0] swapped;
    wire changes = symbol != symbol_q;
    generate
        if (SYMBOLS > 1) begin : many
            wire clears = state_q == CLEAR;
            ram #(.ADDRESS_BITS(SYMBOL_BITS), .DATA_BITS(CONTEXT_BITS)) contexts (
                .clock(clock),
                .write(clears || (state_q == SWAP && changes)),
                .write_address(clears ? clear_q[SYMBOL_BITS-1:0] : symbol_q),
                .write_data(clears ? '0
                    : {bid, bid_second, ask, ask_second, ask_words_q, bid_words_q}),
                .read_address(symbol), .read_data(swapped));
        end else begin : one
            assign swapped = '0;
        end
    endgenerate
endmodule
`default_nettype wire
