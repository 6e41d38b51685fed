//! Order entry over UDP: numbered both ways, acknowledged, nothing lost in silence, nothing
//! executed twice.
//!
//! ```text
//!   client ── Login ──────────────────────────────► server     HMAC, nonce, next_tx, next_rx
//!          ◄────────────────────────────── LoginAck ──          token, next_tx, next_rx, window
//!          ── 7, 8, 9 ────────────────────────────►             executed in this order, once
//!          ◄──────────────────── 41, 42 and Ack 10 ──           replies; 7 to 9 are on record
//!          ── 10 (lost), 11 ──────────────────────►             11 waits for 10 ...
//!          ◄────────────── 43: NotApplied 10, 44 ──             ... not for long
//!          ── RetransmitRequest 43 ───────────────►             the same bytes, the same numbers
//! ```
//!
//! The client's flow is idempotent: a gap is declared lost and the client decides. The server's is
//! recoverable: a gap is asked for again.

pub mod client;
pub mod control;
mod held;
mod inbox;
mod outbox;
pub mod packet;
mod round_trip;
mod sent;
pub mod server;

pub use client::{ClientConfig, ClientEvent, ClientSession, Refused};
pub use control::{Control, Login, LoginRejectCode};
pub use held::WINDOW_MAX;
pub use outbox::Retransmit;
pub use packet::{PACKET_MAX, Packet, PacketWriter, Token};
pub use server::{Delivery, LoginStep, ServerConfig, ServerCounters, ServerSession};

use crate::wire::DecodeError;
use crate::wire::ouch::MESSAGE_MAX;

/// Reads a packet of this protocol, either way.
///
/// # Errors
/// The cause, one of the `Packet…` or `Block…` ones.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    Packet::parse(bytes, MESSAGE_MAX)
}

/// The login a packet carries, if it does: such packets belong to no connection yet.
pub fn login_of(packet: &Packet<'_>) -> Option<Login> {
    match Control::decode(packet.blocks().next()?) {
        Ok(Control::Login(login)) => Some(login),
        _ => None,
    }
}

/// Writes the refusal of a login.
pub fn write_login_reject(bytes: &mut [u8], login: &Login, code: LoginRejectCode) -> Option<usize> {
    let reject = control::LoginReject { nonce: login.nonce, code: code as u8 };
    server::write_block(bytes, client::NO_SESSION, 1, &reject.block())
}

#[cfg(test)]
mod tests;
