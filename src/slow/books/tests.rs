//! The books against an independent recomputation, and what must count once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use proptest::prelude::*;

use crate::model::{
    AccountId, CashKind, Command, CommandKind, Event, EventFlags, EventId, EventKind, Group,
    InstrumentId, LimitKind, Nanos, Price, Quantity, Scope, SeqNo, Side, Text,
};
use crate::slow::books::{Books, Look};
use crate::slow::rules::{Currency, Fee, Homes, Region, Rules, Settlement, Traded};
use crate::slow::{Money, SlowError};

/// 2026-11-23 15:00 UTC, a Monday.
const START: u64 = 1_795_446_000_000_000_000;
const DAY: u64 = 86_400_000_000_000;

fn rules() -> Rules {
    let region = |name: &str, currency: &str, days| Region {
        name: name.into(),
        currency: currency.parse().expect("a currency"),
        zone: "UTC".into(),
        settlement: vec![Settlement { from: Date::ZERO, days }],
        holidays: vec![Date::constant(2026, 11, 26)],
    };
    let traded = |symbol: &str, region: &str, currency: &str| Traded {
        symbol: symbol.into(),
        currency: currency.parse().expect("a currency"),
        region: region.into(),
        venue: String::new(),
    };
    let fee = |from: Date, maker, taker, bps| Fee {
        venue: "here".into(),
        from,
        maker,
        taker,
        maker_bps: 0,
        taker_bps: bps,
    };
    Rules {
        region: "US".into(),
        regions: vec![region("US", "USD", 1), region("EU", "EUR", 2)],
        instruments: vec![traded("ACME", "US", "USD"), traded("BOLT", "EU", "EUR")],
        fees: vec![
            fee(Date::ZERO, -20, 30, 5_000),
            fee(Date::constant(2026, 11, 25), 0, 45, 12_345),
        ],
        accounts: vec![
            Homes { first: 1, last: 9, region: "US".into(), buying_power: 1_000_000 },
            Homes { first: 10, last: 19, region: "EU".into(), buying_power: 0 },
        ],
    }
}

/// A journal in memory.
#[derive(Default)]
struct Memory {
    commands: BTreeMap<u64, Group<Command>>,
    events: Vec<Event>,
}

impl Look for Memory {
    fn command(&self, seq: SeqNo) -> Result<Option<Group<Command>>, SlowError> {
        Ok(self.commands.get(&seq.0).copied())
    }

    fn event(&self, id: EventId) -> Result<Option<Event>, SlowError> {
        Ok(self.events.iter().find(|event| event.id == id).copied())
    }
}

impl Memory {
    fn seq(&self) -> u64 {
        self.events.last().map_or(0, |event| event.id.seq().0) + 1
    }

    fn trade(&mut self, trade: Trade, at: u64) {
        let seq = SeqNo(self.seq());
        let side = |index, account, ordinal, side: Side, flags| Event {
            id: EventId::new(seq, index),
            timestamp: Nanos(at),
            account: AccountId(account),
            session: crate::model::SessionId(account),
            ordinal,
            instrument: InstrumentId(trade.2),
            side: side.code(),
            quantity: Quantity(trade.3),
            price: Price(trade.4),
            kind: EventKind::Executed.code(),
            flags,
            ..Event::default()
        };
        self.events.push(side(0, trade.0, 1, Side::Buy, EventFlags::MAKER));
        self.events.push(side(1, trade.1, 2, Side::Sell, EventFlags::LAST));
    }

    /// Undoes the trade of a command; twice if it is asked twice.
    fn bust(&mut self, traded: u64, at: u64) {
        let seq = SeqNo(self.seq());
        let sides: Vec<Event> =
            self.events.iter().filter(|e| e.id.seq().0 == traded).copied().collect();
        for (index, side) in (0..).zip(sides) {
            self.events.push(Event {
                id: EventId::new(seq, index),
                timestamp: Nanos(at),
                reference: SeqNo(traded << 16),
                kind: EventKind::Busted.code(),
                flags: EventFlags(0),
                ..side
            });
        }
    }

