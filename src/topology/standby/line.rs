//! Sockets under conversations.

use std::net::SocketAddr;

use crate::model::Nanos;
use crate::port::stream::{Closed, Stream};
use crate::port::tcp::TcpLine;
use crate::replica::{Channel, Tenant};
use crate::topology::standby::identity::nonce;

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// Moves bytes both ways; says how many.
pub(super) fn pump(line: &mut TcpLine, channel: &mut Channel) -> Result<usize, Closed> {
    let mut moved = 0;
    let mut piece = [0; PIECE];
    // A burst at most, so that what came is looked at before more comes.
    for _ in 0..4 {
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
pub(super) fn push(line: &mut TcpLine, channel: &mut Channel) -> Result<usize, Closed> {
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

/// The line to the witness, opened again whenever it is lost.
#[derive(Debug)]
pub struct ToWitness {
    address: SocketAddr,
    key: Vec<u8>,
    /// The conversation.
    pub tenant: Tenant,
    line: Option<TcpLine>,
    dial_at: Nanos,
    /// Why the line was lost, until somebody asks.
    pub complaint: Option<String>,
}

impl ToWitness {
    /// To the witness at an address.
    pub fn new(address: SocketAddr, key: &[u8], tenant: Tenant) -> Self {
        let (line, dial_at, complaint) = (None, Nanos::ZERO, None);
        Self { address, key: key.to_vec(), tenant, line, dial_at, complaint }
    }

    /// Moves bytes, hears answers, asks; says how much was done.
    pub fn step(&mut self, now: Nanos) -> usize {
        if self.line.is_none() && now >= self.dial_at {
            self.dial_at = now.saturating_add(REDIAL);
            self.line = TcpLine::begin(self.address).ok();
            let channel = self.line.is_some().then(|| Channel::new(&self.key, true, nonce()));
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
        self.line = None;
        self.tenant.connect(None);
        self.complaint = complaint.or(self.complaint.take());
    }
}
