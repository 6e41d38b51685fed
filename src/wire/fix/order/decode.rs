//! A client's order message becomes a request, or a question about orders.
//!
//! As with every way in, an order that cannot be is a request all the same: it carries its
//! refusal, so that the client is answered in its turn and the number is accounted for.

use crate::model::{
    AccountId, Command, CommandKind, Group, InstrumentId, Line, LineKind, Nanos, Parties,
    RejectCode, Request, Scope, SelfTrade, SessionId, Terms, Text,
};
use crate::wire::fix::message::Message;
use crate::wire::fix::order::chain::Id;
use crate::wire::fix::order::orders::Orders;
use crate::wire::fix::order::party::{PartyRefusal, Said};
use crate::wire::fix::order::terms::terms_of;
use crate::wire::fix::reject::{BusinessReject, Refusal, SessionReject};
use crate::wire::fix::{tag, value};

/// Names to numbers and back: what the gateway knows and the wire does not.
pub trait Directory {
    /// The instrument of a symbol.
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId>;
    /// The symbol of an instrument, padded with blanks.
    fn symbol(&self, instrument: InstrumentId) -> [u8; 8];
    /// The account of a name, if this session may trade for it.
    fn account(&self, name: &[u8]) -> Option<AccountId>;
    /// What a new order's `target` says of the destination of a name; this house is always known.
    fn destination(&self, name: &[u8]) -> Option<u32> {
        (name == b"HERE").then_some(Command::HERE)
    }
    /// The number of a session, an account or a firm that this session may stop, or let go on.
    ///
    /// # Errors
    /// Why it may not.
    fn party(&self, _: Scope, _: &[u8], _is_lift: bool) -> Result<u32, PartyRefusal> {
        Err(PartyRefusal::NotAuthorized)
    }
}

/// Whose message it is, and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// The session.
    pub session: SessionId,
    /// The account of an order that names none.
    pub default_account: AccountId,
    /// What happens when the session would trade with itself.
    pub self_trade: SelfTrade,
    /// The message's number.
    pub client_seq: u32,
    /// When its bytes came.
    pub received_at: Nanos,
}

