//! The way in: a client's OUCH message becomes a request.
//!
//! Every numbered message becomes one, a broken one too: it carries its refusal, so that the
//! client is answered and the number is accounted for.

use crate::engine::IdMap;
use crate::model::{
    AccountId, Capacity, Command, CommandKind, Event, EventKind, Flags, Group, Instrument,
    InstrumentId, Nanos, OrderType, Price, Quantity, RejectCode, Request, SelfTrade, SessionId,
    Side, Symbol, TermFlags, Terms, Text, TimeInForce,
};
use crate::snapshot::{Bad, Part, Source};
use crate::stage::gateway::terms::{needs_terms, terms_of};
use crate::wire::ouch::codes::{
    MARKET_PRICE, PRICE_MAX, QUANTITY_BOUND, capacity, cross_type, display, intermarket_sweep,
    post_only, side, time_in_force,
};
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, MassCancelRequest, ModifyOrderRequest,
    Options, ReplaceOrderRequest,
};

/// Symbols to instruments, in both directions; and destinations by the names orders have for them.
#[derive(Clone, Debug)]
pub(in crate::stage) struct Symbols {
    ids: IdMap,
    names: Box<[[u8; 8]]>,
    destinations: Box<[(String, SessionId)]>,
}

/// The names, from which it follows where they are found.
impl Part for Symbols {
    fn write(&self, to: &mut Vec<u8>) {
        let Self { ids: _, names, destinations: _ } = self;
        names.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.names.read(from)?;
        self.ids.clear();
        for (id, name) in (0..).zip(&self.names) {
            if *name != Symbol::BLANK.0 {
                let kept = self.ids.insert(u64::from_be_bytes(*name), id);
                kept.map_err(|_| Bad::new("more names than instruments"))?;
            }
        }
        Ok(())
    }
}

/// What an order calls this house, where it is to be matched here and nowhere else.
const HERE: &[u8] = b"HERE";

impl Symbols {
    /// Of the traded instruments.
    pub(in crate::stage) fn new(instruments: &[Instrument]) -> Self {
        let ids = IdMap::with_capacity(instruments.len());
        let highest = instruments.iter().map(|listed| listed.id.index()).max().unwrap_or(0);
        let names = vec![Symbol::BLANK.0; highest + 1].into();
        let mut symbols = Self { ids, names, destinations: Box::default() };
        instruments.iter().for_each(|listed| symbols.put(listed.id, listed.symbol));
        symbols
    }

    /// Takes an event that is the market's: an instrument may be listed by it.
    #[cold]
    pub(in crate::stage) fn note(&mut self, event: &Event) {
        if event.kind == EventKind::InstrumentSet.code()
            && let Some(listed) = Instrument::of_event(event)
        {
            self.put(listed.id, listed.symbol);
        }
    }

    /// A blank one is nobody's: nobody finds it.
    fn put(&mut self, id: InstrumentId, symbol: Symbol) {
        let Some(name) = self.names.get_mut(id.index()) else { return };
        let before = std::mem::replace(name, symbol.0);
        self.ids.remove_if(u64::from_be_bytes(before), |of| of == id.0);
        if symbol != Symbol::BLANK {
            // Every place has room for one symbol.
            let _ = self.ids.insert(u64::from_be_bytes(symbol.0), id.0);
        }
    }

    /// With destinations that orders may name.
    pub(in crate::stage) fn with_destinations(self, known: &[(String, SessionId)]) -> Self {
        Self { destinations: known.into(), ..self }
    }

    /// What an order's `target` says of the destination of this name.
    #[cold]
    pub(in crate::stage) fn destination(&self, name: &[u8]) -> Option<u32> {
        if name == HERE {
            return Some(Command::HERE);
        }
        let of = |(known, _): &&(String, SessionId)| known.as_bytes() == name;
        self.destinations.iter().find(of).map(|(_, session)| session.0)
    }

    /// The same for the first four letters of a name, which is all an OUCH message has room for.
    #[cold]
    fn route(&self, letters: [u8; 4]) -> Option<u32> {
        let letters = letters.trim_ascii_end();
        let cut = |name: &str| name.as_bytes().get(..4).unwrap_or(name.as_bytes()) == letters;
        let of = self.destinations.iter().find(|(known, _)| cut(known));
        of.map(|(_, session)| session.0).or_else(|| self.destination(letters))
    }

    /// The instrument of a symbol; 0 where nobody knows it.
    #[inline]
    pub(in crate::stage) fn id(&self, symbol: [u8; 8]) -> InstrumentId {
        InstrumentId(self.ids.get(u64::from_be_bytes(symbol)).unwrap_or(0))
    }

