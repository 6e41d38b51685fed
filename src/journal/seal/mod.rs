//! Seals: what makes a log tell whether it is still what was written.
//!
//! ```text
//!  synced messages ─► Chain (BLAKE3) ─┬─► superblock: how far the log reached, beside the log
//!                                     └─► anchors: heads of the chain, on another disk
//! ```
//!
//! Checksums find what broke by accident. The superblock tells a torn tail from one that was on the
//! disk and is gone. An anchor that somebody else keeps finds what was changed on purpose.

mod anchors;
mod chain;
mod pruned;
mod sealer;
mod superblock;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use anchors::Anchors;
pub use chain::{BLOCK, Begun, Chain, Head, Seal};
pub use pruned::{Excess, Expired, Pruned, excess};
pub(crate) use sealer::{Found, Sealing};
pub(crate) use superblock::Superblock;

use crate::journal::{JournalError, LogKind, Logged, Reader};

/// All that was sealed of one log, by rising ids, each with the file it stands in.
#[derive(Clone, Debug)]
pub struct Seals {
    folder: PathBuf,
    sealed: Vec<(Seal, PathBuf)>,
    /// Whether the log was cut back on purpose since.
    is_cut: bool,
}

impl Seals {
    /// Of the log in a folder: those of its superblock, and those of files of anchors.
    ///
    /// # Errors
    /// A superblock or anchors that cannot be read.
    pub fn read(folder: &Path, kind: LogKind, anchors: &[PathBuf]) -> Result<Self, JournalError> {
        let mark = Superblock::read(folder, kind)?;
        let is_cut = mark.is_some_and(|mark| mark.is_cut);
        let own = mark.filter(|_| !is_cut).map(|mark| (mark.seal, Superblock::path(folder)));
        let mut sealed: Vec<_> = own.into_iter().collect();
        for path in anchors {
            let anchors = Anchors::read(path, kind)?;
            sealed.extend(anchors.seals().iter().map(|seal| (*seal, path.clone())));
        }
        sealed.sort_by_key(|(seal, _)| seal.id);
        Ok(Self { folder: folder.to_owned(), sealed, is_cut })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sealed.len()
    }

    /// Reads the log, from where it begins or from a block on, and holds it against the seals, as
    /// far as it goes; `watch` hears of each message. Ends at the first bad frame, which is a
    /// scan's to judge.
    ///
    /// # Errors
    /// The first seal that the log does not agree with, and a log that cannot be opened.
    pub fn check<H: Logged>(
        &self,
        begun: Option<Begun>,
        watch: &mut dyn FnMut(u64),
    ) -> Result<Chain, JournalError> {
        let folder = &self.folder;
        let is_given = begun.is_some();
        let begun = begun.or(Pruned::read(folder)?.map(|pruned| pruned.begun));
        let first = begun.map_or(0, |begun| begun.first(H::KIND));
        let mut reader = match Reader::<H>::open(folder, first) {
            // The last segment was being begun: from the first one on there is no need to look.
            Err(_) if is_given => return self.check::<H>(None, watch),
            reader => reader?,
        };
        let chain = begun.map_or(Chain::new(H::KIND), |begun| Chain::resume(H::KIND, begun));
        let mut check = Check::new(self, chain, first);
        while let Ok(Some(group)) = reader.read() {
            let id = group.head.id();
            check.before(id)?;
            check.chain.add(&group);
            watch(id);
        }
        check.before(check.chain.last().saturating_add(1))?;
        Ok(check.chain)
    }

    /// Checks that a log which ends with `last` has all that was sealed, unless it was cut back.
    ///
    /// # Errors
    /// [`JournalError::Lost`].
    pub fn check_reach(&self, last: u64) -> Result<(), JournalError> {
        match self.sealed.iter().find(|(seal, _)| seal.id > last && !self.is_cut) {
            None => Ok(()),
            Some((seal, source)) => Err(JournalError::Lost {
                folder: self.folder.clone(),
                last,
                sealed: seal.id,
                seals: source.clone(),
            }),
        }
    }
}

/// A check under way.
struct Check<'a> {
    chain: Chain,
    /// What is still to be held against the chain.
    sealed: &'a [(Seal, PathBuf)],
    /// The last seal the log agrees with.
    sound: u64,
    folder: &'a Path,
}

impl<'a> Check<'a> {
    /// Of a log that is read from an id on.
    fn new(seals: &'a Seals, chain: Chain, first: u64) -> Self {
        let Seals { folder, sealed, .. } = seals;
        let sealed = &sealed[sealed.partition_point(|(seal, _)| seal.id < first)..];
        Self { chain, sealed, sound: first.saturating_sub(1), folder }
    }

    /// Holds the chain against the seals before a message that comes next.
    fn before(&mut self, next: u64) -> Result<(), JournalError> {
        while let Some(((seal, source), rest)) = self.sealed.split_first() {
            if seal.id >= next {
                break;
            }
            let own = self.chain.seal();
            // A log that skips what was sealed has another history as well.
            if (own.id, own.head) != (seal.id, seal.head) {
                return Err(JournalError::Changed {
                    folder: self.folder.to_owned(),
                    after: self.sound,
                    sealed: seal.id,
                    seals: source.clone(),
                });
            }
            (self.sealed, self.sound) = (rest, seal.id);
        }
        Ok(())
    }
}
