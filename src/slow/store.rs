//! Where the books live on disk: an embedded store, written in transactions that carry the id of
//! the last event with them. Others may read it while it is written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use redb::{
    Builder, ConcurrencyMode, Database, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, WriteTransaction,
};

use crate::model::{AccountId, EventId, InstrumentId, Nanos, Price};
use crate::slow::books::{Books, Changed, Counts, Due, DueKey, Fact, Purse};
use crate::slow::positions::Changes;
use crate::slow::rules::Currency;
use crate::slow::{Money, Position, Positions, SlowError};

/// The store's file in the data folder.
pub const STORE_NAME: &str = "positions.redb";

/// Account and instrument.
type Key = (u32, u32);

/// A [`Position`], field by field.
type Value = (i64, i128, i128, i128, i128, u64, u64, i128);

const POSITIONS: TableDefinition<Key, Value> = TableDefinition::new("positions");
const LAST_PRICES: TableDefinition<u32, i64> = TableDefinition::new("last_prices");
/// Account and currency; moved, traded, fees.
const PURSES: TableDefinition<Key, (i128, i128, i128)> = TableDefinition::new("purses");
/// Account, currency, venue, whether it was resting.
const FEES: TableDefinition<(u32, u32, &str, bool), i128> = TableDefinition::new("fees");
/// Day as 20261123, account, instrument; shares and money.
const DUE: TableDefinition<(i32, u32, u32), (i64, i128)> = TableDefinition::new("due");
/// By name, as JSON.
const MOVEMENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("movements");
const FACTS: TableDefinition<u32, (i64, u64, u64)> = TableDefinition::new("facts");
const UNDONE: TableDefinition<u64, u64> = TableDefinition::new("undone");
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");

/// Version of the tables above.
const FORMAT: u64 = 2;

/// Memory the store may use for its cache.
const CACHE_BYTES: usize = 64 << 20;

/// What a store holds: which journal and which rules it was made from, and the books.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// The checksum of the event log's first segment header, which is another for every log.
    pub journal: u64,
    /// Tells the rules from others.
    pub rules: u64,
    /// The books, kept by no rules yet.
    pub books: Books,
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
    pub fn commit(&mut self, journal: u64, books: &mut Books) -> Result<(), SlowError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.file)?,
        };
        let (changes, changed) = (books.positions.take_changes(), books.take_changed());
        let gone = books.take_settled();
        let written = guarded(&self.file, || {
            let transaction = database.begin_write()?;
            write_positions(&transaction, &books.positions, &changes)?;
            write_books(&transaction, books, &changed, &gone)?;
            write_about(&transaction, journal, books)?;
            transaction.commit()?;
            Ok(())
        });
        match written {
            Ok(()) => self.database = Some(database),
            Err(_) => {
                books.positions.put_back(changes);
                books.put_back(changed);
            }
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
            for table in transaction.list_tables()?.collect::<Vec<_>>() {
                transaction.delete_table(table)?;
            }
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

fn write_positions(
    transaction: &WriteTransaction,
    positions: &Positions,
    changes: &Changes,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(POSITIONS)?;
    let mut prices = transaction.open_table(LAST_PRICES)?;
    for &(account, instrument) in changes {
        if let Some(position) = positions.get(account, instrument) {
            table.insert((account.0, instrument.0), value(position))?;
        }
        if let Some(price) = positions.last_price(instrument) {
            prices.insert(instrument.0, price.0)?;
        }
    }
    Ok(())
}

fn write_books(
    transaction: &WriteTransaction,
    books: &Books,
    changed: &Changed,
    gone: &[DueKey],
) -> Result<(), redb::Error> {
    let mut purses = transaction.open_table(PURSES)?;
    for key in &changed.purses {
        if let Some(Purse { moved, traded, fees }) = books.purses.get(key) {
            purses.insert((key.0.0, key.1.code()), (moved.0, traded.0, fees.0))?;
        }
    }
    let mut fees = transaction.open_table(FEES)?;
    for key in &changed.fees {
        if let Some(fee) = books.fees.get(key) {
            fees.insert((key.0.0, key.1.code(), key.2.as_str(), key.3), fee.0)?;
        }
    }
    let mut due = transaction.open_table(DUE)?;
    for key in &changed.due {
        if let Some(Due { quantity, cash }) = books.due.get(key) {
            due.insert((day(key.0), key.1.0, key.2.0), (*quantity, cash.0))?;
        }
    }
    for key in gone {
        due.remove((day(key.0), key.1.0, key.2.0))?;
    }
    let mut movements = transaction.open_table(MOVEMENTS)?;
    for name in &changed.movements {
        if let Some(movement) = books.movements.get(name) {
            let text = serde_json::to_vec(movement).unwrap_or_default();
            movements.insert(name.as_str(), text.as_slice())?;
        }
    }
    let mut facts = transaction.open_table(FACTS)?;
    for account in &changed.facts {
        if let Some(Fact { value, changed_at, told }) = books.facts.get(account) {
            facts.insert(account.0, (*value, *changed_at, *told))?;
        }
    }
    let mut undone = transaction.open_table(UNDONE)?;
    for number in &changed.undone {
        undone.insert(number, books.undone.get(number).copied().unwrap_or(0))?;
    }
    Ok(())
}

fn write_about(
    transaction: &WriteTransaction,
    journal: u64,
    books: &Books,
) -> Result<(), redb::Error> {
    let mut about = transaction.open_table(ABOUT)?;
    let Counts { undone_again, repeated, overdrawn, elsewhere } = books.counts;
    let numbers = [
        ("format", FORMAT),
        ("journal", journal),
        ("rules", books.rules.digest()),
        ("last_applied", books.last_applied().0),
        ("last_time", books.last_time.0),
        ("undone_again", undone_again),
        ("repeated", repeated),
        ("overdrawn", overdrawn),
        ("elsewhere", elsewhere),
    ];
    for (name, number) in numbers {
        about.insert(name, number)?;
    }
    Ok(())
}

/// A date as a number in which dates are in order.
fn day(date: Date) -> i32 {
    i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day())
}

