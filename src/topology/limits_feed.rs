//! The limits feed: buying powers that another system keeps in Redis, each of which dies when it is
//! not renewed. What is dead is no limit any more: then nothing is bought, or the bound of our own
//! configuration holds. What is in force is a command in the journal, like every limit.
#![allow(missing_docs, reason = "a key is described in docs/stores.md")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where buying powers are read, and what holds without them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsFeedConfig {
    /// The first account whose buying power is read.
    pub first_account: u32,
    /// The last one.
    pub last_account: u32,
    /// Keys are this, a colon and the account; absent: `wirematch:buying-power`.
    pub prefix: Option<String>,
    /// What holds when a value was not renewed: `refuse` (absent: this) or `local`.
    #[serde(default)]
    pub when_expired: WhenExpired,
}

/// What holds when a value was not renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenExpired {
    /// Nothing can be bought.
    #[default]
    Refuse,
    /// The buying power of the configuration.
    Local,
}

/// Accounts that one thread reads in time.
const ACCOUNTS_MAX: u32 = 4096;

impl LimitsFeedConfig {
    /// Whether it can be.
    pub(super) fn check(&self) -> Result<(), String> {
        let count = self.last_account.checked_sub(self.first_account);
        match count {
            None => Err("[slow.scaled.limits] last_account is before first_account".into()),
            Some(count) if count >= ACCOUNTS_MAX => Err(format!(
                "[slow.scaled.limits] names {} accounts: at most {ACCOUNTS_MAX} are read in time",
                u64::from(count) + 1
            )),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(feature = "scaled")]
pub(super) use running::spawn_limits_feed;

#[cfg(feature = "scaled")]
#[allow(clippy::disallowed_methods, reason = "time-outs of engines are by this machine's clock")]
mod running {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread;
    use std::time::{Duration, Instant};

    use crate::model::AccountId;
    use crate::runtime::{StopFlag, log};
    use crate::slow::stores::redis::Cache;
    use crate::topology::Decimal;
    use crate::topology::limits_feed::{LimitsFeedConfig, WhenExpired};
    use crate::topology::speaker::SharedFacts;

    /// How often values are read.
    const EVERY: Duration = Duration::from_millis(20);
    /// How long what was read holds when nothing can be read.
    const LIFE: Duration = Duration::from_millis(100);

    /// Reads on a thread of its own, and shows the buying powers that should be in force, in
    /// ten-thousandths; `local` has the configuration's.
    pub(crate) fn spawn_limits_feed(
        address: &str,
        config: &LimitsFeedConfig,
        local: BTreeMap<AccountId, i64>,
        stop: StopFlag,
    ) -> std::io::Result<SharedFacts> {
        let wishes = Arc::new(Mutex::new(BTreeMap::new()));
        let mut feed = Feed {
            source: Cache::within(address, LIFE),
            accounts: (config.first_account..=config.last_account).map(AccountId).collect(),
            prefix: config.prefix.clone().unwrap_or_else(|| "wirematch:buying-power".into()),
            when_expired: config.when_expired,
            local,
            read_at: None,
            said: String::new(),
        };
        let shown = Arc::clone(&wishes);
        let body = move || {
            while !stop.is_raised() {
                if let Some(read) = feed.read() {
                    *shown.lock().unwrap_or_else(PoisonError::into_inner) = read;
                }
                thread::sleep(EVERY);
            }
        };
        thread::Builder::new().name("limits-feed".into()).spawn(body)?;
        Ok(wishes)
    }

    struct Feed {
        source: Cache,
        accounts: Vec<AccountId>,
        prefix: String,
        when_expired: WhenExpired,
        local: BTreeMap<AccountId, i64>,
        read_at: Option<Instant>,
        said: String,
    }

    impl Feed {
        /// What should be in force; nothing new where nothing could be read for a moment.
        fn read(&mut self) -> Option<BTreeMap<AccountId, i64>> {
            let keys: Vec<_> = self.accounts.iter().map(|id| self.key(*id)).collect();
            let (texts, mut what) = match self.source.read(&keys) {
                Ok(texts) => {
                    self.read_at = Some(Instant::now());
                    (texts, String::new())
                }
                Err(_) if self.read_at.is_some_and(|at| at.elapsed() < LIFE) => return None,
                Err(error) => (vec![None; keys.len()], error.to_string()),
            };
            let mut wishes = BTreeMap::new();
            let mut expired = 0;
            for (account, text) in self.accounts.iter().zip(&texts) {
                let value = text.as_deref().map(str::parse::<Decimal>);
                if let Some(Err(error)) = &value {
                    what = format!("{}: {error}", self.key(*account));
                }
                let value = value.and_then(Result::ok).map(|decimal| decimal.0);
                expired += usize::from(value.is_none());
                wishes.insert(*account, value.unwrap_or_else(|| self.without(*account)));
            }
            self.say(expired, what);
            Some(wishes)
        }

        fn key(&self, account: AccountId) -> String {
            format!("{}:{}", self.prefix, account.0)
        }

        /// What holds for an account that has no value.
        fn without(&self, account: AccountId) -> i64 {
            match self.when_expired {
                WhenExpired::Refuse => 0,
                WhenExpired::Local => self.local.get(&account).copied().unwrap_or(0),
            }
        }

        /// Tells people once when values are missing, and when they are there again.
        fn say(&mut self, expired: usize, what: String) {
            let sentence = match expired {
                0 => String::new(),
                _ => {
                    let then = match self.when_expired {
                        WhenExpired::Refuse => "they cannot buy",
                        WhenExpired::Local => "the configuration's holds",
                    };
                    let of = self.accounts.len();
                    format!("no buying power was renewed for {expired} of {of} accounts: {then}")
                        + &if what.is_empty() { what } else { format!(" ({what})") }
                }
            };
            if sentence != self.said {
                match sentence.is_empty() {
                    true => log::say("every account's buying power is renewed again"),
                    false => log::alert(&sentence),
                }
                self.said = sentence;
            }
        }
    }
}
