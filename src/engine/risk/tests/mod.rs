//! The gate over random flows, beside a book-keeper who knows only commands and events.

mod controls;
mod levels;
mod listing;
mod protection;

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::engine::risk::{
    AccountLimits, AccountState, Feedback, FirmLimits, HoursSet, MoreLimits, PhaseSet, RateClass,
    RiskGate, RiskOptions, SessionRights,
};
use crate::engine::{EngineLimits, Fold, SoftwareMatcher};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, EventKind, Group, Instrument, InstrumentId,
    LimitKind, Nanos, Notional, OrderId, OrderType, Price, Quantity, Scope, SeqNo, SessionId, Side,
    Symbol, TimeInForce, TradeDetail,
};

pub(super) const ACCOUNTS: u32 = 4;
const SESSIONS: u32 = 3;
const INSTRUMENTS: u32 = 2;
pub(super) const REFERENCE: i64 = 1_000_000;
const TICK: i64 = 100;

pub(super) fn account() -> AccountLimits {
    AccountLimits {
        buying_power: Notional(4_000_000_000),
        exposure_max: Notional(1_000_000_000),
        order_quantity_max: Quantity(1_000),
        order_notional_max: Notional(500_000_000),
        collar_bps: 1_000,
        open_orders_max: 50,
        more: MoreLimits::NONE,
    }
}

fn instrument(id: u32) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(&format!("I{id}")).expect("a symbol"),
        tick: Price(TICK),
        lot: Quantity(1),
        reference_price: Price(REFERENCE),
    }
}

pub(super) fn options(account: AccountLimits) -> RiskOptions {
    let session = SessionRights {
        first_account: AccountId(1),
        last_account: AccountId(ACCOUNTS),
        rate: RateClass::default(),
        hours: HoursSet::ALL,
        phases: PhaseSet::ALL,
        has_list: false,
    };
    let mut accounts = vec![Some(account); ACCOUNTS as usize + 1];
    let mut sessions = vec![Some(session); SESSIONS as usize + 1];
    (accounts[0], sessions[0]) = (None, None);
    RiskOptions {
        instruments: (1..=INSTRUMENTS).map(instrument).collect(),
        accounts,
        sessions,
        instruments_of: Vec::new(),
        firms: vec![FirmLimits {
            first: AccountId(1),
            last: AccountId(2),
            buying_power: Notional::MAX,
            exposure_max: Notional(1_500_000_000),
            net_max: Notional::MAX,
            position_max: u32::MAX,
            soft_bps: 0,
        }],
        settings: Vec::new(),
        orders_max: 4_096,
        holdings_max: 1_024,
        feedback_lag: Nanos(1),
        elsewhere: Vec::new(),
        routed: Vec::new(),
        shards: 1,
        homes: Vec::new(),
        rest: None,
        sends_accounts: false,
        feedback_window: 1,
    }
}

/// The core, the next order number, and what the book-keeper wrote.
pub(super) struct World {
    pub(super) fold: Fold<SoftwareMatcher>,
    pub(super) now: u64,
    ordinal: u32,
    /// Commands after which an event has come back.
    lag: u32,
    pub(super) events: Vec<Event>,
}

impl World {
    pub(super) fn new(options: &RiskOptions) -> Self {
        let limits = EngineLimits { orders_max: 4_096, ..EngineLimits::DEFAULT };
        let matcher = SoftwareMatcher::new(limits, &options.instruments).expect("good limits");
        let events = limits.events_per_command_max();
        let feedback = Feedback::new(options.feedback_lag, options.feedback_window, events);
        let fold = Fold::new(RiskGate::new(options), feedback, matcher);
        Self { fold, now: 1_000, ordinal: 0, lag: options.feedback_window, events: Vec::new() }
    }

    /// Applies a command a moment after the one before; returns its events.
    pub(super) fn apply(&mut self, mut group: Group<Command>, after: u64) -> Vec<Event> {
        self.now += after.max(1);
        group.head.seq = self.fold.seq.next();
        group.head.timestamp = Nanos(self.now);
        let mut made = Vec::new();
        let applied = self.fold.apply(&group, &mut |event| made.push(*event));
        applied.expect("the commands follow each other");
        self.events.extend(&made);
        made
    }

    pub(super) fn tell(&mut self, command: Command) -> Vec<Event> {
        self.apply(Group::new(command), 1)
    }

