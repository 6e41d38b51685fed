//! What stands behind one FIX session: its orders, what was asked and not answered yet, and what
//! history knows of it. A client's number is on record only when all it asked for before is in the
//! journal, so that after a crash what is not there comes again.

use crate::link::Producer;
use crate::model::{
    AccountId, Command, CommandKind, Event, Group, InstrumentId, Nanos, Price, Request, Scope,
};
use crate::runtime::Counters;
use crate::snapshot::part;
use crate::stage::BURST;
use crate::stage::fix::{FixCounter, FixOptions, FixSpec, room_in};
use crate::stage::gateway::Symbols;
use crate::wire::fix::order::{
    Asked, Directory, ExecutionReport, Id, Orders, PartyRefusal, Said, Sender, decode,
};
use crate::wire::fix::session::{Application, Ending, Origin, Reply, Taken};
use crate::wire::fix::value::Precision;
use crate::wire::fix::{BusinessReject, Message, Refusal, SessionReject, Version, Writer, tag};

/// Messages a client may have on the way; more are not taken until some are answered.
const WINDOW: usize = 512;

/// The longest id of a question that is echoed.
const QUESTION_MAX: usize = 64;

/// When something happens, and under which circumstances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Nanos,
    /// The journal has only the room kept for cancels, or we stop.
    pub(super) refuses_orders: bool,
}

/// What a desk works with, for one input.
pub(super) struct Work<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) moment: Moment,
    pub(super) requests: &'a mut Producer<Request>,
    pub(super) counters: &'a mut Counters<FixCounter>,
    /// Messages that may be taken before others have their turn.
    pub(super) share: usize,
}

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    spec: FixSpec,
    pub(super) orders: Orders,
    /// When the last messages were received, by their numbers.
    received: Box<[(u32, Nanos)]>,
    /// Requests whose commands have not answered yet.
    unanswered: usize,
    /// The command that answered last.
    answered: u64,
    /// The numbering history knows, and the number after the last it knows in it.
    pub(super) generation: u64,
    pub(super) next_recorded: u64,
    /// The last event seen.
    pub(super) last_event: u64,
    /// Connected as far as history knows: a `SessionUp` without a `SessionDown`.
    pub(super) is_up: bool,
    /// Connected: orders may come.
    pub(super) is_on: bool,
    /// History must still be told that it is down.
    pub(super) owes_down: bool,
    pub(super) grace_ends: Option<Nanos>,
    pub(super) question: Option<Question>,
}
part!(
    Desk { orders, answered, generation, next_recorded, last_event, is_up }
    kept { spec, received, unanswered, is_on, owes_down, grace_ends, question }
);

/// A question about all orders, being answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    instrument: InstrumentId,
    id: [u8; QUESTION_MAX],
    id_length: usize,
    /// Orders up to this one are told.
    told: u32,
    total: u64,
}

/// Names as a session may use them.
pub(super) struct Names<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) spec: &'a FixSpec,
}

impl Directory for Names<'_> {
    #[inline]
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId> {
        let mut padded = [b' '; 8];
        padded.get_mut(..symbol.len())?.copy_from_slice(symbol);
        Some(self.symbols.id(padded)).filter(|id| id.0 != 0)
    }

    #[inline]
    fn symbol(&self, instrument: InstrumentId) -> [u8; 8] {
        self.symbols.name(instrument)
    }

    #[inline]
    fn account(&self, name: &[u8]) -> Option<AccountId> {
        let number = crate::wire::fix::value::number(name)?;
        let number =
            u32::try_from(number).ok().filter(|number| self.spec.accounts.contains(number))?;
        Some(AccountId(number))
    }

    fn party(&self, scope: Scope, name: &[u8], is_lift: bool) -> Result<u32, PartyRefusal> {
        let FixSpec { id, may_stop, .. } = self.spec;
        if is_lift && !may_stop.may_lift {
            return Err(PartyRefusal::NotAuthorized);
        }
        let number = || crate::wire::fix::value::number(name).and_then(|n| u32::try_from(n).ok());
        match scope {
            Scope::Session if may_stop.session => {
                number().filter(|number| *number == id.0).ok_or(PartyRefusal::Invalid)
            }
            Scope::Account if may_stop.accounts => {
                self.account(name).map(|account| account.0).ok_or(PartyRefusal::Invalid)
            }
            Scope::Firm if may_stop.firm => {
                let is_it = |(known, at): &&(String, u32)| {
                    known.as_bytes() == name || Some(*at) == number()
                };
                let firm = may_stop.firms.iter().find(is_it);
                firm.map(|(_, at)| *at).ok_or(PartyRefusal::Invalid)
            }
            _ => Err(PartyRefusal::NotAuthorized),
        }
    }

    fn destination(&self, name: &[u8]) -> Option<u32> {
        self.symbols.destination(name)
    }
}

