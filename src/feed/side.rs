//! One side of a feed's book: levels in a row, the best one last, where nearly all happens.
//!
//! The room is bounded: the worst levels are left out where it ends, and are then not known again
//! until the side has been built anew. What is better than them stays exact.

/// All orders at one price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: u32,
    /// Orders at it.
    pub orders: u32,
    /// Shares of them all.
    pub shares: u64,
}

/// Best levels that a price is sought among first.
const NEAR: usize = 16;

/// One side.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// Worst first.
    levels: Vec<Level>,
    /// The same levels' ranks.
    ranks: Vec<u32>,
    buys: bool,
    most: usize,
    /// Levels at this rank and worse are not known.
    cut: Option<u32>,
}

impl Side {
    pub(super) fn new(buys: bool, most: usize) -> Self {
        let most = most.max(1);
        Self {
            levels: Vec::with_capacity(most),
            ranks: Vec::with_capacity(most),
            buys,
            most,
            cut: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.levels.clear();
        self.ranks.clear();
        self.cut = None;
    }

    /// The better a price, the higher its rank.
    #[inline]
    fn rank(&self, price: u32) -> u32 {
        if self.buys { price } else { !price }
    }

    #[inline]
    fn is_cut(&self, price: u32) -> bool {
        self.cut.is_some_and(|cut| self.rank(price) <= cut)
    }

    /// The place of a price, or where it would be: the best levels are compared all at once,
    /// without a branch that a price nobody can foretell decides.
    #[inline]
    fn find(&self, price: u32) -> Result<usize, usize> {
        let rank = self.rank(price);
        let length = self.ranks.len();
        let at = match self.ranks.last_chunk::<NEAR>() {
            Some(near) if near[0] <= rank => {
                let below: u32 = near.iter().map(|level| u32::from(*level < rank)).sum();
                length - NEAR + below as usize
            }
            _ => self.ranks.partition_point(|level| *level < rank),
        };
        if self.ranks.get(at) == Some(&rank) { Ok(at) } else { Err(at) }
    }

    #[inline]
    pub(super) fn add(&mut self, price: u32, shares: u32) {
        if self.is_cut(price) {
            return;
        }
        let mut at = match self.find(price) {
            Ok(at) => {
                let level = &mut self.levels[at];
                level.orders += 1;
                level.shares += u64::from(shares);
                return;
            }
            Err(at) => at,
        };
        if self.levels.len() == self.most {
            if at == 0 {
                self.cut = Some(self.rank(price));
                return;
            }
            self.cut = Some(self.rank(self.levels[0].price));
            self.levels.remove(0);
            self.ranks.remove(0);
            at -= 1;
        }
        self.levels.insert(at, Level { price, orders: 1, shares: u64::from(shares) });
        self.ranks.insert(at, self.rank(price));
    }

    /// Takes shares off a level, and an order where `is_gone`; `false` where they are not there.
    #[inline]
    pub(super) fn take(&mut self, price: u32, shares: u32, is_gone: bool) -> bool {
        if self.is_cut(price) {
            return true;
        }
        let Ok(at) = self.find(price) else { return false };
        let level = &mut self.levels[at];
        let Some(left) = level.shares.checked_sub(u64::from(shares)) else { return false };
        level.shares = left;
        level.orders -= u32::from(is_gone).min(level.orders);
        if level.orders == 0 {
            self.levels.remove(at);
            self.ranks.remove(at);
        }
        true
    }

    /// The best level.
    #[inline]
    pub(super) fn best(&self) -> Option<Level> {
        self.levels.last().copied()
    }

    /// Levels, best first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Level> {
        self.levels.iter().rev().copied()
    }

    /// Whether levels were left out.
    #[cfg(test)]
    pub(super) fn known_above(&self) -> Option<u32> {
        self.cut.map(|cut| if self.buys { cut } else { !cut })
    }
}
