//! Two exchanges have an instrument: its orders go to the one whose feed has the better price, for
//! as long as that feed is heard.

use std::net::{SocketAddrV4, UdpSocket};

use wirematch::wire::itch::{AddOrder, Message, OrderDelete, StockDirectory, timestamp};
use wirematch::wire::session::PacketWriter;

use super::*;
use process::free_address;

/// An exchange's feed of one line and one instrument. Each packet has all of the day, so that
/// whoever listens late has lost nothing.
struct Feed {
    socket: UdpSocket,
    to: SocketAddrV4,
    session: [u8; 10],
    said: Vec<Message>,
    /// Orders so far; the last two stand.
    orders: u64,
    is_on: bool,
}

impl Feed {
    fn new(session: &[u8; 10]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        let listed = Message::StockDirectory(StockDirectory {
            stock_locate: 1,
            tracking_number: 0,
            timestamp: timestamp(34_200_000_000_000),
            stock: *b"ACME    ",
            market_category: b'Q',
            financial_status_indicator: b'N',
            round_lot_size: 100,
            round_lots_only: b'N',
            issue_classification: b'C',
            issue_sub_type: *b"Z ",
            authenticity: b'T',
            short_sale_threshold_indicator: b'N',
            ipo_flag: b'N',
            luld_reference_price_tier: b'1',
            etp_flag: b'N',
            etp_leverage_factor: 0,
            inverse_indicator: b'N',
        });
        let (to, said) = (free_address(), vec![listed]);
        Self { socket, to, session: *session, said, orders: 0, is_on: true }
    }

    /// Its market is this from now on, in cents.
    fn quote(&mut self, bid: u32, ask: u32) {
        let head = (1, 0, timestamp(34_200_000_000_000 + self.orders));
        for gone in (1..=self.orders).rev().take(2) {
            let (stock_locate, tracking_number, timestamp) = head;
            let order_reference_number = gone;
            self.said.push(Message::OrderDelete(OrderDelete {
                stock_locate,
                tracking_number,
                timestamp,
                order_reference_number,
            }));
        }
        for (side, cents) in [(b'B', bid), (b'S', ask)] {
            self.orders += 1;
            self.said.push(Message::AddOrder(AddOrder {
                stock_locate: head.0,
                tracking_number: head.1,
                timestamp: head.2,
                order_reference_number: self.orders,
                buy_sell_indicator: side,
                shares: 100,
                stock: *b"ACME    ",
                price: cents * 100,
            }));
        }
    }

    fn send(&self) {
        if !self.is_on {
            return;
        }
        let mut packet = vec![0; 1400];
        let mut writer = PacketWriter::new(&mut packet, self.session, 1).expect("there is room");
        for message in &self.said {
            let mut bytes = [0; Message::LENGTH_MAX];
            let length = message.encode(&mut bytes).expect("it fits");
            assert!(writer.push(&bytes[..length]), "a day that fits into a packet");
        }
        let length = writer.finish();
        // Until the appliance listens nobody takes it.
        let _ = self.socket.send_to(&packet[..length], self.to);
    }
}

/// The two exchanges with their feeds, the appliance, and a client.
struct Floor {
    exchanges: [Exchange; 2],
    feeds: [Feed; 2],
    appliance: Appliance,
    client: FixClient,
    clock: SystemClock,
    spoke_at: Nanos,
}