    /// An order of session 1; `None` is one that passed, else why not.
    pub(super) fn order(&mut self, order: Command) -> Option<crate::model::RejectCode> {
        self.ordinal += 1;
        let command = Command { ordinal: self.ordinal, ..order };
        let events = self.tell(command);
        let rejected = events.iter().find(|event| event.kind == EventKind::Rejected.code());
        rejected.and_then(Event::reject_code)
    }

    /// Lets the events of the last command come back.
    pub(super) fn settle(&mut self) {
        for _ in 0..=self.lag {
            self.tell(Command::new(CommandKind::Tick));
        }
    }

    /// Sweeps until nothing is unfinished.
    fn sweep(&mut self) {
        use crate::engine::Matcher;
        while self.fold.matcher.wants_sweep() {
            self.tell(Command::new(CommandKind::Sweep));
        }
        self.settle();
    }
}

pub(super) fn limit_order(account: u32, side: Side, price: i64, quantity: u32) -> Command {
    Command {
        session: SessionId(1),
        account: AccountId(account),
        instrument: InstrumentId(1),
        side: side.code(),
        price: Price(price),
        quantity: Quantity(quantity),
        order_type: OrderType::Limit.code(),
        time_in_force: TimeInForce::Day.code(),
        ..Command::new(CommandKind::Enter)
    }
}

pub(super) fn set_limit(scope: Scope, id: u32, kind: LimitKind, value: i64) -> Command {
    let mut command = Command::new(CommandKind::SetLimit);
    command.side = scope.code();
    command.order_type = kind.code();
    command.price = Price(value);
    match scope {
        Scope::Account => command.account = AccountId(id),
        Scope::Session => command.session = SessionId(id),
        Scope::Instrument => command.instrument = InstrumentId(id),
        _ => command.target = id,
    }
    command
}

/// What a book-keeper finds from events alone.
#[derive(Debug, Default)]
struct Books {
    /// Orders open: side, price and shares.
    open: BTreeMap<OrderId, (AccountId, InstrumentId, bool, i64, u32)>,
    /// Shares and what they cost, by account and instrument.
    held: BTreeMap<(AccountId, InstrumentId), (i64, i64)>,
    cash: BTreeMap<AccountId, i64>,
    /// Sales' prices at the gate: what counts for a position sold short is no more.
    counted: BTreeMap<OrderId, i64>,
}

impl Books {
    fn of(events: &[Event], counted: BTreeMap<OrderId, i64>) -> Self {
        let mut books = Self { counted, ..Self::default() };
        events.iter().for_each(|event| books.take(event));
        books
    }

    fn take(&mut self, event: &Event) {
        let id = event.order_id();
        let is_sale = event.side != Side::Buy.code();
        let order = (event.account, event.instrument, is_sale, event.price.0, event.quantity.0);
        match event.kind().expect("a kind") {
            EventKind::Accepted => drop(self.open.insert(id, order)),
            EventKind::Replaced => {
                self.open.remove(&OrderId::new(event.session, event.target));
                self.open.insert(id, order);
            }
            EventKind::Modified => {
                if let Some(open) = self.open.get_mut(&id) {
                    open.4 = event.quantity.0;
                }
            }
            EventKind::Executed => {
                let most = self.counted.get(&id).copied().unwrap_or(i64::MAX);
                self.trade(event, !is_sale, event.price.0.min(most));
                self.cut(id, event.quantity.0);
            }
            EventKind::Cancelled => self.cut(id, event.quantity.0),
            EventKind::Busted => self.trade(event, is_sale, event.price.0),
            EventKind::Corrected => self.trade(event, !is_sale, event.price.0),
            _ => {}
        }
        if event.flags.has(EventFlags::DONE) {
            self.open.remove(&id);
        }
    }

    fn cut(&mut self, id: OrderId, by: u32) {
        if let Some(open) = self.open.get_mut(&id) {
            open.4 = open.4.saturating_sub(by);
        }
    }

    /// Share by share: what closes takes the mean of what is held.
    fn trade(&mut self, event: &Event, bought: bool, price: i64) {
        let quantity = i64::from(event.quantity.0);
        let paid = event.price.0 * quantity;
        *self.cash.entry(event.account).or_default() -= if bought { paid } else { -paid };
        let held = self.held.entry((event.account, event.instrument)).or_default();
        let signed = if bought { quantity } else { -quantity };
        let closed =
            if held.0.signum() == -signed.signum() { quantity.min(held.0.abs()) } else { 0 };
        if closed > 0 {
            held.1 -= (i128::from(held.1) * i128::from(closed) / i128::from(held.0.abs())) as i64;
        }
        let opened = quantity - closed;
        held.1 += signed.signum() * opened * price;
        held.0 += signed;
    }

