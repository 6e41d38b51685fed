//! Each control by itself: what is within its limit passes, what is beyond is refused with the
//! control's own code.

use proptest::prelude::*;

use super::{ACCOUNTS, REFERENCE, World, account, limit_order, options, set_limit};
use crate::engine::risk::{AccountLimits, HoursSet, MoreLimits, PhaseSet, RateClass, RiskOptions};
use crate::model::{
    AccountId, Command, CommandKind, EventKind, Hours, InstrumentId, LimitKind, Nanos, Notional,
    OrderType, Phase, Price, Quantity, RejectCode, Scope, SessionId, Side, TradingState,
};

fn with(more: MoreLimits) -> RiskOptions {
    options(AccountLimits { more, ..account() })
}

fn buy(price: i64, quantity: u32) -> Command {
    limit_order(3, Side::Buy, price, quantity)
}

fn expected(refused: bool, code: RejectCode) -> Option<RejectCode> {
    refused.then_some(code)
}

const DEFAULT: MoreLimits = MoreLimits::NONE;

proptest! {
    #[test]
    fn quantity_notional_and_collar(quantity in 1..1_500u32, percent in 80..120i64) {
        let mut world = World::new(&options(account()));
        let price = REFERENCE * percent / 100;
        let code = match (quantity, price * i64::from(quantity)) {
            (1_001.., _) => Some(RejectCode::QuantityLimit),
            _ if !(90..=110).contains(&percent) => Some(RejectCode::PriceCollar),
            (_, notional) => expected(notional > 500_000_000, RejectCode::NotionalLimit),
        };
        prop_assert_eq!(world.order(buy(price, quantity)), code);
    }

    #[test]
    fn open_orders_in_one_instrument(most in 1..6u32, orders in 1..10u32) {
        let limits = AccountLimits { open_orders_max: most, ..account() };
        let mut world = World::new(&options(limits));
        for order in 0..orders {
            let code = expected(order >= most, RejectCode::OpenOrderLimit);
            prop_assert_eq!(world.order(buy(REFERENCE, 1)), code);
        }
    }

    #[test]
    fn buying_power_and_credit(deposit in 0..300i64, credit in 0..300i64, quantity in 1..400u32) {
        let more = MoreLimits { credit: Notional(credit * REFERENCE), ..DEFAULT };
        let buying_power = Notional(deposit * REFERENCE);
        let mut world = World::new(&options(AccountLimits { buying_power, more, ..account() }));
        let code = expected(i64::from(quantity) > deposit + credit, RejectCode::BuyingPower);
        prop_assert_eq!(world.order(buy(REFERENCE, quantity)), code);
        // More of either counts from the next command on, as an absolute value.
        for (kind, other) in [(LimitKind::BuyingPower, credit), (LimitKind::Credit, 400)] {
            world.tell(set_limit(Scope::Account, 3, kind, 400 * REFERENCE));
            prop_assert!(other >= 0);
        }
        prop_assert_eq!(world.order(buy(REFERENCE, 400)), None);
    }

    #[test]
    fn gross_exposure_counts_both_sides(
        limit in 1..400i64,
        bought in 1..200u32,
        sold in 1..200u32,
    ) {
        let (most, below) = (limit * REFERENCE, REFERENCE - 1_000);
        let limits = AccountLimits { exposure_max: Notional(most), ..account() };
        let mut world = World::new(&options(limits));
        let wanted = i64::from(bought) * below;
        let code = expected(wanted > most, RejectCode::Exposure);
        prop_assert_eq!(world.order(buy(below, bought)), code);
        let used = if wanted > most { 0 } else { wanted };
        let code = expected(used + i64::from(sold) * REFERENCE > most, RejectCode::Exposure);
        prop_assert_eq!(world.order(limit_order(3, Side::Sell, REFERENCE, sold)), code);
    }

    #[test]
    fn position_and_net_exposure_at_their_worst(
        most in 1..300u32,
        orders in proptest::collection::vec((any::<bool>(), 1..120u32), 1..8),
        net in any::<bool>(),
    ) {
        let (net_max, position_max) = match net {
            true => (Notional(i64::from(most) * REFERENCE), u32::MAX),
            false => (Notional::MAX, most),
        };
        let mut world = World::new(&with(MoreLimits { net_max, position_max, ..DEFAULT }));
        let code = if net { RejectCode::NetExposure } else { RejectCode::PositionLimit };
        let mut open = [0, 0];
        for (sells, quantity) in orders {
            // They do not meet: nobody sells below where somebody buys. Money is at the reference.
            let side = if sells { Side::Sell } else { Side::Buy };
            let price = if sells { REFERENCE } else { REFERENCE - 100 };
            let of_side = &mut open[usize::from(sells)];
            let per_share = if sells || !net { REFERENCE } else { REFERENCE - 100 };
            let would = (*of_side + i64::from(quantity)) * per_share;
            let refused = would > i64::from(most) * REFERENCE;
            let order = limit_order(3, side, price, quantity);
            prop_assert_eq!(world.order(order), expected(refused, code));
            *of_side += if refused { 0 } else { i64::from(quantity) };
        }
    }

    #[test]
    fn a_firm_counts_its_accounts_together(
        kind in prop::sample::select(vec![
            (LimitKind::Exposure, RejectCode::FirmExposure),
            (LimitKind::NetExposure, RejectCode::FirmNetExposure),
            (LimitKind::Position, RejectCode::FirmPosition),
            (LimitKind::BuyingPower, RejectCode::FirmBuyingPower),
        ]),
        most in 1..300u32,
        orders in proptest::collection::vec((1..=2u32, 1..120u32), 1..8),
    ) {
        let (kind, code) = kind;
        let mut world = World::new(&options(account()));
        let unit = if kind == LimitKind::Position { 1 } else { REFERENCE };
        world.tell(set_limit(Scope::Firm, 1, kind, i64::from(most) * unit));
        let mut open = 0;
        for (account, quantity) in orders {
            let refused = open + quantity > most;
            let order = limit_order(account, Side::Buy, REFERENCE, quantity);
            prop_assert_eq!(world.order(order), expected(refused, code));
            open += if refused { 0 } else { quantity };
        }
        // Who is not of the firm is not held up by it.
        prop_assert_eq!(world.order(limit_order(3, Side::Buy, REFERENCE, 300)), None);
    }

    #[test]
    fn rates_of_accounts_are_over_all_sessions(gaps in proptest::collection::vec(0..30u64, 1..45)) {
        let rate = RateClass { per_second: 100, burst: 5, ..RateClass::default() };
        let mut world = World::new(&with(MoreLimits { rate, ..DEFAULT }));
        let (mut tokens, mut seen) = (50_000_000u64, None);
        for (at, gap) in gaps.into_iter().enumerate() {
            world.now += gap * 1_000_000;
            let order = Command { session: SessionId(1 + at as u32 % 3), ..buy(REFERENCE, 1) };
            let code = world.order(order);
            let passed = seen.map_or(0, |seen| world.now - seen);
            (tokens, seen) = ((tokens + passed).min(50_000_000), Some(world.now));
            prop_assert_eq!(code, expected(tokens < 10_000_000, RejectCode::AccountRate));
            tokens -= if tokens < 10_000_000 { 0 } else { 10_000_000 };
        }
    }

    /// A session's order that comes too fast is refused; its cancels pass all the same.
    #[test]
    fn cancels_pass_whatever_the_rate(orders in 3..40u32) {
        let mut options = options(account());
        let class = RateClass { per_second: 1, burst: 2, ban_above: 20, ban: Nanos(u64::MAX / 4) };
        for session in options.sessions.iter_mut().flatten() {
            session.rate = class;
        }
        let mut world = World::new(&options);
        for order in 1..=orders {
            let code = match order {
                1..=2 => None,
                3..=20 => Some(RejectCode::MessageRate),
                _ => Some(RejectCode::Banned),
            };
            prop_assert_eq!(world.order(buy(REFERENCE, 1)), code);
        }
        for target in 1..=2 {
            let cancel = Command::new(CommandKind::Cancel);
            let cancel = Command { session: SessionId(1), target, ..cancel };
            let kinds: Vec<u8> = world.tell(cancel).iter().map(|event| event.kind).collect();
            prop_assert_eq!(kinds, [EventKind::Cancelled.code()]);
        }
    }

    #[test]
    fn who_trades_too_often_waits_for_a_person(most in 1..6u32) {
        let execution_window = Nanos(1 << 40);
        let more = MoreLimits { executions_max: most, execution_window, ..DEFAULT };
        let mut world = World::new(&with(more));
        for _ in 0..=most {
            prop_assert_eq!(world.order(limit_order(3, Side::Sell, REFERENCE, 1)), None);
            prop_assert_eq!(world.order(limit_order(4, Side::Buy, REFERENCE, 1)), None);
        }
        world.settle();
        prop_assert_eq!(world.order(buy(REFERENCE, 1)), Some(RejectCode::RepeatedExecution));
        let resume = Command {
            side: Scope::Account.code(),
            account: AccountId(3),
            ..Command::new(CommandKind::Revive)
        };
        world.tell(resume);
        prop_assert_eq!(world.order(buy(REFERENCE, 1)), None);
        prop_assert!(world.fold.gate.alert().is_some_and(|a| a.kind == LimitKind::Executions));
    }

    #[test]
    fn the_same_order_waits_for_its_window(gap in 1..200u64, alike in any::<bool>()) {
        let more = MoreLimits { duplicate_window: Nanos(100_000), ..DEFAULT };
        let mut world = World::new(&with(more));
        prop_assert_eq!(world.order(buy(REFERENCE, 7)), None);
        world.now += gap * 1_000 - 1;
        let code = world.order(buy(REFERENCE, if alike { 7 } else { 8 }));
        prop_assert_eq!(code, expected(alike && gap < 100, RejectCode::RepeatedOrder));
    }

    #[test]
    fn lists_bar_what_they_name_and_nothing_else(
        scope in prop::sample::select(vec![
            Scope::Instrument, Scope::Account, Scope::Firm, Scope::Session,
        ]),
        asked in (1..=ACCOUNTS, 1..=2u32, 1..=3u32),
    ) {
        let mut world = World::new(&options(account()));
        let mut bar = set_limit(scope, 1, LimitKind::Restricted, 1);
        bar.instrument = InstrumentId(1);
        world.tell(bar);
        let (account, instrument, session) = asked;
        let order = Command {
            instrument: InstrumentId(instrument),
            session: SessionId(session),
            ..limit_order(account, Side::Buy, REFERENCE, 1)
        };
        let is_named = match scope {
            Scope::Account => account == 1,
            Scope::Firm => account <= 2,
            Scope::Session => session == 1,
            _ => true,
        };
        let code = expected(is_named && instrument == 1, RejectCode::RestrictedInstrument);
        prop_assert_eq!(world.order(order), code);
        world.tell(Command { price: Price(0), ..bar });
        prop_assert_eq!(world.order(order), None);
    }

    #[test]
    fn what_is_hard_to_borrow_is_sold_short_as_far_as_located(
        located in 0..200u32,
        sales in proptest::collection::vec(1..100u32, 1..5),
    ) {
        let mut world = World::new(&options(account()));
        world.tell(set_limit(Scope::Instrument, 1, LimitKind::HardToBorrow, 1));
        let mut locate = set_limit(Scope::Account, 3, LimitKind::Located, located.into());
        locate.instrument = InstrumentId(1);
        world.tell(locate);
        let mut sold = 0;
        for quantity in sales {
            let refused = sold + quantity > located;
            let code = world.order(limit_order(3, Side::SellShort, REFERENCE, quantity));
            prop_assert_eq!(code, expected(refused, RejectCode::LocateMissing));
            sold += if refused { 0 } else { quantity };
        }
        world.tell(set_limit(Scope::Instrument, 1, LimitKind::NoShortSales, 1));
        let code = world.order(limit_order(3, Side::SellShort, REFERENCE, 1));
        prop_assert_eq!(code, Some(RejectCode::NoShortSales));
    }

    #[test]
    fn a_sale_of_what_is_not_there_is_marked(held in 0..100u32, sold in 1..200u32) {
        let mut world = World::new(&with(MoreLimits { marked_shorts: true, ..DEFAULT }));
        if held > 0 {
            prop_assert_eq!(world.order(limit_order(4, Side::SellShort, REFERENCE, held)), None);
            prop_assert_eq!(world.order(buy(REFERENCE, held)), None);
            world.settle();
        }
        let sale = limit_order(3, Side::Sell, REFERENCE, sold);
        prop_assert_eq!(world.order(sale), expected(sold > held, RejectCode::ShortNotMarked));
        let short = Command { side: Side::SellShort.code(), ..sale };
        prop_assert_eq!(world.order(short), None);
    }

    #[test]
    fn a_reference_grows_old_and_a_trade_renews_it(age in 1..200u64) {
        let mut world = World::new(&options(account()));
        world.tell(set_limit(Scope::Instrument, 1, LimitKind::ReferenceAge, 100));
        world.now += age * 1_000_000 - 1;
        let code = expected(age > 100, RejectCode::StaleReference);
        prop_assert_eq!(world.order(buy(REFERENCE, 1)), code);
        let renew = Command {
            instrument: InstrumentId(1),
            price: Price(REFERENCE),
            ..Command::new(CommandKind::SetReferencePrice)
        };
        world.tell(renew);
        prop_assert_eq!(world.order(buy(REFERENCE, 1)), None);
    }

    #[test]
    fn reduce_only_takes_what_reduces(held in 1..100u32, sold in 1..200u32, buys in any::<bool>()) {
        let mut world = World::new(&options(account()));
        prop_assert_eq!(world.order(limit_order(4, Side::Sell, REFERENCE, held)), None);
        prop_assert_eq!(world.order(buy(REFERENCE, held)), None);
        let kill = Command {
            side: Scope::Account.code(),
            account: AccountId(3),
            order_type: TradingState::ReduceOnly.code(),
            ..Command::new(CommandKind::Kill)
        };
        world.tell(kill);
        world.settle();
        let side = if buys { Side::Buy } else { Side::Sell };
        let code = expected(buys || sold > held, RejectCode::ReduceOnly);
        prop_assert_eq!(world.order(limit_order(3, side, REFERENCE, sold)), code);
        // A second one may not turn the position round either.
        if code.is_none() && sold * 2 > held {
            let again = limit_order(3, Side::Sell, REFERENCE, sold);
            prop_assert_eq!(world.order(again), Some(RejectCode::ReduceOnly));
        }
    }
}

