//! Packed segments: read as if they were plain, damage in them is found, and a log can be cut back
//! into them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::journal::pack::pack;
use crate::journal::segment::SegmentFile;
use crate::journal::{
    LogKind, Meaning, Opened, Reader, Settings, UtcMapping, cut_back, open_with, scan, summary,
};
use crate::model::Command;

use super::{Quick, append, commands, expected, open_in, small};

fn packing() -> Settings {
    Settings { seal_interval: Duration::ZERO, plain_segments: 1, ..small() }
}

/// Steps, and time enough between them for a look at what may be packed.
fn pack_all(opened: &mut Opened<Command>) {
    for _ in 0..20 {
        opened.keeper.step(Duration::from_secs(1));
    }
}

/// A log of several segments, all packed but the last two, and the lines of its commands.
fn packed_log(folder: &Path) -> Vec<u8> {
    let lines: Vec<u8> = (0..4_000).map(|i| 1 + (i % 4) as u8).collect();
    let mut opened = open_in(folder, &packing()).unwrap();
    let bursts: Vec<Vec<u8>> = lines.chunks(9).map(<[u8]>::to_vec).collect();
    append(&mut opened, &bursts);
    opened.keeper.sync();
    pack_all(&mut opened);
    lines
}

#[test]
fn what_was_packed_reads_as_before_from_any_seq_on() {
    let folder = tempfile::tempdir().unwrap();
    let lines = packed_log(folder.path());
    let found = summary(folder.path(), LogKind::Commands).unwrap();
    assert!(found.packed >= 5 && found.segments - found.packed == 2, "{found:?}");
    assert!(found.bytes < found.segments as u64 * 64 * 1024 / 2 + 3 * 64 * 1024, "{found:?}");
    let all = expected(&lines);
    for from in [0, 1, 2, 700, 2_000, 3_999, 4_000] {
        let at = (from as usize).saturating_sub(1);
        assert_eq!(commands(folder.path(), from), all[at..], "from {from}");
    }
    // A start reads it, and goes on.
    let mut opened = open_in::<Command>(folder.path(), &packing()).unwrap();
    assert_eq!(opened.last, 4_000);
    append(&mut opened, &[vec![2, 2]]);
    assert_eq!(commands(folder.path(), 4_001).len(), 2);
}

#[test]
fn a_reader_goes_on_while_its_segments_are_packed() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open_in::<Command>(folder.path(), &packing()).unwrap();
    let mut reader = Reader::<Command>::open(folder.path(), 0).unwrap();
    let mut read = 0;
    for _ in 0..40 {
        append(&mut opened, &vec![vec![4; 5]; 10]);
        pack_all(&mut opened);
        for _ in 0..30 {
            read += u64::from(reader.read().unwrap().is_some());
        }
    }
    while let Some(group) = reader.read().unwrap() {
        read += 1;
        assert_eq!(group.head.seq.0, read);
    }
    assert_eq!(read, 2_000);
}

#[test]
fn another_place_holds_them_and_is_not_changed_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (log, place) = (folder.path().join("commands"), folder.path().join("large"));
    let elsewhere = Settings { packed: Some(place.clone()), ..packing() };
    let mut opened = open_in::<Command>(&log, &elsewhere).unwrap();
    append(&mut opened, &vec![vec![4; 5]; 200]);
    opened.keeper.sync();
    pack_all(&mut opened);
    drop(opened);
    assert!(place.join("commands/0000000001.log.zst").exists());
    assert_eq!(commands(&log, 0).len(), 1_000);
    drop(open_in::<Command>(&log, &elsewhere).unwrap());
    let other = Settings { packed: Some(folder.path().join("other")), ..packing() };
    let error = open_in::<Command>(&log, &other).unwrap_err();
    let told = format!("{error}: {:?}", std::error::Error::source(&error));
    assert!(told.contains("move them to"), "{told}");
    // Without the setting the place stays what it was.
    assert_eq!(open_in::<Command>(&log, &packing()).unwrap().last, 1_000);
}

