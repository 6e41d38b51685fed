//! TCP segments, as far as whoever steers them must know: ports, flags, and that they are whole.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::wire::DecodeError;
use crate::wire::bytes::{get, put};
use crate::wire::checksum::{fold, sum, sum_on};
use crate::wire::ipv4;

/// Bytes of a header without options.
pub const HEADER: usize = 20;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Whom it is from.
    pub source: SocketAddrV4,
    /// Whom it is for.
    pub destination: SocketAddrV4,
    header: &'a [u8; HEADER],
    /// Bytes that follow the header and its options.
    pub length: usize,
}

impl<'a> Segment<'a> {
    /// Checks that header and options are there, that the flags go together, and the checksum,
    /// unless the device has.
    ///
    /// # Errors
    /// The cause, one of the `Tcp…` ones.
    #[inline]
    pub fn parse(packet: &ipv4::Packet<'a>, is_summed: bool) -> Result<Self, DecodeError> {
        let bytes = packet.payload();
        let header = bytes.first_chunk::<HEADER>().ok_or(DecodeError::TcpTooShort)?;
        let offset = usize::from(header[12] >> 4) * 4;
        let length = bytes.len().checked_sub(offset).ok_or(DecodeError::TcpHeader)?;
        if offset < HEADER {
            return Err(DecodeError::TcpHeader);
        }
        let flags = header[13];
        let ends = flags & (FIN | RST) != 0;
        if flags & (FIN | SYN | RST | ACK) == 0 || flags & SYN != 0 && ends {
            return Err(DecodeError::TcpFlags);
        }
        if !is_summed && fold(pseudo(packet.source(), packet.destination(), bytes)) != 0xffff {
            return Err(DecodeError::TcpChecksum);
        }
        let port = |at| u16::from_be_bytes(get::<2, HEADER>(header, at));
        if port(0) == 0 || port(2) == 0 {
            return Err(DecodeError::TcpHeader);
        }
        let source = SocketAddrV4::new(packet.source(), port(0));
        let destination = SocketAddrV4::new(packet.destination(), port(2));
        Ok(Self { source, destination, header, length })
    }

    /// Whether it asks for a connection.
    #[inline]
    pub fn is_opening(&self) -> bool {
        self.header[13] & (SYN | ACK) == SYN
    }

    /// Whether it breaks one off.
    #[inline]
    pub fn is_reset(&self) -> bool {
        self.header[13] & RST != 0
    }

    /// Writes the refusal of a segment that belongs to no connection (RFC 9293, 3.5.2) as a whole
    /// IPv4 packet.
    pub fn refuse(&self, packet: &mut [u8; ipv4::HEADER + HEADER]) {
        let Some((head, reset)) = packet.split_first_chunk_mut::<{ ipv4::HEADER }>() else {
            return;
        };
        let (from, to) = (self.destination, self.source);
        ipv4::write(head, *from.ip(), *to.ip(), ipv4::TCP, HEADER as u16);
        let Some(reset) = reset.first_chunk_mut::<HEADER>() else { return };
        *reset = [0; HEADER];
        put(reset, 0, from.port().to_be_bytes());
        put(reset, 2, to.port().to_be_bytes());
        let flags = self.header[13];
        if flags & ACK != 0 {
            put(reset, 4, get::<4, HEADER>(self.header, 8));
            reset[13] = RST;
        } else {
            let seq = u32::from_be_bytes(get(self.header, 4));
            let takes = self.length as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN);
            put(reset, 8, seq.wrapping_add(takes).to_be_bytes());
            reset[13] = RST | ACK;
        }
        reset[12] = 5 << 4;
        let checksum = !fold(pseudo(*from.ip(), *to.ip(), reset));
        put(reset, 16, checksum.to_ne_bytes());
    }
}

/// The sum of a segment with its pseudo header.
fn pseudo(source: Ipv4Addr, destination: Ipv4Addr, segment: &[u8]) -> u64 {
    let mut pseudo = [0; 12];
    put(&mut pseudo, 0, source.octets());
    put(&mut pseudo, 4, destination.octets());
    pseudo[9] = ipv4::TCP;
    put(&mut pseudo, 10, (segment.len() as u16).to_be_bytes());
    sum_on(sum(&pseudo), segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let mut packet = vec![0; ipv4::HEADER];
            packet.extend_from_slice(&bytes);
            let (from, to) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1));
            let head = packet.first_chunk_mut().expect("room");
            ipv4::write(head, from, to, ipv4::TCP, bytes.len() as u16);
            let packet = ipv4::Packet::parse(&packet).expect("a good header");
            if let Ok(segment) = Segment::parse(&packet, true) {
                let mut refusal = [0; 40];
                segment.refuse(&mut refusal);
                let refusal = ipv4::Packet::parse(&refusal).expect("a good packet");
                let refusal = Segment::parse(&refusal, false).expect("a good segment");
                prop_assert!(refusal.is_reset());
                prop_assert_eq!(refusal.destination, segment.source);
            }
        }
    }
}
