//! `[slow.scaled]`: which engines the books are on beside the embedded ones, and the threads that
//! follow the journal into them. Without the feature `scaled` the keys are known and refused.
#![allow(missing_docs, reason = "a key is described in docs/stores.md")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::LimitsFeedConfig;

/// Engines, and how far they may be behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScaledConfig {
    /// Databases by range of accounts.
    pub postgres: Vec<PostgresConfig>,
    /// The broker of the event log.
    pub kafka: Option<KafkaConfig>,
    /// The cache, as redis://HOST:PORT.
    pub redis: Option<String>,
    /// Records waiting, beyond what one group commit takes, before orders are slowed.
    pub lag_records: Option<u64>,
    /// The same in bytes.
    pub lag_bytes: Option<u64>,
    /// The same by the age of the oldest.
    pub lag_ms: Option<u64>,
    /// Orders are refused at so many times that.
    pub refuse_at: Option<u64>,
    /// How old what a replica says may be.
    pub stale_ms: Option<u64>,
    /// Buying powers that another system keeps in Redis.
    pub limits: Option<LimitsFeedConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// The first account of its range; the next one's ends it.
    pub first_account: u32,
    /// Where it is written: host, port, user and database.
    pub primary: String,
    /// Where it is read, and what takes the primary's place.
    pub replica: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Addresses of some of its brokers, with commas between.
    pub brokers: String,
    /// Absent: `wirematch-events`.
    pub topic: Option<String>,
    /// Of a topic that is made; absent: 6.
    pub partitions: Option<i32>,
}

impl ScaledConfig {
    /// Whether any engine is named.
    pub fn is_used(&self) -> bool {
        !self.postgres.is_empty() || self.kafka.is_some() || self.redis.is_some()
    }

    /// Where buying powers are read, if they are.
    #[cfg(feature = "scaled")]
    pub(super) fn limits_in_redis(&self) -> Option<(&str, &LimitsFeedConfig)> {
        Some((self.redis.as_deref()?, self.limits.as_ref()?))
    }

    /// Whether it can be.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.is_used() && !cfg!(feature = "scaled") {
            return Err("[slow.scaled] names engines, and this build has none: \
                        cargo build --release --features scaled"
                .into());
        }
        let mut first: Vec<_> = self.postgres.iter().map(|one| one.first_account).collect();
        first.sort_unstable();
        first.dedup();
        if first.len() != self.postgres.len() {
            return Err("two databases of [slow.scaled] begin with the same account".into());
        }
        if self.limits.is_some() && self.redis.is_none() {
            return Err("[slow.scaled.limits] is read from Redis: name it as `redis`".into());
        }
        self.limits.as_ref().map_or(Ok(()), LimitsFeedConfig::check)
    }
}

#[cfg(feature = "scaled")]
pub(super) use running::{Engines, spawn_engines};

#[cfg(feature = "scaled")]
#[allow(clippy::disallowed_methods, reason = "time-outs of engines are by this machine's clock")]
mod running {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread;
    use std::time::{Duration, Instant};

    use crate::journal::Progress;
    use crate::model::{AccountId, EventId};
    use crate::runtime::{Clock, StopFlag, SystemClock, log};
    use crate::slow::stores::kafka::{EventLog, LogPlace};
    use crate::slow::stores::redis::{Cache, CachedTop};
    use crate::slow::stores::{Bounds, Keeper, Lag, Pressure, ShardPlace, StoreError, Strain};
    use crate::stage::Board;
    use crate::topology::ScaledConfig;

    const PAUSE: Duration = Duration::from_millis(2);
    /// Limits reach the cache at least so often.
    const RENEW: Duration = Duration::from_millis(50);

    /// What the engines are made of.
    pub(crate) struct Engines {
        pub(crate) config: ScaledConfig,
        pub(crate) journal: PathBuf,
        pub(crate) data: PathBuf,
        pub(crate) progress: Arc<Progress>,
        pub(crate) clock: SystemClock,
        pub(crate) stop: StopFlag,
        pub(crate) is_behind: Arc<AtomicBool>,
        pub(crate) board: Arc<Board>,
        pub(crate) symbols: Vec<String>,
        pub(crate) facts: Arc<Mutex<BTreeMap<AccountId, i64>>>,
    }

