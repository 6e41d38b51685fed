//! A standby's folding thread: it folds what is on record as far as the primary came through it,
//! so that what brings the primary down does not bring the standby down too.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::model::Event;
use crate::replica::{BlockDigest, Heard};
use crate::topology::{Recovered, Replay, ReplayError};

/// What both threads see.
#[derive(Default)]
pub struct Shared {
    pub(super) applied: AtomicU64,
    /// The last command that may be folded: the primary came through it.
    pub(super) survived: AtomicU64,
    /// Digests of our own blocks.
    pub(super) digests: Mutex<VecDeque<(u64, u64)>>,
    pub(super) has_failed: AtomicBool,
}

impl Shared {
    /// The primary is gone: whatever is on record may be folded.
    pub(crate) fn trust_all(&self) {
        self.survived.store(u64::MAX, Ordering::Release);
    }
}

/// The folding thread's part.
pub struct Folding {
    shared: Arc<Shared>,
    digest: BlockDigest,
}

impl Folding {
    /// Goes on where the state stands.
    pub fn new(recovered: &Recovered, heard: Heard, shared: Arc<Shared>) -> Self {
        let start = recovered.replay.fold.seq;
        shared.applied.store(start.0, Ordering::Release);
        Self { shared, digest: BlockDigest::new(heard.digest_every, start) }
    }

    /// Folds the next command on record that the primary came through; `false` where there is none.
    ///
    /// # Errors
    /// A command that does not fold.
    pub fn step(
        &mut self,
        replay: &mut Replay,
        each: &mut dyn FnMut(&Event),
    ) -> Result<bool, ReplayError> {
        let Self { shared, digest } = self;
        if replay.fold.seq.0 >= shared.survived.load(Ordering::Acquire) {
            return Ok(false);
        }
        let stepped = replay.step(&mut |event| {
            each(event);
            if let Some(block) = digest.add(event) {
                shared.digests.lock().unwrap_or_else(|e| e.into_inner()).push_back(block);
            }
        });
        shared.applied.store(replay.fold.seq.0, Ordering::Release);
        stepped
    }
}
