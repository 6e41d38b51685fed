//! The regulator's record: as the books have it, and nothing in it can be changed unseen.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::time::Duration;

use proptest::prelude::*;
use wirematch::engine::{BookView, EngineLimits, Matcher, SoftwareMatcher};
use wirematch::flow::{Dice, instrument};
use wirematch::journal::{LogKind, Meaning, Opened, Settings, UtcMapping, open};
use wirematch::model::{
    AccountId, Command, CommandKind, Event, Group, Nanos, OrderId, Parties, Price, Quantity, SeqNo,
    SessionId, Side, Text, TimeInForce,
};
use wirematch::slow::audit::{
    AUDIT_NAME, Audit, AuditError, Entries, Entry, HEAD_NAME, HEADER_BYTES, RECORD_BYTES, files,
    read_all,
};

const NAMES: &[u8] = br#"{"instruments":{"1":"FLOW"}}"#;

/// A day and a half of orders, in so many steps.
const START: u64 = 1_790_000_000_000_000_000;

/// A market that writes its own journal.
struct Market {
    matcher: SoftwareMatcher,
    commands: Opened<Command>,
    events: Opened<Event>,
    seq: u64,
    dice: Dice,
    ordinals: [u32; 3],
}

impl Market {
    fn new(data: &Path, seed: u64) -> Self {
        let settings =
            Settings { segment_bytes: 4 << 20, reserve_lines: 64, ..Settings::default() };
        let (meaning, mapping) = (Meaning::default(), UtcMapping::default());
        let folder = |kind: LogKind| kind.folder(&data.join("journal"));
        let limits = EngineLimits { sessions_max: 4, ..EngineLimits::DEFAULT };
        Self {
            matcher: SoftwareMatcher::new(limits, &[instrument()]).unwrap(),
            commands: open(&folder(LogKind::Commands), meaning, mapping, &settings).unwrap(),
            events: open(&folder(LogKind::Events), meaning, mapping, &settings).unwrap(),
            seq: 0,
            dice: Dice::new(seed),
            ordinals: [0; 3],
        }
    }

    /// An order, replacement, cancel or modification of somebody's.
    fn any_command(&mut self) -> Group<Command> {
        let session = self.dice.below(3) as u32;
        let ordinal = &mut self.ordinals[session as usize];
        let kind = match (self.dice.below(10), *ordinal) {
            (0..=5, _) | (_, 0) => CommandKind::Enter,
            (6 | 7, _) => CommandKind::Cancel,
            (8, _) => CommandKind::Replace,
            _ => CommandKind::Modify,
        };
        let target = if kind == CommandKind::Enter {
            0
        } else {
            1 + self.dice.below(u64::from(*ordinal)) as u32
        };
        if matches!(kind, CommandKind::Enter | CommandKind::Replace) {
            *ordinal += 1;
        }
        let is_order = matches!(kind, CommandKind::Enter | CommandKind::Replace);
        let command = Command {
            session: SessionId(session + 1),
            ordinal: if is_order { *ordinal } else { 0 },
            target,
            account: AccountId(session + 1),
            instrument: instrument().id,
            side: if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell }.code(),
            price: Price((30_000 + self.dice.below(9) as i64) * instrument().tick.0),
            quantity: Quantity(self.dice.below(300) as u32 + u32::from(is_order)),
            time_in_force: [TimeInForce::Day, TimeInForce::Ioc][self.dice.below(2) as usize].code(),
            lines: 3,
            ..Command::new(kind)
        };
        let mut group = Group::new(command);
        let mut name = [0; 32];
        name[..6].copy_from_slice(format!("o{session}-{:03}", *ordinal % 1_000).as_bytes());
        group.rest_mut()[0] = Text { client_order_id: name, ..Text::default() }.line();
        group.rest_mut()[1] =
            Parties { client: 7, decision: 8, execution: 9, ..Parties::default() }.line();
        group
    }

    /// One step: what is left of each order that it touched, by the book.
    fn step(&mut self) -> HashMap<OrderId, Quantity> {
        self.seq += 1;
        let mut group = self.any_command();
        group.head.seq = SeqNo(self.seq);
        group.head.timestamp = Nanos(START + self.seq * 60_000_000_000);
        self.commands.writer.append(&group).unwrap();
        self.commands.writer.commit();
        self.matcher.submit(&group).unwrap();
        let events = self.matcher.finished().to_vec();
        self.matcher.release(events.len());
        for event in &events {
            self.events.writer.append(&Group::new(*event)).unwrap();
        }
        self.events.writer.commit();
        let touched = events.iter().map(|event| event.order_id());
        let leaves = |id| self.matcher.find(id).map_or(Quantity::ZERO, |order| order.leaves);
        touched.map(|id| (id, leaves(id))).collect()
    }
}

