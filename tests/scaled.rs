//! The books on real engines: PostgreSQL with a streaming replica, Redis, and a Kafka cluster in
//! this process. Started here, as an unprivileged user, on ports and in folders of their own.
#![allow(clippy::disallowed_methods, reason = "a test waits for others by the clock")]
#![cfg(feature = "scaled")]

#[path = "scaled/cache.rs"]
mod cache;
#[path = "support/nobody.rs"]
mod nobody;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rdkafka::bindings::rd_kafka_resp_err_t as Refusal;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaApiKey;
use wirematch::journal::{LogKind, Meaning, Opened, Settings, UtcMapping, open};
use wirematch::model::{
    AccountId, Event, EventFlags, EventId, EventKind, Group, InstrumentId, Nanos, Price, Quantity,
    SeqNo, Side,
};
use wirematch::slow::stores::kafka::{EventLog, LogPlace, partition_of, read_partition};
use wirematch::slow::stores::postgres::{Database, Wanted, read_history};
use wirematch::slow::stores::{Keeper, ShardPlace, StoreError};
use wirematch::slow::{AsOf, read_books};

use nobody::{as_nobody, folder_of_nobody, tool};

const TRADES: u64 = 20_000;

/// An event log with trades of sixteen accounts, dealt over the ranges of four shards.
struct Log {
    folder: tempfile::TempDir,
    log: Opened<Event>,
    seq: u64,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            Settings { segment_bytes: 16 << 20, reserve_lines: 64, ..Settings::default() };
        let journal = folder.path().join("journal");
        let events = LogKind::Events.folder(&journal);
        let log = open::<Event>(&events, Meaning::default(), UtcMapping::default(), &settings);
        let log = log.expect("a log");
        let commands = LogKind::Commands.folder(&journal);
        drop(open::<wirematch::model::Command>(
            &commands,
            Meaning::default(),
            UtcMapping::default(),
            &settings,
        ));
        Self { folder, log, seq: 0 }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    fn journal(&self) -> PathBuf {
        self.data().join("journal")
    }

    fn trade(&mut self, count: u64) {
        for _ in 0..count {
            self.seq += 1;
            let seq = self.seq;
            let side = |index, account: u64, side: Side, flags| Event {
                id: EventId::new(SeqNo(seq), index),
                timestamp: Nanos(1_795_446_000_000_000_000 + seq * 1_000),
                account: AccountId(1 + (account % 16) as u32 * 250),
                instrument: InstrumentId(1 + (seq % 3) as u32),
                side: side.code(),
                quantity: Quantity(1 + (seq * 37 % 500) as u32),
                price: Price(1_000_000 + (seq * 7_919 % 5_000) as i64),
                kind: EventKind::Executed.code(),
                flags,
                ..Event::default()
            };
            let maker = side(0, seq, Side::Buy, EventFlags::MAKER);
            self.log.writer.append(&Group::new(maker)).expect("room");
            let taker = side(1, seq * 5 + 3, Side::Sell, EventFlags::LAST);
            self.log.writer.append(&Group::new(taker)).expect("room");
            self.log.writer.commit();
            if seq.is_multiple_of(64) {
                self.log.keeper.step(Duration::from_millis(1));
            }
        }
    }
}

/// A primary and its streaming replica.
struct Postgres {
    folder: tempfile::TempDir,
    ports: [u16; 2],
}

impl Postgres {
    fn start(port: u16) -> Option<Self> {
        let (initdb, base) = (tool("initdb")?, tool("pg_basebackup")?);
        let folder = folder_of_nobody();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let good = |command: &mut Command| {
            let output = command.output().expect("it runs");
            assert!(output.status.success(), "{command:?}: {output:?}");
        };
        let primary = at("p");
        good(as_nobody(&initdb).args(["-D", &primary, "-A", "trust", "-U", "postgres"]).args([
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]));
        let settings = format!(
            "port={port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{}'\nfsync=off\n\
             wal_level=replica\nmax_wal_senders=4\nwal_receiver_status_interval=1\n",
            folder.path().display()
        );
        let file = folder.path().join("p/postgresql.conf");
        let before = fs::read_to_string(&file).expect("initdb wrote it");
        fs::write(&file, before + &settings).expect("a file");
        let access = folder.path().join("p/pg_hba.conf");
        let before = fs::read_to_string(&access).expect("initdb wrote it");
        let more = "host replication all 127.0.0.1/32 trust\n";
        // Who comes as `mallory` needs a password that nobody has.
        let first = "host all mallory 127.0.0.1/32 scram-sha-256\n";
        fs::write(&access, format!("{first}{before}{more}")).expect("a file");
        let postgres = Self { folder, ports: [port, port + 1] };
        postgres.control(0, &["start"]);
        let replica = postgres.place(1);
        good(
            as_nobody(&base)
                .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres"])
                .args(["-D", &replica, "-R", "-C", "-S", "s1", "-X", "stream"])
                .args(["--checkpoint=fast", "--no-sync"]),
        );
        let file = postgres.folder.path().join("s/postgresql.conf");
        let text = fs::read_to_string(&file).expect("it was copied");
        let text = text.replace(&format!("port={port}"), &format!("port={}", port + 1));
        fs::write(&file, text).expect("a file");
        postgres.control(1, &["start"]);
        Some(postgres)
    }

