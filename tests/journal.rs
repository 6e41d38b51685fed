//! The journal from outside: through the binary, across a killed process, without an allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command as Process, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use wirematch::journal::{
    LogKind, Logged, Meaning, Opened, Reader, Settings, UtcMapping, open, open_both,
};
use wirematch::model::{
    AccountId, Command, CommandKind, Event, EventKind, Group, InstrumentId, Line, Nanos, Price,
    Quantity, RejectCode, SeqNo, SessionId, Side, Text,
};

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[allow(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Every test takes it: a process that is being started holds its parent's files for a moment,
/// and with them the locks of logs that another test has already closed.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn small() -> Settings {
    Settings {
        segment_bytes: 64 * 1024,
        ready_segments: 4,
        reserve_lines: 64,
        sync_interval: Duration::from_millis(1),
        ..Settings::default()
    }
}

fn open_log<H: Logged>(folder: &Path) -> Opened<H> {
    open::<H>(folder, Meaning::default(), UtcMapping::default(), &small()).expect("the log opens")
}

/// A command whose further lines depend on its seq.
fn command(seq: u64) -> Group<Command> {
    let lines = 1 + (seq % 4) as u8;
    let mut group =
        Group::new(Command { seq: SeqNo(seq), lines, ..Command::new(CommandKind::Enter) });
    for line in group.rest_mut() {
        *line = Line([seq; 8]);
    }
    group
}

/// A journal of one order that is taken and one that is refused.
fn write_journal(folder: &Path) {
    let (mut commands, mut events) =
        open_both(folder, Meaning::default(), UtcMapping::default(), &small()).unwrap();
    for seq in 1..=2 {
        let mut group = Group::new(Command {
            seq: SeqNo(seq),
            timestamp: Nanos(1_700_000_000_000_000_000 + seq),
            session: SessionId(3),
            ordinal: 40 + seq as u32,
            account: AccountId(5),
            instrument: InstrumentId(9),
            quantity: Quantity(100),
            price: Price(1_234_500),
            side: Side::SellShort.code(),
            lines: 2,
            verdict: if seq == 2 { RejectCode::PriceCollar.code() } else { 0 },
            ..Command::new(CommandKind::Enter)
        });
        let mut text = Text::default();
        text.client_order_id[..4].copy_from_slice(b"ID-1");
        group.rest_mut()[0] = text.line();
        commands.writer.append(&group).unwrap();
        commands.writer.commit();
        let kind = if seq == 2 { EventKind::Rejected } else { EventKind::Accepted };
        let mut event = Event::answering(&group.head, 0, kind);
        event.reason = group.head.verdict;
        events.writer.append(&Group::new(event)).unwrap();
        events.writer.commit();
    }
}

fn wirematch(arguments: &[&str], folder: &Path) -> Output {
    let (first, rest) = arguments.split_at(1);
    let mut process = Process::new(env!("CARGO_BIN_EXE_wirematch"));
    process.arg("journal").args(first).arg(folder).args(rest).output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).expect("the binary writes text")
}

fn flip(file: &Path, offset: u64) {
    let open = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, offset).unwrap();
    open.write_all_at(&[byte[0] ^ 4], offset).unwrap();
}

#[test]
fn show_prints_every_message_in_the_order_of_history() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let shown = wirematch(&["show"], folder.path());
    assert_eq!(shown.status.code(), Some(0));
    let shown = text(&shown);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    let order = "session 3 order 41 account 5 instrument 9 SellShort 100 @ 123.45";
    assert!(lines[0].contains("1    2023-11-14T22:13:20.000000001Z  Enter"), "{shown}");
    assert!(lines[0].ends_with(&format!("{order} Limit Day \"ID-1\"")), "{shown}");
    assert!(lines[1].contains("1.0  2023-11-14") && lines[1].ends_with(order), "{shown}");
    assert!(lines[2].contains("refused PriceCollar"), "{shown}");
    assert!(lines[3].contains("Rejected") && lines[3].ends_with("PriceCollar"), "{shown}");
}

#[test]
fn show_keeps_to_its_range_and_speaks_json() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let shown = text(&wirematch(&["show", "--from", "2", "--events", "--json"], folder.path()));
    let event: serde_json::Value = serde_json::from_str(shown.trim()).expect("one object");
    assert_eq!(event["id"], (2u64 << 16).to_string());
    assert_eq!(event["kind"], "Rejected");
    assert_eq!(event["reason"], "PriceCollar");
    let shown = text(&wirematch(&["show", "--to", "1", "--commands", "--json"], folder.path()));
    let command: serde_json::Value = serde_json::from_str(shown.trim()).expect("one object");
    assert_eq!(command["seq"], "1");
    assert_eq!(command["client_order_id"], "ID-1");
    for from in [3, u64::MAX] {
        let empty = wirematch(&["show", "--from", &from.to_string()], folder.path());
        assert_eq!((empty.status.code(), text(&empty)), (Some(0), String::new()), "from {from}");
    }
}

