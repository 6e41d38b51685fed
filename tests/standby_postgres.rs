//! PostgreSQL as the witness, a real one: its answers are the arbiter's, step by step; of two
//! machines that race one wins; a take-over is decided by it; while it is away nobody is primary.
#![allow(clippy::disallowed_methods, reason = "a test waits for others by the clock")]
#![cfg(feature = "scaled")]

#[path = "support/nobody.rs"]
mod nobody;
#[path = "support/pair.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod pair;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use wirematch::flow::Dice;
use wirematch::model::Nanos;
use wirematch::replica::{Arbiter, ArbiterState, Name, Question};
use wirematch::runtime::Clock;
use wirematch::topology::DatabaseArbiter;

use nobody::{as_nobody, folder_of_nobody, tool};
use pair::{MILLISECOND, Pair};

/// A database of our own; none where there is no PostgreSQL.
struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
}

impl Postgres {
    fn start(port: u16) -> Option<Self> {
        let Some(initdb) = tool("initdb") else {
            println!("skipped: PostgreSQL 15 is not there");
            return None;
        };
        let folder = folder_of_nobody();
        let place = folder.path().join("p").display().to_string();
        let made = as_nobody(&initdb)
            .args(["-D", &place, "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C"])
            .output()
            .expect("it runs");
        assert!(made.status.success(), "{made:?}");
        let settings = format!(
            "port={port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{}'\nfsync=off\n",
            folder.path().display()
        );
        let file = folder.path().join("p/postgresql.conf");
        let before = fs::read_to_string(&file).expect("initdb wrote it");
        fs::write(&file, before + &settings).expect("a file");
        let postgres = Self { folder, port };
        postgres.control(&["start"]);
        Some(postgres)
    }

    fn control(&self, what: &[&str]) {
        let log = self.folder.path().join("log").display().to_string();
        let place = self.folder.path().join("p").display().to_string();
        let mut command = as_nobody(&tool("pg_ctl").expect("it is there"));
        command.args(["-D", &place, "-w", "-l", &log]).args(what);
        let status = command.stdout(Stdio::null()).status().expect("it runs");
        assert!(status.success(), "{what:?}");
    }

    fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn arbiter(&self, pair: &str, lease: Nanos) -> DatabaseArbiter {
        DatabaseArbiter::new(&self.address(), pair, lease).expect("an address")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.folder.path().join("p/postmaster.pid").exists() {
            self.control(&["stop", "-m", "immediate"]);
        }
    }
}

const A: Name = Name([1; 16]);
const B: Name = Name([2; 16]);

/// Any question of either machine, of this epoch or one before.
fn any_question(dice: &mut Dice, epoch: u32) -> Question {
    let name = if dice.percent(50) { A } else { B };
    let heir = match dice.below(5) {
        0 | 1 => A,
        2 | 3 => B,
        _ => Name::default(),
    };
    let epoch = epoch.saturating_sub(u32::from(dice.percent(15)));
    match dice.below(8) {
        0..3 => Question::Acquire { name, life: [dice.below(2) as u8; 16] },
        3..7 => Question::Renew { name, epoch, heir },
        _ => Question::Release { name, epoch },
    }
}

