//! What an operator may ask, and the requests it becomes.

use serde::{Deserialize, Serialize};

use crate::model::{
    AccountId, CashKind, Command, CommandKind, Group, Instrument, InstrumentId, LimitKind, Nanos,
    Note, Phase, Price, Quantity, Request, Scope, SessionId, Side, TermFlags, Terms, Text,
    TradeDetail, TradingState, Unit,
};
use crate::slow::rules::Currency;
use crate::topology::admin::list::Wanted;
use crate::topology::{DayEnd, Decimal};

/// Whom something is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Whom {
    /// everything, session, account, instrument, firm or venue.
    pub scope: String,
    /// Its number, where it has one.
    pub id: u32,
    /// The instrument: the whole of the scope, or beside an account, firm or session.
    pub symbol: String,
}

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the command line describes each")]
pub enum Ask {
    /// A limit is this from now on.
    Set { whom: Whom, limit: String, value: String },
    /// Trading stops, or goes down to what reduces positions.
    Kill { whom: Whom, reduce_only: bool },
    /// Trading goes on.
    Resume { whom: Whom },
    /// One order of a session is cancelled; all its orders without one, or an account's.
    Cancel { whom: Whom, order: u32 },
    /// A trade is undone, or had another price or quantity.
    Undo { trade: Trade },
    /// An account is known with the limits of another (0: it is not known any more).
    Account { account: u32, like: u32 },
    /// A session may trade for accounts as another may (0: it may not any more).
    Session { session: u32, first: u32, last: u32, like: u32 },
    /// The account does not trade with those of a family; 0 is none.
    Family { account: u32, family: u32 },
    /// An instrument is listed (`is_new`), or is listed otherwise: what is empty stays as it is.
    List { symbol: String, is_new: bool, named: String, tick: String, lot: u32, price: String },
    /// An instrument enters a phase.
    Phase { symbol: String, phase: String, lasts_s: u32, then: String },
    /// An instrument goes to another shard.
    Move { symbol: String, shard: u32, phase: String, last: String },
    /// An instrument's reference price, or without a symbol the market's index.
    Reference { symbol: String, price: String },
    /// Money moves: `kind` is deposit, withdrawal or compensation; it counts once by its name.
    Cash { kind: String, account: u32, amount: String, currency: Currency, name: String },
    /// The trading day ends, or the next one starts.
    Day { end: DayEnd },
    /// Limits of a file, all or none.
    Load { file: String, text: String },
    /// How things stand.
    Status,
}

/// A trade as a report names it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the command line describes each")]
pub struct Trade {
    pub match_number: u64,
    pub symbol: String,
    pub price: String,
    pub quantity: u32,
    pub buyer: [u32; 3],
    pub seller: [u32; 3],
    pub new_price: String,
    pub new_quantity: u32,
    pub is_corrected: bool,
}

/// A question with who asks and why: a line of JSON on the socket.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who asks.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// What.
    pub ask: Ask,
}

/// Why an operator's wish cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AskError(pub String);

impl From<String> for AskError {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

/// The scope of a word.
pub(super) fn scope_of(word: &str) -> Result<Scope, AskError> {
    let found = Scope::ALL.iter().find(|scope| scope.name().eq_ignore_ascii_case(word));
    found.copied().ok_or_else(|| {
        AskError(format!(
            "`{word}` is no scope: write everything, venue, firm, instrument, account or session"
        ))
    })
}

/// The phase of a word, as `volatility-auction`.
fn phase_of(word: &str) -> Result<Phase, AskError> {
    let plain = word.replace('-', "");
    let found = Phase::ALL.iter().find(|phase| phase.name().eq_ignore_ascii_case(&plain));
    found.copied().ok_or_else(|| {
        AskError(format!(
            "`{word}` is no phase: write continuous, pre-open, opening-auction, halt, \
            volatility-auction, closing-auction, closed or extended"
        ))
    })
}

/// The instrument of a symbol.
pub(super) fn instrument_of(symbol: &str, listed: &[Instrument]) -> Result<InstrumentId, AskError> {
    let is_it = |listed: &&Instrument| !listed.is_spare() && listed.symbol.name() == symbol;
    let found = listed.iter().find(is_it);
    let found = found.ok_or_else(|| AskError(format!("`{symbol}` is no instrument here")))?;
    Ok(found.id)
}

/// A limit's value as the command carries it: -1 for `none`, money in ten-thousandths.
pub(super) fn value_of(kind: LimitKind, text: &str) -> Result<i64, AskError> {
    if text == "none" {
        return Ok(-1);
    }
    let decimal = || text.parse::<Decimal>().map_err(AskError);
    match kind.unit() {
        Unit::Money => Ok(decimal()?.0),
        Unit::BasisPoints => Ok(decimal()?.0 / 100),
        Unit::Switch => match text {
            "yes" | "true" | "on" => Ok(1),
            "no" | "false" | "off" => Ok(0),
            _ => Err(AskError(format!("`{text}` is neither `yes` nor `no`"))),
        },
        Unit::Count | Unit::Milliseconds => text
            .replace('_', "")
            .parse()
            .map_err(|_| AskError(format!("`{text}` is no whole number, and not `none`"))),
    }
}

/// A limit's value as people read it.
pub fn shown(kind: LimitKind, value: i64) -> String {
    if value < 0 {
        return "none".into();
    }
    match kind.unit() {
        Unit::Money => Price(value).to_string(),
        Unit::BasisPoints => format!("{} %", Price(value * 100)),
        Unit::Switch => if value > 0 { "yes" } else { "no" }.into(),
        Unit::Count => value.to_string(),
        Unit::Milliseconds => format!("{value} ms"),
    }
}

pub(super) fn price_of(text: &str) -> Result<Price, AskError> {
    Ok(text.parse::<Decimal>()?.price())
}

impl Whom {
    /// Writes it into a command.
    pub(super) fn put(
        &self,
        command: &mut Command,
        listed: &[Instrument],
    ) -> Result<Scope, AskError> {
        let scope = scope_of(&self.scope)?;
        command.side = scope.code();
        if !self.symbol.is_empty() {
            command.instrument = instrument_of(&self.symbol, listed)?;
        }
        match scope {
            Scope::Account => command.account = AccountId(self.id),
            Scope::Session => command.session = SessionId(self.id),
            Scope::Firm | Scope::Venue | Scope::Everything => command.target = self.id,
            Scope::Instrument => {}
        }
        let needs_id = matches!(scope, Scope::Account | Scope::Session | Scope::Firm);
        if needs_id && self.id == 0 || scope == Scope::Instrument && command.instrument.0 == 0 {
            return Err(AskError(format!("say which {}", scope.name().to_ascii_lowercase())));
        }
        Ok(scope)
    }
}

/// Text cut to what a line of a message holds.
pub fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut padded = [0; N];
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    padded[..end].copy_from_slice(&text.as_bytes()[..end]);
    padded
}

