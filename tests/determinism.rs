//! The same journal gives the same events, byte for byte: on every schedule, over links of every
//! depth, fused on one core and split over two, and when it is replayed.

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use support::{REFERENCE, TICK, World, log_of, orders, settings};
use wirematch::flow::Dice;
use wirematch::link::{Consumer, Producer, link};
use wirematch::model::{
    Command, CommandKind, Event, Fault, Group, InstrumentId, LINES_MAX, Nanos, Request,
};
use wirematch::runtime::{Core, Idle, Stage, StopFlag, SystemClock, latency};
use wirematch::stage::{Board, EventLinks, Matching, Risk};
use wirematch::topology::{empty_fold, engine_limits};

/// Schedules that a journal is run on.
const SCHEDULES: u64 = 120;

/// Messages that the clients of the recorded day send.
const MESSAGES: u64 = 3_000;

/// A day with all that can happen: a mix of orders, mass cancels, connections lost, kills.
fn live_day(seed: u64, messages: u64) -> World {
    let mut world = World::new(seed, 4);
    world.connect();
    for _ in 0..messages {
        let World { clients, dice, .. } = &mut world;
        let who = dice.below(4) as usize;
        match dice.below(400) {
            0 => clients[who].is_on = false,
            1 => clients[who].is_asleep = true,
            2..12 => (clients[who].is_on, clients[who].is_asleep) = (true, false),
            12 => kill(&mut world, CommandKind::Kill),
            13..20 => kill(&mut world, CommandKind::Revive),
            20 => world.ask(
                |request| {
                    request.0.account.0 = 1;
                    request.0.price.0 = 10_000_000_000;
                },
                CommandKind::SetBuyingPower,
            ),
            _ => _ = clients[who].send_random(dice),
        }
        let count = world.dice.below(24);
        world.steps(count);
    }
    world.settle();
    leave_many(&mut world);
    world.settle();
    world
}

/// A client leaves more orders behind than one command may take away.
fn leave_many(world: &mut World) {
    world.ask(|request| request.0.side = 0, CommandKind::Revive);
    world.ask(|request| (request.0.side, request.0.instrument.0) = (3, 2), CommandKind::Revive);
    for at in 0..200 {
        let price = REFERENCE - (100 + at % 50) * TICK;
        let order = orders::EnterOrder { price, ..orders::order(world.clients[0].next_order) };
        world.until("there is room in the window", |world| {
            world.clients[0].send(&orders::enter(order))
        });
        world.clients[0].next_order += 1;
    }
    world.until("all are in", |world| world.clients[0].is_settled());
    world.clients[0].is_on = false;
    world.steps(5_000);
}

/// The kill switch of instrument 2, or of everything.
fn kill(world: &mut World, kind: CommandKind) {
    let everything = world.dice.percent(30);
    world.ask(
        |request| {
            request.0.side = if everything { 0 } else { 3 };
            request.0.instrument = InstrumentId(if everything { 0 } else { 2 });
        },
        kind,
    );
}

/// Plays a command log into a link.
struct Source {
    commands: Arc<Vec<Group<Command>>>,
    at: usize,
    burst: usize,
    to: Producer<Command>,
}

impl Stage for Source {
    fn name(&self) -> &str {
        "source"
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        let mut work = 0;
        while work < self.burst
            && let Some(command) = self.commands.get(self.at)
            && self.to.credits(LINES_MAX) == LINES_MAX
        {
            assert!(self.to.push(command), "there is room");
            (self.at, work) = (self.at + 1, work + 1);
        }
        Ok(work)
    }
}

/// Takes events as recorder, gateway and feed would, some at a time; keeps the recorder's.
struct Sink {
    from: [Consumer<Event>; 3],
    burst: usize,
    turn: usize,
    seen: Arc<Mutex<[Vec<Event>; 3]>>,
}

impl Stage for Sink {
    fn name(&self) -> &str {
        "sink"
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        // In turns, so that one link may be full while another is empty.
        self.turn = (self.turn + 1) % self.from.len();
        let mut seen = self.seen.lock().expect("nobody panicked");
        let mut work = 0;
        while work < self.burst
            && let Some(event) = self.from[self.turn].pop_head()
        {
            seen[self.turn].push(event);
            work += 1;
        }
        Ok(work)
    }
}

/// The deterministic core between a source and a sink.
struct Pipeline {
    stages: Vec<Box<dyn Stage>>,
    seen: Arc<Mutex<[Vec<Event>; 3]>>,
    /// Sweeps that matching asks for; the log has them already.
    _sweeps: Consumer<Request>,
}

