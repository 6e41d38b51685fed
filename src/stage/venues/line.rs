//! One FIX session at a venue: its end of the line, its record, and who hears what the venue says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::journal::{Annex, Annexed};
use crate::link::Producer;
use crate::model::{CommandKind, Group, LINES_MAX, Nanos, Price, RejectCode, Request, SessionId};
use crate::port::stream::Stream;
use crate::runtime::Counters;
use crate::stage::venues::ring::Ring;
use crate::stage::venues::{LineSpec, VenueCounter};
use crate::wire::fix::message::Message;
use crate::wire::fix::session::{
    Application, Ending, Endpoint, Origin, Reply, Store, StoreError, Taken,
};
use crate::wire::fix::venue::{self, Name, Told};

/// The places that a venue's lines may have, in a mark's name.
const LINES_OF_A_VENUE: u64 = 0xf;

/// How often it is asked at most whether what was taken is in the journal.
const MARK_EVERY: Nanos = Nanos(100_000_000);

/// How long a line that is to be closed may take to swallow what was said.
const LAST_WORDS: Nanos = Nanos(2_000_000_000);

/// A session at a venue.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) spec: LineSpec,
    pub(super) endpoint: Endpoint<Box<dyn Store>>,
    stream: Option<Open>,
    /// Asks the dialer for a line.
    pub(super) is_wanted: Arc<AtomicBool>,
    pub(super) is_up: bool,
    mark: Mark,
    /// Its place among the venue's.
    place: u64,
    /// Messages of ours that it refused as messages.
    refused: Vec<u64>,
    /// Where its record is copied from, and its place there.
    annexed: Option<(Arc<Annex>, usize)>,
}

/// What follows the reports through the sequencer and comes back when it is in the journal, and so
/// are they: only then their numbers go on record. A crash before makes the venue say them again,
/// and history knows them.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// When the last one left.
    sent_at: Nanos,
    /// Its name; 0 while none is on its way.
    name: u64,
    /// The venue's next number as it was then, and which numbering that is of.
    next: u64,
    generation: u64,
}

struct Open {
    stream: Box<dyn Stream>,
    is_broken: bool,
    closing_since: Option<Nanos>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_broken { "broken" } else { "open" })
    }
}

/// What a line needs of its venue and stage, for one input.
pub(super) struct Hands<'a> {
    pub(super) destination: SessionId,
    pub(super) now: Nanos,
    pub(super) ring: &'a mut Ring,
    pub(super) requests: &'a mut Producer<Request>,
    pub(super) counters: &'a mut Counters<VenueCounter>,
}

impl Hands<'_> {
    /// Whether the sequencer's link takes some reports more.
    pub(super) fn has_room(&mut self) -> bool {
        self.requests.credits(4 * LINES_MAX) >= 4 * LINES_MAX
    }

    /// Reports to the sequencer; there is room.
    pub(super) fn report(&mut self, report: &Group<Request>) {
        self.ring.hear(&report.head.0);
        let sent = self.requests.push(report);
        debug_assert!(sent, "room was asked for");
        self.counters.count(VenueCounter::Reports);
    }

    pub(super) fn origin(&self, seq: u64) -> venue::Origin {
        venue::Origin { destination: self.destination, seq, received_at: self.now }
    }

    /// A message of ours asked in vain.
    fn refuse(&mut self, name: Name, code: RejectCode) {
        let origin = self.origin(0);
        match name {
            Name::Order(ordinal) => self.report(&origin.refused(ordinal, code)),
            Name::Cancel(number) => {
                let target = self.ring.get(number).map(|kept| kept.message.head.target);
                if let Some(target) = target {
                    self.report(&origin.cancel_refused(target, code));
                }
            }
        }
    }
}

/// Hears what the venue says.
struct Ear<'a, 'b> {
    hands: &'a mut Hands<'b>,
    is_up: &'a mut bool,
    refused: &'a mut Vec<u64>,
}

impl Application for Ear<'_, '_> {
    fn take(&mut self, message: &Message<'_>, origin: Origin, _: &mut dyn Reply) -> Taken {
        match venue::read(message, &self.hands.origin(origin.seq)) {
            Told::Report(report) => self.hands.report(&report),
            Told::CancelRefused(number) => {
                self.hands.refuse(Name::Cancel(number), RejectCode::DestinationRefused);
            }
            Told::MessageRefused(seq) => {
                // There is as much room as messages come at once; more are looked at in turn.
                if self.refused.len() < self.refused.capacity() {
                    self.refused.push(seq);
                }
            }
            Told::Nothing => {}
            Told::Foreign => self.hands.counters.count(VenueCounter::Foreign),
        }
        Taken::Done
    }

    fn has_room(&mut self) -> bool {
        self.hands.has_room() && self.refused.is_empty()
    }

    /// Its numbers go on record later, by [`Line::marked`].
    fn is_settled(&self) -> bool {
        false
    }

    fn up(&mut self, _generation: u64, _reply: &mut dyn Reply) {
        *self.is_up = true;
        self.hands.counters.count(VenueCounter::Logons);
    }

    fn down(&mut self, _ending: Ending) {
        *self.is_up = false;
    }
}

impl Line {
    pub(super) fn new(spec: LineSpec, place: usize, store: Box<dyn Store>) -> Self {
        Self {
            endpoint: Endpoint::new(spec.config.clone(), store),
            spec,
            stream: None,
            is_wanted: Arc::default(),
            is_up: false,
            mark: Mark::default(),
            place: place as u64 & LINES_OF_A_VENUE,
            refused: Vec::with_capacity(4),
            annexed: None,
        }
    }

    /// Goes on with the record of a machine that was primary.
    pub(super) fn inherit(&mut self, store: Box<dyn Store>) {
        self.endpoint = Endpoint::new(self.spec.config.clone(), store);
    }

