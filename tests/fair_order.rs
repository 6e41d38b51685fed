//! Who is first: clients by several queues of a port and by FIX, on one core. What was received
//! first comes first into history; what was received in one lap is nobody's advantage; and a flood,
//! cancels included, keeps nobody waiting.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::orders::{cancel, enter, order};
use support::pipe::{Pipe, pipes};
use support::{CONFIG, folder, log_of, trader_config};
use tempfile::TempDir;
use wirematch::client::Trader;
use wirematch::flow::Dice;
use wirematch::journal::{Keeper, UtcMapping, open_both};
use wirematch::model::{Command, CommandKind, InstrumentId, Nanos, Price};
use wirematch::port::memory::{MemoryPort, wire as memory_wire};
use wirematch::port::stream::Stream;
use wirematch::port::turns::Turns;
use wirematch::port::watch::Watch;
use wirematch::port::{FrameMeta, Full, Port};
use wirematch::runtime::{Clock, Core, CounterReader, Idle};
use wirematch::stage::{Board, Gate, Introduced};
use wirematch::topology::{
    FixParts, Parts, StageName, check, empty_feed, empty_fold, empty_gateway, engine_limits,
    fix_options, journal_folder, journal_settings, meaning, open_fix, parse, risk_bound, wire,
};
use wirematch::wire::fix::session::{
    Application, Endpoint, Identity, MemoryStore, Origin, Phase, Reply, Role, SessionConfig, Taken,
};
use wirematch::wire::fix::{Message, Version, tag};

/// Sessions that come by UDP, each by a queue of its own, and by FIX.
const BY_UDP: [u32; 3] = [1, 2, 3];
const BY_FIX: [u32; 3] = [101, 102, 103];

/// Laps in which the sequencer empties a full link of orders of two lines: 32 in each.
const FULL: u64 = 512 / 2 / 32;

/// A card with several queues: each client's frames come in one of them.
struct Card {
    queues: Vec<MemoryPort>,
    turns: Turns,
}

impl Port for Card {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let Self { queues, turns } = self;
        turns.take(budget, &mut |queue, most| queues[usize::from(queue)].receive(most, each))
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let mut frame = vec![0; length];
        fill(&mut frame);
        // Everybody hears everything; stations of others are passed over.
        for queue in &mut self.queues {
            queue.transmit(length, &mut |into| into.copy_from_slice(&frame))?;
        }
        Ok(())
    }

    fn flush(&mut self) {}
}

/// Time that passes a little with each look.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Nanos {
        Nanos(self.0.fetch_add(70, Ordering::Relaxed))
    }
}

/// What a FIX client hears: how many of its messages were answered.
#[derive(Default)]
struct Answers(u64);

impl Application for Answers {
    fn take(&mut self, message: &Message<'_>, _: Origin, _: &mut dyn Reply) -> Taken {
        self.0 += u64::from(matches!(message.kind(), b"8" | b"9"));
        Taken::Done
    }
}

struct FixClient {
    endpoint: Endpoint<MemoryStore>,
    pipe: Pipe,
    answers: Answers,
    orders: u64,
}

impl FixClient {
    fn new(session: u32, pipe: Pipe, now: Nanos) -> Self {
        let (sender, target) = (format!("CLIENT{session}"), "WIREMATCH".into());
        let identity = Identity { version: Version::Fix44, sender, target };
        let config = SessionConfig::new(Role::Initiator, identity);
        let endpoint = Endpoint::new(config, MemoryStore::new(1 << 16));
        let mut client = Self { endpoint, pipe, answers: Answers::default(), orders: 0 };
        client.endpoint.connected(now, &mut client.answers);
        client
    }

