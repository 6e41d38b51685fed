//! Wraps a port and makes the network bad, both ways, by a seed: the same seed, the same faults.

use std::collections::VecDeque;

use crate::port::{FrameMeta, Full, Port};

/// The longest frame that may be transmitted.
const FRAME_MAX: usize = 9216;
/// How many frames may overtake one that is late.
const OVERTAKEN_MAX: u64 = 4;

/// How often each fault strikes, in frames per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The frame is gone.
    pub loss: u32,
    /// The frame comes twice.
    pub duplication: u32,
    /// The frame comes after others that followed it.
    pub reordering: u32,
    /// One bit of the frame is wrong.
    pub corruption: u32,
    /// The frame's end is missing.
    pub truncation: u32,
}

/// What was done to the frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounters {
    /// Frames that came by.
    pub frames: u64,
    /// Frames lost.
    pub lost: u64,
    /// Frames that came twice.
    pub duplicated: u64,
    /// Frames made late.
    pub reordered: u64,
    /// Frames with a wrong bit.
    pub corrupted: u64,
    /// Frames cut short.
    pub truncated: u64,
    /// Frames the wrapped port had no room for: a full wire loses.
    pub overflowed: u64,
}

/// A frame that waits for others to overtake it.
#[derive(Debug)]
struct Late {
    bytes: Vec<u8>,
    meta: FrameMeta,
    /// Frames still to go first.
    after: u64,
}

/// What happens to the frames of one direction.
#[derive(Debug)]
struct Mangler {
    faults: Faults,
    random: u64,
    late: VecDeque<Late>,
    counters: FaultCounters,
}

impl Mangler {
    fn new(faults: Faults, seed: u64) -> Self {
        // An odd factor spreads small seeds; the generator must not start at zero.
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { faults, random, late: VecDeque::new(), counters: FaultCounters::default() }
    }

    /// A number below `bound` (Marsaglia's xorshift64*).
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound.max(1)
    }

    fn strikes(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < u64::from(per_million)
    }

    /// Lets a frame by, as it is or otherwise, and late ones whose turn has come.
    fn pass(&mut self, frame: &[u8], meta: FrameMeta, out: &mut dyn FnMut(&[u8], FrameMeta)) {
        self.counters.frames += 1;
        if self.strikes(self.faults.loss) {
            self.counters.lost += 1;
        } else if self.strikes(self.faults.reordering) {
            self.counters.reordered += 1;
            let after = 1 + self.below(OVERTAKEN_MAX);
            self.late.push_back(Late { bytes: frame.to_vec(), meta, after });
            return;
        } else {
            self.show(frame, meta, out);
        }
        self.late.iter_mut().for_each(|late| late.after = late.after.saturating_sub(1));
        while self.late.front().is_some_and(|late| late.after == 0)
            && let Some(late) = self.late.pop_front()
        {
            out(&late.bytes, late.meta);
        }
    }

    fn show(&mut self, frame: &[u8], meta: FrameMeta, out: &mut dyn FnMut(&[u8], FrameMeta)) {
        if self.strikes(self.faults.duplication) {
            self.counters.duplicated += 1;
            out(frame, meta);
        }
        if !frame.is_empty() && self.strikes(self.faults.corruption) {
            self.counters.corrupted += 1;
            let mut wrong = frame.to_vec();
            let bit = self.below(wrong.len() as u64 * 8) as usize;
            wrong[bit / 8] ^= 1 << (bit % 8);
            out(&wrong, meta);
        } else if self.strikes(self.faults.truncation) {
            self.counters.truncated += 1;
            let length = self.below(frame.len() as u64) as usize;
            out(&frame[..length], meta);
        } else {
            out(frame, meta);
        }
    }

    /// Lets all late frames by: nothing follows that could overtake them.
    fn release(&mut self, out: &mut dyn FnMut(&[u8], FrameMeta)) {
        for late in self.late.drain(..) {
            out(&late.bytes, late.meta);
        }
    }
}

/// The wrapper.
#[derive(Debug)]
pub struct FaultyPort<P> {
    inner: P,
    inward: Mangler,
    outward: Mangler,
    /// Received frames that the budget did not cover: more come out than go in.
    ready: VecDeque<(Vec<u8>, FrameMeta)>,
    scratch: Vec<u8>,
}

impl<P: Port> FaultyPort<P> {
    /// Makes `inner` bad in both directions alike.
    pub fn new(inner: P, faults: Faults, seed: u64) -> Self {
        let (inward, outward) = (Mangler::new(faults, seed), Mangler::new(faults, !seed));
        let ready = VecDeque::new();
        Self { inner, inward, outward, ready, scratch: vec![0; FRAME_MAX] }
    }

    /// Changes how bad it is either way, say to let a network heal.
    pub fn set_faults(&mut self, inward: Faults, outward: Faults) {
        self.inward.faults = inward;
        self.outward.faults = outward;
    }

    /// What was done to received and to transmitted frames.
    pub fn counters(&self) -> (FaultCounters, FaultCounters) {
        (self.inward.counters, self.outward.counters)
    }
}

