//! What does it cost to put a command on record? Appended and committed to a real file, one at a
//! time and in bursts; making segments and syncing them is the keeper's, and is not in it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use wirematch::journal::{Meaning, Opened, Settings, UtcMapping, open};
use wirematch::model::{Command, CommandKind, Group, SeqNo, Text};

/// Commands of one run: they fit the first segment.
const COMMANDS: u64 = 20_000;

/// A log in a folder of its own, which goes when it is dropped.
fn fresh() -> (Opened<Command>, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings {
        segment_bytes: 8 << 20,
        ready_segments: 1,
        reserve_lines: 64,
        ..Settings::default()
    };
    let log = open(folder.path(), Meaning::default(), UtcMapping::default(), &settings);
    (log.expect("a new log opens"), folder)
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(COMMANDS)).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut command = Group::new(Command { lines: 2, ..Command::new(CommandKind::Enter) });
    command.rest_mut()[0] = Text::default().line();
    for burst in [1, 32] {
        group.bench_function(format!("commands of two lines, {burst} to a commit"), |bencher| {
            bencher.iter_batched_ref(
                fresh,
                |(log, _folder)| {
                    for seq in 1..=COMMANDS {
                        command.head.seq = SeqNo(seq);
                        log.writer.append(black_box(&command)).expect("there is room");
                        if seq.is_multiple_of(burst) {
                            log.writer.commit();
                        }
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
