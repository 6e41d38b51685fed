//! `Desk`: what an instrument has beside its book: shelves for orders out of sight, its phase, and
//! how far trading has gone since its stops were looked through.

use crate::engine::auction::{Band, Timing};
use crate::engine::book::{Shelf, Slot, Store};
use crate::engine::rules::Room;
use crate::engine::software::auction::Frozen;
use crate::engine::software::register::Identity;
use crate::engine::software::specials::Trail;
use crate::model::{Nanos, Phase, Price};

/// Shelves of a side: the rooms but the book, and for pegs at their caps three more.
const SHELVES: usize = 12;

/// Bits of a ladder's number that say which book and side; the shelf stands above them.
const BOOK_BITS: u32 = 19;

/// Notes of a book: somebody out of sight may be met.
pub(super) const MEETS: u32 = 1;
/// Notes of a book: stops wait, or are being woken.
pub(super) const STOPS: u32 = 1 << 1;

/// Notes of a book: its instrument is in a phase of its own.
pub(super) const PHASE: u32 = 1 << 2;
/// Notes of a book: its trades are held within a band.
pub(super) const BAND: u32 = 1 << 3;

/// An instrument's shelves and state.
#[derive(Debug)]
pub(super) struct Desk {
    shelves: [[Shelf; 2]; SHELVES],
    /// Those of a side who would go further than they show, in line by how far.
    pub(super) outposts: [Shelf; 2],
    pub(super) phase: Phase,
    /// When the phase ends, and what follows.
    pub(super) timing: Timing,
    /// When its auction's indication is due.
    pub(super) indicative_at: Nanos,
    /// Its auction is being settled, or waits to be.
    pub(super) frozen: Option<Frozen>,
    /// How far from where it may trade.
    pub(super) band: Band,
    /// The lowest and highest price traded at since the stops were last looked through.
    pub(super) range: Option<(Price, Price)>,
    pub(super) trail: Trail,
    /// Its stops wait to be woken.
    pub(super) cascades: bool,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            shelves: Default::default(),
            outposts: Default::default(),
            phase: Phase::Continuous,
            timing: Timing::ENDLESS,
            indicative_at: Nanos::MAX,
            frozen: None,
            band: Band::NONE,
            range: None,
            trail: Trail::default(),
            cascades: false,
        }
    }

    pub(super) fn shelf(&self, room: Room, capped: bool, buy: bool) -> &Shelf {
        &self.shelves[index_of(room, capped)][usize::from(!buy)]
    }

    pub(super) fn shelf_mut(&mut self, room: Room, capped: bool, buy: bool) -> &mut Shelf {
        &mut self.shelves[index_of(room, capped)][usize::from(!buy)]
    }

    /// Whether nobody waits on any shelf.
    pub(super) fn is_empty(&self) -> bool {
        self.shelves.iter().flatten().all(Shelf::is_empty)
    }

    /// What the book must note of the shelves.
    pub(super) fn marks(&self) -> u32 {
        let waits = |room: Room, capped| {
            let sides = &self.shelves[index_of(room, capped)];
            !(sides[0].is_empty() && sides[1].is_empty())
        };
        let rooms = Room::ALL.into_iter().filter(|room| *room != Room::Lit && room.meets());
        let meets = rooms.clone().any(|room| waits(room, false))
            || rooms.filter(|room| room.is_pegged()).any(|room| waits(room, true))
            || !self.outposts.iter().all(Shelf::is_empty);
        // Until it is over a cascade counts how far trading goes, also for stops to come.
        let stops = waits(Room::Stop, false) || self.cascades;
        let phase = self.phase != Phase::Continuous || self.frozen.is_some();
        let banded = u32::from(self.band.is_on()) * BAND;
        u32::from(meets) * MEETS + u32::from(stops) * STOPS + u32::from(phase) * PHASE + banded
    }

    /// Everybody in a room on a side, first in line first; pegs at their caps after the others.
    pub(super) fn for_each(
        &self,
        store: &Store<Identity>,
        room: Room,
        buy: bool,
        each: &mut dyn FnMut(Slot),
    ) {
        for capped in [false, true] {
            if capped && !room.is_pegged() {
                break;
            }
            let shelf = self.shelf(room, capped, buy);
            let mut slot = shelf.first(store);
            while slot != 0 {
                each(slot);
                slot = shelf.behind(store, slot);
            }
        }
    }
}

/// Where a room's shelf is; the book has none.
fn index_of(room: Room, capped: bool) -> usize {
    let at = room as usize - 1;
    // The three rooms of pegs come again behind the last room.
    if capped { at + Room::ALL.len() - Room::Primary as usize } else { at }
}

/// The number that a shelf's levels carry: unlike a book's side, it is above [`BOOK_BITS`].
pub(super) fn number_of(room: Room, capped: bool, place: usize, buy: bool) -> u32 {
    let side = place as u32 * 2 + u32::from(!buy);
    match room {
        Room::Lit => side,
        _ => (index_of(room, capped) as u32 + 1) << BOOK_BITS | side,
    }
}

/// The number that levels of [`Desk::outposts`] carry.
pub(super) const fn outpost_number(place: usize, buy: bool) -> u32 {
    (SHELVES as u32 + 1) << BOOK_BITS | (place as u32 * 2 + !buy as u32)
}

/// The place of the book that a ladder's number belongs to.
pub(super) const fn place_of(number: u32) -> usize {
    (number & ((1 << BOOK_BITS) - 1)) as usize / 2
}
