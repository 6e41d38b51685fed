//! One PostgreSQL database: the positions and the history of a range of accounts. Every batch is
//! one transaction, with the last event in it; who finds that moved by somebody else stops.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::config::Config;
use postgres::error::SqlState;
use postgres::{Client, NoTls, Transaction};

use crate::model::{AccountId, Event, EventId, EventKind, InstrumentId, Price};
use crate::slow::stores::StoreError;
use crate::slow::{Money, Position, Positions};

/// Version of the tables below.
const SCHEMA: i32 = 1;

/// How long a database may take for anything before it counts as down.
const TIMEOUT: Duration = Duration::from_secs(3);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS applied (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        schema integer NOT NULL, journal bigint NOT NULL, last_event bigint NOT NULL,
        epoch bigint NOT NULL, beat_at timestamptz NOT NULL);
    CREATE TABLE IF NOT EXISTS positions (
        account bigint NOT NULL, instrument bigint NOT NULL, quantity bigint NOT NULL,
        cost numeric NOT NULL, realised numeric NOT NULL, cash numeric NOT NULL,
        turnover numeric NOT NULL, volume numeric NOT NULL, fills bigint NOT NULL,
        PRIMARY KEY (account, instrument));
    CREATE TABLE IF NOT EXISTS history (
        event bigint PRIMARY KEY, at bigint NOT NULL, kind smallint NOT NULL,
        account bigint NOT NULL, instrument bigint NOT NULL, side smallint NOT NULL,
        quantity bigint NOT NULL, price bigint NOT NULL, session bigint NOT NULL,
        ordinal bigint NOT NULL, reference bigint NOT NULL, flags smallint NOT NULL,
        reason smallint NOT NULL);
    CREATE INDEX IF NOT EXISTS history_by_account ON history (account, at);
    CREATE OR REPLACE VIEW fills AS SELECT * FROM history WHERE kind = 4;";

/// An open database.
pub struct Database {
    client: Client,
    /// Its address, without secrets.
    name: String,
    /// The last event in it.
    last: EventId,
    /// Its positions as of that event.
    positions: Positions,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which database, in words without secrets. The name of a name is itself.
pub fn name_of(address: &str) -> String {
    const TOLD: [&str; 5] = ["host=", "hostaddr=", "port=", "user=", "dbname="];
    let Some((scheme, rest)) = address.split_once("://") else {
        let is_told = |part: &&str| TOLD.iter().any(|key| part.starts_with(key));
        return address.split_whitespace().filter(is_told).collect::<Vec<_>>().join(" ");
    };
    // Who comes and with what stands before an @; what follows a ? may be a password as well.
    let place = rest.split('?').next().unwrap_or_default();
    let host = match place.rsplit_once('@') {
        Some((_, host)) => host,
        None if rest.contains('@') => "",
        None => place,
    };
    format!("{scheme}://{host}")
}

/// Reaches a database, with a bound on how long anything takes there.
pub(super) fn reach(address: &str) -> Result<Client, StoreError> {
    let store = name_of(address);
    let mut config: Config = address.parse().map_err(|error: postgres::Error| {
        StoreError::Denied { store: store.clone(), what: error.to_string() }
    })?;
    let milliseconds = TIMEOUT.as_millis();
    config.connect_timeout(TIMEOUT).tcp_user_timeout(TIMEOUT);
    config.options(&format!("-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"));
    config.connect(NoTls).map_err(|error| failure(&store, &error))
}

/// What PostgreSQL said, as one of our sentences.
pub(super) fn failure(store: &str, error: &postgres::Error) -> StoreError {
    let (store, what) = (
        store.to_owned(),
        match error.as_db_error() {
            Some(said) => said.message().to_owned(),
            None => error.to_string(),
        },
    );
    match error.code() {
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            StoreError::ReadOnly { store }
        }
        Some(code) if *code == SqlState::DISK_FULL => StoreError::Full { store, what },
        Some(code)
            if *code == SqlState::INVALID_PASSWORD
                || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                || *code == SqlState::INSUFFICIENT_PRIVILEGE
                || *code == SqlState::INVALID_CATALOG_NAME =>
        {
            StoreError::Denied { store, what }
        }
        _ => StoreError::Down { store, what },
    }
}

