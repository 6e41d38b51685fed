//! Fetches snapshots of exchanges' books over SoupBinTCP, as GLIMPSE gives them: a thread that
//! waits so that no core does. What it fetched comes back to it when it is used up.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::Nanos;
use crate::stage::prices::assembly::{Assembly, Fetched};
use crate::wire::session::Token;
use crate::wire::soupbintcp::{Login, Packet};

/// How long a server may take to say the next thing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long all of it may take: who says a byte now and then must not hold up the thread for ever.
const WHOLE: Duration = Duration::from_secs(60);
/// The pause after an attempt.
const PAUSE: Nanos = Nanos(1_000_000_000);
/// What is wished for.
#[derive(Debug, Default)]
struct Wished {
    /// The wish's number; 0: none.
    number: AtomicU64,
    /// The session's name, before the number: what is read halfway between two is refused later.
    session: [AtomicU64; 2],
}

impl Wished {
    fn wish(&self, number: u64, session: Token) {
        let [a, b, c, d, e, f, g, h, rest @ ..] = session;
        let rest = u64::from(u16::from_be_bytes(rest));
        self.session[0].store(u64::from_be_bytes([a, b, c, d, e, f, g, h]), Ordering::Relaxed);
        self.session[1].store(rest, Ordering::Relaxed);
        self.number.store(number, Ordering::Release);
    }

    fn session(&self) -> Token {
        let mut session = [b' '; 10];
        session[..8].copy_from_slice(&self.session[0].load(Ordering::Relaxed).to_be_bytes());
        let rest = self.session[1].load(Ordering::Relaxed) as u16;
        session[8..].copy_from_slice(&rest.to_be_bytes());
        session
    }
}

/// The stage's ends.
pub(super) struct Ends {
    is_there: bool,
    /// The number of the last wish; it is open until this is forgotten.
    wish: u64,
    is_open: bool,
    wished: Arc<Wished>,
    fetched: rtrb::Consumer<Fetched>,
    spent: rtrb::Producer<Fetched>,
}

impl Ends {
    /// Whether snapshots are to be had.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Wishes for a snapshot of a session; `false` where that is on its way, or none is to be had.
    pub(super) fn want(&mut self, session: Option<Token>) -> bool {
        if self.is_open || !self.is_there {
            return false;
        }
        (self.wish, self.is_open) = (self.wish + 1, true);
        self.wished.wish(self.wish, session.unwrap_or([b' '; 10]));
        true
    }

    /// The wish is over: what comes for it is not taken.
    pub(super) fn forget(&mut self) {
        self.is_open = false;
        self.wished.number.store(0, Ordering::Release);
    }

    /// What was fetched for the open wish.
    pub(super) fn fetched(&mut self) -> Option<Fetched> {
        let fetched = self.fetched.pop().ok()?;
        if self.is_open && fetched.wish == self.wish {
            return Some(fetched);
        }
        self.give_back(fetched);
        None
    }

    /// What is used up is let go of by the thread that made it.
    pub(super) fn give_back(&mut self, fetched: Fetched) {
        let _ = self.spent.push(fetched);
    }
}

/// What is fetched for one feed.
struct Errand {
    server: Option<(SocketAddrV4, String, String)>,
    wished: Arc<Wished>,
    done: u64,
    fetched: rtrb::Producer<Fetched>,
    spent: rtrb::Consumer<Fetched>,
    next: Nanos,
}

/// The thread's body.
#[derive(Default)]
pub struct Fetcher {
    errands: Vec<Errand>,
}

impl Fetcher {
    pub(super) fn add(&mut self, server: Option<(SocketAddrV4, String, String)>) -> Ends {
        let (fetched, fetched_out) = rtrb::RingBuffer::new(2);
        let (spent, spent_out) = rtrb::RingBuffer::new(4);
        let wished = Arc::<Wished>::default();
        let is_there = server.is_some();
        self.errands.push(Errand {
            server,
            wished: Arc::clone(&wished),
            done: 0,
            fetched,
            spent: spent_out,
            next: Nanos::ZERO,
        });
        Ends { is_there, wish: 0, is_open: false, wished, fetched: fetched_out, spent }
    }

    /// Fetches what is wished for; says how much it did, and what went wrong.
    pub fn step(&mut self, now: Nanos, complain: &mut dyn FnMut(String)) -> usize {
        let mut work = 0;
        for errand in &mut self.errands {
            while errand.spent.pop().is_ok() {}
            let wish = errand.wished.number.load(Ordering::Acquire);
            let Some((address, user, password)) = &errand.server else { continue };
            if wish == 0 || wish == errand.done || now < errand.next {
                continue;
            }
            errand.next = now.saturating_add(PAUSE);
            work += 1;
            match fetch(*address, user, password, errand.wished.session(), WHOLE) {
                Ok(mut fetched) => {
                    fetched.wish = wish;
                    let _ = errand.fetched.push(fetched);
                    errand.done = wish;
                }
                Err(why) => complain(format!("no snapshot from {address}: {why}")),
            }
        }
        work
    }
}

/// Fetches one snapshot of a session, within a time.
#[allow(clippy::disallowed_methods, reason = "a server's time-out is by this machine's clock")]
fn fetch(
    address: SocketAddrV4,
    user: &str,
    password: &str,
    session: Token,
    within: Duration,
) -> Result<Fetched, String> {
    let begun = Instant::now();
    let stream = TcpStream::connect_timeout(&SocketAddr::V4(address), PATIENCE);
    let mut stream = stream.map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    Packet::Login(Login { session, ..Login::new(user, password, 1) }).write(&mut bytes);
    stream.write_all(&bytes).map_err(|error| error.to_string())?;
    let (mut assembly, mut room) = (Assembly::default(), vec![0; 64 * 1024]);
    loop {
        let count = stream.read(&mut room).map_err(|error| error.to_string())?;
        if count == 0 {
            return Err("the server went before the end".into());
        }
        if let Some(snapshot) = assembly.take(&room[..count])? {
            return Ok(snapshot);
        }
        if begun.elapsed() > within {
            return Err(format!("it took more than {} s", within.as_secs_f32()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_trickles_is_left() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!() };
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut beat = Vec::new();
            Packet::ServerHeartbeat.write(&mut beat);
            // It ends where the client hangs up.
            while stream.write_all(&beat).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let within = Duration::from_millis(300);
        let outcome = fetch(address, "", "", [b' '; 10], within).map(|of| of.len());
        assert!(outcome.clone().is_err_and(|why| why.contains("0.3 s")), "{outcome:?}");
        server.join().unwrap();
    }
}
