//! The same order twice within a window: orders lately taken, found by what they ask.
//!
//! A bucket, a cache line, keeps the last four orders whose marks end alike; where more come within
//! one window the oldest is forgotten.

use crate::model::{Command, Nanos, fetch};
use crate::snapshot::{part, wrapped};

const WAYS: usize = 4;
const BUCKETS: usize = 1 << 14;

/// An order's mark and when it was taken.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    mark: u64,
    at: Nanos,
}
part!(Seen { mark, at });

/// Orders lately taken.
#[derive(Debug)]
pub(super) struct Duplicates(Box<[Bucket]>);

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([Seen; WAYS]);
wrapped!(Bucket, Duplicates);

impl Duplicates {
    pub(super) fn new() -> Self {
        Self(vec![Bucket::default(); BUCKETS].into())
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.0)
    }

    /// Asks the caches for where an order would be.
    #[inline]
    pub(super) fn fetch(&self, command: &Command) {
        fetch(&self.0, mark_of(command) as usize % BUCKETS);
    }

    /// Whether the same order was taken within `window`; else it is kept as taken now.
    pub(super) fn repeats(&mut self, command: &Command, window: Nanos) -> bool {
        let mark = mark_of(command);
        let bucket = self.0.get_mut(mark as usize % BUCKETS);
        let Some(Bucket(bucket)) = bucket else { return false };
        let now = command.timestamp;
        let is_fresh = |seen: &Seen| now.saturating_sub(seen.at) < window;
        if bucket.iter().any(|seen| seen.mark == mark && seen.at.0 > 0 && is_fresh(seen)) {
            return true;
        }
        if let Some(oldest) = bucket.iter_mut().min_by_key(|seen| seen.at) {
            *oldest = Seen { mark, at: now };
        }
        false
    }
}

/// What an order asks, in a number: account, instrument, side, type, price and quantity.
fn mark_of(command: &Command) -> u64 {
    let words = [
        u64::from(command.account.0) << 32 | u64::from(command.instrument.0),
        command.price.0 as u64,
        u64::from(command.quantity.0) << 16
            | u64::from(command.side) << 8
            | u64::from(command.order_type),
    ];
    words.into_iter().fold(0x9e37_79b9_7f4a_7c15, |mark: u64, word| {
        let mixed = (mark ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 29
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AccountId, CommandKind, Price, Quantity};

    proptest! {
        /// Against a list of all that were taken: few enough that no bucket forgets.
        #[test]
        fn the_same_order_is_not_taken_twice_within_the_window(
            orders in proptest::collection::vec((1..4u32, 1..3i64, 1..3u32, 1..60u64), 1..200),
        ) {
            let (mut seen, window) = (Duplicates::new(), Nanos(100));
            let mut taken: Vec<((u32, i64, u32), u64)> = Vec::new();
            let mut now = 1;
            for (account, price, quantity, passed) in orders {
                now += passed;
                let command = Command {
                    account: AccountId(account),
                    price: Price(price),
                    quantity: Quantity(quantity),
                    timestamp: Nanos(now),
                    ..Command::new(CommandKind::Enter)
                };
                let key = (account, price, quantity);
                let expected = taken.iter().any(|(other, at)| *other == key && now - at < 100);
                prop_assert_eq!(seen.repeats(&command, window), expected);
                if !expected {
                    taken.push((key, now));
                }
            }
        }
    }
}