/// Keeps the record of all that is in the journal.
fn keep(data: &Path) -> Audit {
    let mut audit = Audit::open(&data.join("journal"), data, NAMES.to_vec()).unwrap();
    while audit.step().unwrap() > 0 {}
    audit.commit();
    assert_eq!(audit.complaint(), None);
    audit
}

fn written(data: &Path, steps: u64, seed: u64) -> (Market, PathBuf) {
    let mut market = Market::new(data, seed);
    (0..steps).for_each(|_| drop(market.step()));
    drop(keep(data));
    (market, data.join(AUDIT_NAME))
}

#[test]
fn every_record_says_what_the_book_says() {
    let data = tempfile::tempdir().unwrap();
    let mut market = Market::new(data.path(), 1);
    let steps: Vec<_> = (0..2_000).map(|_| market.step()).collect();
    let audit = keep(data.path());
    assert_eq!(audit.open_orders(), market.matcher.open_orders());
    // The last record of each order in a step has what the book had after the step.
    let mut left: HashMap<(u64, OrderId), Quantity> = HashMap::new();
    let verified = read_all(&data.path().join(AUDIT_NAME), |_, entry| {
        let id = entry.event.order_id();
        left.insert((entry.event.id.seq().0, id), entry.order.leaves);
        let origin = entry.origin().expect("no operator was here");
        assert_eq!((origin.client, origin.decision, origin.execution), (7, 8, 9));
        Ok::<_, AuditError>(())
    });
    let verified = verified.unwrap();
    assert!(verified.files >= 2 && verified.records > 2_000, "{verified:?}");
    for ((seq, id), leaves) in left {
        assert_eq!(leaves, steps[seq as usize - 1][&id], "command {seq}, order {id:?}");
    }
}

#[test]
fn the_record_goes_on_where_it_was_left_however_it_was_cut() {
    let data = tempfile::tempdir().unwrap();
    let mut market = Market::new(data.path(), 2);
    let record = data.path().join(AUDIT_NAME);
    for round in 0..20 {
        (0..50).for_each(|_| drop(market.step()));
        drop(keep(data.path()));
        // As if it had been killed in the middle of a record after the last that was safe.
        let (_, last) = files(&record).unwrap().pop().unwrap();
        let mut bytes = fs::read(&last).unwrap();
        bytes.extend(vec![7; round * 11 % RECORD_BYTES]);
        fs::write(&last, bytes).unwrap();
    }
    drop(keep(data.path()));
    let pieces = read_all(&record, |_, _| Ok::<_, AuditError>(())).unwrap();
    let again = tempfile::tempdir().unwrap();
    let mut whole =
        Audit::open(&data.path().join("journal"), again.path(), NAMES.to_vec()).unwrap();
    while whole.step().unwrap() > 0 {}
    whole.commit();
    let whole = read_all(&again.path().join(AUDIT_NAME), |_, _| Ok::<_, AuditError>(())).unwrap();
    assert_eq!(pieces, whole);
}

#[test]
fn a_day_that_was_begun_with_nothing_in_it_is_gone_on_with() {
    for left in [HEADER_BYTES as u64, HEADER_BYTES as u64 - 1, 0] {
        let data = tempfile::tempdir().unwrap();
        let record = data.path().join(AUDIT_NAME);
        let mut market = Market::new(data.path(), 6);
        (0..20).for_each(|_| drop(market.step()));
        drop(keep(data.path()));
        let head = fs::read(record.join(HEAD_NAME)).unwrap();
        (0..1_500).for_each(|_| drop(market.step()));
        drop(keep(data.path()));
        let (_, next_day) = files(&record).unwrap().pop().unwrap();
        let (_, first_day) = files(&record).unwrap().swap_remove(0);
        assert_ne!(next_day, first_day, "a day and more");
        // As if it had been killed when the file of the next day was made.
        OpenOptions::new().write(true).open(&next_day).unwrap().set_len(left).unwrap();
        fs::write(record.join(HEAD_NAME), head).unwrap();
        drop(keep(data.path()));
        assert_is_as_kept_in_one_go(data.path());
    }
}

