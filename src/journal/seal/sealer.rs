//! Seals a log behind its syncer: reads back what was synced, carries the chain on, and writes down
//! how far that is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::journal::pack::Packer;
use crate::journal::progress::Remark;
use crate::journal::seal::superblock::Mark;
use crate::journal::seal::{Anchors, Chain, Seals, Superblock};
use crate::journal::{Disk, Health, JournalError, Logged, Progress, Reader, Settings};

/// The pause after anchors could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// What was sealed of a log, as found before it is opened.
pub(crate) struct Found {
    folder: PathBuf,
    mark: Option<Mark>,
    anchors: Anchors,
    /// What the log is held against.
    pub(crate) seals: Seals,
}

impl Found {
    /// Reads the seals of the log in a folder; its anchors stand where the settings say, or with
    /// it.
    ///
    /// # Errors
    /// A superblock or anchors that cannot be read.
    pub(crate) fn read<H: Logged>(
        folder: &Path,
        settings: &Settings,
    ) -> Result<Self, JournalError> {
        let anchors = Anchors::file(settings.anchors.as_deref().unwrap_or(folder), H::KIND);
        Ok(Self {
            folder: folder.to_owned(),
            mark: Superblock::read(folder, H::KIND)?,
            seals: Seals::read(folder, H::KIND, std::slice::from_ref(&anchors))?,
            anchors: Anchors::read(&anchors, H::KIND)?,
        })
    }

    /// Holds the log against its seals: all of it, or, where it is known to be good up to a message
    /// (`from` is not 0), what the superblock sealed last and all after that.
    ///
    /// # Errors
    /// [`JournalError::Changed`].
    pub(crate) fn check<H: Logged>(&self, from: u64) -> Result<Chain, JournalError> {
        let begun = self.mark.filter(|mark| from > 0 && !mark.is_cut).map(|mark| mark.begun);
        self.seals.check::<H>(begun, &mut |_| ())
    }

    /// The last message that was read back from the disk and sealed; 0 where that is not known.
    pub(crate) fn sealed(&self) -> u64 {
        self.mark.filter(|mark| !mark.is_cut).map_or(0, |mark| mark.seal.id)
    }

    /// Goes on where the chain of the opened log ends.
    ///
    /// # Errors
    /// A superblock that cannot be made, a log that cannot be read.
    pub(crate) fn sealer<H: Logged>(
        self,
        mut chain: Chain,
        progress: Arc<Progress>,
        disk: Arc<dyn Disk>,
        settings: &Settings,
    ) -> Result<Sealer<H>, JournalError> {
        let Self { folder, mark, mut anchors, .. } = self;
        if anchors.last() > chain.last() {
            let cut = anchors.cut(chain.last(), &*disk);
            cut.map_err(JournalError::disk(anchors.path(), "write the anchors"))?;
        }
        let path = Superblock::path(&folder);
        let mut superblock = Superblock::open(&folder, H::KIND, mark.as_ref(), Arc::clone(&disk))?;
        let written = superblock.write(&chain.seal(), &chain.begun(), false);
        written.map_err(JournalError::disk(path, "write the superblock"))?;
        let (packed, keep) = (settings.packed.as_deref(), settings.plain_segments);
        let packer = Packer::open(&folder, packed, keep, Arc::clone(&disk), Arc::clone(&progress))?;
        Ok(Sealer {
            packer,
            reader: Reader::open(&folder, chain.last().saturating_add(1))?,
            chain,
            superblock,
            anchors,
            progress,
            disk,
            interval: settings.seal_interval,
            anchor_interval: settings.anchor_interval,
            until_seal: settings.seal_interval,
            until_anchor: settings.anchor_interval,
        })
    }
}

/// Seals one log.
pub(crate) struct Sealer<H: Logged> {
    packer: Packer,
    reader: Reader<H>,
    chain: Chain,
    superblock: Superblock,
    anchors: Anchors,
    progress: Arc<Progress>,
    disk: Arc<dyn Disk>,
    interval: Duration,
    anchor_interval: Duration,
    until_seal: Duration,
    until_anchor: Duration,
}

/// A sealer of either log.
pub(crate) trait Sealing: Send {
    /// Seals and anchors what was synced, if that is due, and packs what was sealed long ago.
    fn step(&mut self, since_last: Duration);

    /// Seals and anchors all that was synced: the log is being closed.
    fn finish(&mut self);
}

impl<H: Logged + Send> Sealing for Sealer<H> {
    fn step(&mut self, since_last: Duration) {
        self.until_seal = self.until_seal.saturating_sub(since_last);
        self.until_anchor = self.until_anchor.saturating_sub(since_last);
        if self.until_seal.is_zero() {
            self.until_seal = self.interval;
            self.seal();
        }
        if self.until_anchor.is_zero() {
            self.until_anchor = self.anchor_interval;
            self.anchor();
        }
        self.packer.step(since_last, self.chain.last());
    }

    fn finish(&mut self) {
        self.seal();
        self.anchor();
    }
}

impl<H: Logged> Sealer<H> {
    /// Reads what was synced since, and writes the superblock.
    fn seal(&mut self) {
        let synced = self.progress.synced();
        if synced <= self.chain.last() || self.progress.health() == Health::SyncFailed {
            return;
        }
        while self.chain.last() < synced {
            match self.reader.read() {
                Ok(Some(group)) => self.chain.add(&group),
                Ok(None) => return self.fail("it was synced and is not there".to_owned()),
                Err(error) => return self.fail(error.to_string()),
            }
        }
        if let Err(error) = self.superblock.write(&self.chain.seal(), &self.chain.begun(), false) {
            let file = self.superblock.file().display();
            self.fail(format!("{file}: it cannot be written ({error})"));
        }
    }

    /// Writes the head of the chain where it is kept for others.
    fn anchor(&mut self) {
        if self.chain.last() <= self.anchors.last() {
            return;
        }
        let complaint = match self.anchors.add(&self.chain.seal(), &*self.disk) {
            Ok(()) => None,
            Err(error) => {
                self.until_anchor = RETRY;
                let file = self.anchors.path().display();
                Some(format!("{file}: the anchors cannot be written ({error}); tried again"))
            }
        };
        self.progress.remark(Remark::Anchors, complaint);
    }

    /// What was on the disk is not: as final as a sync that fails.
    fn fail(&self, what: String) {
        let complaint = format!(
            "read back: {what}. The disk cannot be relied on: let the standby take over and \
             replace it."
        );
        self.progress.report(Health::SyncFailed, Some(complaint));
    }
}
