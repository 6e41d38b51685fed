//! The best prices of each book for people: matching shows one book each time it does its chores,
//! and the one that somebody watches every time.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use crate::engine::{BookView, Quote};
use crate::model::InstrumentId;

/// Prices shown of each side.
pub const DEPTH_SHOWN: usize = 10;

#[derive(Debug, Default)]
struct Level {
    price: AtomicI64,
    quantity: AtomicU64,
}

/// The best prices of each book, as last shown.
#[derive(Debug)]
pub struct DepthBoard {
    /// By place of the instrument, bids and then offers.
    levels: Box<[[Level; DEPTH_SHOWN]]>,
    /// The place that is shown next.
    turn: AtomicU32,
    /// The place that somebody watches, from 1; 0: nobody does.
    watched: AtomicU32,
}

impl DepthBoard {
    /// For so many instruments.
    pub(in crate::stage) fn new(instruments: usize) -> Self {
        let levels = (0..2 * instruments).map(|_| Default::default()).collect();
        Self { levels, turn: AtomicU32::new(0), watched: AtomicU32::new(0) }
    }

    /// Shows the next book and the watched one.
    pub(in crate::stage) fn show(&self, instruments: &[InstrumentId], view: &impl BookView) {
        let turn = self.turn.load(Ordering::Relaxed) as usize;
        self.turn.store(
            if turn + 1 < instruments.len() { turn as u32 + 1 } else { 0 },
            Ordering::Relaxed,
        );
        let watched = (self.watched.load(Ordering::Relaxed) as usize).checked_sub(1);
        for place in [Some(turn), watched].into_iter().flatten() {
            let Some(id) = instruments.get(place) else { continue };
            // Another shard has it.
            if view.phase(*id).is_some() {
                self.show_book(place, *id, view);
            }
        }
    }

    fn show_book(&self, place: usize, id: InstrumentId, view: &impl BookView) {
        for (side, is_buy) in [(0, true), (1, false)] {
            let Some(levels) = self.levels.get(2 * place + side) else { continue };
            let mut shown = levels.iter();
            view.depth(id, is_buy, DEPTH_SHOWN, &mut |quote: Quote| {
                let Some(level) = shown.next() else { return };
                level.price.store(quote.price.0, Ordering::Relaxed);
                level.quantity.store(quote.quantity, Ordering::Relaxed);
            });
            shown.for_each(|level| level.quantity.store(0, Ordering::Relaxed));
        }
    }

    /// Somebody watches the book at this place.
    pub fn watch(&self, place: usize) {
        self.watched.store(place as u32 + 1, Ordering::Relaxed);
    }

    /// Price and quantity of each level, best first: bids, then offers.
    pub fn book(&self, place: usize) -> [Vec<(i64, u64)>; 2] {
        let side = |at: usize| {
            let levels = self.levels.get(2 * place + at).map_or(&[][..], |levels| &levels[..]);
            let of = |level: &Level| {
                (level.price.load(Ordering::Relaxed), level.quantity.load(Ordering::Relaxed))
            };
            levels.iter().map(of).filter(|(_, quantity)| *quantity > 0).collect()
        };
        [side(0), side(1)]
    }
}
