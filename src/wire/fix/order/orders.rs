//! The orders of a session, by number and by ClOrdID: a fold over its commands and events, so a
//! replay rebuilds it.

use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Group, Head, InstrumentId,
    RejectCode, Scope, TradingState,
};
use crate::snapshot::{Bad, Part, Source, part};
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::order::chain::{Id, Order, Stage};
use crate::wire::fix::order::codes;
use crate::wire::fix::order::party::PartyActionReport;
use crate::wire::fix::order::report::{
    CancelReject, ExecutionReport, MassCancelReport, OrderReport,
};

/// A request that has not been answered: its own ClOrdID, and the order it is about.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    client_seq: u32,
    kind: u8,
    /// The state that a kill asks for.
    state: u8,
    id: Id,
    target: u32,
}
part!(Pending { client_seq, kind, state, id, target });

/// Requests that are remembered until they are answered, a power of two: twice as many as a client
/// may have on the way, for not every number of a client's asks for something.
const PENDING: usize = 1024;

/// The orders. Finished ones are known until their room is needed.
#[derive(Clone, Debug)]
pub struct Orders {
    version: Version,
    slots: Box<[Order]>,
    /// ClOrdID to order number, open addressing; 0 is free.
    index: Box<[u32]>,
    key: u64,
    pending: Box<[Pending]>,
    /// What the order was called that each of those is about: it may make way before the answer.
    originals: Box<[Id]>,
    next: u32,
}

/// With which orders are found by their ClOrdIDs, not where: that depends on a key.
impl Part for Orders {
    fn write(&self, to: &mut Vec<u8>) {
        // Snapshots are taken at rest, when there is no answer to come.
        let Self { version: _, slots, index, key: _, pending, originals: _, next } = self;
        slots.write(to);
        pending.write(to);
        next.write(to);
        let mut found: Vec<u32> = index.iter().copied().filter(|ordinal| *ordinal != 0).collect();
        found.sort_unstable();
        found.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.slots.read(from).map_err(|bad| bad.at("slots"))?;
        self.pending.read(from).map_err(|bad| bad.at("pending"))?;
        self.next.read(from).map_err(|bad| bad.at("next"))?;
        self.index.fill(0);
        for _ in 0..from.count(self.slots.len()).map_err(|bad| bad.at("index"))? {
            let ordinal = from.value::<u32>()?;
            let id = self.get(ordinal).map(|order| order.id);
            let id = id.ok_or(Bad::new("an order that is not there").at("index"))?;
            self.add_to_index(&id, ordinal);
        }
        Ok(())
    }
}

impl Orders {
    /// Room for so many orders, a power of two or rounded up to one; `key` is hard to guess.
    pub fn new(version: Version, orders: usize, key: u64) -> Self {
        let orders = orders.next_power_of_two();
        Self {
            version,
            slots: vec![Order::default(); orders].into(),
            index: vec![0; orders * 2].into(),
            key,
            pending: vec![Pending::default(); PENDING].into(),
            originals: vec![Id::default(); PENDING].into(),
            next: 1,
        }
    }

    /// The number the next order gets.
    #[inline]
    pub fn next_ordinal(&self) -> u32 {
        self.next
    }

    /// Whether the next order has room: the order that would make way is finished, and no answer
    /// is about it.
    #[inline]
    pub fn has_room(&self) -> bool {
        let old = self.slots.get(self.slot(self.next));
        old.is_some_and(|old| old.ordinal == 0 || !old.is_open() && old.replacement == 0)
    }

    #[inline]
    fn slot(&self, ordinal: u32) -> usize {
        ordinal as usize & (self.slots.len() - 1)
    }

    /// The order of a number.
    #[inline]
    pub fn get(&self, ordinal: u32) -> Option<&Order> {
        let order = self.slots.get(self.slot(ordinal))?;
        (order.ordinal == ordinal && ordinal != 0).then_some(order)
    }

    #[inline]
    fn get_mut(&mut self, ordinal: u32) -> Option<&mut Order> {
        let slot = self.slot(ordinal);
        let order = self.slots.get_mut(slot)?;
        (order.ordinal == ordinal && ordinal != 0).then_some(order)
    }