/// What a client asks.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a request is what it nearly always is")]
pub enum Asked<'a> {
    /// For something to be done: to the sequencer.
    Request(Group<Request>),
    /// Where an order is (H), by ClOrdID or OrderID, echoing the request's own id if it has one.
    Status(Id, &'a [u8]),
    /// Where all orders are (AF), of an instrument or (0) of all, echoing the request's id.
    MassStatus(InstrumentId, &'a [u8]),
    /// A party is neither stopped nor let go on (DH): to be said with a report (DI).
    NotActed(Said<'a>, PartyRefusal),
    /// A field that cannot be: to be said with a reject.
    Rejected(Refusal),
    /// Not for us: to be said with a business reject.
    Refused(BusinessReject),
}

/// The fields of an order message.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    id: &'a [u8],
    original_id: &'a [u8],
    account: Option<&'a [u8]>,
    symbol: &'a [u8],
    destination: Option<&'a [u8]>,
    pub(super) side: &'a [u8],
    pub(super) quantity: &'a [u8],
    pub(super) order_type: &'a [u8],
    pub(super) price: Option<&'a [u8]>,
    pub(super) stop_price: Option<&'a [u8]>,
    pub(super) time_in_force: &'a [u8],
    pub(super) expire_time: Option<&'a [u8]>,
    pub(super) exec_inst: &'a [u8],
    pub(super) handling: &'a [u8],
    pub(super) minimum: Option<&'a [u8]>,
    pub(super) displayed: Option<&'a [u8]>,
    pub(super) capacity: &'a [u8],
    /// Offsets of pegs, trails and discretion: looked into where there are any.
    pub(super) has_offsets: bool,
    has_parties: bool,
    mass_type: &'a [u8],
    request_id: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    fn of(message: &Message<'a>) -> Self {
        let get = |tag| message.get(tag);
        let text = |tag| message.get(tag).unwrap_or(&[]);
        Self {
            id: text(tag::CL_ORD_ID),
            original_id: text(tag::ORIG_CL_ORD_ID),
            account: get(tag::ACCOUNT),
            symbol: text(tag::SYMBOL),
            destination: get(tag::EX_DESTINATION),
            side: text(tag::SIDE),
            quantity: text(tag::ORDER_QTY),
            order_type: text(tag::ORD_TYPE),
            price: get(tag::PRICE),
            stop_price: get(tag::STOP_PX),
            time_in_force: text(tag::TIME_IN_FORCE),
            expire_time: get(tag::EXPIRE_TIME),
            exec_inst: text(tag::EXEC_INST),
            handling: text(tag::HANDL_INST),
            minimum: get(tag::MIN_QTY),
            displayed: get(tag::MAX_FLOOR),
            capacity: text(tag::ORDER_CAPACITY),
            has_offsets: get(tag::PEG_OFFSET_VALUE).is_some()
                || get(tag::DISCRETION_INST).is_some()
                || get(tag::DISCRETION_OFFSET_VALUE).is_some(),
            has_parties: get(tag::NO_PARTY_IDS).is_some()
                || get(tag::NO_ORDER_ATTRIBUTES).is_some(),
            mass_type: get(tag::MASS_CANCEL_REQUEST_TYPE)
                .or_else(|| get(tag::MASS_STATUS_REQ_TYPE))
                .unwrap_or(&[]),
            request_id: get(tag::ORD_STATUS_REQ_ID)
                .or_else(|| get(tag::MASS_STATUS_REQ_ID))
                .unwrap_or(&[]),
        }
    }
}

/// Reads an order message that its dictionary found good.
#[inline]
pub fn decode<'a>(
    message: &Message<'a>,
    sender: &Sender,
    directory: &impl Directory,
    orders: &Orders,
) -> Asked<'a> {
    let fields = Fields::of(message);
    let id = Id::new(fields.id);
    let kind = message.kind();
    if kind == b"AF" {
        return mass_status(&fields, directory);
    }
    if kind == b"H" {
        return status(message, &fields, orders);
    }
    if kind == b"DH" {
        return party_action(message, sender, directory);
    }
    let Some(id) = id else { return nameless(kind) };
    match kind {
        b"D" => enter(message, &fields, id, sender, directory, orders),
        b"G" => replace(message, &fields, id, sender, directory, orders),
        b"F" => cancel(&fields, id, sender, orders),
        b"q" => mass_cancel(&fields, id, sender, directory),
        _ => Asked::Refused(BusinessReject::UnsupportedMessageType),
    }
}

/// A message without a ClOrdID, or with one that is too long: of a type that must have one, or not
/// for us.
#[cold]
fn nameless(kind: &[u8]) -> Asked<'static> {
    match kind {
        b"D" | b"G" | b"F" | b"q" => {
            Asked::Rejected(Refusal::of(SessionReject::ValueIncorrect, tag::CL_ORD_ID))
        }
        _ => Asked::Refused(BusinessReject::UnsupportedMessageType),
    }
}

#[inline(always)]
fn request(kind: CommandKind, sender: &Sender) -> Group<Request> {
    let mut request = Request::new(kind, sender.received_at);
    request.0.session = sender.session;
    request.0.client_seq = sender.client_seq;
    request.0.account = sender.default_account;
    Group::new(request)
}

#[inline(always)]
fn enter(
    message: &Message<'_>,
    fields: &Fields<'_>,
    id: Id,
    sender: &Sender,
    directory: &impl Directory,
    orders: &Orders,
) -> Asked<'static> {
    let mut group = request(CommandKind::Enter, sender);
    let head = &mut group.head.0;
    head.ordinal = orders.next_ordinal();
    let known = directory.instrument(fields.symbol);
    head.instrument = known.unwrap_or_default();
    let account = match fields.account {
        None => Some(sender.default_account),
        Some(name) => directory.account(name),
    };
    head.account = account.unwrap_or_default();
    let read = terms_of(message, fields, sender, head);
    let destination = fields.destination.map_or(Some(0), |name| directory.destination(name));
    head.target = destination.unwrap_or_default();
    let verdict = if orders.find(&id).is_some() {
        Err(RejectCode::DuplicateOrder)
    } else if destination.is_none() {
        Err(RejectCode::UnknownDestination)
    } else if !orders.has_room() {
        Err(RejectCode::OpenOrderLimit)
    } else if known.is_none() {
        Err(RejectCode::UnknownInstrument)
    } else if account.is_none() {
        Err(RejectCode::UnknownAccount)
    } else {
        read
    };
    finish(message, fields, id, &mut group, verdict);
    Asked::Request(group)
}