    fn place(&self, which: usize) -> String {
        self.folder.path().join(["p", "s"][which]).display().to_string()
    }

    fn control(&self, which: usize, what: &[&str]) {
        let log = self.folder.path().join("log").display().to_string();
        let place = self.place(which);
        let mut command = as_nobody(&tool("pg_ctl").expect("it is there"));
        command.args(["-D", &place, "-w", "-l", &log]).args(what);
        let _ = command.stdout(std::process::Stdio::null()).status();
    }

    /// Ends it as a crash does.
    fn kill(&self, which: usize) {
        let pid = fs::read_to_string(format!("{}/postmaster.pid", self.place(which)));
        let pid = pid.expect("it runs").lines().next().expect("a number").to_owned();
        // With its children, as when the machine goes: one that outlives it keeps others out.
        let children = Command::new("pgrep").args(["-P", &pid]).output().expect("it runs");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        let all = std::iter::once(pid.as_str()).chain(children.split_whitespace());
        let killed = Command::new("kill").arg("-9").args(all).status();
        assert!(killed.is_ok());
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Starts the primary after a crash: until the last of its children has gone it does not.
    fn start_again(&self) {
        let begun = Instant::now();
        while Client::connect(&self.address(0, "postgres"), NoTls).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "it does not start");
            self.control(0, &["start"]);
        }
    }

    fn address(&self, which: usize, database: &str) -> String {
        let port = self.ports[which];
        format!("host=127.0.0.1 port={port} user=postgres dbname={database}")
    }

    fn client(&self, which: usize, database: &str) -> Client {
        Client::connect(&self.address(which, database), NoTls).expect("it listens")
    }

    /// Four empty databases.
    fn databases(&self) -> Vec<ShardPlace> {
        let mut client = self.client(0, "postgres");
        let place = |shard: u32| {
            let name = format!("books{shard}");
            client.batch_execute(&format!("CREATE DATABASE {name}")).expect("it can");
            ShardPlace {
                first_account: 1 + shard * 1_000,
                primary: self.address(0, &name),
                replica: Some(self.address(1, &name)),
            }
        };
        (0..4).map(place).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for which in [1, 0] {
            self.control(which, &["-m", "immediate", "stop"]);
        }
    }
}

/// Steps until all shards have all there is.
fn follow(keepers: &mut [Keeper], log: &Log) {
    let begun = Instant::now();
    let end = EventId(log.log.writer.last());
    while keepers.iter().any(|keeper| keeper.lag(end, Nanos(0)).records > 0) {
        for keeper in &mut *keepers {
            keeper.step().expect("nothing that waiting does not mend");
        }
        let complaints: Vec<_> = keepers.iter().filter_map(Keeper::complaint).collect();
        assert!(begun.elapsed() < Duration::from_secs(60), "{complaints:?}");
    }
}

/// Rows equal fills equal journal; positions are those of the books; each instrument sums to zero.
fn check(postgres: &Postgres, which: usize, log: &Log) {
    let books = read_books(&log.journal(), log.data(), AsOf::Now).expect("books").books;
    let (mut rows, mut sums) = (0, BTreeMap::<i64, i64>::new());
    for shard in 0..4 {
        let mut client = postgres.client(which, &format!("books{shard}"));
        rows += client.query_one("SELECT count(*) FROM fills", &[]).expect("rows").get::<_, i64>(0);
        let query = "SELECT account, instrument, quantity, realised::text, fills FROM positions";
        for row in client.query(query, &[]).expect("rows") {
            let (account, instrument): (i64, i64) = (row.get(0), row.get(1));
            let ours = books
                .positions
                .get(AccountId(account as u32), InstrumentId(instrument as u32))
                .expect("the books have it");
            assert_eq!(row.get::<_, i64>(2), ours.quantity, "account {account}");
            assert_eq!(row.get::<_, String>(3), ours.realised.0.to_string());
            assert_eq!(row.get::<_, i64>(4) as u64, ours.fills);
            *sums.entry(instrument).or_default() += ours.quantity;
        }
    }
    assert_eq!(rows as u64, 2 * log.seq, "rows equal fills");
    assert!(sums.values().all(|sum| *sum == 0) && sums.len() == 3, "{sums:?}");
}