#[test]
fn the_database_says_what_the_arbiter_says_and_two_leases_never_overlap() {
    const LEASE: Nanos = Nanos(100);
    let Some(postgres) = Postgres::start(26_431) else { return };
    for seed in 0..4 {
        let mut dice = Dice::new(seed);
        let mut arbiter = Arbiter::new(ArbiterState::default(), LEASE, Nanos(0));
        // Two machines ask, each over a line of its own.
        let pair = format!("pair {seed}");
        let mut machines = [0; 2].map(|_| postgres.arbiter(&pair, LEASE));
        let mut now = 1_000;
        let (mut ends, mut holders) = (BTreeMap::new(), BTreeMap::new());
        for step in 0..400 {
            now += dice.below(70);
            let question = any_question(&mut dice, arbiter.state().epoch);
            let expected = arbiter.judge(&question, Nanos(now));
            let machine = &mut machines[dice.below(2) as usize];
            // On a busy machine it may be too slow for the bound on everything; nothing is said then.
            let judged = (0..100).find_map(|_| machine.judge(&question, Some(Nanos(now))).ok());
            let judged = judged.expect("it is there");
            let here = (expected.granted, *arbiter.state());
            assert_eq!((judged.granted, judged.state), here, "{seed}, {step}: {question:?}");
            let (name, is_release) = match question {
                Question::Acquire { name, .. } | Question::Renew { name, .. } => (name, false),
                Question::Release { name, .. } => (name, true),
            };
            if judged.granted {
                let others = ends.iter().filter(|(other, _)| **other != name);
                let is_free = others.map(|(_, end)| *end).all(|end: u64| end <= now);
                assert!(is_free || is_release, "two hold a lease at {now}");
                ends.insert(name, if is_release { now } else { now + LEASE.0 });
                let holder = *holders.entry(judged.state.epoch).or_insert(name);
                assert_eq!(holder, judged.state.holder, "an epoch has one holder");
            }
        }
        assert!(holders.len() > 10, "too few take-overs to mean anything");
    }
}

#[test]
fn of_two_machines_that_race_one_is_primary_in_an_epoch() {
    const LEASE: Nanos = Nanos(20 * MILLISECOND);
    let Some(postgres) = Postgres::start(26_433) else { return };
    let began = Instant::now();
    let won: Vec<Vec<(u32, Name)>> = std::thread::scope(|scope| {
        let machines = [(A, B), (B, A)].map(|(name, heir)| {
            let mut arbiter = postgres.arbiter("race", LEASE);
            scope.spawn(move || {
                let mut won = Vec::new();
                while began.elapsed() < Duration::from_secs(3) {
                    let wish = Question::Acquire { name, life: [1; 16] };
                    let Ok(judged) = arbiter.judge(&wish, None) else { continue };
                    if judged.granted {
                        let epoch = judged.state.epoch;
                        won.push((epoch, name));
                        let renew = Question::Renew { name, epoch, heir };
                        // The other may have it only when the lease is over.
                        let _ = arbiter.judge(&renew, None);
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
                won
            })
        });
        machines.into_iter().map(|machine| machine.join().expect("it ends")).collect()
    });
    let mut epochs: Vec<u32> = won.iter().flatten().map(|(epoch, _)| *epoch).collect();
    println!("{} and {} epochs", won[0].len(), won[1].len());
    assert!(won.iter().all(|won| won.len() > 3), "both are primary now and then");
    epochs.sort_unstable();
    let count = epochs.len();
    epochs.dedup();
    assert_eq!(epochs.len(), count, "an epoch was granted twice");
}

#[test]
fn a_take_over_is_decided_by_postgres_and_without_it_nobody_is_primary() {
    let Some(postgres) = Postgres::start(26_435) else { return };
    let witness = format!("witness = \"{}\"\n", postgres.address());
    let mut pair = Pair::start(&witness);
    pair.client.work(Nanos(300 * MILLISECOND), true);
    for _ in 0..3 {
        let took = pair.kill_primary();
        println!("first new answer after {} ms", took.0 / MILLISECOND);
        pair.start_standby();
        pair.client.work(Nanos(100 * MILLISECOND), true);
    }
    // A machine whose answer was lost asks again, and has one more.
    assert!(pair.client.roamer.session().epoch() >= 4, "{}", pair.words());
    assert!(!pair.witness.has_said("is primary"), "nobody asked the process");
    postgres.control(&["stop", "-m", "immediate"]);
    pair.client.work(Nanos(500 * MILLISECOND), true);
    let before = pair.client.book.answered.len();
    pair.client.work(Nanos(500 * MILLISECOND), true);
    assert_eq!(pair.client.book.answered.len(), before, "the lease is over: {}", pair.words());
    postgres.control(&["start"]);
    let mut patience = 3_000;
    while pair.client.book.answered.len() < before + 100 {
        pair.client.work(Nanos(10 * MILLISECOND), true);
        patience -= 1;
        assert!(patience > 0, "nobody answers again: {}", pair.words());
    }
    pair.settle();
    pair.check();
    let now = pair.client.clock.now();
    println!("done at {now:?}");
}
