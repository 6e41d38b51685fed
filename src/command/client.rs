//! `wirematch client`: a real client over UDP: logs in, sends, reads replies and market data.

use std::io::IsTerminal;
use std::net::SocketAddrV4;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::client::script::{Accounts, Part, Script};
use crate::client::{Counts, Listener, Tally, Trader, TraderConfig};
use crate::command::{Failure, Outcome};
use crate::flow::{MakeOptions, make, read};
use crate::model::{Nanos, PRICE_ONE, Symbol};
use crate::port::socket::{SocketConfig, SocketPort};
use crate::runtime::{Clock, Percentiles, SystemClock};
use crate::topology::Decimal;
use crate::wire::ouch::codes::{
    MARKET_PRICE, capacity, cross_type, display, intermarket_sweep, side, time_in_force,
};
use crate::wire::ouch::{
    CancelOrderRequest, EnterOrder, Inbound, MESSAGE_MAX, OPTIONS_MAX, Options, Outbound,
};
use crate::wire::session::{ClientEvent, LoginRejectCode};

/// How long a session that ended without a word may still count as connected.
const SILENCE: u64 = 1_000_000_000;

/// Logs in over UDP, sends what it is told, reads the replies and the market data, and says what
/// came back, how fast, and what went missing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 everything was answered, 1 it was not, 2 wrong usage, 4 the \
    trades are not those the flow names.\n\nExamples:\n  \
    wirematch client --session 1 --key change-me-1 order buy 100 ACME 299.50\n  \
    wirematch client --session 3 --key change-me-3 load --rate 20000 --orders 200000\n  \
    wirematch client --session 3 --key change-me-3 flow ACME=acme.flow"
)]
pub struct ClientArguments {
    /// The gateway
    #[arg(long, default_value = "127.0.0.1:9100")]
    gateway: SocketAddrV4,
    /// Our address; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddrV4,
    /// The session's number
    #[arg(long, default_value_t = 3)]
    session: u16,
    /// The session's secret
    #[arg(long, env = "WIREMATCH_KEY", default_value = "change-me-3")]
    key: String,
    /// Listen to the market data that is published to this address
    #[arg(long, value_name = "GROUP")]
    feed: Option<SocketAddrV4>,
    /// Who publishes it
    #[arg(long, default_value = "127.0.0.1:9200", value_name = "ADDRESS")]
    feed_source: SocketAddrV4,
    /// Give up when nothing comes back for so long
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    patience: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

/// What to send.
#[derive(Debug, Subcommand)]
enum Task {
    /// One order by hand; prints every reply, waits a moment for executions, logs out
    Order {
        /// buy or sell
        side: String,
        /// How many
        quantity: u32,
        /// The instrument
        symbol: String,
        /// The limit, as 299.50; `market` takes any price inside the collar
        price: String,
        /// Cancel at once what does not trade
        #[arg(long)]
        ioc: bool,
        /// Cancel the order again after this many seconds
        #[arg(long, value_name = "SECONDS")]
        cancel_after: Option<u64>,
        /// The account it is for; without it the session's first
        #[arg(long)]
        account: Option<u32>,
        /// This order's number; must be above every one the session used today
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        number: u32,
    },
    /// Order-flow files, each played on an instrument
    Flow {
        /// SYMBOL=FILE, one or more, played in turn
        #[arg(required = true)]
        parts: Vec<String>,
        /// Messages a second; 0 sends whenever the window allows
        #[arg(long, default_value_t = 0)]
        rate: u32,
    },
    /// Seeded load, open loop: made for the instruments named, sent at a rate
    Load {
        /// The instruments
        #[arg(long, value_delimiter = ',', default_value = "ACME,BOLT,CRUX,DYNE")]
        symbols: Vec<String>,
        /// Messages, about
        #[arg(long, default_value_t = 100_000)]
        orders: u32,
        /// Messages a second; 0 sends whenever the window allows
        #[arg(long, default_value_t = 20_000)]
        rate: u32,
        /// Makes other orders
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, no connection, missing answers, wrong trades.
pub fn run(arguments: &ClientArguments) -> Outcome {
    match &arguments.task {
        Task::Order { .. } => Connection::open(arguments)?.order(arguments),
        Task::Flow { parts, rate } => {
            let parts: Result<Vec<Part>, Failure> = parts.iter().map(|part| named(part)).collect();
            play(arguments, &parts?, *rate)
        }
        Task::Load { symbols, orders, rate, seed } => {
            play(arguments, &made(symbols, *orders, *seed)?, *rate)
        }
    }
}

fn symbol(name: &str) -> Result<Symbol, Failure> {
    Symbol::new(name)
        .ok_or_else(|| Failure::usage(format!("`{name}` is no symbol: 1 to 8 letters or digits")))
}

/// A tick of a flow on the wire: a cent.
const TICK: u64 = PRICE_ONE as u64 / 100;

fn named(part: &str) -> Result<Part, Failure> {
    let (name, file) = part
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("`{part}`: write SYMBOL=FILE, as ACME=acme.flow")))?;
    let flow = read(&PathBuf::from(file)).map_err(Failure::usage)?;
    Ok(Part { flow, symbol: symbol(name)?, tick: TICK })
}

fn made(symbols: &[String], orders: u32, seed: u64) -> Result<Vec<Part>, Failure> {
    let each = orders / symbols.len().max(1) as u32;
    let parts = symbols.iter().enumerate().map(|(place, name)| {
        let options = MakeOptions {
            seed: seed.wrapping_add(place as u64),
            resting: (each / 8).clamp(1, 1_000),
            events: each.max(1),
            range: 100,
            sparse_ids: false,
        };
        let flow = make(&options, &mut |_| ()).context("cannot make orders")?;
        Ok(Part { flow, symbol: symbol(name)?, tick: TICK })
    });
    parts.collect()
}

/// A client with its clock and, if asked for, its ear on the feed.
struct Connection {
    trader: Trader<SocketPort>,
    listener: Option<Listener<SocketPort>>,
    clock: SystemClock,
    patience: Nanos,
}

fn socket(
    address: SocketAddrV4,
    groups: Vec<SocketAddrV4>,
) -> Result<(SocketPort, SocketAddrV4), Failure> {
    let config = SocketConfig { address: *address.ip(), ports: vec![address.port()], groups };
    let port = SocketPort::open(&config).map_err(Failure::usage)?;
    let own = port.locals().next().unwrap_or(address);
    Ok((port, own))
}

impl Connection {
    /// Opens the sockets and logs in.
    fn open(arguments: &ClientArguments) -> Result<Self, Failure> {
        let listener = match arguments.feed {
            None => None,
            Some(group) if group.ip().is_multicast() => {
                let own = SocketAddrV4::new(*arguments.address.ip(), 0);
                let (port, own) = socket(own, vec![group])?;
                Some(Listener::new(port, own, group, arguments.feed_source))
            }
            Some(group) => {
                let (port, own) = socket(group, Vec::new())?;
                Some(Listener::new(port, own, group, arguments.feed_source))
            }
        };
        let (port, address) = socket(arguments.address, Vec::new())?;
        let config = TraderConfig {
            address,
            gateway: arguments.gateway,
            session: arguments.session,
            key: arguments.key.clone().into_bytes(),
        };
        let patience = Nanos(arguments.patience.saturating_mul(1_000_000_000));
        let clock = SystemClock::new();
        let mut trader = Trader::new(port, config);
        trader.session_mut().forget_received();
        let mut connection = Self { trader, listener, clock, patience };
        connection.log_in(arguments)?;
        Ok(connection)
    }

