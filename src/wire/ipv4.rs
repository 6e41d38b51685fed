//! IPv4 packets without options, whole. The payload ends where the header says, not the frame.

use std::net::Ipv4Addr;

use crate::wire::DecodeError;
use crate::wire::bytes::{get, put};
use crate::wire::checksum::{fold, sum};

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// Protocol number of UDP.
pub const UDP: u8 = 17;
/// Protocol number of TCP.
pub const TCP: u8 = 6;

const TIME_TO_LIVE: u8 = 64;
const DO_NOT_FRAGMENT: u16 = 0x4000;

/// A packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    header: &'a [u8; HEADER],
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks version, length, checksum, and that it is neither a fragment nor has options.
    ///
    /// # Errors
    /// The cause, one of the `Ipv4…` ones.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, rest) =
            bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::Ipv4TooShort)?;
        match header[0] {
            0x45 => {}
            first if first >> 4 != 4 => return Err(DecodeError::Ipv4Version),
            first if first & 0xf < 5 => return Err(DecodeError::Ipv4Length),
            _ => return Err(DecodeError::Ipv4Options),
        }
        let length = usize::from(u16::from_be_bytes(get(header, 2)));
        let payload = length
            .checked_sub(HEADER)
            .and_then(|length| rest.get(..length))
            .ok_or(DecodeError::Ipv4Length)?;
        if fold(sum(header)) != 0xffff {
            return Err(DecodeError::Ipv4Checksum);
        }
        // All but "do not fragment": more fragments, or not the first one.
        if u16::from_be_bytes(get(header, 6)) & !DO_NOT_FRAGMENT != 0 {
            return Err(DecodeError::Ipv4Fragment);
        }
        Ok(Self { header, payload })
    }

    /// Whom it is from.
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4, HEADER>(self.header, 12))
    }

    /// Whether its source can be another host's that speaks with `own`: not nobody's, a group's or
    /// everybody's, and no loop's unless all of it is one.
    #[inline]
    pub fn is_from_a_host(&self, own: Ipv4Addr) -> bool {
        let source = self.source();
        match source.octets()[0] {
            0 => !source.is_unspecified(),
            127 => own.is_loopback(),
            224..=239 => false,
            _ => !source.is_broadcast(),
        }
    }

    /// Whom it is for.
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4, HEADER>(self.header, 16))
    }

    /// What it carries: [`UDP`], [`TCP`] or another number.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.header[9]
    }

    /// What follows the header, without the frame's padding.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes the header of a packet with `payload` bytes, its checksum included.
///
/// Identification stays 0: a packet that may not be fragmented needs none (RFC 6864).
#[inline]
pub fn write(
    header: &mut [u8; HEADER],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload: u16,
) {
    *header = [0; HEADER];
    header[0] = 0x45;
    put(header, 2, payload.saturating_add(HEADER as u16).to_be_bytes());
    put(header, 6, DO_NOT_FRAGMENT.to_be_bytes());
    header[8] = TIME_TO_LIVE;
    header[9] = protocol;
    put(header, 12, source.octets());
    put(header, 16, destination.octets());
    let checksum = !fold(sum(header));
    put(header, 10, checksum.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let header = bytes.first_chunk_mut().expect("long enough");
        let (from, to) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        write(header, from, to, UDP, payload.len() as u16);
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Writes the right checksum over whatever the header now says.
    fn reseal(bytes: &mut [u8]) {
        bytes[10..12].fill(0);
        let checksum = !fold(sum(&bytes[..HEADER]));
        bytes[10..12].copy_from_slice(&checksum.to_ne_bytes());
    }

    fn refusal(at: usize, value: u8) -> Option<DecodeError> {
        let mut bytes = packet(&[1, 2, 3]);
        bytes[at] = value;
        reseal(&mut bytes);
        Packet::parse(&bytes).err()
    }

    #[test]
    fn every_refusal_has_its_name() {
        assert_eq!(refusal(0, 0x65), Some(DecodeError::Ipv4Version));
        assert_eq!(refusal(0, 0x44), Some(DecodeError::Ipv4Length));
        assert_eq!(refusal(0, 0x46), Some(DecodeError::Ipv4Options));
        assert_eq!(refusal(3, 19), Some(DecodeError::Ipv4Length));
        assert_eq!(refusal(3, 24), Some(DecodeError::Ipv4Length));
        assert_eq!(refusal(6, 0x20), Some(DecodeError::Ipv4Fragment));
        assert_eq!(refusal(7, 1), Some(DecodeError::Ipv4Fragment));
        assert_eq!(Packet::parse(&[0x45; 19]).err(), Some(DecodeError::Ipv4TooShort));
    }

    #[test]
    fn a_known_header_gets_its_known_checksum() {
        let mut header = [0; HEADER];
        let (from, to) = (Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 168, 0, 199));
        write(&mut header, from, to, UDP, 95);
        // 0x4500 + 0x0073 + 0x4000 + 0x4011 + 0xc0a8 + 0x0001 + 0xc0a8 + 0x00c7, carried, inverted.
        assert_eq!(header[10..12], [0xb8, 0x61]);
    }

    proptest! {
        #[test]
        fn padding_is_left_out(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = packet(&payload);
            bytes.resize(bytes.len() + 17, 0xee);
            let parsed = Packet::parse(&bytes).expect("a good packet");
            prop_assert_eq!(parsed.payload(), &payload[..]);
        }

        #[test]
        fn one_wrong_bit_in_the_header_is_noticed(bit in 0..HEADER * 8) {
            let mut bytes = packet(&[9; 8]);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Packet::parse(&bytes).is_err());
        }
    }
}