fn date(day: i32) -> Result<Date, redb::Error> {
    let parts = (day / 10_000, day / 100 % 100, day % 100);
    Date::new(parts.0 as i16, parts.1 as i8, parts.2 as i8)
        .map_err(|error| redb::Error::Corrupted(error.to_string()))
}

fn currency(code: u32) -> Result<Currency, redb::Error> {
    Currency::from_code(code).ok_or_else(|| redb::Error::Corrupted("no currency".into()))
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
    let mut books = Books::default();
    books.positions = load_positions(&transaction, EventId(number("last_applied")?))?;
    books.last_time = Nanos(number("last_time")?);
    books.counts = Counts {
        undone_again: number("undone_again")?,
        repeated: number("repeated")?,
        overdrawn: number("overdrawn")?,
        elsewhere: number("elsewhere")?,
    };
    load_books(&transaction, &mut books)?;
    Ok(Held { journal: number("journal")?, rules: number("rules")?, books })
}

fn load_positions(
    transaction: &ReadTransaction,
    last_applied: EventId,
) -> Result<Positions, redb::Error> {
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
    Ok(Positions::restored(held, prices, last_applied))
}

fn load_books(transaction: &ReadTransaction, books: &mut Books) -> Result<(), redb::Error> {
    for entry in transaction.open_table(PURSES)?.iter()? {
        let ((account, code), (moved, traded, fees)) =
            entry.map(|(k, v)| (k.value(), v.value()))?;
        let [moved, traded, fees] = [moved, traded, fees].map(Money);
        let key = (AccountId(account), currency(code)?);
        books.purses.insert(key, Purse { moved, traded, fees });
    }
    for entry in transaction.open_table(FEES)?.iter()? {
        let (key, value) = entry?;
        let (account, code, venue, is_maker) = key.value();
        let key = (AccountId(account), currency(code)?, venue.to_owned(), is_maker);
        books.fees.insert(key, Money(value.value()));
    }
    for entry in transaction.open_table(DUE)?.iter()? {
        let ((day, account, id), (quantity, cash)) = entry.map(|(k, v)| (k.value(), v.value()))?;
        let key = (date(day)?, AccountId(account), InstrumentId(id));
        books.due.insert(key, Due { quantity, cash: Money(cash) });
    }
    for entry in transaction.open_table(MOVEMENTS)?.iter()? {
        let (name, text) = entry?;
        let movement = serde_json::from_slice(text.value())
            .map_err(|error| redb::Error::Corrupted(format!("a movement of cash: {error}")))?;
        books.movements.insert(name.value().to_owned(), movement);
    }
    for entry in transaction.open_table(FACTS)?.iter()? {
        let (account, (value, changed_at, told)) = entry.map(|(k, v)| (k.value(), v.value()))?;
        books.facts.insert(AccountId(account), Fact { value, changed_at, told });
    }
    for entry in transaction.open_table(UNDONE)?.iter()? {
        let (number, by) = entry?;
        books.undone.insert(number.value(), by.value());
    }
    Ok(())
}

fn value(position: &Position) -> Value {
    let Position { quantity, cost, realised, cash, turnover, volume, fills, fees } = *position;
    (quantity, cost.0, realised.0, cash.0, turnover.0, volume, fills, fees.0)
}

fn position(value: Value) -> Position {
    let (quantity, cost, realised, cash, turnover, volume, fills, fees) = value;
    let [cost, realised, cash, turnover, fees] = [cost, realised, cash, turnover, fees].map(Money);
    Position { quantity, cost, realised, cash, turnover, volume, fills, fees }
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