    fn log_in(&mut self, arguments: &ClientArguments) -> Result<(), Failure> {
        let began = self.clock.now();
        self.trader.log_in(began);
        let mut outcome = None;
        while outcome.is_none() {
            let now = self.clock.now();
            if self.trader.session().is_idle() {
                self.trader.log_in(now);
            }
            if now.saturating_sub(began) > self.patience {
                return Err(Failure::from(anyhow!(
                    "no answer from {}: is the appliance running, and is that its address?",
                    arguments.gateway
                )));
            }
            self.trader.poll(now, &mut |event| match event {
                ClientEvent::LoggedIn { .. } => outcome = Some(Ok(())),
                // Whoever was there before us may just have gone without a word: try again.
                ClientEvent::LoginRejected(Some(LoginRejectCode::ConnectedElsewhere))
                    if now.saturating_sub(began).0 < SILENCE => {}
                ClientEvent::LoginRejected(code) => {
                    let why = code
                        .map_or("for a reason this client does not know".into(), |code| {
                            code.sentence().to_owned()
                        });
                    outcome = Some(Err(Failure::from(anyhow!("the login was refused: {why}"))));
                }
                _ => {}
            });
            self.rest(0);
        }
        outcome.unwrap_or(Ok(()))
    }

    /// Leaves the CPU to others for a moment when there was nothing to do.
    fn rest(&self, work: usize) {
        if work == 0 {
            std::thread::yield_now();
        }
    }

