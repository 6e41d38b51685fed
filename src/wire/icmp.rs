//! ICMP echo: the one question of the network's own that is answered.

use crate::wire::DecodeError;
use crate::wire::checksum::{fold, sum};
use crate::wire::ipv4;

/// Protocol number of ICMP.
pub const PROTOCOL: u8 = 1;

const ECHO_REQUEST: u8 = 8;
const HEADER: usize = 8;

/// Bytes of an echo, at most: what fits a frame.
pub const ECHO_MAX: usize = 1480;

/// An echo request, whole.
#[derive(Clone, Copy, Debug)]
pub struct EchoRequest<'a> {
    bytes: &'a [u8],
}

impl<'a> EchoRequest<'a> {
    /// What a packet asks; `None` for everything else that ICMP says.
    ///
    /// # Errors
    /// The cause, one of the `Icmp…` ones.
    pub fn parse(packet: &ipv4::Packet<'a>) -> Result<Option<Self>, DecodeError> {
        let bytes = packet.payload();
        if bytes.len() < HEADER {
            return Err(DecodeError::IcmpTooShort);
        }
        if fold(sum(bytes)) != 0xffff {
            return Err(DecodeError::IcmpChecksum);
        }
        let is_echo = bytes[0] == ECHO_REQUEST && bytes[1] == 0 && bytes.len() <= ECHO_MAX;
        Ok(is_echo.then_some(Self { bytes }))
    }

    /// Bytes of the answer.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none; there always are.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes the answer into as many bytes.
    pub fn answer(&self, into: &mut [u8]) {
        let Some(into) = into.get_mut(..self.bytes.len()) else { return };
        into.copy_from_slice(self.bytes);
        into[0] = 0;
        into[2..4].fill(0);
        let checksum = !fold(sum(into));
        into[2..4].copy_from_slice(&checksum.to_ne_bytes());
    }
}
