//! What a burst of an exchange's prices does to orders: their latency without one and with one, in
//! turns, in one run. The exchange is a port that makes its packets as they fall due.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::command::bench::machine::machine;
use crate::command::bench::plot::{Plot, thousands, together};
use crate::command::bench::{Asked, Bench, BenchArguments};
use crate::command::host::made_by;
use crate::command::{Failure, progress};
use crate::feed::exchange::Exchange;
use crate::feed::{ArbiterOptions, WatchOptions};
use crate::model::{Nanos, SessionId};
use crate::port::{FrameMeta, Full, Port};
use crate::runtime::{Clock, Percentiles, SystemClock};
use crate::stage::{InletSpec, Midnights, PricesOptions};
use crate::topology::{Catalogue, PricesParts, StageName};
use crate::wire::ethernet::Mac;
use crate::wire::itch::Message;
use crate::wire::session::{PACKET_MAX, PacketWriter};
use crate::wire::udp::{HEADERS, Route, seal};

/// Where the exchange is heard, and where it is.
const LINE: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::new(127, 0, 0, 1), 26_400);
const EXCHANGE: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::new(127, 0, 0, 8), 26_400);

/// Turns, each without and with a burst.
const TURNS: usize = 5;

/// Orders in the exchange's books, about.
const ORDERS: usize = 20_000;

/// The middle of every instrument's market there, as the configuration's own.
const MIDDLE: u32 = 300_0000;

/// Messages that were taken in, and the time that took so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    messages: Arc<AtomicU64>,
    span: Arc<AtomicU64>,
}

impl Heard {
    pub(super) fn per_second(&self) -> u64 {
        let (messages, span) = (&self.messages, &self.span);
        messages.load(Ordering::Relaxed) * 1_000_000_000 / span.load(Ordering::Relaxed).max(1)
    }
}

/// An exchange: so many messages a second, none where that is 0, and a heartbeat when silent.
pub(super) struct ExchangePort {
    clock: SystemClock,
    rate: u64,
    exchange: Exchange,
    /// The next message's number.
    number: u64,
    waiting: Option<Vec<u8>>,
    began: Option<Nanos>,
    heartbeat_due: Nanos,
    heard: Heard,
    frame: [u8; HEADERS + PACKET_MAX],
}

impl ExchangePort {
    fn new(symbols: &[[u8; 8]], rate: u32, clock: SystemClock, heard: Heard) -> Self {
        Self {
            clock,
            rate: rate.into(),
            exchange: Exchange::new(23, symbols, MIDDLE, ORDERS),
            number: 1,
            waiting: None,
            began: None,
            heartbeat_due: Nanos::ZERO,
            heard,
            frame: [0; HEADERS + PACKET_MAX],
        }
    }

    /// Makes a packet of up to so many messages; the length of its frame.
    fn packet(&mut self, most: u64, now: Nanos) -> usize {
        self.exchange.set_now(now.0 % 86_400_000_000_000);
        let (_, space) = self.frame.split_at_mut(HEADERS);
        let Some(mut writer) = PacketWriter::new(space, *b"BURST00001", self.number) else {
            return 0;
        };
        for _ in 0..most {
            let exchange = &mut self.exchange;
            let message = self.waiting.take().unwrap_or_else(|| bytes_of(exchange.next_message()));
            if !writer.push(&message) {
                self.waiting = Some(message);
                break;
            }
        }
        self.number += u64::from(writer.count());
        let length = writer.finish();
        let whole = (HEADERS + length).max(60);
        let (from_mac, to_mac) = (Mac::local(*EXCHANGE.ip()), Mac::local(*LINE.ip()));
        let route = Route { from_mac, to_mac, from: EXCHANGE, to: LINE };
        seal(&mut self.frame[..whole], length, &route);
        whole
    }
}

fn bytes_of(message: Message) -> Vec<u8> {
    let mut bytes = vec![0; Message::LENGTH_MAX];
    let length = message.encode(&mut bytes).unwrap_or(0);
    bytes.truncate(length);
    bytes
}

impl Port for ExchangePort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let now = self.clock.now();
        let began = *self.began.get_or_insert(now);
        let due = now.saturating_sub(began).0 * self.rate / 1_000_000_000;
        let mut seen = 0;
        while seen < budget && self.number <= due || seen == 0 && now >= self.heartbeat_due {
            let most = (due + 1).saturating_sub(self.number);
            let length = self.packet(most, now);
            each(&self.frame[..length], FrameMeta::default());
            self.heartbeat_due = now.saturating_add(Nanos(100_000_000));
            seen += 1;
        }
        self.heard.messages.store(self.number - 1, Ordering::Relaxed);
        self.heard.span.store(now.saturating_sub(began).0, Ordering::Relaxed);
        seen
    }

    fn transmit(&mut self, _: usize, _: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        Ok(())
    }

    fn flush(&mut self) {}
}

