//! UDP datagrams. Checksums are verified where sent (0 means "none", RFC 768) and always written.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::wire::bytes::{get, put};
use crate::wire::checksum::{fold, sum_on};
use crate::wire::ethernet::{self, EtherType, Mac};
use crate::wire::{DecodeError, ipv4};

/// Bytes of the header.
pub const HEADER: usize = 8;
/// Bytes of all headers before the payload of a datagram in a frame.
pub const HEADERS: usize = ethernet::HEADER + ipv4::HEADER + HEADER;

/// A datagram and its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Whom it is from.
    pub source: SocketAddrV4,
    /// Whom it is for.
    pub destination: SocketAddrV4,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Checks length and checksum of the datagram a packet carries.
    ///
    /// # Errors
    /// The cause, one of the `Udp…` ones.
    #[inline]
    pub fn parse(packet: &ipv4::Packet<'a>) -> Result<Self, DecodeError> {
        let bytes = packet.payload();
        let (header, payload) =
            bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::UdpTooShort)?;
        if usize::from(u16::from_be_bytes(get(header, 4))) != bytes.len() {
            return Err(DecodeError::UdpLength);
        }
        let (source, destination) = (packet.source(), packet.destination());
        let is_summed = get(header, 6) != [0, 0];
        if is_summed && fold(sum_on(pseudo(source, destination, bytes.len()), bytes)) != 0xffff {
            return Err(DecodeError::UdpChecksum);
        }
        Ok(Self {
            source: SocketAddrV4::new(source, u16::from_be_bytes(get(header, 0))),
            destination: SocketAddrV4::new(destination, u16::from_be_bytes(get(header, 2))),
            payload,
        })
    }
}

/// The sum of what the checksum covers besides the datagram itself.
#[inline]
fn pseudo(source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> u64 {
    u64::from(u32::from_ne_bytes(source.octets()))
        + u64::from(u32::from_ne_bytes(destination.octets()))
        + u64::from(u16::from(ipv4::UDP).to_be())
        + u64::from((length as u16).to_be())
}

/// Who sends a frame, and the station it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The sending station.
    pub from_mac: Mac,
    /// The next station.
    pub to_mac: Mac,
    /// The sender.
    pub from: SocketAddrV4,
    /// The receiver.
    pub to: SocketAddrV4,
}

/// Writes the headers around a payload that already stands at [`HEADERS`] of `frame`.
///
/// Bytes after the payload are zeroed: they pad a short frame. A frame too short for the payload,
/// or a payload that no IPv4 packet holds, is left alone and `false` is returned.
#[inline]
pub fn seal(frame: &mut [u8], payload: usize, route: &Route) -> bool {
    let length = HEADER + payload;
    let Ok(wire_length) = u16::try_from(length + ipv4::HEADER) else { return false };
    if frame.len() < HEADERS + payload {
        return false;
    }
    frame[HEADERS + payload..].fill(0);
    let Some((outer, rest)) = frame.split_first_chunk_mut() else { return false };
    let Some((inner, datagram)) = rest.split_first_chunk_mut() else { return false };
    let datagram = &mut datagram[..length];
    let Some(header) = datagram.first_chunk_mut::<HEADER>() else { return false };
    ethernet::write(outer, route.to_mac, route.from_mac, EtherType::Ipv4);
    let (from, to) = (*route.from.ip(), *route.to.ip());
    ipv4::write(inner, from, to, ipv4::UDP, wire_length - ipv4::HEADER as u16);
    put(header, 0, route.from.port().to_be_bytes());
    put(header, 2, route.to.port().to_be_bytes());
    put(header, 4, (length as u16).to_be_bytes());
    put(header, 6, [0, 0]);
    let checksum = match !fold(sum_on(pseudo(from, to, length), datagram)) {
        // A sum of 0 is sent as its other form, for 0 means "none".
        0 => 0xffff,
        checksum => checksum,
    };
    datagram[6..HEADER].copy_from_slice(&checksum.to_ne_bytes());
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTE: Route = Route {
        from_mac: Mac([2, 0, 0, 0, 0, 1]),
        to_mac: Mac([2, 0, 0, 0, 0, 2]),
        from: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 4000),
        to: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 5000),
    };

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0xee; (HEADERS + payload.len()).max(ethernet::FRAME_MIN)];
        frame[HEADERS..HEADERS + payload.len()].copy_from_slice(payload);
        assert!(seal(&mut frame, payload.len(), &ROUTE));
        frame
    }

    fn open(frame: &[u8]) -> Result<Datagram<'_>, DecodeError> {
        let frame = ethernet::Frame::parse(frame)?;
        Datagram::parse(&ipv4::Packet::parse(frame.payload())?)
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let frame = frame(&payload);
            let datagram = open(&frame).expect("a good datagram");
            prop_assert_eq!(datagram.payload, &payload[..]);
            prop_assert_eq!((datagram.source, datagram.destination), (ROUTE.from, ROUTE.to));
        }

        #[test]
        fn one_wrong_bit_after_the_stations_is_noticed(bit in 0usize..(28 + 31) * 8) {
            let good = frame(&[0x5a; 31]);
            let mut bad = good.clone();
            bad[ethernet::HEADER + bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&bad).is_err());
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(datagram) = open(&bytes) {
                prop_assert!(datagram.payload.len() + HEADERS <= bytes.len());
            }
        }
    }

    #[test]
    fn a_datagram_without_checksum_is_taken() {
        let mut bytes = frame(&[7; 20]);
        bytes[40..42].fill(0);
        assert_eq!(open(&bytes).expect("taken").payload, [7; 20]);
    }

    #[test]
    fn a_payload_that_fits_nowhere_is_not_sealed() {
        assert!(!seal(&mut [0; HEADERS + 3], 4, &ROUTE));
        assert!(!seal(&mut vec![0; 70_000], 65_600, &ROUTE));
    }
}
