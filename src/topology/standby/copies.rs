//! A standby's copies of what stands beside the primary's journal: the records of FIX sessions, of
//! clients and at exchanges.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use crate::replica::{Follower, Piece};
use crate::topology::{Catalogue, Config, fix_records, venue_records};
use crate::wire::fix::session::{FileStore, Store, StoreError};

/// The copies: those of clients' sessions, then those at exchanges.
#[derive(Debug, Default)]
pub struct Copies {
    files: Vec<FileStore>,
    /// How many are of clients.
    clients: usize,
}

impl Copies {
    /// Opens what is here.
    ///
    /// # Errors
    /// A record that cannot be opened.
    pub(crate) fn open(config: &Config, catalogue: &Catalogue) -> Result<Self, StoreError> {
        let clients = fix_records(config, catalogue);
        let (count, venues) = (clients.len(), venue_records(config, catalogue));
        let open = |path: PathBuf| {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            FileStore::copy_at(&path, false)
        };
        let files = clients.into_iter().chain(venues).map(open);
        Ok(Self { files: files.collect::<Result<_, StoreError>>()?, clients: count })
    }

    /// The last event that each client's record tells of.
    pub(crate) fn told_of(&self) -> Vec<u64> {
        self.files.iter().take(self.clients).map(Store::told_of).collect()
    }

    /// Tells the primary what is here, once on every line.
    pub(super) fn tell(&self, follower: &mut Follower) {
        if follower.welcome().is_none() || std::mem::replace(&mut follower.has_told, true) {
            return;
        }
        for (place, file) in (0..).zip(&self.files) {
            follower.hold(place, file.length(), file.hands());
        }
    }

    /// Takes what came of them.
    ///
    /// # Errors
    /// A copy that cannot be written, and bytes that are no record.
    pub(super) fn take(&mut self, follower: &mut Follower) -> Result<usize, StoreError> {
        let mut count = 0;
        while let Some(Piece { file, at, bytes }) = follower.piece() {
            let file = self.files.get_mut(file as usize).filter(|file| at <= file.copied());
            let Some(file) = file else {
                let what = "what came belongs to no record of a session that is here";
                return Err(Error::new(ErrorKind::InvalidData, what).into());
            };
            if at < file.copied() {
                file.cut(at)?;
            }
            file.copy(&bytes)?;
            count += 1;
        }
        Ok(count)
    }

    /// As the records that this machine goes on with: clients', and those at exchanges.
    pub(crate) fn into_stores(self) -> [Vec<Box<dyn Store>>; 2] {
        let mut files = self.files.into_iter().map(|file| Box::new(file) as Box<dyn Store>);
        let clients = files.by_ref().take(self.clients).collect();
        [clients, files.collect()]
    }
}