    type Lags = Arc<Mutex<BTreeMap<String, Lag>>>;

    /// One that follows the journal.
    trait Follower: Send {
        fn step(&mut self) -> Result<usize, StoreError>;
        fn lag(&self, appended: EventId, now: crate::model::Nanos) -> Lag;
        fn complaint(&self) -> Option<&str>;
    }

    impl Follower for Keeper {
        fn step(&mut self) -> Result<usize, StoreError> {
            Keeper::step(self)
        }
        fn lag(&self, appended: EventId, now: crate::model::Nanos) -> Lag {
            Keeper::lag(self, appended, now)
        }
        fn complaint(&self) -> Option<&str> {
            Keeper::complaint(self)
        }
    }

    impl Follower for EventLog {
        fn step(&mut self) -> Result<usize, StoreError> {
            EventLog::step(self)
        }
        fn lag(&self, appended: EventId, now: crate::model::Nanos) -> Lag {
            EventLog::lag(self, appended, now)
        }
        fn complaint(&self) -> Option<&str> {
            EventLog::complaint(self)
        }
    }

    /// Starts a thread for each engine, and one that judges how far they are behind.
    pub(crate) fn spawn_engines(engines: Engines) -> std::io::Result<()> {
        let lags = Lags::default();
        let Engines { config, journal, data, .. } = &engines;
        let places: Vec<_> = config
            .postgres
            .iter()
            .map(|one| ShardPlace {
                first_account: one.first_account,
                primary: one.primary.clone(),
                replica: one.replica.clone(),
            })
            .collect();
        for (at, keeper) in Keeper::all(&places, journal, data).into_iter().enumerate() {
            follow(&engines, &lags, format!("postgres-{at}"), Box::new(keeper))?;
        }
        if let Some(kafka) = &config.kafka {
            let topic = kafka.topic.clone().unwrap_or_else(|| "wirematch-events".into());
            let (brokers, partitions) = (kafka.brokers.clone(), kafka.partitions.unwrap_or(6));
            let log = EventLog::new(LogPlace { brokers, topic, partitions }, journal);
            follow(&engines, &lags, "kafka".into(), Box::new(log))?;
        }
        if let Some(address) = &config.redis {
            renew(&engines, address)?;
        }
        judge(engines, lags)
    }

