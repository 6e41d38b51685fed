//! After boot nothing on the hot path allocates: the whole pipeline laps on one core over ports in
//! memory while a counting allocator counts.

mod support;

use std::time::Duration;

use support::client::Client;
use support::network::Network;
use support::server::Server;
use support::{folder, settings, trader_config};
use wirematch::flow::Dice;
use wirematch::model::Nanos;
use wirematch::runtime::{Core, CountingAllocator, Idle, ManualClock, allocations_of_this_thread};
use wirematch::topology::journal_folder;

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
    _folder: tempfile::TempDir,
}

impl Fused {
    fn new() -> Self {
        let (config, catalogue) = settings();
        let now = Nanos(1_767_358_800_000_000_000);
        let folder = folder();
        let (mut entry, entry_port) = Network::new(1);
        let (market_data, feed_port) = Network::new(2);
        let journal = journal_folder(folder.path());
        let server = Server::open(&journal, &config, &catalogue, now, (entry_port, feed_port));
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
    assert_eq!(allocations, 0, "allocations in the laps");
}
