//! What commands to come will touch, asked of the caches before they come: first where an id or a
//! price leads, some commands later what lies there, and then what lies beside it.
//!
//! Where all orders fit in the second-level cache this costs more than it gives, and is left.

use crate::engine::book::{Key, NONE, Slot};
use crate::engine::software::plain::turned;
use crate::engine::software::{CANCEL, ENTER, REPLACE, SoftwareMatcher};
use crate::model::{Command, OrderId, Side};

/// With fewer orders than so many, half a megabyte of them, nothing is asked for.
const WORTH_IT: u32 = 1 << 13;

/// Commands between one step of an errand and the next: memory's time.
const STEP: usize = 4;

/// Errands under way at once: a power of two.
const UNDER_WAY: usize = 4 * STEP;

/// What one command to come will touch.
#[derive(Clone, Copy, Debug, Default)]
enum Errand {
    /// Nothing worth asking for.
    #[default]
    Nothing,
    /// The order of an id, which will be taken away.
    Order(OrderId),
    /// An order that is on its way.
    Slot(Slot),
    /// A price that an order will be put at.
    Price { place: u32, buy: bool, key: Key },
}

/// The errands of the last commands told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    errands: [Errand; UNDER_WAY],
    next: usize,
}

impl SoftwareMatcher {
    /// Asks for what a command to come will touch, and goes on with those told of before.
    #[inline(always)]
    pub(super) fn look_ahead(&mut self, command: &Command) {
        if self.store.live() >= WORTH_IT {
            self.run_errands(command);
        }
    }

    #[inline(never)]
    fn run_errands(&mut self, command: &Command) {
        let at = self.ahead.next;
        self.ahead.next = at.wrapping_add(1);
        self.ahead.errands[at % UNDER_WAY] = self.first_step(command);
        let second = at.wrapping_sub(STEP) % UNDER_WAY;
        self.ahead.errands[second] = self.second_step(self.ahead.errands[second]);
        self.third_step(self.ahead.errands[at.wrapping_sub(2 * STEP) % UNDER_WAY]);
    }

    #[inline(always)]
    fn first_step(&self, command: &Command) -> Errand {
        match command.kind {
            CANCEL | REPLACE => {
                let id = command.target_id();
                self.register.fetch(id);
                Errand::Order(id)
            }
            ENTER => {
                let Some(place) = self.instruments.place(command.instrument) else {
                    return Errand::Nothing;
                };
                let book = &self.books[place];
                let (ticks, _) = book.notes.tick.split(command.price);
                let buy = command.side == Side::Buy.code();
                let key = turned(ticks, buy);
                book.fetch_level(&self.store, buy, key);
                Errand::Price { place: place as u32, buy, key }
            }
            _ => Errand::Nothing,
        }
    }

    #[inline(always)]
    fn second_step(&self, errand: Errand) -> Errand {
        match errand {
            Errand::Order(id) => {
                let slot = self.register.guess(id);
                self.store.fetch(slot);
                return Errand::Slot(slot);
            }
            Errand::Price { place, buy, key } => {
                if let Some(book) = self.books.get(place as usize) {
                    book.fetch_last(&self.store, buy, key);
                }
            }
            Errand::Slot(_) | Errand::Nothing => {}
        }
        Errand::Nothing
    }

    #[inline(always)]
    fn third_step(&self, errand: Errand) {
        let Errand::Slot(slot) = errand else { return };
        if slot != NONE {
            self.store.fetch_about(slot);
            let identity = self.store.owner(slot);
            self.store.fetch(identity.younger);
            self.store.fetch(identity.older);
        }
    }
}
