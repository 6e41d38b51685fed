//! The review queue: breaks with their state, who has them, and how they were settled. The store is
//! opened for each call, so that the command line and the daily run do not keep each other out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::slow::reconcile::{Break, ReconcileError};

/// The queue's file in the data folder.
pub const REVIEWS_NAME: &str = "reviews.redb";

/// By the break's name, as JSON.
const REVIEWS: TableDefinition<&str, &[u8]> = TableDefinition::new("reviews");

/// How long to wait for another process that has the queue open.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What became of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewState {
    /// Nobody has it.
    Open,
    /// Somebody has it.
    Assigned,
    /// Settled by somebody, who said how.
    Resolved,
    /// A later statement of the same date has it no more.
    Vanished,
}

/// A break under review.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Review {
    /// What differs.
    pub found: Break,
    /// What became of it.
    pub state: ReviewState,
    /// Who has it, or settled it.
    pub owner: String,
    /// How it was settled.
    pub resolution: String,
    /// When it was found first, in seconds since the Unix epoch.
    pub first_seen: i64,
    /// When it was found last.
    pub last_seen: i64,
}

/// The queue of a data folder.
#[derive(Clone, Debug)]
pub struct Queue {
    file: PathBuf,
}

impl Queue {
    /// That of a data folder; it is made when something is put in.
    pub fn of(data: &Path) -> Self {
        Self { file: data.join(REVIEWS_NAME) }
    }

    fn open(&self) -> Result<Database, ReconcileError> {
        let begun = Instant::now();
        loop {
            match Database::create(&self.file) {
                Err(redb::DatabaseError::DatabaseAlreadyOpen) if begun.elapsed() < WAIT_MAX => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                opened => return opened.map_err(|error| self.wrong(error)),
            }
        }
    }

    fn wrong(&self, error: impl std::fmt::Display) -> ReconcileError {
        ReconcileError::Queue(format!("{}: the queue of reviews: {error}", self.file.display()))
    }

    /// All reviews, the newest breaks last.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn all(&self) -> Result<Vec<Review>, ReconcileError> {
        if !self.file.exists() {
            return Ok(Vec::new());
        }
        let read = |database: &Database| -> Result<Vec<Review>, redb::Error> {
            let table = match database.begin_read()?.open_table(REVIEWS) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let mut all = Vec::new();
            for entry in table.iter()? {
                let text = entry?.1;
                all.extend(serde_json::from_slice::<Review>(text.value()));
            }
            Ok(all)
        };
        let mut all = read(&self.open()?).map_err(|error| self.wrong(error))?;
        all.sort_by(|a, b| (a.first_seen, &a.found.id).cmp(&(b.first_seen, &b.found.id)));
        Ok(all)
    }

    fn write(&self, reviews: &[Review]) -> Result<(), ReconcileError> {
        let write = |database: &Database| -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(REVIEWS)?;
                for review in reviews {
                    let text = serde_json::to_vec(review).unwrap_or_default();
                    table.insert(review.found.id.as_str(), text.as_slice())?;
                }
            }
            transaction.commit()?;
            Ok(())
        };
        write(&self.open()?).map_err(|error| self.wrong(error))
    }

    /// Puts the breaks of a run in: new ones open, known ones seen again, and what the same date's
    /// run has no more as vanished. Says how many are new.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn put(
        &self,
        date: jiff::civil::Date,
        breaks: &[Break],
        now: i64,
    ) -> Result<usize, ReconcileError> {
        let known = self.all()?;
        if breaks.is_empty() && known.is_empty() {
            return Ok(0);
        }
        let (mut changed, mut fresh) = (Vec::new(), 0);
        for found in breaks {
            let before = known.iter().find(|review| review.found.id == found.id);
            fresh += usize::from(before.is_none());
            let review = match before {
                None => Review {
                    found: found.clone(),
                    state: ReviewState::Open,
                    owner: String::new(),
                    resolution: String::new(),
                    first_seen: now,
                    last_seen: now,
                },
                Some(before) => {
                    let is_back = before.state == ReviewState::Vanished;
                    let state = if is_back { ReviewState::Open } else { before.state };
                    Review { found: found.clone(), state, last_seen: now, ..before.clone() }
                }
            };
            changed.push(review);
        }
        let is_gone = |review: &&Review| {
            let is_unsettled = matches!(review.state, ReviewState::Open | ReviewState::Assigned);
            let is_found = breaks.iter().any(|found| found.id == review.found.id);
            review.found.date == date && is_unsettled && !is_found
        };
        for review in known.iter().filter(is_gone) {
            changed.push(Review { state: ReviewState::Vanished, ..review.clone() });
        }
        self.write(&changed)?;
        Ok(fresh)
    }

    /// Gives a break to somebody, or settles it where `resolution` says how.
    ///
    /// # Errors
    /// A break that is not in the queue, or is settled.
    pub fn change(
        &self,
        id: &str,
        owner: &str,
        resolution: Option<&str>,
    ) -> Result<Review, ReconcileError> {
        let known = self.all()?;
        let named: Vec<_> = known.iter().filter(|one| one.found.id.starts_with(id)).collect();
        let [before] = named.as_slice() else {
            let what = if named.is_empty() { "no break" } else { "more than one break" };
            return Err(ReconcileError::Queue(format!(
                "{what} is called `{id}`: `wirematch reconcile queue` lists them"
            )));
        };
        if before.state == ReviewState::Resolved {
            return Err(ReconcileError::Queue(format!(
                "break {} was settled by {}: {}",
                before.found.id, before.owner, before.resolution
            )));
        }
        let mut review = (*before).clone();
        review.owner = owner.to_owned();
        review.state = ReviewState::Assigned;
        if let Some(resolution) = resolution {
            review.state = ReviewState::Resolved;
            review.resolution = resolution.to_owned();
        }
        self.write(std::slice::from_ref(&review))?;
        Ok(review)
    }

    /// Breaks found since a moment that are not settled.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn found_since(&self, since: i64) -> Result<usize, ReconcileError> {
        let is_one = |one: &&Review| one.first_seen >= since && one.state != ReviewState::Vanished;
        Ok(self.all()?.iter().filter(is_one).count())
    }
}
