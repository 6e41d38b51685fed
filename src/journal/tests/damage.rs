//! Damage: every flipped bit is found and named, a missing or swapped piece is never cut off.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::journal::progress::Committed;
use crate::journal::segment::SegmentFile;
use crate::journal::{JournalError, LogKind, Scan, Wrong, scan};
use crate::model::{Command, Event};

use super::{append, command, event, reopen};

fn look(folder: &Path) -> Result<Scan, JournalError> {
    scan(folder, LogKind::Commands, &mut |_| ())
}

fn segment(folder: &Path, ordinal: u64) -> PathBuf {
    SegmentFile::new(folder, ordinal).path
}

fn both_ways(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn byte(file: &File, at: u64) -> u8 {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0]
}

/// Where the frames of a log of one segment start, and where the last ends, in bytes.
fn frames(ends: &[Committed]) -> Vec<u64> {
    std::iter::once(4096).chain(ends.iter().map(|end| end.line as u64 * 64)).collect()
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    let ends = append(&mut opened, &[vec![1], vec![2, 1], vec![4], vec![1, 1], vec![3]]);
    drop(opened);
    let starts = frames(&ends);
    let (&end, &last) = (starts.last().unwrap(), starts.iter().rev().nth(1).unwrap());
    let path = segment(folder.path(), 1);
    let file = both_ways(&path);
    let offsets = (0..256).chain((256..4096).step_by(61)).chain(4096..end);
    for offset in offsets.chain((end..65_536).step_by(509)) {
        let good = byte(&file, offset);
        for bit in 0..8 {
            file.write_all_at(&[good ^ 1 << bit], offset).unwrap();
            let found = look(folder.path());
            let start = starts.iter().rev().find(|&&start| start <= offset).copied().unwrap_or(0);
            match found {
                // Behind the last frame, or in it: cut off, but not in silence.
                Ok(scan) => {
                    assert!(offset >= last, "byte {offset} bit {bit} passes for a torn tail");
                    let torn = &scan.torn[0];
                    assert_eq!((&torn.place.file, torn.place.offset), (&path, start.min(end)));
                }
                Err(JournalError::Damaged { place, .. }) => {
                    assert!(offset < last, "byte {offset} bit {bit} is taken for damage");
                    assert_eq!((&place.file, place.offset), (&path, start));
                }
                Err(other) => panic!("byte {offset} bit {bit}: {other}"),
            }
        }
        file.write_all_at(&[good], offset).unwrap();
    }
    assert_eq!(look(folder.path()).unwrap().torn, []);
}

#[test]
fn a_flipped_byte_in_a_long_log_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    append(&mut opened, &vec![vec![1, 2, 3]; 300]);
    drop(opened);
    let segments = SegmentFile::list(folder.path()).unwrap();
    assert!(segments.len() >= 5, "three segments in use and two ready");
    for segment in segments {
        let file = both_ways(&segment.path);
        for offset in (0..65_536).step_by(1_021) {
            let good = byte(&file, offset);
            file.write_all_at(&[good ^ 0x5a], offset).unwrap();
            match look(folder.path()) {
                Ok(scan) => assert_eq!(scan.torn[0].place.file, segment.path, "byte {offset}"),
                Err(JournalError::Damaged { place, .. }) => {
                    assert_eq!(place.file, segment.path, "byte {offset}");
                    assert!(place.offset <= offset);
                }
                Err(other) => panic!("byte {offset}: {other}"),
            }
            file.write_all_at(&[good], offset).unwrap();
        }
    }
}

