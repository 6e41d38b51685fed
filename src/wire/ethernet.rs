//! Ethernet II frames. A VLAN tag shows as its own ether type and is refused by name.

use std::net::Ipv4Addr;

use crate::wire::DecodeError;
use crate::wire::bytes::{get, put};

/// Bytes of the header.
pub const HEADER: usize = 14;
/// The longest frame this house takes, a tag included.
pub const FRAME_MAX: usize = 1518;
/// The shortest frame a card sends, without its check sequence; shorter ones are padded.
pub const FRAME_MIN: usize = 60;

/// A station's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Every station.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The group address an IPv4 multicast group maps to (RFC 1112).
    #[inline]
    pub const fn multicast(group: Ipv4Addr) -> Self {
        let [_, high, middle, low] = group.octets();
        Self([0x01, 0x00, 0x5e, high & 0x7f, middle, low])
    }

    /// A locally administered address made of an IPv4 address, for hosts that have no card.
    #[inline]
    pub const fn local(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x00, a, b, c, d])
    }

    /// Whether it names more than one station; true of broadcast too.
    #[inline]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtherType {
    /// IPv4.
    Ipv4,
    /// ARP.
    Arp,
    /// IPv6, which is not spoken here.
    Ipv6,
    /// Something this house does not speak.
    Other(u16),
}

const TYPE_IPV4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_IPV6: u16 = 0x86dd;
const TYPES_VLAN: [u16; 2] = [0x8100, 0x88a8];

/// A frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    header: &'a [u8; HEADER],
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks that the header is there and carries no VLAN tag.
    ///
    /// # Errors
    /// [`DecodeError::FrameTooShort`], [`DecodeError::VlanTag`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, payload) = bytes.split_first_chunk().ok_or(DecodeError::FrameTooShort)?;
        let frame = Self { header, payload };
        match frame.ether_type() {
            EtherType::Other(tag) if TYPES_VLAN.contains(&tag) => Err(DecodeError::VlanTag),
            _ => Ok(frame),
        }
    }

    /// Whom it is for.
    #[inline]
    pub fn destination(&self) -> Mac {
        Mac(get(self.header, 0))
    }

    /// Whom it is from.
    #[inline]
    pub fn source(&self) -> Mac {
        Mac(get(self.header, 6))
    }

    /// What it carries.
    #[inline]
    pub fn ether_type(&self) -> EtherType {
        match u16::from_be_bytes(get(self.header, 12)) {
            TYPE_IPV4 => EtherType::Ipv4,
            TYPE_ARP => EtherType::Arp,
            TYPE_IPV6 => EtherType::Ipv6,
            other => EtherType::Other(other),
        }
    }

    /// What follows the header, padding included.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes a header.
#[inline]
pub fn write(header: &mut [u8; HEADER], destination: Mac, source: Mac, carries: EtherType) {
    put(header, 0, destination.0);
    put(header, 6, source.0);
    let code = match carries {
        EtherType::Ipv4 => TYPE_IPV4,
        EtherType::Arp => TYPE_ARP,
        EtherType::Ipv6 => TYPE_IPV6,
        EtherType::Other(other) => other,
    };
    put(header, 12, code.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let (to, from) = (Mac([1, 2, 3, 4, 5, 6]), Mac([7, 8, 9, 10, 11, 12]));
        let mut bytes = [0xaa; HEADER + 3];
        let (header, _) = bytes.split_first_chunk_mut().expect("long enough");
        write(header, to, from, EtherType::Arp);
        let frame = Frame::parse(&bytes).expect("a good frame");
        assert_eq!((frame.destination(), frame.source()), (to, from));
        assert_eq!((frame.ether_type(), frame.payload()), (EtherType::Arp, &[0xaa; 3][..]));
    }

    #[test]
    fn tags_and_short_frames_are_refused_by_name() {
        let mut bytes = [0; 60];
        bytes[12..14].copy_from_slice(&[0x81, 0x00]);
        assert_eq!(Frame::parse(&bytes).err(), Some(DecodeError::VlanTag));
        assert_eq!(Frame::parse(&bytes[..13]).err(), Some(DecodeError::FrameTooShort));
    }

    #[test]
    fn multicast_groups_lose_their_upper_bits() {
        let mac = Mac::multicast(Ipv4Addr::new(239, 200, 1, 7));
        assert_eq!(mac.to_string(), "01:00:5e:48:01:07");
        assert!(mac.is_group() && Mac::BROADCAST.is_group() && !Mac([2; 6]).is_group());
    }
}