    /// Sends an order, or the cancel of one that never was; returns its number.
    fn say(&mut self, is_order: bool, now: Nanos) -> u64 {
        self.orders += 1;
        let id = self.orders;
        let sent = self.endpoint.send(if is_order { b"D" } else { b"F" }, now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, id);
            if !is_order {
                writer.bytes(tag::ORIG_CL_ORD_ID, b"nobody");
            }
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, b'1');
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, 1);
            if is_order {
                writer.byte(tag::ORD_TYPE, b'2');
                writer.price(tag::PRICE, Price(300_0000));
            }
        });
        sent.expect("memory does not fail")
    }

    fn poll(&mut self, now: Nanos) {
        let mut room = [0; 64 * 1024];
        let count = self.pipe.receive(&mut room).expect("it stays open");
        self.endpoint.receive(&room[..count], now, &mut self.answers);
        self.endpoint.tick(now, &mut self.answers);
        let sent = self.pipe.send(self.endpoint.outgoing()).expect("it stays open");
        self.endpoint.took(sent);
    }
}

/// The appliance on one core, and its clients.
struct Hall {
    core: Core,
    clock: Ticking,
    keepers: [Keeper; 2],
    traders: Vec<Trader<MemoryPort>>,
    fix: Vec<FixClient>,
    counters: Vec<(StageName, CounterReader)>,
    folder: TempDir,
    lap: u64,
    /// By session and number of the message: the lap before which it was put on the wire.
    sent: BTreeMap<(u32, u64), u64>,
    next_order: [u32; 3],
    /// When each lap began.
    began: Vec<Nanos>,
}

fn configuration() -> String {
    let mut text = CONFIG.replace("segment_kib = 64", "segment_kib = 4096");
    for id in BY_FIX {
        text += &format!(
            "[[fix.session]]\nid = {id}\nversion = \"FIX.4.4\"\ntarget = \"CLIENT{id}\"\n\
             first_account = 1\nlast_account = 4\nrate = \"load-test\"\nself_trade = \"allow\"\n"
        );
    }
    text
}

impl Hall {
    fn open() -> Self {
        let text = configuration();
        let config = parse("hall", &text).expect("good");
        let catalogue = check(&config, "hall", &text).expect("good");
        let folder = folder();
        let clock = Ticking(AtomicU64::new(1_795_342_272_000_000_000));
        let now = clock.now();
        let utc = UtcMapping { log_time: now, utc: now, uncertainty: Nanos::ZERO };
        let journal = journal_folder(folder.path());
        let (settings, meaning) = (journal_settings(&config), meaning(&config, &catalogue));
        let (commands, events) = open_both(&journal, meaning, utc, &settings).expect("a journal");
        let keepers = [commands.keeper, events.keeper];
        let ids: Vec<InstrumentId> = catalogue.instruments.iter().map(|i| i.id).collect();
        let options = fix_options(&config, &catalogue);
        let mut state = open_fix(&options, folder.path()).expect("records");
        state.restored().expect("records");
        let (mut door, introduced) = rtrb::RingBuffer::<Introduced>::new(4);
        let (queues, ends): (Vec<_>, Vec<_>) = BY_UDP.iter().map(|_| memory_wire(512)).unzip();
        let turns = Turns::new(queues.len() as u16);
        let mut wired = wire(Parts {
            fold: empty_fold(&config, &catalogue).expect("good limits"),
            limits: engine_limits(&config, &catalogue),
            gateway: empty_gateway(&config, &catalogue),
            peers: None,
            venues: None,
            prices: None,
            speaker_of: Box::default(),
            hardware: Vec::new(),
            fix: Some(FixParts {
                state,
                introduced,
                watch: Watch::new().expect("a watch"),
                host: None,
            }),
            feed: empty_feed(&config, &catalogue),
            entry_port: Card { queues, turns },
            feed_port: memory_wire(8).0,
            gate: Gate::Journaled(commands.writer.progress()),
            command_log: commands.writer,
            event_log: events.writer,
            board: Board::new(&ids),
            link_depth: config.engine.link_depth as usize,
            risk_bound: risk_bound(&config),
        });
        let opening = wirematch::model::Request::new(CommandKind::StartOfDay, now);
        assert!(wired.slow_requests.push_head(&opening));
        let fix = BY_FIX.map(|session| {
            let (ours, theirs) = pipes();
            let place = session as usize;
            let line = Introduced { session: place, line: Box::new(ours), bytes: Vec::new() };
            assert!(door.push(line).is_ok(), "there is room");
            FixClient::new(session, theirs, now)
        });
        let traders = BY_UDP.iter().zip(ends);
        let traders = traders.map(|(id, port)| Trader::new(port, trader_config(*id as u16)));
        let stages = wired.stages.into_iter().map(|(_, stage)| stage).collect();
        let mut hall = Self {
            core: Core::new(None, Idle::Spin, stages),
            clock,
            keepers,
            traders: traders.collect(),
            fix: fix.into(),
            counters: wired.counters,
            folder,
            lap: 0,
            sent: BTreeMap::new(),
            next_order: [0; 3],
            began: Vec::new(),
        };
        let now = hall.clock.now();
        hall.traders.iter_mut().for_each(|trader| trader.log_in(now));
        for _ in 0..400 {
            hall.clock.0.fetch_add(200_000, Ordering::Relaxed);
            hall.step();
        }
        assert!(hall.traders.iter().all(|trader| trader.session().is_up()), "all are connected");
        assert!(hall.fix.iter().all(|c| c.endpoint.session().phase() == Phase::Up));
        hall
    }

