//! A switch between one server and its clients: frames go where their station is, over wires
//! that can be made bad one by one.

use std::net::Ipv4Addr;

use wirematch::port::faulty::{Faults, FaultyPort};
use wirematch::port::memory::{MemoryPort, wire};
use wirematch::port::{FrameMeta, Full, Port};
use wirematch::wire::ethernet::Mac;

/// Frames each wire holds.
const DEPTH: usize = 64;

/// Frames moved from a wire at once.
const BURST: usize = 16;

/// A card: it drops frames whose stations were changed on the way, as a real one does by the check
/// sequence that frames in memory lack. What is wrong further inside it lets by.
pub struct Card(MemoryPort);

impl Card {
    /// A card that looks at nothing.
    pub fn plain(self) -> MemoryPort {
        self.0
    }
}

impl Port for Card {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let mut filter = |frame: &[u8], meta: FrameMeta| {
            if is_genuine(frame) {
                each(frame, meta);
            }
        };
        self.0.receive(budget, &mut filter)
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
    pub fn new(seed: u64) -> (Self, Card) {
        let (near, server) = wire(DEPTH);
        (Self { server, lines: vec![], seed, faults: Faults::default() }, Card(near))
    }

    /// A new port for a server that was started again; what was on its way to the old one is gone.
    pub fn reconnect_server(&mut self) -> Card {
        let (near, server) = wire(DEPTH);
        self.server = server;
        Card(near)
    }

    /// A port for a client, new or started again.
    pub fn connect(&mut self, station: Mac) -> Card {
        let (near, far) = wire(DEPTH);
        self.seed = self.seed.wrapping_add(1);
        let line = Line { station, port: FaultyPort::new(far, self.faults, self.seed) };
        self.lines.retain(|line| line.station != station);
        self.lines.push(line);
        Card(near)
    }

    /// How bad all wires are from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.lines.iter_mut().for_each(|line| line.port.set_faults(faults, faults));
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
