//! The gate: runs the checks in order and stamps the verdict into the command.

use crate::engine::risk::accounts::{Account, AccountState, OrderLimits};
use crate::engine::risk::collar::{Collar, Listed};
use crate::engine::risk::exposure::Exposure;
use crate::engine::risk::held_orders::HeldOrder;
use crate::engine::risk::holdings::Holdings;
use crate::engine::risk::kill_switch::KillSwitch;
use crate::engine::risk::rate::Rate;
use crate::engine::risk::{RiskOptions, SessionRights};
use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Fault, Hours,
    InstrumentId, Notional, OrderId, OrderType, Phase, Price, Quantity, RejectCode, Side,
};

/// What a session may do, and how fast it is going.
#[derive(Clone, Debug)]
struct SessionState {
    rights: SessionRights,
    rate: Rate,
    entry_disabled: bool,
}

/// The gate's whole state: a fold over commands and the events that came back.
#[derive(Debug)]
pub struct RiskGate {
    kill_switch: KillSwitch,
    sessions: Box<[Option<SessionState>]>,
    collar: Collar,
    exposure: Exposure,
    throttled: bool,
    shards: usize,
    rest: Option<u8>,
}

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
        Self {
            kill_switch: KillSwitch::new(
                options.sessions.len(),
                options.accounts.len(),
                collar.len(),
            ),
            sessions: options.sessions.iter().map(session).collect(),
            exposure: Exposure::new(
                &options.accounts,
                options.orders_max,
                Holdings::new(options.accounts.len(), collar.len(), options.holdings_max),
                if options.shards > 1 { collar.len() } else { 0 },
            ),
            collar,
            throttled: false,
            shards: options.shards,
            rest: options.rest,
        }
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
            Some(CommandKind::Kill) => {
                self.kill_switch.set(command, true);
                Ok(())
            }
            Some(CommandKind::Revive) => {
                self.kill_switch.set(command, false);
                Ok(())
            }
            Some(CommandKind::SetBuyingPower) => {
                self.set_limit(command, |account, money| account.buying_power = money)
            }
            Some(CommandKind::SetExposureLimit) => {
                self.set_limit(command, |account, money| account.exposure_max = money)
            }
            Some(CommandKind::SetReferencePrice) => {
                self.collar.set_reference(command.instrument, command.price);
                Ok(())
            }
            Some(CommandKind::SetHours) => {
                let hours = Hours::from_code(command.side).ok_or(RejectCode::Unsupported)?;
                self.collar.set_hours(command.instrument, hours, command.quantity.0)
            }
            Some(CommandKind::Cancel | CommandKind::Modify) if self.shards > 1 => {
                let held = self.exposure.order(command.target_id());
                command.instrument = held.map_or(InstrumentId(0), |order| order.instrument);
                Ok(())
            }
            Some(CommandKind::MoveInstrument) => self.check_move(command),
            Some(CommandKind::Throttle) => {
                self.throttled = true;
                Ok(())
            }
            Some(CommandKind::Unthrottle) => {
                self.throttled = false;
                Ok(())
            }
            Some(CommandKind::DisableEntry) => self.set_entry(command, true),
            Some(CommandKind::EnableEntry) => self.set_entry(command, false),
            _ => Ok(()),
        }
    }

    fn set_limit(
        &mut self,
        command: &Command,
        set: impl FnOnce(&mut Account, Notional),
    ) -> Result<(), RejectCode> {
        let account = self.exposure.account_mut(command.account);
        set(account.ok_or(RejectCode::UnknownAccount)?, Notional(command.price.0));
        Ok(())
    }

    /// An instrument goes to the shard it was dealt to, or to the one that knows all, when the gate
    /// knows of no order in it: it knows of every order that lives, and of some a little longer.
    fn check_move(&self, command: &Command) -> Result<(), RejectCode> {
        let listed = self.collar.listed(command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        let knows = |shard: u8| shard == listed.home || Some(shard) == self.rest;
        let is_known = u8::try_from(command.target).is_ok_and(knows);
        let is_away = listed.is_elsewhere || listed.is_routed;
        let is_far = command.target as usize >= self.shards || is_away;
        if !is_known || is_far || Phase::from_code(command.side).is_none() {
            return Err(RejectCode::Unsupported);
        }
        if self.exposure.waits_in(command.instrument) { Err(RejectCode::NotIdle) } else { Ok(()) }
    }

    fn set_entry(&mut self, command: &Command, disabled: bool) -> Result<(), RejectCode> {
        self.session(command)?.entry_disabled = disabled;
        Ok(())
    }

    fn session(&mut self, command: &Command) -> Result<&mut SessionState, RejectCode> {
        let session = self.sessions.get_mut(command.session.index());
        session.and_then(Option::as_mut).ok_or(RejectCode::UnknownSession)
    }

    /// What every new or changed order must pass before its fields are looked at.
    #[inline]
    fn admit(&mut self, command: &Command) -> Result<SessionRights, RejectCode> {
        let throttled = self.throttled;
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
        if throttled {
            return Err(RejectCode::JournalFull);
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
        if !rights.hours.has(listed.hours) {
            return Err(RejectCode::OutOfHours);
        }
        if self.kill_switch.stops(command) {
            return Err(RejectCode::Killed);
        }
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        check_quantity(command.quantity, &listed, &limits)?;
        command.price = price_of(command, side, &listed, &limits)?;
        check_notional(command.price, command.quantity, &limits)?;
        let order = HeldOrder {
            id: command.order_id(),
            account,
            instrument: command.instrument,
            price: command.price,
            open: command.quantity,
            is_sale: !side.is_buy(),
            entered: command.seq,
            ..HeldOrder::default()
        };
        self.exposure.hold(order, Notional::ZERO, limits.open_orders_max)
    }

    fn replace(&mut self, command: &mut Command) -> Result<(), RejectCode> {
        let rights = self.admit(command)?;
        let old = *self.exposure.order(command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        command.account = old.account;
        command.instrument = old.instrument;
        let limits = self.exposure.order_limits(old.account).ok_or(RejectCode::UnknownAccount)?;
        let listed = self.collar.listed(old.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if !rights.hours.has(listed.hours) {
            return Err(RejectCode::OutOfHours);
        }
        if self.kill_switch.stops(command) {
            return Err(RejectCode::Killed);
        }
        let side = if old.is_sale { Side::Sell } else { Side::Buy };
        check_quantity(command.quantity, &listed, &limits)?;
        command.price = price_of(command, side, &listed, &limits)?;
        check_notional(command.price, command.quantity, &limits)?;
        let open = command.quantity.saturating_sub(Quantity(old.executed));
        let id = command.order_id();
        let order = HeldOrder { id, price: command.price, open, entered: command.seq, ..old };
        self.exposure.hold(order, old.held, limits.open_orders_max)
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
                }
            }
            EventKind::Cancelled => {
                // What is gone whole is released below, at one look-up.
                if !event.flags.has(EventFlags::DONE) {
                    self.exposure.reduce(id, event.quantity);
                }
                if event.cancel_reason() == Some(CancelReason::ReplacedBelowExecuted) {
                    self.exposure.release(OrderId::new(event.session, event.target));
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
        Ok(())
    }

    /// An account's usage.
    pub fn account(&self, account: AccountId) -> Option<&AccountState> {
        self.exposure.account(account)
    }

    /// Orders money is held for.
    pub fn open_orders(&self) -> usize {
        self.exposure.open_orders()
    }

    /// Folds the gate's usage into a digest.
    pub fn digest(&self, fold: impl FnMut(u64)) {
        self.exposure.digest(fold);
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
