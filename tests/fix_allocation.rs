//! After boot FIX orders allocate nothing: the whole pipeline laps on one core, FIX clients at the
//! ends of lines in memory, while a counting allocator counts.

#[path = "support/network.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod network;
#[path = "support/pipe.rs"]
mod pipe;

use std::time::Duration;

use network::Network;
use pipe::{Pipe, pipes};
use wirematch::journal::{UtcMapping, open_both};
use wirematch::model::{InstrumentId, Nanos, Price};
use wirematch::port::stream::Stream;
use wirematch::port::watch::Watch;
use wirematch::runtime::{Core, CountingAllocator, Idle, ManualClock, allocations_of_this_thread};
use wirematch::stage::{Board, Gate, Introduced};
use wirematch::topology::{
    FixParts, Parts, check, empty_feed, empty_fold, empty_gateway, engine_limits, fix_options,
    journal_folder, journal_settings, meaning, open_fix, parse, risk_bound, wire,
};
use wirematch::wire::fix::session::{
    Application, Endpoint, Identity, MemoryStore, Origin, Reply, Role, SessionConfig, Taken,
};
use wirematch::wire::fix::{Message, Version, tag};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CONFIG: &str = r#"
[journal]
segment_kib = 1024
[[fix.session]]
id = 10
version = "FIX.4.4"
target = "A"
first_account = 1
last_account = 1
rate = "load-test"
self_trade = "allow"
[[fix.session]]
id = 11
version = "FIX.5.0SP2"
target = "B"
first_account = 2
last_account = 2
rate = "load-test"
self_trade = "allow"
"#;

#[derive(Default)]
struct Told(usize);

impl Application for Told {
    fn take(&mut self, _: &Message<'_>, _: Origin, _: &mut dyn Reply) -> Taken {
        self.0 += 1;
        Taken::Done
    }
}

struct Client {
    endpoint: Endpoint<MemoryStore>,
    pipe: Pipe,
    told: Told,
    sent: u64,
}

impl Client {
    fn new(version: Version, name: &str, pipe: Pipe, now: Nanos) -> Self {
        let identity = Identity { version, sender: name.into(), target: "WIREMATCH".into() };
        let config = SessionConfig::new(Role::Initiator, identity);
        let endpoint = Endpoint::new(config, MemoryStore::new(1 << 15));
        let mut client = Self { endpoint, pipe, told: Told::default(), sent: 0 };
        client.endpoint.connected(now, &mut client.told);
        client
    }

    fn order(&mut self, side: u8, now: Nanos) {
        self.sent += 1;
        let id = self.sent;
        let sent = self.endpoint.send(b"D", now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, id);
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, side);
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, 10 + id % 7);
            writer.byte(tag::ORD_TYPE, b'2');
            writer.price(tag::PRICE, Price(3_000_000 + 100 * (id % 5) as i64));
        });
        sent.expect("memory does not fail");
        if id.is_multiple_of(3) {
            let sent = self.endpoint.send(b"H", now, &mut |writer| {
                writer.number(tag::CL_ORD_ID, id);
                writer.bytes(tag::SYMBOL, b"ACME");
                writer.byte(tag::SIDE, side);
            });
            sent.expect("memory does not fail");
        }
    }

    fn poll(&mut self, now: Nanos) {
        let mut room = [0; 32 * 1024];
        let count = self.pipe.receive(&mut room).expect("it stays open");
        self.endpoint.receive(&room[..count], now, &mut self.told);
        self.endpoint.tick(now, &mut self.told);
        let sent = self.pipe.send(self.endpoint.outgoing()).expect("it stays open");
        self.endpoint.took(sent);
    }
}

#[test]
fn fix_orders_allocate_nothing_after_boot() {
    let config = parse("test", CONFIG).expect("good");
    let catalogue = check(&config, "test", CONFIG).expect("good");
    let folder = tempfile::tempdir().expect("a folder");
    let mut now = Nanos(1_795_342_272_000_000_000);
    let utc = UtcMapping { log_time: now, utc: now, uncertainty: Nanos::ZERO };
    let (settings, meaning) = (journal_settings(&config), meaning(&config, &catalogue));
    let (commands, events) =
        open_both(&journal_folder(folder.path()), meaning, utc, &settings).expect("a journal");
    let mut keepers = [commands.keeper, events.keeper];
    let ids: Vec<InstrumentId> = catalogue.instruments.iter().map(|i| i.id).collect();
    let mut state = open_fix(&fix_options(&config, &catalogue), folder.path()).expect("records");
    state.restored().expect("records");
    let (mut door, introduced) = rtrb::RingBuffer::<Introduced>::new(4);
    let watch = Watch::new().expect("a watch");
    let wired = wire(Parts {
        fold: empty_fold(&config, &catalogue).expect("good limits"),
        limits: engine_limits(&config, &catalogue),
        gateway: empty_gateway(&config, &catalogue),
        peers: None,
        venues: None,
        prices: None,
        speaker_of: Box::default(),
        hardware: Vec::new(),
        fix: Some(FixParts { state, introduced, watch, host: None }),
        feed: empty_feed(&config, &catalogue),
        entry_port: Network::new(1).1,
        feed_port: Network::new(2).1,
        gate: Gate::Journaled(commands.writer.progress()),
        command_log: commands.writer,
        event_log: events.writer,
        board: Board::new(&ids),
        link_depth: config.engine.link_depth as usize,
        risk_bound: risk_bound(&config),
    });
    let mut core =
        Core::new(None, Idle::Spin, wired.stages.into_iter().map(|(_, stage)| stage).collect());
    let clock = ManualClock::new(now);
    let mut clients = Vec::new();
    for (session, version, name) in [(10, Version::Fix44, "A"), (11, Version::Fix50Sp2, "B")] {
        let (ours, theirs) = pipes();
        clients.push(Client::new(version, name, theirs, now));
        let line = Introduced { session, line: Box::new(ours), bytes: Vec::new() };
        assert!(door.push(line).is_ok(), "there is room");
    }
    let mut turn = |count: usize, now: &mut Nanos, clients: &mut [Client]| {
        for client in clients.iter_mut() {
            for at in 0..count {
                client.order(if at % 2 == 0 { b'1' } else { b'2' }, *now);
            }
            client.poll(*now);
        }
        keepers.iter_mut().for_each(|keeper| while keeper.step(Duration::from_millis(5)) {});
        let before = allocations_of_this_thread();
        for _ in 0..16 {
            core.lap(&clock).expect("no stage finds a fault");
            clock.advance(Nanos(20_000));
        }
        core.housekeep(*now);
        now.0 += 320_000;
        allocations_of_this_thread() - before
    };
    (0..50).for_each(|_| _ = turn(0, &mut now, &mut clients));
    (0..100).for_each(|_| _ = turn(4, &mut now, &mut clients));
    let allocations: u64 = (0..500).map(|_| turn(4, &mut now, &mut clients)).sum();
    (0..20).for_each(|_| _ = turn(0, &mut now, &mut clients));
    for client in &clients {
        let (sent, told) = (client.sent as usize, client.told.0);
        assert!(sent > 2_000 && told > 2 * sent, "{sent} orders, {told} reports");
    }
    assert_eq!(allocations, 0, "allocations in the laps");
}