impl Floor {
    fn up(folder: &Path) -> Self {
        let version = Version::Fix44;
        let exchanges = [(); 2].map(|()| Exchange::open(version));
        let feeds = [Feed::new(b"EXCH000001"), Feed::new(b"OTHR000001")];
        let more = "cancel_on_disconnect = false";
        let (path, address) = fix_client::configuration(folder, 1, version.name(), more);
        let mut text = std::fs::read_to_string(&path).expect("it is written");
        text += "[market_data]\nreference_ms = 10\nreference_age_ms = 2000\n";
        for ((name, session), (exchange, feed)) in
            [("EXCH", 950), ("OTHR", 951)].into_iter().zip(exchanges.iter().zip(&feeds))
        {
            text += &format!(
                "[[market_data.feed]]\nname = \"{name}\"\nvenue = \"{name}\"\na = \"{}\"\n\
                 stale_ms = 500\nclock_ms = 0\ninstruments = [\"ACME\"]\n\
                 [[venue]]\nname = \"{name}\"\nsession = {session}\nversion = \"FIX.4.4\"\n\
                 instruments = [\"ACME\"]\nfailover_s = 3\n[venue.primary]\naddress = \"{}\"\n\
                 sender = \"WIREMATCH\"\ntarget = \"EXCH\"\n",
                feed.to,
                exchange.addresses()[0]
            );
        }
        std::fs::write(&path, text).expect("it is ours");
        let mut appliance = Appliance::new(path);
        appliance.start();
        let client = FixClient::new(client_config(101, version), address);
        let (clock, spoke_at) = (SystemClock::new(), Nanos::ZERO);
        Self { exchanges, feeds, appliance, client, clock, spoke_at }
    }

    fn poll(&mut self) {
        let now = self.clock.now();
        self.exchanges.iter_mut().for_each(|exchange| exchange.poll(now));
        if !self.client.is_connected() {
            self.client.connect(now);
        }
        self.client.poll(now);
        if now.saturating_sub(self.spoke_at) > Nanos(SECOND / 50) {
            self.spoke_at = now;
            self.feeds.iter().for_each(Feed::send);
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.clock.now().0 + 60 * SECOND;
        while !done(self) {
            assert!(self.clock.now().0 < end, "never: {what}; {:?}", self.client.told.others);
            self.poll();
            std::thread::yield_now();
        }
    }

    /// Where an order goes now; `None` where it is refused.
    fn goes(&mut self, side: u8) -> Option<usize> {
        let had = self.orders();
        let id = self.client.order(side, 10, PRICE, self.clock.now());
        self.until("it is answered", |floor| floor.client.told.answered.contains(&id));
        let has = self.orders();
        (0..2).find(|at| has[*at] > had[*at])
    }

    fn orders(&self) -> [usize; 2] {
        [0, 1].map(|at: usize| self.exchanges[at].market.orders.len())
    }

    /// Prices are sampled, so what follows from one may come an order later.
    fn soon_goes(&mut self, side: u8, to: Option<usize>) {
        let name = if side == b'1' { "buys" } else { "sales" };
        self.until(&format!("{name} go to {to:?}"), |floor| floor.goes(side) == to);
        assert_eq!(self.goes(side), to, "{name} stay there");
    }
}

#[test]
fn orders_go_where_the_better_price_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut floor = Floor::up(folder.path());
    floor.until("all are up", |floor| {
        floor.exchanges.iter().all(|exchange| exchange.is_up(0)) && floor.client.is_up()
    });
    floor.feeds[0].quote(29_900, 30_100);
    floor.feeds[1].quote(29_950, 30_050);
    floor.soon_goes(b'1', Some(1));
    floor.soon_goes(b'2', Some(1));
    // Both have the best of one side.
    floor.feeds[0].quote(29_980, 30_100);
    floor.soon_goes(b'2', Some(0));
    floor.soon_goes(b'1', Some(1));
    // A feed that is not heard has no prices.
    floor.feeds[1].is_on = false;
    floor.soon_goes(b'1', Some(0));
    floor.feeds[1].is_on = true;
    floor.soon_goes(b'1', Some(1));
    // Crossed prices are none: the first exchange has its orders, once what was told is old.
    floor.feeds[0].quote(30_200, 30_300);
    floor.soon_goes(b'1', Some(0));
    floor.soon_goes(b'2', Some(0));
    // An exchange whose session is down gets none, whatever its price.
    floor.feeds[0].quote(29_980, 30_100);
    floor.soon_goes(b'1', Some(1));
    floor.exchanges[1].doors[0].is_shut = true;
    floor.exchanges[1].break_line(0);
    floor.soon_goes(b'1', Some(0));
    assert!(floor.exchanges.iter().all(|exchange| exchange.market.wrong.is_empty()));
    floor.appliance.stop();
    assert!(floor.appliance.replays(), "history tells where each order went");
}
