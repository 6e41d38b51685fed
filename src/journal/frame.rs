//! A frame: one burst of whole messages behind one header line.
//!
//! The body is written first and the header last, so a killed process leaves at most one torn
//! frame. A header's checksum starts from its segment's own (which holds a secret salt): a frame
//! is good in one segment only, and nobody can send text that passes for a frame.

use bytemuck::{Pod, Zeroable};

use crate::journal::{LogKind, Wrong, checksum};
use crate::model::Line;

/// The most body lines of one frame; bounds what a reader must hold.
pub const FRAME_LINES_MAX: usize = 1024;

/// Says "here starts a frame". Never zero, so that a header not yet written reads as nothing.
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"wmFR");

/// Version of the frame's layout.
const FRAME_FORMAT: u8 = 1;

/// The line before a frame's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct FrameHeader {
    /// [`FRAME_MAGIC`].
    magic: u32,
    /// [`FRAME_FORMAT`].
    format: u8,
    /// A [`LogKind`].
    kind: u8,
    /// Messages in the frame; 0 marks the end of a segment.
    pub count: u16,
    /// Id of the first message; of the end mark: the least id that may follow.
    pub first: u64,
    /// Checksum of the body.
    pub body_crc: u32,
    /// The header checksum of the frame before, or of the segment header.
    pub previous: u32,
    /// Lines of the body.
    pub lines: u16,
    /// Not used; zero.
    reserved: [u8; 2],
    /// Under which epoch the messages were sequenced; 0 where nobody counts epochs.
    pub epoch: u32,
    /// One more than the last message that was known to be on the disk when this was written; 0
    /// where that is not said, as in logs of builds before this was known.
    pub known: u64,
    /// Not used; zero.
    unused: [u8; 20],
    /// Checksum of the line with this zero, started from the segment's checksum.
    pub crc: u32,
}
const _: () = assert!(size_of::<FrameHeader>() == 64);
const _: () = assert!(cfg!(target_endian = "little"), "the journal is written in memory order");

impl FrameHeader {
    /// A header with its checksum, for the segment with checksum `seed`.
    #[inline]
    pub(crate) fn new(kind: LogKind, seed: u32, burst: &Burst, previous: u32) -> Self {
        let mut header = Self {
            magic: FRAME_MAGIC,
            format: FRAME_FORMAT,
            kind: kind.code(),
            count: burst.count,
            first: burst.first,
            body_crc: burst.crc,
            previous,
            lines: burst.lines,
            epoch: burst.epoch,
            known: burst.known,
            ..Self::zeroed()
        };
        header.crc = header.checksum(seed);
        header
    }

    /// Reads a line as a header: nothing where no header was written yet.
    ///
    /// # Errors
    /// What of it is wrong by itself; whether it follows its predecessor is the caller's to check.
    pub(crate) fn read(line: &Line, kind: LogKind, seed: u32) -> Result<Option<Self>, Wrong> {
        if line.0[0] == 0 {
            return Ok(None);
        }
        let header: Self = bytemuck::cast(*line);
        if header.magic != FRAME_MAGIC {
            return Err(Wrong::NotAFrame);
        }
        if header.crc != header.checksum(seed) && header.crc != header.checksum_of_format_1(seed) {
            return Err(Wrong::HeaderChecksum);
        }
        let sound = header.format == FRAME_FORMAT
            && header.kind == kind.code()
            && (header.count == 0) == (header.lines == 0)
            && header.count <= header.lines
            && header.lines as usize <= FRAME_LINES_MAX;
        if sound { Ok(Some(header)) } else { Err(Wrong::Message) }
    }

    /// Whether it marks the end of its segment.
    pub(crate) fn is_end(&self) -> bool {
        self.count == 0
    }

    /// Over the bytes before the checksum, as it was in segments of format 1.
    #[cold]
    fn checksum_of_format_1(&self, seed: u32) -> u32 {
        const CRC_AT: usize = std::mem::offset_of!(FrameHeader, crc);
        crc32c::crc32c_append(seed, &bytemuck::bytes_of(self)[..CRC_AT])
    }

    /// Over the line with the checksum itself zero.
    #[inline]
    fn checksum(&self, seed: u32) -> u32 {
        checksum::add(seed, &bytemuck::cast(Self { crc: 0, ..*self }))
    }
}

/// What a header says of its body, gathered while the frame is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Burst {
    /// Id of the first message.
    pub first: u64,
    /// Messages.
    pub count: u16,
    /// Lines.
    pub lines: u16,
    /// Checksum of the lines.
    pub crc: u32,
    /// The epoch they are of.
    pub epoch: u32,
    /// One more than the last message that is known to be on the disk.
    pub known: u64,
}

impl Burst {
    /// Counts one message in.
    #[inline]
    pub(crate) fn add(&mut self, head: &Line, rest: &[Line]) {
        self.crc = rest.iter().fold(checksum::add(self.crc, head), checksum::add);
        self.lines += 1 + rest.len() as u16;
        self.count += 1;
    }
}

/// Checks a frame's body against its header and the last id before it; returns its last id.
///
/// # Errors
/// The first rule it breaks.
pub(crate) fn check_body(
    header: &FrameHeader,
    kind: LogKind,
    body: &[Line],
    last: u64,
) -> Result<u64, Wrong> {
    if crc32c::crc32c(bytemuck::cast_slice(body)) != header.body_crc {
        return Err(Wrong::BodyChecksum);
    }
    let mut last = last;
    let mut count = 0;
    let mut at = 0;
    while let Some(head) = body.get(at) {
        let id = kind.id(head);
        if !kind.follows(last, id) || (count == 0 && id != header.first) {
            return Err(Wrong::Sequence { after: last, found: id });
        }
        at += kind.lines(head).ok_or(Wrong::Message)?;
        count += 1;
        last = id;
    }
    let adds_up = at == body.len() && count == header.count as usize;
    if adds_up { Ok(last) } else { Err(Wrong::Message) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_read_without_a_panic(words: [u64; 8], seed: u32, body: Vec<[u64; 8]>) {
            let body: Vec<Line> = body.into_iter().map(Line).collect();
            let mut line = Line(words);
            prop_assert!(!matches!(
                FrameHeader::read(&line, LogKind::Commands, seed), Ok(Some(_))
            ));
            // With the mark and the checksum right, the rest of the header may still be anything.
            let mut header: FrameHeader = bytemuck::cast(line);
            header.magic = FRAME_MAGIC;
            header.body_crc = crc32c::crc32c(bytemuck::cast_slice(&body));
            header.crc = header.checksum(seed);
            line = bytemuck::cast(header);
            if let Ok(Some(header)) = FrameHeader::read(&line, LogKind::Commands, seed) {
                let _ = check_body(&header, LogKind::Commands, &body, words[1]);
            }
        }

        #[test]
        fn a_header_is_good_in_its_own_segment_only(first: u64, seed: u32, other: u32) {
            let burst = Burst { first, count: 1, lines: 2, crc: 7, epoch: 3, known: 9 };
            let header = FrameHeader::new(LogKind::Events, seed, &burst, 3);
            let line: Line = bytemuck::cast(header);
            prop_assert_eq!(FrameHeader::read(&line, LogKind::Events, seed), Ok(Some(header)));
            if other != seed {
                let elsewhere = FrameHeader::read(&line, LogKind::Events, other);
                prop_assert_eq!(elsewhere, Err(Wrong::HeaderChecksum));
            }
        }
    }
}
