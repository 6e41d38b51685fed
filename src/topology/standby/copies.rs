//! A standby's copies of what stands beside the primary's journal: the records of FIX sessions, of
//! clients and at exchanges.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::journal::{Annex, Annexed};
use crate::replica::{Follower, Piece};
use crate::topology::{Catalogue, Config, ReleaseGate, fix_records, venue_records};
use crate::wire::fix::session::{FileStore, Store, StoreError};

/// The copies: those of clients' sessions, then those at exchanges.
#[derive(Debug, Default)]
pub struct Copies {
    files: Vec<FileStore>,
    /// How many are of clients.
    clients: usize,
    /// How far they are on the disk.
    annex: Arc<Annex>,
    /// Pieces that do not count yet: the file, and how much of it must be on the disk.
    under_way: VecDeque<(usize, u64)>,
    /// Pieces that count, of those that came on this line.
    counted: u64,
}

impl Copies {
    /// Opens what is here.
    ///
    /// # Errors
    /// A record that cannot be opened.
    pub(crate) fn open(config: &Config, catalogue: &Catalogue) -> Result<Self, StoreError> {
        let clients = fix_records(config, catalogue);
        let (count, venues) = (clients.len(), venue_records(config, catalogue));
        let paths: Vec<PathBuf> = clients.into_iter().chain(venues).collect();
        let open = |path: &PathBuf| {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            FileStore::copy_at(path)
        };
        let files = paths.iter().map(open).collect::<Result<Vec<_>, StoreError>>()?;
        // What is here may be in the page cache alone.
        let annexed = paths.into_iter().zip(&files).map(|(path, file)| {
            Annexed::new(path, vec![], Arc::new(AtomicU64::new(file.length())))
        });
        let annex = Annex::new(annexed.collect());
        annex.await_disk(config.gate() == ReleaseGate::SyncedReplicated);
        let (annex, under_way) = (Arc::new(annex), VecDeque::new());
        Ok(Self { files, clients: count, annex, under_way, counted: 0 })
    }

    /// How far they are on the disk, for whoever brings them there.
    pub(crate) fn annex(&self) -> Arc<Annex> {
        Arc::clone(&self.annex)
    }

    /// The last event that each client's record tells of.
    pub(crate) fn told_of(&self) -> Vec<u64> {
        self.files.iter().take(self.clients).map(Store::told_of).collect()
    }

    /// Tells the primary what is here, once on every line, for what it tells counts.
    pub(super) fn tell(&mut self, follower: &mut Follower) {
        let is_due = follower.welcome().is_some() && !follower.has_told;
        if !is_due || !self.annex.reaches().into_iter().enumerate().all(|file| self.counts(&file)) {
            return;
        }
        follower.has_told = true;
        self.under_way.clear();
        self.counted = 0;
        for (place, file) in (0..).zip(&self.files) {
            follower.hold(place, file.length(), file.hands());
        }
    }

    /// Takes what came of them. A piece counts when it is in the page cache; where both disks are
    /// promised, when it is on ours.
    ///
    /// # Errors
    /// A copy that cannot be written, and bytes that are no record.
    pub(super) fn take(&mut self, follower: &mut Follower) -> Result<usize, StoreError> {
        let mut count = 0;
        while let Some(Piece { file: place, at, bytes }) = follower.piece() {
            let place = place as usize;
            let file = self.files.get_mut(place).filter(|file| at <= file.copied());
            let (Some(file), Some(annexed)) = (file, self.annex.files().get(place)) else {
                let what = "what came belongs to no record of a session that is here";
                return Err(Error::new(ErrorKind::InvalidData, what).into());
            };
            if at < file.copied() {
                file.cut(at)?;
            }
            file.copy(&bytes)?;
            annexed.wrote(at, bytes.len() as u64);
            self.under_way.push_back((place, annexed.reach()));
            count += 1;
        }
        while self.under_way.front().is_some_and(|piece| self.counts(piece)) {
            self.under_way.pop_front();
            self.counted += 1;
        }
        follower.count(self.counted);
        Ok(count)
    }

    fn counts(&self, (place, reach): &(usize, u64)) -> bool {
        let settled = self.annex.files().get(*place).map_or(0, Annexed::settled);
        !self.annex.awaits_disk() || settled >= *reach
    }

    /// As the records that this machine goes on with: clients', and those at exchanges.
    pub(crate) fn into_stores(self) -> [Vec<Box<dyn Store>>; 2] {
        let mut files = self.files.into_iter().map(|file| Box::new(file) as Box<dyn Store>);
        let clients = files.by_ref().take(self.clients).collect();
        [clients, files.collect()]
    }
}