impl Database {
    /// Opens a database, makes its tables where there are none, and reads how far it is.
    ///
    /// # Errors
    /// A database that is down, denied, read-only, of another version or of another journal.
    pub fn open(address: &str, journal: u64) -> Result<Self, StoreError> {
        let (mut client, name) = (reach(address)?, name_of(address));
        let wrong = |error: postgres::Error| failure(&name, &error);
        let is_replica: bool =
            client.query_one("SELECT pg_is_in_recovery()", &[]).map_err(wrong)?.get(0);
        if is_replica {
            return Err(StoreError::ReadOnly { store: name });
        }
        let has = client.query_one("SELECT to_regclass('applied') IS NOT NULL", &[]);
        let has_tables: bool = has.map_err(wrong)?.get(0);
        if !has_tables {
            client.batch_execute(TABLES).map_err(wrong)?;
            let first = "INSERT INTO applied (schema, journal, last_event, epoch, beat_at) \
                         VALUES ($1, $2, 0, 1, now()) ON CONFLICT DO NOTHING";
            client.execute(first, &[&SCHEMA, &(journal as i64)]).map_err(wrong)?;
        }
        let row = client.query_one("SELECT schema, journal, last_event FROM applied", &[]);
        let row = row.map_err(wrong)?;
        let (found, of, last): (i32, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if found != SCHEMA {
            return Err(StoreError::Schema { store: name, found, wanted: SCHEMA });
        }
        if of as u64 != journal {
            return Err(StoreError::OtherJournal { store: name });
        }
        let last = EventId(last as u64);
        let positions = load(&mut client, last).map_err(|error| failure(&name, &error))?;
        Ok(Self { client, name, last, positions })
    }

    /// The last event in it.
    pub fn last(&self) -> EventId {
        self.last
    }

    /// Its address, without secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts a batch in, at once or not at all; events that are in it already are passed over. With
    /// nothing to put in it only beats, so that a replica's age can be told.
    ///
    /// # Errors
    /// What the database says; it must be opened again then.
    pub fn put(&mut self, events: &[Event], upto: EventId) -> Result<(), StoreError> {
        let fresh: Vec<Event> = events.iter().filter(|one| one.id > self.last).copied().collect();
        for event in &fresh {
            self.positions.apply(event)?;
        }
        let changes = self.positions.take_changes();
        let changed: Vec<_> = changes
            .iter()
            .filter_map(|key| Some((*key, *self.positions.get(key.0, key.1)?)))
            .collect();
        let upto = upto.max(self.last);
        let (name, last) = (self.name.clone(), self.last);
        let outcome = (|| {
            let mut transaction = self.client.transaction()?;
            // Two round trips saved where there is nothing to write.
            write_history(&mut transaction, &fresh)?;
            write_positions(&mut transaction, &changed)?;
            let moved = transaction.execute(
                "UPDATE applied SET last_event = $1, beat_at = now() WHERE last_event = $2",
                &[&(upto.0 as i64), &(last.0 as i64)],
            )?;
            if moved == 1 {
                transaction.commit()?;
            }
            Ok(moved)
        })();
        match outcome {
            Ok(1) => {
                self.last = upto;
                Ok(())
            }
            Ok(_) => Err(self.fenced(last)),
            Err(error) => Err(failure(&name, &error)),
        }
    }

    fn fenced(&mut self, ours: EventId) -> StoreError {
        let row = self.client.query_one("SELECT last_event FROM applied", &[]);
        let found = row.map_or(0, |row| row.get::<_, i64>(0) as u64);
        StoreError::Fenced { store: self.name.clone(), found, ours: ours.0 }
    }

    /// Asks whether it is well.
    ///
    /// # Errors
    /// What it says, or that it says nothing.
    pub fn health(&mut self) -> Result<(), StoreError> {
        let name = &self.name;
        self.client.simple_query("SELECT 1").map(drop).map_err(|error| failure(name, &error))
    }
}

/// Makes a replica the primary, and raises the epoch in it.
///
/// # Errors
/// What it says.
pub fn promote(address: &str) -> Result<(), StoreError> {
    let (mut client, name) = (reach(address)?, name_of(address));
    let wrong = |error: postgres::Error| failure(&name, &error);
    let row = client.query_one("SELECT pg_is_in_recovery()", &[]).map_err(wrong)?;
    if row.get(0) {
        client.batch_execute("SET statement_timeout = '30s'").map_err(wrong)?;
        client.query_one("SELECT pg_promote(true, 25)", &[]).map_err(wrong)?;
    }
    client.execute("UPDATE applied SET epoch = epoch + 1", &[]).map_err(wrong)?;
    Ok(())
}

fn load(client: &mut Client, last: EventId) -> Result<Positions, postgres::Error> {
    let rows = client.query(
        "SELECT account, instrument, quantity, cost::text, realised::text, cash::text, \
         turnover::text, volume::text, fills FROM positions",
        &[],
    )?;
    let mut held = BTreeMap::new();
    for row in rows {
        let number = |at: usize| row.get::<_, String>(at).parse::<i128>().unwrap_or(0);
        let (account, instrument): (i64, i64) = (row.get(0), row.get(1));
        let position = Position {
            quantity: row.get(2),
            cost: Money(number(3)),
            realised: Money(number(4)),
            cash: Money(number(5)),
            turnover: Money(number(6)),
            volume: number(7) as u64,
            fills: row.get::<_, i64>(8) as u64,
            fees: Money::ZERO,
        };
        held.insert((AccountId(account as u32), InstrumentId(instrument as u32)), position);
    }
    Ok(Positions::restored(held, BTreeMap::<InstrumentId, Price>::new(), last))
}

/// A column of numbers.
fn column<T>(rows: &[T], of: impl Fn(&T) -> i64) -> Vec<i64> {
    rows.iter().map(of).collect()
}

fn write_history(
    transaction: &mut Transaction<'_>,
    events: &[Event],
) -> Result<(), postgres::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let small = |of: fn(&Event) -> i16| events.iter().map(of).collect::<Vec<i16>>();
    transaction.execute(
        "INSERT INTO history SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], \
         $4::bigint[], $5::bigint[], $6::smallint[], $7::bigint[], $8::bigint[], $9::bigint[], \
         $10::bigint[], $11::bigint[], $12::smallint[], $13::smallint[]) \
         ON CONFLICT (event) DO NOTHING",
        &[
            &column(events, |event| event.id.0 as i64),
            &column(events, |event| event.timestamp.0 as i64),
            &small(|event| event.kind.into()),
            &column(events, |event| event.account.0.into()),
            &column(events, |event| event.instrument.0.into()),
            &small(|event| event.side.into()),
            &column(events, |event| event.quantity.0.into()),
            &column(events, |event| event.price.0),
            &column(events, |event| event.session.0.into()),
            &column(events, |event| event.ordinal.into()),
            &column(events, |event| event.reference.0 as i64),
            &small(|event| event.flags.0.into()),
            &small(|event| event.reason.into()),
        ],
    )?;
    Ok(())
}

