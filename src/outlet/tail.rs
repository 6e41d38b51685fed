//! Follows the event log with the feed's own fold: the same messages, the same numbers, and the
//! books they make.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};

use crate::feed::Books;
use crate::journal::{JournalError, Reader};
use crate::model::{Event, EventId, EventKind, Instrument, InstrumentId, Nanos};
use crate::outlet::OutletOptions;
use crate::outlet::hub::{Hub, Told, View};
use crate::stage::{Days, FeedOptions, FeedState, Gate};
use crate::wire::itch::Message;
use crate::wire::session::Token;
use crate::wire::soupbintcp::{Packet, snapshot_end};

/// Events taken in a step, at most.
const STEP_EVENTS: usize = 4096;
/// Events between two entries of the index.
const INDEX_EVERY: u64 = 16_384;
/// Changes that are told together: a client is told of a trade and the book after it at once.
const TELL_EVERY: Nanos = Nanos(2_000_000);
/// How often the tops are told again, so that a cache of a second never lacks them.
const REFRESH: Nanos = Nanos(300_000_000);

/// Where in the event log to begin with a message of the day's session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// The first event that is folded.
    pub(super) event: EventId,
    /// The place of the next message before it.
    pub(super) place: u64,
    /// The days that were before it.
    pub(super) days: Days,
}

/// What is known of the day's session.
#[derive(Debug, Default)]
pub(super) struct Today {
    /// The days by now.
    pub(super) days: Days,
    /// Rising places; the first is not after the session's beginning.
    pub(super) entries: Vec<Entry>,
}

/// The day's session, for whoever wants it again.
pub(super) type Index = Arc<Mutex<Today>>;

/// A snapshot is wanted: its session and its packets are sent back, the same to all who wait.
pub(super) type Ask = tokio::sync::oneshot::Sender<(Token, Arc<Vec<u8>>)>;

/// Follows the event log.
pub(super) struct Tail {
    reader: Reader<Event>,
    waiting: Option<Event>,
    state: FeedState,
    books: Books,
    /// Instruments by place.
    places: Vec<InstrumentId>,
    gate: Gate,
    hub: Arc<Hub>,
    asked: Receiver<Ask>,
    index: Index,
    events: u64,
    /// By locate: the instrument's directory message, and the last of its trading state.
    listed: BTreeMap<u16, [Option<Message>; 2]>,
    /// Places whose book changed, with the time of the first change.
    dirty: BTreeMap<usize, Nanos>,
    tell_at: Nanos,
    refresh_at: Nanos,
}

/// The feed as a tail folds it: little is kept for sending again.
pub(super) fn folding(options: &FeedOptions) -> FeedOptions {
    let rewind_messages = (4 * options.instruments.len() + 64).max(1 << 12);
    FeedOptions { rewind_messages, ..options.clone() }
}

impl Tail {
    pub(super) fn open(
        options: &OutletOptions,
        gate: Gate,
        hub: Arc<Hub>,
        asked: Receiver<Ask>,
    ) -> std::io::Result<Self> {
        let symbols: Vec<_> = options.instruments.iter().map(|of| of.symbol.0).collect();
        let reader = Reader::open(&options.events, 0).map_err(std::io::Error::other)?;
        Ok(Self {
            reader,
            waiting: None,
            state: FeedState::new(&folding(&options.feed)),
            places: options.instruments.iter().map(|of| of.id).collect(),
            books: Books::new(&symbols, ORDERS_MAX, LEVELS_MAX),
            gate,
            hub,
            asked,
            index: Arc::default(),
            events: 0,
            listed: BTreeMap::new(),
            dirty: BTreeMap::new(),
            tell_at: Nanos::ZERO,
            refresh_at: Nanos::ZERO,
        })
    }

    /// An instrument is listed, or otherwise.
    #[cold]
    fn list(&mut self, event: &Event) {
        if let Some(listed) = Instrument::of_event(event)
            && let Some(place) = self.places.iter().position(|id| *id == listed.id)
        {
            self.books.rename(place, listed.symbol.0);
            self.hub.rename(place, listed.symbol.0);
        }
    }

    pub(super) fn index(&self) -> Index {
        Arc::clone(&self.index)
    }