fn pipeline(commands: &Arc<Vec<Group<Command>>>, dice: &mut Dice) -> Pipeline {
    let (config, catalogue) = settings();
    let fold = empty_fold(&config, &catalogue).expect("the limits are good");
    let limits = engine_limits(&config, &catalogue);
    let least = limits.events_per_command_max() as u64;
    let mut depth = || (least + dice.below(4) * dice.below(300)) as usize;
    let (source_commands, risk_input) = link::<Command>(depth());
    let (risk_commands, matching_input) = link::<Command>(depth());
    let (gateway, gateway_events) = link::<Event>(depth());
    let (risk, risk_events) = link::<Event>(depth());
    let (recorder, recorder_events) = link::<Event>(depth());
    let (feed, feed_events) = link::<Event>(depth());
    let (sweep_requests, sweeps) = link::<Request>(1 << 16);
    let events =
        EventLinks { gateways: vec![gateway], gateway_of: Box::new([]), risk, recorder, feed };
    let board = Board::new(&[InstrumentId(1)]);
    let seen = Arc::new(Mutex::new([vec![], vec![], vec![]]));
    let burst = 1 + dice.below(64) as usize;
    let source = Source { commands: Arc::clone(commands), at: 0, burst, to: source_commands };
    let from = [recorder_events, gateway_events, feed_events];
    let burst = 1 + dice.below(64) as usize;
    let sink = Sink { from, burst, turn: 0, seen: Arc::clone(&seen) };
    let risk = Risk::new(fold.gate, fold.feedback, risk_input, risk_events, risk_commands);
    let room = limits.events_per_command_max();
    let recorder = latency().0;
    let matching =
        Matching::new(fold.matcher, room, matching_input, events, sweep_requests, board, recorder);
    let stages: Vec<Box<dyn Stage>> =
        vec![Box::new(source), Box::new(risk), Box::new(matching), Box::new(sink)];
    Pipeline { stages, seen, _sweeps: sweeps }
}

fn bytes_of(events: &[Event]) -> &[u8] {
    bytemuck::cast_slice(events)
}

/// All three takers saw the recorded events, byte for byte; a fill of one session is another's
/// business, so the gateway here takes all sessions' events.
fn assert_same(seen: &[Vec<Event>; 3], recorded: &[Event], what: &str) {
    for (taker, events) in ["recorder", "gateway", "feed"].iter().zip(seen) {
        let differs = events.iter().zip(recorded).find(|(a, b)| a != b);
        assert_eq!(events.len(), recorded.len(), "{what}, {taker}: first difference {differs:?}");
        assert!(bytes_of(events) == bytes_of(recorded), "{what}, {taker}: {differs:?}");
    }
}

/// A journal of a day, and the two logs in it.
fn recorded(journal: &Path) -> (Arc<Vec<Group<Command>>>, Vec<Event>) {
    let events = log_of::<Event>(journal).iter().map(|group| group.head).collect();
    (Arc::new(log_of::<Command>(journal)), events)
}

#[test]
fn every_schedule_gives_the_recorded_events() {
    let world = live_day(7, MESSAGES);
    world.check();
    let (commands, events) = recorded(&world.journal());
    assert!(commands.len() > 2_000 && events.len() > 3_000, "{} commands", commands.len());
    for kind in [CommandKind::Kill, CommandKind::Sweep, CommandKind::SessionDown] {
        assert!(commands.iter().any(|group| group.head.kind() == Some(kind)), "no {kind}");
    }
    for seed in 0..SCHEDULES {
        let mut dice = Dice::new(seed);
        let mut pipeline = pipeline(&commands, &mut dice);
        let mut idle = 0;
        while idle < 200 {
            let stage = dice.below(pipeline.stages.len() as u64) as usize;
            let repeats = 1 + dice.below(4);
            for _ in 0..repeats {
                let now = Nanos(dice.bits());
                let work = pipeline.stages[stage].poll(now).expect("no stage finds a fault");
                idle = if work > 0 { 0 } else { idle + 1 };
            }
        }
        let seen = pipeline.seen.lock().expect("nobody panicked");
        assert_same(&seen, &events, &format!("schedule {seed}"));
    }
}

#[test]
fn every_placement_gives_the_recorded_events() {
    let world = live_day(8, MESSAGES / 2);
    let (commands, events) = recorded(&world.journal());
    let clock = SystemClock::new();
    let splits: [&[usize]; 4] = [&[4], &[2, 2], &[1, 2, 1], &[3, 1]];
    for (seed, split) in splits.iter().enumerate() {
        let Pipeline { stages, seen, _sweeps } = pipeline(&commands, &mut Dice::new(seed as u64));
        let mut stages = stages.into_iter();
        let stop = StopFlag::default();
        let cores = split.iter().map(|&count| {
            let stages = stages.by_ref().take(count).collect();
            let mut core = Core::new(None, Idle::Spin, stages);
            let (clock, stop) = (clock.clone(), stop.clone());
            std::thread::spawn(move || core.run(&clock, &stop))
        });
        let cores: Vec<_> = cores.collect();
        let is_done = || {
            let seen = seen.lock().expect("nobody panicked");
            seen.iter().all(|events_seen| events_seen.len() >= events.len())
        };
        while !is_done() && cores.iter().all(|core| !core.is_finished()) {
            std::thread::yield_now();
        }
        stop.raise();
        for core in cores {
            core.join().expect("no core panics").expect("no core stops by a fault");
        }
        assert_same(&seen.lock().expect("nobody panicked"), &events, &format!("{split:?}"));
    }
}

/// Different schedules make different histories, but each is its own journal's.
#[test]
fn every_live_run_is_what_its_journal_says() {
    let mut lengths = vec![];
    for seed in 100..110 {
        let world = live_day(seed, 250);
        // Replays the journal against the events live stages made, and holds the numbers of
        // sessions and feed, and the books, against what clients and listener were told.
        world.check();
        let (commands, events) = recorded(&world.journal());
        lengths.push((commands.len(), events.len()));
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert!(lengths.len() > 5, "schedules that are all alike prove nothing: {lengths:?}");
}
