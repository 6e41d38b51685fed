//! What does the risk gate cost? A good order with all its checks and what it holds, and the events
//! that give it back; an order refused at once.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock itself")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wirematch::engine::risk::RiskGate;
use wirematch::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventKind, InstrumentId,
    LimitKind, Nanos, OrderType, Price, Quantity, Scope, SeqNo, SessionId, Side, TimeInForce,
};
use wirematch::topology::{DEFAULT_CONFIG, check, parse};

/// A session of the default configuration without a limit of rate, and its accounts.
const SESSION: SessionId = SessionId(3);
const ACCOUNTS: u32 = 1_000;

fn order(seq: u64) -> Command {
    Command {
        seq: SeqNo(seq),
        timestamp: Nanos(seq),
        price: Price(300_0000),
        quantity: Quantity(100),
        session: SESSION,
        ordinal: seq as u32,
        account: AccountId(1 + seq as u32 % ACCOUNTS),
        instrument: InstrumentId(1 + seq as u32 % 4),
        side: if seq.is_multiple_of(2) { Side::Buy } else { Side::Sell }.code(),
        order_type: OrderType::Limit.code(),
        time_in_force: TimeInForce::Day.code(),
        ..Command::new(CommandKind::Enter)
    }
}

/// The order is taken, and cancelled again.
fn events(command: &Command) -> [Event; 2] {
    let accepted = Event::answering(command, 0, EventKind::Accepted);
    let flags = EventFlags::DONE.with(EventFlags::LAST);
    let reason = CancelReason::User.code();
    [accepted, Event { kind: EventKind::Cancelled.code(), flags, reason, ..accepted }]
}

fn risk(criterion: &mut Criterion) {
    let config = parse("defaults", DEFAULT_CONFIG).expect("the defaults are good");
    let catalogue = check(&config, "defaults", DEFAULT_CONFIG).expect("the defaults are good");
    let mut gate = RiskGate::new(&catalogue.risk);
    let mut group = criterion.benchmark_group("risk");
    group.throughput(Throughput::Elements(1));
    let mut seq = 0;
    group.bench_function("an order accepted, and its end", |bencher| {
        bencher.iter(|| {
            seq += 1;
            let mut command = order(seq);
            gate.check(&mut command);
            assert_eq!(command.verdict, 0);
            for event in events(&command) {
                gate.apply(black_box(&event)).expect("a good event");
            }
        });
    });
    group.bench_function("an order far from the market", |bencher| {
        bencher.iter(|| {
            seq += 1;
            let mut command = Command { price: Price(900_0000), ..order(seq) };
            gate.check(&mut command);
            assert_ne!(command.verdict, 0);
            command.verdict
        });
    });
}

/// Accounts and instruments of the wide gate.
const MANY_ACCOUNTS: u32 = 100_000;
const MANY_INSTRUMENTS: u32 = 1_000;

/// A gate with every control on: limits that are never reached, guards that never trip.
fn wide(is_guarded: bool) -> RiskGate {
    let mut text = String::new();
    for id in 0..MANY_INSTRUMENTS {
        text += &format!("[[instrument]]\nsymbol = \"I{id}\"\nreference_price = \"300\"\n");
    }
    text += &format!(
        "[[account]]\nfirst = 1\ncount = {MANY_ACCOUNTS}\n[[session]]\nid = 3\nkey = \"12345678\"\n\
         first_account = 1\nlast_account = {MANY_ACCOUNTS}\nrate = \"fast\"\n\
         [rate.fast]\nper_second = 1000000000\nburst = 1000000\n"
    );
    if is_guarded {
        text += "[risk]\nnet_exposure_max = \"1_000_000_000\"\nposition_max = 1_000_000_000\n\
            duplicate_window_ms = 1\nrate = \"fast\"\nexecutions_max = 1_000_000_000\n\
            short_marking = true\nsoft_percent = \"80\"\nreference_age_ms = 1_000_000_000\n";
    }
    for firm in (0..10).filter(|_| is_guarded) {
        let (first, last) = (firm * 10_000 + 1, (firm + 1) * 10_000);
        text += &format!("[[firm]]\nfirst_account = {first}\nlast_account = {last}\n");
    }
    let config = parse("bench", &text).expect("the configuration is good");
    let mut catalogue = check(&config, "bench", &text).expect("the configuration is good");
    // Sums of a firm's ten thousand accounts are far above what one may.
    catalogue.risk.orders_max = 1 << 16;
    let mut gate = RiskGate::new(&catalogue.risk);
    let guards = [
        (LimitKind::Breaker, 1_000),
        (LimitKind::BreakerWindow, 300_000),
        (LimitKind::PriceBand, 900),
        (LimitKind::PriceTestFall, 1_000),
    ];
    for id in (1..=MANY_INSTRUMENTS).filter(|_| is_guarded) {
        for (kind, value) in guards {
            gate.check(&mut Command {
                instrument: InstrumentId(id),
                side: Scope::Instrument.code(),
                order_type: kind.code(),
                price: Price(value),
                ..Command::new(CommandKind::SetLimit)
            });
        }
    }
    gate
}