    /// Puts what clients have to say on the wire, and laps.
    fn step(&mut self) {
        let now = self.clock.now();
        self.began.push(now);
        self.traders.iter_mut().for_each(|trader| _ = trader.poll(now, &mut |_| ()));
        self.fix.iter_mut().for_each(|client| client.poll(now));
        if self.lap.is_multiple_of(16) {
            self.keepers
                .iter_mut()
                .for_each(|keeper| while keeper.step(Duration::from_millis(5)) {});
        }
        self.core.lap(&self.clock).expect("no stage finds a fault");
        self.clock.0.fetch_add(1_000, Ordering::Relaxed);
        self.lap += 1;
    }

    /// One client's next order, or cancel of nothing, if it may send one.
    fn say(&mut self, client: usize, is_order: bool) -> bool {
        let now = self.clock.now();
        let (session, number) = match client.checked_sub(BY_UDP.len()) {
            Some(at) => (BY_FIX[at], self.fix[at].say(is_order, now)),
            None => {
                let next = &mut self.next_order[client];
                let message = if is_order { enter(order(*next + 1)) } else { cancel(u32::MAX) };
                let Ok(number) = self.traders[client].send(&message) else { return false };
                *next += u32::from(is_order);
                (BY_UDP[client], number)
            }
        };
        self.sent.insert((session, number), self.lap);
        true
    }

    fn overtaken(&mut self) -> u64 {
        self.counted(StageName::Sequencer, "Overtaken")
    }

    fn counted(&mut self, stage: StageName, name: &str) -> u64 {
        self.core.housekeep(self.clock.now());
        let found = self.counters.iter().find(|(known, _)| *known == stage);
        found.expect("there is one").1.value(name)
    }

