//! What does the risk gate cost? A good order with all its checks and what it holds, and the events
//! that give it back; an order refused at once.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wirematch::engine::risk::RiskGate;
use wirematch::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventKind, InstrumentId,
    Nanos, OrderType, Price, Quantity, SeqNo, SessionId, Side, TimeInForce,
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

criterion_group!(benches, risk);
criterion_main!(benches);
