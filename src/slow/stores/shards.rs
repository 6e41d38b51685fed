//! Databases by range of accounts: each is followed on its own, so that one that is down holds up
//! its own accounts and no others. Where a primary is gone for good its replica is promoted, and
//! the old one is never written again: that is kept in a file, for a restart to know.
#![allow(clippy::disallowed_methods, reason = "time-outs of engines are by this machine's clock")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::journal::{LogKind, Reader};
use crate::model::{AccountId, Event, EventId, Nanos};
use crate::slow::stores::postgres::{Database, is_history, name_of, promote};
use crate::slow::stores::{Lag, StoreError};
use crate::slow::tail::identity;

/// The file of a range that says which databases are not in use any more.
fn places_name(first_account: u32) -> String {
    format!("fenced-{first_account}.json")
}

/// Events of one transaction, at most.
const BATCH: usize = 16 * 1024;

/// A primary that has not answered for so long is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// How often a database that is down is tried again, and one that is idle beats.
const PAUSE: Duration = Duration::from_millis(200);

/// One range of accounts and its databases.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShardPlace {
    /// The first account.
    pub first_account: u32,
    /// Where it is written.
    pub primary: String,
    /// Where it is read, and what is promoted when the primary is gone.
    #[serde(default)]
    pub replica: Option<String>,
}

/// What is in use after promotions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Places {
    /// Old primaries, by name, that must not be written again.
    pub fenced: Vec<String>,
}

impl Places {
    fn read(data: &Path, first_account: u32) -> Result<Self, StoreError> {
        let file = data.join(places_name(first_account));
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| StoreError::Places { file, what: error.to_string() }),
            Err(_) => Ok(Self::default()),
        }
    }

    fn write(&self, data: &Path, first_account: u32) -> Result<(), StoreError> {
        let file = data.join(places_name(first_account));
        let unfinished = file.with_extension("new");
        let wrong = |what: String| StoreError::Places { file: file.clone(), what };
        let text = serde_json::to_vec_pretty(self).map_err(|error| wrong(error.to_string()))?;
        fs::write(&unfinished, text).map_err(|error| wrong(error.to_string()))?;
        fs::rename(&unfinished, &file).map_err(|error| wrong(error.to_string()))
    }
}

/// Follows the event log into the database of one range of accounts.
#[derive(Debug)]
pub struct Keeper {
    place: ShardPlace,
    /// The first account of the next range.
    end: u32,
    journal: PathBuf,
    data: PathBuf,
    database: Option<Database>,
    reader: Option<Reader<Event>>,
    batch: Vec<Event>,
    /// The last event that was read, ours or not.
    read: EventId,
    /// Log time of the oldest event that is not in the database.
    oldest: Option<Nanos>,
    down_since: Option<Instant>,
    tried_at: Option<Instant>,
    put_at: Instant,
    complaint: Option<String>,
    /// Events that are in the database, since the start.
    stored: u64,
}

impl Keeper {
    /// One for each range, in order.
    pub fn all(places: &[ShardPlace], journal: &Path, data: &Path) -> Vec<Self> {
        let mut places = places.to_vec();
        places.sort_by_key(|place| place.first_account);
        let ends = places.iter().skip(1).map(|place| place.first_account).chain([u32::MAX]);
        let ends: Vec<u32> = ends.collect();
        let keeper = |(place, end): (ShardPlace, u32)| Self {
            place,
            end,
            journal: journal.to_owned(),
            data: data.to_owned(),
            database: None,
            reader: None,
            batch: Vec::with_capacity(BATCH),
            read: EventId(0),
            oldest: None,
            down_since: None,
            tried_at: None,
            put_at: Instant::now(),
            complaint: None,
            stored: 0,
        };
        places.into_iter().zip(ends).map(keeper).collect()
    }

    fn is_ours(&self, account: AccountId) -> bool {
        (self.place.first_account..self.end).contains(&account.0)
    }

    /// Reads on, and stores what was read; says how many events it took in. What the database does
    /// not take waits in the journal and is a complaint, not an error.
    ///
    /// # Errors
    /// An event log that cannot be read, and what no waiting mends: another writer, another
    /// journal, other tables, a password that is wrong.
    pub fn step(&mut self) -> Result<usize, StoreError> {
        if self.database.is_none() && !self.open()? {
            return Ok(0);
        }
        let count = self.take_in()?;
        let is_due = count > 0 || self.put_at.elapsed() > PAUSE;
        if let Some(database) = self.database.as_mut().filter(|_| is_due) {
            self.put_at = Instant::now();
            match database.put(&self.batch, self.read) {
                Ok(()) => {
                    self.stored += self.batch.len() as u64;
                    self.batch.clear();
                    (self.oldest, self.complaint) = (None, None);
                }
                Err(error) => self.lose(error)?,
            }
        }
        Ok(count)
    }

