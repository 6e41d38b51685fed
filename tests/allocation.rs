//! After boot nothing on the hot path allocates: the whole pipeline laps on one core over ports in
//! memory while a counting allocator counts.

mod support;

use std::time::Duration;

use support::client::Client;
use support::network::Network;
use support::server::Server;
use support::{CONFIG, folder, trader_config};
use wirematch::engine::{EngineLimits, SoftwareMatcher};
use wirematch::flow::Dice;
use wirematch::model::{Instrument, InstrumentId, Nanos, Price, Quantity, Symbol};
use wirematch::runtime::{
    Core, CounterReader, CountingAllocator, Idle, ManualClock, allocations_of_this_thread,
    bytes_of_this_thread,
};
use wirematch::topology::{StageName, check, journal_folder, parse};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Laps between two turns of the clients.
const LAPS: usize = 12;

/// The pipeline on one core, with clients that take their turns between its laps.
struct Fused {
    core: Core,
    clock: ManualClock,
    now: Nanos,
    keepers: [wirematch::journal::Keeper; 2],
    entry: Network,
    market_data: Network,
    clients: Vec<Client>,
    dice: Dice,
    risk: CounterReader,
    _folder: tempfile::TempDir,
}

impl Fused {
    fn new() -> Self {
        // Soft limits so low that what the core has to say fills its ring.
        let text = format!("{CONFIG}\n[risk]\nsoft_percent = \"0.01\"\n");
        let config = parse("world", &text).expect("the configuration is good");
        let catalogue = check(&config, "world", &text).expect("the configuration is good");
        let now = Nanos(1_767_358_800_000_000_000);
        let folder = folder();
        let (mut entry, entry_port) = Network::new(1);
        let (market_data, feed_port) = Network::new(2);
        let journal = journal_folder(folder.path());
        let server =
            Server::open(&journal, &config, &catalogue, now, (entry_port, feed_port), None);
        let risk = server.reader(StageName::Risk);
        let (stages, keepers) = server.into_stages();
        let clients = (1..=4).map(|id| Client::new(trader_config(id), &mut entry)).collect();
        Self {
            core: Core::new(None, Idle::Spin, stages),
            clock: ManualClock::new(now),
            now,
            keepers,
            entry,
            market_data,
            clients,
            dice: Dice::new(3),
            risk,
            _folder: folder,
        }
    }

    /// Clients, networks and keepers take a turn, then the core laps; returns what its laps
    /// allocated.
    fn turn(&mut self, messages: u64) -> u64 {
        for _ in 0..messages {
            let who = self.dice.below(self.clients.len() as u64) as usize;
            self.clients[who].send_random(&mut self.dice);
        }
        for _ in 0..2 {
            self.clients.iter_mut().for_each(|client| _ = client.poll(self.now));
            self.entry.poll();
            self.market_data.poll();
        }
        for keeper in &mut self.keepers {
            while keeper.step(Duration::from_millis(5)) {}
        }
        let before = allocations_of_this_thread();
        for _ in 0..LAPS {
            self.core.lap(&self.clock).expect("no stage finds a fault");
            self.clock.advance(Nanos(20_000));
        }
        self.core.housekeep(self.now);
        let after = allocations_of_this_thread();
        self.now.0 += 20_000 * LAPS as u64;
        after - before
    }
}

#[test]
fn the_hot_path_allocates_nothing_after_boot() {
    let before = allocations_of_this_thread();
    let mut fused = Fused::new();
    assert!(allocations_of_this_thread() > before, "the counter counts");
    // Warm-up: everybody connects and trades a little.
    while !fused.clients.iter().all(Client::is_settled) {
        fused.turn(0);
    }
    (0..200).for_each(|_| _ = fused.turn(8));
    let sent = |fused: &Fused| fused.clients.iter().map(|client| client.sent.len()).sum::<usize>();
    let begun = sent(&fused);
    let mut allocations = 0;
    for turn in 0..2_000 {
        // Connections end and come back, too.
        let client = &mut fused.clients[turn / 100 % 3];
        client.is_on = turn % 100 != 50;
        allocations += fused.turn(8);
    }
    assert!(sent(&fused) - begun > 5_000, "{} messages", sent(&fused) - begun);
    let fills: usize = fused.clients.iter().map(|client| client.view.fills.len()).sum();
    assert!(fills > 500, "{fills} executions");
    assert!(fused.risk.value("Alerts") > 0, "the core had something to say");
    assert_eq!(allocations, 0, "allocations in the laps");
}

/// What the engine says an idle instrument takes is what it takes.
#[test]
fn an_idle_instrument_takes_what_is_stated_and_that_is_little() {
    let instruments = |count: u32| -> Vec<Instrument> {
        let instrument = |id| Instrument {
            id: InstrumentId(id),
            symbol: Symbol::new(&format!("S{id}")).expect("a good name"),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(1_000_000),
        };
        (1..=count).map(instrument).collect()
    };
    for ladder_ticks in [64, 4_096] {
        let limits = EngineLimits { orders_max: 1_000, ladder_ticks, ..EngineLimits::DEFAULT };
        let taken = |count: u32| {
            let listed = instruments(count);
            let before = bytes_of_this_thread();
            let matcher = SoftwareMatcher::new(limits, &listed).expect("good limits");
            let taken = bytes_of_this_thread() - before;
            drop(matcher);
            taken
        };
        let each = (taken(11_000) - taken(1_000)) / 10_000;
        let stated = SoftwareMatcher::idle_bytes(ladder_ticks) as u64;
        // Checking the list for doubles takes a few bytes each for a moment.
        assert!((stated..stated + 64).contains(&each), "{each} bytes, stated are {stated}");
    }
    assert!(SoftwareMatcher::idle_bytes(64) < 2_048, "{}", SoftwareMatcher::idle_bytes(64));
}