    /// The symbol of an instrument; blank where nobody knows it.
    #[inline]
    pub(in crate::stage) fn name(&self, id: InstrumentId) -> [u8; 8] {
        self.names.get(id.index()).copied().unwrap_or([b' '; 8])
    }
}

/// Whose message it is, and when it came.
#[derive(Clone, Copy, Debug)]
pub(in crate::stage) struct Sender {
    pub(in crate::stage) session: SessionId,
    pub(in crate::stage) default_account: AccountId,
    pub(in crate::stage) self_trade: SelfTrade,
    /// The highest order number the session has used.
    pub(in crate::stage) last_ordinal: u32,
    pub(in crate::stage) client_seq: u32,
    pub(in crate::stage) received_at: Nanos,
}

impl Sender {
    /// Begins a request of one line in `group`, which may hold another's lines.
    #[inline]
    fn begin<'a>(&self, kind: CommandKind, group: &'a mut Group<Request>) -> &'a mut Command {
        group.head = Request(Command {
            timestamp: self.received_at,
            session: self.session,
            client_seq: self.client_seq,
            account: self.default_account,
            ..Command::new(kind)
        });
        &mut group.head.0
    }
}

/// Reads a message as a request, into `group`.
#[inline]
pub(in crate::stage) fn read(
    message: &[u8],
    sender: &Sender,
    symbols: &Symbols,
    group: &mut Group<Request>,
) {
    match Inbound::decode(message) {
        Ok(Inbound::EnterOrder(order, options)) => enter(&order, &options, sender, symbols, group),
        Ok(Inbound::ReplaceOrderRequest(order, options)) => {
            replace(&order, &options, sender, group)
        }
        Ok(Inbound::CancelOrderRequest(cancel, _)) => cancel_order(&cancel, sender, group),
        Ok(Inbound::ModifyOrderRequest(modify, _)) => modify_order(&modify, sender, group),
        Ok(Inbound::MassCancelRequest(mass, options)) => {
            mass_cancel(&mass, &options, sender, symbols, group);
        }
        Ok(Inbound::DisableOrderEntryRequest(entry, _)) => {
            for_firm(CommandKind::DisableEntry, entry.user_ref_num, entry.firm, sender, group);
        }
        Ok(Inbound::EnableOrderEntryRequest(entry, _)) => {
            for_firm(CommandKind::EnableEntry, entry.user_ref_num, entry.firm, sender, group);
        }
        Ok(Inbound::AccountQueryRequest(..)) => {
            let head = sender.begin(CommandKind::AccountQuery, group);
            head.target = sender.last_ordinal.saturating_add(1);
        }
        Err(_) => refuse(message, sender, group),
    }
}

/// A message that cannot be read: an order refused under the number it seems to have.
fn refuse(message: &[u8], sender: &Sender, group: &mut Group<Request>) {
    let head = sender.begin(CommandKind::Enter, group);
    head.ordinal = Inbound::user_ref_num_of(message).unwrap_or(0);
    head.verdict = RejectCode::Unsupported.code();
}

#[inline]
fn enter(
    order: &EnterOrder,
    appendage: &Appendage<'_>,
    sender: &Sender,
    symbols: &Symbols,
    group: &mut Group<Request>,
) {
    let options = Options::of(appendage);
    let head = sender.begin(CommandKind::Enter, group);
    head.ordinal = order.user_ref_num;
    head.instrument = symbols.id(order.symbol);
    head.quantity = Quantity(order.quantity);
    head.price = Price(order.price.min(i64::MAX as u64) as i64);
    let read = instructions(order, &options, sender, head);
    let account = match options.firm {
        None => Some(sender.default_account),
        Some(code) => AccountId::from_code(code),
    };
    head.account = account.unwrap_or_default();
    let destination = options.route.map_or(Some(0), |letters| symbols.route(letters));
    head.target = destination.unwrap_or_default();
    let verdict = if order.user_ref_num <= sender.last_ordinal {
        Err(RejectCode::DuplicateOrder)
    } else if account.is_none() {
        Err(RejectCode::UnknownAccount)
    } else if destination.is_none() {
        Err(RejectCode::UnknownDestination)
    } else if order.quantity >= QUANTITY_BOUND {
        Err(RejectCode::InvalidQuantity)
    } else {
        read
    };
    head.verdict = verdict.err().map_or(0, RejectCode::code);
    let terms = verdict.ok().flatten();
    let text = Text {
        client_order_id: padded(order.cl_ord_id),
        symbol: if head.instrument.0 == 0 { order.symbol } else { [0; 8] },
        firm: options.firm.unwrap_or_default(),
        display: order.display,
        cross_type: order.cross_type,
        customer_type: options.customer_type.unwrap_or(0),
        time_in_force: order.time_in_force,
        channel: options.user_ref_idx.unwrap_or(0),
        ..Text::default()
    };
    add_lines(group, terms, text);
}