impl Desk {
    pub(super) fn new(spec: &FixSpec, options: &FixOptions) -> Self {
        let version = spec.config.identity.version;
        Self {
            orders: Orders::new(version, options.orders, options.key),
            received: vec![(0, Nanos::ZERO); WINDOW].into(),
            unanswered: 0,
            answered: 0,
            generation: 0,
            next_recorded: 1,
            last_event: 0,
            is_up: false,
            is_on: false,
            owes_down: false,
            grace_ends: None,
            question: None,
            spec: spec.clone(),
        }
    }

    /// Who it is.
    pub(super) fn spec(&self) -> &FixSpec {
        &self.spec
    }

    fn version(&self) -> Version {
        self.spec.config.identity.version
    }

    /// Takes a command from the record.
    pub(super) fn restore(&mut self, group: &Group<Command>) {
        let command = &group.head;
        match command.kind() {
            Some(CommandKind::SessionUp) => {
                self.is_up = true;
                let generation = command.price.0 as u64;
                if generation != self.generation {
                    (self.generation, self.next_recorded) = (generation, 1);
                }
            }
            Some(CommandKind::SessionDown) => self.is_up = false,
            _ if command.client_seq != 0 => {
                self.next_recorded = u64::from(command.client_seq) + 1;
                self.orders.note(group, command);
            }
            _ => {}
        }
    }

    /// Whether all that was asked is on record.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.unanswered == 0
    }

    /// Notes that a command of ours is in the journal; when its message was received, the first
    /// time.
    #[inline]
    pub(super) fn answer(&mut self, event: &Event) -> Option<Nanos> {
        let seq = event.id.seq().0;
        self.last_event = event.id.0;
        if event.client_seq == 0 || seq == self.answered {
            return None;
        }
        self.answered = seq;
        self.unanswered = self.unanswered.saturating_sub(1);
        let (number, received_at) = *self.received.get(event.client_seq as usize % WINDOW)?;
        (number == event.client_seq).then_some(received_at)
    }

    fn ask(&mut self, group: &Group<Request>, work: &mut Work<'_>) {
        let head = &group.head.0;
        self.orders.note(group, head);
        if let Some(place) = self.received.get_mut(head.client_seq as usize % WINDOW) {
            *place = (head.client_seq, head.timestamp);
        }
        self.unanswered += 1;
        work.counters.count(FixCounter::Requests);
        let sent = work.requests.push(group);
        debug_assert!(sent, "nothing is taken without room for what it asks");
    }

    /// Says on record that the client is gone, if that is owed and there is room.
    pub(super) fn end_on_record(&mut self, work: &mut Work<'_>) {
        if self.owes_down {
            let mut request = Request::new(CommandKind::SessionDown, work.moment.now);
            request.0.session = self.spec.id;
            request.0.quantity.0 = u32::from(self.spec.cancel_on_disconnect);
            self.owes_down = !work.requests.push_head(&request);
            self.grace_ends = None;
        }
    }

    /// Writes a report.
    #[inline]
    pub(super) fn write(
        &self,
        report: &ExecutionReport,
        symbols: &Symbols,
        writer: &mut Writer<'_>,
    ) {
        let names = Names { symbols, spec: &self.spec };
        report.write(self.version(), &names, self.precision(), writer);
    }

    pub(super) fn precision(&self) -> Precision {
        self.spec.config.precision
    }
}

/// Where a message of a type goes that a closure writes.
pub(super) type Tell<'a> = dyn FnMut(&[u8], &mut dyn FnMut(&mut Writer<'_>)) + 'a;

/// A desk at work: the application of its session.
pub(super) struct Clerk<'a, 'b> {
    pub(super) desk: &'a mut Desk,
    pub(super) work: &'a mut Work<'b>,
}

