//! Positions from outside: through the binary, and across a killed process.

use std::fs;
use std::path::Path;
use std::process::{Command as Process, Output};
use std::time::Duration;

use wirematch::journal::{LogKind, Meaning, Opened, Settings, UtcMapping, open};
use wirematch::model::{
    AccountId, Event, EventFlags, EventId, EventKind, Group, InstrumentId, Price, Quantity, SeqNo,
    Side,
};
use wirematch::slow::{AsOf, STORE_NAME, SlowPath, Source, Store, read_books};

/// An event log below a data folder, with so many trades between accounts 1 and 2.
fn write_log(data: &Path, trades: u64) -> Opened<Event> {
    let settings = Settings { segment_bytes: 4 << 20, reserve_lines: 64, ..Settings::default() };
    let folder = LogKind::Events.folder(&data.join("journal"));
    let mut log =
        open::<Event>(&folder, Meaning::default(), UtcMapping::default(), &settings).unwrap();
    for seq in 1..=trades {
        let side = |index, account, side: Side, flags| Event {
            id: EventId::new(SeqNo(seq), index),
            account: AccountId(account),
            instrument: InstrumentId(9),
            side: side.code(),
            quantity: Quantity(100),
            price: Price(1_000_000 + 5_000 * (seq as i64 % 3)),
            kind: EventKind::Executed.code(),
            flags,
            ..Event::default()
        };
        let maker = side(0, 1, Side::Buy, EventFlags::MAKER);
        log.writer.append(&Group::new(maker)).unwrap();
        log.writer.append(&Group::new(side(1, 2, Side::Sell, EventFlags::LAST))).unwrap();
        log.writer.commit();
    }
    log
}

fn positions(data: &Path, arguments: &[&str]) -> Output {
    let mut process = Process::new(env!("CARGO_BIN_EXE_wirematch"));
    process.arg("positions").arg(data).args(arguments).output().expect("the binary runs")
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("the binary writes text")
}

#[test]
fn positions_add_up_with_and_without_a_store() {
    let data = tempfile::tempdir().unwrap();
    let _log = write_log(data.path(), 2);
    let folded = out(&positions(data.path(), &[]));
    let rows: Vec<Vec<&str>> =
        folded.lines().map(|line| line.split_whitespace().collect()).collect();
    let first =
        ["1", "9", "200", "100.75", "101.00", "0.00", "50.00", "-20150.00", "0.00", "200", "2"];
    let second =
        ["2", "9", "-200", "100.75", "101.00", "0.00", "-50.00", "20150.00", "0.00", "-200", "2"];
    assert_eq!(rows[1], first, "{folded}");
    assert_eq!(rows[2], second, "{folded}");
    assert_eq!(rows[3], ["total", "0.00", "0.00", "0.00", "0.00", "4"], "{folded}");
    let money: Vec<String> = rows[5..7].iter().map(|row| row.join(" ")).collect();
    assert_eq!(money[0], "1 USD 0.00 -20150.00 0.00 -20150.00", "{folded}");
    assert_eq!(rows[7].join(" "), "as of event 2.1");

    let mut slow = SlowPath::open(&data.path().join("journal"), data.path()).unwrap();
    while slow.step().unwrap() > 0 {}
    slow.store().unwrap();
    // While another process has the store open for writing.
    let stored = positions(data.path(), &[]);
    assert_eq!((out(&stored), stored.stderr), (folded, vec![]));
    let json = out(&positions(data.path(), &["--account", "2", "--json"]));
    let rows: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(rows.len(), 3, "{json}");
    assert_eq!((&rows[0]["quantity"], &rows[1]["balance"]), (&"-200".into(), &"20150.00".into()));
    assert_eq!(rows[2]["cash"], "20150.00");
    let before = out(&positions(data.path(), &["--account", "2", "--as-of", "1", "--json"]));
    assert!(before.contains("\"quantity\":\"-100\""), "{before}");
    let nothing = positions(&data.path().join("nothing"), &[]);
    assert_eq!(nothing.status.code(), Some(2));
}

/// Not a test of its own: the process that [`a_killed_process_leaves_a_good_store`] kills.
#[test]
fn child_that_stores() {
    let Some(data) = std::env::var_os("WIREMATCH_TEST_DATA") else { return };
    let data = Path::new(&data);
    let mut slow = SlowPath::open(&data.join("journal"), data).unwrap();
    loop {
        slow.step().unwrap();
        slow.store().unwrap();
    }
}

#[test]
fn a_killed_process_leaves_a_good_store() {
    let data = tempfile::tempdir().unwrap();
    let _log = write_log(data.path(), 30_000);
    let expected = read_books(&data.path().join("journal"), data.path(), AsOf::Now).unwrap();
    assert!(matches!(expected.source, Source::Journal(_)));
    for round in 0..24 {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_stores"])
            .env("WIREMATCH_TEST_DATA", data.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 + 4 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // Whoever asks now is told the same, whatever state the store is in.
        let found = read_books(&data.path().join("journal"), data.path(), AsOf::Now).unwrap();
        assert_eq!(found.books.positions.snapshot(None), expected.books.positions.snapshot(None));
    }
    let mut slow = SlowPath::open(&data.path().join("journal"), data.path()).unwrap();
    while slow.step().unwrap() > 0 {}
    slow.store().unwrap();
    let stored = Store::read(&data.path().join(STORE_NAME)).unwrap().books.positions;
    assert_eq!(stored.snapshot(None), expected.books.positions.snapshot(None));
    assert!(fs::metadata(data.path().join(STORE_NAME)).unwrap().len() > 0);
}