    /// Takes in what the gate has released, and tells the hub; says how many events.
    pub(super) fn step(&mut self, now: Nanos) -> Result<usize, JournalError> {
        let released = self.gate.released(now);
        let mut count = 0;
        while count < STEP_EVENTS {
            let event = match self.waiting.take() {
                Some(event) => event,
                None => match self.reader.read_event()? {
                    Some(event) => event,
                    None => break,
                },
            };
            if event.id.seq() > released {
                self.waiting = Some(event);
                break;
            }
            self.take(&event, now);
            count += 1;
        }
        // While there is more to catch up with, nobody is told of what is old.
        if count < STEP_EVENTS && now >= self.tell_at {
            self.tell_at = now.saturating_add(TELL_EVERY);
            self.tell(now);
        }
        if let Ok(first) = self.asked.try_recv() {
            let (session, packets) = (self.state.session(), Arc::new(self.snapshot()));
            let others = std::iter::from_fn(|| self.asked.try_recv().ok());
            for ask in std::iter::once(first).chain(others) {
                let _ = ask.send((session, Arc::clone(&packets)));
            }
        }
        Ok(count)
    }

    fn take(&mut self, event: &Event, now: Nanos) {
        if event.kind == EventKind::InstrumentSet.code() {
            self.list(event);
        }
        let entry =
            Entry { event: event.id, place: self.state.next_place(), days: *self.state.days() };
        self.state.apply(event);
        let begins = self.state.days().number != entry.days.number;
        if (begins || self.events.is_multiple_of(INDEX_EVERY))
            && let Ok(mut today) = self.index.lock()
        {
            // What is of another day is not given again.
            if begins {
                today.entries.clear();
            }
            today.entries.push(entry);
            today.days = *self.state.days();
        }
        self.events += 1;
        for place in entry.place..self.state.next_place() {
            let Some(bytes) = self.state.message(place) else { continue };
            let number = self.state.numbered(place).map_or(0, |message| message.number);
            let Ok(message) = Message::decode(bytes) else { continue };
            match message {
                Message::StockDirectory(of) => {
                    self.listed.entry(of.stock_locate).or_default()[0] = Some(message);
                }
                Message::StockTradingAction(of) => {
                    self.listed.entry(of.stock_locate).or_default()[1] = Some(message);
                }
                _ => {}
            }
            if let Ok(Some(book)) = self.books.apply_message(&message) {
                self.dirty.entry(book).or_insert(event.timestamp);
                let is_trade = matches!(
                    message,
                    Message::OrderExecuted(_)
                        | Message::OrderExecutedWithPrice(_)
                        | Message::Trade(_)
                );
                if is_trade && let Some(traded) = self.books.book(book) {
                    let last = traded.last;
                    self.hub.traded(book, Told { last, number, at: event.timestamp });
                }
            }
        }
        if self.state.next_place() > entry.place {
            self.hub.lag.folded(event.timestamp, now);
        }
    }

    /// Tells the hub of the books that changed, each once.
    fn tell(&mut self, now: Nanos) {
        let number = self.state.next_number() - 1;
        let is_refresh = now >= self.refresh_at;
        if is_refresh {
            self.refresh_at = now.saturating_add(REFRESH);
        }
        for (place, at) in std::mem::take(&mut self.dirty) {
            if let Some(book) = self.books.book(place) {
                self.hub.changed(place, View::of(book, number, at), now);
            }
        }
        if is_refresh {
            self.hub.refresh(now);
        }
    }

    /// A snapshot as packets: what is listed, then every order in its place in line, then the
    /// number of the first message after it.
    fn snapshot(&self) -> Vec<u8> {
        let mut packets = Vec::new();
        let mut push = |message: &Message| {
            let mut bytes = [0; Message::LENGTH_MAX];
            if let Some(length) = message.encode(&mut bytes) {
                Packet::Sequenced(&bytes[..length]).write(&mut packets);
            }
        };
        self.listed.values().flatten().flatten().for_each(&mut push);
        let locate = |place: usize| place as u16 + 1;
        for add in self.books.snapshot(locate) {
            push(&Message::AddOrder(add));
        }
        let end = snapshot_end(self.state.next_number());
        Packet::Sequenced(&end).write(&mut packets);
        Packet::EndOfSession.write(&mut packets);
        packets
    }
}

/// The sending end of snapshots' questions.
pub(super) type Asks = Sender<Ask>;