/// Holds a record against one that is made of the same journal without a stop.
fn assert_is_as_kept_in_one_go(data: &Path) {
    let events = |data: &Path| {
        let mut seen = Vec::new();
        let each = |_: &_, entry: &Entry| {
            seen.push(entry.event.id);
            Ok::<_, AuditError>(())
        };
        read_all(&data.join(AUDIT_NAME), each).unwrap();
        seen
    };
    let seen = events(data);
    assert!(seen.is_sorted_by(|one, next| one < next), "nothing is there twice");
    let again = tempfile::tempdir().unwrap();
    let mut whole = Audit::open(&data.join("journal"), again.path(), NAMES.to_vec()).unwrap();
    while whole.step().unwrap() > 0 {}
    whole.commit();
    assert_eq!(events(again.path()), seen);
}

#[test]
fn a_journal_that_lost_its_end_goes_on_in_a_new_file() {
    let data = tempfile::tempdir().unwrap();
    let mut market = Market::new(data.path(), 4);
    (0..200).for_each(|_| drop(market.step()));
    let (journal, kept) = (data.path().join("journal"), data.path().join("kept"));
    let copy = |from: &Path, to: &Path| {
        let copied = Process::new("cp").arg("-r").args([from, to]).status().unwrap();
        assert!(copied.success());
    };
    copy(&journal, &kept);
    (0..100).for_each(|_| drop(market.step()));
    drop(market);
    drop(keep(data.path()));
    let record = data.path().join(AUDIT_NAME);
    let before = files(&record).unwrap().len();
    fs::remove_dir_all(&journal).unwrap();
    copy(&kept, &journal);
    let mut market = Market { seq: 200, ..Market::new(data.path(), 5) };
    // The record is opened before the first new event, as at a start.
    let mut audit = Audit::open(&journal, data.path(), NAMES.to_vec()).unwrap();
    (0..50).for_each(|_| drop(market.step()));
    while audit.step().unwrap() > 0 {}
    audit.commit();
    let all = files(&record).unwrap();
    assert_eq!((all.len(), verdict(&record)), (before + 1, None));
    let (_, newest) = all.last().unwrap();
    let first = Entries::of_file(newest, 1).unwrap().next_entry().unwrap().expect("an entry");
    assert!((201..=210).contains(&first.event.id.seq().0), "{:?}", first.event.id);
}

/// What verification says of a record: the file and record it names.
fn verdict(record: &Path) -> Option<(PathBuf, u64)> {
    match read_all(record, |_, _| Ok::<_, AuditError>(())) {
        Ok(_) => None,
        Err(AuditError::Bad { file, record, .. }) => Some((file, record)),
        Err(other) => panic!("{other}"),
    }
}

