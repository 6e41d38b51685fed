//! What does an order cost? A mix of adds, cancels, replacements and sweeps: in the book alone,
//! through the whole matcher, with risk before it; as orders and instruments grow; and of flows
//! made to hurt. Every command is told of some commands ahead, as the matching stage does.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use wirematch::engine::{EngineLimits, SoftwareMatcher};
use wirematch::flow::{
    Alone, Engine, FastBook, Flow, FlowBook, MakeOptions, Naming, Profile, Script, Whole,
    instrument, limits_of, make, matcher_of, peak_of,
};
use wirematch::model::{Command, Instrument, InstrumentId};

/// Timed events of one run: some milliseconds.
const EVENTS: u32 = 100_000;

/// How far ahead of its turn a command is told of.
const AHEAD: usize = 12;

fn flow_of(resting: u32, profile: Profile) -> Flow {
    // As many orders at a price at every depth, or the queues would be what grows.
    let range = (resting / 60).clamp(100, 20_000);
    let sparse_ids = false;
    let options = MakeOptions { seed: 1, resting, events: EVENTS, range, sparse_ids, profile };
    make(&options, &mut |_| {}).expect("ids are new")
}

fn script_of(flow: &Flow, naming: Naming) -> Script {
    Script::new(flow, peak_of(flow).expect("a good flow"), naming).expect("a good flow")
}

/// Gives an engine commands one by one, and takes the events of some together.
fn run<E: Engine>(engine: &mut E, commands: &[Command]) -> u64 {
    let mut events = 0;
    let mut told = commands.iter().skip(AHEAD);
    for burst in commands.chunks(16) {
        for command in burst {
            if let Some(told) = told.next() {
                engine.expect(told);
            }
            engine.apply(command).expect("there is room");
        }
        engine.deal(|event| events += u64::from(black_box(event).kind));
    }
    events
}

fn alone(script: &Script) -> Alone<SoftwareMatcher> {
    Alone(matcher_of(script, SoftwareMatcher::new).expect("good limits"))
}

/// Times what a script times, each time in an engine that its prefill has filled.
fn time<E: Engine>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: BenchmarkId,
    script: &Script,
    new: impl Fn() -> E,
) {
    let (prefill, timed) = script.parts();
    group.throughput(Throughput::Elements(timed.len() as u64));
    let filled = || {
        let mut engine = new();
        run(&mut engine, prefill);
        engine
    };
    let timed_run = |engine: &mut E| run(engine, timed);
    group.bench_function(name, |bencher| {
        bencher.iter_batched_ref(filled, timed_run, BatchSize::PerIteration);
    });
}

fn book(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book");
    group.throughput(Throughput::Elements(u64::from(EVENTS))).sample_size(10);
    for resting in [5_000, 120_000] {
        let flow = flow_of(resting, Profile::Calm);
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

/// The matcher and the whole engine, as resting orders grow.
fn depth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("depth");
    group.sample_size(10);
    for resting in [5_000, 120_000, 1_000_000] {
        let flow = flow_of(resting, Profile::Calm);
        let script = script_of(&flow, Naming::Handles);
        time(&mut group, BenchmarkId::new("matcher", resting), &script, || alone(&script));
        let whole = || Whole::new(&script, &limits_of(&script), alone(&script).0);
        time(&mut group, BenchmarkId::new("with risk", resting), &script, whole);
        let sparse = script_of(&flow, Naming::Ids);
        time(&mut group, BenchmarkId::new("one session", resting), &sparse, || alone(&sparse));
    }
}

/// The matcher, as the same orders lie in the books of more instruments.
fn instruments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("instruments");
    group.sample_size(10);
    let flow = flow_of(120_000, Profile::Calm);
    for count in [1, 100, 10_000] {
        let mut script = script_of(&flow, Naming::Handles);
        for command in &mut script.commands {
            command.instrument = InstrumentId(1 + command.ordinal % count);
        }
        let listed = |id| Instrument { id: InstrumentId(id), ..instrument() };
        let all: Vec<Instrument> = (1..=count).map(listed).collect();
        // Books that hardly trade hold more: twice the room.
        let limits = EngineLimits { orders_max: script.resting_max * 2, ..limits_of(&script) };
        let new = || Alone(SoftwareMatcher::new(limits, &all).expect("good limits"));
        time(&mut group, BenchmarkId::new("matcher", count), &script, new);
    }
}

/// Flows made to hurt: what each costs beside the calm one is what a bound is worth.
fn pathological(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pathological");
    group.sample_size(10);
    for profile in Profile::ALL {
        let flow = flow_of(20_000, profile);
        let naming = match profile {
            Profile::AlikeIds => Naming::Ids,
            _ => Naming::Handles,
        };
        let script = script_of(&flow, naming);
        time(&mut group, BenchmarkId::from_parameter(format!("{profile:?}")), &script, || {
            alone(&script)
        });
    }
}

/// Commands by shard, each where its order is, as risk and the dealer see to.
fn dealt(commands: &[Command], shards: u32) -> Vec<Vec<Command>> {
    let mut homes = BTreeMap::new();
    let mut dealt = vec![Vec::new(); shards as usize];
    for command in commands {
        let old = homes.get(&command.target_id()).copied().filter(|_| command.target != 0);
        let instrument = old.unwrap_or(1 + command.ordinal % INSTRUMENTS);
        homes.insert(command.order_id(), instrument);
        let command = Command { instrument: InstrumentId(instrument), ..*command };
        dealt[(instrument % shards) as usize].push(command);
    }
    dealt
}

/// Instruments that shards share.
const INSTRUMENTS: u32 = 1_000;

/// A thousand instruments in one matcher, and in two on two threads: what shards are for.
fn shards(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shards");
    group.sample_size(10);
    let flow = flow_of(120_000, Profile::Calm);
    let script = script_of(&flow, Naming::Handles);
    let (prefill, timed) = script.parts();
    group.throughput(Throughput::Elements(timed.len() as u64));
    for count in [1, 2] {
        let all = dealt(&script.commands, count);
        let before = dealt(prefill, count);
        let limits = EngineLimits { orders_max: script.resting_max * 2, ..limits_of(&script) };
        let listed = |id| Instrument { id: InstrumentId(id), ..instrument() };
        let new = |shard: usize| {
            let own = (1..=INSTRUMENTS).filter(|id| (id % count) as usize == shard);
            let own: Vec<Instrument> = own.map(listed).collect();
            let mut engine = Alone(SoftwareMatcher::new(limits, &own).expect("good limits"));
            run(&mut engine, &before[shard]);
            engine
        };
        let filled = || (0..count as usize).map(new).collect::<Vec<_>>();
        let together = |engines: &mut Vec<Alone<SoftwareMatcher>>| {
            std::thread::scope(|scope| {
                for (at, engine) in engines.iter_mut().enumerate() {
                    let commands = &all[at][before[at].len()..];
                    scope.spawn(move || black_box(run(engine, commands)));
                }
            });
        };
        group.bench_function(BenchmarkId::new("threads", count), |bencher| {
            bencher.iter_batched_ref(filled, together, BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, book, depth, instruments, pathological, shards);
criterion_main!(benches);