/// A position and whose it is.
type Row = ((AccountId, InstrumentId), Position);

fn write_positions(transaction: &mut Transaction<'_>, rows: &[Row]) -> Result<(), postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let text = |of: fn(&Position) -> i128| {
        rows.iter().map(|(_, position)| of(position).to_string()).collect::<Vec<String>>()
    };
    transaction.execute(
        "INSERT INTO positions SELECT a, i, q, c::numeric, r::numeric, m::numeric, t::numeric, \
         v::numeric, f FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
         $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[]) \
         AS new(a, i, q, c, r, m, t, v, f) ON CONFLICT (account, instrument) DO UPDATE SET \
         quantity = EXCLUDED.quantity, cost = EXCLUDED.cost, realised = EXCLUDED.realised, \
         cash = EXCLUDED.cash, turnover = EXCLUDED.turnover, volume = EXCLUDED.volume, \
         fills = EXCLUDED.fills",
        &[
            &column(rows, |row| row.0.0.0.into()),
            &column(rows, |row| row.0.1.0.into()),
            &column(rows, |row| row.1.quantity),
            &text(|position| position.cost.0),
            &text(|position| position.realised.0),
            &text(|position| position.cash.0),
            &text(|position| position.turnover.0),
            &text(|position| position.volume.into()),
            &column(rows, |row| row.1.fills as i64),
        ],
    )?;
    Ok(())
}