/// What stops all orders of a scope, what lets them go on, and the code that says so.
fn stops() -> [(Command, Command, RejectCode); 7] {
    let of = |kind| Command { session: SessionId(1), ..Command::new(kind) };
    let everything = |kind| Command { side: Scope::Everything.code(), ..Command::new(kind) };
    let priced = |price| {
        let instrument = InstrumentId(1);
        let price = Price(price);
        Command { instrument, price, ..Command::new(CommandKind::SetReferencePrice) }
    };
    let hours = |hours: Hours| {
        let (instrument, side) = (InstrumentId(1), hours.code());
        Command { instrument, side, ..Command::new(CommandKind::SetHours) }
    };
    let clock = |kind| Command { order_type: Command::FOR_THE_CLOCK, ..everything(kind) };
    let restricted = |value| set_limit(Scope::Instrument, 1, LimitKind::Restricted, value);
    use CommandKind as K;
    [
        (of(K::DisableEntry), of(K::EnableEntry), RejectCode::EntryDisabled),
        (everything(K::Throttle), everything(K::Unthrottle), RejectCode::JournalFull),
        (clock(K::Throttle), clock(K::Unthrottle), RejectCode::ClockOff),
        (priced(0), priced(REFERENCE), RejectCode::NoReferencePrice),
        (hours(Hours::Overnight), hours(Hours::Main), RejectCode::OutOfHours),
        (restricted(1), restricted(0), RejectCode::RestrictedInstrument),
        (everything(K::Tick), everything(K::Tick), RejectCode::RiskFailed),
    ]
}

