//! The gate: runs the checks in order and stamps the verdict into the command.

use crate::engine::names_destination;
use crate::engine::risk::accounts::{AccountState, OrderLimits};
use crate::engine::risk::alerts::Alert;
use crate::engine::risk::collar::{Collar, Listed};
use crate::engine::risk::controls::Controls;
use crate::engine::risk::duplicates::Duplicates;
use crate::engine::risk::exposure::Exposure;
use crate::engine::risk::guards::{GuardSet, Guards, cause};
use crate::engine::risk::held_orders::HeldOrder;
use crate::engine::risk::kill_switch::KillSwitch;
use crate::engine::risk::paces::Paces;
use crate::engine::risk::pairs::Pairs;
use crate::engine::risk::rate::Rate;
use crate::engine::risk::screen::open_after;
use crate::engine::risk::{RiskOptions, SessionRights};
use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Fault,
    InstrumentId, LimitKind, Nanos, Notional, OrderId, OrderType, Phase, Price, Quantity,
    RejectCode, Request, SessionId, Side, TradingState,
};
use crate::snapshot::part;

/// What a session may do, and how fast it is going.
#[derive(Clone, Debug)]
pub(super) struct SessionState {
    pub(super) rights: SessionRights,
    pub(super) rate: Rate,
    pub(super) entry_disabled: bool,
}
part!(SessionState { rights, rate, entry_disabled });

/// The gate's whole state: a fold over commands and the events that came back.
#[derive(Debug)]
pub struct RiskGate {
    pub(super) kill_switch: KillSwitch,
    pub(super) sessions: Box<[Option<SessionState>]>,
    pub(super) collar: Collar,
    pub(super) exposure: Exposure,
    pub(super) throttled: bool,
    /// The clock may be too far from UTC.
    pub(super) clock_is_off: bool,
    pub(super) shards: usize,
    pub(super) rest: Option<u8>,
    /// Orders of some accounts go where those are at home.
    sends_accounts: bool,
    pub(super) guards: Guards,
    pub(super) paces: Paces,
    pub(super) duplicates: Duplicates,
    /// Who may not trade what.
    pub(super) barred: Pairs,
    /// How many shares are located for whom.
    pub(super) located: Pairs,
    /// Instruments of sessions that may trade these alone, in order.
    pub(super) lists: Box<[(SessionId, Box<[InstrumentId]>)]>,
}
part!(RiskGate {
    kill_switch, collar, exposure, throttled, clock_is_off, guards, paces, duplicates, barred,
    located,
} each { sessions } kept { shards, rest, sends_accounts, lists });

impl RiskGate {
    /// With all tables taken at once.
    pub fn new(options: &RiskOptions) -> Self {
        let mut collar = Collar::new(&options.instruments);
        options.elsewhere.iter().for_each(|id| collar.set_elsewhere(*id));
        options.routed.iter().for_each(|id| collar.set_routed(*id));
        options.homes.iter().for_each(|(id, shard)| collar.set_home(*id, *shard));
        let session = |rights: &Option<SessionRights>| {
            rights.map(|rights| SessionState {
                rights,
                rate: Rate::new(rights.rate),
                entry_disabled: false,
            })
        };
        let (sessions, accounts) = (options.sessions.len(), options.accounts.len());
        let list = |(session, ids): &(SessionId, Vec<InstrumentId>)| {
            let mut ids = ids.clone();
            ids.sort_unstable();
            (*session, ids.into())
        };
        let mut gate = Self {
            kill_switch: KillSwitch::new(sessions, accounts, collar.len(), options.firms.len()),
            sessions: options.sessions.iter().map(session).collect(),
            exposure: Exposure::new(options, collar.len()),
            guards: Guards::new(collar.len()),
            paces: Paces::new(accounts),
            duplicates: Duplicates::new(),
            barred: Pairs::new(),
            located: Pairs::new(),
            lists: options.instruments_of.iter().map(list).collect(),
            collar,
            throttled: false,
            clock_is_off: false,
            shards: options.shards,
            rest: options.rest,
            sends_accounts: options.sends_accounts,
        };
        for setting in &options.settings {
            gate.check(&mut setting.clone());
        }
        gate
    }

    /// Why no order is taken at all, if so.
    #[inline]
    pub fn throttle(&self) -> Option<RejectCode> {
        match (self.throttled, self.clock_is_off) {
            (true, _) => Some(RejectCode::JournalFull),
            (false, true) => Some(RejectCode::ClockOff),
            (false, false) => None,
        }
    }

    /// Whether orders are refused for want of room in the journal, and because of the clock.
    pub fn throttles(&self) -> [bool; 2] {
        [self.throttled, self.clock_is_off]
    }

