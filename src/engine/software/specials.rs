//! `Specials`: what orders ask beyond the plain, apart from the memory that plain ones touch.

use crate::engine::book::{NONE, Slot};
use crate::engine::rules::Special;
use crate::engine::software::deadlines::Deadlines;
use crate::model::{Nanos, Price, SeqNo};

/// Numbers a record; 0 is none, so a plain order has 0.
pub(super) type Record = u32;

/// No record.
pub(super) const NO_RECORD: Record = 0;

/// What one order asks, and how it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    pub(super) special: Special,
    /// The price it was given, for rooms that are not sorted by it.
    pub(super) price: Price,
    /// What an iceberg hides; the rest of its leaves stands in the book.
    pub(super) reserve: u32,
    /// The reference it is shown under.
    pub(super) shown: SeqNo,
    /// A peg that has come to its cap.
    pub(super) capped: bool,
    pub(super) slot: Slot,
    /// Where an order that goes further than it shows waits for those it goes to; or none.
    pub(super) outpost: Slot,
    /// The instrument's trailing stop accepted next.
    pub(super) younger: Record,
    older: Record,
}

impl Aside {
    /// Of an order in a slot, as it is laid.
    pub(super) const fn new(special: Special, price: Price, shown: SeqNo, slot: Slot) -> Self {
        let (younger, older) = (NO_RECORD, NO_RECORD);
        let outpost = NONE;
        Self { special, price, reserve: 0, shown, capped: false, slot, outpost, younger, older }
    }
}

/// An instrument's trailing stops in order of age, and how far they have come in following.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trail {
    oldest: Record,
    youngest: Record,
    /// The price that was followed last; 0 is none.
    pub(super) followed: i64,
    /// The next to follow it, while some have not.
    pub(super) next: Record,
    /// Some may not have followed yet.
    pub(super) runs: bool,
}

impl Trail {
    /// Whether there are any.
    pub(super) const fn is_empty(&self) -> bool {
        self.oldest == NO_RECORD
    }

    /// Begins to follow a price.
    pub(super) fn begin(&mut self, last: i64) {
        (self.followed, self.next, self.runs) = (last, self.oldest, true);
    }

    /// Forgets what it followed.
    pub(super) fn forget(&mut self) {
        (self.followed, self.next, self.runs) = (0, NO_RECORD, false);
    }
}

const NOTHING: Aside = Aside::new(Special::PLAIN, Price::ZERO, SeqNo::ZERO, 0);

/// All records, and who of them has a time of expiry.
#[derive(Debug)]
pub(super) struct Specials {
    records: Box<[Aside]>,
    free: Vec<Record>,
    deadlines: Deadlines,
    /// Slots that are outposts.
    pub(super) outposts: u32,
}

impl Specials {
    pub(super) fn new(specials_max: u32) -> Self {
        let records = specials_max as usize + 1;
        Self {
            records: vec![NOTHING; records].into_boxed_slice(),
            free: (1..=specials_max).rev().collect(),
            deadlines: Deadlines::new(records),
            outposts: 0,
        }
    }

    /// Whether another record finds room.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    pub(super) fn get(&self, record: Record) -> &Aside {
        &self.records[record as usize]
    }

    pub(super) fn get_mut(&mut self, record: Record) -> &mut Aside {
        &mut self.records[record as usize]
    }

    /// Keeps what an order asks; ask for room before. `reference` orders those of one expiry.
    pub(super) fn add(&mut self, aside: Aside, reference: SeqNo) -> Record {
        let Some(record) = self.free.pop() else {
            debug_assert!(false, "room was asked for");
            return NO_RECORD;
        };
        let expires_at = aside.special.expires_at;
        *self.get_mut(record) = aside;
        if expires_at != Nanos::ZERO {
            self.deadlines.insert(record, (expires_at.0, reference.0));
        }
        record
    }

    pub(super) fn remove(&mut self, record: Record) {
        self.deadlines.remove(record);
        self.free.push(record);
    }

    /// Notes a trailing stop, the youngest of its instrument.
    pub(super) fn join(&mut self, trail: &mut Trail, record: Record) {
        let older = std::mem::replace(&mut trail.youngest, record);
        self.get_mut(record).older = older;
        if older == NO_RECORD {
            trail.oldest = record;
        } else {
            self.get_mut(older).younger = record;
        }
        if trail.runs && trail.next == NO_RECORD {
            trail.next = record;
        }
    }

    /// Forgets a trailing stop.
    pub(super) fn part(&mut self, trail: &mut Trail, record: Record) {
        let Aside { younger, older, .. } = *self.get(record);
        if trail.next == record {
            trail.next = younger;
        }
        match older {
            NO_RECORD => trail.oldest = younger,
            older => self.get_mut(older).younger = younger,
        }
        match younger {
            NO_RECORD => trail.youngest = older,
            younger => self.get_mut(younger).older = older,
        }
    }

    /// When the first order's time is over.
    #[inline]
    pub(super) fn next_expiry(&self) -> Nanos {
        self.deadlines.first().map_or(Nanos::MAX, |((at, _), _)| Nanos(at))
    }

    /// The slot of the order whose time is over first, if it is by `now`.
    pub(super) fn expired(&self, now: Nanos) -> Option<Slot> {
        let ((at, _), record) = self.deadlines.first()?;
        (at <= now.0).then(|| self.get(record).slot)
    }
}