    fn hear(&mut self, now: Nanos) -> usize {
        self.listener.as_mut().map_or(0, |listener| listener.poll(now, &mut |_| ()))
    }

    fn log_out(&mut self) {
        let began = self.clock.now();
        self.trader.log_out(began);
        let mut ended = false;
        while !ended && self.clock.now().saturating_sub(began) < self.patience {
            let now = self.clock.now();
            let work = self.trader.poll(now, &mut |event| {
                ended |= matches!(event, ClientEvent::Ended | ClientEvent::Silent);
            });
            self.rest(work);
        }
    }

    /// Sends one order and prints what comes back.
    fn order(mut self, arguments: &ClientArguments) -> Outcome {
        let Task::Order { cancel_after, number, .. } = &arguments.task else { return Ok(()) };
        let number = match number {
            0 => self.free_number()?,
            number => *number,
        };
        let message = order_message(&arguments.task, number)?;
        self.trader.send(&message).context("cannot send")?;
        let began = self.clock.now();
        let second = 1_000_000_000;
        let mut cancel_at = cancel_after.map(|seconds| Nanos(began.0 + seconds * second));
        let until = Nanos(began.0 + (cancel_after.unwrap_or(0) + 1) * second);
        let mut answered = false;
        while self.clock.now() < until {
            let now = self.clock.now();
            if cancel_at.is_some_and(|at| now >= at) {
                cancel_at = None;
                self.trader.send(&cancel_message(number)).context("cannot cancel")?;
            }
            let work = self.trader.poll(now, &mut |event| {
                answered |= print_event(event, number, now.saturating_sub(began));
            });
            self.rest(work);
        }
        self.log_out();
        if answered { Ok(()) } else { Err(Failure::from(anyhow!("the order was not answered"))) }
    }

