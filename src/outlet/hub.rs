//! Who wants what, and what each has not been told yet. A client that reads slowly is told less
//! often, never more: what changed in between is told as it stands when it can take it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::feed::{Book, LastTrade, Level, Status};
use crate::model::{Instrument, Nanos};
use crate::outlet::cache::TopCache;
use crate::outlet::frame::{Format, Frame};
use crate::outlet::lag::Lag;

/// Levels a side that are told.
const DEPTH: usize = 10;

/// Trades a client may be behind; older ones are left out, and it is told how many.
const TRADES_MAX: usize = 1024;

/// A book as it stood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The last message of the feed that is in it.
    pub number: u64,
    /// The time of the first event that it tells and the one before did not.
    pub at: Nanos,
    /// Best first.
    pub bids: Vec<Level>,
    /// Best first.
    pub asks: Vec<Level>,
    /// The last trade.
    pub last: LastTrade,
    /// What is said of the instrument.
    pub status: Status,
}

impl View {
    /// Of a book.
    pub fn of(book: &Book, number: u64, at: Nanos) -> Self {
        let bids = book.bids().take(DEPTH).collect();
        let asks = book.asks().take(DEPTH).collect();
        Self { number, at, bids, asks, last: book.last, status: book.status }
    }

    /// Whether the best of both sides is the same.
    pub fn has_top_of(&self, other: &Self) -> bool {
        self.bids.first() == other.bids.first() && self.asks.first() == other.asks.first()
    }
}

/// A trade to be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The trade.
    pub last: LastTrade,
    /// The feed's message that tells it.
    pub number: u64,
    /// When it was.
    pub at: Nanos,
}

/// What of an instrument a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The best bid and offer.
    pub top: bool,
    /// Ten levels a side.
    pub depth: bool,
    /// Each trade.
    pub trades: bool,
    /// Halts and what else is said.
    pub status: bool,
}

impl Wants {
    /// All of it.
    pub const ALL: Self = Self { top: true, depth: true, trades: true, status: true };

    /// The channels named; `None` for one that is not there.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut wants = Self::default();
        for name in names {
            match name {
                "top" => wants.top = true,
                "depth" => wants.depth = true,
                "trades" => wants.trades = true,
                "status" => wants.status = true,
                _ => return None,
            }
        }
        Some(wants)
    }
}

#[derive(Debug, Default)]
struct State {
    wants: BTreeMap<usize, Wants>,
    /// What it was told last; nothing before its snapshot.
    told: BTreeMap<usize, Arc<View>>,
    dirty: BTreeSet<usize>,
    trades: VecDeque<(usize, Told)>,
    missed: u64,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// How it is told.
    pub format: Format,
    /// Rings when there is something to tell.
    pub bell: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Row {
    symbol: Mutex<[u8; 8]>,
    view: Mutex<Arc<View>>,
    clients: Mutex<Vec<Arc<Client>>>,
}

/// What is counted of clients.
#[derive(Debug, Default)]
pub struct Tally {
    here: AtomicU64,
    missed: AtomicU64,
    let_go: AtomicU64,
}

impl Tally {
    /// Clients that are there now.
    pub fn here(&self) -> u64 {
        self.here.load(Ordering::Relaxed)
    }

    /// Trades that clients were too slow for.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Clients that were let go, for they read nothing.
    pub fn let_go(&self) -> u64 {
        self.let_go.load(Ordering::Relaxed)
    }
}

/// All books and all clients.
#[derive(Debug)]
pub struct Hub {
    rows: Vec<Row>,
    /// The place of each symbol.
    places: Mutex<BTreeMap<[u8; 8], usize>>,
    /// How long things take.
    pub lag: Lag,
    /// What is counted of clients.
    pub tally: Tally,
    /// The tops, for those who only ask.
    pub cache: TopCache,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Of these instruments, without books.
    pub fn new(instruments: &[Instrument]) -> Self {
        let row = |of: &Instrument| Row {
            symbol: Mutex::new(of.symbol.0),
            view: Mutex::default(),
            clients: Mutex::default(),
        };
        let symbols: Vec<_> = instruments.iter().map(|of| of.symbol.0).collect();
        let cache = TopCache::new(&symbols);
        let rows = instruments.iter().map(row).collect();
        let places = symbols.into_iter().zip(0..).collect();
        let (lag, tally) = (Lag::default(), Tally::default());
        Self { rows, places: Mutex::new(places), lag, tally, cache }
    }

