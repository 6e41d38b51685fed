//! The logs against their oracle (a list), against every way a crash or a bad disk can hurt them.

mod damage;
mod disk;
mod packed;
mod power;
mod recover;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::journal::progress::Committed;
use crate::journal::{
    Disk, Files, JournalError, LogKind, Logged, MapMut, Meaning, Opened, Reader, Settings,
    UtcMapping, open_with, scan,
};
use crate::model::{Command, CommandKind, Event, EventId, Group, Line, SeqNo};

/// A small log, synced at every step.
pub(super) fn small() -> Settings {
    Settings {
        segment_bytes: 64 * 1024,
        ready_segments: 2,
        reserve_lines: 64,
        sync_interval: std::time::Duration::ZERO,
        // Tests take back what was synced; those of seals ask for them.
        seal_interval: std::time::Duration::MAX,
        anchor_interval: std::time::Duration::MAX,
        ..Settings::default()
    }
}

/// A command whose every byte depends on its seq.
pub(super) fn command(seq: u64, lines: u8) -> Group<Command> {
    let head =
        Command { seq: SeqNo(seq), ordinal: seq as u32, lines, ..Command::new(CommandKind::Enter) };
    let mut group = Group::new(head);
    for (place, line) in group.rest_mut().iter_mut().enumerate() {
        *line = Line([seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) + place as u64; 8]);
    }
    group
}

pub(super) fn event(seq: u64, index: u16) -> Group<Event> {
    Group::new(Event { id: EventId::new(SeqNo(seq), index), ordinal: 7, ..Event::default() })
}

/// The system's files without waiting for the disk: a test that kills no machine needs no sync.
struct Quick;

impl Disk for Quick {
    fn create(&self, path: &Path) -> io::Result<File> {
        Files.create(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        Files.write(file, offset, bytes)
    }

    fn sync_file(&self, _: &File) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::options().read(true).write(true).open(path)
    }

    fn sync_from(&self, _: &File, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync(&self, _: &Path, _: &MapMut, _: Range<usize>) -> io::Result<()> {
        Ok(())
    }

    fn salt(&self) -> u64 {
        Files.salt()
    }

    fn boot(&self) -> u64 {
        Files.boot()
    }
}

fn reopen<H: Logged>(folder: &Path) -> Result<Opened<H>, JournalError> {
    open_in(folder, &small())
}

pub(super) fn open_in<H: Logged>(
    folder: &Path,
    settings: &Settings,
) -> Result<Opened<H>, JournalError> {
    let quick = Arc::new(Quick);
    open_with::<H>(folder, Meaning::default(), UtcMapping::default(), settings, quick)
}

/// Appends commands of the given lines, one burst after the other; says where each commit ended.
pub(super) fn append(opened: &mut Opened<Command>, bursts: &[Vec<u8>]) -> Vec<Committed> {
    let mut ends = Vec::new();
    let mut seq = opened.writer.last();
    for burst in bursts {
        for &lines in burst {
            seq += 1;
            opened.writer.append(&command(seq, lines)).expect("there is room");
        }
        opened.writer.commit();
        opened.keeper.step(std::time::Duration::ZERO);
        ends.push(opened.writer.progress().committed());
    }
    ends
}

/// Every command from a seq on, as heads and further lines.
fn commands(folder: &Path, from: u64) -> Vec<(Command, Vec<Line>)> {
    let mut reader = Reader::<Command>::open(folder, from).expect("the log opens");
    let mut all = Vec::new();
    while let Some(group) = reader.read().expect("the log is good") {
        all.push((group.head, group.rest().to_vec()));
    }
    all
}

/// What [`commands`] gives where commands of the given lines were appended from seq 1.
fn expected(lines: &[u8]) -> Vec<(Command, Vec<Line>)> {
    let group = |(seq, &lines): (u64, &u8)| command(seq, lines);
    (1..).zip(lines).map(group).map(|g| (g.head, g.rest().to_vec())).collect()
}

#[test]
fn a_log_gives_back_what_it_took_from_any_seq_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    let lines: Vec<u8> = (0..3_000).map(|i| 1 + (i % 4) as u8).collect();
    let bursts: Vec<Vec<u8>> = lines.chunks(7).map(<[u8]>::to_vec).collect();
    append(&mut opened, &bursts);
    let all = expected(&lines);
    assert_eq!(commands(folder.path(), 0), all);
    for from in [1, 2, 700, 1_500, 2_999, 3_000] {
        assert_eq!(commands(folder.path(), from), all[from as usize - 1..], "from {from}");
    }
    assert_eq!(commands(folder.path(), 3_001), []);
    opened.keeper.sync();
    assert_eq!(opened.writer.progress().synced(), 3_000);
}

