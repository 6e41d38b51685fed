//! `wirematch client`: a real client over UDP: logs in, sends, reads replies and market data.

mod certify;
mod connection;
mod order;
mod play;
mod rehearse;
mod report;

use std::net::SocketAddrV4;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use crate::client::script::Part;
use crate::command::client::certify::{CertifyArguments, certify};
use crate::command::client::connection::Connection;
use crate::command::client::play::play;
use crate::command::client::rehearse::{RehearseArguments, rehearse};
use crate::command::{Failure, Outcome};
use crate::flow::{MakeOptions, Profile, make, read};
use crate::model::{PRICE_ONE, Symbol};
use crate::topology::DeviceName;

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
    /// The gateway; several where there is a standby: whoever falls silent is left for the next
    #[arg(long, global = true, value_delimiter = ',', default_value = "127.0.0.1:9100")]
    gateway: Vec<SocketAddrV4>,
    /// Our address; port 0 lets the system choose
    #[arg(long, global = true, default_value = "127.0.0.1:0")]
    address: SocketAddrV4,
    /// What orders go by; with DPDK any device it drives, as `memif:SOCKET`
    #[arg(long, global = true, default_value = "socket")]
    device: DeviceName,
    /// The session's number
    #[arg(long, global = true, default_value_t = 3)]
    session: u16,
    /// The session's secret
    #[arg(long, global = true, env = "WIREMATCH_KEY", default_value = "change-me-3")]
    key: String,
    /// Listen to the market data that is published to this address
    #[arg(long, global = true, value_name = "GROUP")]
    feed: Option<SocketAddrV4>,
    /// Who publishes it
    #[arg(long, global = true, default_value = "127.0.0.1:9200", value_name = "ADDRESS")]
    feed_source: SocketAddrV4,
    /// Give up when nothing comes back for so long
    #[arg(long, global = true, default_value_t = 5, value_name = "SECONDS")]
    patience: u64,
    /// Print one JSON object
    #[arg(long, global = true)]
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
    /// Leads a client, yours, through every message of the protocol, and explains its mistakes;
    /// needs no appliance and trades nothing
    #[command(
        after_help = "Exit codes: 0 every step was done, 1 failed while running, 2 wrong usage, \
        3 a step was not done.\n\nExamples:\n  \
        wirematch client --session 1 --key change-me-1 certify --listen 127.0.0.1:9190\n  \
        wirematch client certify --fix FIX.4.4:WIREMATCH:CLIENT1 --listen 127.0.0.1:9191"
    )]
    Certify(CertifyArguments),
    /// Does all that `certify` asks, and does it right
    Rehearse(RehearseArguments),
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
        Task::Certify(own) => certify(arguments, own),
        Task::Rehearse(own) => rehearse(arguments, own),
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
            profile: Profile::Calm,
        };
        let flow = make(&options, &mut |_| ()).context("cannot make orders")?;
        Ok(Part { flow, symbol: symbol(name)?, tick: TICK })
    });
    parts.collect()
}
