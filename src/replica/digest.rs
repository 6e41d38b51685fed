//! A number that differs, all but surely, where two histories of events differ: one for every block
//! of commands, begun anew with each block so that both sides can join at any.

use crate::model::{Event, Line, SeqNo};

/// Digests of blocks of events, of so many commands each.
#[derive(Clone, Debug)]
pub struct BlockDigest {
    every: u64,
    /// The block being added to, and whether it was seen from its first event on.
    block: u64,
    is_whole: bool,
    digest: u64,
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

impl BlockDigest {
    /// Blocks of `every` commands, from where history stands after `seq`.
    pub fn new(every: u64, seq: SeqNo) -> Self {
        let every = every.max(1);
        let is_whole = seq.0.is_multiple_of(every);
        Self { every, block: seq.0 / every, is_whole, digest: START }
    }

    /// Takes the next event; where it begins a new block, the number of the last command of the
    /// block before and its digest, if that was seen whole.
    pub fn add(&mut self, event: &Event) -> Option<(u64, u64)> {
        let block = event.id.seq().0.saturating_sub(1) / self.every;
        let mut done = None;
        if block != self.block {
            done = self.is_whole.then_some(((self.block + 1) * self.every, self.digest));
            // A block without an event at all is none.
            (self.block, self.is_whole, self.digest) = (block, true, START);
        }
        for word in bytemuck::cast_ref::<Event, Line>(event).0 {
            self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            self.digest ^= self.digest >> 29;
        }
        done
    }
}