proptest! {
    /// Whatever stops orders: cancels pass, and when it is over orders do too.
    #[test]
    fn what_stops_orders_lets_cancels_pass(which in 0..7usize, quantity in 1..100u32) {
        let mut options = options(account());
        if let Some(Some(rights)) = options.sessions.get_mut(1) {
            rights.hours = HoursSet::of([Hours::Main]);
        }
        let mut world = World::new(&options);
        prop_assert_eq!(world.order(buy(REFERENCE, quantity)), None);
        let target = world.ordinal;
        let (stop, go_on, code) = stops()[which];
        world.tell(stop);
        world.fold.gate.exposure.is_broken = code == RejectCode::RiskFailed;
        prop_assert_eq!(world.order(buy(REFERENCE, quantity)), Some(code));
        let session = SessionId(1);
        let events = world.tell(Command { session, target, ..Command::new(CommandKind::Cancel) });
        prop_assert!(events.iter().any(|event| event.kind == EventKind::Cancelled.code()));
        world.tell(go_on);
        world.fold.gate.exposure.is_broken = false;
        prop_assert_eq!(world.order(buy(REFERENCE, quantity)), None);
    }

    /// A kill of any scope an order is of stops it, and no other.
    #[test]
    fn a_kill_stops_its_scope_alone(scope in 0..5u8, id in 0..4u32, quantity in 1..100u32) {
        let mut world = World::new(&options(account()));
        let mut kill = Command { side: scope, target: id, ..Command::new(CommandKind::Kill) };
        (kill.session, kill.account) = (SessionId(id), AccountId(id));
        (kill.instrument, kill.order_type) = (InstrumentId(id), TradingState::Halted.code());
        world.tell(kill);
        let is_hit = match Scope::from_code(scope) {
            Some(Scope::Everything) => true,
            Some(Scope::Session | Scope::Instrument) => id == 1,
            Some(Scope::Account) => id == 3,
            // Firm 1 has accounts 1 and 2.
            _ => false,
        };
        let code = expected(is_hit, RejectCode::Killed);
        prop_assert_eq!(world.order(buy(REFERENCE, quantity)), code);
    }

    #[test]
    fn what_is_matched_elsewhere_is_not_taken(quantity in 1..100u32) {
        let mut options = options(account());
        options.elsewhere = vec![InstrumentId(1)];
        let mut world = World::new(&options);
        prop_assert_eq!(world.order(buy(REFERENCE, quantity)), Some(RejectCode::Elsewhere));
        let here = Command { instrument: InstrumentId(2), ..buy(REFERENCE, quantity) };
        prop_assert_eq!(world.order(here), None);
    }
}

