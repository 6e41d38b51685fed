//! Primary, standby and witness as processes, and a client that is told nothing of who is which:
//! the primary is killed under load, again and again, and each time the other one takes over.
//! `WIREMATCH_FAILOVERS` sets how often.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

#[path = "support/pair.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod pair;

#[path = "support/market.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod market;

#[path = "standby/tape.rs"]
#[allow(unreachable_pub, reason = "a test's own part")]
mod tape;

use wirematch::model::Nanos;
use wirematch::runtime::Clock;
use wirematch::wire::itch::Message;

use market::Market;
use pair::{MILLISECOND, Pair, percentile};
use tape::Tape;

#[test]
fn whoever_is_killed_nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let kills: u32 =
        std::env::var("WIREMATCH_FAILOVERS").map_or(10, |n| n.parse().expect("a number"));
    let mut pair = Pair::start("");
    let mut failovers = Vec::new();
    for _ in 0..kills {
        let span = 5 + pair.client.dice.below(60);
        pair.client.work(Nanos(span * MILLISECOND), true);
        let killed_at = pair.client.clock.now().0 / 1_000 % 10_000_000;
        let took = pair.kill_primary();
        if took.0 > 150 * MILLISECOND {
            println!("killed at {killed_at} µs, {} ms: {}", took.0 / MILLISECOND, pair.words());
        }
        failovers.push(took);
        pair.start_standby();
    }
    pair.settle();
    pair.check();
    println!(
        "{kills} kills of the primary: first new answer after p50 {:.1} ms, p99 {:.1} ms",
        percentile(&mut failovers, 50),
        percentile(&mut failovers, 99)
    );
}

/// What the client sends is answered, by whoever.
fn is_answered(pair: &mut Pair, when: &str) {
    let before = pair.client.book.answered.len();
    let mut patience = 6_000;
    while pair.client.book.answered.len() < before + 100 {
        pair.client.work(Nanos(10 * MILLISECOND), true);
        patience -= 1;
        assert!(patience > 0, "{when} nobody answers: {}", pair.words());
    }
}

#[test]
fn a_primary_that_was_paused_says_nothing_more_and_one_that_is_alone_goes_on() {
    let mut pair = Pair::start("");
    is_answered(&mut pair, "at first");
    let paused = pair.primary;
    let now = pair.client.clock.now();
    assert_eq!(pair.client.roamer.session().epoch(), 1);
    pair.machines[paused].as_ref().expect("it runs").signal("STOP");
    pair.first_answer_after(now);
    assert_eq!(pair.client.roamer.session().epoch(), 2, "the client knows who is primary");
    pair.primary = 1 - paused;
    is_answered(&mut pair, "while one is paused");
    let zombie = pair.machines[paused].as_mut().expect("it is there");
    zombie.signal("CONT");
    zombie.wait_for("primary no longer");
    let ended = (0..60_000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        zombie.ended()
    });
    assert_eq!(ended, Some(1), "it ends, and says so");
    is_answered(&mut pair, "alone");
    let primary = pair.machines[pair.primary].as_ref().expect("it runs");
    assert!(primary.has_said("there is no standby; replies wait for: synced"), "{}", pair.words());
    pair.start_standby();
    is_answered(&mut pair, "with a standby again");
    let other = 1 - pair.primary;
    pair.machines[other].as_mut().expect("it runs").kill();
    is_answered(&mut pair, "when the standby is killed");
    pair.start_standby();
    pair.settle();
    pair.check();
}

#[test]
fn the_feed_goes_on_at_the_heir_and_a_number_never_means_two_messages() {
    let mut pair = Pair::start("");
    let tape = Tape::of(&pair);
    for _ in 0..3 {
        pair.client.work(Nanos(50 * MILLISECOND), true);
        pair.kill_primary();
        pair.start_standby();
    }
    is_answered(&mut pair, "after three kills");
    pair.settle();
    let messages = tape.whole(pair.primary);
    let (mut market, mut trades) = (Market::default(), 0u64);
    for bytes in &messages {
        let message = Message::decode(bytes).expect("a good message");
        market.take(&message);
        trades += u64::from(matches!(message, Message::OrderExecuted(_)));
    }
    println!("{} messages, {trades} trades, {} orders shown", messages.len(), market.0.len());
    // Each of the client's trades is there: its own feed, its own orders, nobody else's.
    assert_eq!(trades, pair.client.book.fills.len() as u64);
    pair.check();
}