#[test]
fn positions_and_history_survive_kills_and_the_end_of_a_primary() {
    let Some(postgres) = Postgres::start(25_640) else {
        println!("skipped: PostgreSQL 15 is not there");
        return;
    };
    let places = postgres.databases();
    let mut log = Log::new();
    log.trade(TRADES);
    let mut keepers = Keeper::all(&places, &log.journal(), log.data());
    let begun = Instant::now();
    follow(&mut keepers, &log);
    let rate = 2 * TRADES as u128 * 1000 / begun.elapsed().as_millis().max(1);
    println!("PostgreSQL took in {rate} fills a second");
    check(&postgres, 0, &log);

    // Killed in the middle, started again: it goes on where it was.
    let kills = std::env::var("WIREMATCH_STORE_KILLS").ok().and_then(|text| text.parse().ok());
    for _ in 0..kills.unwrap_or(2) {
        log.trade(TRADES / 4);
        keepers.iter_mut().for_each(|keeper| {
            let _ = keeper.step();
        });
        postgres.kill(0);
        log.trade(TRADES / 4);
        keepers.iter_mut().for_each(|keeper| {
            keeper.step().expect("down is no error");
        });
        postgres.start_again();
        // Whoever follows dies in the middle too.
        keepers = Keeper::all(&places, &log.journal(), log.data());
        keepers.iter_mut().for_each(|keeper| {
            let _ = keeper.step();
        });
        keepers = Keeper::all(&places, &log.journal(), log.data());
        follow(&mut keepers, &log);
        check(&postgres, 0, &log);
    }
    // The appliance killed: its keepers are made anew.
    let mut keepers = Keeper::all(&places, &log.journal(), log.data());
    log.trade(100);
    follow(&mut keepers, &log);
    check(&postgres, 0, &log);
    reads_of_a_replica(&postgres, &mut keepers, &places);
    refusals(&postgres, &log, &places);

    // The primary is gone for good: the replica takes its place, and the old one is fenced.
    postgres.kill(0);
    log.trade(1_000);
    let begun = Instant::now();
    follow(&mut keepers, &log);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    println!("writes went on {:?} after a primary was lost for good", begun.elapsed());
    check(&postgres, 1, &log);
    postgres.start_again();
    let mut keepers = Keeper::all(&places, &log.journal(), log.data());
    log.trade(10);
    follow(&mut keepers, &log);
    check(&postgres, 1, &log);
}

