//! A packet of numbered blocks: `Session[10] | Seq u64 | Count u16 | Count x {Length u16, bytes}`.
//!
//! The shape of MoldUDP64, both ways: `Seq` is the number of the first block, and of the next one
//! to come where there is none (heartbeat, end of session).

use crate::wire::DecodeError;
use crate::wire::bytes::{get, put};

/// Bytes before the first block.
pub const HEADER: usize = 20;
/// Bytes of the longest packet we send, so that no path has to fragment it.
pub const PACKET_MAX: usize = 1400;
/// Bytes before each block's own.
pub const BLOCK_HEADER: usize = 2;

/// `Count` of a heartbeat.
const HEARTBEAT: u16 = 0;
/// `Count` of an end of session.
const END: u16 = 0xffff;

/// Names a session: its name of the day, or what was handed out at login.
pub type Token = [u8; 10];

/// A packet whose blocks are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    session: Token,
    seq: u64,
    count: u16,
    blocks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks that the blocks are all there, none longer than `block_max`, nothing after them.
    ///
    /// # Errors
    /// The cause, one of the `Packet…` or `Block…` ones.
    #[inline]
    pub fn parse(bytes: &'a [u8], block_max: usize) -> Result<Self, DecodeError> {
        let (header, blocks) =
            bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::PacketTooShort)?;
        let packet = Self {
            session: get(header, 0),
            seq: u64::from_be_bytes(get(header, 10)),
            count: u16::from_be_bytes(get(header, 18)),
            blocks,
        };
        let mut rest = blocks;
        for _ in 0..packet.block_count() {
            let (block, after) = split_block(rest).ok_or(DecodeError::BlockTruncated)?;
            if block.len() > block_max {
                return Err(DecodeError::BlockTooLong);
            }
            rest = after;
        }
        if rest.is_empty() { Ok(packet) } else { Err(DecodeError::PacketTrailing) }
    }

    /// The session it belongs to.
    #[inline]
    pub fn session(&self) -> Token {
        self.session
    }

    /// The number of its first block, or of the next one to come.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Blocks in it.
    #[inline]
    pub fn block_count(&self) -> u16 {
        if self.is_end() { 0 } else { self.count }
    }

    /// Whether it only says which number comes next.
    #[inline]
    pub fn is_heartbeat(&self) -> bool {
        self.count == HEARTBEAT
    }

    /// Whether it says that no number comes any more.
    #[inline]
    pub fn is_end(&self) -> bool {
        self.count == END
    }

    /// Its blocks, in order.
    #[inline]
    pub fn blocks(&self) -> Blocks<'a> {
        Blocks { rest: self.blocks }
    }
}

/// The blocks of a packet.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (block, rest) = split_block(self.rest)?;
        self.rest = rest;
        Some(block)
    }
}

#[inline]
fn split_block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<BLOCK_HEADER>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Writes a packet block by block.
#[derive(Debug)]
pub struct PacketWriter<'a> {
    bytes: &'a mut [u8],
    length: usize,
    count: u16,
}

impl<'a> PacketWriter<'a> {
    /// Begins a packet whose first block gets number `seq`; `None` where no header fits.
    #[inline]
    pub fn new(bytes: &'a mut [u8], session: Token, seq: u64) -> Option<Self> {
        let longest = bytes.len().min(PACKET_MAX);
        let bytes = bytes.get_mut(..longest)?;
        let header = bytes.first_chunk_mut::<HEADER>()?;
        put(header, 0, session);
        put(header, 10, seq.to_be_bytes());
        Some(Self { bytes, length: HEADER, count: 0 })
    }

    /// Whether a block of `length` bytes still fits.
    #[inline]
    pub fn fits(&self, length: usize) -> bool {
        let room = self.bytes.len() - self.length;
        self.count < END - 1 && room >= BLOCK_HEADER && length <= room - BLOCK_HEADER
    }

    /// Adds a block; `false` where it does not fit.
    #[inline]
    #[must_use = "a block that found no room must go into the next packet"]
    pub fn push(&mut self, block: &[u8]) -> bool {
        self.push_with(block.len(), |bytes| bytes.copy_from_slice(block))
    }

