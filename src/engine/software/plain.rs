//! What most commands ask, and nothing else: a plain limit order that meets nobody and rests whole,
//! and the cancel of a whole plain order. Whatever is in any way different goes the long way.

use crate::engine::book::NONE;
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::{MEETS, PHASE};
use crate::engine::software::specials::NO_RECORD;
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventId, EventKind, Flags, InstrumentId,
    OrderType, Price, Quantity, Side, TimeInForce,
};

/// The bits of a command's last eight bytes that say it is anything but a plain limit order, passed
/// by risk: kind, side, type, time in force, verdict, flags, lines, version.
const UNLIKE: u64 = u64::from_le_bytes([0xff, !3, 0xff, !3, 0xff, Flags::HIDDEN.0, !1, 0]);

/// What those bits are for one.
const ALIKE: u64 = CommandKind::Enter.code() as u64;

const _: () = {
    assert!(OrderType::Limit.code() == 0 && Side::ALL.len() == 4);
    assert!(TimeInForce::Day.code() == 0 && TimeInForce::Gtc.code() == 3);
};

/// Whether a command enters a plain limit order that may rest.
#[inline(always)]
fn may_rest(command: &Command) -> bool {
    let words: &[u64; 8] = bytemuck::cast_ref(command);
    // Of the four plain times in force the first and the last rest.
    words[7] & UNLIKE == ALIKE && command.time_in_force.wrapping_add(1) & 2 == 0
}

impl SoftwareMatcher {
    /// Rests a plain order that meets nobody; `false`, and nothing happened, where it is not one.
    #[inline(always)]
    pub(super) fn rest_at_once(&mut self, command: &Command) -> bool {
        if !may_rest(command) || !self.register.is_fresh(command.order_id()) {
            return false;
        }
        let place = self.instruments.place(command.instrument);
        let Some(book) = place.and_then(|place| self.books.get_mut(place)) else { return false };
        let (ticks, over) = book.notes.tick.split(command.price);
        let buy = command.side == Side::Buy.code();
        let limit = turned(ticks, !buy);
        let meets = book.notes.marks & (MEETS | PHASE) != 0 || book.best_key(!buy) <= limit;
        if meets || over != 0 || ticks == 0 || command.quantity == Quantity::ZERO {
            return false;
        }
        let key = limit.wrapping_neg();
        let slot = book.rest(&mut self.store, buy, key, command.quantity.0);
        if slot == NONE {
            return false;
        }
        self.register.add_new(&mut self.store, slot, command);
        self.outbox.push_only(Event {
            target: 0,
            flags: EventFlags::RESTS.with(EventFlags::LAST),
            ..Event::answering(command, 0, EventKind::Accepted)
        });
        true
    }

    /// Takes a plain order away whole; `false`, and nothing happened, where there is none.
    #[inline(always)]
    pub(super) fn cancel_whole(&mut self, command: &Command) -> bool {
        let (spot, id) = (self.ahead.spot(command), command.target_id());
        let Some(slot) = self.register.find_at(&self.store, spot, id) else { return false };
        let identity = *self.store.owner(slot);
        let whole = command.quantity.0 <= identity.executed;
        if !whole || identity.special != NO_RECORD || identity.awaited || !self.uncrosses.is_empty()
        {
            return false;
        }
        let ladder = self.store.ladder(slot);
        let Some(book) = self.books.get_mut(ladder as usize / 2) else { return false };
        let ticks = turned(self.store.key(slot), ladder & 1 == 0);
        self.outbox.push_only(Event {
            id: EventId::new(command.seq, 0),
            timestamp: command.timestamp,
            price: Price(ticks.wrapping_mul(book.notes.tick.size())),
            reference: identity.reference,
            session: identity.session,
            ordinal: identity.ordinal,
            target: 0,
            client_seq: command.client_seq,
            instrument: InstrumentId(book.notes.instrument),
            account: identity.account,
            quantity: Quantity(self.store.leaves(slot)),
            kind: EventKind::Cancelled.code(),
            side: identity.side.code(),
            reason: CancelReason::User.code(),
            flags: EventFlags::DONE.with(EventFlags::RESTS).with(EventFlags::LAST),
        });
        book.remove(&mut self.store, slot);
        self.register.remove(&mut self.store, slot);
        true
    }
}

/// A number, or what it is below zero; without a branch, for which is as good as random.
#[inline(always)]
pub(super) const fn turned(number: i64, turn: bool) -> i64 {
    let mask = (turn as i64).wrapping_neg();
    (number ^ mask).wrapping_sub(mask)
}
