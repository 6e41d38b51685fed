//! Match here, then route the rest: an order meets what rests in books of ours first, and what is
//! left of it goes on instead of resting. One command does both, so nothing can come between them.
//!
//! What rests in those books asks to: it names this house, is post-only or hidden. What cannot
//! trade at once (stops, pegs, orders for an auction) goes on whole.

use crate::engine::away::Away;
use crate::engine::away::orders::State;
use crate::engine::{Matcher, RestingOrder, rules, without_last};
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventKind, Flags, Group, InstrumentId, OrderType,
    Quantity, RejectCode, TermFlags, Terms, TimeInForce,
};

/// What became of an order in the books.
enum Met {
    /// They have answered it whole.
    Done,
    /// So much traded, and so much is left.
    Left { traded: Quantity, left: Quantity },
}

impl Away {
    /// Whether an instrument's orders meet somebody here first.
    fn is_here_first(&self, instrument: InstrumentId) -> bool {
        self.here_first.get(instrument.index()).copied().unwrap_or(false)
    }

    /// Whether a new order is for the books first.
    pub(super) fn meets_here(&self, command: &Command) -> bool {
        let names_nobody = command.target == 0 || command.target == Command::HERE;
        names_nobody && self.is_here_first(command.instrument)
    }

    /// Whether only the books know what to do.
    pub(super) fn is_for_books_alone(&self, command: &Command, kind: CommandKind) -> bool {
        use CommandKind as K;
        match kind {
            K::Replace | K::Cancel | K::Modify => {
                self.is_here_first(command.instrument)
                    && self.orders.find(command.target_id()).is_none()
            }
            K::Enter | K::MassCancel | K::Kill | K::SessionDown | K::Sweep => false,
            K::EndOfDay | K::SetFamily | K::MoveInstrument => false,
            _ => self.is_here_first(command.instrument),
        }
    }

    /// Gives a command to the books, and tells what they tell.
    pub(super) fn in_books(&mut self, group: &Group<Command>) {
        self.submit_here(group, &|_| true);
    }

    /// Tells of the books' events those that are wanted.
    fn submit_here(&mut self, group: &Group<Command>, wants: &dyn Fn(&Event) -> bool) {
        let Self { books: Some(books), outbox, .. } = self else { return };
        // It is emptied after each command, so it has room.
        let _ = books.submit(group);
        tell(books.finished(), wants, &mut |event| outbox.push(event));
        books.release(usize::MAX);
    }

    /// A new order meets what rests here; what is left goes on.
    pub(super) fn enter_here(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        let is_known = self.books.as_ref().is_some_and(|b| b.find(command.order_id()).is_some());
        if is_known || self.orders.find(command.order_id()).is_some() {
            return Err(RejectCode::DuplicateOrder);
        }
        if rests_here(command) {
            self.in_books(group);
            return Ok(());
        }
        // What may have to go on is not begun where it could not.
        let place = self.home_of(command).ok_or(RejectCode::Elsewhere)? as usize;
        self.admit(place, command)?;
        let entered = rules::entered(command, side);
        let Some(at_once) = at_once(group) else {
            self.send_order(group, place, entered, State::Entering, Quantity::ZERO);
            return Ok(());
        };
        let Met::Left { traded, left } = self.meet(&at_once) else { return Ok(()) };
        if traded == Quantity::ZERO {
            self.send_order(group, place, entered, State::Entering, Quantity::ZERO);
            return Ok(());
        }
        let order = RestingOrder { leaves: left, executed: traded, ..entered };
        self.send_order(&without_minimum(group), place, order, State::Rest, traded);
        Ok(())
    }

    /// Lets an order trade at once, and tells all of it but its end where it goes on.
    fn meet(&mut self, at_once: &Group<Command>) -> Met {
        let Self { books: Some(books), outbox, .. } = self else { return Met::Done };
        let _ = books.submit(at_once);
        let id = at_once.head.order_id();
        let (mut traded, mut left) = (Quantity::ZERO, None);
        for event in books.finished().iter().filter(|event| event.order_id() == id) {
            match event.kind() {
                Ok(EventKind::Executed) => {
                    traded = Quantity(traded.0.saturating_add(event.quantity.0));
                }
                Ok(EventKind::Cancelled) if goes_on(event) => left = Some(event.quantity),
                _ => {}
            }
        }
        let is_told = |event: &Event| {
            let is_own = event.order_id() == id;
            let is_end = is_own && event.kind == EventKind::Cancelled.code();
            let is_entry = is_own && event.kind == EventKind::Accepted.code();
            left.is_none() || !(is_end || is_entry && traded == Quantity::ZERO)
        };
        tell(books.finished(), &is_told, &mut |event| outbox.push(event));
        books.release(usize::MAX);
        left.map_or(Met::Done, |left| Met::Left { traded, left })
    }
}

/// Shows the events that are wanted; who is told them here says which is the last.
fn tell(events: &[Event], wants: &dyn Fn(&Event) -> bool, each: &mut dyn FnMut(Event)) {
    let is_news = |event: &&Event| event.kind != EventKind::Nothing.code() && wants(event);
    let told = events.iter().filter(is_news);
    told.for_each(|event| each(Event { flags: without_last(event.flags), ..*event }));
}

/// Whether an order stays in the books, if it does not trade.
fn rests_here(command: &Command) -> bool {
    let stays = command.flags.has(Flags::POST_ONLY) || command.flags.has(Flags::HIDDEN);
    stays || command.target == Command::HERE
}

/// Whether what is left of an order for this reason goes on: nobody here had more of it.
fn goes_on(event: &Event) -> bool {
    matches!(
        event.cancel_reason(),
        Some(CancelReason::Immediate | CancelReason::Protection | CancelReason::Minimum)
    )
}

/// The part of an order that trades at once; `None` for one that cannot.
fn at_once(group: &Group<Command>) -> Option<Group<Command>> {
    let terms = group.terms().copied().unwrap_or_default();
    let whole_only = terms.flags.has(TermFlags::ALL_OR_NONE);
    let life = match group.head.time_in_force()? {
        TimeInForce::Fok => TimeInForce::Fok,
        TimeInForce::AtOpen | TimeInForce::AtClose | TimeInForce::GoodForAuction => return None,
        _ if whole_only => TimeInForce::Fok,
        _ => TimeInForce::Ioc,
    };
    let is_priced_so = matches!(group.head.order_type()?, OrderType::Limit | OrderType::Market);
    let is_more = terms.stop_price.0 != 0 || terms.offset.0 != 0 || terms.discretion.0 != 0;
    if !is_priced_so || is_more {
        return None;
    }
    let mut head = group.head;
    (head.time_in_force, head.lines) = (life.code(), 1);
    let mut at_once = Group::new(head);
    if terms.minimum != Quantity::ZERO && life == TimeInForce::Ioc {
        let least = Terms { minimum: terms.minimum, ..Terms::default() };
        if let Some(place) = at_once.rest_mut().first_mut() {
            *place = least.line();
            at_once.head.lines = 2;
        }
    }
    Some(at_once)
}

/// Without a least quantity: that has traded.
fn without_minimum(group: &Group<Command>) -> Group<Command> {
    let mut group = *group;
    if let Some(terms) = group.terms().copied()
        && let Some(place) = group.rest_mut().iter_mut().find(|line| **line == terms.line())
    {
        *place = Terms { minimum: Quantity::ZERO, ..terms }.line();
    }
    group
}
