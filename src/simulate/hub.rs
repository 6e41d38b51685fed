//! The network between clients and both machines: a switch, each of whose wires may be bad.

use std::net::Ipv4Addr;

use crate::port::faulty::{Faults, FaultyPort};
use crate::port::memory::{MemoryPort, wire};
use crate::port::{FrameMeta, Full, Port};
use crate::wire::ethernet::Mac;

/// Frames each wire holds, and those moved from one at once.
const DEPTH: usize = 64;
const BURST: usize = 16;

/// A card: it drops frames whose stations were changed on the way, as a real one does by the check
/// sequence that frames in memory lack.
pub(super) struct Card(MemoryPort);

impl Port for Card {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        self.0.receive(budget, &mut |frame, meta| {
            if is_genuine(frame) {
                each(frame, meta);
            }
        })
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        self.0.transmit(length, fill)
    }

    fn flush(&mut self) {}
}

/// Whether the sender's station and address belong together; here every station tells its address.
fn is_genuine(frame: &[u8]) -> bool {
    let address = |at| frame.get(at..)?.first_chunk().map(|&bytes: &[u8; 4]| Ipv4Addr::from(bytes));
    let station = |at| frame.get(at..)?.first_chunk().map(|&bytes| Mac(bytes));
    let fits = |at, address| station(at).zip(address).is_none_or(|(s, a)| s == Mac::local(a));
    match frame.get(12..14) {
        Some([0x08, 0x06]) => fits(6, address(28)) && fits(22, address(28)),
        Some([0x08, 0x00]) => fits(6, address(26)),
        _ => true,
    }
}

struct Wire {
    station: Mac,
    port: FaultyPort<MemoryPort>,
}

/// The switch.
pub(super) struct Hub {
    wires: Vec<Wire>,
    seed: u64,
    faults: Faults,
    struck: [u64; 5],
    /// Nothing passes from the first station to the second.
    cut: Vec<(Mac, Mac)>,
}

/// A frame goes over two wires, and one of them may turn a bit of it: what the second turned back a
/// sum of 16 bits would not notice, and a real wire's check would have dropped it in between.
fn once(faults: Faults) -> Faults {
    Faults { corruption: 0, ..faults }
}

impl Hub {
    pub(super) fn new(seed: u64) -> Self {
        Self { wires: Vec::new(), seed, faults: Faults::default(), struck: [0; 5], cut: vec![] }
    }

    /// A port at an address, new or in place of an old one.
    pub(super) fn connect(&mut self, address: Ipv4Addr) -> Card {
        let station = Mac::local(address);
        self.disconnect(address);
        let (near, far) = wire(DEPTH);
        self.seed = self.seed.wrapping_add(1);
        let mut port = FaultyPort::new(far, self.faults, self.seed);
        port.set_faults(self.faults, once(self.faults));
        self.wires.push(Wire { station, port });
        Card(near)
    }

    pub(super) fn disconnect(&mut self, address: Ipv4Addr) {
        let station = Mac::local(address);
        self.struck = self.struck();
        self.wires.retain(|wire| wire.station != station);
        // Counted above, those that stay as well: begin their counts anew.
        let kept: Vec<[u64; 5]> = self.wires.iter().map(counts).collect();
        for counts in kept {
            self.struck.iter_mut().zip(counts).for_each(|(sum, count)| *sum -= count);
        }
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.wires.iter_mut().for_each(|wire| wire.port.set_faults(faults, once(faults)));
    }

    /// Nothing passes any more from one address to another.
    pub(super) fn cut(&mut self, from: Ipv4Addr, to: Ipv4Addr) {
        self.cut.push((Mac::local(from), Mac::local(to)));
    }

    /// Everything passes.
    pub(super) fn join(&mut self) {
        self.cut.clear();
    }

    /// Faults that struck so far: lost, duplicated, made late, corrupted, cut short.
    pub(super) fn struck(&self) -> [u64; 5] {
        let mut sums = self.struck;
        for wire in &self.wires {
            sums.iter_mut().zip(counts(wire)).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// Moves frames; says how many.
    pub(super) fn poll(&mut self) -> usize {
        let mut frames: Vec<(usize, Vec<u8>)> = Vec::new();
        for (at, wire) in self.wires.iter_mut().enumerate() {
            wire.port.receive(BURST, &mut |frame, _| frames.push((at, frame.to_vec())));
        }
        for (from, frame) in &frames {
            let to = Mac(frame.first_chunk().copied().unwrap_or_default());
            let sender = self.wires.get(*from).map_or(to, |wire| wire.station);
            for (at, wire) in self.wires.iter_mut().enumerate() {
                let is_cut = self.cut.contains(&(sender, wire.station));
                if at != *from && !is_cut && (to.is_group() || wire.station == to) {
                    // A full wire loses.
                    let fill = &mut |space: &mut [u8]| space.copy_from_slice(frame);
                    let _ = wire.port.transmit(frame.len(), fill);
                }
            }
        }
        if frames.is_empty() {
            // Nothing follows that could overtake a frame made late.
            self.wires.iter_mut().for_each(|wire| wire.port.flush());
        }
        frames.len()
    }
}

fn counts(wire: &Wire) -> [u64; 5] {
    let (inward, outward) = wire.port.counters();
    let of = |c: crate::port::faulty::FaultCounters| {
        [c.lost, c.duplicated, c.reordered, c.corrupted, c.truncated]
    };
    let (inward, outward) = (of(inward), of(outward));
    std::array::from_fn(|at| inward[at] + outward[at])
}
