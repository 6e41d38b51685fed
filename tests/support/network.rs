//! A switch between one server and its clients: frames go where their station is, over wires
//! that can be made bad one by one.

use wirematch::port::Port;
use wirematch::port::faulty::{Faults, FaultyPort};
use wirematch::port::memory::{MemoryPort, wire};
use wirematch::wire::ethernet::Mac;

/// Frames each wire holds.
const DEPTH: usize = 64;

/// Frames moved from a wire at once.
const BURST: usize = 16;

/// One client's place at the switch.
struct Line {
    station: Mac,
    port: FaultyPort<MemoryPort>,
}

/// The switch.
pub struct Network {
    server: MemoryPort,
    lines: Vec<Line>,
    seed: u64,
    faults: Faults,
}

impl Network {
    /// Without clients, and the port the server gets.
    pub fn new(seed: u64) -> (Self, MemoryPort) {
        let (near, server) = wire(DEPTH);
        (Self { server, lines: vec![], seed, faults: Faults::default() }, near)
    }

    /// A new port for a server that was started again; what was on its way to the old one is gone.
    pub fn reconnect_server(&mut self) -> MemoryPort {
        let (near, server) = wire(DEPTH);
        self.server = server;
        near
    }

    /// A port for a client, new or started again.
    pub fn connect(&mut self, station: Mac) -> MemoryPort {
        let (near, far) = wire(DEPTH);
        self.seed = self.seed.wrapping_add(1);
        let line = Line { station, port: FaultyPort::new(far, self.faults, self.seed) };
        self.lines.retain(|line| line.station != station);
        self.lines.push(line);
        near
    }

    /// How bad all wires are from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.lines.iter_mut().for_each(|line| line.port.set_faults(faults));
    }

    /// Faults that struck so far: lost, duplicated, made late, corrupted, cut short.
    pub fn struck(&self) -> [u64; 5] {
        let mut sums = [0; 5];
        for line in &self.lines {
            let (inward, outward) = line.port.counters();
            for c in [inward, outward] {
                let these = [c.lost, c.duplicated, c.reordered, c.corrupted, c.truncated];
                sums.iter_mut().zip(these).for_each(|(sum, this)| *sum += this);
            }
        }
        sums
    }

    /// Moves frames both ways; says how many.
    pub fn poll(&mut self) -> usize {
        let Self { server, lines, .. } = self;
        let mut moved = 0;
        for line in &mut *lines {
            moved += line.port.receive(BURST, &mut |frame, _| send(server, frame));
        }
        let down = server.receive(BURST, &mut |frame, _| {
            let to = Mac(frame.first_chunk().copied().unwrap_or_default());
            let takes = |line: &&mut Line| to.is_group() || line.station == to;
            lines.iter_mut().filter(takes).for_each(|line| send(&mut line.port, frame));
        });
        if down == 0 {
            // Nothing follows that could overtake a frame made late.
            lines.iter_mut().for_each(|line| line.port.flush());
        }
        moved + down
    }
}

/// A full wire loses.
fn send<P: Port>(port: &mut P, frame: &[u8]) {
    let _ = port.transmit(frame.len(), &mut |space| space.copy_from_slice(frame));
}
