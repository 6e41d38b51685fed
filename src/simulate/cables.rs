//! Lines as the simulator has them, between machines and of FIX clients: bytes take their time, in
//! order and in pieces; a line may be silent one way or both, and ends when a machine does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::flow::Dice;
use crate::model::Nanos;
use crate::port::stream::{Acceptor, Closed, Stream};
use crate::topology::{Line, Lines};

/// Where the two appliances stand.
pub(super) const MACHINES: [usize; 2] = [0, 1];

/// Where the witness does.
pub(super) const WITNESS: usize = 2;

/// Where each appliance takes FIX clients; open while it is primary.
pub(super) const DOORS: [usize; 2] = [3, 4];

/// Where FIX clients are.
pub(super) const FIX_CLIENTS: [usize; 3] = [5, 6, 7];

/// Where the exchange is.
pub(super) const EXCHANGE: usize = 8;

/// All places.
const PLACES: usize = 9;

/// Bytes that may be on their way, each way: more wait with who sends them.
const ON_THE_WAY_MAX: usize = 64 * 1024;

/// How often of a hundred times a piece comes in two.
const CUT_IN_TWO: u64 = 12;

/// The address of a place.
pub(super) fn address(place: usize) -> SocketAddr {
    SocketAddr::from(([10, 1, 0, place as u8], 9400))
}

/// Bytes on their way, each piece with the time it arrives.
type Pieces = VecDeque<(Nanos, Vec<u8>)>;

#[derive(Debug, Default)]
struct Cable {
    /// Whose ends these are.
    places: [usize; 2],
    /// What is on its way to each end.
    to: [Pieces; 2],
    /// Ends that were let go.
    gone: [bool; 2],
    is_broken: bool,
}

/// All cables, and how they fare.
#[derive(Debug)]
pub(super) struct Cables {
    cables: Vec<Arc<Mutex<Cable>>>,
    calling: [Vec<Arc<Mutex<Cable>>>; PLACES],
    pub(super) is_on: [bool; PLACES],
    /// Nothing passes from the first to the second.
    pub(super) is_cut: [[bool; PLACES]; PLACES],
    pub(super) now: Nanos,
    pub(super) delay_max: u64,
    /// How often of ten thousand times a bit of what machines and witness say turns.
    pub(super) corruption: u64,
    /// Bits that turned.
    pub(super) turned: u64,
    dice: Dice,
}

/// What all machines share.
pub(super) type Shared = Arc<Mutex<Cables>>;

pub(super) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Cables {
    pub(super) fn new(seed: u64) -> Shared {
        Arc::new(Mutex::new(Self {
            cables: Vec::new(),
            calling: Default::default(),
            is_on: [false; PLACES],
            is_cut: Default::default(),
            now: Nanos::ZERO,
            delay_max: 50_000,
            corruption: 0,
            turned: 0,
            dice: Dice::new(seed),
        }))
    }

    /// A machine's process is gone: whoever it spoke with is told, as its kernel would.
    pub(super) fn end_machine(&mut self, place: usize) {
        self.end(MACHINES[place]);
        self.end(DOORS[place]);
    }

    /// Nobody is at a place any more.
    pub(super) fn end(&mut self, place: usize) {
        self.is_on[place] = false;
        self.calling[place].clear();
        for cable in &self.cables {
            let mut cable = locked(cable);
            for side in [0, 1] {
                if cable.places[side] == place {
                    cable.gone[side] = true;
                }
            }
        }
        self.cables.retain(|cable| locked(cable).gone != [true, true]);
    }

    /// All lines between two places break, without a word to either.
    pub(super) fn break_between(&mut self, one: usize, other: usize) {
        for cable in &self.cables {
            let mut cable = locked(cable);
            if cable.places == [one, other] || cable.places == [other, one] {
                cable.is_broken = true;
            }
        }
        self.cables.retain(|cable| !locked(cable).is_broken);
    }
}

/// A place's way to lines.
pub(super) struct Switchboard {
    pub(super) shared: Shared,
    pub(super) place: usize,
}

