//! What does an order cost? A mix of adds, cancels, replacements and sweeps, at two depths: in the
//! book alone, and through the whole matcher with its checks, its register and its events.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wirematch::engine::{EngineLimits, Matcher, SoftwareMatcher};
use wirematch::flow::{FastBook, Flow, FlowBook, FlowEvent, FlowKind, MakeOptions, make, peak_of};
use wirematch::model::{
    AccountId, Command, CommandKind, Group, Instrument, InstrumentId, Nanos, OrderType, Price,
    Quantity, SeqNo, SessionId, Side, Symbol, TimeInForce,
};

/// Timed events of one run: some milliseconds.
const EVENTS: u32 = 100_000;

fn flow_of(resting: u32) -> Flow {
    let options = MakeOptions { seed: 1, resting, events: EVENTS, range: 100, sparse_ids: false };
    make(&options, &mut |_| {}).expect("ids are new")
}

fn book(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book");
    group.throughput(Throughput::Elements(u64::from(EVENTS))).sample_size(20);
    for resting in [5_000, 120_000] {
        let flow = flow_of(resting);
        let orders_max = peak_of(&flow).expect("a good flow");
        let (prefill, timed) = flow.parts();
        let filled = || {
            let mut book = FastBook::new(orders_max, EngineLimits::DEFAULT.ladder_ticks);
            let mut trades = Vec::with_capacity(EVENTS as usize);
            for event in prefill {
                book.apply(event, &mut trades).expect("a good flow");
            }
            (book, trades)
        };
        group.bench_function(format!("{resting} resting"), |bencher| {
            bencher.iter_batched_ref(
                filled,
                |(book, trades)| {
                    for event in timed {
                        let _ = black_box(book.apply(event, trades));
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
}

fn matcher(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matcher");
    group.throughput(Throughput::Elements(u64::from(EVENTS))).sample_size(20);
    for resting in [5_000, 120_000] {
        let flow = flow_of(resting);
        let orders_max = peak_of(&flow).expect("a good flow");
        let commands = commands_of(&flow);
        let (prefill, timed) = commands.split_at(flow.prefill);
        let filled = || {
            let limits = EngineLimits { orders_max, ..EngineLimits::DEFAULT };
            let mut matcher = SoftwareMatcher::new(limits, &[instrument()]).expect("good limits");
            run(&mut matcher, prefill);
            matcher
        };
        group.bench_function(format!("{resting} resting"), |bencher| {
            bencher.iter_batched_ref(
                filled,
                |matcher| run(matcher, timed),
                BatchSize::PerIteration,
            );
        });
    }
}

/// Flows made to hurt: what each costs beside the normal one is what a bound is worth.
fn pathological(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pathological");
    group.throughput(Throughput::Elements(u64::from(EVENTS))).sample_size(10);
    let place = |at: u64, price: i64, ordinal: u32| {
        let mut command = enter(at, price);
        command.ordinal = ordinal;
        command
    };
    let pairs = |price: fn(u64) -> i64, ordinal: fn(u64) -> u32| -> Vec<Command> {
        let pair = move |at: u64| {
            let entered = place(2 * at + 1, price(at), ordinal(at));
            let cancel = Command { target: entered.ordinal, ..entered };
            let kind = CommandKind::Cancel.code();
            [entered, Command { kind, quantity: Quantity(0), seq: SeqNo(2 * at + 2), ..cancel }]
        };
        (0..u64::from(EVENTS / 2)).flat_map(pair).collect()
    };
    let flows = [
        ("enter and cancel at one price", pairs(|_| 10_000, |at| at as u32 + 1)),
        ("prices far apart", pairs(|at| 1 + (at as i64 * 7_919) % 1_000_000, |at| at as u32 + 1)),
        (
            "the best jumps the whole band",
            pairs(|at| 9_000 + 2_000 * (at as i64 % 2), |at| at as u32 + 1),
        ),
        ("order numbers that collide", pairs(|_| 10_000, |at| (at as u32) << 12 | 1)),
    ];
    for (name, commands) in flows {
        let empty = || SoftwareMatcher::new(EngineLimits::DEFAULT, &[instrument()]).expect("good");
        group.bench_function(name, |bencher| {
            let run_all = |matcher: &mut SoftwareMatcher| run(matcher, &commands);
            bencher.iter_batched_ref(empty, run_all, BatchSize::PerIteration);
        });
    }
}

/// A buyer of one that rests.
fn enter(seq: u64, price: i64) -> Command {
    Command {
        seq: SeqNo(seq),
        timestamp: Nanos(seq),
        price: Price(price * 100),
        quantity: Quantity(1),
        instrument: InstrumentId(1),
        account: AccountId(1),
        session: SessionId(1),
        ..Command::new(CommandKind::Enter)
    }
}

/// Submits commands one by one and takes every event at once, as a fused stage does.
fn run(matcher: &mut SoftwareMatcher, commands: &[Command]) -> usize {
    let mut group = Group::new(Command::new(CommandKind::Tick));
    let mut events = 0;
    for command in commands {
        group.head = *command;
        let _ = matcher.submit(&group);
        let finished = matcher.finished().len();
        black_box(matcher.finished());
        matcher.release(finished);
        events += finished;
    }
    events
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(1),
        symbol: Symbol::new("BENCH").expect("a good name"),
        tick: Price(100),
        lot: Quantity(1),
        reference_price: Price(3_000_000),
    }
}

/// Sessions that share the flow; each numbers its own orders.
const SESSIONS: u32 = 8;

/// The flow as commands: its ids become sessions' order numbers.
fn commands_of(flow: &Flow) -> Vec<Command> {
    let mut next = [0; SESSIONS as usize];
    let mut number = |session: SessionId| {
        next[session.index()] += 1;
        next[session.index()]
    };
    let mut commands = Vec::with_capacity(flow.events.len());
    let mut owners: BTreeMap<u64, (SessionId, u32)> = BTreeMap::new();
    for (seq, event) in (1..).zip(&flow.events) {
        let mut command = plain(event, seq);
        match event.kind {
            FlowKind::Cancel => (command.session, command.target) = owners[&event.id],
            FlowKind::Replace => {
                (command.session, command.target) = owners[&event.id];
                command.ordinal = number(command.session);
                owners.insert(event.new_id, (command.session, command.ordinal));
            }
            _ => {
                command.session = SessionId(event.account % SESSIONS);
                command.ordinal = number(command.session);
                owners.insert(event.id, (command.session, command.ordinal));
            }
        }
        commands.push(command);
    }
    commands
}

/// What of a command does not depend on who sent it.
fn plain(event: &FlowEvent, seq: u64) -> Command {
    let (kind, order_type, time_in_force) = match event.kind {
        FlowKind::Limit => (CommandKind::Enter, OrderType::Limit, TimeInForce::Gtc),
        FlowKind::Immediate => (CommandKind::Enter, OrderType::Limit, TimeInForce::Ioc),
        FlowKind::Market => (CommandKind::Enter, OrderType::Market, TimeInForce::Ioc),
        FlowKind::Replace => (CommandKind::Replace, OrderType::Limit, TimeInForce::Gtc),
        FlowKind::Cancel => (CommandKind::Cancel, OrderType::Limit, TimeInForce::Day),
    };
    let side = if event.buy { Side::Buy } else { Side::Sell };
    Command {
        seq: SeqNo(seq),
        timestamp: Nanos(seq),
        price: Price(i64::from(event.price) * 100),
        quantity: Quantity(event.quantity),
        instrument: InstrumentId(1),
        account: AccountId(event.account),
        side: side.code(),
        order_type: order_type.code(),
        time_in_force: time_in_force.code(),
        client_seq: seq as u32,
        ..Command::new(kind)
    }
}

criterion_group!(benches, book, matcher, pathological);
criterion_main!(benches);