/// An operator of the primary does something with the day; what that prints.
fn day(pair: &Pair, arguments: &[&str]) -> String {
    let data = pair.configs[pair.primary].with_file_name("data");
    let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_wirematch"));
    process.arg("day").args(arguments);
    match arguments[0] {
        "show" => process.arg("--config").arg(&pair.configs[pair.primary]),
        _ => process.args(["--actor", "ann", "--reason", "a drill", "--data"]).arg(data),
    };
    let output = process.output().expect("the binary starts");
    assert!(output.status.success(), "{output:?}, {}", pair.words());
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn a_day_that_was_rolled_is_rolled_at_the_heir() {
    let mut pair = Pair::start("");
    is_answered(&mut pair, "on the first day");
    day(&pair, &["roll"]);
    is_answered(&mut pair, "on the second day");
    pair.kill_primary();
    pair.start_standby();
    is_answered(&mut pair, "at the heir");
    let shown = day(&pair, &["show", "--json"]);
    assert!(shown.contains("\"day\":2") && shown.contains("\"actor\":\"ann\""), "{shown}");
    // One that is over when the primary dies is over at the heir, which starts the next.
    day(&pair, &["end"]);
    pair.kill_primary();
    pair.start_standby();
    let shown = day(&pair, &["show", "--json"]);
    assert!(shown.contains("\"day\":2") && shown.contains("\"is_over\":true"), "{shown}");
    day(&pair, &["start"]);
    is_answered(&mut pair, "on the third day");
    pair.settle();
    pair.check();
}

/// The numbers that the names of a machine's snapshots have.
fn snapshots_of(pair: &Pair, at: usize) -> Vec<std::path::PathBuf> {
    let folder = pair.folder.path().join(["one", "two"][at]).join("data/snapshots");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = files.map(|file| file.path()).collect();
    names.retain(|path| path.extension().is_some_and(|kind| kind == "snapshot"));
    names
}

#[test]
fn a_standby_takes_snapshots_and_begins_from_them_and_so_does_it_when_it_is_primary() {
    let mut pair = Pair::start("[snapshots]\nevery_commands = 2000\nkeep = 2\n");
    let standby = 1 - pair.primary;
    let mut patience = 3_000;
    while snapshots_of(&pair, standby).is_empty() {
        pair.client.work(Nanos(20 * MILLISECOND), true);
        patience -= 1;
        assert!(patience > 0, "it takes none: {}", pair.words());
    }
    pair.machines[standby].as_mut().expect("it runs").kill();
    is_answered(&mut pair, "alone");
    pair.start_standby();
    let again = pair.machines[standby].as_ref().expect("it runs");
    assert!(again.has_said("begun from the snapshot at command"), "{}", pair.words());
    assert!(!again.has_said("not begun from"), "{}", pair.words());
    pair.kill_primary();
    let before = snapshots_of(&pair, pair.primary);
    let mut patience = 3_000;
    while snapshots_of(&pair, pair.primary) == before {
        pair.client.work(Nanos(20 * MILLISECOND), true);
        patience -= 1;
        assert!(patience > 0, "as primary it takes none: {}", pair.words());
    }
    pair.start_standby();
    pair.settle();
    pair.check();
}

#[test]
fn a_standby_that_does_not_belong_is_refused_with_a_sentence() {
    let mut pair = Pair::start("");
    let other = 1 - pair.primary;
    pair.machines[other].take().expect("it runs").kill();
    let host = format!("127.0.0.1:{}", pair.ports[pair.primary]);
    let good = std::fs::read_to_string(&pair.configs[other]).expect("it is there");
    for (from, to, word) in [
        ("a secret", "another secret", "could not prove that it has the key"),
        ("orders_max = 4194304", "orders_max = 4194304\nfills_per_command_max = 7", "differs"),
        ("name = \"two\"", "name = \"one\"", "both have one name"),
    ] {
        let path = pair.folder.path().join("bad.toml");
        std::fs::write(&path, good.replacen(from, to, 1)).expect("the folder is ours");
        let path = path.to_str().expect("a name");
        let arguments = ["run", "--no-table", "--config", path, "--standby", &host];
        let mut stranger = pair::Process::start(&arguments, &[]);
        stranger.wait_for(word);
        let ended = (0..60_000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            stranger.ended()
        });
        assert_eq!(ended, Some(2), "{word}");
    }
    // Nobody is primary twice.
    let path = pair.configs[other].to_str().expect("a name");
    let second = pair::Process::start(&["run", "--no-table", "--config", path], &[]);
    second.wait_for("one is primary, in epoch 1");
    is_answered(&mut pair, "all the while");
}
