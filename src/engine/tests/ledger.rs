//! `Ledger`: what a reader who sees nothing but events knows. It must be what the books hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Standing;
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventId, EventKind, OrderId, Price, SeqNo,
};

/// An order as told by its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    leaves: u32,
    price: Price,
}

#[derive(Default)]
pub(super) struct Ledger {
    /// Orders that are in the market.
    open: BTreeMap<OrderId, Told>,
    /// What the feed shows: quantity by public reference.
    shown: BTreeMap<SeqNo, u32>,
    /// Kinds and reasons seen, so that a tame stream is noticed.
    seen: BTreeSet<(EventKind, u8)>,
    commands: u64,
    trades: u64,
    /// Trades with orders that were not shown.
    hidden_trades: u64,
    /// Trades with orders that went further than they show.
    discretion_trades: u64,
    /// Sides of trades made in auctions.
    auction_sides: u64,
}

impl Ledger {
    pub(super) fn apply(&mut self, command: &Command, events: &[Event]) {
        self.commands += 1;
        assert!(!events.is_empty(), "a command was not answered");
        for (index, event) in (0..).zip(events) {
            assert_eq!(event.id, EventId::new(command.seq, index));
            assert_eq!(event.timestamp, command.timestamp);
            let last = usize::from(index) + 1 == events.len();
            assert_eq!(event.flags.has(EventFlags::LAST), last);
            let told_client = event.client_seq == command.client_seq;
            assert!(told_client || event.client_seq == 0);
            self.tell(event);
            self.show(event);
        }
        self.check_trades(events);
    }

    fn tell(&mut self, event: &Event) {
        let kind = event.kind().expect("events have kinds");
        self.seen.insert((kind, event.reason));
        let id = event.order_id();
        let done = event.flags.has(EventFlags::DONE);
        match kind {
            EventKind::Accepted => {
                let told = Told { leaves: event.quantity.0, price: event.price };
                assert_eq!(self.open.insert(id, told), None, "accepted twice");
            }
            EventKind::Replaced => {
                let old = OrderId::new(event.session, event.target);
                assert!(self.open.remove(&old).is_some(), "replaced what was not open");
                let told = Told { leaves: event.quantity.0, price: event.price };
                assert_eq!(self.open.insert(id, told), None, "replaced by an open one");
            }
            EventKind::Executed | EventKind::Cancelled => {
                let told = self.open.get_mut(&id).expect("it was open");
                told.leaves = told.leaves.checked_sub(event.quantity.0).expect("it had as much");
                assert_eq!(told.leaves == 0, done, "done when nothing is left: {event:?}");
                assert!(event.quantity.0 > 0);
                if done {
                    self.open.remove(&id);
                }
            }
            EventKind::Modified => {
                let told = self.open.get_mut(&id).expect("it is open");
                assert!(event.quantity.0 > 0 && event.quantity.0 <= told.leaves);
                told.leaves = event.quantity.0;
                assert_eq!(told.price, event.price);
            }
            EventKind::Rested | EventKind::Refreshed | EventKind::Triggered => {
                let told = self.open.get(&id).expect("it is open");
                assert!(event.quantity.0 > 0 && event.quantity.0 <= told.leaves);
                assert_eq!(told.price, event.price);
            }
            _ => {}
        }
    }

    /// Keeps the book as a reader of the feed does: only what rests, by public reference.
    fn show(&mut self, event: &Event) {
        let rests = event.flags.has(EventFlags::RESTS);
        let hidden = event.flags.has(EventFlags::HIDDEN);
        match event.kind().expect("events have kinds") {
            EventKind::Accepted if rests => self.add(event.reference, event.quantity.0),
            EventKind::Rested | EventKind::Refreshed => {
                self.add(event.reference, event.quantity.0);
            }
            EventKind::Replaced if !event.flags.has(EventFlags::KEPT_PRIORITY) => {
                let was_shown = self.shown.remove(&event.reference).is_some();
                assert_eq!(was_shown, !hidden, "what was replaced was shown, or it was not");
                if rests {
                    self.add(event.id.seq(), event.quantity.0);
                }
            }
            EventKind::Executed if event.flags.has(EventFlags::AUCTION) => self.auction_sides += 1,
            EventKind::Executed if event.flags.has(EventFlags::MAKER) && hidden => {
                self.hidden_trades += 1;
            }
            EventKind::Executed if event.flags.has(EventFlags::DISCRETION) => {
                self.discretion_trades += 1;
                self.cut(event);
            }
            EventKind::Executed if event.flags.has(EventFlags::MAKER) => self.cut(event),
            EventKind::Cancelled if rests && event.flags.has(EventFlags::DONE) => {
                assert!(self.shown.remove(&event.reference).is_some(), "what goes was shown");
            }
            EventKind::Cancelled if rests => self.cut(event),
            EventKind::Reduced => self.cut(event),
            _ => {}
        }
    }