impl<P: Port> Port for FaultyPort<P> {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let (inward, ready) = (&mut self.inward, &mut self.ready);
        let mut keep = |frame: &[u8], meta: FrameMeta| ready.push_back((frame.to_vec(), meta));
        let came = self.inner.receive(budget, &mut |frame, meta| {
            inward.pass(frame, meta, &mut keep);
        });
        if came == 0 {
            inward.release(&mut keep);
        }
        let seen = ready.len().min(budget);
        for (frame, meta) in ready.drain(..seen) {
            each(&frame, meta);
        }
        seen
    }

    /// As the port's own, but what finds no room there is lost: `fill` has been called by then.
    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let frame = self.scratch.get_mut(..length).ok_or(Full)?;
        fill(frame);
        let (inner, outward) = (&mut self.inner, &mut self.outward);
        let mut overflowed = 0;
        outward.pass(frame, FrameMeta::default(), &mut |frame, _| {
            overflowed += u64::from(send(inner, frame).is_err());
        });
        outward.counters.overflowed += overflowed;
        Ok(())
    }

    fn flush(&mut self) {
        let (inner, outward) = (&mut self.inner, &mut self.outward);
        let mut overflowed = 0;
        outward.release(&mut |frame, _| overflowed += u64::from(send(inner, frame).is_err()));
        outward.counters.overflowed += overflowed;
        self.inner.flush();
    }
}

fn send<P: Port>(port: &mut P, frame: &[u8]) -> Result<(), Full> {
    port.transmit(frame.len(), &mut |bytes| bytes.copy_from_slice(frame))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::memory::wire;

    const FRAMES: u64 = 2_000;

    /// What comes of frames 0, 1, 2, … that a faulty port receives, and its counters.
    fn received(faults: Faults, seed: u64) -> (Vec<Vec<u8>>, FaultCounters) {
        let (mut far, near) = wire(64);
        let mut near = FaultyPort::new(near, faults, seed);
        let mut frames = Vec::new();
        for number in 0..FRAMES {
            send(&mut far, &[number.to_be_bytes(); 8].concat()).expect("room");
            assert!(near.receive(1, &mut |frame, _| frames.push(frame.to_vec())) <= 1);
        }
        while near.receive(8, &mut |frame, _| frames.push(frame.to_vec())) > 0 {}
        (frames, near.counters().0)
    }

    /// The same for frames that it transmits.
    fn transmitted(faults: Faults, seed: u64) -> (Vec<Vec<u8>>, FaultCounters) {
        let (mut far, near) = wire(64);
        let mut near = FaultyPort::new(near, faults, seed);
        let mut frames = Vec::new();
        for number in 0..FRAMES {
            send(&mut near, &[number.to_be_bytes(); 8].concat()).expect("room");
            far.receive(8, &mut |frame, _| frames.push(frame.to_vec()));
        }
        near.flush();
        while far.receive(8, &mut |frame, _| frames.push(frame.to_vec())) > 0 {}
        (frames, near.counters().1)
    }

    fn numbers(frames: &[Vec<u8>]) -> Vec<u64> {
        let number = |frame: &Vec<u8>| frame.first_chunk().copied().map(u64::from_be_bytes);
        frames.iter().filter_map(number).collect()
    }

    #[test]
    fn without_faults_it_is_not_there() {
        let (frames, counters) = received(Faults::default(), 1);
        assert_eq!(numbers(&frames), (0..FRAMES).collect::<Vec<_>>());
        assert_eq!(counters, FaultCounters { frames: FRAMES, ..FaultCounters::default() });
        assert_eq!(transmitted(Faults::default(), 1).0, frames);
    }

    #[test]
    fn each_fault_is_what_its_name_says_and_is_counted() {
        for run in [received, transmitted] {
            let (frames, counters) = run(Faults { loss: 100_000, ..Faults::default() }, 2);
            assert_eq!(frames.len() as u64, FRAMES - counters.lost);
            let (frames, counters) = run(Faults { duplication: 100_000, ..Faults::default() }, 2);
            assert_eq!(frames.len() as u64, FRAMES + counters.duplicated);
            assert!(numbers(&frames).is_sorted() && counters.duplicated > 0);
            let (frames, counters) = run(Faults { reordering: 100_000, ..Faults::default() }, 2);
            let mut sorted = numbers(&frames);
            assert!(!sorted.is_sorted() && counters.reordered > 0);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..FRAMES).collect::<Vec<_>>());
            let (frames, counters) = run(Faults { truncation: 100_000, ..Faults::default() }, 2);
            let short = frames.iter().filter(|frame| frame.len() < 64).count();
            assert_eq!(short as u64, counters.truncated);
            let (frames, counters) = run(Faults { corruption: 100_000, ..Faults::default() }, 2);
            let good = |(at, frame): &(usize, &Vec<u8>)| **frame == [at.to_be_bytes(); 8].concat();
            let good = frames.iter().enumerate().filter(good).count() as u64;
            assert_eq!((frames.len() as u64, good), (FRAMES, FRAMES - counters.corrupted));
        }
    }

    #[test]
    fn faults_strike_about_as_often_as_asked() {
        let (_, counters) = received(Faults { loss: 250_000, ..Faults::default() }, 3);
        assert!((400..600).contains(&counters.lost), "{} of {FRAMES} lost", counters.lost);
    }

    #[test]
    fn the_same_seed_gives_the_same_network() {
        let faults = Faults {
            loss: 50_000,
            duplication: 50_000,
            reordering: 50_000,
            corruption: 50_000,
            truncation: 50_000,
        };
        assert_eq!(received(faults, 4), received(faults, 4));
        assert_ne!(received(faults, 4).0, received(faults, 5).0);
    }
}