/// Orders of random accounts in random instruments, prices apart so that none comes twice.
fn anywhere(seq: u64) -> Command {
    // As many pairs as the gate has room for come again and again.
    let mixed = (seq % (1 << 19)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Command {
        account: AccountId(1 + (mixed >> 32) as u32 % MANY_ACCOUNTS),
        instrument: InstrumentId(1 + mixed as u32 % MANY_INSTRUMENTS),
        price: Price(300_0000 - 100 * (seq % 512) as i64),
        side: Side::Buy.code(),
        timestamp: Nanos(1_000_000_000 + seq * 100),
        ..order(seq)
    }
}

/// Orders in a batch, and how far ahead the caches are asked for what one needs.
const BATCH: u64 = 4_096;
const AHEAD: u64 = 8;

fn spread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("risk, 100,000 accounts in 1,000 instruments");
    group.throughput(Throughput::Elements(BATCH));
    let mut seq = 0;
    group.bench_function("an empty pass", |bencher| {
        bencher.iter(|| {
            for at in 1..=BATCH {
                black_box(anywhere(seq + at));
            }
            seq += BATCH;
        });
    });
    for (name, is_guarded) in [("the controls every account has", false), ("all controls", true)] {
        let mut gate = wide(is_guarded);
        println!("{name}: {} KiB of tables", gate.bytes() / 1024);
        let mut seq = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|batches| {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..batches {
                    let begun = std::time::Instant::now();
                    for at in 1..=BATCH {
                        gate.expect(&anywhere(seq + at + 2 * AHEAD));
                        gate.expect_soon(&anywhere(seq + at + AHEAD));
                        let mut command = anywhere(seq + at);
                        gate.check(&mut command);
                        assert_eq!(command.verdict, 0);
                    }
                    spent += begun.elapsed();
                    // Giving back is not what is measured.
                    for at in 1..=BATCH {
                        let [_, end] = events(&anywhere(seq + at));
                        gate.apply(&end).expect("a good event");
                    }
                    seq += BATCH;
                }
                spent
            });
        });
        isolated(&mut gate, name, seq);
    }
}

/// One order at a time, a microsecond after the gate was told of it; the clock's own time is in.
fn isolated(gate: &mut RiskGate, name: &str, mut seq: u64) {
    let mut times = Vec::new();
    for _ in 0..20_000 {
        seq += 1;
        let mut command = anywhere(seq);
        gate.expect(&command);
        wait();
        gate.expect_soon(&command);
        wait();
        let begun = std::time::Instant::now();
        gate.check(black_box(&mut command));
        times.push(begun.elapsed().as_nanos() as u64);
        assert_eq!(command.verdict, 0);
        gate.apply(&events(&command)[1]).expect("a good event");
    }
    times.sort_unstable();
    println!("{name}, isolated: p50 {} ns, p99 {} ns", times[10_000], times[19_800]);
}

fn wait() {
    let begun = std::time::Instant::now();
    while begun.elapsed().as_nanos() < 500 {}
}

criterion_group!(benches, risk, spread);
criterion_main!(benches);
