//! The slow path from event log to store: across restarts, damage and a disk that is full.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::prelude::*;

use crate::journal::{LogKind, Meaning, Opened, Settings, UtcMapping, open};
use crate::model::{
    AccountId, Event, EventId, EventKind, Group, InstrumentId, Price, Quantity, SeqNo, Side,
};
use crate::slow::{AsOf, Positions, STORE_NAME, SlowError, SlowPath, Source, Store, read_books};

fn open_log(journal: &Path) -> Opened<Event> {
    open_log_of(journal, 64 * 1024)
}

fn open_log_of(journal: &Path, segment_bytes: usize) -> Opened<Event> {
    let settings = Settings {
        segment_bytes,
        ready_segments: 2,
        reserve_lines: 64,
        sync_interval: std::time::Duration::ZERO,
        ..Settings::default()
    };
    let folder = LogKind::Events.folder(journal);
    open(&folder, Meaning::default(), UtcMapping::default(), &settings).unwrap()
}

/// One side of a trade, all of it made of its number.
fn fill(seq: u64) -> Event {
    Event {
        id: EventId::new(SeqNo(seq), 1),
        account: AccountId(1 + (seq % 7) as u32),
        instrument: InstrumentId(1 + (seq % 3) as u32),
        side: if seq.is_multiple_of(2) { Side::Buy } else { Side::Sell }.code(),
        quantity: Quantity(1 + (seq * 37 % 500) as u32),
        price: Price(10_000 + (seq * 7_919 % 5_000) as i64),
        kind: EventKind::Executed.code(),
        ..Event::default()
    }
}

fn append(log: &mut Opened<Event>, count: u64) {
    for _ in 0..count {
        let seq = log.writer.last() >> 16;
        log.writer.append(&Group::new(fill(seq + 1))).unwrap();
        log.writer.commit();
        log.keeper.step(std::time::Duration::from_millis(1));
    }
}

/// What the first `count` fills come to.
fn expected(count: u64) -> Positions {
    let mut positions = Positions::default();
    for seq in 1..=count {
        positions.apply(&fill(seq)).unwrap();
    }
    positions.take_changes();
    positions
}

/// The positions of a slow path that has nothing to do, as a store would hold them.
fn settled(slow: &mut SlowPath) -> Positions {
    while slow.step().unwrap() > 0 {}
    slow.store().unwrap();
    slow.positions().clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn positions_go_on_where_they_were_left(
        runs in prop::collection::vec((0u64..40, 0usize..4, any::<bool>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = open_log(folder.path());
        let mut total = 0;
        for (count, steps, store) in runs {
            append(&mut log, count);
            total += count;
            let mut slow = SlowPath::open(folder.path(), folder.path()).unwrap();
            for _ in 0..steps {
                slow.step().unwrap();
            }
            if store {
                prop_assert_eq!(settled(&mut slow), expected(total));
                prop_assert_eq!(slow.lag(EventId(log.writer.last())), 0);
            }
        }
        let found = read_books(folder.path(), folder.path(), AsOf::Now).unwrap();
        let snapshot = found.books.positions.snapshot(None);
        prop_assert_eq!(snapshot, expected(total).snapshot(None));
    }
}

#[test]
fn a_store_may_be_read_while_it_is_written_but_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open_log(folder.path());
    append(&mut log, 50);
    let mut slow = SlowPath::open(folder.path(), folder.path()).unwrap();
    assert_eq!(settled(&mut slow), expected(50));
    let held = Store::read(&folder.path().join(STORE_NAME)).unwrap();
    assert_eq!(held.books.positions, expected(50));
    append(&mut log, 5);
    let found = read_books(folder.path(), folder.path(), AsOf::Now).unwrap();
    assert_eq!((found.source, found.books.positions.last_applied()), (Source::Store, fill(55).id));
    let second = SlowPath::open(folder.path(), folder.path());
    assert!(matches!(second, Err(SlowError::Locked { .. })), "{second:?}");
}

#[test]
fn a_store_of_another_journal_or_ahead_of_it_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open_log(folder.path());
    append(&mut log, 30);
    settled(&mut SlowPath::open(folder.path(), folder.path()).unwrap());
    drop(log);
    // Another event log, longer and different from its second event on.
    fs::remove_dir_all(LogKind::Events.folder(folder.path())).unwrap();
    let mut log = open_log(folder.path());
    append(&mut log, 1);
    log.writer.append(&Group::new(Event { price: Price(1), ..fill(2) })).unwrap();
    log.writer.commit();
    append(&mut log, 40);
    let found = read_books(folder.path(), folder.path(), AsOf::Now).unwrap();
    assert!(matches!(found.source, Source::Journal(_)));
    let mut slow = SlowPath::open(folder.path(), folder.path()).unwrap();
    let ours = settled(&mut slow).snapshot(None);
    assert_eq!(ours, found.books.positions.snapshot(None));
    assert_ne!(ours, expected(42).snapshot(None));
    drop((slow, log));

    // The machine lost the end of the log, which the store had already seen.
    let file = LogKind::Events.folder(folder.path()).join("0000000001.log");
    OpenOptions::new().write(true).open(&file).unwrap().set_len(4096 + 5 * 128).unwrap();
    let mut log = open_log(folder.path());
    assert_eq!(EventId(log.last).seq(), SeqNo(5));
    let mut slow = SlowPath::open(folder.path(), folder.path()).unwrap();
    append(&mut log, 50);
    assert_eq!(settled(&mut slow).snapshot(None).totals.fills, 55);
}

