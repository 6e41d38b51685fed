//! What a crash leaves: everything before it survives, nothing after it is invented.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::prelude::*;

use crate::journal::progress::Committed;
use crate::journal::segment::SegmentFile;
use crate::journal::{LogKind, Meaning, UtcMapping, open, scan};
use crate::model::{Command, Nanos};

use super::{append, commands, expected, reopen, small};

/// Zeroes a log from a byte of a segment on, as if nothing had been written since.
fn kill_at(folder: &Path, ordinal: u64, offset: u64) {
    for file in SegmentFile::list(folder).unwrap() {
        let from = if file.ordinal < ordinal { continue } else { offset };
        let from = if file.ordinal == ordinal { from } else { 0 };
        let open = OpenOptions::new().write(true).open(&file.path).unwrap();
        let zeros = vec![0; open.metadata().unwrap().len().saturating_sub(from) as usize];
        open.write_all_at(&zeros, from).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for file in SegmentFile::list(from).unwrap() {
        std::fs::copy(&file.path, to.join(file.path.file_name().unwrap())).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_crash_at_any_byte_loses_nothing_committed_before_it(
        bursts in prop::collection::vec(prop::collection::vec(1u8..=4, 1..40), 1..60),
        further in prop::collection::vec(prop::collection::vec(1u8..=4, 1..5), 1..4),
        place in any::<prop::sample::Index>(),
        offset in 0u64..64 * 1024,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = reopen::<Command>(folder.path()).unwrap();
        let ends = append(&mut opened, &bursts);
        drop(opened);
        let Committed { ordinal: last_segment, line, .. } = *ends.last().unwrap();
        let ordinal = 1 + place.index(last_segment as usize) as u64;
        // In the last segment, aim at what was written.
        let offset = if ordinal == last_segment { offset % (line as u64 * 64 + 1) } else { offset };
        kill_at(folder.path(), ordinal, offset);

        let safe = ends.iter().rev().find(|end| {
            end.ordinal < ordinal || end.ordinal == ordinal && end.line as u64 * 64 <= offset
        });
        let safe = safe.map_or(0, |end| end.last);
        let mut opened = reopen::<Command>(folder.path()).unwrap();
        prop_assert!(opened.last >= safe, "{} is less than {safe}", opened.last);
        let mut lines = bursts.concat();
        lines.truncate(opened.last as usize);
        prop_assert_eq!(commands(folder.path(), 0), expected(&lines));

        append(&mut opened, &further);
        lines.extend(further.concat());
        prop_assert_eq!(commands(folder.path(), 0), expected(&lines));
        drop(opened);
        let again = scan(folder.path(), LogKind::Commands, &mut |_| ()).unwrap();
        prop_assert_eq!((again.last, again.torn), (lines.len() as u64, vec![]));
    }
}

#[test]
fn every_truncation_recovers_to_the_last_good_frame() {
    let whole = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(whole.path()).unwrap();
    let bursts = [vec![1], vec![2, 3], vec![4], vec![1, 1, 1], vec![2]];
    let ends = append(&mut opened, &bursts);
    drop(opened);
    let used = ends.last().unwrap().line as u64 * 64;
    let lengths = (0..4096).step_by(51).chain(4096..=used).chain((used..65_536).step_by(3_001));
    for length in lengths {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        let file = OpenOptions::new().write(true).open(folder.path().join("0000000001.log"));
        file.unwrap().set_len(length).unwrap();
        let mut opened = reopen::<Command>(folder.path()).unwrap();
        let safe = ends.iter().rev().find(|end| end.line as u64 * 64 <= length);
        let safe = safe.map_or(0, |end| end.last);
        assert_eq!(opened.last, safe, "cut to {length} bytes");
        assert!(!opened.torn.is_empty(), "cut to {length} bytes and not reported");
        let mut lines = bursts.concat();
        lines.truncate(safe as usize);
        append(&mut opened, &[vec![3]]);
        lines.push(3);
        assert_eq!(commands(folder.path(), 0), expected(&lines), "cut to {length} bytes");
    }
}

#[test]
fn a_killed_change_of_segment_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    let lines = vec![1; 1_200];
    let ends = append(&mut opened, &lines.iter().map(|&l| vec![l]).collect::<Vec<_>>());
    let second = ends.iter().find(|end| end.ordinal == 2).unwrap().last;
    drop(opened);
    // The end mark was written, the next segment's header not or in part.
    for (offset, torn) in [(0, 0), (100, 1)] {
        kill_at(folder.path(), 2, offset);
        let mut opened = reopen::<Command>(folder.path()).unwrap();
        assert_eq!((opened.last, opened.torn.len()), (second - 1, torn));
        append(&mut opened, &[vec![1], vec![1]]);
        let all = expected(&lines[..second as usize + 1]);
        assert_eq!(commands(folder.path(), 0), all);
    }
}

#[test]
fn a_changed_meaning_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    append(&mut opened, &[vec![1]]);
    drop(opened);
    let meaning = Meaning { feedback_lag: Nanos(20_000), ..Meaning::default() };
    let refused = open::<Command>(folder.path(), meaning, UtcMapping::default(), &small());
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("feedback_lag_ns = 0, the configuration says 20000"), "{text}");
}

#[test]
fn the_other_size_of_segments_holds_from_the_next_segment_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen::<Command>(folder.path()).unwrap();
    append(&mut opened, &[vec![1]]);
    drop(opened);
    let settings = crate::journal::Settings { segment_bytes: 128 * 1024, ..small() };
    let meaning = Meaning::default();
    let mut opened =
        open::<Command>(folder.path(), meaning, UtcMapping::default(), &settings).unwrap();
    append(&mut opened, &vec![vec![1]; 1_500]);
    assert_eq!(commands(folder.path(), 0), expected(&vec![1; 1_501]));
    let sizes = SegmentFile::list(folder.path()).unwrap();
    let size = |file: &SegmentFile| std::fs::metadata(&file.path).unwrap().len();
    assert_eq!(sizes.iter().map(size).take(3).collect::<Vec<_>>(), [65_536, 131_072, 131_072]);
}