#[test]
fn damage_is_never_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    let ends = append(&mut opened, &[vec![1], vec![2], vec![3]]);
    drop(opened);
    let path = segment(folder.path(), 1);
    let second = frames(&ends)[1];
    // A bad frame before a good one, and a frame that was lost altogether.
    for zeros in [1, 3 * 64] {
        let good = fs::read(&path).unwrap();
        both_ways(&path).write_all_at(&vec![0; zeros], second).unwrap();
        let bad = fs::read(&path).unwrap();
        let error = reopen::<Command>(folder.path()).unwrap_err();
        let JournalError::Damaged { place, .. } = &error else { panic!("{error}") };
        assert_eq!((place.offset, place.after), (second, 1));
        assert!(error.to_string().contains("Restore this file from the standby"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bad, "the file was changed");
        fs::write(&path, good).unwrap();
    }
    reopen::<Command>(folder.path()).unwrap();
}

#[test]
fn swapped_and_repeated_frames_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    let ends = append(&mut opened, &[vec![1], vec![1], vec![1]]);
    drop(opened);
    let path = segment(folder.path(), 1);
    let good = fs::read(&path).unwrap();
    let [first, second, third, end] = frames(&ends)[..] else { panic!("three frames") };
    let frame = |from: u64, to: u64| good[from as usize..to as usize].to_vec();
    // The last two swapped; the first in the place of the second; the last one lost.
    let swaps = [
        ([frame(first, second), frame(third, end), frame(second, third)], second),
        ([frame(first, second), frame(first, second), frame(third, end)], second),
        ([frame(second, third), frame(first, second), frame(third, end)], first),
    ];
    for (frames, bad) in swaps {
        both_ways(&path).write_all_at(&frames.concat(), first).unwrap();
        let error = look(folder.path()).unwrap_err();
        let JournalError::Damaged { place, wrong } = error else { panic!("{error}") };
        assert_eq!((place.offset, wrong), (bad, Wrong::Link));
    }
}

#[test]
fn missing_swapped_and_foreign_segments_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    append(&mut opened, &vec![vec![1]; 1_800]);
    drop(opened);
    let [one, two, four] = [1, 2, 4].map(|ordinal| segment(folder.path(), ordinal));
    let aside = folder.path().join("aside");
    let count = SegmentFile::list(folder.path()).unwrap().len() as u64;
    assert_eq!(look(folder.path()).unwrap().segments[3].messages, 1_800 - 3 * 479);

    fs::rename(&two, &aside).unwrap();
    let error = look(folder.path()).unwrap_err();
    assert!(matches!(&error, JournalError::MissingSegment { file } if *file == two), "{error}");
    fs::rename(&one, &two).unwrap();
    let error = look(folder.path()).unwrap_err();
    assert!(matches!(&error, JournalError::MissingSegment { file } if *file == one), "{error}");
    fs::rename(&aside, &one).unwrap();
    let error = look(folder.path()).unwrap_err();
    let JournalError::Damaged { place, wrong } = error else { panic!("{error}") };
    assert_eq!((place.file, wrong), (one.clone(), Wrong::SegmentOrder));
    fs::rename(&one, &aside).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&aside, &two).unwrap();

    // The last segments gone, from the one in use on: the end mark before it still tells.
    for ordinal in 4..=count {
        fs::rename(segment(folder.path(), ordinal), folder.path().join(ordinal.to_string()))
            .unwrap();
    }
    let error = look(folder.path()).unwrap_err();
    assert!(matches!(&error, JournalError::MissingSegment { file } if *file == four), "{error}");
}

#[test]
fn a_segment_of_the_other_log_or_another_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Event>(folder.path()).unwrap();
    opened.writer.append(&event(1, 0)).unwrap();
    opened.writer.commit();
    drop(opened);
    let error = look(folder.path()).unwrap_err();
    assert!(error.to_string().contains("a segment of the event log"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    opened.writer.append(&command(1, 1)).unwrap();
    opened.writer.commit();
    drop(opened);
    let file = both_ways(&segment(folder.path(), 1));
    file.write_all_at(&[9], 10).unwrap();
    let mut header = [0; 252];
    file.read_exact_at(&mut header, 0).unwrap();
    file.write_all_at(&crc32c::crc32c(&header).to_le_bytes(), 252).unwrap();
    let error = look(folder.path()).unwrap_err();
    assert!(error.to_string().contains("with messages of version 9"), "{error}");
}
