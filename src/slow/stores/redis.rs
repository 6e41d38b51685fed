//! What others read often, in Redis: risk limits, and the top of each book as matching has it,
//! which is before the release gate: for the house. What everybody may see is the outlet's, under
//! another key. Everything there dies by itself when it is not renewed, so that nobody reads what
//! is old: limits after 300 ms, tops after a second. A cache alone: what is written there is never
//! read back. What others keep there can be read, see [`Cache::read`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::AccountId;
use crate::slow::stores::StoreError;

/// The hash of buying powers, by account.
pub const LIMITS_KEY: &str = "wirematch:limits";

/// How long limits live.
const LIMITS_MS: i64 = 300;

/// How long a top lives.
const TOP_MS: u64 = 1000;

/// How long Redis may take.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The top of one book.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct CachedTop {
    /// The instrument's symbol.
    pub symbol: String,
    /// Best bid, in ten-thousandths.
    pub bid: i64,
    /// Quantity there.
    pub bid_quantity: u64,
    /// Best offer, in ten-thousandths.
    pub ask: i64,
    /// Quantity there.
    pub ask_quantity: u64,
}

/// A cache that is written.
pub struct Cache {
    address: String,
    /// How long it may take.
    patience: Duration,
    connection: Option<redis::Connection>,
}

impl Cache {
    /// Not yet connected.
    pub fn new(address: &str) -> Self {
        Self::within(address, TIMEOUT)
    }

    /// The same for one who waits no longer than this.
    pub fn within(address: &str, patience: Duration) -> Self {
        Self { address: address.to_owned(), patience, connection: None }
    }

    /// Its address, without a password.
    fn name(&self) -> String {
        let host = self.address.rsplit('@').next().unwrap_or_default();
        format!("redis {}", host.trim_start_matches("redis://"))
    }

    fn failure(&self, error: &redis::RedisError) -> StoreError {
        let (store, what) = (self.name(), error.to_string());
        match error.kind() {
            redis::ErrorKind::AuthenticationFailed => StoreError::Denied { store, what },
            redis::ErrorKind::Server(redis::ServerErrorKind::ReadOnly) => {
                StoreError::ReadOnly { store }
            }
            _ if what.contains("NOAUTH") || what.contains("WRONGPASS") => {
                StoreError::Denied { store, what }
            }
            _ if what.contains("OOM") => StoreError::Full { store, what },
            _ => StoreError::Down { store, what },
        }
    }

    /// Writes limits and tops, all in one go.
    ///
    /// # Errors
    /// What Redis says; the next call connects again.
    pub fn put(
        &mut self,
        limits: &BTreeMap<AccountId, i64>,
        tops: &[CachedTop],
    ) -> Result<(), StoreError> {
        let outcome = self.try_put(limits, tops);
        if outcome.is_err() {
            self.connection = None;
        }
        outcome.map_err(|error| self.failure(&error))
    }

    fn try_put(
        &mut self,
        limits: &BTreeMap<AccountId, i64>,
        tops: &[CachedTop],
    ) -> redis::RedisResult<()> {
        let connection = self.connect()?;
        let mut pipe = redis::pipe();
        if !limits.is_empty() {
            let fields: Vec<_> =
                limits.iter().map(|(account, value)| (account.0, *value)).collect();
            pipe.hset_multiple(LIMITS_KEY, &fields).ignore();
            pipe.pexpire(LIMITS_KEY, LIMITS_MS).ignore();
        }
        for top in tops {
            let text = serde_json::to_string(top).unwrap_or_default();
            pipe.pset_ex(top_key(&top.symbol), text, TOP_MS).ignore();
        }
        pipe.query::<()>(connection)
    }

    /// Reads values, each where it has not died.
    ///
    /// # Errors
    /// What Redis says; the next call connects again.
    pub fn read(&mut self, keys: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        let read = |connection: &mut redis::Connection| {
            redis::cmd("MGET").arg(keys).query::<Vec<Option<String>>>(connection)
        };
        let outcome = self.connect().and_then(read);
        if outcome.is_err() {
            self.connection = None;
        }
        outcome.map_err(|error| self.failure(&error))
    }

    fn connect(&mut self) -> redis::RedisResult<&mut redis::Connection> {
        if self.connection.is_none() {
            let client = redis::Client::open(self.address.as_str())?;
            let connection = client.get_connection_with_timeout(self.patience)?;
            connection.set_read_timeout(Some(self.patience))?;
            connection.set_write_timeout(Some(self.patience))?;
            self.connection = Some(connection);
        }
        let gone = || redis::RedisError::from(std::io::Error::other("no connection"));
        self.connection.as_mut().ok_or_else(gone)
    }
}

/// The key of a book's top, as matching has it.
pub fn top_key(symbol: &str) -> String {
    format!("wirematch:matching:top:{symbol}")
}
