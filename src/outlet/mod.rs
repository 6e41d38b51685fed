//! Market data for those who hear no multicast: snapshots and the day again over SoupBinTCP, books
//! and trades over WebSocket. All of it follows the journal, behind the same release gate as the
//! feed, so it tells what the feed tells, with the same numbers, on this machine or the next.
//!
//! ```text
//!  event log ─► Tail (the feed's own fold, books) ─► Hub ─► WebSocket clients, top of book
//!                 └► snapshots                 event log ─► rewinder, by client
//! ```

mod asked;
mod cache;
mod frame;
mod hub;
mod lag;
mod renderings;
mod soup;
mod tail;
mod taken;
mod websocket;

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use asked::Asked;
pub use cache::TopCache;
pub use frame::{Format, Frame};
pub use hub::{Client, Hub, Tally, View, Wants};
pub use lag::Lag;

use crate::model::Instrument;
use crate::outlet::soup::Servers;
use crate::outlet::tail::Tail;
use crate::runtime::{Clock, StopFlag, SystemClock, log};
use crate::stage::{FeedOptions, Gate};

/// What an outlet is told.
#[derive(Clone, Debug)]
pub struct OutletOptions {
    /// The event log's folder.
    pub events: PathBuf,
    /// The feed, as the stage has it.
    pub feed: FeedOptions,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// Where WebSocket clients come in.
    pub websocket: Option<SocketAddrV4>,
    /// Where snapshots are given.
    pub snapshots: Option<SocketAddrV4>,
    /// Where the day is given again.
    pub rewinder: Option<SocketAddrV4>,
    /// A Redis that keeps the tops.
    pub redis: Option<SocketAddrV4>,
}

impl OutletOptions {
    /// Whether anybody is served.
    pub fn is_used(&self) -> bool {
        let addresses = [self.websocket, self.snapshots, self.rewinder, self.redis];
        addresses.iter().any(Option::is_some)
    }
}

/// How long the tail rests when there was nothing.
const PAUSE: Duration = Duration::from_micros(500);

/// Starts the threads: one follows the journal, the others serve clients.
///
/// # Errors
/// A port that cannot be had, a log that cannot be read, a thread that does not start.
pub fn spawn(
    options: &OutletOptions,
    gate: Gate,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<Arc<Hub>> {
    let hub = Arc::new(Hub::new(&options.instruments));
    let (asks, asked) = std::sync::mpsc::channel();
    let mut tail = Tail::open(options, gate.clone(), Arc::clone(&hub), asked)?;
    let servers =
        Servers { options: options.clone(), gate, clock: clock.clone(), asks, index: tail.index() };
    serve(options, servers, Arc::clone(&hub), clock.clone(), stop.clone())?;
    let redis = options.redis.map(|address| cache::Redis::new(address, Arc::clone(&hub)));
    if let Some(redis) = redis {
        let (stop, clock) = (stop.clone(), clock.clone());
        let body = move || redis.run(&|| clock.now(), &|| stop.is_raised());
        thread::Builder::new().name("outlet-redis".into()).spawn(body)?;
    }
    let body = move || {
        while !stop.is_raised() {
            match tail.step(clock.now()) {
                Ok(0) => thread::sleep(PAUSE),
                Ok(_) => {}
                Err(error) => return log::alert(&format!("market data stops: {error}")),
            }
        }
    };
    thread::Builder::new().name("outlet-tail".into()).spawn(body)?;
    Ok(hub)
}

/// Serves clients: books as they change on one thread, snapshots and the day again on another, for
/// those take much at once and must not hold up who is told of each change.
fn serve(
    options: &OutletOptions,
    servers: Servers,
    hub: Arc<Hub>,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<()> {
    let bind = |address: Option<SocketAddrV4>| -> std::io::Result<_> {
        let Some(address) = address else { return Ok(None) };
        let listener = std::net::TcpListener::bind(address).map_err(|error| {
            let hint = "take a free port of this machine (ss -tlnp)";
            std::io::Error::new(error.kind(), format!("{address}: {error}; {hint}"))
        })?;
        listener.set_nonblocking(true)?;
        Ok(Some(listener))
    };
    let (websocket, snapshots) = (bind(options.websocket)?, bind(options.snapshots)?);
    let rewinder = bind(options.rewinder)?;
    if let Some(listener) = websocket {
        serve_on("outlet-serve", stop.clone(), move || {
            tokio::spawn(websocket::serve(listener, hub, clock));
        })?;
    }
    serve_on("outlet-soup", stop, move || {
        let servers = Arc::new(servers);
        if let Some(listener) = snapshots {
            tokio::spawn(soup::serve(listener, Arc::clone(&servers), soup::Service::Snapshot));
        }
        if let Some(listener) = rewinder {
            tokio::spawn(soup::serve(listener, servers, soup::Service::Rewinder));
        }
    })
}

/// Starts what serves on a thread of its own, until told to stop.
fn serve_on(
    name: &str,
    stop: StopFlag,
    begin: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || {
        runtime.block_on(async move {
            begin();
            while !stop.is_raised() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    };
    thread::Builder::new().name(name.into()).spawn(body).map(drop)
}