    /// The order of a ClOrdID.
    #[inline]
    pub fn find(&self, id: &Id) -> Option<&Order> {
        let mask = self.index.len() - 1;
        let mut at = id.spread(self.key) as usize & mask;
        loop {
            match self.index.get(at).copied() {
                None | Some(0) => return None,
                Some(ordinal) => {
                    if let Some(order) = self.get(ordinal).filter(|order| order.id == *id) {
                        return Some(order);
                    }
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn add_to_index(&mut self, id: &Id, ordinal: u32) {
        let mask = self.index.len() - 1;
        let mut at = id.spread(self.key) as usize & mask;
        while self.index.get(at).is_some_and(|&taken| taken != 0) {
            at = (at + 1) & mask;
        }
        if let Some(place) = self.index.get_mut(at) {
            *place = ordinal;
        }
    }

    /// Takes an order out of the index and closes the gap, so that no search ends too early.
    fn take_from_index(&mut self, gone: &Order) {
        let mask = self.index.len() - 1;
        let mut at = gone.id.spread(self.key) as usize & mask;
        while self.index.get(at).is_some_and(|&found| found != gone.ordinal && found != 0) {
            at = (at + 1) & mask;
        }
        let mut next = (at + 1) & mask;
        while let Some(ordinal) = self.index.get(next).copied().filter(|&ordinal| ordinal != 0) {
            let home = self.get(ordinal).map_or(next, |o| o.id.spread(self.key) as usize & mask);
            // It may move back only as far as its own place.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(at) & mask) {
                if let Some(place) = self.index.get_mut(at) {
                    *place = ordinal;
                }
                at = next;
            }
            next = (next + 1) & mask;
        }
        if let Some(place) = self.index.get_mut(at) {
            *place = 0;
        }
    }

    /// Notes a request on its way in, or a command that a replay brings.
    #[inline]
    pub fn note<H: Head>(&mut self, group: &Group<H>, command: &Command) {
        let id = Id(group.text().map_or([0; 32], |text| text.client_order_id));
        let target = command.target;
        // Before another order may take its place.
        let original = self.get(target).map(|order| order.id).unwrap_or_default();
        match command.kind() {
            Some(CommandKind::Enter) => self.add(command, id, 0),
            Some(CommandKind::Replace) => self.add(command, id, target),
            Some(CommandKind::Cancel | CommandKind::MassCancel) => {}
            Some(CommandKind::Kill | CommandKind::Revive) if command.client_seq != 0 => {}
            _ => return,
        }
        let at = command.client_seq as usize & (self.pending.len() - 1);
        if let (Some(place), Some(name)) = (self.pending.get_mut(at), self.originals.get_mut(at)) {
            let Command { client_seq, kind, order_type: state, .. } = *command;
            *place = Pending { client_seq, kind, state, id, target };
            *name = original;
        }
    }

    /// A new order; one whose ClOrdID is known already does not take its place in the index.
    fn add(&mut self, command: &Command, id: Id, target: u32) {
        let slot = self.slot(command.ordinal);
        let Some(old) = self.slots.get(slot).copied() else { return };
        if !self.has_room() && command.ordinal == self.next {
            // It was refused for want of room: the open order stays.
            self.next += 1;
            return;
        }
        if old.ordinal != 0 {
            self.take_from_index(&old);
        }
        let is_new = self.find(&id).is_none();
        let before = self.get(target).copied().unwrap_or_default();
        let order = Order {
            ordinal: command.ordinal,
            id,
            reference: before.reference,
            total: command.quantity.0,
            executed: before.executed,
            notional: before.notional,
            price: command.price,
            stage: Stage::Pending,
            side: command.side,
            order_type: command.order_type,
            instrument: command.instrument,
            account: command.account,
            cancel: Id::default(),
            replacement: 0,
            is_in_doubt: false,
        };
        if let Some(place) = self.slots.get_mut(slot) {
            *place = order;
        }
        if is_new {
            self.add_to_index(&id, command.ordinal);
        }
        self.next = self.next.max(command.ordinal.wrapping_add(1));
    }

    /// What was asked under a number, if it is still known.
    #[inline]
    fn asked(&self, client_seq: u32) -> Option<&Pending> {
        let asked = self.pending.get(client_seq as usize & (self.pending.len() - 1))?;
        (asked.client_seq == client_seq && client_seq != 0).then_some(asked)
    }

    /// Applies an event and says what the client is told by it, if by anything.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Option<OrderReport> {
        match event.kind().ok()? {
            EventKind::Accepted => {
                let order = self.get_mut(event.ordinal)?;
                (order.stage, order.reference) = (Stage::Open, event.reference.0);
                (order.price, order.total) = (event.price, order.executed + event.quantity.0);
                Some(self.report(event, event.ordinal, b'0'))
            }
            EventKind::Executed => self.executed(event),
            EventKind::Replaced => self.replaced(event),
            EventKind::Cancelled => self.cancelled(event),
            EventKind::Modified => {
                let order = self.get_mut(event.ordinal)?;
                order.total = order.executed.saturating_add(event.quantity.0);
                Some(self.report(event, event.ordinal, b'D'))
            }
            EventKind::Rejected => self.rejected(event),
            EventKind::CancelRejected => Some(self.cancel_rejected(event, b'1')),
            EventKind::MassCancelled => Some(self.mass_cancelled(event, None)),
            EventKind::Killed | EventKind::Revived => self.acted(event, None),
            EventKind::Routed => self.routed(event),
            EventKind::Busted => self.traded_otherwise(event, b'H'),
            EventKind::Corrected => self.traded_otherwise(event, b'G'),
            EventKind::InDoubt => self.doubted(event, true),
            EventKind::Confirmed => self.doubted(event, false),
            _ => None,
        }
    }

    /// Where an order is is not known, or is known again: its client is told where it was.
    #[cold]
    fn doubted(&mut self, event: &Event, is_in_doubt: bool) -> Option<OrderReport> {
        let order = self.get_mut(event.ordinal)?;
        order.is_in_doubt = is_in_doubt;
        let report = ExecutionReport::of(order).as_status(self.version);
        let text = codes::doubt_text(is_in_doubt);
        Some(OrderReport::Execution(ExecutionReport { text, time: event.timestamp, ..report }))
    }

    /// What the order was called that was asked about.
    fn original(&self, client_seq: u32) -> Id {
        let at = client_seq as usize & (self.originals.len() - 1);
        self.originals.get(at).copied().unwrap_or_default()
    }

    /// What was asked was sent on: it is answered when the destination has spoken.
    #[cold]
    fn routed(&mut self, event: &Event) -> Option<OrderReport> {
        let asked = *self.asked(event.client_seq)?;
        let pending = match CommandKind::from_code(event.reason)? {
            CommandKind::Enter => return Some(self.report(event, event.ordinal, b'A')),
            CommandKind::Replace => b'E',
            _ => b'6',
        };
        let order = match pending {
            b'E' => asked.target,
            _ => event.ordinal,
        };
        match self.get_mut(order)? {
            old if pending == b'E' => old.replacement = event.ordinal,
            asked_of => asked_of.cancel = asked.id,
        }
        let mut report = self.execution(event, order, pending);
        (report.original_id, report.id, report.status) = (report.id, asked.id, pending);
        Some(OrderReport::Execution(report))
    }

    /// What an event about an order answers, if anything. A late one answers the cancel that is
    /// with its order, which is let go.
    #[inline]
    fn answered(&mut self, event: &Event) -> Option<Pending> {
        if event.client_seq != 0 {
            return self.asked(event.client_seq).copied();
        }
        let order = self.get_mut(event.ordinal).filter(|order| order.cancel != Id::default())?;
        let (id, kind) = (std::mem::take(&mut order.cancel), CommandKind::Cancel.code());
        Some(Pending { kind, id, target: event.ordinal, ..Pending::default() })
    }

    /// A trade is undone, or was another.
    #[cold]
    fn traded_otherwise(&mut self, event: &Event, exec_type: u8) -> Option<OrderReport> {
        let told = self.get_mut(event.ordinal)?.traded_otherwise(event, exec_type);
        let mut report = self.execution(event, event.ordinal, exec_type);
        report.exec_ref_id = told;
        report.last = Some((event.quantity.0, event.price));
        Some(OrderReport::Execution(report))
    }

    #[inline]
    fn executed(&mut self, event: &Event) -> Option<OrderReport> {
        let version = self.version;
        let order = self.get_mut(event.ordinal)?;
        order.executed = order.executed.saturating_add(event.quantity.0);
        order.notional += i128::from(event.price.0) * i128::from(event.quantity.0);
        if order.executed >= order.total {
            order.stage = Stage::Filled;
        }
        let exec_type = match (version, order.stage) {
            (Version::Fix42, Stage::Filled) => b'2',
            (Version::Fix42, _) => b'1',
            _ => b'F',
        };
        let mut report = self.execution(event, event.ordinal, exec_type);
        report.last = Some((event.quantity.0, event.price));
        report.maker = Some(event.flags.has(EventFlags::MAKER));
        Some(OrderReport::Execution(report))
    }

    fn replaced(&mut self, event: &Event) -> Option<OrderReport> {
        let old = *self.get(event.target)?;
        if let Some(old) = self.get_mut(event.target) {
            (old.stage, old.replacement) = (Stage::Replaced, 0);
        }
        let new = self.get_mut(event.ordinal)?;
        (new.executed, new.notional, new.reference) = (old.executed, old.notional, old.reference);
        (new.stage, new.price) = (Stage::Open, event.price);
        new.total = new.executed.saturating_add(event.quantity.0);
        let mut report = self.execution(event, event.ordinal, b'5');
        report.original_id = old.id;
        // Only the oldest version has a status for it, and only while nothing has traded.
        if self.version == Version::Fix42 && report.status == b'0' {
            report.status = b'5';
        }
        Some(OrderReport::Execution(report))
    }

    fn cancelled(&mut self, event: &Event) -> Option<OrderReport> {
        let reason = event.cancel_reason().unwrap_or(CancelReason::Supervisory);
        if !event.flags.has(EventFlags::DONE) {
            let order = self.get_mut(event.ordinal)?;
            order.total = order.total.saturating_sub(event.quantity.0);
            return Some(self.report(event, event.ordinal, b'D'));
        }
        if reason == CancelReason::ReplacedBelowExecuted {
            return self.replaced_by_nothing(event);
        }
        let (stage, exec_type) = match reason {
            CancelReason::Expired => (Stage::Expired, b'C'),
            _ => (Stage::Cancelled, b'4'),
        };
        self.get_mut(event.ordinal)?.stage = stage;
        let mut report = self.execution(event, event.ordinal, exec_type);
        let cancel = CommandKind::Cancel.code();
        if let Some(asked) = self.answered(event).filter(|asked| asked.kind == cancel) {
            (report.original_id, report.id) = (report.id, asked.id);
        }
        report.text = codes::cancel_text(reason);
        Some(OrderReport::Execution(report))
    }

    /// A replacement asked for no more than had traded: the order is as good as filled.
    fn replaced_by_nothing(&mut self, event: &Event) -> Option<OrderReport> {
        let old = *self.get(event.ordinal)?;
        let gone = self.get_mut(event.ordinal)?;
        (gone.stage, gone.replacement) = (Stage::Replaced, 0);
        let new = self.get_mut(event.target)?;
        (new.executed, new.notional, new.reference) = (old.executed, old.notional, old.reference);
        (new.stage, new.total) = (Stage::Filled, old.executed);
        let mut report = self.execution(event, event.target, b'5');
        report.original_id = old.id;
        Some(OrderReport::Execution(report))
    }

    fn rejected(&mut self, event: &Event) -> Option<OrderReport> {
        let mass = CommandKind::MassCancel.code();
        if self.asked(event.client_seq).is_some_and(|asked| asked.kind == mass) {
            return Some(self.mass_cancelled(event, event.reject_code()));
        }
        if let Some(report) = self.acted(event, event.reject_code()) {
            return Some(report);
        }
        if event.client_seq == 0 && event.target != 0 {
            return self.replacement_rejected(event);
        }
        let replace = CommandKind::Replace.code();
        let is_replace = self.asked(event.client_seq).is_some_and(|asked| asked.kind == replace);
        if let Some(order) = self.get_mut(event.ordinal) {
            order.stage = Stage::Rejected;
        }
        if is_replace {
            return Some(self.cancel_rejected(event, b'2'));
        }
        let mut report = self.execution(event, event.ordinal, b'8');
        let code = event.reject_code().unwrap_or(RejectCode::Unsupported);
        report.id = self.asked(event.client_seq).map_or(report.id, |asked| asked.id);
        // Refused before it could be an order: nothing of another order may show.
        report.status = b'8';
        report.reject = Some(codes::order_reject_reason(code, self.version));
        report.text = code.sentence();
        Some(OrderReport::Execution(report))
    }

    /// A destination refused to replace an order, which stands as it was.
    #[cold]
    fn replacement_rejected(&mut self, event: &Event) -> Option<OrderReport> {
        let new = self.get_mut(event.ordinal)?;
        new.stage = Stage::Rejected;
        let id = new.id;
        let old = self.get_mut(event.target)?;
        old.replacement = 0;
        let code = event.reject_code().unwrap_or(RejectCode::DestinationRefused);
        Some(OrderReport::CancelReject(CancelReject {
            order_id: old.reference,
            id,
            original_id: old.id,
            status: old.status(),
            response_to: b'2',
            reason: codes::cancel_reject_reason(code, true, self.version),
            text: code.sentence(),
            time: event.timestamp,
        }))
    }

    fn cancel_rejected(&mut self, event: &Event, response_to: u8) -> OrderReport {
        let code = event.reject_code().unwrap_or(RejectCode::UnknownOrder);
        let asked = self.answered(event).unwrap_or_default();
        let order = self.get(asked.target);
        OrderReport::CancelReject(CancelReject {
            order_id: order.map_or(0, |order| order.reference),
            id: asked.id,
            original_id: order.map_or_else(|| self.original(event.client_seq), |order| order.id),
            status: order.map_or(b'8', Order::status),
            response_to,
            reason: codes::cancel_reject_reason(code, order.is_some(), self.version),
            text: code.sentence(),
            time: event.timestamp,
        })
    }

    /// What became of a party that was to be stopped, or let go on; nothing if none was.
    #[cold]
    fn acted(&self, event: &Event, refused: Option<RejectCode>) -> Option<OrderReport> {
        let asked = self.asked(event.client_seq)?;
        let (kill, revive) = (CommandKind::Kill.code(), CommandKind::Revive.code());
        let action = match (asked.kind, TradingState::from_code(asked.state)) {
            (kind, _) if kind == revive => b'2',
            (kind, Some(TradingState::ReduceOnly)) if kind == kill => b'0',
            (kind, _) if kind == kill => b'1',
            _ => return None,
        };
        let scope = Scope::from_code(event.side)?;
        let number = match scope {
            Scope::Session => event.session.0,
            Scope::Account => event.account.0,
            _ => event.target,
        };
        Some(OrderReport::Party(PartyActionReport {
            report_id: event.id.0,
            id: asked.id,
            action,
            scope,
            number,
            refused,
            time: event.timestamp,
        }))
    }

    fn mass_cancelled(&self, event: &Event, refused: Option<RejectCode>) -> OrderReport {
        OrderReport::MassCancel(MassCancelReport {
            report_id: event.id.0,
            id: self.asked(event.client_seq).map_or(Id::default(), |asked| asked.id),
            of_security: event.instrument.0 != 0,
            instrument: event.instrument,
            refused,
            time: event.timestamp,
        })
    }

    fn report(&self, event: &Event, ordinal: u32, exec_type: u8) -> OrderReport {
        OrderReport::Execution(self.execution(event, ordinal, exec_type))
    }

    /// What an order's state says, whatever happened.
    #[inline]
    fn execution(&self, event: &Event, ordinal: u32, exec_type: u8) -> ExecutionReport {
        let order = self.get(ordinal).copied().unwrap_or_default();
        ExecutionReport {
            order_id: order.reference,
            exec_id: event.id.0,
            exec_type,
            time: event.timestamp,
            ..ExecutionReport::of(&order)
        }
    }

    /// Where an order is; one nobody knows is told so.
    pub fn status(&self, id: &Id) -> ExecutionReport {
        let report = match self.find(id) {
            Some(order) => {
                let text = if order.is_in_doubt { codes::doubt_text(true) } else { "" };
                ExecutionReport { text, ..ExecutionReport::of(order) }
            }
            None => {
                let reject =
                    Some(codes::order_reject_reason(RejectCode::UnknownOrder, self.version));
                let text = "the order is not known";
                let none = Order { id: *id, stage: Stage::Rejected, ..Order::default() };
                ExecutionReport { reject, text, ..ExecutionReport::of(&none) }
            }
        };
        report.as_status(self.version)
    }

    /// The last order of a chain that the market has under a number (37).
    pub fn of_reference(&self, reference: u64) -> Option<&Order> {
        let of = |order: &&Order| order.ordinal != 0 && order.reference == reference;
        let known = self.slots.iter().filter(|_| reference != 0).filter(of);
        known.max_by_key(|order| order.ordinal)
    }

    /// The open orders of an instrument, or (0) all; in the order they came.
    pub fn open(&self, instrument: InstrumentId) -> impl Iterator<Item = &Order> {
        let oldest = self.next.saturating_sub(self.slots.len() as u32).max(1);
        let wanted = move |order: &&Order| {
            order.is_open() && (instrument.0 == 0 || order.instrument == instrument)
        };
        (oldest..self.next).filter_map(|ordinal| self.get(ordinal)).filter(wanted)
    }
}