/// What a replica says is new, or refused.
fn reads_of_a_replica(postgres: &Postgres, keepers: &mut [Keeper], places: &[ShardPlace]) {
    let replica = places[0].replica.as_ref().expect("it has one");
    let wanted = Wanted { account: AccountId(1), from: 0, to: u64::MAX, trades: true };
    let begun = Instant::now();
    let fills = "SELECT count(*) FROM fills WHERE account = 1";
    let count = postgres.client(0, "books0").query_one(fills, &[]).expect("a count");
    let count: i64 = count.get(0);
    // What is no older than a second may still lack the last of them.
    let lines = loop {
        keepers.iter_mut().for_each(|keeper| {
            keeper.step().expect("it is well");
        });
        match read_history(replica, &wanted, Duration::from_secs(1)) {
            Ok((lines, _)) if lines.len() as i64 == count => break lines,
            Ok((lines, _)) => assert!(begun.elapsed().as_secs() < 60, "{} lines", lines.len()),
            Err(StoreError::Stale { .. }) if begun.elapsed() < Duration::from_secs(60) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(lines.is_sorted_by(|one, next| one.event < next.event) && !lines.is_empty());
    // Nothing is replayed there for a while: then nothing is told.
    let mut client = postgres.client(1, "books0");
    client.execute("SELECT pg_wal_replay_pause()", &[]).expect("it can");
    std::thread::sleep(Duration::from_millis(1_500));
    let stale = read_history(replica, &wanted, Duration::from_secs(1)).expect_err("it is old");
    assert!(matches!(stale, StoreError::Stale { .. }), "{stale}");
    client.execute("SELECT pg_wal_replay_resume()", &[]).expect("it can");
}

/// Each mistake is one clear sentence.
fn refusals(postgres: &Postgres, log: &Log, places: &[ShardPlace]) {
    let identity = {
        let mut client = postgres.client(0, "books0");
        client.query_one("SELECT journal FROM applied", &[]).expect("a row").get::<_, i64>(0) as u64
    };
    let replica = places[0].replica.as_ref().expect("it has one");
    let told = |address: &str, journal| Database::open(address, journal).expect_err("refused");
    assert!(matches!(told(replica, identity), StoreError::ReadOnly { .. }));
    assert!(matches!(told(&places[0].primary, identity + 1), StoreError::OtherJournal { .. }));
    let stranger = places[0].primary.replace("user=postgres", "user=mallory password=x");
    let denied = told(&stranger, identity);
    assert!(matches!(denied, StoreError::Denied { .. }), "{denied}");
    assert!(!denied.to_string().contains("password=x"), "{denied}");
    let nobody = told("host=127.0.0.1 port=1 user=postgres dbname=x", identity);
    assert!(matches!(nobody, StoreError::Down { .. }), "{nobody}");
    let mut client = postgres.client(0, "books3");
    client.execute("UPDATE applied SET schema = 99", &[]).expect("it can");
    let schema = told(&places[3].primary, identity);
    assert!(matches!(schema, StoreError::Schema { found: 99, .. }), "{schema}");
    client.execute("UPDATE applied SET schema = 1", &[]).expect("it can");
    // Another writer moves it on: who was there before stops.
    let mut first = Database::open(&places[3].primary, identity).expect("it opens");
    client.execute("UPDATE applied SET last_event = last_event + 1", &[]).expect("it can");
    let fenced = first.put(&[], first.last()).expect_err("somebody else wrote");
    assert!(matches!(fenced, StoreError::Fenced { .. }), "{fenced}");
    client.execute("UPDATE applied SET last_event = last_event - 1", &[]).expect("it can");
    assert!(log.seq > 0);
}

/// What no client tries again.
const REFUSED: Refusal = Refusal::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;

#[test]
fn the_event_log_is_whole_and_in_order_whatever_the_brokers_do() {
    let cluster = MockCluster::new(3).expect("it runs in this process");
    let place = LogPlace {
        brokers: cluster.bootstrap_servers(),
        topic: "wirematch-events".into(),
        partitions: 6,
    };
    cluster.create_topic(&place.topic, 6, 3).expect("a topic");
    for partition in 0..place.partitions {
        let leader = 1 + partition % 3;
        cluster.partition_leader(&place.topic, partition, Some(leader)).expect("it can");
    }
    let mut log = Log::new();
    let mut events = EventLog::new(place.clone(), &log.journal());
    let drain = |events: &mut EventLog, log: &Log, most: u64| {
        let begun = Instant::now();
        let end = EventId(log.log.writer.last());
        while events.lag(end, Nanos(0)).records > 0 {
            events.step().expect("the journal is good");
            let _ = events.settle(Duration::from_millis(20));
            let complaint = events.complaint();
            assert!(begun.elapsed() < Duration::from_secs(most), "{complaint:?}");
        }
    };
    log.trade(5_000);
    drain(&mut events, &log, 60);
    // Two of three brokers are down for a while: nothing is lost, what waits is counted.
    cluster.broker_down(1).expect("it can");
    cluster.broker_down(2).expect("it can");
    log.trade(2_000);
    for _ in 0..20 {
        events.step().expect("the journal is good");
        std::thread::sleep(Duration::from_millis(10));
    }
    let end = EventId(log.log.writer.last());
    assert!(events.lag(end, Nanos(0)).records > 0);
    cluster.broker_up(1).expect("it can");
    cluster.broker_up(2).expect("it can");
    drain(&mut events, &log, 60);
    // A broker refuses what it is sent: what was on its way is behind again, not there.
    cluster.request_errors(RDKafkaApiKey::Produce, &[REFUSED; 3]);
    log.trade(500);
    let end = EventId(log.log.writer.last());
    let begun = Instant::now();
    while events.complaint().is_none() {
        events.step().expect("the journal is good");
        assert!(events.lag(end, Nanos(0)).records > 0, "nothing of it can be there");
        assert!(begun.elapsed() < Duration::from_secs(60), "it was refused");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(events.lag(end, Nanos(0)).records > 0, "a loss is no arrival");
    drain(&mut events, &log, 60);
    // The appliance is killed: another takes up where each partition ends.
    drop(events);
    log.trade(3_000);
    let mut events = EventLog::new(place.clone(), &log.journal());
    drain(&mut events, &log, 60);
    assert!(events.settle(Duration::from_secs(60)), "{:?}", events.complaint());
    let mut seen = 0;
    for partition in 0..place.partitions {
        let mut last = EventId(0);
        read_partition(&place, partition, |event| {
            assert_eq!(partition_of(&event, place.partitions), partition);
            assert!(event.id > last, "in order and once");
            last = event.id;
            seen += 1;
        })
        .expect("it can be read");
    }
    assert_eq!(seen, 2 * log.seq, "nothing is missing");
}