/// A feed that this exchange is behind.
pub(super) fn prices(
    catalogue: &Catalogue,
    rate: u32,
    clock: &SystemClock,
    heard: Heard,
) -> PricesParts {
    let listed = &catalogue.instruments;
    let inlet = InletSpec {
        name: "BURST".into(),
        lines: vec![LINE],
        own: vec![LINE],
        requests: None,
        snapshots: None,
        instruments: listed.iter().map(|instrument| instrument.id).collect(),
        halts: true,
        session: SessionId(0),
        arbiter: ArbiterOptions { lines: 1, ..ArbiterOptions::default() },
        orders_max: 4 * ORDERS,
        levels_max: 512,
        midnights: Midnights::new(0, []),
        clock: Nanos(5_000_000_000),
    };
    let (instruments, watch) = (listed.clone(), WatchOptions::default());
    let options = PricesOptions { instruments, inlets: vec![inlet], watch };
    let symbols: Vec<_> = listed.iter().map(|instrument| instrument.symbol.0).collect();
    let port = ExchangePort::new(&symbols, rate, clock.clone(), heard);
    PricesParts { options, ports: vec![vec![Box::new(port)]] }
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    machine: String,
    /// The build, and what the machine is set to.
    made_by: serde_json::Value,
    /// Of the orders.
    asked: Asked,
    /// Messages of the exchange a second that were asked for, and that were taken in.
    asked_per_s: u32,
    taken_per_s: u64,
    /// By turn.
    turns: Vec<Turn>,
    /// With a burst beside without one, the median of the turns.
    p50_ratio: f64,
    p99_ratio: f64,
}

#[derive(Debug, Serialize)]
struct Turn {
    calm: Percentiles,
    burst: Percentiles,
    /// Both whole.
    #[serde(skip)]
    distributions: [Histogram<u64>; 2],
}

/// Measures orders' latency in turns: all stages of theirs on one CPU, and prices where the
/// appliance has them, on a thread that keeps off that CPU.
pub(super) fn run(bench: &Bench<'_>, cpus: &[usize], rate: u32) -> Result<Figures, Failure> {
    let cores: &[&[StageName]] = &[&StageName::ALL];
    let (mut turns, mut taken) = (Vec::new(), Vec::new());
    let bar = progress::of_so_much(TURNS as u64, "turns");
    for _ in 0..TURNS {
        let (calm, _) = bench.measure_beside(cores, cpus, 0)?;
        let (burst, per_second) = bench.measure_beside(cores, cpus, rate)?;
        taken.push(per_second);
        turns.push(Turn {
            calm: Percentiles::of(&calm),
            burst: Percentiles::of(&burst),
            distributions: [calm, burst],
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let ratio = |of: fn(&Percentiles) -> u64| {
        let ratio = |turn: &Turn| of(&turn.burst) as f64 / of(&turn.calm).max(1) as f64;
        let mut ratios: Vec<f64> = turns.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    let (p50_ratio, p99_ratio) = (ratio(|of| of.p50_ns), ratio(|of| of.p99_ns));
    taken.sort_unstable();
    let taken_per_s = taken[taken.len() / 2];
    Ok(Figures {
        machine: machine(),
        made_by: made_by(),
        asked: bench.arguments.asked(),
        asked_per_s: rate,
        taken_per_s,
        turns,
        p50_ratio,
        p99_ratio,
    })
}

/// The picture of orders' latency without and with a burst, of all turns.
pub(super) fn plot(figures: &Figures, arguments: &BenchArguments) -> Plot {
    let line = |name: &str, at: usize| {
        let whole = figures.turns.iter().map(|turn| &turn.distributions[at]);
        Some((name.to_owned(), together(whole)?))
    };
    Plot {
        title: "Frame in to answer out beside an exchange's feed, by percentile".into(),
        said: vec![
            format!("{}; {TURNS} turns of each", arguments.sentence()),
            format!("{} of the exchange's messages a second", thousands(figures.taken_per_s)),
            machine(),
        ],
        lines: [line("calm", 0), line("burst", 1)].into_iter().flatten().collect(),
    }
}

/// For people.
pub(super) fn print(figures: &Figures, orders_per_s: u32) {
    println!(
        "orders at {orders_per_s} a second, open loop; an exchange's messages at {} a second, {} \
         taken in",
        figures.asked_per_s, figures.taken_per_s
    );
    println!("{:<12} {:>12} {:>12} {:>12} {:>12}", "", "calm p50", "burst p50", "p99", "p99");
    for (at, Turn { calm, burst, .. }) in figures.turns.iter().enumerate() {
        let [a, b, c, d] = [calm.p50_ns, burst.p50_ns, calm.p99_ns, burst.p99_ns];
        println!("{:<12} {a:>12} {b:>12} {c:>12} {d:>12}", format!("turn {}", at + 1));
    }
    let Figures { p50_ratio, p99_ratio, .. } = figures;
    println!("burst beside calm: p50 {p50_ratio:.2}, p99 {p99_ratio:.2}");
}