impl Clerk<'_, '_> {
    fn read<'m>(&self, message: &Message<'m>, origin: Origin) -> Asked<'m> {
        let spec = &self.desk.spec;
        let sender = Sender {
            session: spec.id,
            default_account: spec.default_account(),
            self_trade: spec.self_trade,
            client_seq: origin.seq.min(u64::from(u32::MAX)) as u32,
            received_at: self.work.moment.now,
        };
        let names = Names { symbols: self.work.symbols, spec };
        decode(message, &sender, &names, &self.desk.orders)
    }

    fn tell_status(&mut self, id: &Id, request: &[u8], reply: &mut dyn Reply) -> Taken {
        let Self { desk, work } = self;
        work.counters.count(FixCounter::Answered);
        let report = desk.orders.status(id);
        let version = desk.version();
        let sent = reply.send(b"8", &mut |writer| {
            desk.write(&report, work.symbols, writer);
            if !request.is_empty() && version != Version::Fix42 {
                writer.bytes(tag::ORD_STATUS_REQ_ID, request);
            }
        });
        done(sent.is_ok())
    }

    #[cold]
    fn tell_not_acted(
        &mut self,
        said: &Said<'_>,
        refusal: PartyRefusal,
        origin: Origin,
        reply: &mut dyn Reply,
    ) -> Taken {
        let Self { desk, work } = self;
        work.counters.count(FixCounter::Refused);
        let when = (work.moment.now, desk.precision());
        let sent = reply.send(b"DI", &mut |writer| {
            said.write_refusal(refusal, origin.seq, when, writer);
        });
        done(sent.is_ok())
    }

    fn begin_question(&mut self, instrument: InstrumentId, request: &[u8]) -> Taken {
        let mut id = [0; QUESTION_MAX];
        let Some(place) = id.get_mut(..request.len()) else {
            let tag = tag::MASS_STATUS_REQ_ID;
            return Taken::Rejected(Refusal::of(SessionReject::ValueIncorrect, tag));
        };
        place.copy_from_slice(request);
        self.work.counters.count(FixCounter::Answered);
        let total = self.desk.orders.open(instrument).count() as u64;
        let id_length = request.len();
        self.desk.question = Some(Question { instrument, id, id_length, told: 0, total });
        Taken::Done
    }

    /// Tells of some more orders that were asked for.
    pub(super) fn answer_question(&mut self, tell: &mut Tell<'_>) {
        let Self { desk, work } = self;
        let Some(mut question) = desk.question.take() else { return };
        let id = question.id.get(..question.id_length).unwrap_or(&[]);
        let told = question.told;
        let later = desk.orders.open(question.instrument).filter(|o| o.ordinal > told);
        let mut later = later.peekable();
        for _ in 0..BURST {
            let order = later.next();
            let report = match order {
                Some(order) => desk.orders.status(&order.id),
                None if question.total == 0 => desk.orders.status(&Id::default()),
                None => return,
            };
            let is_last = later.peek().is_none();
            tell(b"8", &mut |writer| {
                desk.write(&report, work.symbols, writer);
                writer.bytes(tag::MASS_STATUS_REQ_ID, id);
                writer.number(tag::TOT_NUM_REPORTS, question.total);
                writer.flag(tag::LAST_RPT_REQUESTED, is_last);
            });
            question.told = order.map_or(u32::MAX, |order| order.ordinal);
            if is_last {
                return;
            }
        }
        drop(later);
        desk.question = Some(question);
    }
}

fn done(is_sent: bool) -> Taken {
    if is_sent { Taken::Done } else { Taken::Refused(BusinessReject::ApplicationNotAvailable) }
}

impl Application for Clerk<'_, '_> {
    #[inline]
    fn has_room(&mut self) -> bool {
        let Self { desk, work } = self;
        // While orders are refused, what was asked before is waited for: refusals are not in the
        // journal, and must not come again for want of what is.
        let waits = work.moment.refuses_orders && !desk.is_settled();
        let has_room = work.share > 0
            && desk.unanswered < WINDOW
            && !waits
            && desk.question.is_none()
            && room_in(work.requests) > 3;
        work.share -= usize::from(has_room);
        has_room
    }

    #[inline]
    fn is_settled(&self) -> bool {
        self.desk.is_settled()
    }

    #[inline]
    fn take(&mut self, message: &Message<'_>, origin: Origin, reply: &mut dyn Reply) -> Taken {
        if self.desk.spec.is_drop_copy {
            return Taken::Refused(BusinessReject::NotAuthorized);
        }
        let is_order = matches!(message.kind(), b"D" | b"G");
        if is_order && self.work.moment.refuses_orders {
            self.work.counters.count(FixCounter::Refused);
            return Taken::Refused(BusinessReject::ApplicationNotAvailable);
        }
        if is_order
            && origin.possible_resend
            && let Some(id) = message.get(tag::CL_ORD_ID).and_then(Id::new)
            && self.desk.orders.find(&id).is_some()
        {
            // It came before under another number: it is told where it is, not asked again.
            return self.tell_status(&id, b"", reply);
        }
        match self.read(message, origin) {
            Asked::Request(group) => {
                self.desk.ask(&group, self.work);
                Taken::Done
            }
            Asked::Status(id, request) => self.tell_status(&id, request, reply),
            Asked::MassStatus(instrument, request) => self.begin_question(instrument, request),
            Asked::NotActed(said, refusal) => self.tell_not_acted(&said, refusal, origin, reply),
            Asked::Rejected(refusal) => Taken::Rejected(refusal),
            Asked::Refused(reason) => Taken::Refused(reason),
        }
    }

    #[cold]
    fn up(&mut self, generation: u64, _reply: &mut dyn Reply) {
        let Self { desk, work } = self;
        // The end of the line before goes on record before the new one.
        desk.end_on_record(work);
        let mut request = Request::new(CommandKind::SessionUp, work.moment.now);
        request.0.session = desk.spec.id;
        request.0.price = Price(generation as i64);
        let sent = work.requests.push_head(&request);
        debug_assert!(sent, "nothing is taken without room for what it asks");
        (desk.is_on, desk.grace_ends) = (true, None);
        work.counters.count(FixCounter::Logons);
    }

    #[cold]
    fn down(&mut self, _ending: Ending) {
        let Self { desk, work } = self;
        desk.question = None;
        if std::mem::take(&mut desk.is_on) {
            desk.owes_down = true;
            work.counters.count(FixCounter::Ended);
        }
    }
}