    /// Adds a block of `length` bytes that `fill` writes; `false` where it does not fit.
    #[inline]
    #[must_use = "a block that found no room must go into the next packet"]
    pub fn push_with(&mut self, length: usize, fill: impl FnOnce(&mut [u8])) -> bool {
        let Ok(wire_length) = u16::try_from(length) else { return false };
        if !self.fits(length) {
            return false;
        }
        let from = self.length + BLOCK_HEADER;
        let Some(header) = self.bytes.get_mut(self.length..from) else { return false };
        header.copy_from_slice(&wire_length.to_be_bytes());
        let Some(block) = self.bytes.get_mut(from..from + length) else { return false };
        fill(block);
        self.length = from + length;
        self.count += 1;
        true
    }

    /// Blocks so far.
    #[inline]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Ends the packet and returns its length; without blocks it is a heartbeat.
    #[inline]
    pub fn finish(self) -> usize {
        let count = self.count;
        self.close(count)
    }

    /// Ends the packet as an end of session, without blocks, and returns its length.
    #[inline]
    pub fn finish_session(mut self) -> usize {
        self.length = HEADER;
        self.close(END)
    }

    #[inline]
    fn close(self, count: u16) -> usize {
        if let Some(header) = self.bytes.first_chunk_mut::<HEADER>() {
            put(header, 18, count.to_be_bytes());
        }
        self.length
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SESSION: Token = *b"GATE0042AB";

    proptest! {
        #[test]
        fn what_was_written_is_read(
            seq in any::<u64>(),
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..30),
        ) {
            let mut bytes = [0xee; PACKET_MAX + 40];
            let mut writer = PacketWriter::new(&mut bytes, SESSION, seq).expect("room");
            let mut taken = Vec::new();
            for block in &blocks {
                let fits = writer.fits(block.len());
                prop_assert_eq!(writer.push(block), fits);
                if fits {
                    taken.push(&block[..]);
                }
            }
            let length = writer.finish();
            prop_assert!(length <= PACKET_MAX);
            let packet = Packet::parse(&bytes[..length], 70).expect("a good packet");
            prop_assert_eq!((packet.session(), packet.seq()), (SESSION, seq));
            prop_assert_eq!(packet.is_heartbeat(), taken.is_empty());
            prop_assert_eq!(packet.blocks().collect::<Vec<_>>(), taken);
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            count in 0u16..4,
        ) {
            let mut bytes = bytes;
            if let Some(header) = bytes.first_chunk_mut::<HEADER>() {
                put(header, 18, count.to_be_bytes());
            }
            if let Ok(packet) = Packet::parse(&bytes, 1000) {
                prop_assert_eq!(packet.blocks().count(), usize::from(packet.block_count()));
            }
        }
    }

    #[test]
    fn every_refusal_has_its_name() {
        let mut bytes = [0; 64];
        let mut writer = PacketWriter::new(&mut bytes, SESSION, 1).expect("room");
        assert!(writer.push(b"abc") && writer.push(b"defg"));
        let length = writer.finish();
        let refusal = |bytes: &[u8], longest| Packet::parse(bytes, longest).err();
        assert_eq!(refusal(&bytes[..length], 4), None);
        assert_eq!(refusal(&bytes[..length], 3), Some(DecodeError::BlockTooLong));
        assert_eq!(refusal(&bytes[..length - 1], 4), Some(DecodeError::BlockTruncated));
        assert_eq!(refusal(&bytes[..length + 1], 4), Some(DecodeError::PacketTrailing));
        assert_eq!(refusal(&bytes[..19], 4), Some(DecodeError::PacketTooShort));
    }

    #[test]
    fn an_end_of_session_has_no_blocks() {
        let mut bytes = [0; 64];
        let writer = PacketWriter::new(&mut bytes, SESSION, 9).expect("room");
        let length = writer.finish_session();
        let packet = Packet::parse(&bytes[..length], 4).expect("a good packet");
        assert!(packet.is_end() && !packet.is_heartbeat());
        assert_eq!((packet.seq(), packet.block_count()), (9, 0));
    }
}