impl Switchboard {
    fn end_of(&self, cable: Arc<Mutex<Cable>>, side: usize) -> Line {
        Box::new(End { cable, side, shared: Arc::clone(&self.shared), is_ended: false })
    }
}

impl Lines for Switchboard {
    fn dial(&mut self, to: SocketAddr) -> Option<Line> {
        let mut all = locked(&self.shared);
        let there = (0..PLACES).find(|place| address(*place) == to)?;
        if !all.is_on[there] || all.is_cut[self.place][there] || all.is_cut[there][self.place] {
            return None;
        }
        let places = [self.place, there];
        let cable = Arc::new(Mutex::new(Cable { places, ..Cable::default() }));
        all.cables.push(Arc::clone(&cable));
        all.calling[there].push(Arc::clone(&cable));
        Some(self.end_of(cable, 0))
    }

    fn accept(&mut self) -> Option<Line> {
        let mut all = locked(&self.shared);
        let calling = &mut all.calling[self.place];
        let cable = (!calling.is_empty()).then(|| calling.remove(0))?;
        Some(self.end_of(cable, 1))
    }

    fn nonce(&mut self) -> [u8; 32] {
        let mut all = locked(&self.shared);
        let mut nonce = [0; 32];
        nonce.iter_mut().for_each(|byte| *byte = all.dice.below(256) as u8);
        nonce
    }
}

/// Where a place takes lines that others opened.
pub(super) struct Porch(pub(super) Switchboard);

impl Acceptor for Porch {
    fn address(&self) -> SocketAddr {
        address(self.0.place)
    }

    fn accept(&mut self) -> Option<Line> {
        self.0.accept()
    }
}

/// One end of a cable.
struct End {
    cable: Arc<Mutex<Cable>>,
    side: usize,
    shared: Shared,
    is_ended: bool,
}

impl Stream for End {
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, Closed> {
        let mut all = locked(&self.shared);
        let mut cable = locked(&self.cable);
        let (own, other) = (cable.places[self.side], cable.places[1 - self.side]);
        if cable.is_broken {
            return Err(Closed);
        }
        if all.is_cut[other][own] {
            return Ok(0);
        }
        let now = all.now;
        if let Some((_, piece)) = cable.to[self.side].front_mut().filter(|(at, _)| *at <= now) {
            let whole = piece.len().min(into.len());
            let is_cut = whole > 1 && all.dice.percent(CUT_IN_TWO);
            let count = if is_cut { 1 + all.dice.below(whole as u64) as usize } else { whole };
            into[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                cable.to[self.side].pop_front();
            }
            return Ok(count);
        }
        if cable.gone[1 - self.side] && cable.to[self.side].is_empty() {
            self.is_ended = true;
            return Err(Closed);
        }
        Ok(0)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        let mut all = locked(&self.shared);
        let mut cable = locked(&self.cable);
        if cable.is_broken || cable.gone[1 - self.side] {
            return Err(Closed);
        }
        let under_way = &mut cable.to[1 - self.side];
        let waiting: usize = under_way.iter().map(|(_, piece)| piece.len()).sum();
        let taken = bytes.get(..ON_THE_WAY_MAX.saturating_sub(waiting)).unwrap_or(bytes);
        if taken.is_empty() {
            return Ok(0);
        }
        let delay_max = all.delay_max;
        let arrives = all.now.saturating_add(Nanos(1 + all.dice.below(delay_max)));
        let last = under_way.back().map_or(Nanos::ZERO, |(at, _)| *at);
        let mut piece = taken.to_vec();
        let is_proved = cable.places.iter().all(|place| *place <= WITNESS);
        if is_proved && all.dice.below(10_000) < all.corruption {
            let at = all.dice.below(piece.len() as u64) as usize;
            piece[at] ^= 1 << all.dice.below(8);
            all.turned += 1;
        }
        let under_way = &mut cable.to[1 - self.side];
        under_way.push_back((arrives.max(last), piece));
        Ok(taken.len())
    }

    fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn break_off(&mut self) {
        locked(&self.cable).is_broken = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        locked(&self.cable).gone[self.side] = true;
    }
}