    /// The next order number that the gateway says is free.
    fn free_number(&mut self) -> Result<u32, Failure> {
        let query = crate::wire::ouch::AccountQueryRequest {};
        let mut bytes = [0; MESSAGE_MAX];
        let query = Inbound::AccountQueryRequest(query, crate::wire::ouch::Appendage::ABSENT);
        let length = query.encode(&mut bytes).unwrap_or(0);
        self.trader.send(&bytes[..length]).context("cannot ask for the next number")?;
        let began = self.clock.now();
        let mut next = None;
        while next.is_none() && self.clock.now().saturating_sub(began) < self.patience {
            let now = self.clock.now();
            let work = self.trader.poll(now, &mut |event| {
                if let ClientEvent::Message { bytes, .. } = event
                    && let Ok(Outbound::AccountQueryResponse(answer, _)) = Outbound::decode(bytes)
                {
                    next = Some(answer.next_user_ref_num);
                }
            });
            self.rest(work);
        }
        next.ok_or_else(|| Failure::from(anyhow!("the gateway did not say which number is next")))
    }
}

fn cancel_message(user_ref_num: u32) -> Vec<u8> {
    let cancel = CancelOrderRequest { user_ref_num, quantity: 0 };
    let message = Inbound::CancelOrderRequest(cancel, crate::wire::ouch::Appendage::ABSENT);
    let mut bytes = [0; MESSAGE_MAX];
    let length = message.encode(&mut bytes).unwrap_or(0);
    bytes[..length].to_vec()
}

fn order_message(task: &Task, user_ref_num: u32) -> Result<Vec<u8>, Failure> {
    let Task::Order { side: way, quantity, symbol: name, price, ioc, account, .. } = task else {
        return Ok(Vec::new());
    };
    let side = match way.as_str() {
        "buy" => side::BUY,
        "sell" => side::SELL,
        "short" => side::SELL_SHORT,
        other => return Err(Failure::usage(format!("`{other}`: write buy, sell or short"))),
    };
    let is_market = price == "market";
    let limit = match is_market {
        true => MARKET_PRICE,
        false => {
            let price: Decimal = price.parse().map_err(Failure::usage)?;
            u64::try_from(price.0).map_err(|_| Failure::usage("a price is above 0".to_owned()))?
        }
    };
    let order = EnterOrder {
        user_ref_num,
        side,
        quantity: *quantity,
        symbol: symbol(name)?.0,
        price: limit,
        time_in_force: match *ioc || is_market {
            true => time_in_force::IMMEDIATE_OR_CANCEL,
            false => time_in_force::DAY,
        },
        display: display::VISIBLE,
        capacity: capacity::PRINCIPAL,
        intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
        cross_type: cross_type::CONTINUOUS,
        cl_ord_id: *b"by hand       ",
    };
    let firm = account.map(|account| crate::model::AccountId(account).code());
    let options = Options { firm, ..Options::default() };
    let mut space = [0; OPTIONS_MAX];
    let mut bytes = [0; MESSAGE_MAX];
    let message = Inbound::EnterOrder(order, options.appendage(&mut space));
    let length = message.encode(&mut bytes).unwrap_or(0);
    Ok(bytes[..length].to_vec())
}

/// Prints an event of the session; whether it is about the order.
fn print_event(event: ClientEvent<'_>, number: u32, after: Nanos) -> bool {
    let micros = after.0 / 1_000;
    match event {
        ClientEvent::Message { number: reply, bytes } => {
            match Outbound::decode(bytes) {
                Ok(message) => println!("{micros:>9} µs  reply {reply}: {message:?}"),
                Err(cause) => println!("{micros:>9} µs  reply {reply}: {}", cause.sentence()),
            }
            Outbound::decode(bytes).is_ok()
        }
        ClientEvent::NotApplied { from, count, .. } => {
            println!("{micros:>9} µs  order {number}: {count} messages from {from} not applied");
            true
        }
        _ => false,
    }
}

/// Plays a script to its end and says what came back.
fn play(arguments: &ClientArguments, parts: &[Part], rate: u32) -> Outcome {
    let mut connection = Connection::open(arguments)?;
    let first = connection.free_number()?;
    let script = Script::of(parts, Accounts { first: 1, count: 1_000 }, first)
        .context("the flow breaks its own rules")?;
    let mut tally = Tally::default();
    let took = send_all(&mut connection, &script, rate, &mut tally)?;
    connection.log_out();
    let unanswered = tally.unanswered();
    let report = Report { arguments, parts, script: &script, tally: &tally, took, unanswered };
    report.print(&connection)?;
    if unanswered + tally.counts.not_applied > 0 {
        return Err(Failure::from(anyhow!("{unanswered} orders were not answered")));
    }
    match report.wrong_trades() {
        wrong if wrong.is_empty() || tally.counts.rejected > 0 => Ok(()),
        wrong => Err(Failure::verification(format!(
            "the trades are not those of the flow on {}",
            wrong.join(", ")
        ))),
    }
}

/// Sends every message on its schedule and waits for every answer; returns how long it took.
fn send_all(
    connection: &mut Connection,
    script: &Script,
    rate: u32,
    tally: &mut Tally,
) -> Result<Nanos, Failure> {
    let bar = progress_bar(script.messages.len() as u64);
    let interval = 1_000_000_000u64.checked_div(u64::from(rate)).unwrap_or(0);
    let began = connection.clock.now();
    let mut heard_at = began;
    let mut next = 0;
    while next < script.messages.len()
        || connection.trader.session().unsettled() < connection.trader.session().next_tx()
    {
        let now = connection.clock.now();
        while let Some(message) = script.messages.get(next) {
            let scheduled = match interval {
                0 => now,
                interval => Nanos(began.0 + next as u64 * interval),
            };
            if now < scheduled || connection.trader.send(message).is_err() {
                break;
            }
            if let Some(number) = user_ref_num(message) {
                tally.sent(number, scheduled);
            }
            next += 1;
        }
        let work = connection.trader.poll(now, &mut |event| match event {
            ClientEvent::Message { bytes, .. } => tally.take(bytes, now),
            ClientEvent::NotApplied { count, .. } => tally.counts.not_applied += u64::from(count),
            _ => {}
        });
        let heard = connection.hear(now);
        if work > 0 {
            heard_at = now;
        }
        if connection.trader.session().is_idle()
            || now.saturating_sub(heard_at) > connection.patience
        {
            return Err(Failure::from(anyhow!(
                "the appliance fell silent after {next} of {} messages",
                script.messages.len()
            )));
        }
        connection.rest(work + heard);
        bar.set_position(next as u64);
    }
    let took = connection.clock.now().saturating_sub(began);
    bar.finish_and_clear();
    listen_on(connection, tally);
    Ok(took)
}

/// Takes what is still on its way: the last replies, the tail of the feed.
fn listen_on(connection: &mut Connection, tally: &mut Tally) {
    let mut quiet_since = connection.clock.now();
    while connection.clock.now().saturating_sub(quiet_since).0 < 200_000_000 {
        let now = connection.clock.now();
        let mut came = 0;
        connection.trader.poll(now, &mut |event| {
            if let ClientEvent::Message { bytes, .. } = event {
                tally.take(bytes, now);
                came += 1;
            }
        });
        let before = connection.listener.as_ref().map(|listener| listener.heard().messages);
        connection.hear(now);
        let after = connection.listener.as_ref().map(|listener| listener.heard().messages);
        if came > 0 || before != after {
            quiet_since = now;
        }
        connection.rest(0);
    }
}

/// The number a message's answer will name: that of an order or replace.
fn user_ref_num(message: &[u8]) -> Option<u32> {
    match Inbound::decode(message) {
        Ok(Inbound::EnterOrder(order, _)) => Some(order.user_ref_num),
        Ok(Inbound::ReplaceOrderRequest(order, _)) => Some(order.user_ref_num),
        _ => None,
    }
}

fn progress_bar(messages: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} {per_sec}");
    ProgressBar::new(messages).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What came back, for people and programs.
struct Report<'a> {
    arguments: &'a ClientArguments,
    parts: &'a [Part],
    script: &'a Script,
    tally: &'a Tally,
    took: Nanos,
    unanswered: u64,
}

