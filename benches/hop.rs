//! What does a link cost? On one core, where its two ends take turns, and from core to core.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wirematch::link::{Taken, link};
use wirematch::model::{Command, CommandKind, Event, Group, Text};

/// Messages that go over at once, as under load.
const BURST: u64 = 32;

fn one_core(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hop, one core");
    let (mut producer, mut consumer) = link::<Event>(1024);
    let event = Event::default();
    group.bench_function("one message of one line", |bencher| {
        bencher.iter(|| {
            assert!(producer.push_head(black_box(&event)));
            consumer.pop_head()
        });
    });

    group.throughput(Throughput::Elements(BURST));
    group.bench_function("a burst of one line each", |bencher| {
        bencher.iter(|| {
            (0..BURST).for_each(|_| assert!(producer.push_head(black_box(&event))));
            consumer.take_each(|event, _| {
                black_box(event);
                Taken::Yes
            })
        });
    });

    let (mut producer, mut consumer) = link::<Command>(1024);
    let mut command = Group::new(Command { lines: 2, ..Command::new(CommandKind::Enter) });
    command.rest_mut()[0] = Text::default().line();
    group.bench_function("a burst of two lines each", |bencher| {
        bencher.iter(|| {
            (0..BURST).for_each(|_| assert!(producer.push(black_box(&command))));
            consumer.take_each(|command, rest| {
                black_box((command, rest));
                Taken::Yes
            })
        });
    });
}

/// There and back, which is two hops: one side cannot time what the other side sees.
fn two_cores(criterion: &mut Criterion) {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("skipped: hop from core to core, there is one core");
        return;
    }
    let (mut there, mut arrived) = link::<Event>(1024);
    let (mut back, mut returned) = link::<Event>(1024);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let echo = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            if let Some(event) = arrived.pop_head() {
                assert!(back.push_head(&event));
            }
            std::hint::spin_loop();
        }
    });
    let event = Event::default();
    criterion.bench_function("hop, core to core, there and back", |bencher| {
        bencher.iter(|| {
            assert!(there.push_head(black_box(&event)));
            loop {
                if let Some(event) = returned.pop_head() {
                    break event;
                }
                std::hint::spin_loop();
            }
        });
    });
    stop.store(true, Ordering::Relaxed);
    echo.join().expect("the echo only echoes");
}

criterion_group!(benches, one_core, two_cores);
criterion_main!(benches);