/// How the order is to be treated, into the head and the terms; what no order does is refused.
#[inline]
fn instructions(
    order: &EnterOrder,
    options: &Options,
    sender: &Sender,
    head: &mut Command,
) -> Result<Option<Terms>, RejectCode> {
    head.side = side_of(order.side)?.code();
    head.order_type = match order.price {
        MARKET_PRICE => OrderType::Market,
        price if price > PRICE_MAX => return Err(RejectCode::InvalidPrice),
        _ => OrderType::Limit,
    }
    .code();
    let whole = options.min_qty == Some(order.quantity);
    head.time_in_force = time_in_force_of(order.time_in_force, order.cross_type, whole)?.code();
    head.flags = flags_of(order.capacity, order.intermarket_sweep, sender)?;
    match order.display {
        display::VISIBLE | display::ATTRIBUTABLE | display::CONFORMANT => {}
        display::HIDDEN => head.flags = head.flags.with(Flags::HIDDEN),
        _ => return Err(RejectCode::InvalidDisplay),
    }
    match options.post_only {
        Some(post_only::POST_ONLY) => head.flags = head.flags.with(Flags::POST_ONLY),
        Some(post_only::NOT) | None => {}
        Some(_) => return Err(RejectCode::Unsupported),
    }
    if needs_terms(options) { terms_of(options, head).map(Some) } else { Ok(None) }
}

fn side_of(code: u8) -> Result<Side, RejectCode> {
    match code {
        side::BUY => Ok(Side::Buy),
        side::SELL => Ok(Side::Sell),
        side::SELL_SHORT => Ok(Side::SellShort),
        side::SELL_SHORT_EXEMPT => Ok(Side::SellShortExempt),
        _ => Err(RejectCode::InvalidSide),
    }
}

/// An immediate-or-cancel order whose least quantity is all of it is fill-or-kill; an order for a
/// cross lives for the cross.
fn time_in_force_of(code: u8, cross: u8, whole: bool) -> Result<TimeInForce, RejectCode> {
    match (cross, code) {
        (cross_type::CONTINUOUS, time_in_force::DAY) => Ok(TimeInForce::Day),
        (cross_type::CONTINUOUS, time_in_force::IMMEDIATE_OR_CANCEL) if whole => {
            Ok(TimeInForce::Fok)
        }
        (cross_type::CONTINUOUS, time_in_force::IMMEDIATE_OR_CANCEL) => Ok(TimeInForce::Ioc),
        (cross_type::CONTINUOUS, time_in_force::GOOD_TILL_TIME) => Ok(TimeInForce::Gtd),
        (cross_type::CONTINUOUS, time_in_force::GOOD_TILL_CANCEL) => Ok(TimeInForce::Gtc),
        (cross_type::CONTINUOUS, time_in_force::EXTENDED_HOURS) => Ok(TimeInForce::ExtendedHours),
        (cross_type::OPENING, time_in_force::DAY) => Ok(TimeInForce::AtOpen),
        (cross_type::CLOSING, time_in_force::DAY) => Ok(TimeInForce::AtClose),
        (cross_type::HALT, time_in_force::DAY) => Ok(TimeInForce::GoodForAuction),
        _ => Err(RejectCode::Unsupported),
    }
}

fn flags_of(capacity_code: u8, sweep: u8, sender: &Sender) -> Result<Flags, RejectCode> {
    let capacity = match capacity_code {
        capacity::AGENCY => Capacity::Agency,
        capacity::PRINCIPAL => Capacity::Principal,
        capacity::RISKLESS => Capacity::Riskless,
        capacity::OTHER => Capacity::Other,
        _ => return Err(RejectCode::Unsupported),
    };
    let flags = Flags::default().with_capacity(capacity).with_self_trade(sender.self_trade);
    match sweep {
        intermarket_sweep::ELIGIBLE => Ok(flags.with(Flags::SWEEP)),
        intermarket_sweep::NOT_ELIGIBLE => Ok(flags),
        _ => Err(RejectCode::Unsupported),
    }
}