    /// How many instruments there are.
    pub fn instruments(&self) -> usize {
        self.rows.len()
    }

    /// The place of a symbol.
    pub fn place(&self, symbol: &str) -> Option<usize> {
        let padded = crate::wire::soupbintcp::padded::<8>(symbol);
        locked(&self.places).get(&padded).copied().filter(|_| (1..=8).contains(&symbol.len()))
    }

    /// The symbol at a place, without its blanks.
    pub fn symbol(&self, place: usize) -> String {
        let symbol = self.rows.get(place).map_or([b' '; 8], |row| *locked(&row.symbol));
        String::from_utf8_lossy(symbol.trim_ascii_end()).into_owned()
    }

    /// The instrument at a place has this symbol from now on.
    pub fn rename(&self, place: usize, symbol: [u8; 8]) {
        let Some(row) = self.rows.get(place) else { return };
        let before = std::mem::replace(&mut *locked(&row.symbol), symbol);
        let mut places = locked(&self.places);
        if places.get(&before) == Some(&place) {
            places.remove(&before);
        }
        places.insert(symbol, place);
    }

    /// The book at a place, as it stood last.
    pub fn view(&self, place: usize) -> Arc<View> {
        self.rows.get(place).map_or_else(Arc::default, |row| Arc::clone(&locked(&row.view)))
    }

    /// A book changed: its clients have something to be told.
    pub fn changed(&self, place: usize, view: View, now: Nanos) {
        let Some(row) = self.rows.get(place) else { return };
        self.cache.put(place, &view, now);
        *locked(&row.view) = Arc::new(view);
        for client in locked(&row.clients).iter() {
            locked(&client.state).dirty.insert(place);
            client.bell.notify_one();
        }
    }

    /// Nothing changed, and what stands is still so.
    pub fn refresh(&self, now: Nanos) {
        for place in 0..self.rows.len() {
            self.cache.put(place, &self.view(place), now);
        }
    }

    /// A trade is to be told, with the change of the book that follows.
    pub fn traded(&self, place: usize, told: Told) {
        let Some(row) = self.rows.get(place) else { return };
        for client in locked(&row.clients).iter() {
            let mut state = locked(&client.state);
            if !state.wants.get(&place).is_some_and(|wants| wants.trades) {
                continue;
            }
            if state.trades.len() == TRADES_MAX {
                state.trades.pop_front();
                state.missed += 1;
                self.tally.missed.fetch_add(1, Ordering::Relaxed);
            }
            state.trades.push_back((place, told));
        }
    }

    /// A client comes; it leaves once.
    pub fn enter(&self, format: Format) -> Arc<Client> {
        self.tally.here.fetch_add(1, Ordering::Relaxed);
        Arc::new(Client { format, bell: Notify::new(), state: Mutex::default() })
    }

    /// A client wants this of an instrument from now on; a snapshot comes first.
    pub fn subscribe(&self, client: &Arc<Client>, place: usize, wants: Wants) {
        let Some(row) = self.rows.get(place) else { return };
        let mut clients = locked(&row.clients);
        let mut state = locked(&client.state);
        if state.wants.insert(place, wants).is_none() {
            clients.push(Arc::clone(client));
        }
        state.told.remove(&place);
        state.dirty.insert(place);
        client.bell.notify_one();
    }

    /// A client wants nothing of an instrument any more.
    pub fn unsubscribe(&self, client: &Arc<Client>, place: usize) {
        let Some(row) = self.rows.get(place) else { return };
        locked(&row.clients).retain(|other| !Arc::ptr_eq(other, client));
        let mut state = locked(&client.state);
        state.wants.remove(&place);
        state.told.remove(&place);
        state.dirty.remove(&place);
        state.trades.retain(|(of, _)| *of != place);
    }