impl Message {
    /// The request that this asks for, received at `now`; `second` is the second person. A file
    /// and a question are not one request.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn request(
        &self,
        second: &str,
        listed: &[Instrument],
        now: Nanos,
    ) -> Result<Group<Request>, AskError> {
        let mut first = None;
        let mut head = self.ask.command(listed, &mut first)?;
        head.timestamp = now;
        head.lines = 2 + first.is_some() as u8;
        let mut group = Group::new(Request(head));
        let note = Note {
            actor: padded(&self.actor),
            second: padded(second),
            reason: padded(&self.reason),
            ..Note::default()
        }
        .line();
        let [one, two, _] = group.rest_mut();
        match first {
            Some(line) => (*one, *two) = (line, note),
            None => *one = note,
        }
        Ok(group)
    }
}

impl Ask {
    fn command(
        &self,
        listed: &[Instrument],
        line: &mut Option<crate::model::Line>,
    ) -> Result<Command, AskError> {
        match self {
            Self::Set { whom, limit, value } => {
                let kind = LimitKind::from_key(limit).ok_or_else(|| {
                    let all: Vec<String> = LimitKind::ALL.iter().map(|kind| kind.key()).collect();
                    AskError(format!("`{limit}` is no limit: there are {}", all.join(", ")))
                })?;
                let mut command = Command::new(CommandKind::SetLimit);
                whom.put(&mut command, listed)?;
                command.order_type = kind.code();
                command.price = Price(value_of(kind, value)?);
                Ok(command)
            }
            Self::Kill { whom, reduce_only } => {
                let mut command = Command::new(CommandKind::Kill);
                whom.put(&mut command, listed)?;
                let state =
                    if *reduce_only { TradingState::ReduceOnly } else { TradingState::Halted };
                command.order_type = state.code();
                Ok(command)
            }
            Self::Resume { whom } => {
                let mut command = Command::new(CommandKind::Revive);
                whom.put(&mut command, listed)?;
                Ok(command)
            }
            Self::Cancel { whom, order } => cancel(whom, *order, listed, line),
            Self::Undo { trade } => trade.command(listed, line),
            Self::Account { account, like } => Ok(Command {
                account: AccountId(*account),
                target: *like,
                quantity: Quantity((*like != 0).into()),
                ..Command::new(CommandKind::SetAccount)
            }),
            Self::Session { session, first, last, like } => Ok(Command {
                session: SessionId(*session),
                target: *first,
                ordinal: *last,
                quantity: Quantity(*like),
                ..Command::new(CommandKind::SetSession)
            }),
            Self::Family { account, family } => Ok(Command {
                account: AccountId(*account),
                target: *family,
                ..Command::new(CommandKind::SetFamily)
            }),
            Self::List { symbol, is_new, named, tick, lot, price } => {
                let asked = Wanted { symbol, named, tick, lot: *lot, price };
                let listed = if *is_new { asked.added(listed) } else { asked.changed(listed) };
                Ok(listed?.command(*is_new))
            }
            Self::Phase { symbol, phase, lasts_s, then } => Ok(Command {
                instrument: instrument_of(symbol, listed)?,
                side: phase_of(phase)?.code(),
                quantity: Quantity(lasts_s.saturating_mul(1_000)),
                ordinal: phase_of(if then.is_empty() { "continuous" } else { then })?.code().into(),
                ..Command::new(CommandKind::SetPhase)
            }),
            Self::Move { symbol, shard, phase, last } => Ok(Command {
                instrument: instrument_of(symbol, listed)?,
                target: *shard,
                side: phase_of(if phase.is_empty() { "continuous" } else { phase })?.code(),
                price: if last.is_empty() { Price::ZERO } else { price_of(last)? },
                ..Command::new(CommandKind::MoveInstrument)
            }),
            Self::Reference { symbol, price } => {
                let is_index = symbol.is_empty();
                let instrument =
                    if is_index { InstrumentId(0) } else { instrument_of(symbol, listed)? };
                let price = price_of(price)?;
                Ok(Command { instrument, price, ..Command::new(CommandKind::SetReferencePrice) })
            }
            Self::Cash { kind, account, amount, currency, name } => {
                let code = cash_kind(kind)?;
                let head = cash(code, amount, name)?;
                let text = Text { client_order_id: padded(name), ..Text::default() };
                *line = Some(text.line());
                Ok(Command { account: AccountId(*account), target: currency.code(), ..head })
            }
            Self::Day { end } => Ok(end.command()),
            Self::Load { .. } | Self::Status => Err(AskError("this is no single request".into())),
        }
    }