fn replace(
    order: &ReplaceOrderRequest,
    appendage: &Appendage<'_>,
    sender: &Sender,
    group: &mut Group<Request>,
) {
    let options = Options::of(appendage);
    let head = sender.begin(CommandKind::Replace, group);
    head.ordinal = order.user_ref_num;
    head.target = order.orig_user_ref_num;
    head.quantity = Quantity(order.quantity);
    head.price = Price(order.price.min(i64::MAX as u64) as i64);
    let as_entered = EnterOrder {
        user_ref_num: order.user_ref_num,
        side: side::BUY,
        quantity: order.quantity,
        symbol: [b' '; 8],
        price: order.price,
        time_in_force: order.time_in_force,
        display: order.display,
        capacity: capacity::OTHER,
        intermarket_sweep: order.intermarket_sweep,
        cross_type: cross_type::CONTINUOUS,
        cl_ord_id: order.cl_ord_id,
    };
    let read = instructions(&as_entered, &options, sender, head);
    let verdict = if order.user_ref_num <= sender.last_ordinal {
        Err(RejectCode::DuplicateOrder)
    } else if order.quantity >= QUANTITY_BOUND {
        Err(RejectCode::InvalidQuantity)
    } else {
        read
    };
    head.verdict = verdict.err().map_or(0, RejectCode::code);
    let terms = verdict.ok().flatten();
    let text = Text {
        client_order_id: padded(order.cl_ord_id),
        display: order.display,
        cross_type: cross_type::CONTINUOUS,
        time_in_force: order.time_in_force,
        channel: options.user_ref_idx.unwrap_or(0),
        ..Text::default()
    };
    add_lines(group, terms, text);
}

#[inline]
fn cancel_order(cancel: &CancelOrderRequest, sender: &Sender, group: &mut Group<Request>) {
    let head = sender.begin(CommandKind::Cancel, group);
    head.target = cancel.user_ref_num;
    head.quantity = Quantity(cancel.quantity);
}

fn modify_order(modify: &ModifyOrderRequest, sender: &Sender, group: &mut Group<Request>) {
    let head = sender.begin(CommandKind::Modify, group);
    head.target = modify.user_ref_num;
    head.quantity = Quantity(modify.quantity);
    match side_of(modify.side) {
        Ok(side) => head.side = side.code(),
        Err(code) => head.verdict = code.code(),
    }
}

/// A mass cancel of a symbol nobody knows is refused, not widened.
fn mass_cancel(
    mass: &MassCancelRequest,
    appendage: &Appendage<'_>,
    sender: &Sender,
    symbols: &Symbols,
    group: &mut Group<Request>,
) {
    for_firm(CommandKind::MassCancel, mass.user_ref_num, mass.firm, sender, group);
    let options = Options::of(appendage);
    let head = &mut group.head.0;
    head.instrument = symbols.id(mass.symbol);
    if head.instrument.0 == 0 && mass.symbol != [b' '; 8] {
        head.verdict = RejectCode::UnknownInstrument.code();
    }
    let terms = Terms { group: options.group_id.unwrap_or(0), ..Terms::default() };
    let by_side = options.side.map(side_of);
    let flags = match by_side {
        Some(Ok(side)) => {
            head.side = side.code();
            TermFlags::BY_SIDE
        }
        Some(Err(code)) => {
            head.verdict = code.code();
            TermFlags::default()
        }
        None => TermFlags::default(),
    };
    if terms.group != 0 || by_side.is_some() {
        let text = Text { firm: mass.firm, ..Text::default() };
        add_lines(group, Some(Terms { flags, ..terms }), text);
    }
}

fn for_firm(
    kind: CommandKind,
    ordinal: u32,
    firm: [u8; 4],
    sender: &Sender,
    group: &mut Group<Request>,
) {
    sender.begin(kind, group).ordinal = ordinal;
    add_lines(group, None, Text { firm, ..Text::default() });
}

/// Adds the further lines there are.
#[inline]
fn add_lines(group: &mut Group<Request>, terms: Option<Terms>, text: Text) {
    let [first, second, _] = group.rest_mut();
    match terms {
        None => *first = text.line(),
        Some(terms) => (*first, *second) = (terms.line(), text.line()),
    }
    group.head.0.lines = 2 + terms.is_some() as u8;
}

fn padded(id: [u8; 14]) -> [u8; 32] {
    let mut padded = [0; 32];
    padded[..14].copy_from_slice(&id);
    padded
}
