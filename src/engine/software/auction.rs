//! Phases and the auctions between them, a bounded part at each `Sweep`.
//!
//! One auction is settled at a time, the one that began first; others wait, frozen as it is.

use crate::engine::Tick;
use crate::engine::auction::{Band, Count, Outcome, Timing, Wants, auctioned_with, uncrosses};
use crate::engine::book::{Key, NONE, Slot};
use crate::engine::rules::{self, INDICATIVE_EVERY, Room};
use crate::engine::shards::check_move;
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::{Desk, place_of};
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Instrument, Nanos, Phase, Price, Quantity,
    RejectCode,
};

/// What follows an instrument's auction, while it waits or runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frozen {
    pub(super) to: Phase,
    pub(super) timing: Timing,
    pub(super) began: Nanos,
}

/// How far the auction that is being settled has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Orders whose time is over leave before anything is counted.
    Expiring,
    Counting(Count, Cursor, Cursor),
    Trading(Outcome, u64),
    Clearing,
}

/// The rooms an auction takes: two always, two by its phase.
const ROOMS_MAX: usize = 4;

/// Where a count stands on one side: the next order of each room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    buy: bool,
    next: [Slot; ROOMS_MAX],
}

/// The rooms that the auction at the end of a phase takes.
fn rooms_of(phase: Phase) -> impl Iterator<Item = (usize, Room)> {
    let shown = [Room::Lit, Room::Hidden].into_iter();
    shown.chain(auctioned_with(phase).iter().copied()).enumerate()
}