    fn cash(&mut self, account: u32, kind: CashKind, amount: i64, name: &str) -> u64 {
        let seq = self.seq();
        let mut head = Command {
            seq: SeqNo(seq),
            timestamp: Nanos(START),
            account: AccountId(account),
            price: Price(amount),
            order_type: kind.code(),
            target: Currency(*b"USD").code(),
            lines: 2,
            ..Command::new(CommandKind::Cash)
        };
        let mut padded = [0; 32];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        let mut group = Group::new(head);
        group.rest_mut()[0] = Text { client_order_id: padded, ..Text::default() }.line();
        self.commands.insert(seq, group);
        head.lines = 1;
        self.events.push(Event::answering(&head, 0, EventKind::CashMoved));
        seq
    }

    fn order(&mut self, head: Command) -> u64 {
        let seq = self.seq();
        let head = Command { seq: SeqNo(seq), timestamp: Nanos(START), ..head };
        self.commands.insert(seq, Group::new(head));
        self.events.push(Event::answering(&head, 0, EventKind::Nothing));
        seq
    }

    fn books(&self) -> Books {
        let mut books = Books::new(Arc::new(rules()));
        for event in &self.events {
            assert!(books.apply(event, self).expect("a good event"));
            assert!(!books.apply(event, self).expect("a good event"), "counted twice");
        }
        books
    }
}

/// Buyer, seller, instrument, quantity, price.
type Trade = (u32, u32, u32, u32, i64);

/// What one account must have, from the list of its trades alone: shares, money and fees, and what
/// settles after a day. By long division in decimal text, not by the code under test.
fn expected(memory: &Memory, account: u32, instrument: u32) -> (i64, i128, i128, i64) {
    let busted: Vec<u64> = memory
        .events
        .iter()
        .filter(|event| event.kind == EventKind::Busted.code())
        .map(|event| event.reference.0 >> 16)
        .collect();
    let (mut shares, mut money, mut fees, mut open) = (0, 0, 0, 0);
    for event in &memory.events {
        let is_ours = event.account.0 == account && event.instrument.0 == instrument;
        if event.kind != EventKind::Executed.code()
            || !is_ours
            || busted.contains(&event.id.seq().0)
        {
            continue;
        }
        let sign = if event.side == Side::Buy.code() { 1 } else { -1 };
        let (quantity, price) = (i128::from(event.quantity.0), i128::from(event.price.0));
        shares += sign * quantity as i64;
        money -= i128::from(sign) * quantity * price;
        let day = (event.timestamp.0 - START) / DAY;
        let is_maker = event.flags.has(EventFlags::MAKER);
        let (share, bps) = match (is_maker, day < 2) {
            (true, true) => (-20, 0),
            (false, true) => (30, 5_000),
            (true, false) => (0, 0),
            (false, false) => (45, 12_345),
        };
        // Halves away from zero; prices are above zero here.
        fees += share * quantity + (quantity * price * bps + 50_000_000) / 100_000_000;
        // Monday, Tuesday, Wednesday; Thursday nothing settles; Friday.
        let settles = match (instrument, day) {
            (1, 0) | (2, 0) => day + u64::from(instrument),
            (1, 1) => 2,
            (2, 1) => 4,
            (1, _) => 4,
            _ => 7,
        };
        if settles > 2 {
            open += sign * quantity as i64;
        }
    }
    (shares, money, fees, open)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_books_say_what_a_recomputation_says(
        trades in prop::collection::vec(
            (1u32..5, 5u32..9, 1u32..3, 1u32..10_000, 1i64..5_000_000), 1..60),
        busts in prop::collection::vec(0usize..60, 0..12),
    ) {
        let mut memory = Memory::default();
        for (place, trade) in trades.iter().enumerate() {
            memory.trade(*trade, START + (place as u64 % 3) * DAY + place as u64);
        }
        for bust in busts {
            let traded = 1 + (bust % trades.len()) as u64;
            memory.bust(traded, START + 2 * DAY);
        }
        let books = memory.books();
        for account in 1..9 {
            for instrument in 1..3 {
                let (shares, money, fees, open) = expected(&memory, account, instrument);
                let (account, id) = (AccountId(account), InstrumentId(instrument));
                let position = books.positions.get(account, id).copied().unwrap_or_default();
                prop_assert_eq!(position.quantity, shares);
                prop_assert_eq!(position.cash, Money(money));
                prop_assert_eq!(position.fees, Money(fees));
                let unsettled = books.unsettled(account, id, Date::constant(2026, 11, 25));
                prop_assert_eq!(unsettled.quantity, open);
                let currency = books.rules().currency(id);
                let purse = books.purses().find(|p| (p.0, p.1) == (account, currency));
                let purse = purse.map(|(_, _, purse)| *purse).unwrap_or_default();
                prop_assert_eq!(purse.balance(), Money(money) - Money(fees));
            }
        }
        let is_even = books.sums().values().all(|sum| *sum == 0);
        prop_assert!(is_even, "shares are neither made nor lost");
    }
}

