//! Where positions live on disk: an embedded store, written in transactions that carry the id of
//! the last event with them. Others may read it while it is written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, ConcurrencyMode, Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::model::{AccountId, EventId, InstrumentId, Price};
use crate::slow::{Money, Position, Positions, SlowError};

/// The store's file in the data folder.
pub const STORE_NAME: &str = "positions.redb";

/// Account and instrument.
type Key = (u32, u32);

/// A [`Position`], field by field.
type Value = (i64, i128, i128, i128, i128, u64, u64);

const POSITIONS: TableDefinition<Key, Value> = TableDefinition::new("positions");
const LAST_PRICES: TableDefinition<u32, i64> = TableDefinition::new("last_prices");
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");

/// Version of the tables above.
const FORMAT: u64 = 1;

/// Memory the store may use for its cache.
const CACHE_BYTES: usize = 64 << 20;

/// What a store holds: which journal it was made from, and the positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The checksum of the event log's first segment header, which is another for every log.
    pub journal: u64,
    /// The positions.
    pub positions: Positions,
}

/// An open store.
pub struct Store {
    file: PathBuf,
    /// None after a write failed: it is opened again for the next.
    database: Option<Database>,
}

impl Store {
    /// Opens or creates the store, after checking all of it.
    ///
    /// # Errors
    /// A store that another process writes, or that is damaged.
    pub fn open(file: &Path) -> Result<Self, SlowError> {
        let database = open(file)?;
        Ok(Self { file: file.to_owned(), database: Some(database) })
    }

    /// All it holds.
    ///
    /// # Errors
    /// A store that is damaged or of another version.
    pub fn load(&self) -> Result<Held, SlowError> {
        match &self.database {
            Some(database) => guarded(&self.file, || load(database)),
            None => Err(unusable(&self.file)("a write failed before")),
        }
    }

    /// Reads a store that another process may be writing.
    ///
    /// # Errors
    /// A store that is not there, or cannot be read as it is.
    pub fn read(file: &Path) -> Result<Held, SlowError> {
        guarded(file, || load(&builder().open_read_only(file)?))
    }

    /// Stores what changed, and how far history is in it, at once or not at all.
    ///
    /// # Errors
    /// What the disk or the store said; the changes then wait for the next call.
    pub fn commit(&mut self, journal: u64, positions: &mut Positions) -> Result<(), SlowError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.file)?,
        };
        let changes = positions.take_changes();
        let written = guarded(&self.file, || {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(POSITIONS)?;
                let mut prices = transaction.open_table(LAST_PRICES)?;
                for &(account, instrument) in &changes {
                    if let Some(position) = positions.get(account, instrument) {
                        table.insert((account.0, instrument.0), value(position))?;
                    }
                    if let Some(price) = positions.last_price(instrument) {
                        prices.insert(instrument.0, price.0)?;
                    }
                }
                let mut about = transaction.open_table(ABOUT)?;
                about.insert("format", FORMAT)?;
                about.insert("journal", journal)?;
                about.insert("last_applied", positions.last_applied().0)?;
            }
            transaction.commit()?;
            Ok(())
        });
        match written {
            Ok(()) => self.database = Some(database),
            Err(_) => positions.put_back(changes),
        }
        written
    }

    /// Empties it: positions are then folded again from the start of the journal.
    ///
    /// # Errors
    /// What the disk or the store said.
    pub fn clear(&mut self) -> Result<(), SlowError> {
        let Some(database) = &self.database else { return Ok(()) };
        guarded(&self.file, || {
            let transaction = database.begin_write()?;
            transaction.delete_table(POSITIONS)?;
            transaction.delete_table(LAST_PRICES)?;
            transaction.delete_table(ABOUT)?;
            transaction.commit()?;
            Ok(())
        })
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("file", &self.file).finish_non_exhaustive()
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

fn open(file: &Path) -> Result<Database, SlowError> {
    guarded(file, || {
        if !file.exists() {
            create(file)?;
        }
        Ok(builder().set_check_integrity_on_open(true).open(file)?)
    })
}

/// Makes an empty store. It gets its name when it is whole, because one that was killed while it
/// was being made can never be opened again.
fn create(file: &Path) -> Result<(), redb::Error> {
    let unfinished = file.with_extension("new");
    // Left behind by whoever was killed here before.
    let _ = fs::remove_file(&unfinished);
    builder().create(&unfinished)?.close()?;
    fs::rename(&unfinished, file)?;
    // A name without a folder before it has an empty parent.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
}

fn load(database: &impl ReadableDatabase) -> Result<Held, redb::Error> {
    let transaction = database.begin_read()?;
    let about = match transaction.open_table(ABOUT) {
        Ok(about) => about,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Held::default()),
        Err(error) => return Err(error.into()),
    };
    let number = |name: &str| -> Result<u64, redb::Error> {
        Ok(about.get(name)?.map_or(0, |value| value.value()))
    };
    let format = number("format")?;
    if format != FORMAT {
        return Err(redb::Error::Corrupted(format!("format {format}, this build reads {FORMAT}")));
    }
    let mut held = BTreeMap::new();
    for entry in transaction.open_table(POSITIONS)?.iter()? {
        let (key, value) = entry?;
        let (account, instrument) = key.value();
        held.insert((AccountId(account), InstrumentId(instrument)), position(value.value()));
    }
    let mut prices = BTreeMap::new();
    for entry in transaction.open_table(LAST_PRICES)?.iter()? {
        let (key, value) = entry?;
        prices.insert(InstrumentId(key.value()), Price(value.value()));
    }
    let positions = Positions::restored(held, prices, EventId(number("last_applied")?));
    Ok(Held { journal: number("journal")?, positions })
}

fn value(position: &Position) -> Value {
    let Position { quantity, cost, realised, cash, turnover, volume, fills } = *position;
    (quantity, cost.0, realised.0, cash.0, turnover.0, volume, fills)
}

fn position(value: Value) -> Position {
    let (quantity, cost, realised, cash, turnover, volume, fills) = value;
    let [cost, realised, cash, turnover] = [cost, realised, cash, turnover].map(Money);
    Position { quantity, cost, realised, cash, turnover, volume, fills }
}

fn unusable(file: &Path) -> impl Fn(&str) -> SlowError {
    |what| SlowError::Unusable { file: file.to_owned(), what: what.to_owned() }
}

/// Calls into the store. It may panic over a damaged file, and that too is only a damaged file.
fn guarded<T>(file: &Path, call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, SlowError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => {
            Err(SlowError::Locked { file: file.to_owned() })
        }
        Ok(Err(error)) => Err(unusable(file)(&error.to_string())),
        Err(_) => Err(unusable(file)("it is damaged")),
    }
}
