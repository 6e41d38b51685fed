//! Lines under conversations, and where they come from: kernel TCP, or the simulator's wires.

use std::net::SocketAddr;

use crate::model::Nanos;
use crate::port::stream::{Closed, Stream};
use crate::port::tcp::{TcpAcceptor, TcpLine};
use crate::replica::{Channel, Tenant};

/// A line of ordered bytes.
pub type Line = Box<dyn Stream>;

/// Where lines come from.
pub trait Lines: Send {
    /// Begins to open a line; nothing where that cannot even begin.
    fn dial(&mut self, to: SocketAddr) -> Option<Line>;

    /// The next line that came in.
    fn accept(&mut self) -> Option<Line>;

    /// A number that is never used again.
    fn nonce(&mut self) -> [u8; 32];
}

/// Kernel TCP.
#[derive(Debug, Default)]
pub struct TcpLines(pub Option<TcpAcceptor>);

impl Lines for TcpLines {
    fn dial(&mut self, to: SocketAddr) -> Option<Line> {
        TcpLine::begin(to).ok().map(|line| Box::new(line) as Line)
    }

    fn accept(&mut self) -> Option<Line> {
        let line = self.0.as_mut()?.accept()?;
        Some(Box::new(line))
    }

    fn nonce(&mut self) -> [u8; 32] {
        let mut nonce = [0; 32];
        // Without randomness an old conversation could be played again; such a machine is not fit.
        getrandom::fill(&mut nonce).expect("the system has randomness");
        nonce
    }
}

/// Bytes read at once: a piece is made anew for every look, and most find nothing.
const PIECE: usize = 16 * 1024;

/// Pieces read in one look, at most, so that what came is looked at before more comes.
const PIECES: usize = 16;

/// Moves bytes both ways; says how many.
pub(super) fn pump(line: &mut Line, channel: &mut Channel) -> Result<usize, Closed> {
    let mut moved = 0;
    let mut piece = [0; PIECE];
    for _ in 0..PIECES {
        let count = line.receive(&mut piece)?;
        channel.receive(&piece[..count]);
        moved += count;
        if count < PIECE {
            break;
        }
    }
    Ok(moved + push(line, channel)?)
}

/// Sends what waits to be sent.
pub(super) fn push(line: &mut Line, channel: &mut Channel) -> Result<usize, Closed> {
    let mut moved = 0;
    while !channel.outbound().is_empty() {
        let count = line.send(channel.outbound())?;
        channel.sent(count);
        moved += count;
        if count == 0 {
            break;
        }
    }
    Ok(moved)
}

/// How long after a line was lost, or could not be opened, it is opened again.
pub(super) const REDIAL: Nanos = Nanos(5_000_000);

/// Where the witness is.
pub(super) enum Place {
    /// At an address.
    Far(SocketAddr),
    /// In this process, which asks somebody else.
    Near(Box<dyn FnMut() -> Option<Line> + Send>),
}

/// The line to the witness, opened again whenever it is lost.
pub struct ToWitness {
    place: Place,
    key: Vec<u8>,
    /// The conversation.
    pub tenant: Tenant,
    line: Option<Line>,
    dial_at: Nanos,
    /// Why the line was lost, until somebody asks.
    pub complaint: Option<String>,
}

impl ToWitness {
    pub(super) fn new(place: Place, key: &[u8], tenant: Tenant) -> Self {
        let (line, dial_at, complaint) = (None, Nanos::ZERO, None);
        Self { place, key: key.to_vec(), tenant, line, dial_at, complaint }
    }

    /// Moves bytes, hears answers, asks; says how much was done.
    pub fn step(&mut self, now: Nanos, lines: &mut dyn Lines) -> usize {
        if self.line.is_none() && now >= self.dial_at {
            self.dial_at = now.saturating_add(REDIAL);
            self.line = match &mut self.place {
                Place::Far(address) => lines.dial(*address),
                Place::Near(dial) => dial(),
            };
            let channel = self.line.is_some().then(|| Channel::new(&self.key, true, lines.nonce()));
            self.tenant.connect(channel);
        }
        let (Some(line), Some(channel)) = (&mut self.line, self.tenant.channel()) else { return 0 };
        let Ok(mut moved) = pump(line, channel) else {
            self.lose(None);
            return 0;
        };
        if let Err(error) = self.tenant.step(now) {
            self.lose(Some(error.to_string()));
            return 0;
        }
        if let (Some(line), Some(channel)) = (&mut self.line, self.tenant.channel()) {
            moved += push(line, channel).unwrap_or(0);
        }
        moved
    }

    fn lose(&mut self, complaint: Option<String>) {
        // The witness would take its end for ours, and the lease with it.
        if let Some(mut line) = self.line.take() {
            line.break_off();
        }
        self.tenant.connect(None);
        self.complaint = complaint.or(self.complaint.take());
    }
}
