//! The power goes: of what was not synced any page may be there and any may not. What was synced is
//! never lost, and a machine that ran on does not take damage for it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use crate::journal::segment::SegmentFile;
use crate::journal::{
    Disk, Files, JournalError, LogKind, MapMut, Meaning, Opened, UtcMapping, open_both_from,
    open_with,
};
use crate::model::Command;

use super::{Quick, append, command, commands, expected, small};

const PAGE: usize = 4096;

/// A disk in one running of a machine.
struct Running(u64);

impl Disk for Running {
    fn create(&self, path: &Path) -> io::Result<File> {
        Quick.create(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        Quick.write(file, offset, bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        Quick.sync_file(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        Quick.open(path)
    }

    fn sync_from(&self, file: &File, from: u64) -> io::Result<()> {
        Quick.sync_from(file, from)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Quick.rename(from, to)
    }

    fn sync(&self, path: &Path, map: &MapMut, range: Range<usize>) -> io::Result<()> {
        Quick.sync(path, map, range)
    }

    fn salt(&self) -> u64 {
        Files.salt()
    }

    fn boot(&self) -> u64 {
        self.0
    }
}

fn open_in(folder: &Path, running: u64) -> Result<Opened<Command>, JournalError> {
    let disk = Arc::new(Running(running));
    open_with(folder, Meaning::default(), UtcMapping::default(), &small(), disk)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn what_was_synced_is_there_whatever_other_pages_are_lost(
        steps in prop::collection::vec((1u8..=4, prop::bool::weighted(0.1)), 1..240),
        lost in prop::collection::vec(any::<bool>(), 16),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = SegmentFile::new(folder.path(), 1).path;
        let mut opened = open_in(folder.path(), 1).unwrap();
        let mut sure = vec![0; small().segment_bytes];
        let mut synced = 0;
        for (seq, &(lines, syncs)) in (1..).zip(&steps) {
            opened.writer.append(&command(seq, lines)).unwrap();
            opened.writer.commit();
            if syncs {
                opened.keeper.step(std::time::Duration::ZERO);
                (sure, synced) = (std::fs::read(&path).unwrap(), seq);
            }
        }
        drop(opened);
        let mut bytes = std::fs::read(&path).unwrap();
        for (page, old) in sure.chunks(PAGE).enumerate().filter(|(page, _)| lost[*page]) {
            bytes[page * PAGE..][..PAGE].copy_from_slice(old);
        }
        std::fs::write(&path, bytes).unwrap();

        let mut opened = open_in(folder.path(), 2).unwrap();
        prop_assert!(opened.last >= synced, "{} of {synced}", opened.last);
        let mut lines: Vec<u8> = steps.iter().map(|(lines, _)| *lines).collect();
        lines.truncate(opened.last as usize);
        append(&mut opened, &[vec![2]]);
        lines.push(2);
        prop_assert_eq!(commands(folder.path(), 0), expected(&lines));
    }
}

#[test]
fn a_hole_is_damage_where_the_machine_ran_on_or_what_follows_knew_it_synced() {
    for (syncs, running, is_damage) in [(false, 1, true), (false, 2, false), (true, 2, true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = SegmentFile::new(folder.path(), 1).path;
        let mut opened = open_in(folder.path(), 1).unwrap();
        for seq in 1..=200 {
            opened.writer.append(&command(seq, 1)).unwrap();
            opened.writer.commit();
            if syncs {
                opened.keeper.step(std::time::Duration::ZERO);
            }
        }
        drop(opened);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[2 * PAGE..3 * PAGE].fill(0);
        std::fs::write(&path, bytes).unwrap();
        match open_in(folder.path(), running) {
            Err(JournalError::Damaged { .. }) => assert!(is_damage, "{syncs} {running}"),
            Ok(opened) => {
                assert!(!is_damage, "{syncs} {running}");
                assert!(opened.last == 32 && !opened.torn.is_empty(), "{}", opened.last);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn what_power_may_have_taken_is_read_though_a_start_asks_for_what_is_behind_it() {
    let journal = tempfile::tempdir().unwrap();
    let open = |running, from| {
        let (meaning, utc) = (Meaning::default(), UtcMapping::default());
        let disk = Arc::new(Running(running));
        open_both_from(journal.path(), (from, 0), meaning, utc, &small(), disk).unwrap().0
    };
    let mut opened = open(1, 0);
    for seq in 1..=500 {
        opened.writer.append(&command(seq, 1)).unwrap();
        opened.writer.commit();
    }
    drop(opened);
    let path = SegmentFile::new(&LogKind::Commands.folder(journal.path()), 1).path;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[2 * PAGE..3 * PAGE].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(open(1, 500).last, 500, "the machine ran on: its memory has all");
    assert_eq!(open(2, 500).last, 32);
}

#[test]
fn events_whose_commands_are_gone_go_too_and_it_is_said() {
    let journal = tempfile::tempdir().unwrap();
    let both = || {
        let (meaning, utc) = (Meaning::default(), UtcMapping::default());
        let disk = Arc::new(Running(1));
        open_both_from(journal.path(), (0, 0), meaning, utc, &small(), disk).unwrap()
    };
    let (mut commands, mut events) = both();
    for seq in 1..=3 {
        if seq < 3 {
            commands.writer.append(&command(seq, 1)).unwrap();
            commands.writer.commit();
        }
        events.writer.append(&super::event(seq, 3)).unwrap();
        events.writer.commit();
    }
    drop((commands, events));
    let (commands, events) = both();
    assert_eq!((commands.last, events.last >> 16), (2, 2));
    assert!(events.torn[0].to_string().contains("not on record"), "{}", events.torn[0]);
    drop((commands, events));
    assert_eq!(both().1.torn, []);
}