    /// A client goes.
    pub fn leave(&self, client: &Arc<Client>) {
        self.tally.here.fetch_sub(1, Ordering::Relaxed);
        let places: Vec<usize> = locked(&client.state).wants.keys().copied().collect();
        places.into_iter().for_each(|place| self.unsubscribe(client, place));
    }

    /// A client that read nothing was let go.
    pub fn let_go(&self) {
        self.tally.let_go.fetch_add(1, Ordering::Relaxed);
    }

    /// What a client has not been told: taken, each book as it stands now.
    pub fn take(&self, client: &Client) -> Vec<Frame> {
        let mut state = locked(&client.state);
        let mut frames = Vec::new();
        if state.missed > 0 {
            frames.push(Frame::Missed { trades: std::mem::take(&mut state.missed) });
        }
        for place in std::mem::take(&mut state.dirty) {
            let wants = state.wants.get(&place).copied().unwrap_or_default();
            let now = self.view(place);
            match state.told.insert(place, Arc::clone(&now)) {
                None => frames.push(Frame::Snapshot { place, view: now }),
                Some(before) => {
                    if wants.top && !now.has_top_of(&before) {
                        frames.push(Frame::Top { place, view: Arc::clone(&now) });
                    }
                    if wants.depth && (now.bids != before.bids || now.asks != before.asks) {
                        let view = Arc::clone(&now);
                        frames.push(Frame::Depth { place, before: Arc::clone(&before), view });
                    }
                    if wants.status && now.status != before.status {
                        frames.push(Frame::Status { place, view: now });
                    }
                }
            }
        }
        frames.extend(state.trades.drain(..).map(|(place, told)| Frame::Trade { place, told }));
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstrumentId, Price, Quantity, Symbol};

    fn hub() -> Hub {
        Hub::new(&[Instrument {
            id: InstrumentId(1),
            symbol: Symbol(*b"ACME    "),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(1),
        }])
    }

    fn view(number: u64, bid: u32) -> View {
        let bids = vec![Level { price: bid, orders: 1, shares: 100 }];
        View { number, bids, ..View::default() }
    }

    #[test]
    fn a_slow_client_is_told_the_last_state_and_not_each() {
        let hub = hub();
        let client = hub.enter(Format::Json);
        hub.subscribe(&client, 0, Wants::ALL);
        assert!(matches!(hub.take(&client)[..], [Frame::Snapshot { .. }]));
        for number in 1..100 {
            hub.changed(0, view(number, number as u32), Nanos(1));
        }
        let frames = hub.take(&client);
        let [Frame::Top { view, .. }, Frame::Depth { before, .. }] = &frames[..] else {
            panic!("{frames:?}");
        };
        assert_eq!((view.number, before.bids.len()), (99, 0));
        assert!(hub.take(&client).is_empty());
    }

    #[test]
    fn an_instrument_is_found_by_the_name_it_has_now() {
        let hub = hub();
        assert_eq!((hub.place("ACME"), hub.place("NEW"), hub.place("")), (Some(0), None, None));
        hub.rename(0, *b"NEW     ");
        assert_eq!((hub.place("ACME"), hub.place("NEW")), (None, Some(0)));
        assert_eq!((hub.symbol(0), hub.place("NEW      X")), ("NEW".into(), None));
    }

    #[test]
    fn trades_are_all_told_up_to_a_bound_and_then_counted() {
        let hub = hub();
        let client = hub.enter(Format::Json);
        hub.subscribe(&client, 0, Wants { trades: true, ..Wants::default() });
        hub.take(&client);
        let told = Told { last: LastTrade::default(), number: 1, at: Nanos(1) };
        (0..TRADES_MAX + 3).for_each(|_| hub.traded(0, told));
        let frames = hub.take(&client);
        assert_eq!(frames.len(), 1 + TRADES_MAX);
        assert!(matches!(frames[0], Frame::Missed { trades: 3 }));
        hub.leave(&client);
        hub.traded(0, told);
        assert!(hub.take(&client).is_empty());
    }
}