#[inline(always)]
fn replace(
    message: &Message<'_>,
    fields: &Fields<'_>,
    id: Id,
    sender: &Sender,
    directory: &impl Directory,
    orders: &Orders,
) -> Asked<'static> {
    let mut group = request(CommandKind::Replace, sender);
    let head = &mut group.head.0;
    head.ordinal = orders.next_ordinal();
    let old = Id::new(fields.original_id).and_then(|id| orders.find(&id));
    head.target = old.map_or(0, |old| old.ordinal);
    head.instrument = directory.instrument(fields.symbol).unwrap_or_default();
    head.account = old.map_or(sender.default_account, |old| old.account);
    let read = terms_of(message, fields, sender, head);
    let verdict = if orders.find(&id).is_some() {
        Err(RejectCode::DuplicateOrder)
    } else if !orders.has_room() {
        Err(RejectCode::OpenOrderLimit)
    } else {
        match old {
            None => Err(RejectCode::UnknownOrder),
            Some(old) if old.instrument != head.instrument => Err(RejectCode::UnknownOrder),
            Some(old) if old.side != head.side => Err(RejectCode::InvalidSide),
            Some(_) => read,
        }
    };
    finish(message, fields, id, &mut group, verdict);
    Asked::Request(group)
}

fn cancel(fields: &Fields<'_>, id: Id, sender: &Sender, orders: &Orders) -> Asked<'static> {
    let mut group = request(CommandKind::Cancel, sender);
    let old = Id::new(fields.original_id).and_then(|id| orders.find(&id));
    let head = &mut group.head.0;
    match old {
        Some(old) => {
            (head.target, head.account, head.instrument) =
                (old.ordinal, old.account, old.instrument);
        }
        None => head.verdict = RejectCode::UnknownOrder.code(),
    }
    if orders.find(&id).is_some() {
        head.verdict = RejectCode::DuplicateOrder.code();
    }
    add_lines(&mut group, None, text_of(id, fields), None);
    Asked::Request(group)
}

/// Mass cancel: of a security (1) or of everything (7); nothing is widened.
fn mass_cancel(
    fields: &Fields<'_>,
    id: Id,
    sender: &Sender,
    directory: &impl Directory,
) -> Asked<'static> {
    let mut group = request(CommandKind::MassCancel, sender);
    let head = &mut group.head.0;
    let verdict = match fields.mass_type {
        b"1" => match directory.instrument(fields.symbol) {
            Some(instrument) => {
                head.instrument = instrument;
                0
            }
            None => RejectCode::UnknownInstrument.code(),
        },
        b"7" if fields.side.is_empty() => 0,
        _ => RejectCode::Unsupported.code(),
    };
    head.verdict = verdict;
    add_lines(&mut group, None, text_of(id, fields), None);
    Asked::Request(group)
}

/// A party is to be stopped, or to be let go on.
#[cold]
fn party_action<'a>(
    message: &Message<'a>,
    sender: &Sender,
    directory: &impl Directory,
) -> Asked<'a> {
    let said = Said::of(message);
    let tag = tag::PARTY_ACTION_REQUEST_ID;
    let Some(id) = message.get(tag).and_then(Id::new) else {
        return Asked::Rejected(Refusal::of(SessionReject::ValueIncorrect, tag));
    };
    match said.request(id, sender, directory) {
        Ok(group) => Asked::Request(group),
        Err(refusal) => Asked::NotActed(said, refusal),
    }
}