#[test]
fn a_trade_is_undone_once_with_its_own_fee_and_settlement() {
    let mut memory = Memory::default();
    memory.trade((1, 5, 1, 100, 1_000_000), START);
    // Undone when other fees hold.
    memory.bust(1, START + 2 * DAY);
    memory.bust(1, START + 2 * DAY + 1);
    let books = memory.books();
    for account in [1, 5] {
        let position = books.positions.get(AccountId(account), InstrumentId(1)).expect("one");
        assert_eq!((position.quantity, position.fees, position.fills), (0, Money::ZERO, 0));
    }
    assert!(books.due().all(|(_, due)| *due == Default::default()));
    assert_eq!(books.counts().undone_again, 2);
}

#[test]
fn cash_counts_once_by_its_name_and_is_never_overdrawn() {
    let mut memory = Memory::default();
    memory.cash(1, CashKind::Deposit, 500_000, "wire-1");
    memory.cash(1, CashKind::Deposit, 500_000, "wire-1");
    memory.cash(1, CashKind::Withdrawal, -600_000, "wire-2");
    let last = memory.cash(1, CashKind::Withdrawal, -100_000, "wire-3");
    let books = memory.books();
    let balance = books.purses().next().expect("a purse").2.balance();
    assert_eq!(balance, Money(400_000));
    assert_eq!((books.counts().repeated, books.counts().overdrawn), (1, 1));
    assert!(!books.movement("wire-2").expect("on record").is_booked);
    let telling: Vec<_> = books.tellings().collect();
    assert_eq!((telling[0].value, telling[0].changed_at.0), (Price(1_400_000), last));
}

#[test]
fn risk_is_told_until_the_last_word_is_right() {
    let mut memory = Memory::default();
    memory.cash(1, CashKind::Deposit, 500_000, "one");
    let early = memory.books().tellings().next().expect("news").command();
    // An operator sets another value before the news arrives.
    memory.order(Command {
        account: AccountId(1),
        price: Price(7_000_000),
        side: Scope::Account.code(),
        order_type: LimitKind::BuyingPower.code(),
        ..Command::new(CommandKind::SetLimit)
    });
    assert_eq!(memory.books().tellings().count(), 0, "the operator's value holds");
    memory.order(early);
    let again = memory.books().tellings().next().expect("the late news is overruled");
    assert_eq!(again.value, Price(7_000_000));
    memory.order(again.command());
    assert_eq!(memory.books().tellings().count(), 0);
}

#[test]
fn what_other_regions_accounts_do_stays_out_of_the_books() {
    let mut memory = Memory::default();
    memory.trade((12, 13, 1, 100, 1_000_000), START);
    let books = memory.books();
    assert_eq!((books.counts().elsewhere, books.positions.all().count()), (2, 0));
}
