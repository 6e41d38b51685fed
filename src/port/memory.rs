//! Both ends of a wire in memory: what tests, simulation and benchmarks run on.
//!
//! Each direction is a ring of 64-byte lines. A frame is a run of lines that never straddles the
//! ring's end (a filler takes what is left there), so it is built and shown where it lies.

use crate::port::{FrameMeta, Full, Port};

/// The longest frame the wire takes.
pub const FRAME_MAX: usize = LINES_PER_FRAME * LINE - LENGTH;

const LINE: usize = 64;
const LINES_PER_FRAME: usize = 24;
/// Bytes before a frame that say how long it is.
const LENGTH: usize = 4;
/// The length of a run of lines that carries no frame.
const FILLER: u32 = u32::MAX;

type Bytes = [u8; LINE];

/// A line of the ring: `rtrb` wants a default, which byte arrays of this size lack.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
struct Line(Bytes);

impl Default for Line {
    #[inline(always)]
    fn default() -> Self {
        Line([0; LINE])
    }
}

/// A wire that holds at least `depth` frames of any length in each direction.
pub fn wire(depth: usize) -> (MemoryPort, MemoryPort) {
    let lines = depth.max(2) * LINES_PER_FRAME;
    let (right, from_left) = rtrb::RingBuffer::new(lines);
    let (left, from_right) = rtrb::RingBuffer::new(lines);
    let left = MemoryPort { out: left, at: 0, into: from_left };
    (MemoryPort { out: right, at: 0, into: from_right }, left)
}

/// One end of a wire; the other may be on another thread.
#[derive(Debug)]
pub struct MemoryPort {
    out: rtrb::Producer<Line>,
    /// Where in its ring the next frame begins, in lines.
    at: usize,
    into: rtrb::Consumer<Line>,
}

impl MemoryPort {
    /// Whether the other end is gone; what it sent before may still be waiting.
    pub fn is_abandoned(&self) -> bool {
        self.into.is_abandoned()
    }

    /// Takes what is left of the ring, a filler in its first line, so that a frame begins anew.
    #[cold]
    fn skip_end(&mut self, left: usize) -> Result<(), Full> {
        let mut chunk = self.out.write_chunk(left).map_err(|_| Full)?;
        if let Some(line) = chunk.as_mut_slices().0.first_mut() {
            line.0[..LENGTH].copy_from_slice(&FILLER.to_ne_bytes());
        }
        chunk.commit_all();
        self.at = 0;
        Ok(())
    }
}

impl Port for MemoryPort {
    #[inline]
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let waiting = self.into.slots();
        let Ok(chunk) = self.into.read_chunk(waiting) else { return 0 };
        let (first, second) = chunk.as_slices();
        let (mut seen, mut lines) = (0, 0);
        for part in [first, second] {
            let mut rest: &[u8] = bytemuck::cast_slice(part);
            while seen < budget
                && let Some((length, _)) = rest.split_first_chunk::<LENGTH>()
            {
                let length = match u32::from_ne_bytes(*length) {
                    FILLER => {
                        lines += rest.len() / LINE;
                        break;
                    }
                    length => length as usize,
                };
                let taken = lines_of(length);
                let (Some(frame), Some(further)) =
                    (rest.get(LENGTH..LENGTH + length), rest.get(taken * LINE..))
                else {
                    break;
                };
                each(frame, FrameMeta::default());
                (seen, lines, rest) = (seen + 1, lines + taken, further);
            }
        }
        chunk.commit(lines);
        seen
    }

    #[inline]
    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        if length > FRAME_MAX {
            return Err(Full);
        }
        let lines = lines_of(length);
        let left = self.out.buffer().capacity() - self.at;
        if lines > left {
            self.skip_end(left)?;
        }
        let mut chunk = self.out.write_chunk(lines).map_err(|_| Full)?;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(chunk.as_mut_slices().0);
        bytes[..LENGTH].copy_from_slice(&(length as u32).to_ne_bytes());
        fill(&mut bytes[LENGTH..LENGTH + length]);
        chunk.commit_all();
        self.at = if lines == left { 0 } else { self.at + lines };
        Ok(())
    }

    fn flush(&mut self) {}
}

#[inline]
fn lines_of(length: usize) -> usize {
    (LENGTH + length).div_ceil(LINE)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn send(port: &mut MemoryPort, frame: &[u8]) -> Result<(), Full> {
        port.transmit(frame.len(), &mut |bytes| bytes.copy_from_slice(frame))
    }

    proptest! {
        /// A queue of frames is the oracle; lengths and budgets drive it round the ring's end.
        #[test]
        fn is_a_queue(steps in prop::collection::vec((0usize..200, 0usize..4), 1..300)) {
            let (mut left, mut right) = wire(2);
            let mut oracle = VecDeque::new();
            for (at, (length, budget)) in steps.into_iter().enumerate() {
                let frame = vec![at as u8; length * 8 % (FRAME_MAX + 1)];
                match send(&mut left, &frame) {
                    Ok(()) => oracle.push_back(frame),
                    Err(Full) => prop_assert!(!oracle.is_empty(), "an empty wire has room"),
                }
                let mut seen = 0;
                let count = right.receive(budget, &mut |bytes, _| {
                    seen += 1;
                    assert_eq!(Some(bytes), oracle.pop_front().as_deref());
                });
                prop_assert_eq!((count, seen <= budget), (seen, true));
                prop_assert!(seen == budget || oracle.is_empty());
            }
        }
    }

    #[test]
    fn two_threads_see_every_frame_in_order() {
        const FRAMES: u32 = 20_000;
        let (mut left, mut right) = wire(4);
        let sender = std::thread::spawn(move || {
            for number in 0..FRAMES {
                let frame = [number.to_ne_bytes(); 40].concat();
                while send(&mut left, &frame[..4 + number as usize % 156]).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < FRAMES {
            let seen = right.receive(8, &mut |frame, _| {
                assert_eq!(frame[..4], expected.to_ne_bytes());
                assert_eq!(frame.len(), 4 + expected as usize % 156);
                expected += 1;
            });
            if seen == 0 {
                std::thread::yield_now();
            }
        }
        sender.join().expect("the sender ends");
        assert!(right.is_abandoned());
    }

    #[test]
    fn a_frame_no_wire_takes_is_refused() {
        let (mut left, _right) = wire(1);
        assert_eq!(send(&mut left, &[0; FRAME_MAX + 1]), Err(Full));
        assert_eq!(send(&mut left, &[0; FRAME_MAX]), Ok(()));
    }
}