#[test]
fn info_says_what_a_journal_holds() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let told = text(&wirematch(&["info"], folder.path()));
    assert!(told.contains("command log\n  segments   1 in use, 0 packed, 3 waiting"), "{told}");
    assert!(told.contains("last       event 2.0  2023-11-14T22:13:20.000000002Z"), "{told}");
    let told = text(&wirematch(&["info", "--commands", "--json"], folder.path()));
    let told: serde_json::Value = serde_json::from_str(&told).expect("one object");
    assert_eq!(told["last"]["seq"], "2");
    assert_eq!(told["open"], false);
    let nothing = wirematch(&["info"], &folder.path().join("nothing"));
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing));
}

#[test]
fn verify_names_the_first_bad_place_and_exits_with_4() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let good = wirematch(&["verify"], folder.path());
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    assert!(text(&good).contains("command log: 2 messages in 2 frames, up to seq 2: good"));

    let file = LogKind::Commands.folder(folder.path()).join("0000000001.log");
    flip(&file, 4096 + 64 + 20);
    let bad = wirematch(&["verify"], folder.path());
    assert_eq!(bad.status.code(), Some(4));
    let named = format!("{}, byte 4096 (last good message: 0): the frame body", file.display());
    assert!(text(&bad).contains(&named), "{}", text(&bad));
    let shown = wirematch(&["show"], folder.path());
    assert_eq!(shown.status.code(), Some(4), "{}", text(&shown));
    flip(&file, 4096 + 64 + 20);

    flip(&file, 4096 + 3 * 64 + 70);
    let torn = wirematch(&["verify", "--json"], folder.path());
    assert_eq!(torn.status.code(), Some(4));
    assert!(text(&torn).contains("what an interrupted write leaves"), "{}", text(&torn));
    flip(&file, 4096 + 3 * 64 + 70);

    fs::remove_file(&file).unwrap();
    let missing = wirematch(&["verify"], folder.path());
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing).contains("01.log: the segment is missing"), "{}", text(&missing));
}

#[test]
fn a_journal_being_written_verifies_and_shows() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let journal = LogKind::Commands.folder(folder.path());
    let mut log = open_log::<Command>(&journal);
    for seq in 1..=700 {
        log.writer.append(&command(seq)).unwrap();
        log.writer.commit();
    }
    // A frame that is open: its body is there, its header is not.
    log.writer.append(&command(701)).unwrap();
    let told = wirematch(&["verify", "--commands"], folder.path());
    assert_eq!(told.status.code(), Some(0), "{}", text(&told));
    let shown = wirematch(&["show", "--commands"], folder.path());
    assert_eq!(text(&shown).lines().count(), 700);
    let told = text(&wirematch(&["info", "--commands"], folder.path()));
    assert!(told.contains("open for writing") && told.contains("last       seq 700"), "{told}");
}

/// Not a test of its own: the process that others start and kill. It appends, and prints the seq
/// of every commit.
#[test]
fn child_that_appends() {
    let Some(folder) = std::env::var_os("WIREMATCH_TEST_LOG") else { return };
    let Opened { mut writer, keeper, .. } = open_log::<Command>(Path::new(&folder));
    let keeper = keeper.spawn().unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        for _ in 0..1 + writer.last() % 5 {
            while writer.is_low() {
                std::thread::yield_now();
            }
            writer.append(&command(writer.last() + 1)).unwrap();
        }
        writer.commit();
        if writeln!(out, "acknowledged {}", writer.last()).is_err() {
            assert!(keeper.stop());
            return;
        }
    }
}

fn start_child(folder: &Path, out: Stdio) -> Child {
    Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_appends", "--nocapture"])
        .env("WIREMATCH_TEST_LOG", folder)
        .stdout(out)
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..25 {
        let mut child = start_child(folder.path(), Stdio::piped());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // After a different number of commits each time; what is in the pipe still counts.
        for (count, line) in lines.enumerate() {
            if let Some(seq) = line.strip_prefix("acknowledged ") {
                acknowledged = seq.parse().unwrap_or(acknowledged);
            }
            if count == 20 + round * 37 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let mut log = open_log::<Command>(folder.path());
        assert!(log.last >= acknowledged, "round {round}: {} of {acknowledged}", log.last);
        // A start between two kills appends as well.
        log.writer.append(&command(log.last + 1)).unwrap();
        log.writer.commit();
        acknowledged = log.last + 1;
    }
    let mut reader = Reader::<Command>::open(folder.path(), 0).unwrap();
    for seq in 1..=acknowledged {
        let group = reader.read().unwrap().expect("the log is that long");
        let sent = command(seq);
        assert_eq!((group.head, group.rest()), (sent.head, sent.rest()));
    }
    assert!(acknowledged > 25 * 20);
}

#[test]
fn a_reader_in_another_process_follows_the_writer() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_child(folder.path(), Stdio::null());
    let mut reader = Reader::<Command>::open(folder.path(), 0).unwrap();
    for seq in 1..=20_000 {
        let group = loop {
            match reader.read().unwrap() {
                Some(group) => break group,
                None => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        let sent = command(seq);
        assert_eq!((group.head, group.rest()), (sent.head, sent.rest()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_allocates_between_append_and_commit() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut log = open_log::<Command>(folder.path());
    let before = ALLOCATIONS.with(Cell::get);
    let mut count = 0;
    // Through several segments, until the supply is used up.
    for seq in 1.. {
        if log.writer.append(&command(seq)).is_err() {
            break;
        }
        log.writer.commit();
        count += usize::from(!log.writer.is_low());
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    assert!(count > 500, "{count}");
}