fn record_at(offset: usize) -> u64 {
    offset.checked_sub(HEADER_BYTES).map_or(0, |into| (into / RECORD_BYTES) as u64 + 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn tampering_is_named(
        seed in any::<u64>(), file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(), bit in 0u8..8, deed in 0..4,
    ) {
        let data = tempfile::tempdir().unwrap();
        // Some over more than a day, in two files.
        let steps = if seed.is_multiple_of(4) { 1_620 } else { 120 };
        let (_market, record) = written(data.path(), steps, seed);
        prop_assert_eq!(verdict(&record), None);
        let all = files(&record).unwrap();
        let (_, path) = file.get(&all);
        let good = fs::read(path).unwrap();
        let records = (good.len() - HEADER_BYTES) / RECORD_BYTES;
        let place = at.index(records - 1);
        let start = HEADER_BYTES + place * RECORD_BYTES;
        let mut bytes = good.clone();
        let first_bad = match deed {
            0 => {
                let offset = at.index(good.len());
                bytes[offset] ^= 1 << bit;
                record_at(offset)
            }
            1 => {
                // Taken out: the one that follows no longer does.
                bytes.drain(start..start + RECORD_BYTES);
                place as u64 + 1
            }
            2 => {
                let one = bytes[start..start + RECORD_BYTES].to_vec();
                bytes.splice(start..start, one);
                place as u64 + 2
            }
            _ => {
                let (a, b) = bytes[start..start + 2 * RECORD_BYTES].split_at_mut(RECORD_BYTES);
                a.swap_with_slice(b);
                place as u64 + 1
            }
        };
        fs::write(path, bytes).unwrap();
        prop_assert_eq!(verdict(&record), Some((path.clone(), first_bad)));
        fs::write(path, &good).unwrap();
        prop_assert_eq!(verdict(&record), None);
        // Cut at the end, at a record's border: only what was noted beside it can tell.
        let (_, last) = all.last().unwrap();
        let whole = fs::read(last).unwrap();
        fs::write(last, &whole[..whole.len() - RECORD_BYTES]).unwrap();
        let records = (whole.len() - HEADER_BYTES) / RECORD_BYTES;
        prop_assert_eq!(verdict(&record), Some((last.clone(), records as u64)));
        let journal = data.path().join("journal");
        let refused = Audit::open(&journal, data.path(), NAMES.to_vec()).map(drop);
        let is_refused = matches!(refused, Err(AuditError::Bad { .. }));
        prop_assert!(is_refused);
        // The last file taken away whole is missed as well.
        fs::remove_file(last).unwrap();
        prop_assert!(verdict(&record).is_some());
    }
}

fn audit(arguments: &[&str], data: &Path) -> Output {
    let mut process = Process::new(env!("CARGO_BIN_EXE_wirematch"));
    let (action, rest) = arguments.split_first().unwrap();
    process.args(["audit", action]).arg(data).args(rest).output().expect("the binary runs")
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("the binary writes text")
}

#[test]
fn the_command_shows_traces_verifies_and_exports() {
    let data = tempfile::tempdir().unwrap();
    let (market, record) = written(data.path(), 400, 5);
    let shown = out(&audit(&["show", "--account", "2"], data.path()));
    assert!(shown.lines().count() > 50);
    assert!(shown.lines().all(|line| line.contains("account 2")), "{shown}");
    let csv = out(&audit(&["export"], data.path()));
    let mut lines = csv.split("\r\n");
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows: Vec<HashMap<_, _>> = lines
        .filter(|line| !line.is_empty())
        .map(|line| names.iter().copied().zip(line.split(',')).collect())
        .collect();
    let traded = |side: &str| -> u64 {
        let of_side = |row: &&HashMap<_, _>| row["kind"] == "Executed" && row["side"] == side;
        rows.iter().filter(of_side).map(|row| row["event_quantity"].parse::<u64>().unwrap()).sum()
    };
    assert!(traded("Buy") > 0 && traded("Buy") == traded("Sell"), "{names:?}");
    assert!(rows.iter().all(|row| row["symbol"] == "FLOW"));
    let json = out(&audit(&["export", "--format", "json"], data.path()));
    assert_eq!(json.lines().count(), rows.len());
    // One order that was replaced, by each of its names: the same life.
    let replaced = rows.iter().find(|row| row["kind"] == "Replaced").expect("some order was");
    let by_number = format!("{}:{}", replaced["session"], replaced["order_number"]);
    let life = out(&audit(&["trace", &by_number], data.path()));
    let before = format!("{}:{}", replaced["session"], replaced["replaces"]);
    assert_eq!(life, out(&audit(&["trace", &before], data.path())));
    assert!(life.lines().next().unwrap().contains("Accepted"), "{life}");
    assert_eq!(audit(&["trace", "no-such-order"], data.path()).status.code(), Some(2));
    let verified = out(&audit(&["verify", "--json"], data.path()));
    let verified: serde_json::Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["records"], rows.len());
    assert!(market.seq > 0);
    let (_, path) = files(&record).unwrap().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEADER_BYTES + 3 * RECORD_BYTES + 5] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = audit(&["verify"], data.path());
    assert_eq!(damaged.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&damaged.stderr).contains("record 4"), "{damaged:?}");
    assert_eq!(audit(&["verify"], &data.path().join("nothing")).status.code(), Some(2));
}

/// Not a test of its own: the process that [`a_killed_keeper_leaves_a_good_record`] kills.
#[test]
fn child_that_keeps() {
    let Some(data) = std::env::var_os("WIREMATCH_AUDIT_DATA") else { return };
    let data = Path::new(&data);
    let mut audit = Audit::open(&data.join("journal"), data, NAMES.to_vec()).unwrap();
    loop {
        audit.step().unwrap();
        audit.commit();
    }
}

#[test]
fn a_killed_keeper_leaves_a_good_record() {
    let data = tempfile::tempdir().unwrap();
    let mut market = Market::new(data.path(), 3);
    (0..30_000).for_each(|_| drop(market.step()));
    for round in 0..12 {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_keeps"])
            .env("WIREMATCH_AUDIT_DATA", data.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 + 25 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(keep(data.path()));
    assert_is_as_kept_in_one_go(data.path());
}