    /// From here on its record is written by this hand, and copied.
    pub(super) fn hand_over(&mut self, hand: u64) -> Result<Option<Annexed>, StoreError> {
        let trail = self.endpoint.store_mut().hand_over(hand)?;
        Ok(trail.map(|trail| Annexed::new(trail.path, trail.hands, trail.reach)))
    }

    /// What is said waits until the record of it may be told of.
    pub(super) fn annex(&mut self, annex: Arc<Annex>, file: usize) {
        self.annexed = Some((annex, file));
    }

    /// The dialer has a line.
    pub(super) fn open(&mut self, stream: Box<dyn Stream>, hands: &mut Hands<'_>) {
        self.stream = Some(Open { stream, is_broken: false, closing_since: None });
        let Self { endpoint, is_up, refused, .. } = self;
        endpoint.connected(hands.now, &mut Ear { hands, is_up, refused });
    }

    /// Takes what came; how much there was to do.
    pub(super) fn receive(&mut self, room: &mut [u8], hands: &mut Hands<'_>) -> usize {
        let Self { endpoint, stream, is_up, refused, .. } = self;
        let Some(open) = stream else { return 0 };
        let ear = &mut Ear { hands, is_up, refused };
        if endpoint.is_behind() {
            endpoint.go_on(ear.hands.now, ear);
        }
        if endpoint.is_behind() || open.is_broken || endpoint.closing().is_some() {
            return 0;
        }
        match open.stream.receive(room) {
            Ok(0) => 0,
            Ok(count) => {
                endpoint.receive(room.get(..count).unwrap_or(&[]), ear.hands.now, ear);
                1
            }
            Err(_) => {
                open.is_broken = true;
                1
            }
        }
    }

    /// Says which messages were refused as messages: the record has what they asked.
    pub(super) fn tell_refused(&mut self, hands: &mut Hands<'_>) {
        while let Some(seq) = self.refused.pop() {
            let kept = self.endpoint.store_mut().get(seq);
            let name = kept.and_then(|kept| {
                let fields = kept.rest.split(|&byte| byte == 1);
                fields.filter_map(|field| field.strip_prefix(b"11=")).find_map(Name::read)
            });
            match name {
                Some(name) if hands.has_room() => {
                    hands.refuse(name, RejectCode::DestinationRefused);
                }
                _ => hands.counters.count(VenueCounter::Foreign),
            }
        }
    }

    /// Lets time pass, and asks whether what was taken is in the journal.
    pub(super) fn pass(&mut self, hands: &mut Hands<'_>) {
        let now = hands.now;
        let Self { endpoint, stream, is_up, refused, .. } = self;
        if stream.is_some() && endpoint.closing().is_none() {
            endpoint.tick(now, &mut Ear { hands, is_up, refused });
        }
        self.send_mark(hands);
        self.is_wanted.store(self.stream.is_none(), Ordering::Release);
    }

    /// Lets a mark follow what was taken, if something was and none is on its way.
    fn send_mark(&mut self, hands: &mut Hands<'_>) {
        let Self { endpoint, mark, .. } = &*self;
        let (next, store) = (endpoint.session().expected(), endpoint.store());
        let is_new = next > store.numbers().next_in;
        let is_early = hands.now.saturating_sub(mark.sent_at) < MARK_EVERY;
        if !is_new || mark.name != 0 || is_early || !hands.has_room() {
            return;
        }
        // Of one line no two leave at one time.
        let name = hands.now.0 & !LINES_OF_A_VENUE | self.place;
        let (store, mark) = (self.endpoint.store(), &mut self.mark);
        *mark = Mark { sent_at: hands.now, name, next, generation: store.generation() };
        let mut report = hands.origin(0).heard(CommandKind::AwayHeard, 0);
        report.head.0.price = Price(name as i64);
        hands.report(&report);
    }

    /// A mark is in the journal: if it is this line's, what came before it is too.
    pub(super) fn marked(&mut self, name: u64) {
        if self.mark.name != name {
            return;
        }
        let Mark { next, generation, .. } = self.mark;
        self.mark.name = 0;
        let store = self.endpoint.store_mut();
        if generation == store.generation() && next > store.numbers().next_in {
            // A record that fails says so when the next message is put there.
            let _ = store.expect(next);
        }
    }

    /// Puts on record and sends what there is to say.
    pub(super) fn settle(&mut self, hands: &mut Hands<'_>) {
        let Self { endpoint, stream, is_up, refused, annexed, .. } = self;
        if endpoint.settle().is_err() {
            hands.counters.count(VenueCounter::Unrecorded);
        }
        if let Some((annex, file)) = annexed {
            endpoint.clear(annex.may_be_told(*file));
        }
        let Some(open) = stream else { return };
        if !endpoint.outgoing().is_empty() && !open.is_broken {
            match open.stream.send(endpoint.outgoing()) {
                Ok(count) => endpoint.took(count),
                Err(_) => open.is_broken = true,
            }
        }
        if !open.is_broken && endpoint.closing().is_none() {
            return;
        }
        *is_up = false;
        let since = *open.closing_since.get_or_insert(hands.now);
        let is_said = endpoint.is_said();
        if open.is_broken || is_said || hands.now.saturating_sub(since) > LAST_WORDS {
            *stream = None;
            endpoint.disconnected(&mut Ear { hands, is_up, refused });
        }
    }

    /// Ends the session in good order.
    pub(super) fn log_out(&mut self, hands: &mut Hands<'_>) {
        let Self { endpoint, stream, is_up, refused, .. } = self;
        if stream.is_some() {
            endpoint.log_out(hands.now, &mut Ear { hands, is_up, refused });
        }
    }
}
