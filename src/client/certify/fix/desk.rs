//! What stands behind the session of a FIX course: orders are read, checked and answered as a
//! gateway would, without a market.

use crate::client::certify::Progress;
use crate::client::certify::fix::look;
use crate::client::certify::fix::steps::{ends_with_an_order, is_asked_for, may_trade, rests};
use crate::client::certify::fix::wrong::{Known, refused};
use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventId, EventKind, Group,
    InstrumentId, Nanos, OrderType, Price, Quantity, RejectCode, Request, Scope, SelfTrade, SeqNo,
    SessionId, TimeInForce,
};
use crate::wire::fix::order::{
    Asked, Directory, ExecutionReport, Id, Order, Orders, PartyRefusal, Said, Sender, decode,
};
use crate::wire::fix::session::{Application, Origin, Reply, Taken};
use crate::wire::fix::value::Precision;
use crate::wire::fix::{BusinessReject, Message, Refusal, SessionReject, Version, Writer, tag};

/// Orders that are remembered.
const ORDERS: usize = 1024;

/// What an order without a price trades at.
const MARKET: Price = Price(300_0000);

/// The one instrument there is.
const INSTRUMENT: InstrumentId = InstrumentId(1);

/// Names and numbers: any account, one instrument, whoever is to be stopped.
#[derive(Clone, Copy, Debug)]
struct Names([u8; 8]);

impl Directory for Names {
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId> {
        (symbol == self.0.trim_ascii_end()).then_some(INSTRUMENT)
    }

    fn symbol(&self, instrument: InstrumentId) -> [u8; 8] {
        if instrument == INSTRUMENT { self.0 } else { [b' '; 8] }
    }

    fn account(&self, name: &[u8]) -> Option<AccountId> {
        std::str::from_utf8(name).ok()?.parse().ok().map(AccountId)
    }

    fn party(&self, _: Scope, name: &[u8], _: bool) -> Result<u32, PartyRefusal> {
        let number = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        Ok(number.unwrap_or(1))
    }
}

/// The desk.
pub(super) struct Desk {
    pub(super) progress: Progress,
    pub(super) now: Nanos,
    /// The message of ours that is lost on its way.
    pub(super) lost: Option<u64>,
    version: Version,
    names: Names,
    orders: Orders,
    /// Commands so far.
    seq: u64,
    /// A step of two parts has had its first.
    is_halfway: bool,
}

impl Desk {
    pub(super) fn new(version: Version, symbol: [u8; 8], progress: Progress) -> Self {
        Self {
            progress,
            now: Nanos::ZERO,
            lost: None,
            version,
            names: Names(symbol),
            orders: Orders::new(version, ORDERS, 0),
            seq: 0,
            is_halfway: false,
        }
    }

    /// An order that is open.
    pub(super) fn open_order(&self) -> Option<Order> {
        self.orders.open(InstrumentId(0)).next().copied()
    }