#[test]
fn permissions_of_sessions_and_accounts() {
    let mut options = with(MoreLimits { no_market_orders: true, ..DEFAULT });
    if let Some(session) = &mut options.sessions[2] {
        session.phases = PhaseSet::of([Phase::Continuous]);
    }
    if let Some(session) = &mut options.sessions[3] {
        session.has_list = true;
    }
    options.instruments_of = vec![(SessionId(3), vec![InstrumentId(2)])];
    let mut world = World::new(&options);
    let of = |session| Command { session: SessionId(session), ..buy(REFERENCE, 1) };
    assert_eq!(world.order(of(3)), Some(RejectCode::InstrumentPermission));
    assert_eq!(world.order(Command { instrument: InstrumentId(2), ..of(3) }), None);
    let market = Command { order_type: OrderType::Market.code(), ..of(1) };
    assert_eq!(world.order(market), Some(RejectCode::MarketOrder));
    assert_eq!(world.order(of(2)), None);
    let phase = Command {
        instrument: InstrumentId(1),
        side: Phase::PreOpen.code(),
        ..Command::new(CommandKind::SetPhase)
    };
    world.tell(phase);
    world.settle();
    assert_eq!(world.order(of(2)), Some(RejectCode::PhasePermission));
    assert_eq!(world.order(of(1)), None);
}

#[test]
fn accounts_and_sessions_come_and_go_while_running() {
    let mut options = options(account());
    options.accounts.push(None);
    options.sessions.push(None);
    let mut world = World::new(&options);
    let new = AccountId(ACCOUNTS + 1);
    let order = Command { account: new, session: SessionId(4), ..buy(REFERENCE, 1) };
    assert_eq!(world.order(order), Some(RejectCode::UnknownSession));
    let session = Command {
        session: SessionId(4),
        target: new.0,
        ordinal: new.0,
        quantity: Quantity(1),
        ..Command::new(CommandKind::SetSession)
    };
    world.tell(session);
    assert_eq!(world.order(order), Some(RejectCode::UnknownAccount));
    let known = Command {
        account: new,
        target: 3,
        quantity: Quantity(1),
        ..Command::new(CommandKind::SetAccount)
    };
    world.tell(known);
    assert_eq!(world.order(order), None);
    world.tell(Command { quantity: Quantity(0), ..known });
    assert_eq!(world.order(order), Some(RejectCode::UnknownAccount));
}