    fn add(&mut self, reference: SeqNo, quantity: u32) {
        assert_eq!(self.shown.insert(reference, quantity), None, "shown twice");
    }

    fn cut(&mut self, event: &Event) {
        let shown = self.shown.get_mut(&event.reference).expect("what is cut is shown");
        *shown = shown.checked_sub(event.quantity.0).expect("as much is shown");
        if *shown == 0 {
            self.shown.remove(&event.reference);
        }
    }

    /// Every trade is two events, maker first, of one price and one quantity.
    fn check_trades(&mut self, events: &[Event]) {
        let executed = |event: &&Event| event.kind() == Ok(EventKind::Executed);
        let fills: Vec<&Event> = events.iter().filter(executed).collect();
        for sides in fills.chunks(2) {
            let [maker, taker] = sides else { panic!("a trade with one side") };
            assert!(maker.flags.has(EventFlags::MAKER) && !taker.flags.has(EventFlags::MAKER));
            assert_eq!(maker.match_number(), taker.match_number());
            assert_eq!((maker.price, maker.quantity), (taker.price, taker.quantity));
            assert_eq!(maker.client_seq, 0);
            let buys = |event: &Event| event.side().expect("a side").is_buy();
            assert_ne!(buys(maker), buys(taker));
            self.trades += 1;
        }
    }

    pub(super) fn check(&self, resting: &[Standing]) {
        let told = |standing: &Standing| {
            let order = standing.order;
            (order.id(), Told { leaves: order.leaves.0, price: order.price })
        };
        let lit = resting.iter().filter(|standing| standing.is_shown());
        let shown = lit.map(|standing| (standing.shown, standing.front.0)).collect();
        assert_eq!(self.shown, shown, "the feed does not show what rests");
        let resting: BTreeMap<OrderId, Told> = resting.iter().map(told).collect();
        assert_eq!(resting, self.open, "the events do not explain the books");
    }

    /// A stream that never meets a rule proves nothing about it.
    pub(super) fn must_have_seen_much(&self) {
        assert!(self.trades * 20 > self.commands, "only {} trades", self.trades);
        assert!(self.hidden_trades * 150 > self.commands, "only {} hidden", self.hidden_trades);
        assert!(self.discretion_trades > 20, "only {} in discretion", self.discretion_trades);
        assert!(self.auction_sides > 100, "only {} in auctions", self.auction_sides);
        let reasons = |kind| self.seen.iter().filter(|(seen, _)| *seen == kind).count();
        assert!(reasons(EventKind::Cancelled) >= 12, "{:?}", self.seen);
        let banded = (EventKind::Cancelled, CancelReason::Band.code());
        assert!(self.seen.contains(&banded), "nobody met a band");
        assert!(reasons(EventKind::Rejected) >= 12, "{:?}", self.seen);
        let kinds = [
            EventKind::Modified,
            EventKind::Rested,
            EventKind::Replaced,
            EventKind::Triggered,
            EventKind::Refreshed,
        ];
        let phases = |kind| self.seen.iter().any(|(seen, reason)| *seen == kind && *reason > 0);
        assert!(phases(EventKind::PhaseChanged) && phases(EventKind::Indicative));
        for kind in kinds {
            assert!(self.seen.contains(&(kind, 0)), "no {kind}");
        }
    }
}