/// Whether an event is an account's history: what only the feed is told is not.
pub(super) fn is_history(event: &Event) -> bool {
    use EventKind as K;
    let kind = EventKind::from_code(event.kind);
    let is_quiet = matches!(
        kind,
        None | Some(K::Nothing | K::Rested | K::Reduced | K::Indicative | K::NextOrdinal)
    );
    event.account.0 != 0 && !is_quiet
}

/// A line of an account's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event.
    pub event: EventId,
    /// Log time.
    pub at: u64,
    /// An [`EventKind`].
    pub kind: u8,
    /// Of what.
    pub instrument: InstrumentId,
    /// A side.
    pub side: u8,
    /// How much.
    pub quantity: u32,
    /// At which price.
    pub price: Price,
    /// The order, as SESSION:NUMBER.
    pub order: String,
}

/// What a reader asks a replica for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whose.
    pub account: AccountId,
    /// From this log time on.
    pub from: u64,
    /// Before this log time.
    pub to: u64,
    /// Executions alone.
    pub trades: bool,
}

/// Reads an account's history from a replica that is not further behind than `most`.
///
/// # Errors
/// A replica that is down or stale.
pub fn read_history(
    address: &str,
    wanted: &Wanted,
    most: Duration,
) -> Result<(Vec<Line>, Duration), StoreError> {
    let (mut client, name) = (reach(address)?, name_of(address));
    let wrong = |error: postgres::Error| failure(&name, &error);
    let age = "SELECT greatest(0, extract(epoch FROM clock_timestamp() - beat_at) * 1000)::bigint \
               FROM applied";
    let behind: i64 = client.query_one(age, &[]).map_err(wrong)?.get(0);
    let behind = Duration::from_millis(behind as u64);
    if behind > most {
        return Err(StoreError::Stale {
            store: name,
            behind_ms: behind.as_millis() as u64,
            most_ms: most.as_millis() as u64,
        });
    }
    let rows = client.query(
        "SELECT event, at, kind, instrument, side, quantity, price, session, ordinal \
         FROM history WHERE account = $1 AND at >= $2 AND at < $3 AND (kind = 4 OR NOT $4) \
         ORDER BY event",
        &[
            &i64::from(wanted.account.0),
            &(wanted.from.min(i64::MAX as u64) as i64),
            &(wanted.to.min(i64::MAX as u64) as i64),
            &wanted.trades,
        ],
    );
    let line = |row: &postgres::Row| Line {
        event: EventId(row.get::<_, i64>(0) as u64),
        at: row.get::<_, i64>(1) as u64,
        kind: row.get::<_, i16>(2) as u8,
        instrument: InstrumentId(row.get::<_, i64>(3) as u32),
        side: row.get::<_, i16>(4) as u8,
        quantity: row.get::<_, i64>(5) as u32,
        price: Price(row.get(6)),
        order: format!("{}:{}", row.get::<_, i64>(7), row.get::<_, i64>(8)),
    };
    Ok((rows.map_err(wrong)?.iter().map(line).collect(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_no_password_and_is_its_own_name() {
        for (address, name) in [
            ("postgres://w:hush@h:5432/books", "postgres://h:5432/books"),
            ("postgres://w:hu@sh@h/books?sslmode=disable", "postgres://h/books"),
            ("postgres://h/books?user=w&password=hush", "postgres://h/books"),
            ("postgres://w:a?hush@h/books", "postgres://"),
            (
                "host=h port=1 user=w password=hush dbname=books",
                "host=h port=1 user=w dbname=books",
            ),
            ("host=h password = 'hush hush' user=w", "host=h user=w"),
        ] {
            assert_eq!(name_of(address), name);
            assert_eq!(name_of(name), name);
        }
    }
}