    fn follow(
        engines: &Engines,
        lags: &Lags,
        name: String,
        mut follower: Box<dyn Follower>,
    ) -> std::io::Result<()> {
        let (stop, clock) = (engines.stop.clone(), engines.clock.clone());
        let (progress, lags, title) =
            (Arc::clone(&engines.progress), Arc::clone(lags), name.clone());
        let body = move || {
            let mut said = None;
            let mut retry_at: Option<Instant> = None;
            while !stop.is_raised() {
                let is_waiting = retry_at.is_some_and(|at| at > Instant::now());
                let step = if is_waiting { Ok(0) } else { follower.step() };
                let complaint = match &step {
                    Ok(_) => follower.complaint().map(str::to_owned),
                    Err(error) => Some(error.to_string()),
                };
                if step.is_err() {
                    retry_at = Some(Instant::now() + Duration::from_secs(1));
                } else if !is_waiting {
                    retry_at = None;
                }
                if complaint != said && !is_waiting {
                    match &complaint {
                        Some(what) => log::alert(what),
                        None => log::say(&format!("{name} follows again")),
                    }
                    said = complaint;
                }
                let appended = EventId(progress.appended());
                let lag = follower.lag(appended, clock.now());
                lags.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), lag);
                if !matches!(step, Ok(count) if count > 0) {
                    thread::sleep(PAUSE);
                }
            }
        };
        thread::Builder::new().name(title).spawn(body).map(drop)
    }

    /// Renews the cache, at once when an account's money moved.
    fn renew(engines: &Engines, address: &str) -> std::io::Result<()> {
        let (stop, board) = (engines.stop.clone(), Arc::clone(&engines.board));
        let (facts, symbols) = (Arc::clone(&engines.facts), engines.symbols.clone());
        let mut cache = Cache::new(address);
        let body = move || {
            let (mut last, mut at, mut said) = (BTreeMap::new(), Instant::now(), None);
            while !stop.is_raised() {
                let now = facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if now != last || at.elapsed() >= RENEW {
                    let top =
                        |(symbol, (_, top)): (&String, (_, crate::stage::TopOfBook))| CachedTop {
                            symbol: symbol.clone(),
                            bid: top.bid,
                            bid_quantity: top.bid_quantity,
                            ask: top.ask,
                            ask_quantity: top.ask_quantity,
                        };
                    let tops: Vec<_> = symbols.iter().zip(board.tops()).map(top).collect();
                    let complaint = cache.put(&now, &tops).err().map(|error| error.to_string());
                    if complaint != said {
                        match &complaint {
                            Some(what) => log::alert(what),
                            None => log::say("the cache is written again"),
                        }
                        said = complaint;
                    }
                    (last, at) = (now, Instant::now());
                }
                thread::sleep(PAUSE);
            }
        };
        thread::Builder::new().name("redis".into()).spawn(body).map(drop)
    }

    /// Says how far the engines are behind, and has orders refused past the bound.
    fn judge(engines: Engines, lags: Lags) -> std::io::Result<()> {
        let bounds = bounds_of(&engines.config);
        let Engines { stop, is_behind, data, .. } = engines;
        let body = move || {
            let (mut pressure, mut said, mut turn) = (Pressure::default(), Strain::None, 0u32);
            while !stop.is_raised() {
                let all = lags.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let worst = all.values().fold(Lag::default(), |worst, lag| Lag {
                    records: worst.records.max(lag.records),
                    bytes: worst.bytes.max(lag.bytes),
                    age_ms: worst.age_ms.max(lag.age_ms),
                });
                let strain = pressure.judge(worst, &bounds);
                if strain != said {
                    say(strain, worst);
                    said = strain;
                }
                turn = turn.wrapping_add(1);
                // Slowed: every other tenth of a second.
                let is_shut =
                    strain == Strain::Refused || strain == Strain::Slowed && turn.is_multiple_of(2);
                is_behind.store(is_shut, Ordering::Relaxed);
                tell(&data, &all, strain);
                thread::sleep(Duration::from_millis(100));
            }
        };
        thread::Builder::new().name("strain".into()).spawn(body).map(drop)
    }

    fn bounds_of(config: &ScaledConfig) -> Bounds {
        let default = Bounds::default();
        Bounds {
            records: config.lag_records.unwrap_or(default.records),
            bytes: config.lag_bytes.unwrap_or(default.bytes),
            age_ms: config.lag_ms.unwrap_or(default.age_ms),
            refuse_at: config.refuse_at.unwrap_or(default.refuse_at),
        }
    }

    fn say(strain: Strain, lag: Lag) {
        let Lag { records, bytes, age_ms } = lag;
        let what = match strain {
            Strain::None => "the stores keep up again",
            Strain::Slowed => "the stores are behind: orders are slowed",
            Strain::Refused => "the stores are too far behind: orders are refused",
        };
        log::alert(&format!("{what} ({records} records, {bytes} bytes, {age_ms} ms)"));
    }

    /// Puts the figures where people and programs find them.
    fn tell(data: &Path, lags: &BTreeMap<String, Lag>, strain: Strain) {
        let text = serde_json::json!({ "strain": strain, "lag": lags }).to_string();
        let unfinished = data.join("strain.json.new");
        if std::fs::write(&unfinished, text).is_ok() {
            let _ = std::fs::rename(&unfinished, data.join("strain.json"));
        }
    }
}