    /// Bytes of its tables.
    pub fn bytes(&self) -> usize {
        let pairs = 2 * Pairs::bytes() + self.duplicates.bytes() + self.paces.bytes();
        self.exposure.bytes() + self.guards.bytes() + pairs
    }

    /// Is told of an order that comes some orders later: asks the caches for what it will need.
    #[inline]
    pub fn expect(&self, command: &Command) {
        self.exposure.fetch_order(command.target_id());
        self.exposure.fetch(command.account, command.instrument);
        self.paces.fetch(command.account);
        self.guards.fetch(command.instrument);
        self.collar.fetch(command.instrument);
    }

    /// Is told of it again, a little before it comes.
    #[inline]
    pub fn expect_soon(&self, command: &Command) {
        self.exposure.fetch_further(command.account, command.instrument);
        self.duplicates.fetch(command);
    }

    /// Stamps the verdict; for a replace also what the order it names is about, and for a market
    /// order its protection price.
    #[inline]
    pub fn check(&mut self, command: &mut Command) {
        if let Err(code) = self.judge(command) {
            command.verdict = code.code();
        }
    }

    /// The verdict. A command refused already by the gateway still pays its rate.
    fn judge(&mut self, command: &mut Command) -> Result<(), RejectCode> {
        match command.kind() {
            Some(CommandKind::Enter) => self.enter(command),
            Some(CommandKind::Replace) => self.replace(command),
            Some(CommandKind::Cancel | CommandKind::Modify) if self.shards > 1 => {
                let held = self.exposure.order(command.target_id());
                command.instrument = held.map_or(InstrumentId(0), HeldOrder::rests_in);
                if self.sends_accounts {
                    command.account = held.map_or(AccountId(0), |order| order.account);
                }
                Ok(())
            }
            Some(CommandKind::Cancel) | None => Ok(()),
            Some(kind) => self.administer(kind, command),
        }
    }

    pub(super) fn session(&mut self, command: &Command) -> Result<&mut SessionState, RejectCode> {
        let session = self.sessions.get_mut(command.session.index());
        session.and_then(Option::as_mut).ok_or(RejectCode::UnknownSession)
    }

    /// What every new or changed order must pass before its fields are looked at.
    #[inline]
    fn admit(&mut self, command: &Command) -> Result<SessionRights, RejectCode> {
        let throttle = self.throttle();
        let is_broken = self.exposure.is_broken;
        let session = self.session(command)?;
        session.rate.take(command.timestamp)?;
        if let Some(code) = command.refused() {
            return Err(code);
        }
        if command.verdict != 0 {
            return Err(RejectCode::Unsupported);
        }
        if session.entry_disabled {
            return Err(RejectCode::EntryDisabled);
        }
        if let Some(code) = throttle {
            return Err(code);
        }
        if is_broken {
            return Err(RejectCode::RiskFailed);
        }
        Ok(session.rights)
    }

