//! What commands to come will touch, asked of the caches before they come: first where an id or a
//! price leads, some commands later what lies there, and then what lies beside it. What a later
//! step reads an earlier one has asked for, so nothing waits.
//!
//! Where all orders fit in the second-level cache most of this costs more than it gives: there only
//! the order that a command names is asked for, and its neighbours. Where its id is noted is kept
//! for the command's turn either way.

use crate::engine::Spot;
use crate::engine::book::{Key, NONE, Slot};
use crate::engine::software::plain::turned;
use crate::engine::software::{CANCEL, ENTER, REPLACE, SoftwareMatcher};
use crate::model::{Command, OrderId, Price, Side, fetch};

/// With fewer orders than so many, half a megabyte of them, prices are not asked for.
const WORTH_IT: u32 = 1 << 13;

/// Commands between one step of an errand and the next: memory's time. Four steps are over before
/// a command's turn, if it is told of a dozen ahead.
const STEP: usize = 3;

/// Errands under way at once, and some more: a power of two.
const UNDER_WAY: usize = 16;

/// What one command to come will touch, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
enum Errand {
    /// Nothing worth asking for.
    #[default]
    Nothing,
    /// The order of an id, which will be taken away.
    Order(OrderId),
    /// An order that is on its way.
    Slot(Slot),
    /// The price that an order will be put at, in a book that is on its way.
    Price { place: u32, buy: bool, price: Price },
    /// The key of a price whose place in the book is on its way.
    Key { place: u32, buy: bool, key: Key },
}

/// The errands of the last commands told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    errands: [Errand; UNDER_WAY],
    next: usize,
    /// Where the id that a command names is noted, by the command's number.
    spots: [Spot; UNDER_WAY],
}

impl Ahead {
    /// Where the id that a command names likely is noted, if the command was told of.
    #[inline(always)]
    pub(super) fn spot(&self, command: &Command) -> Spot {
        self.spots[command.seq.0 as usize % UNDER_WAY]
    }
}

impl SoftwareMatcher {
    /// Asks for what a command to come will touch, and goes on with those told of before.
    #[inline(always)]
    pub(super) fn look_ahead(&mut self, command: &Command) {
        let at = command.seq.0 as usize;
        let spot = self.register.likely_spot(command.target_id());
        self.ahead.spots[at % UNDER_WAY] = spot;
        if self.store.live() >= WORTH_IT {
            self.run_errands(command);
        } else {
            self.register.fetch_spot(spot);
            let before = self.ahead.spots[at.wrapping_sub(STEP) % UNDER_WAY];
            self.store.fetch(self.register.at(before));
            let before = self.ahead.spots[at.wrapping_sub(2 * STEP) % UNDER_WAY];
            self.store.fetch_about(self.register.at(before));
        }
    }

    #[inline(never)]
    fn run_errands(&mut self, command: &Command) {
        let at = self.ahead.next;
        self.ahead.next = at.wrapping_add(1);
        let before = |steps: usize| at.wrapping_sub(steps * STEP) % UNDER_WAY;
        self.ahead.errands[before(0)] = self.first_step(command);
        self.ahead.errands[before(1)] = self.second_step(self.ahead.errands[before(1)]);
        self.third_step(self.ahead.errands[before(2)]);
        self.fourth_step(self.ahead.errands[before(3)]);
    }

    /// Asks for where an id is noted, or for a book.
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
                fetch(&self.books, place);
                let buy = command.side == Side::Buy.code();
                Errand::Price { place: place as u32, buy, price: command.price }
            }
            _ => Errand::Nothing,
        }
    }

    /// Asks for an order, or for a price's place in its book.
    #[inline(always)]
    fn second_step(&self, errand: Errand) -> Errand {
        match errand {
            Errand::Order(id) => {
                let slot = self.register.guess(id);
                self.store.fetch(slot);
                Errand::Slot(slot)
            }
            Errand::Price { place, buy, price } => {
                let Some(book) = self.books.get(place as usize) else { return Errand::Nothing };
                let (ticks, _) = book.notes.tick.split(price);
                let key = turned(ticks, buy);
                book.fetch_place(buy, key);
                Errand::Key { place, buy, key }
            }
            _ => Errand::Nothing,
        }
    }

    /// Asks for an order's neighbours, or for a level.
    #[inline(always)]
    fn third_step(&self, errand: Errand) {
        match errand {
            Errand::Slot(slot) if slot != NONE => {
                self.store.fetch_about(slot);
                let identity = self.store.owner(slot);
                self.store.fetch(identity.younger);
                self.store.fetch(identity.older);
            }
            Errand::Key { place, buy, key } => {
                if let Some(book) = self.books.get(place as usize) {
                    book.fetch_level(&self.store, buy, key);
                }
            }
            _ => {}
        }
    }

    /// Asks for an order's book, or for the last in line at a level.
    #[inline(always)]
    fn fourth_step(&self, errand: Errand) {
        match errand {
            Errand::Slot(slot) if slot != NONE => {
                fetch(&self.books, self.store.ladder(slot) as usize / 2);
            }
            Errand::Key { place, buy, key } => {
                if let Some(book) = self.books.get(place as usize) {
                    book.fetch_last(&self.store, buy, key);
                }
            }
            _ => {}
        }
    }
}
