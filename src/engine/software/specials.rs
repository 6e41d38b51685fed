//! `Specials`: what orders ask beyond the plain, apart from the memory that plain ones touch.

use crate::engine::book::Slot;
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
}

const NOTHING: Aside = Aside {
    special: Special::PLAIN,
    price: Price::ZERO,
    reserve: 0,
    shown: SeqNo::ZERO,
    capped: false,
    slot: 0,
};

/// All records, and who of them has a time of expiry.
#[derive(Debug)]
pub(super) struct Specials {
    records: Box<[Aside]>,
    free: Vec<Record>,
    deadlines: Deadlines,
}

impl Specials {
    pub(super) fn new(specials_max: u32) -> Self {
        let records = specials_max as usize + 1;
        Self {
            records: vec![NOTHING; records].into_boxed_slice(),
            free: (1..=specials_max).rev().collect(),
            deadlines: Deadlines::new(records),
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
