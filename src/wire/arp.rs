//! ARP (RFC 826) for IPv4 over Ethernet: who has an address, and the answer.

use std::net::Ipv4Addr;

use crate::wire::DecodeError;
use crate::wire::bytes::{get, put};
use crate::wire::ethernet::Mac;

/// Bytes of a packet.
pub const LENGTH: usize = 28;

/// Hardware Ethernet, protocol IPv4, their lengths: all but the operation of the first 8 bytes.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Question or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target's address?
    Request = 1,
    /// The sender has.
    Reply = 2,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Question or answer.
    pub operation: Operation,
    /// The sender's station.
    pub sender_mac: Mac,
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The station asked; meaningless in a request.
    pub target_mac: Mac,
    /// The address asked about.
    pub target: Ipv4Addr,
}

impl Packet {
    /// Whether its sender can be another host than the one at `mac` with the address `own`.
    pub fn is_from_a_host(&self, mac: Mac, own: Ipv4Addr) -> bool {
        let Self { sender_mac, sender, .. } = *self;
        let is_group = sender_mac.is_group() || sender.is_multicast() || sender.is_broadcast();
        !is_group && (sender != own || sender_mac == mac)
    }

    /// Reads a packet; padding after it is ignored.
    ///
    /// # Errors
    /// [`DecodeError::ArpTooShort`], [`DecodeError::ArpKind`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk().ok_or(DecodeError::ArpTooShort)?;
        let operation = match (get(bytes, 0), u16::from_be_bytes(get(bytes, 6))) {
            (KIND, 1) => Operation::Request,
            (KIND, 2) => Operation::Reply,
            _ => return Err(DecodeError::ArpKind),
        };
        Ok(Self {
            operation,
            sender_mac: Mac(get(bytes, 8)),
            sender: Ipv4Addr::from(get::<4, LENGTH>(bytes, 14)),
            target_mac: Mac(get(bytes, 18)),
            target: Ipv4Addr::from(get::<4, LENGTH>(bytes, 24)),
        })
    }

    /// Writes the packet.
    pub fn write(&self, bytes: &mut [u8; LENGTH]) {
        put(bytes, 0, KIND);
        put(bytes, 6, (self.operation as u16).to_be_bytes());
        put(bytes, 8, self.sender_mac.0);
        put(bytes, 14, self.sender.octets());
        put(bytes, 18, self.target_mac.0);
        put(bytes, 24, self.target.octets());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_parses_is_written_back(bytes in any::<[u8; LENGTH]>(), request in any::<bool>()) {
            let mut bytes = bytes;
            bytes[..6].copy_from_slice(&KIND);
            bytes[6..8].copy_from_slice(&[0, if request { 1 } else { 2 }]);
            let packet = Packet::parse(&bytes).expect("a good packet");
            let mut written = [0; LENGTH];
            packet.write(&mut written);
            prop_assert_eq!(written, bytes);
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let short = bytes.len() < LENGTH;
            prop_assert_eq!(Packet::parse(&bytes) == Err(DecodeError::ArpTooShort), short);
        }
    }
}
