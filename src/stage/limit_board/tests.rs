//! The board beside all holders of limits, sorted.

use proptest::prelude::*;

use super::{HOLDERS_SHOWN, LOOKED_AT_ONCE, LimitBoard, LimitShow};
use crate::engine::risk::{
    AccountLimits, FirmLimits, HoursSet, MoreLimits, PhaseSet, RateClass, RiskGate, RiskOptions,
    SessionRights,
};
use crate::model::{
    AccountId, Command, CommandKind, Instrument, InstrumentId, Nanos, Notional, OrderType, Price,
    Quantity, Scope, SessionId, Side, Symbol, TimeInForce,
};

const ACCOUNTS: u32 = 3 * HOLDERS_SHOWN as u32;
const PRICE: i64 = 1_000_000;
const NOW: Nanos = Nanos(1_000);

fn gate() -> RiskGate {
    let more = MoreLimits::NONE;
    let account = AccountLimits {
        buying_power: Notional(1_000 * PRICE),
        exposure_max: Notional(2_000 * PRICE),
        order_quantity_max: Quantity(1_000),
        order_notional_max: Notional(i64::MAX / 4),
        collar_bps: 1_000,
        open_orders_max: 50,
        more,
    };
    let session = SessionRights {
        first_account: AccountId(1),
        last_account: AccountId(ACCOUNTS),
        rate: RateClass { per_second: 1, burst: 1_000, ban_above: 0, ban: Nanos::ZERO },
        hours: HoursSet::ALL,
        phases: PhaseSet::ALL,
        has_list: false,
    };
    let mut accounts = vec![Some(account); ACCOUNTS as usize + 1];
    accounts[0] = None;
    RiskGate::new(&RiskOptions {
        instruments: vec![Instrument {
            id: InstrumentId(1),
            symbol: Symbol::new("ACME").expect("a symbol"),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(PRICE),
        }],
        accounts,
        sessions: vec![None, Some(session)],
        instruments_of: Vec::new(),
        firms: vec![FirmLimits {
            first: AccountId(1),
            last: AccountId(ACCOUNTS / 2),
            buying_power: Notional::MAX,
            exposure_max: Notional(50_000 * PRICE),
            net_max: Notional::MAX,
            position_max: u32::MAX,
            soft_bps: 0,
        }],
        settings: Vec::new(),
        orders_max: 4_096,
        holdings_max: 4_096,
        feedback_lag: Nanos(1),
        elsewhere: Vec::new(),
        routed: Vec::new(),
        shards: 1,
        homes: Vec::new(),
        rest: None,
        sends_accounts: false,
        feedback_window: 1,
    })
}

fn buy(account: u32, quantity: u32, ordinal: u32) -> Command {
    Command {
        session: SessionId(1),
        account: AccountId(account),
        instrument: InstrumentId(1),
        side: Side::Buy.code(),
        price: Price(PRICE),
        quantity: Quantity(quantity),
        order_type: OrderType::Limit.code(),
        time_in_force: TimeInForce::Day.code(),
        ordinal,
        timestamp: NOW,
        ..Command::new(CommandKind::Enter)
    }
}

/// The parts that all holders use, the highest first, as many as the board has.
fn highest(gate: &RiskGate) -> Vec<u32> {
    let all =
        gate.holders().into_iter().flat_map(|(scope, ids)| (0..ids).map(move |id| (scope, id)));
    let share = |(scope, id)| Some(gate.usage(scope, id, NOW)?.share_bps());
    let mut shares: Vec<_> = all.filter_map(share).filter(|share| *share > 0).collect();
    shares.sort_unstable_by(|one, other| other.cmp(one));
    shares.truncate(HOLDERS_SHOWN);
    shares
}

proptest! {
    /// Once everybody was looked at the board has those who use most, each as the gate says.
    #[test]
    fn those_who_use_most_are_on_the_board(
        orders in prop::collection::vec((1..=ACCOUNTS, 1..400u32), 0..200), before in 0..200usize,
    ) {
        let mut gate = gate();
        let send = |gate: &mut RiskGate, at: usize| {
            let (account, quantity) = orders[at];
            gate.check(&mut buy(account, quantity, at as u32 + 1));
        };
        let before = before.min(orders.len());
        (0..before).for_each(|at| send(&mut gate, at));
        let board = LimitBoard::new();
        let mut show = LimitShow::new(board.clone(), &gate);
        let shares = |board: &LimitBoard| -> Vec<u32> {
            board.rows().iter().map(|row| row.usage.share_bps()).collect()
        };
        // At the start messages of sessions are as of then: they are left out of this one.
        prop_assert!(before == 0 || !shares(&board).is_empty());
        (before..orders.len()).for_each(|at| send(&mut gate, at));
        for _ in 0..2 * (ACCOUNTS as usize + 8) / LOOKED_AT_ONCE {
            show.show(&gate, Default::default(), NOW);
        }
        prop_assert_eq!(shares(&board), highest(&gate));
        for row in board.rows() {
            prop_assert_eq!(Some(row.usage), gate.usage(row.scope, row.id, NOW));
        }
    }
}

#[test]
fn whoever_sent_the_last_order_is_on_it_at_the_next_chores_with_firm_and_session() {
    let mut gate = gate();
    let board = LimitBoard::new();
    let mut show = LimitShow::new(board.clone(), &gate);
    assert_eq!(board.rows(), []);
    let last = AccountId(ACCOUNTS / 2);
    gate.check(&mut buy(last.0, 900, 1));
    show.show(&gate, (last, SessionId(1)), NOW);
    let shown: Vec<_> = board.rows().iter().map(|row| (row.scope, row.id)).collect();
    assert_eq!(shown, [(Scope::Account, last.0), (Scope::Firm, 1), (Scope::Session, 1)]);
    let of_account = board.rows()[0].usage;
    assert_eq!((of_account.used[0].used, of_account.share_bps()), (900 * PRICE, 9_000));
}

#[test]
fn accounts_that_are_asked_for_are_shown_whoever_else_asks() {
    let (gate, board) = (gate(), LimitBoard::new());
    let mut show = LimitShow::new(board.clone(), &gate);
    let accounts = [5, 6, 7].map(AccountId);
    assert_eq!(accounts.map(|account| board.ask(account)), [None; 3]);
    show.show(&gate, Default::default(), NOW);
    let ids = accounts.map(|account| board.ask(account).map(|row| row.id));
    assert_eq!(ids, [Some(5), Some(6), Some(7)]);
    assert_eq!(board.ask(AccountId(ACCOUNTS + 1)), None, "nobody knows it");
    show.show(&gate, Default::default(), NOW);
    assert_eq!(board.ask(AccountId(ACCOUNTS + 1)), None, "nobody knows it");
}