    /// The ClOrdIDs of those that are open.
    fn open_names(&self) -> String {
        let open = self.orders.open(InstrumentId(0));
        let names: Vec<_> = open.map(|order| order.id.bytes().escape_ascii().to_string()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Takes an order away though nobody asked, and says so.
    pub(super) fn take_away(&mut self, order: &Order, reply: &mut dyn Reply) -> Option<u64> {
        let gone = self.cancelled(order, 0, CancelReason::Supervisory);
        self.tell(gone, reply)
    }

    /// Says what the client is told of an event; the message's number.
    fn tell(&mut self, event: Event, reply: &mut dyn Reply) -> Option<u64> {
        let report = self.orders.apply(&event)?;
        let sent = reply.send(report.kind(), &mut |writer| {
            report.write(self.version, &self.names, Precision::Millis, writer);
        });
        sent.ok()
    }

    fn explain(&mut self, code: RejectCode, message: &Message<'_>) {
        let (open, names) = (self.open_names(), self.names);
        let symbol = String::from_utf8_lossy(names.0.trim_ascii_end());
        let dictionary = self.version.dictionary();
        let known = Known { dictionary, symbol: &symbol, open: &open };
        self.progress.mistake(refused(code, message, &known));
    }

    /// The step this was is done; or it was another that was asked for.
    fn finish(&mut self, step: &str, message: &Message<'_>) {
        if self.progress.done(step) {
            self.is_halfway = false;
        } else if !may_trade(self.progress.name()) {
            self.unasked(message);
        }
    }

    fn unasked(&mut self, message: &Message<'_>) {
        let kind = message.kind();
        let name = self.version.dictionary().message_name(kind).unwrap_or("a message");
        let (kind, asks) = (kind.escape_ascii(), self.progress.asks());
        self.progress.mistake(format!("{name} ({kind}) came; this was asked for: {asks}"));
    }

    fn request(&mut self, group: &Group<Request>, message: &Message<'_>, reply: &mut dyn Reply) {
        self.seq += 1;
        let command = group.head.sequenced(SeqNo(self.seq), self.now);
        self.orders.note(group, &command);
        let refusal = command.refused().or_else(|| self.refusal(&command, group));
        if let Some(code) = refusal {
            self.explain(code, message);
            let kind = match command.kind() {
                Some(CommandKind::Cancel) => EventKind::CancelRejected,
                _ => EventKind::Rejected,
            };
            self.refuse(&command, kind, code, reply);
            return;
        }
        match command.kind() {
            Some(CommandKind::Enter) => self.enter(&command, group, message, reply),
            Some(CommandKind::Replace) => self.replace(&command, message, reply),
            Some(CommandKind::Cancel) => self.cancel(&command, message, reply),
            Some(CommandKind::MassCancel) => self.mass_cancel(&command, message, reply),
            Some(CommandKind::Kill) => {
                self.tell(Event::answering(&command, 0, EventKind::Killed), reply);
                self.finish("stop trading", message);
            }
            Some(CommandKind::Revive) => {
                self.tell(Event::answering(&command, 0, EventKind::Revived), reply);
                self.finish("go on", message);
            }
            _ => {}
        }
    }

    /// What is wrong with a request that could be read, as risk and matching would find.
    fn refusal(&self, command: &Command, group: &Group<Request>) -> Option<RejectCode> {
        let is_order = matches!(command.kind()?, CommandKind::Enter | CommandKind::Replace);
        if is_order {
            let needs_price =
                matches!(command.order_type(), Some(OrderType::Limit | OrderType::StopLimit));
            let terms = group.terms().copied().unwrap_or_default();
            if command.quantity.0 == 0 {
                return Some(RejectCode::InvalidQuantity);
            }
            if command.price.0 < 0 || (needs_price && command.price.0 == 0) {
                return Some(RejectCode::InvalidPrice);
            }
            let expires = command.time_in_force() == Some(TimeInForce::Gtd);
            if expires && terms.expires_at <= self.now.0 {
                return Some(RejectCode::ExpiryTime);
            }
        }
        let is_change = matches!(command.kind()?, CommandKind::Cancel | CommandKind::Replace);
        let target = self.orders.get(command.target);
        if is_change && !target.is_some_and(Order::is_open) {
            return Some(RejectCode::UnknownOrder);
        }
        let executed = target.filter(|_| is_order).map_or(0, |order| order.executed);
        let is_less = command.kind()? == CommandKind::Replace && command.quantity.0 <= executed;
        is_less.then_some(RejectCode::InvalidQuantity)
    }

    fn refuse(
        &mut self,
        command: &Command,
        kind: EventKind,
        code: RejectCode,
        reply: &mut dyn Reply,
    ) {
        let event = Event { reason: code.code(), ..Event::answering(command, 0, kind) };
        self.tell(event, reply);
    }

    fn enter(
        &mut self,
        command: &Command,
        group: &Group<Request>,
        message: &Message<'_>,
        reply: &mut dyn Reply,
    ) {
        let step = self.progress.name();
        if step == "refused" {
            self.refuse(command, EventKind::Rejected, RejectCode::PriceCollar, reply);
            return self.finish(step, message);
        }
        let number = self.tell(Event::answering(command, 0, EventKind::Accepted), reply);
        let is_asked = is_asked_for(step, command, group.terms());
        self.trade(command, step, reply);
        match step {
            _ if !is_asked || !may_trade(step) => self.unasked(message),
            // The cancel, or what shows that the loss was seen, is still to come.
            "too late" => self.is_halfway = true,
            "gap" => self.lost = self.lost.or(number),
            _ if ends_with_an_order(step) => self.finish(step, message),
            _ => {}
        }
    }

    /// What becomes of an order at once.
    fn trade(&mut self, command: &Command, step: &str, reply: &mut dyn Reply) {
        let half = Quantity(command.quantity.0 / 2);
        match command.time_in_force() {
            _ if step == "limit" && rests(command) && half.0 > 0 => {
                self.execute(command, half, reply);
            }
            _ if rests(command) => {}
            Some(TimeInForce::Ioc) if command.order_type() != Some(OrderType::Market) => {
                if let Some(order) = self.orders.get(command.ordinal).copied() {
                    let rest = self.cancelled(&order, 0, CancelReason::Immediate);
                    self.tell(rest, reply);
                }
            }
            _ => self.execute(command, command.quantity, reply),
        }
    }

    fn execute(&mut self, command: &Command, quantity: Quantity, reply: &mut dyn Reply) {
        self.seq += 1;
        let price = if command.price.0 > 0 { command.price } else { MARKET };
        let event = Event {
            quantity,
            price,
            client_seq: 0,
            ..Event::answering(command, 0, EventKind::Executed)
        };
        let id = EventId::new(SeqNo(self.seq), 0);
        self.tell(Event { id, ..event }, reply);
    }

    fn replace(&mut self, command: &Command, message: &Message<'_>, reply: &mut dyn Reply) {
        let executed = self.orders.get(command.target).map_or(0, |order| order.executed);
        let left = Quantity(command.quantity.0.saturating_sub(executed));
        let event = Event::answering(command, 0, EventKind::Replaced);
        self.tell(Event { quantity: left, ..event }, reply);
        self.finish("replace", message);
    }

    fn cancel(&mut self, command: &Command, message: &Message<'_>, reply: &mut dyn Reply) {
        let Some(order) = self.orders.get(command.target).copied() else { return };
        if self.progress.name() == "too late" && self.is_halfway {
            let entered = Command {
                ordinal: order.ordinal,
                side: order.side,
                price: order.price,
                ..*command
            };
            self.execute(&entered, Quantity(order.leaves()), reply);
            let code = RejectCode::UnknownOrder;
            self.refuse(command, EventKind::CancelRejected, code, reply);
            return self.finish("too late", message);
        }
        let gone = self.cancelled(&order, command.client_seq, CancelReason::User);
        self.tell(gone, reply);
        self.finish("cancel", message);
    }

    fn mass_cancel(&mut self, command: &Command, message: &Message<'_>, reply: &mut dyn Reply) {
        self.tell(Event::answering(command, 0, EventKind::MassCancelled), reply);
        let open: Vec<_> = self.orders.open(InstrumentId(0)).copied().collect();
        for order in open {
            let gone = self.cancelled(&order, 0, CancelReason::MassCancel);
            self.tell(gone, reply);
        }
        self.finish("mass cancel", message);
    }

    /// All that is left of an order is taken away.
    fn cancelled(&mut self, order: &Order, client_seq: u32, reason: CancelReason) -> Event {
        self.seq += 1;
        Event {
            id: EventId::new(SeqNo(self.seq), 0),
            timestamp: self.now,
            price: order.price,
            reference: SeqNo(order.reference),
            ordinal: order.ordinal,
            client_seq,
            instrument: order.instrument,
            account: order.account,
            quantity: Quantity(order.leaves()),
            kind: EventKind::Cancelled.code(),
            side: order.side,
            reason: reason.code(),
            flags: EventFlags::DONE,
            ..Event::default()
        }
    }

    fn status(&mut self, (id, request): (Id, &[u8]), message: &Message<'_>, reply: &mut dyn Reply) {
        let is_known = self.orders.find(&id).is_some();
        let report = self.orders.status(&id);
        let echoes = self.version != Version::Fix42 && !request.is_empty();
        self.report(&report, reply, &|writer| {
            if echoes {
                writer.bytes(tag::ORD_STATUS_REQ_ID, request);
            }
        });
        if is_known {
            return self.finish("status", message);
        }
        let name = id.bytes().escape_ascii();
        let open = self.open_names();
        self.progress.mistake(format!(
            "ClOrdID (11) is `{name}`: no order of the session is called so; open are: {open}"
        ));
    }

    fn mass_status(&mut self, request: &[u8], message: &Message<'_>, reply: &mut dyn Reply) {
        let open: Vec<_> = self.orders.open(InstrumentId(0)).map(|order| order.id).collect();
        let total = open.len() as u64;
        let asked = if open.is_empty() { vec![Id::default()] } else { open };
        for (place, id) in asked.iter().enumerate() {
            let report = self.orders.status(id);
            self.report(&report, reply, &|writer| {
                writer.bytes(tag::MASS_STATUS_REQ_ID, request);
                writer.number(tag::TOT_NUM_REPORTS, total);
                writer.flag(tag::LAST_RPT_REQUESTED, place + 1 == asked.len());
            });
        }
        self.finish("mass status", message);
    }

    /// A status, with what more its question asks for.
    fn report(
        &self,
        report: &ExecutionReport,
        reply: &mut dyn Reply,
        more: &dyn Fn(&mut Writer<'_>),
    ) {
        // A memory that fails is no matter of the client.
        let _ = reply.send(b"8", &mut |writer| {
            report.write(self.version, &self.names, Precision::Millis, writer);
            more(writer);
        });
    }

    fn not_acted(
        &mut self,
        (said, refusal): (&Said<'_>, PartyRefusal),
        origin: Origin,
        reply: &mut dyn Reply,
    ) {
        let when = (self.now, Precision::Millis);
        // The answer says what is wrong; so does the course.
        let _ = reply.send(b"DI", &mut |writer| {
            said.write_refusal(refusal, origin.seq, when, writer);
        });
        self.progress.mistake(format!("the party action is refused: {}", refusal.sentence()));
    }
}

impl Application for Desk {
    fn take(&mut self, message: &Message<'_>, origin: Origin, reply: &mut dyn Reply) -> Taken {
        let step = self.progress.name();
        if message.kind() == b"D"
            && matches!(step, "reject" | "business reject")
            && !self.is_halfway
        {
            self.is_halfway = true;
            return match step {
                "reject" => Taken::Rejected(Refusal::whole(SessionReject::Other)),
                _ => Taken::Refused(BusinessReject::ApplicationNotAvailable),
            };
        }
        let sender = Sender {
            session: SessionId(1),
            default_account: AccountId(1),
            self_trade: SelfTrade::Allow,
            client_seq: u32::try_from(origin.seq).unwrap_or(u32::MAX),
            received_at: self.now,
        };
        let again = message.get(tag::CL_ORD_ID).and_then(Id::new);
        let again = again.filter(|id| origin.possible_resend && self.orders.find(id).is_some());
        if let Some(id) = again.filter(|_| matches!(message.kind(), b"D" | b"G")) {
            // It came before under another number: it is told where it is, not asked again.
            self.report(&self.orders.status(&id), reply, &|_| ());
            return Taken::Done;
        }
        match decode(message, &sender, &self.names, &self.orders) {
            Asked::Request(group) => self.request(&group, message, reply),
            Asked::Status(id, request) => self.status((id, request), message, reply),
            Asked::MassStatus(_, request) => self.mass_status(request, message, reply),
            Asked::NotActed(said, refusal) => self.not_acted((&said, refusal), origin, reply),
            Asked::Rejected(refusal) => {
                let what = look::refused(message, refusal, self.version.dictionary());
                self.progress.mistake(what);
                return Taken::Rejected(refusal);
            }
            Asked::Refused(reason) => {
                self.progress.mistake(look::not_for_us(message, reason));
                return Taken::Refused(reason);
            }
        }
        Taken::Done
    }
}