impl Report<'_> {
    /// Parts whose trades are not those their flow names.
    fn wrong_trades(&self) -> Vec<String> {
        let wrong = self.parts.iter().enumerate().filter(|(at, part)| {
            self.tally.trade_hash(self.script, *at, part.tick) != part.flow.expected.hash
        });
        wrong.map(|(_, part)| part.symbol.name()).collect()
    }

    fn print(&self, connection: &Connection) -> Outcome {
        let counts = &self.tally.counts;
        let latency = Percentiles::of(&self.tally.latency);
        let heard = connection.listener.as_ref().map(Listener::heard);
        let seconds = self.took.0 as f64 / 1e9;
        let rate = (self.script.messages.len() as f64 / seconds.max(1e-9)) as u64;
        let wrong = self.wrong_trades();
        if self.arguments.json {
            let report = json!({
                "messages": self.script.messages.len(),
                "messages_per_s": rate,
                "replies": counts,
                "trades": self.tally.trades(),
                "trades_as_expected": wrong.is_empty(),
                "latency": latency,
                "unanswered": self.unanswered,
                "market_data": heard,
            });
            println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
            return Ok(());
        }
        println!("sent      {} messages in {seconds:.2} s, {rate}/s", self.script.messages.len());
        print_counts(counts);
        println!(
            "trades    {}, {}",
            self.tally.trades(),
            match wrong.is_empty() {
                true => "exactly those the flow names".to_owned(),
                false => format!("not those the flow names on {}", wrong.join(", ")),
            }
        );
        println!(
            "latency   p50 {:.1} µs, p99 {:.1} µs, p99.9 {:.1} µs, max {:.1} µs \
             (from scheduled send to first answer)",
            latency.p50_ns as f64 / 1e3,
            latency.p99_ns as f64 / 1e3,
            latency.p999_ns as f64 / 1e3,
            latency.max_ns as f64 / 1e3
        );
        if let Some(heard) = heard {
            println!(
                "market    {} messages: {} added, {} executed, {} removed, {} replaced; \
                 {} asked for again, {} missing",
                heard.messages,
                heard.added,
                heard.executed,
                heard.removed,
                heard.replaced,
                heard.requests,
                heard.missing
            );
        }
        println!("missing   {} answers, {} not applied", self.unanswered, counts.not_applied);
        Ok(())
    }
}

fn print_counts(counts: &Counts) {
    println!(
        "replies   {} accepted, {} rejected, {} replaced, {} canceled, {} cancels too late, \
         {} executions",
        counts.accepted,
        counts.rejected,
        counts.replaced,
        counts.canceled,
        counts.cancel_rejected,
        counts.executed
    );
}
