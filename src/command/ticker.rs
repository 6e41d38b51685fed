//! `wirematch ticker`: what a feed says, a line for each change of a top and each trade.

use std::io::Write;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::command::feed::datagram;
use crate::command::{Failure, Outcome};
use crate::feed::{Arbiter, ArbiterOptions, Books, LastTrade, Top};
use crate::model::{Nanos, Price};
use crate::port::Port;
use crate::port::pcap::read;
use crate::port::socket::{SocketConfig, SocketPort};
use crate::runtime::{Clock, SystemClock};
use crate::wire::itch::Message;
use crate::wire::session::Packet;

/// Shows a feed: best bids and offers, trades, trading states, as they change. A book that was
/// joined in the middle of its day is marked as a part.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  wirematch ticker\n  wirematch ticker --listen 239.1.1.1:26400 \
    --own 10.0.0.5 --format tsv\n  wirematch ticker --pcap day.pcap --format json ACME"
)]
pub struct TickerArguments {
    /// Symbols; none: all that the feed names
    symbols: Vec<String>,
    #[command(flatten)]
    hearing: Hearing,
    /// Read captures instead, as lines of one feed
    #[arg(long, value_name = "FILE")]
    pcap: Vec<PathBuf>,
    /// How lines are written
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// Stop after so many seconds; 0: never
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

/// Where a feed is heard.
#[derive(Args, Clone, Debug)]
pub struct Hearing {
    /// The group, or an address of ours
    #[arg(long, default_value = "127.0.0.1:9201", value_name = "GROUP")]
    listen: SocketAddrV4,
    /// The B line
    #[arg(long, value_name = "GROUP")]
    listen_b: Option<SocketAddrV4>,
    /// The address of ours that hears groups
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    own: std::net::Ipv4Addr,
}

impl Hearing {
    /// A socket for it.
    pub(super) fn open(&self) -> Result<SocketPort, String> {
        let lines = std::iter::once(self.listen).chain(self.listen_b);
        let (groups, own): (Vec<_>, Vec<_>) = lines.partition(|line| line.ip().is_multicast());
        let address = own.first().map_or(self.own, |line| *line.ip());
        let ports = own.iter().map(SocketAddrV4::port).collect();
        SocketPort::open(&SocketConfig { address, ports, groups }).map_err(|e| e.to_string())
    }

