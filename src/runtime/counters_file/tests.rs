//! The counters file: what is written is read, and no bytes make a reader panic.

use hdrhistogram::Histogram;
use proptest::prelude::*;

use super::*;
use crate::model::Nanos;

fn file() -> (tempfile::TempDir, std::path::PathBuf, CountersFile, [Slot; 4]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(COUNTERS_NAME);
    let mut plan = Plan::default();
    let slots = [
        plan.counter("frames", "frames received", Unit::None, &[("port", "entry")]),
        plan.gauge("level", "goes below zero", Unit::Decimal, &[]),
        plan.histogram("latency", "how long it took", &[("to", "matched")]),
        plan.text("role", "what it is", 16, &[]),
    ];
    let file = CountersFile::create(&path, &plan, Nanos(5)).expect("it can be made");
    (folder, path, file, slots)
}

#[test]
fn what_is_written_is_read_with_its_name_and_labels() {
    let (_folder, path, mut file, [frames, level, latency, role]) = file();
    let mut histogram = Histogram::<u64>::new(3).expect("bounds are good");
    (1..=1000u64).for_each(|span| histogram.record(span * 1000).expect("it is in bounds"));
    file.write(Nanos(9), |values| {
        values.set(frames, 7);
        values.set_signed(level, -3);
        values.set_histogram(latency, &histogram);
        values.set_text(role, "primary, and äöü beyond");
    });
    let read = Snapshot::read(&path).expect("it is good");
    assert_eq!(
        (read.pid, read.started_at, read.written_at),
        (std::process::id(), Nanos(5), Nanos(9))
    );
    assert!(read.is_alive() && !read.is_torn && !read.is_ended);
    assert_eq!(read.one("frames").map(|one| (one.label("port"), one.number())), Some(("entry", 7)));
    assert_eq!((read.number("level"), read.words("role")), (-3, "primary, and ä"));
    let spans = read.one("latency").and_then(Sample::spans).expect("it is a histogram");
    assert_eq!((spans.count, spans.max / 1000), (1000, 1000));
    let p99 = spans.quantile(0.99);
    assert!((985_000..=1_024_000).contains(&p99), "{p99}");
    assert_eq!(spans.at_most(60_000_000_000), 1000);
    assert_eq!(spans.since(spans).quantile(0.5), 0);
    file.end();
    assert!(!Snapshot::read(&path).expect("it is good").is_alive());
}

#[test]
fn a_writer_that_died_while_it_wrote_is_seen() {
    let (_folder, path, file, _) = file();
    file.map_for_test().store(3, std::sync::atomic::Ordering::Relaxed);
    assert!(Snapshot::read(&path).expect("it is good").is_torn);
}

#[test]
fn another_version_is_refused_in_a_sentence() {
    let (_folder, path, _file, _) = file();
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[8] = 9;
    let error = Snapshot::of(&bytes, false).expect_err("it is another version");
    assert!(error.contains("version 9") && error.contains("reads 1"), "{error}");
}

proptest! {
    #[test]
    fn a_bucket_is_right_to_three_percent_or_so(span in 1..60_000_000_000u64) {
        let longest = longest_in_span(bucket_of_span(span));
        prop_assert!(longest >= span && longest - span <= span / 31 + 1, "{} {}", span, longest);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        changes in prop::collection::vec((0..5000usize, any::<u8>()), 0..40),
        length in 0..9000usize,
    ) {
        let (_folder, path, _file, _) = file();
        let mut bytes = std::fs::read(&path).expect("it is there");
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        let _ = Snapshot::of(&bytes, false);
        let _ = Snapshot::of(&bytes[..length.min(bytes.len())], false);
    }
}