#[test]
fn nothing_is_seen_before_its_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Event>(folder.path()).unwrap();
    let mut reader = Reader::<Event>::open(folder.path(), 0).unwrap();
    assert!(reader.read_event().unwrap().is_none());
    opened.writer.append(&event(1, 0)).unwrap();
    opened.writer.append(&event(1, 1)).unwrap();
    assert!(reader.read_event().unwrap().is_none());
    assert_eq!(opened.writer.progress().appended(), 0);
    opened.writer.commit();
    assert_eq!(opened.writer.progress().appended(), EventId::new(SeqNo(1), 1).0);
    assert_eq!(reader.read_event().unwrap(), Some(event(1, 0).head));
    assert_eq!(reader.read_event().unwrap(), Some(event(1, 1).head));
    assert!(reader.read_event().unwrap().is_none());
}

#[test]
fn a_message_out_of_order_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    append(&mut opened, &[vec![1, 1]]);
    for seq in [0, 1, 2, 4, u64::MAX] {
        let refused = opened.writer.append(&command(seq, 1));
        assert_eq!(refused, Err(crate::model::Fault::SequenceGap), "seq {seq}");
    }
    for lines in [0, 5, 255] {
        let refused = opened.writer.append(&command(3, lines));
        assert_eq!(refused, Err(crate::model::Fault::MalformedMessage), "{lines} lines");
    }
    append(&mut opened, &[vec![2]]);
    assert_eq!(commands(folder.path(), 0), expected(&[1, 1, 2]));
}

#[test]
fn a_reader_in_another_thread_sees_every_message_whole_and_once() {
    const COUNT: u64 = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let opened = reopen::<Command>(folder.path()).unwrap();
    let mut writer = opened.writer;
    let keeper = opened.keeper.spawn().unwrap();
    let path = folder.path().to_owned();
    let tail = std::thread::spawn(move || {
        let mut reader = Reader::<Command>::open(&path, 0).unwrap();
        for seq in 1..=COUNT {
            let group = loop {
                match reader.read().unwrap() {
                    Some(group) => break group,
                    None => std::thread::yield_now(),
                }
            };
            let sent = command(seq, 1 + (seq % 4) as u8);
            assert_eq!((group.head, group.rest()), (sent.head, sent.rest()));
        }
    });
    for seq in 1..=COUNT {
        while writer.is_low() {
            std::thread::yield_now();
        }
        writer.append(&command(seq, 1 + (seq % 4) as u8)).unwrap();
        if seq % 5 == 0 {
            writer.commit();
        }
    }
    tail.join().unwrap();
    assert!(keeper.stop());
    assert_eq!(writer.progress().synced(), COUNT);
}

#[test]
fn a_second_writer_is_locked_out_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = reopen::<Command>(folder.path()).unwrap();
    assert!(matches!(reopen::<Command>(folder.path()), Err(JournalError::Locked { .. })));
    drop(first);
    reopen::<Command>(folder.path()).unwrap();
}

#[test]
fn ids_of_both_logs_follow_their_rules() {
    assert!(LogKind::Commands.follows(0, 1) && LogKind::Commands.follows(41, 42));
    assert!(!LogKind::Commands.follows(41, 43) && !LogKind::Commands.follows(u64::MAX, 0));
    assert!(LogKind::Events.follows(41, 99) && !LogKind::Events.follows(41, 41));
}

#[test]
fn a_sync_that_hangs_is_met_as_a_lack_of_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    // The maker goes on alone: what the writer finished is not taken back.
    for seq in 1..100_000 {
        match opened.writer.append(&command(seq, 1)) {
            Ok(()) => opened.writer.commit(),
            Err(fault) => {
                assert_eq!(fault, crate::model::Fault::JournalFailed);
                break;
            }
        }
        opened.keeper.maker.step(std::time::Duration::ZERO);
    }
    assert!(opened.writer.is_low() && opened.writer.last() < 3_000);
    opened.keeper.sync();
    opened.keeper.maker.step(std::time::Duration::ZERO);
    assert!(!opened.writer.is_low());
    append(&mut opened, &[vec![4]]);
}

#[test]
fn a_day_begins_with_a_segment_of_its_own_where_there_is_room_for_it() {
    for (segment_bytes, own) in [(1 << 20, true), (64 * 1024, false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { segment_bytes, ..small() };
        let mut opened = open_in::<Command>(folder.path(), &settings).expect("it opens");
        let mut starts = Vec::new();
        for seq in 1..=30 {
            let mut message = command(seq, 1);
            if seq % 10 == 5 {
                message.head.kind = CommandKind::StartOfDay.code();
                starts.push(seq);
            }
            opened.writer.append(&message).expect("there is room");
            if seq % 3 == 0 {
                opened.writer.commit();
                opened.keeper.step(std::time::Duration::ZERO);
            }
        }
        opened.writer.commit();
        opened.keeper.sync();
        drop(opened);
        let scan = scan(folder.path(), LogKind::Commands, &mut |_| ()).expect("it is whole");
        let begun = scan.segments.iter().filter_map(|segment| segment.header);
        let firsts: Vec<_> = begun.map(|header| header.first).collect();
        let expected = if own { vec![1, 5, 15, 25] } else { vec![1] };
        assert_eq!(firsts, expected, "{segment_bytes} bytes");
        assert_eq!((scan.last, commands(folder.path(), 1).len()), (30, 30));
        reopen::<Command>(folder.path()).expect("it opens again");
    }
}