    fn position_cost(&self, account: AccountId) -> (i64, i64) {
        let of = self.held.iter().filter(|((holder, _), _)| *holder == account);
        of.fold((0, 0), |sum, (_, held)| (sum.0 + held.1.abs(), sum.1 + held.1))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter { account: u32, instrument: u32, sells: bool, price: i64, quantity: u32, now: bool },
    Cancel { back: u32, left: u32 },
    Replace { back: u32, price: i64, quantity: u32 },
    Modify { back: u32, quantity: u32 },
    Undo { back: usize, corrected: bool },
    Kill { scope: u8, id: u32, reduce_only: bool },
    Revive { scope: u8, id: u32 },
    Limit { account: u32, exposure: i64 },
    Down { session: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let price = || (95..106i64).prop_map(|price| price * 10_000);
    let step = prop_oneof![
        12 => (1..=ACCOUNTS, 1..=INSTRUMENTS, any::<bool>(), price(), 1..400u32, any::<bool>())
            .prop_map(|(account, instrument, sells, price, quantity, now)| Step::Enter {
                account, instrument, sells, price, quantity, now: now && quantity % 3 == 0,
            }),
        3 => (0..20u32, 0..100u32).prop_map(|(back, left)| Step::Cancel { back, left }),
        3 => (0..20u32, price(), 1..400u32)
            .prop_map(|(back, price, quantity)| Step::Replace { back, price, quantity }),
        1 => (0..20u32, 1..200u32).prop_map(|(back, quantity)| Step::Modify { back, quantity }),
        1 => (0..10usize, any::<bool>())
            .prop_map(|(back, corrected)| Step::Undo { back, corrected }),
        1 => (0..6u8, 0..4u32, any::<bool>())
            .prop_map(|(scope, id, reduce_only)| Step::Kill { scope, id, reduce_only }),
        2 => (0..6u8, 0..4u32).prop_map(|(scope, id)| Step::Revive { scope, id }),
        1 => (1..=ACCOUNTS, 10..200i64).prop_map(|(account, thousand)| Step::Limit {
            account, exposure: thousand * 10_000_000,
        }),
        1 => (1..=SESSIONS).prop_map(|session| Step::Down { session }),
    ];
    proptest::collection::vec(step, 1..150)
}

fn scoped(kind: CommandKind, scope: u8, id: u32) -> Command {
    Command {
        side: scope,
        session: SessionId(id),
        account: AccountId(id),
        instrument: InstrumentId(id),
        target: id,
        ..Command::new(kind)
    }
}

/// A step as a command; `undo` takes trades that were not undone yet.
fn command_of(
    step: &Step,
    world: &mut World,
    trades: &mut Vec<[Event; 2]>,
) -> Option<Group<Command>> {
    let recent = |world: &World, back: u32| world.ordinal.saturating_sub(back);
    let session = |ordinal: u32| SessionId(1 + ordinal % SESSIONS);
    Some(Group::new(match *step {
        Step::Enter { account, instrument, sells, price, quantity, now } => {
            world.ordinal += 1;
            let side = if sells { Side::Sell } else { Side::Buy };
            let mut order = limit_order(account, side, price, quantity);
            (order.session, order.ordinal) = (session(world.ordinal), world.ordinal);
            order.instrument = InstrumentId(instrument);
            order.time_in_force = if now { TimeInForce::Ioc } else { TimeInForce::Day }.code();
            order
        }
        Step::Cancel { back, left } => {
            let target = recent(world, back);
            let quantity = Quantity(left);
            Command {
                session: session(target),
                target,
                quantity,
                ..Command::new(CommandKind::Cancel)
            }
        }
        Step::Replace { back, price, quantity } => {
            let target = recent(world, back);
            // The new one belongs to the same session.
            world.ordinal = (world.ordinal / SESSIONS + 1) * SESSIONS + target % SESSIONS;
            Command {
                session: session(target),
                target,
                ordinal: world.ordinal,
                price: Price(price),
                quantity: Quantity(quantity),
                ..Command::new(CommandKind::Replace)
            }
        }
        Step::Modify { back, quantity } => {
            let target = recent(world, back);
            let quantity = Quantity(quantity);
            Command {
                session: session(target),
                target,
                quantity,
                ..Command::new(CommandKind::Modify)
            }
        }
        Step::Undo { back, corrected } => {
            let at = trades.len().checked_sub(1 + back)?;
            return Some(undo(&trades.remove(at), corrected));
        }
        Step::Kill { scope, id, reduce_only } => {
            let kill = scoped(CommandKind::Kill, scope, id);
            Command { order_type: u8::from(reduce_only), ..kill }
        }
        Step::Revive { scope, id } => scoped(CommandKind::Revive, scope, id),
        Step::Limit { account, exposure } => {
            set_limit(Scope::Account, account, LimitKind::Exposure, exposure)
        }
        Step::Down { session } => Command {
            session: SessionId(session),
            quantity: Quantity(1),
            ..Command::new(CommandKind::SessionDown)
        },
    }))
}

/// Undoes a trade, or says that it was of half as much.
fn undo([maker, taker]: &[Event; 2], corrected: bool) -> Group<Command> {
    let is_bought = |event: &Event| event.side == Side::Buy.code();
    let (buyer, seller) = if is_bought(maker) { (maker, taker) } else { (taker, maker) };
    let kind = if corrected { CommandKind::CorrectTrade } else { CommandKind::BustTrade };
    let mut group = Group::new(Command {
        session: buyer.session,
        account: buyer.account,
        ordinal: buyer.ordinal,
        instrument: buyer.instrument,
        lines: 2,
        ..Command::new(kind)
    });
    group.rest_mut()[0] = TradeDetail {
        match_number: maker.match_number().0,
        price: maker.price,
        new_price: maker.price,
        quantity: maker.quantity,
        new_quantity: Quantity(maker.quantity.0 / 2),
        seller: seller.session,
        seller_ordinal: seller.ordinal,
        seller_account: seller.account,
        ..TradeDetail::default()
    }
    .line();
    group
}

fn exposure(world: &World, account: u32) -> i64 {
    let state = world.fold.gate.account(AccountId(account)).copied().unwrap_or_default();
    state.exposure().0
}

/// Counts closed, all of it; nobody may owe anything.
fn close_everything(world: &mut World) {
    let everything = Scope::Everything.code();
    world.tell(Command { side: everything, ..Command::new(CommandKind::Kill) });
    world.sweep();
    assert_eq!(world.fold.gate.open_orders(), 0, "a kill takes every order");
    for (scope, id) in (0..6u8).flat_map(|scope| (0..5).map(move |id| (scope, id))) {
        world.tell(scoped(CommandKind::Revive, scope, id));
    }
    world.tell(set_limit(Scope::Firm, 1, LimitKind::Exposure, -1));
    for account in 1..=ACCOUNTS {
        for kind in [LimitKind::Exposure, LimitKind::BuyingPower, LimitKind::OrderNotional] {
            world.tell(set_limit(Scope::Account, account, kind, i64::MAX / 8));
        }
        world.tell(set_limit(Scope::Account, account, LimitKind::OrderQuantity, -1));
        world.tell(set_limit(Scope::Account, account, LimitKind::Collar, 9_000));
    }
    for instrument in 1..=INSTRUMENTS {
        loop {
            let id = InstrumentId(instrument);
            let of = |account| (world.fold.gate.position(AccountId(account), id), account);
            let all: Vec<(i64, u32)> = (1..=ACCOUNTS).map(of).collect();
            let (least, most) =
                (*all.iter().min().expect("some"), *all.iter().max().expect("some"));
            let quantity = most.0.min(-least.0);
            if quantity <= 0 {
                break;
            }
            for (account, side) in [(least.1, Side::Buy), (most.1, Side::Sell)] {
                let order = limit_order(account, side, REFERENCE, quantity as u32);
                let refused = world.order(Command { instrument: id, ..order });
                assert_eq!(refused, None, "a closing order passes");
            }
            world.settle();
        }
    }
}

proptest! {
    /// Whatever comes in whatever order: no order takes an account's or a firm's exposure over
    /// its limit, nor does a fill; the gate's books are those that events alone give; and when
    /// everything is closed nothing is left. Events come back after as many commands as it takes.
    #[test]
    fn exposure_stays_below_its_limit_and_goes_with_what_it_was_for(
        steps in steps(), lag in prop_oneof![Just(1u32), 2..40u32],
    ) {
        let (feedback_lag, feedback_window) = (Nanos(lag.into()), lag);
        let options = RiskOptions { feedback_lag, feedback_window, ..options(account()) };
        let mut world = World::new(&options);
        let (mut trades, mut counted) = (Vec::new(), BTreeMap::new());
        let mut limits = vec![1_000_000_000_i64; ACCOUNTS as usize + 1];
        let mut excess = vec![0; ACCOUNTS as usize + 1];
        for step in &steps {
            let Some(group) = command_of(step, &mut world, &mut trades) else { continue };
            let reference: Vec<i64> = references(&world);
            let events = world.apply(group, 1);
            trades.extend(events.windows(2).filter_map(|pair| {
                let is_maker = pair[0].flags.has(EventFlags::MAKER);
                let is_trade = pair[0].kind == EventKind::Executed.code();
                (is_trade && is_maker).then(|| [pair[0], pair[1]])
            }));
            note_counted(&events, &reference, &mut counted);
            if let Step::Limit { account, exposure } = *step {
                limits[account as usize] = exposure;
            }
            let is_forced = matches!(step, Step::Undo { .. } | Step::Limit { .. });
            if is_forced {
                world.settle();
            }
            for account in 1..=ACCOUNTS {
                let now = exposure(&world, account) - limits[account as usize];
                let before = &mut excess[account as usize];
                prop_assert!(is_forced || now <= (*before).max(0), "{step:?} took it to {now}");
                *before = now;
            }
            prop_assert!(!world.fold.gate.is_broken());
        }
        world.sweep();
        let books = Books::of(&world.events, counted);
        for account in (1..=ACCOUNTS).map(AccountId) {
            let state = *world.fold.gate.account(account).expect("it is known");
            prop_assert_eq!(state.cash_flow.0, books.cash.get(&account).copied().unwrap_or(0));
            let (gross, net) = books.position_cost(account);
            prop_assert_eq!((state.position_cost.0, state.net_cost.0), (gross, net));
            check_held(&world, &books, account, &state)?;
        }
        close_everything(&mut world);
        for account in 1..=ACCOUNTS {
            prop_assert_eq!(exposure(&world, account), 0);
        }
        let firm = world.fold.gate.firm(1).copied().unwrap_or_default();
        prop_assert_eq!((firm.exposure(), firm.net_cost), (Notional::ZERO, Notional::ZERO));
    }
}

/// Last trades as the gate knows them, by instrument: of the commands whose events have come back
/// before the next command.
fn references(world: &World) -> Vec<i64> {
    let mut last = vec![REFERENCE; INSTRUMENTS as usize + 1];
    let due = (world.fold.seq.0 + 1).saturating_sub(world.lag.into());
    for event in world.events.iter().filter(|event| event.id.seq().0 <= due) {
        if event.kind == EventKind::Executed.code() && event.flags.has(EventFlags::MAKER) {
            last[event.instrument.index()] = event.price.0;
        }
    }
    last
}

/// What a sale that entered may count for at most.
fn note_counted(events: &[Event], reference: &[i64], counted: &mut BTreeMap<OrderId, i64>) {
    for event in events {
        let enters = matches!(event.kind(), Ok(EventKind::Accepted | EventKind::Replaced));
        if enters && event.side != Side::Buy.code() {
            let most = event.price.0.max(reference[event.instrument.index()]);
            counted.insert(event.order_id(), most);
        }
    }
}

/// Money and shares held are those of the orders that events leave open.
fn check_held(
    world: &World,
    books: &Books,
    account: AccountId,
    state: &AccountState,
) -> Result<(), TestCaseError> {
    let (mut buys, mut sells) = (0, 0);
    let mut shares: BTreeMap<InstrumentId, (u32, u32)> = BTreeMap::new();
    let own = books.open.iter().filter(|(_, order)| order.0 == account);
    for (id, (_, instrument, is_sale, price, open)) in own {
        let of = shares.entry(*instrument).or_default();
        let counts_for = books.counted.get(id).copied().unwrap_or(*price);
        match is_sale {
            true => (of.1, sells) = (of.1 + open, sells + counts_for * i64::from(*open)),
            false => (of.0, buys) = (of.0 + open, buys + price * i64::from(*open)),
        }
    }
    prop_assert_eq!((state.held_buy.0, state.held_sell.0), (buys, sells));
    for instrument in (1..=INSTRUMENTS).map(InstrumentId) {
        let found = world.fold.gate.open_shares(account, instrument);
        prop_assert_eq!(found, shares.get(&instrument).copied().unwrap_or_default());
        let held = books.held.get(&(account, instrument)).map_or(0, |held| held.0);
        prop_assert_eq!(world.fold.gate.position(account, instrument), held);
    }
    Ok(())
}

/// Marks that a command's place is what it says.
#[test]
fn the_world_counts_from_one() {
    let mut world = World::new(&options(account()));
    world.settle();
    assert_eq!(world.fold.seq, SeqNo(2));
}
