//! The machine that routed orders dies: its heir has the sessions at the exchange, asks what became
//! of what was on its way, and sends nothing twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use fix_client::sessions_of;
use pair::{MILLISECOND, Pair};
use process::free_address;

/// The exchange goes on while the test waits for machines.
struct Floor {
    exchange: Arc<Mutex<Exchange>>,
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Floor {
    fn open(exchange: Exchange) -> Self {
        let exchange = Arc::new(Mutex::new(exchange));
        let is_over = Arc::<AtomicBool>::default();
        let (market, end, clock) = (exchange.clone(), is_over.clone(), SystemClock::new());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                market.lock().expect("nobody panics with it").poll(clock.now());
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        Self { exchange, is_over, thread: Some(thread) }
    }

    fn is_up(&self) -> bool {
        let exchange = self.exchange.lock().expect("nobody panics with it");
        exchange.is_up(0) && exchange.is_up(1)
    }

    fn close(mut self) -> Arc<Mutex<Exchange>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("nobody panics");
        self.exchange
    }
}

#[test]
fn what_was_routed_outlives_the_machine_that_sent_it() {
    let exchange = Exchange::open(Version::Fix44);
    let (to, addresses) = (exchange.addresses(), [0; 2].map(|_| SocketAddr::V4(free_address())));
    let tables = sessions_of(1, "FIX.4.4", "cancel_on_disconnect = false");
    let lines = |at: usize| {
        format!(
            "[fix]\naddress = \"{}\"\ngrace_s = 60\norders_per_session = 65536\n{tables}\
             [[venue]]\nname = \"EXCH\"\nsession = 950\nversion = \"FIX.4.4\"\n\
             instruments = [\"BOLT\"]\nfailover_s = 5\n\
             [venue.primary]\naddress = \"{}\"\nsender = \"WIREMATCH\"\ntarget = \"EXCH\"\n\
             [venue.backup]\naddress = \"{}\"\nsender = \"WIREMATCH2\"\ntarget = \"EXCH\"\n",
            addresses[at], to[0], to[1]
        )
    };
    let floor = Floor::open(exchange);
    let mut pair = Pair::start_in(lines, &[]);
    let mut client = FixClient::new(client_config(101, Version::Fix44), addresses[0]);
    let clock = SystemClock::new();
    let work = |client: &mut FixClient, sends: bool, done: &mut dyn FnMut(&FixClient) -> bool| {
        let end = clock.now().0 + 60 * SECOND;
        let mut sent_at = Nanos::ZERO;
        while !done(client) {
            let now = clock.now();
            assert!(now.0 < end, "never: {:?}, up {}", client.told.others, client.is_up());
            if sends && client.may_send() && now.saturating_sub(sent_at) > Nanos(MILLISECOND / 2) {
                Entry::new("BOLT", b'1', 10).send(client, now);
                sent_at = now;
            }
            if !client.is_connected() {
                client.connect(now);
            }
            client.poll(now);
            std::thread::yield_now();
        }
    };
    let mut fills = 0;
    for _ in 0..3 {
        work(&mut client, false, &mut |client| floor.is_up() && client.is_up());
        // Orders are refused until the exchange is heard: some must have traded.
        let wanted = fills + 100;
        work(&mut client, true, &mut |client| filled(client) >= wanted);
        fills = filled(&client);
        let dead = pair.primary;
        pair.machines[dead].take().expect("it runs").kill();
        pair.primary = 1 - dead;
        client.move_to(addresses[1 - dead]);
        work(&mut client, false, &mut |client| client.is_up());
        pair.start_standby();
    }
    work(&mut client, true, &mut |client| filled(client) >= fills + 100);
    work(&mut client, false, &mut |client| client.told.answered.len() as u64 == client.sent);
    // Of an order that was taken all that is owed has come when no more comes.
    let mut before = 0;
    while before < client.told.reports.len() {
        before = client.told.reports.len();
        let until = clock.now().saturating_add(Nanos(SECOND));
        work(&mut client, false, &mut |_| clock.now() > until);
    }
    let exchange = floor.close();
    let market = &exchange.lock().expect("nobody panics with it").market;
    assert_eq!(market.wrong, [""; 0], "no order was sent twice");
    assert!(client.told.twice.is_empty(), "no report came twice");
    let there: u64 = market.orders.values().map(|order| order.executed).sum();
    let told: u64 = client.told.reports.values().map(|(_, _, traded)| traded).sum();
    assert_eq!(told, there, "what traded there was told here");
    println!("{} orders, {} at the exchange, {told} shares", client.sent, market.orders.len());
}

/// How many of its orders' fills a client was told.
fn filled(client: &FixClient) -> usize {
    client.told.reports.values().filter(|(kind, ..)| *kind == b'F').count()
}