    /// Which line a frame came by, by where it was sent to.
    fn line_of(&self, frame: &[u8]) -> usize {
        let to = frame.get(30..34).zip(frame.get(36..38));
        let is_b = |b: SocketAddrV4| {
            to == Some((b.ip().octets().as_slice(), b.port().to_be_bytes().as_slice()))
        };
        usize::from(self.listen_b.is_some_and(is_b))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// Fields with tabs between: time, symbol, kind, bid, shares, ask, shares, price, shares,
    /// state, whole or part
    Tsv,
    /// An object a line
    Json,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read, an address that cannot be had, output that cannot be written.
pub fn run(arguments: &TickerArguments) -> Outcome {
    let mut ticker = Ticker::new(arguments);
    let outcome = match arguments.pcap.is_empty() {
        true => ticker.listen(arguments),
        false => ticker.read(arguments),
    };
    match outcome {
        Err(failure) if failure.is_closed_pipe() => Ok(()),
        outcome => outcome,
    }
}

struct Ticker {
    form: Form,
    wanted: Vec<[u8; 8]>,
    /// By place.
    symbols: Vec<[u8; 8]>,
    books: Books,
    told: Vec<(Top, LastTrade, u8)>,
    arbiter: Arbiter,
    has_begun: bool,
    out: std::io::BufWriter<std::io::Stdout>,
}

const SYMBOLS_MAX: usize = 16_384;
const ORDERS_MAX: usize = 1 << 20;
const LEVELS_MAX: usize = 256;

impl Ticker {
    fn new(arguments: &TickerArguments) -> Self {
        let padded = |symbol: &String| crate::wire::soupbintcp::padded::<8>(symbol);
        let lines = 1 + usize::from(arguments.hearing.listen_b.is_some());
        let options = ArbiterOptions { lines, ..ArbiterOptions::default() };
        Self {
            form: arguments.format,
            wanted: arguments.symbols.iter().map(padded).collect(),
            symbols: Vec::new(),
            books: Books::new(&[], ORDERS_MAX, LEVELS_MAX),
            told: Vec::new(),
            arbiter: Arbiter::new(options),
            has_begun: false,
            out: std::io::BufWriter::new(std::io::stdout()),
        }
    }

    fn read(&mut self, arguments: &TickerArguments) -> Outcome {
        let mut frames = Vec::new();
        for (line, file) in arguments.pcap.iter().enumerate() {
            let file = read(file).map_err(Failure::usage)?;
            frames.extend(file.into_iter().map(|frame| (frame.at, line.min(1), frame.bytes)));
        }
        frames.sort_by_key(|(at, ..)| *at);
        for (_, _, bytes) in &frames {
            self.learn(bytes);
        }
        for (at, line, bytes) in &frames {
            self.take(*line, bytes, *at)?;
        }
        self.out.flush().map_err(Failure::from_output)
    }

    fn listen(&mut self, arguments: &TickerArguments) -> Outcome {
        let clock = SystemClock::new();
        let mut port = arguments.hearing.open().map_err(Failure::usage)?;
        let end = match arguments.seconds {
            0 => Nanos::MAX,
            seconds => Nanos(clock.now().0 + seconds * 1_000_000_000),
        };
        while clock.now() < end {
            let mut frames = Vec::new();
            port.receive(64, &mut |frame, _| frames.push(frame.to_vec()));
            if frames.is_empty() {
                std::thread::sleep(Duration::from_micros(500));
            }
            for bytes in &frames {
                self.learn(bytes);
                let line = arguments.hearing.line_of(bytes);
                self.take(line, bytes, clock.now())?;
            }
            self.out.flush().map_err(Failure::from_output)?;
        }
        Ok(())
    }

    /// Follows the instruments that a packet names and that are wanted, besides those that are.
    fn learn(&mut self, frame: &[u8]) {
        let Some(bytes) = datagram(frame) else { return };
        let Ok(packet) = Packet::parse(bytes, Message::LENGTH_MAX) else { return };
        for block in packet.blocks() {
            let symbol = match Message::decode(block) {
                Ok(Message::StockDirectory(of)) => of.stock,
                Ok(Message::StockTradingAction(of)) => of.stock,
                Ok(Message::AddOrder(of)) => of.stock,
                Ok(Message::AddOrderWithMpid(of)) => of.stock,
                _ => continue,
            };
            let is_wanted = self.wanted.is_empty() || self.wanted.contains(&symbol);
            let is_new = self.symbols.len() < SYMBOLS_MAX && !self.symbols.contains(&symbol);
            if is_wanted && is_new && self.books.follow(symbol, LEVELS_MAX).is_some() {
                self.symbols.push(symbol);
                self.told.push((Top::default(), LastTrade::default(), b' '));
            }
        }
    }

    fn take(&mut self, line: usize, frame: &[u8], now: Nanos) -> Outcome {
        let Some(bytes) = datagram(frame) else { return Ok(()) };
        let Ok(packet) = Packet::parse(bytes, Message::LENGTH_MAX) else { return Ok(()) };
        if !self.has_begun {
            // Who joins in the middle shows what comes from there.
            self.arbiter.resume(packet.seq(), now, |_, _| {});
            self.has_begun = true;
        }
        if self.arbiter.begins_anew(Some(line), &packet, now) {
            self.books.clear();
        }
        let Self { arbiter, books, .. } = self;
        let mut changed = Vec::new();
        let mut apply = |_: u64, bytes: &[u8]| {
            if let Ok(Some(place)) = books.apply(bytes) {
                changed.push(place);
            }
        };
        arbiter.receive(Some(line), &packet, now, &mut apply);
        // Nobody is asked for what both lines lost: it is passed over.
        if arbiter.need(now).is_some() {
            arbiter.pass_over(now, apply);
        }
        changed.dedup();
        changed.into_iter().try_for_each(|place| self.tell(place))
    }

    fn tell(&mut self, place: usize) -> Outcome {
        let Some(book) = self.books.book(place) else { return Ok(()) };
        let now = (book.top(), book.last, book.status.trading_state);
        let before = std::mem::replace(&mut self.told[place], now);
        let (top, last, state) = now;
        let kind = match () {
            () if last != before.1 => "trade",
            () if top != before.0 => "top",
            () if state != before.2 => "state",
            () => return Ok(()),
        };
        let symbol = String::from_utf8_lossy(&self.symbols[place]).trim_end().to_owned();
        let price = |level: Option<crate::feed::Level>| {
            level.map_or_else(String::new, |level| Price(level.price.into()).to_string())
        };
        let shares = |level: Option<crate::feed::Level>| level.map_or(0, |level| level.shares);
        let (reference, lower, upper) = book.status.collar;
        let collar = [reference, lower, upper];
        let whole = if book.is_spoiled { "part" } else { "whole" };
        let (at, state) = (clock_of(book.at), char::from(state));
        let (bid, ask, traded) = (price(top.bid), price(top.ask), Price(last.price.into()));
        let (bids, asks, volume) = (shares(top.bid), shares(top.ask), last.shares);
        let written = match self.form {
            Form::Text => writeln!(
                self.out,
                "{at}  {symbol:8} {bids:>8} {bid:>12} | {ask:<12} {asks:<8} last {traded} x \
                 {volume} {state} ({kind}, {whole})"
            ),
            Form::Tsv => writeln!(
                self.out,
                "{at}\t{symbol}\t{kind}\t{bid}\t{bids}\t{ask}\t{asks}\t{traded}\t{volume}\
                 \t{state}\t{whole}"
            ),
            Form::Json => writeln!(
                self.out,
                "{}",
                json!({
                    "at": at, "symbol": symbol, "kind": kind, "bid": bid, "bid_shares": bids,
                    "ask": ask, "ask_shares": asks, "last": traded.to_string(),
                    "last_shares": volume, "state": state.to_string(),
                    "is_whole": !book.is_spoiled,
                    "collar": collar.map(|price| Price(price.into()).to_string()),
                })
            ),
        };
        written.map_err(Failure::from_output)
    }
}

/// A time of day, in nanoseconds since midnight, as people write it.
fn clock_of(at: u64) -> String {
    let (seconds, nanos) = (at / 1_000_000_000, at % 1_000_000_000);
    format!("{:02}:{:02}:{:02}.{nanos:09}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