#[test]
fn a_damaged_store_is_told_and_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open_log(folder.path());
    append(&mut log, 60);
    settled(&mut SlowPath::open(folder.path(), folder.path()).unwrap());
    let store = folder.path().join(STORE_NAME);
    let good = fs::read(&store).unwrap();
    let mut told = 0;
    let mut wrong = Vec::new();
    for offset in (0..good.len()).filter(|&at| good[at] != 0).step_by(97) {
        fs::write(&store, &good).unwrap();
        let file = OpenOptions::new().write(true).open(&store).unwrap();
        file.write_all_at(&[good[offset] ^ 0x11], offset as u64).unwrap();
        match Store::open(&store).and_then(|store| store.load()) {
            Ok(held) if held.books.positions == expected(60) => {}
            // As good as empty: folded again from the journal.
            Ok(held) if held.journal == 0 => told += 1,
            Ok(_) => wrong.push(offset),
            Err(_) => told += 1,
        }
    }
    assert_eq!(wrong, [0usize; 0], "believed with a byte changed there");
    assert!(told > 5, "{told}");

    fs::write(&store, b"not a store at all, but a text that somebody put here").unwrap();
    let error = SlowPath::open(folder.path(), folder.path()).unwrap_err().to_string();
    assert!(error.contains(STORE_NAME) && error.contains("Delete it"), "{error}");
    let found = read_books(folder.path(), folder.path(), AsOf::Now).unwrap();
    assert_eq!(found.books.positions.snapshot(None), expected(60).snapshot(None));
    fs::remove_file(&store).unwrap();
    let mut slow = SlowPath::open(folder.path(), folder.path()).unwrap();
    assert_eq!(settled(&mut slow), expected(60));
}

#[test]
fn a_full_disk_holds_up_the_store_and_nothing_else() {
    let journal = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let command = std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(data.path())
            .output();
        command.is_ok_and(|output| output.status.success())
    };
    if !run(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs"]) {
        println!("skipped: this user may not mount a small file system");
        return;
    }
    let mut log = open_log_of(journal.path(), 4 << 20);
    append(&mut log, 10);
    let mut slow = SlowPath::open(journal.path(), data.path()).unwrap();
    settled(&mut slow);
    let ballast = data.path().join("ballast");
    let _ = fs::write(&ballast, vec![1; 8 << 20]);
    // Many accounts, so that the store has to grow.
    for account in 0..30_000 {
        let seq = (log.writer.last() >> 16) + 1;
        let event = Event { account: AccountId(account), ..fill(seq) };
        log.writer.append(&Group::new(event)).unwrap();
    }
    log.writer.commit();
    while slow.step().unwrap() > 0 {}
    slow.store().unwrap();
    let (complaint, waiting) = (slow.complaint().map(str::to_owned), slow.waiting());
    let fills = slow.positions().snapshot(None).totals.fills;
    fs::remove_file(&ballast).unwrap();
    let grown = run(&["mount", "-o", "remount,size=64m"]);
    slow.store().unwrap();
    let after = (slow.complaint().map(str::to_owned), slow.waiting());
    drop(slow);
    let stored = Store::read(&data.path().join(STORE_NAME)).unwrap().books.positions;
    assert!(run(&["umount"]) && grown);
    assert!(complaint.is_some() && waiting > 0, "the disk was not full");
    assert_eq!((after, fills), ((None, 0), 30_010));
    assert_eq!(stored.snapshot(None).totals.fills, 30_010);
}