    /// What stages counted, for whoever wonders.
    fn seen(&self) -> String {
        let shown = self.counters.iter().flat_map(|(stage, reader)| {
            let told = reader.values().filter(|(_, _, value)| *value > 0);
            told.map(move |(name, _, value)| format!("{} {name} {value}", stage.name()))
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// The clients' messages as history has them.
    fn history(&self) -> Vec<Sequenced> {
        let commands = log_of::<Command>(&journal_folder(self.folder.path()));
        let sent = commands.iter().filter_map(|group| {
            let head = &group.head;
            let sent = self.sent.get(&(head.session.0, u64::from(head.client_seq)))?;
            let taken = self.began.partition_point(|began| *began <= head.timestamp) as u64 - 1;
            let session = head.session.0;
            (head.client_seq > 0).then_some(Sequenced { session, sent: *sent, taken })
        });
        sent.collect()
    }
}

/// A message in history: whose, the lap before which it was put on the wire, and that in which it
/// got its place.
struct Sequenced {
    session: u32,
    sent: u64,
    taken: u64,
}

/// Of each session: the most laps by which one of its messages was overtaken, and those that one
/// waited for its place.
fn worst(history: &[Sequenced]) -> BTreeMap<u32, (u64, u64)> {
    let (mut worst, mut newest) = (BTreeMap::new(), 0);
    for &Sequenced { session, sent, taken } in history {
        newest = newest.max(sent);
        let (overtaken, waited) = worst.entry(session).or_insert((0, 0));
        *overtaken = newest.saturating_sub(sent).max(*overtaken);
        *waited = (taken - sent).max(*waited);
    }
    worst
}

#[test]
fn what_came_first_is_first_and_no_queue_is_the_better_one() {
    let mut hall = Hall::open();
    let mut dice = Dice::new(11);
    let clients = BY_UDP.len() + BY_FIX.len();
    for _ in 0..6_000 {
        for client in 0..clients {
            if dice.below(4) == 0 {
                hall.say(client, dice.below(3) > 0);
            }
        }
        hall.step();
    }
    (0..50).for_each(|_| hall.step());
    let history = hall.history();
    assert_eq!(history.len(), hall.sent.len(), "all came into history: {}", hall.seen());
    assert_eq!(hall.overtaken(), 0, "by the times of receipt");
    let worst = worst(&history);
    assert!(worst.values().all(|worst| *worst <= (0, 1)), "overtaken, waited: {worst:?}");

    // Of two messages of one lap: how often each session's was the first.
    let mut firsts = BTreeMap::<(u32, u32), u64>::new();
    for lap in history.chunk_by(|left, right| left.sent == right.sent) {
        for (at, first) in lap.iter().enumerate() {
            lap[at + 1..].iter().for_each(|other| {
                *firsts.entry((first.session, other.session)).or_default() += 1;
            });
        }
    }
    for one in BY_UDP.iter().chain(&BY_FIX) {
        for other in BY_UDP.iter().chain(&BY_FIX).filter(|other| *other > one) {
            let [ahead, behind] = [(*one, *other), (*other, *one)].map(|pair| firsts[&pair]);
            let share = ahead as f64 / (ahead + behind) as f64;
            assert!((0.45..0.55).contains(&share), "{one} was before {other}: {share:.2}");
        }
    }
}

#[test]
fn a_flood_by_any_road_keeps_nobody_waiting() {
    let mut hall = Hall::open();
    let mut dice = Dice::new(12);
    // One of each road floods with orders, one with cancels, and one says something now and then.
    let honest = [2, 5];
    let mut flood = 0;
    for lap in 0..6_000u64 {
        for (client, is_order) in [(0, true), (1, false), (3, true), (4, false)] {
            let may = |hall: &Hall| match client {
                0 | 1 => true,
                at => hall.fix[at - 3].orders < hall.fix[at - 3].answers.0 + 600,
            };
            while may(&hall) && hall.say(client, is_order) {
                flood += 1;
            }
        }
        if lap > 200 && dice.below(30) == 0 {
            hall.say(honest[dice.below(2) as usize], dice.below(2) == 0);
        }
        hall.step();
    }
    (0..4_000).for_each(|_| hall.step());
    // It was more than fits, which is seen; it is over, and nobody waits any more.
    let closed = hall.counted(StageName::Fix, "Closed");
    assert!(closed > 100, "lines were left alone in {closed} polls only");
    let begun = hall.lap;
    for client in 0..BY_UDP.len() + BY_FIX.len() {
        assert!(hall.say(client, true), "windows are open again");
    }
    (0..50).for_each(|_| hall.step());
    assert_eq!(hall.counted(StageName::Fix, "Closed"), closed);
    let history = hall.history();
    let late = history.iter().filter(|one| one.sent == begun && one.taken > begun + 1);
    assert_eq!(late.count(), 0, "one order of each client afterwards is taken at once");
    assert_eq!(history.len(), hall.sent.len(), "nothing was lost: {}", hall.seen());
    assert_eq!(hall.overtaken(), 0, "by the times of receipt");
    assert!(flood > 150_000, "only {flood} messages flooded");
    let worst = worst(&history);
    println!("{flood} messages; overtaken and waited, in laps: {worst:?}");
    for honest in [BY_UDP[2], BY_FIX[2]] {
        let (overtaken, waited) = worst[&honest];
        // All links are full: its own is emptied before it, and so are theirs in between.
        assert!(overtaken <= FULL && waited <= 4 * FULL, "session {honest}: {worst:?}");
    }
}