/// A question about one order, by its ClOrdID, or where that is not known by its OrderID.
fn status<'a>(message: &Message<'a>, fields: &Fields<'a>, orders: &Orders) -> Asked<'a> {
    let named = Id::new(fields.id);
    let known = named.filter(|id| orders.find(id).is_some());
    let by_reference = || {
        let reference = message.get(tag::ORDER_ID).and_then(value::number)?;
        orders.of_reference(reference).map(|order| order.id)
    };
    match known.or_else(by_reference).or(named) {
        Some(id) => Asked::Status(id, fields.request_id),
        None => Asked::Rejected(Refusal::of(SessionReject::ValueIncorrect, tag::CL_ORD_ID)),
    }
}

fn mass_status<'a>(fields: &Fields<'a>, directory: &impl Directory) -> Asked<'a> {
    match fields.mass_type {
        b"7" => Asked::MassStatus(InstrumentId(0), fields.request_id),
        b"1" => match directory.instrument(fields.symbol) {
            Some(instrument) => Asked::MassStatus(instrument, fields.request_id),
            None => Asked::Refused(BusinessReject::UnknownSecurity),
        },
        _ => {
            let wrong = Refusal::of(SessionReject::ValueIncorrect, tag::MASS_STATUS_REQ_TYPE);
            Asked::Rejected(wrong)
        }
    }
}

#[inline]
fn finish(
    message: &Message<'_>,
    fields: &Fields<'_>,
    id: Id,
    group: &mut Group<Request>,
    verdict: Result<Option<Terms>, RejectCode>,
) {
    group.head.0.verdict = verdict.err().map_or(0, RejectCode::code);
    let parties = fields.has_parties.then(|| parties_of(message));
    add_lines(group, verdict.ok().flatten(), text_of(id, fields), parties);
}

/// The first eight bytes, with blanks behind.
#[inline]
fn padded(symbol: &[u8]) -> [u8; 8] {
    let word = value::word_of(symbol.get(..8).unwrap_or(symbol));
    let blanks = u64::from_le_bytes([b' '; 8]).checked_shl(8 * symbol.len().min(8) as u32);
    (word | blanks.unwrap_or(0)).to_le_bytes()
}

#[inline]
fn text_of(id: Id, fields: &Fields<'_>) -> Text {
    let symbol = padded(fields.symbol);
    let time_in_force = fields.time_in_force.first().copied().unwrap_or(0);
    Text { client_order_id: id.0, symbol, time_in_force, ..Text::default() }
}

/// Short codes of those behind the order (453), by their role, and what it is for regulators
/// (2593); others stay with the message.
#[cold]
fn parties_of(message: &Message<'_>) -> Parties {
    let (mut parties, mut code, mut attribute) = (Parties::default(), 0, 8);
    for (tag, value) in message.fields() {
        match (tag, value) {
            (tag::PARTY_ID, id) => code = value::number(id).unwrap_or(0),
            (tag::PARTY_ROLE, b"3") => parties.client = code,
            (tag::PARTY_ROLE, b"122") => parties.decision = code,
            (tag::PARTY_ROLE, b"12") => parties.execution = code,
            (tag::PARTY_ROLE, b"26") => parties.transmitted_for = code,
            (tag::ORDER_ATTRIBUTE_TYPE, kind) => attribute = value::number(kind).unwrap_or(8),
            (tag::ORDER_ATTRIBUTE_VALUE, b"Y") if attribute < 8 => {
                parties.attributes |= 1 << attribute;
            }
            _ => {}
        }
    }
    parties
}

/// Adds the further lines there are.
#[inline]
fn add_lines(
    group: &mut Group<Request>,
    terms: Option<Terms>,
    text: Text,
    parties: Option<Parties>,
) {
    let mut places = group.rest_mut().iter_mut();
    let mut count = 1;
    let mut add = |line: Line| {
        if let Some(place) = places.next() {
            (*place, count) = (line, count + 1);
        }
    };
    if let Some(terms) = terms {
        add(terms.line());
    }
    add(text.line());
    if let Some(parties) = parties {
        add(parties.line());
    }
    group.head.0.lines = count;
    debug_assert!(
        group
            .rest()
            .iter()
            .all(|line| { line.kind().is_some_and(|kind| LineKind::ALL.contains(&kind)) })
    );
}