impl SoftwareMatcher {
    #[cold]
    pub(super) fn set_phase(&mut self, command: &Command) -> Result<(), RejectCode> {
        let place =
            self.instruments.place(command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        let to = Phase::from_code(command.side).ok_or(RejectCode::Unsupported)?;
        let timing = Timing::of(command).ok_or(RejectCode::Unsupported)?;
        if self.desks[place].frozen.is_some() {
            return Err(RejectCode::Frozen);
        }
        if rules::is_scheduled(command) && self.desks[place].phase == Phase::Halt {
            return Err(RejectCode::Halted);
        }
        self.leave_phase(place, to, timing);
        Ok(())
    }

    #[cold]
    pub(super) fn set_band(&mut self, command: &Command) -> Result<(), RejectCode> {
        let place =
            self.instruments.place(command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        self.desks[place].band = Band::of(command, self.reference(place));
        self.mark(place);
        Ok(())
    }

    /// Whether nobody waits in an instrument.
    fn is_empty(&self, place: usize) -> bool {
        let nobody = |buy| self.books[place].front(&self.store, buy, Key::MAX).is_none();
        nobody(true) && nobody(false) && self.desks[place].is_empty()
    }

    /// An instrument is listed from now on, or listed otherwise; who does not have it has nothing
    /// to do, and the first shard tells of it.
    #[cold]
    pub(super) fn list(&mut self, command: &Command) -> Result<(), RejectCode> {
        let asked = Instrument::of_command(command).ok_or(RejectCode::Unsupported)?;
        if let Some(place) = self.instruments.place(asked.id) {
            if self.instruments.list()[place].tick != asked.tick && !self.is_empty(place) {
                return Err(RejectCode::NotIdle);
            }
            self.instruments.put(place, asked);
            self.books[place].notes.tick = Tick::new(asked.tick);
        }
        if self.limits.shard == 0 {
            self.outbox.push(Event::answering(command, 0, EventKind::InstrumentSet));
        }
        Ok(())
    }

    /// Takes an idle instrument over from another shard, or lets it go to one.
    #[cold]
    pub(super) fn take_over(&mut self, command: &Command) -> Result<(), RejectCode> {
        let Some(place) = self.instruments.place(command.instrument) else {
            return rules::moves_unknown(command, self.limits.shard);
        };
        let is_idle = self.is_empty(place) && self.desks[place].frozen.is_none();
        let phase = check_move(is_idle, Phase::from_code(command.side))?;
        self.stop_cascade(place);
        self.phases_due.remove(place as u32);
        self.desks[place] = Desk::new();
        self.books[place].notes.last = 0;
        if command.target == u32::from(self.limits.shard) {
            self.books[place].notes.last = command.price.0.max(0);
            self.enter_phase(place, phase, Timing::ENDLESS);
        } else {
            self.desks[place].phase = Phase::Closed;
            self.mark(place);
        }
        Ok(())
    }

    /// Begins to measure a band anew, when its window is over.
    #[cold]
    pub(super) fn renew_band(&mut self, place: usize) {
        let (reference, now) = (self.reference(place), self.now);
        self.desks[place].band.renew(reference, now);
    }

    /// Whether a trade at a price breaks the band.
    #[cold]
    pub(super) fn breaks_band(&self, place: usize, price: Price) -> bool {
        !self.desks[place].band.holds(price)
    }

    /// Begins the auction that follows a break of the band.
    #[cold]
    pub(super) fn pause(&mut self, place: usize) {
        let timing = self.desks[place].band.pause(self.now);
        self.leave_phase(place, Phase::VolatilityAuction, timing);
    }

    /// Leaves a phase, for an auction or at once.
    fn leave_phase(&mut self, place: usize, to: Phase, timing: Timing) {
        let desk = &mut self.desks[place];
        if !uncrosses(desk.phase, to) {
            return self.enter_phase(place, to, timing);
        }
        desk.frozen = Some(Frozen { to, timing, began: self.now });
        self.phases_due.remove(place as u32);
        self.stop_cascade(place);
        self.uncrosses.push_back(place);
        if self.uncrosses.len() == 1 {
            self.stage = Stage::Expiring;
        }
    }

    fn enter_phase(&mut self, place: usize, phase: Phase, timing: Timing) {
        let desk = &mut self.desks[place];
        desk.phase = phase;
        desk.timing = timing;
        let soon = self.now.saturating_add(INDICATIVE_EVERY);
        desk.indicative_at = if phase.auctions() { soon } else { Nanos::MAX };
        self.await_phase(place);
        let instrument = self.instruments.list()[place].id;
        self.outbox.push(rules::phase_changed(instrument, phase, timing.following));
        self.stop_cascade(place);
        self.look_for_stops(place);
        self.mark(place);
    }

    /// Notes when a phase ends or its auction's indication is due.
    pub(super) fn await_phase(&mut self, place: usize) {
        let desk = &self.desks[place];
        let at = desk.timing.ends_at.min(desk.indicative_at);
        self.phases_due.remove(place as u32);
        if at != Nanos::MAX {
            self.phases_due.insert(place as u32, (at.0, place as u64));
        }
    }

    /// Writes into a book what its desk has out of the ordinary.
    pub(super) fn mark(&mut self, place: usize) {
        self.books[place].notes.marks = self.desks[place].marks();
    }

    /// Takes an instrument from those whose stops are being woken; they wait for another phase.
    fn stop_cascade(&mut self, place: usize) {
        if std::mem::replace(&mut self.desks[place].cascades, false) {
            self.cascades.retain(|other| *other != place);
        }
        self.desks[place].trail.forget();
    }

    /// Whether an order's instrument is in an auction that is being settled.
    #[cold]
    pub(super) fn is_frozen(&self, slot: Slot) -> bool {
        let place = place_of(self.store.ladder(slot));
        self.desks[place].frozen.is_some()
    }

    /// Ends the phase that is over first, or tells where its auction stands.
    pub(super) fn pass_phase(&mut self) {
        let Some((_, place)) = self.phases_due.first() else { return };
        let place = place as usize;
        let desk = &self.desks[place];
        if desk.timing.ends_at <= self.now {
            return self.leave_phase(place, desk.timing.following, Timing::ENDLESS);
        }
        let (mut buyers, mut sellers) = (self.cursor(place, true), self.cursor(place, false));
        let mut count = Count::new(self.instruments.list()[place].tick);
        for _ in 0..rules::indicative_orders(&self.limits) {
            let cursor = match count.wants() {
                Wants::Buyer => &mut buyers,
                Wants::Seller => &mut sellers,
                Wants::Nothing => break,
            };
            let next = self.next_auctioned(place, cursor);
            count.give(next.map(|slot| self.offer(slot)));
        }
        let instrument = self.instruments.list()[place].id;
        let event = rules::indicative(instrument, desk.phase, &count, self.reference(place));
        self.outbox.push(event);
        self.desks[place].indicative_at = self.now.saturating_add(INDICATIVE_EVERY);
        self.await_phase(place);
    }

    fn begin_count(&self, place: usize) -> Stage {
        let count = Count::new(self.instruments.list()[place].tick);
        let (buyers, sellers) = (self.cursor(place, true), self.cursor(place, false));
        Stage::Counting(count, buyers, sellers)
    }

    /// Goes on with the auction that began first.
    pub(super) fn uncross(&mut self, place: usize) {
        let Some(frozen) = self.desks[place].frozen else { return };
        self.stage = match self.stage {
            Stage::Expiring => match self.expire(frozen.began) {
                true => Stage::Expiring,
                false => self.begin_count(place),
            },
            Stage::Counting(count, buyers, sellers) => self.count(place, count, buyers, sellers),
            Stage::Trading(outcome, left) => self.trade_auction(place, outcome, left),
            Stage::Clearing => {
                if self.clear_auction(place) {
                    self.uncrosses.pop_front();
                    self.desks[place].frozen = None;
                    self.stage = Stage::Expiring;
                    return self.enter_phase(place, frozen.to, frozen.timing);
                }
                Stage::Clearing
            }
        };
    }

    fn count(
        &self,
        place: usize,
        mut count: Count,
        mut buyers: Cursor,
        mut sellers: Cursor,
    ) -> Stage {
        for _ in 0..self.limits.sweep_chunk {
            let cursor = match count.wants() {
                Wants::Buyer => &mut buyers,
                Wants::Seller => &mut sellers,
                Wants::Nothing => break,
            };
            let next = self.next_auctioned(place, cursor);
            count.give(next.map(|slot| self.offer(slot)));
        }
        if count.wants() != Wants::Nothing {
            return Stage::Counting(count, buyers, sellers);
        }
        match count.outcome(self.reference(place)) {
            Some(outcome) => Stage::Trading(outcome, outcome.volume),
            None => Stage::Clearing,
        }
    }

    fn trade_auction(&mut self, place: usize, outcome: Outcome, mut left: u64) -> Stage {
        for _ in 0..rules::auction_trades(&self.limits) {
            let first = |buy| self.next_auctioned(place, &mut self.cursor(place, buy));
            let (Some(buyer), Some(seller)) = (first(true), first(false)) else {
                return Stage::Clearing;
            };
            let most = self.offer(buyer).1.min(self.offer(seller).1).min(left);
            self.trade_at(place, buyer, seller, outcome.price, Quantity(most as u32));
            left -= most;
            if left == 0 {
                return Stage::Clearing;
            }
        }
        Stage::Trading(outcome, left)
    }

    /// One trade of an auction. What an iceberg hides goes first, so that it keeps its place.
    fn trade_at(
        &mut self,
        place: usize,
        buyer: Slot,
        seller: Slot,
        price: Price,
        quantity: Quantity,
    ) {
        let phase = self.desks[place].phase;
        let sides = [
            (buyer, self.standing(buyer), EventFlags::MAKER),
            (seller, self.standing(seller), EventFlags::default()),
        ];
        for (_, before, flags) in sides {
            let done = before.order.leaves == quantity;
            let flags = if done { flags.with(EventFlags::DONE) } else { flags };
            self.outbox.push(Event {
                quantity,
                price,
                reference: before.shown,
                reason: phase.code(),
                flags: flags.with(EventFlags::AUCTION),
                ..rules::about(&before.order, EventKind::Executed)
            });
        }
        for (slot, before, _) in sides {
            let mut after = before;
            after.order.leaves = before.order.leaves.saturating_sub(quantity);
            after.front = before.front.min(after.order.leaves);
            self.show_less(&before, &after);
            if after.order.leaves == Quantity::ZERO {
                self.remove(slot);
            } else {
                let identity = self.store.owner_mut(slot);
                identity.executed = identity.executed.saturating_add(quantity.0);
                self.cut_special(slot, after.order.leaves);
            }
        }
        self.books[place].notes.last = price.0;
        self.desks[place].band.anchor_at(price, self.now);
        self.note_range(place, price);
    }

    /// Cancels what was for this auction alone; says whether nothing is left of it.
    fn clear_auction(&mut self, place: usize) -> bool {
        for _ in 0..self.limits.sweep_chunk {
            let desk = &self.desks[place];
            let rooms = auctioned_with(desk.phase).iter();
            let first = |(room, buy)| desk.shelf(room, false, buy).first(&self.store);
            let sides = rooms.flat_map(|room| [(*room, true), (*room, false)]);
            let Some(slot) = sides.map(first).find(|slot| *slot != NONE) else { return true };
            self.withdraw(slot, CancelReason::AuctionOver);
        }
        false
    }

    /// A cursor before the first order of a side.
    fn cursor(&self, place: usize, buy: bool) -> Cursor {
        let mut next = [NONE; ROOMS_MAX];
        for (at, room) in rooms_of(self.desks[place].phase) {
            next[at] = match room {
                Room::Lit => {
                    let front = self.books[place].front(&self.store, buy, Key::MAX);
                    front.map_or(NONE, |front| front.order)
                }
                room => self.desks[place].shelf(room, false, buy).first(&self.store),
            };
        }
        Cursor { buy, next }
    }

    /// The next order of a side that an auction takes; the cursor moves past it.
    fn next_auctioned(&self, place: usize, cursor: &mut Cursor) -> Option<Slot> {
        let buy = cursor.buy;
        let signed = |room: Room, slot: Slot| match room {
            Room::Lit => self.store.key(slot).wrapping_mul(self.instruments.list()[place].tick.0),
            _ => self.store.key(slot),
        };
        let here = rooms_of(self.desks[place].phase).filter(|(at, _)| cursor.next[*at] != NONE);
        let (at, room) = here.min_by_key(|(at, room)| signed(*room, cursor.next[*at]))?;
        let slot = cursor.next[at];
        cursor.next[at] = match room {
            Room::Lit => match self.store.behind(slot) {
                NONE => self.books[place].next_price(&self.store, buy, self.store.key(slot)),
                next => next,
            },
            room => self.desks[place].shelf(room, false, buy).behind(&self.store, slot),
        };
        Some(slot)
    }

    /// An order's part in a count: its price, and all of it.
    fn offer(&self, slot: Slot) -> (Price, u64) {
        let standing = self.standing(slot);
        (standing.order.price, u64::from(standing.order.leaves.0))
    }

    /// The price an auction is held to where nothing else decides.
    pub(super) fn reference(&self, place: usize) -> Price {
        match self.books[place].notes.last {
            0 => self.instruments.list()[place].reference_price,
            last => Price(last),
        }
    }
}