/// Orders in all books, and prices a side, that are followed.
const ORDERS_MAX: usize = 1 << 20;
const LEVELS_MAX: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::journal::{LogKind, Meaning, Opened, Progress, Settings, UtcMapping, open};
    use crate::model::{EventFlags, Group, Price, Quantity, SeqNo, Side, Symbol};
    use crate::outlet::frame::{Format, Frame};
    use crate::outlet::hub::Wants;
    use crate::stage::{Release, Rule};

    /// An order comes to rest, and half of it trades: in the event log.
    fn log(folder: &Path) -> Opened<Event> {
        let settings = Settings {
            segment_bytes: 64 * 1024,
            reserve_lines: 64,
            sync_interval: std::time::Duration::ZERO,
            ..Settings::default()
        };
        let mut log = open(folder, Meaning::default(), UtcMapping::default(), &settings).unwrap();
        let of = |seq, kind: EventKind, quantity, flags| Event {
            id: EventId::new(SeqNo(seq), 0),
            reference: SeqNo(1),
            instrument: InstrumentId(1),
            side: Side::Buy.code(),
            price: Price(1_000_000),
            quantity: Quantity(quantity),
            kind: kind.code(),
            flags,
            ..Event::default()
        };
        for event in [
            of(1, EventKind::Accepted, 100, EventFlags::RESTS),
            of(2, EventKind::Executed, 50, EventFlags::MAKER),
        ] {
            log.writer.append(&Group::new(event)).unwrap();
        }
        log.writer.commit();
        log.keeper.step(std::time::Duration::from_millis(1));
        log
    }

    fn options(events: std::path::PathBuf) -> OutletOptions {
        let instruments = vec![Instrument {
            id: InstrumentId(1),
            symbol: Symbol(*b"ACME    "),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(1),
        }];
        let feed = FeedOptions {
            address: "10.0.0.1:9200".parse().unwrap(),
            group: "239.1.1.1:9201".parse().unwrap(),
            group_b: None,
            packets_per_second: 0,
            session: *b"GATED00001",
            instruments: instruments.clone(),
            heartbeat: Nanos(1_000_000_000),
            rewind_messages: 1 << 10,
        };
        let (websocket, snapshots, rewinder, redis) = (None, None, None, None);
        OutletOptions { events, feed, instruments, websocket, snapshots, rewinder, redis }
    }

    #[test]
    fn nobody_is_told_before_the_gate_opens() {
        let folder = tempfile::tempdir().unwrap();
        let events = LogKind::Events.folder(folder.path());
        let _log = log(&events);
        let options = options(events);
        let release = Release::new(Arc::new(Progress::starting_at(1_000)), Rule::Shut);
        let release = Arc::new(release);
        let hub = Arc::new(Hub::new(&options.instruments));
        let client = hub.enter(Format::Json);
        hub.subscribe(&client, 0, Wants::ALL);
        let (asks, asked) = std::sync::mpsc::channel();
        let gate = Gate::Guarded(Arc::clone(&release));
        let mut tail = Tail::open(&options, gate, Arc::clone(&hub), asked).unwrap();
        let mut now = 0;
        // Shares at rest as clients, and as snapshots have them; trades told.
        let mut told = || {
            let (ask, mut answer) = tokio::sync::oneshot::channel();
            asks.send(ask).unwrap();
            for _ in 0..3 {
                now += 1_000_000_000;
                tail.step(Nanos(now)).unwrap();
            }
            let (_, packets) = answer.try_recv().unwrap();
            let adds = packets.windows(4).filter(|of| of[..3] == [0, 37, b'S'] && of[3] == b'A');
            let frames = hub.take(&client);
            let trades = frames.iter().filter(|of| matches!(of, Frame::Trade { .. })).count();
            (hub.view(0).bids.first().map(|level| level.shares), adds.count(), trades)
        };
        assert_eq!(told(), (None, 0, 0), "it is shut");
        release.set_rule(Rule::Replicated);
        release.confirm(SeqNo(1), SeqNo(0));
        assert_eq!(told(), (Some(100), 1, 0), "the fill is not on the standby");
        release.set_rule(Rule::SyncedReplicated);
        assert_eq!(told(), (Some(100), 1, 0));
        release.confirm(SeqNo(2), SeqNo(2));
        assert_eq!(told(), (Some(50), 1, 1));
    }
}