    fn take_in(&mut self) -> Result<usize, StoreError> {
        let mut count = 0;
        while self.batch.len() < BATCH
            && count < BATCH
            && let Some(reader) = &mut self.reader
            && let Some(event) = reader.read_event()?
        {
            self.read = event.id;
            self.oldest = self.oldest.or(Some(event.timestamp));
            count += 1;
            if is_history(&event) && self.is_ours(event.account) {
                self.batch.push(event);
            }
        }
        Ok(count)
    }

    /// Opens the database that is in use now; `false` where it must be tried again later.
    fn open(&mut self) -> Result<bool, StoreError> {
        if self.tried_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(false);
        }
        self.tried_at = Some(Instant::now());
        let folder = LogKind::Events.folder(&self.journal);
        let journal = identity(&folder)?;
        if journal == 0 {
            return Ok(false);
        }
        match Database::open(&self.address()?, journal) {
            Ok(database) => {
                self.read = database.last();
                self.reader = Some(Reader::open(&folder, self.read.0.saturating_add(1))?);
                self.database = Some(database);
                (self.down_since, self.complaint) = (None, None);
                Ok(true)
            }
            Err(error) => {
                self.lose(error)?;
                Ok(false)
            }
        }
    }

    /// The database that is written now.
    fn address(&self) -> Result<String, StoreError> {
        let fenced = Places::read(&self.data, self.place.first_account)?.fenced;
        let own = name_of(&self.place.primary);
        let is_fenced = fenced.iter().any(|old| name_of(old) == own);
        let replica = self.place.replica.as_ref().filter(|_| is_fenced);
        Ok(replica.unwrap_or(&self.place.primary).clone())
    }

    /// The database is lost for now; when it is for long, its replica takes its place.
    fn lose(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.complaint = Some(error.to_string());
        // What was read and not taken is behind again, and counts as lag.
        self.read = self.database.as_ref().map_or(self.read, Database::last);
        (self.database, self.reader) = (None, None);
        self.batch.clear();
        if !matches!(error, StoreError::Down { .. } | StoreError::Full { .. }) {
            return Err(error);
        }
        let since = *self.down_since.get_or_insert_with(Instant::now);
        let is_full = matches!(error, StoreError::Full { .. });
        if since.elapsed() > GIVE_UP_AFTER && !is_full {
            self.fail_over()?;
        }
        Ok(())
    }

    /// Promotes the replica, and fences the old primary first: a crash between the two leaves
    /// nobody writing rather than two.
    fn fail_over(&mut self) -> Result<(), StoreError> {
        let Some(replica) = self.place.replica.clone() else { return Ok(()) };
        let mut places = Places::read(&self.data, self.place.first_account)?;
        let old = name_of(&self.place.primary);
        if !places.fenced.contains(&old) {
            places.fenced.push(old.clone());
            places.write(&self.data, self.place.first_account)?;
        }
        match promote(&replica) {
            Ok(()) => {
                let new = name_of(&replica);
                self.complaint = Some(format!("{old} is given up; {new} is primary"));
                (self.down_since, self.tried_at) = (None, None);
            }
            Err(error) => self.complaint = Some(error.to_string()),
        }
        Ok(())
    }

    /// How far the database is behind an event log that reaches `appended`.
    pub fn lag(&self, appended: EventId, now: Nanos) -> Lag {
        let last = self.database.as_ref().map_or(EventId(0), Database::last);
        let records = match self.database {
            Some(_) => appended.seq().0.saturating_sub(last.seq().0),
            // Not known while it is down: what came since it was lost is not less than this.
            None => appended.seq().0.saturating_sub(self.read.seq().0),
        };
        let down_ms = self.down_since.map_or(0, |since| since.elapsed().as_millis() as u64);
        let age = self.oldest.map_or(0, |at| now.saturating_sub(at).0 / 1_000_000);
        Lag { records, bytes: records.saturating_mul(64), age_ms: age.max(down_ms) }
    }

    /// Why it stores nothing, if it does not.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Events that were put into the database since the start.
    pub fn stored(&self) -> u64 {
        self.stored
    }
}