    /// Whether it lets trading go on: a second person may be asked for.
    pub fn lifts(&self) -> bool {
        matches!(self, Self::Resume { .. })
    }
}

fn cash_kind(word: &str) -> Result<CashKind, AskError> {
    let found = CashKind::ALL.iter().find(|kind| kind.name().eq_ignore_ascii_case(word));
    found.copied().ok_or_else(|| {
        AskError(format!("`{word}` is none of deposit, withdrawal and compensation"))
    })
}

/// A movement of cash: deposits come, withdrawals go, compensations do either.
fn cash(kind: CashKind, amount: &str, name: &str) -> Result<Command, AskError> {
    let Price(amount) = price_of(amount)?;
    if name.is_empty() || name.len() > 32 || name.contains('\0') {
        return Err(AskError(
            "a movement has a name of 1 to 32 bytes: it counts once by it".into(),
        ));
    }
    let price = match kind {
        _ if amount == 0 => return Err(AskError("the amount is 0".into())),
        CashKind::Compensation => amount,
        _ if amount < 0 => {
            return Err(AskError("the amount of a deposit or withdrawal is above 0".into()));
        }
        CashKind::Deposit => amount,
        CashKind::Withdrawal => -amount,
    };
    let (price, order_type) = (Price(price), kind.code());
    Ok(Command { price, order_type, ..Command::new(CommandKind::Cash) })
}

/// A cancel on behalf: of one order, a session's or an account's.
fn cancel(
    whom: &Whom,
    order: u32,
    listed: &[Instrument],
    line: &mut Option<crate::model::Line>,
) -> Result<Command, AskError> {
    let kind = if order == 0 { CommandKind::MassCancel } else { CommandKind::Cancel };
    let mut command = Command::new(kind);
    let scope = whom.put(&mut command, listed)?;
    command.target = order;
    command.side = Side::Buy.code();
    match (scope, order) {
        (Scope::Session, _) => {}
        (Scope::Account, 0) => {
            let flags = TermFlags::BY_ACCOUNT.with(TermFlags::ALL_SESSIONS);
            *line = Some(Terms { flags, ..Terms::default() }.line());
        }
        (Scope::Everything | Scope::Instrument, 0) => {
            let flags = TermFlags::ALL_SESSIONS;
            *line = Some(Terms { flags, ..Terms::default() }.line());
        }
        _ => return Err(AskError("one order is named by its session and its number".into())),
    }
    Ok(command)
}

impl Trade {
    fn command(
        &self,
        listed: &[Instrument],
        line: &mut Option<crate::model::Line>,
    ) -> Result<Command, AskError> {
        let kind = match self.is_corrected {
            true => CommandKind::CorrectTrade,
            false => CommandKind::BustTrade,
        };
        let [session, account, ordinal] = self.buyer;
        let [seller, seller_account, seller_ordinal] = self.seller;
        let price = price_of(&self.price)?;
        let new = if self.new_price.is_empty() { price } else { price_of(&self.new_price)? };
        let new_quantity = if self.new_quantity == 0 { self.quantity } else { self.new_quantity };
        let detail = TradeDetail {
            match_number: self.match_number,
            price,
            new_price: new,
            quantity: Quantity(self.quantity),
            new_quantity: Quantity(new_quantity),
            seller: SessionId(seller),
            seller_ordinal,
            seller_account: AccountId(seller_account),
            ..TradeDetail::default()
        };
        *line = Some(detail.line());
        Ok(Command {
            session: SessionId(session),
            account: AccountId(account),
            ordinal,
            instrument: instrument_of(&self.symbol, listed)?,
            ..Command::new(kind)
        })
    }
}