    fn enter(&mut self, command: &mut Command) -> Result<(), RejectCode> {
        let rights = self.admit(command)?;
        let account = command.account;
        if account < rights.first_account || account > rights.last_account {
            return Err(RejectCode::UnknownAccount);
        }
        let limits = self.exposure.order_limits(account).ok_or(RejectCode::UnknownAccount)?;
        let listed = self.collar.listed(command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if listed.is_elsewhere {
            return Err(RejectCode::Elsewhere);
        }
        if command.target == Command::HERE && !listed.is_routed {
            // All of the instrument's orders are matched here.
            command.target = 0;
        }
        self.permit(command, &rights, &listed)?;
        let state = self.state_of(command, &listed)?;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        if limits.controls.any() {
            self.screen_account(command, limits.controls, false)?;
        }
        if listed.guards.any() {
            self.screen_instrument(command, side, &listed)?;
        }
        self.pass(command, side, state, &listed, &limits, None)
    }

    /// The checks of an order's numbers, and of what it does to its account and its firm.
    #[inline]
    fn pass(
        &mut self,
        command: &mut Command,
        side: Side,
        state: TradingState,
        listed: &Listed,
        limits: &OrderLimits,
        old: Option<&HeldOrder>,
    ) -> Result<(), RejectCode> {
        if self.barred.any() {
            self.check_barred(command)?;
        }
        if self.guards.market.is_halted {
            return Err(RejectCode::MarketHalt);
        }
        if state == TradingState::ReduceOnly {
            self.reduces(command, side, old)?;
        }
        self.check_marking(command, side, limits, old)?;
        check_quantity(command.quantity, listed, limits)?;
        let price = price_of(command, side, listed, limits)?;
        let (price, at_end) = self.inside_band(command, side, listed, price);
        command.price = price;
        check_notional(price, command.quantity, limits)?;
        let open = old.map_or(command.quantity, |old| open_after(command, old));
        let order = HeldOrder {
            id: command.order_id(),
            account: command.account,
            instrument: command.instrument,
            price: Self::held_at(price, side, listed),
            open,
            executed: old.map_or(0, |old| old.executed),
            is_sale: !side.is_buy(),
            entered: command.seq,
            at_end,
            is_sent: old.map_or(names_destination(command), |old| old.is_sent),
            ..HeldOrder::default()
        };
        self.exposure.hold(order, old, limits)?;
        self.note_end(command, side, at_end);
        Ok(())
    }

    fn replace(&mut self, command: &mut Command) -> Result<(), RejectCode> {
        let rights = self.admit(command)?;
        let old = *self.exposure.order(command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        command.account = old.account;
        command.instrument = old.instrument;
        let limits = self.exposure.order_limits(old.account).ok_or(RejectCode::UnknownAccount)?;
        let listed = self.collar.listed(old.instrument).ok_or(RejectCode::UnknownInstrument)?;
        self.permit(command, &rights, &listed)?;
        let state = self.state_of(command, &listed)?;
        let side = if old.is_sale { Side::Sell } else { Side::Buy };
        if limits.controls.any() {
            self.screen_account(command, limits.controls, true)?;
        }
        if listed.guards.any() {
            self.screen_instrument(command, side, &listed)?;
        }
        self.pass(command, side, state, &listed, &limits, Some(&old))?;
        command.instrument = old.rests_in();
        Ok(())
    }

    /// Takes an event that is due.
    ///
    /// # Errors
    /// [`Fault::MalformedMessage`] for an event of a kind nobody writes.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Result<(), Fault> {
        let id = event.order_id();
        match event.kind()? {
            EventKind::Executed => {
                self.exposure.executed(event);
                if event.flags.0 & (EventFlags::MAKER.0 | EventFlags::AWAY.0) != 0 {
                    self.collar.set_reference(event.instrument, event.price);
                    self.watch_trade(event);
                }
                self.count_execution(event);
            }
            EventKind::PhaseChanged => self.phase_changed(event),
            EventKind::Cancelled => {
                // What is gone whole is released below, at one look-up.
                if !event.flags.has(EventFlags::DONE) {
                    self.exposure.reduce(id, event.quantity);
                }
                if event.cancel_reason() == Some(CancelReason::ReplacedBelowExecuted) {
                    self.exposure.release(OrderId::new(event.session, event.target));
                    self.note_left();
                }
            }
            EventKind::Modified => self.exposure.resize(id, event.quantity),
            EventKind::Replaced => {
                let old = OrderId::new(event.session, event.target);
                self.exposure.replaced(old, id, event.quantity);
            }
            EventKind::Busted => self.exposure.traded_otherwise(event, true),
            EventKind::Corrected => self.exposure.traded_otherwise(event, false),
            EventKind::Rejected => self.exposure.rejected(id, event.id.seq()),
            _ => return Ok(()),
        }
        if event.flags.has(EventFlags::DONE) {
            self.exposure.release(id);
        }
        self.note_left();
        Ok(())
    }

    /// An order that waited at an end of its band is gone.
    #[inline]
    fn note_left(&mut self) {
        if let Some(order) = self.exposure.left_end.take() {
            self.guards.left(order.instrument, order.at_end, !order.is_sale);
        }
    }

    /// Shows a trade to the guards of its instrument, where it has any.
    #[inline]
    fn watch_trade(&mut self, event: &Event) {
        let Some(listed) = self.collar.listed_mut(event.instrument) else { return };
        if listed.guards.has(GuardSet::TRADES)
            && let Some(kind) = self.guards.traded(event, &mut listed.guards)
        {
            let alert = Alert::instrument(cause(event), kind, event.price.0);
            self.exposure.alerts.push(alert);
        }
    }

    /// Counts an execution of an account that has a limit of them.
    #[inline]
    fn count_execution(&mut self, event: &Event) {
        let limits = self.exposure.order_limits(event.account);
        if limits.is_some_and(|limits| limits.controls.has(Controls::EXECUTIONS))
            && let Some(more) = self.exposure.more(event.account)
            && self.paces.executed(event.account, more, event.timestamp)
        {
            let about = (event.account, event.id.seq());
            let most = i64::from(more.executions_max);
            self.exposure.alerts.push(Alert::account(about, LimitKind::Executions, most));
        }
    }

    fn phase_changed(&mut self, event: &Event) {
        if let Some(listed) = self.collar.listed_mut(event.instrument)
            && let Some(phase) = Phase::from_code(event.reason)
        {
            listed.phase = phase;
            self.guards.phase_changed(event, listed.reference);
        }
    }

    /// Shows the phases that guards want to `send`, until that takes no more.
    pub fn ask(&mut self, now: Nanos, send: impl FnMut(&Request) -> bool) {
        self.guards.ask(now, send);
    }

    /// After a replay: what guards want and nobody did is asked for again.
    pub fn ask_again(&mut self) {
        self.guards.ask_again();
    }

    /// When log time must pass even if no command comes.
    pub fn due_at(&self) -> Nanos {
        self.guards.due_at()
    }

    /// The next alert nobody has taken.
    pub fn alert(&mut self) -> Option<Alert> {
        self.exposure.alerts.pop()
    }

    /// Whether the gate found its own state wrong: it refuses everything but cancels.
    pub fn is_broken(&self) -> bool {
        self.exposure.is_broken
    }

    /// An account's money for purchases, and its limit of exposure.
    pub fn means(&self, account: AccountId) -> Option<(Notional, Notional)> {
        self.exposure.means(account)
    }

    /// A firm's usage.
    pub fn firm(&self, firm: u32) -> Option<&AccountState> {
        self.exposure.firm(firm).map(|firm| &firm.state)
    }

    /// An account's position in an instrument.
    pub fn position(&self, account: AccountId, instrument: InstrumentId) -> i64 {
        self.exposure.holding(account, instrument).position
    }

    /// Shares that open orders of an account could buy and sell of an instrument.
    pub fn open_shares(&self, account: AccountId, instrument: InstrumentId) -> (u32, u32) {
        let holding = self.exposure.holding(account, instrument);
        (holding.open_buy, holding.open_sell)
    }

    /// An account's usage.
    pub fn account(&self, account: AccountId) -> Option<&AccountState> {
        self.exposure.account(account)
    }

    /// Orders money is held for.
    pub fn open_orders(&self) -> usize {
        self.exposure.open_orders()
    }

    /// Folds what the gate knows into a digest.
    pub fn digest(&self, mut fold: impl FnMut(u64)) {
        self.collar.digest(&mut fold);
        self.exposure.digest(&mut fold);
        self.kill_switch.digest(&mut fold);
        self.guards.digest(&mut fold);
    }
}

fn check_quantity(
    quantity: Quantity,
    listed: &Listed,
    limits: &OrderLimits,
) -> Result<(), RejectCode> {
    // Most lots are 1, and a division costs as much as all the other checks of the quantity.
    if quantity.0 == 0 || listed.lot != 1 && !quantity.0.is_multiple_of(listed.lot) {
        return Err(RejectCode::InvalidQuantity);
    }
    if quantity > limits.quantity_max {
        return Err(RejectCode::QuantityLimit);
    }
    Ok(())
}

/// The price an order is held and matched at: its own inside the collar, or its protection.
fn price_of(
    command: &Command,
    side: Side,
    listed: &Listed,
    limits: &OrderLimits,
) -> Result<Price, RejectCode> {
    let price = command.price;
    let kind = command.order_type();
    if kind.is_some_and(OrderType::needs_protection) {
        return match kind {
            Some(OrderType::Market | OrderType::MarketToLimit) => {
                listed.protection(side.is_buy(), limits.collar_bps)
            }
            // A stop trades when its price is reached: its protection is about that price.
            Some(OrderType::Stop | OrderType::TrailingStop) if price.0 > 0 => {
                let reached = Listed { reference: price, ..*listed };
                reached.protection(side.is_buy(), limits.collar_bps)
            }
            _ if price == Price::ZERO => listed.protection(side.is_buy(), limits.collar_bps),
            _ => in_band(price, listed, limits),
        };
    }
    in_band(price, listed, limits)
}

/// A price on the tick and inside the collar.
fn in_band(price: Price, listed: &Listed, limits: &OrderLimits) -> Result<Price, RejectCode> {
    if price.0 <= 0 || price.0 % listed.tick.0.max(1) != 0 {
        return Err(RejectCode::InvalidPrice);
    }
    let (low, high) = listed.band(limits.collar_bps)?;
    if price < low || price > high { Err(RejectCode::PriceCollar) } else { Ok(price) }
}

fn check_notional(
    price: Price,
    quantity: Quantity,
    limits: &OrderLimits,
) -> Result<(), RejectCode> {
    match price.notional(quantity) {
        Some(notional) if notional <= limits.notional_max => Ok(()),
        _ => Err(RejectCode::NotionalLimit),
    }
}