#[test]
fn what_another_journal_packed_is_neither_read_nor_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (log, place) = (folder.path().join("commands"), folder.path().join("large"));
    fs::create_dir_all(place.join("commands")).unwrap();
    let foreign = place.join("commands/0000000001.log.zst");
    fs::write(&foreign, zstd::encode_all(&b"another's"[..], 1).unwrap()).unwrap();
    let before = fs::read(&foreign).unwrap();
    let elsewhere = Settings { packed: Some(place), ..packing() };
    let error = open_in::<Command>(&log, &elsewhere).unwrap_err();
    let told = format!("{error}: {:?}", std::error::Error::source(&error));
    assert!(told.contains("is not empty: name another place"), "{told}");
    // Two that were given one place when it was empty.
    fs::remove_file(&foreign).unwrap();
    let mut opened = open_in::<Command>(&log, &elsewhere).unwrap();
    fs::write(&foreign, &before).unwrap();
    append(&mut opened, &vec![vec![4; 5]; 200]);
    opened.keeper.sync();
    pack_all(&mut opened);
    let complaint = opened.writer.progress().complaint().unwrap();
    assert!(complaint.contains("is of another journal"), "{complaint}");
    assert_eq!(fs::read(&foreign).unwrap(), before);
    assert_eq!(commands(&log, 0).len(), 1_000);
}

#[test]
fn a_flipped_byte_of_a_packed_segment_is_found() {
    let folder = tempfile::tempdir().unwrap();
    packed_log(folder.path());
    let path = SegmentFile::find(folder.path(), 2).unwrap().path;
    assert!(path.ends_with("packed/0000000002.log.zst"));
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(61) {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        fs::write(&path, &bad).unwrap();
        let error = scan(folder.path(), LogKind::Commands, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("0000000002.log.zst"), "byte {at}: {error}");
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    scan(folder.path(), LogKind::Commands, &mut |_| ()).unwrap_err();
    fs::remove_file(&path).unwrap();
    scan(folder.path(), LogKind::Commands, &mut |_| ()).unwrap_err();
}

#[test]
fn a_crash_while_packing_leaves_both_or_one_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lines = packed_log(folder.path());
    let packed = SegmentFile::find(folder.path(), 3).unwrap();
    let plain = SegmentFile::new(folder.path(), 3);
    // The packed one had its name, and the plain one was not removed yet.
    fs::write(&plain.path, zstd::decode_all(&fs::read(&packed.path).unwrap()[..]).unwrap())
        .unwrap();
    // Another was being written.
    fs::write(folder.path().join("packed/0000000004.log.new"), b"half").unwrap();
    assert_eq!(commands(folder.path(), 0), expected(&lines));
    let mut opened = open_in::<Command>(folder.path(), &packing()).unwrap();
    append(&mut opened, &[vec![1]]);
    opened.keeper.sync();
    pack_all(&mut opened);
    assert!(!plain.path.exists());
    assert_eq!(commands(folder.path(), 0), expected(&[&lines[..], &[1]].concat()));
}

#[test]
fn a_log_is_cut_back_into_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    let log = LogKind::Commands.folder(folder.path());
    let lines = packed_log(&log);
    cut_back(folder.path(), 700).unwrap();
    let opened = open_in::<Command>(&log, &packing()).unwrap();
    // Whole frames go, of nine commands each.
    assert!((692..=700).contains(&opened.last), "{}", opened.last);
    assert_eq!(commands(&log, 0), expected(&lines[..opened.last as usize]));
}

#[test]
fn what_was_not_sealed_yet_stays_plain() {
    let folder = tempfile::tempdir().unwrap();
    let never = Settings { seal_interval: Duration::MAX, ..packing() };
    let quick = std::sync::Arc::new(Quick);
    let (meaning, utc) = (Meaning::default(), UtcMapping::default());
    let mut opened = open_with::<Command>(folder.path(), meaning, utc, &never, quick).unwrap();
    append(&mut opened, &vec![vec![4; 5]; 200]);
    pack_all(&mut opened);
    assert_eq!(summary(folder.path(), LogKind::Commands).unwrap().packed, 0);
    // By hand it would be no loss either.
    pack(&SegmentFile::new(folder.path(), 1), &Quick).unwrap();
    assert_eq!(commands(folder.path(), 0).len(), 1_000);
}
