//! Checks beyond those that every order passes: of accounts and instruments that have them.

use crate::engine::names_destination;
use crate::engine::risk::accounts::OrderLimits;
use crate::engine::risk::collar::Listed;
use crate::engine::risk::controls::Controls;
use crate::engine::risk::gate::RiskGate;
use crate::engine::risk::guards::GuardSet;
use crate::engine::risk::held_orders::HeldOrder;
use crate::engine::risk::kill_switch::Beside;
use crate::engine::risk::limits::SessionRights;
use crate::model::{
    Command, Flags, OrderType, Phase, Price, Quantity, RejectCode, Scope, Side, TimeInForce,
    TradingState,
};

impl RiskGate {
    /// What the kill switch lets an order be.
    #[inline]
    pub(super) fn state_of(
        &self,
        command: &Command,
        listed: &Listed,
    ) -> Result<TradingState, RejectCode> {
        let beside = || Beside {
            firm: self.exposure.firm_of(command.account),
            venue: u8::from(listed.is_elsewhere || listed.is_routed || names_destination(command)),
        };
        match self.kill_switch.allows(command, beside) {
            TradingState::Halted => Err(RejectCode::Killed),
            state => Ok(state),
        }
    }

    /// Whether an order reduces its account's position and cannot turn it round.
    #[cold]
    pub(super) fn reduces(
        &self,
        command: &Command,
        side: Side,
        old: Option<&HeldOrder>,
    ) -> Result<(), RejectCode> {
        let holding = self.exposure.holding(command.account, command.instrument);
        let replaced = old.map_or(0, |old| i64::from(old.open.0));
        let worst = holding.worst(!side.is_buy()) - replaced;
        let reduces = worst.saturating_add(i64::from(command.quantity.0)) <= 0;
        if reduces { Ok(()) } else { Err(RejectCode::ReduceOnly) }
    }

    /// What a session may not trade, or not now.
    #[inline]
    pub(super) fn permit(
        &self,
        command: &Command,
        rights: &SessionRights,
        listed: &Listed,
    ) -> Result<(), RejectCode> {
        if !rights.hours.has(listed.hours) {
            return Err(RejectCode::OutOfHours);
        }
        if !rights.phases.has(listed.phase) {
            return Err(RejectCode::PhasePermission);
        }
        if rights.has_list && !self.may_trade(command) {
            return Err(RejectCode::InstrumentPermission);
        }
        Ok(())
    }

    /// What an account with more limits may not send; before the order's numbers are looked at.
    #[inline(never)]
    pub(super) fn screen_account(
        &mut self,
        command: &Command,
        controls: Controls,
        may_trade_alike: bool,
    ) -> Result<(), RejectCode> {
        let Self { exposure, paces, duplicates, .. } = self;
        let more = exposure.more(command.account).ok_or(RejectCode::UnknownAccount)?;
        if controls.has(Controls::FOREIGN) {
            return Err(RejectCode::Elsewhere);
        }
        if controls.has(Controls::RATE) {
            paces.take(command.account, more, command.timestamp)?;
        }
        if controls.has(Controls::EXECUTIONS) && paces.is_stopped(command.account) {
            return Err(RejectCode::RepeatedExecution);
        }
        let is_market = matches!(
            command.order_type(),
            Some(OrderType::Market | OrderType::MarketToLimit | OrderType::Stop)
        );
        if controls.has(Controls::MARKET) && is_market {
            return Err(RejectCode::MarketOrder);
        }
        let window = more.duplicate_window;
        if controls.has(Controls::DUPLICATES)
            && !may_trade_alike
            && duplicates.repeats(command, window)
        {
            return Err(RejectCode::RepeatedOrder);
        }
        Ok(())
    }

    /// What an instrument's guards keep out; before the order's numbers are looked at.
    #[inline(never)]
    pub(super) fn screen_instrument(
        &self,
        command: &mut Command,
        side: Side,
        listed: &Listed,
    ) -> Result<(), RejectCode> {
        let guards = listed.guards;
        if guards.has(GuardSet::RESTRICTED) {
            return Err(RejectCode::RestrictedInstrument);
        }
        if guards.has(GuardSet::OUT) {
            return Err(RejectCode::CircuitBreaker);
        }
        if matches!(side, Side::SellShort | Side::SellShortExempt) {
            self.screen_short(command, side, guards)?;
        }
        let Some(hot) = self.guards.hot(command.instrument) else { return Ok(()) };
        // Where nothing trades the close before is the reference, and does not age.
        let is_old = |now: u64| now - hot.referred_at.0.min(now) > hot.age_max.0;
        if guards.has(GuardSet::AGE) && listed.phase.meets() && is_old(command.timestamp.0) {
            return Err(RejectCode::StaleReference);
        }
        if guards.has(GuardSet::BAND) && listed.phase == Phase::Continuous {
            let is_priced = command.order_type().is_some_and(|kind| !kind.needs_protection());
            let price = command.price;
            if is_priced && if side.is_buy() { price > hot.high } else { price < hot.low } {
                return Err(RejectCode::PriceBand);
            }
        }
        Ok(())
    }

    /// Sales of shares that are borrowed.
    fn screen_short(
        &self,
        command: &mut Command,
        side: Side,
        guards: GuardSet,
    ) -> Result<(), RejectCode> {
        if guards.has(GuardSet::NO_SHORTS) {
            return Err(RejectCode::NoShortSales);
        }
        if guards.has(GuardSet::BORROWED) {
            let (account, instrument) = (command.account, command.instrument);
            let located = self.located.get(Scope::Account, account.0, instrument);
            let worst = self.exposure.holding(account, instrument).worst(true);
            if worst.saturating_add(i64::from(command.quantity.0)) > i64::from(located) {
                return Err(RejectCode::LocateMissing);
            }
        }
        if guards.has(GuardSet::PRICE_TEST) && side == Side::SellShort {
            // Above the best bid is where an order rests and does not trade: matching, which
            // knows the bid, takes away what would trade.
            let rests = command.order_type() == Some(OrderType::Limit)
                && command.time_in_force().is_some_and(TimeInForce::may_rest);
            if !rests {
                return Err(RejectCode::ShortSaleTest);
            }
            command.flags = command.flags.with(Flags::POST_ONLY);
        }
        Ok(())
    }

    /// What is barred for an order's account, firm or session.
    #[cold]
    pub(super) fn check_barred(&self, command: &Command) -> Result<(), RejectCode> {
        let firm = u32::from(self.exposure.firm_of(command.account));
        let scopes = [
            (Scope::Account, command.account.0),
            (Scope::Firm, firm),
            (Scope::Session, command.session.0),
        ];
        let is_barred =
            |(scope, id): &(Scope, u32)| self.barred.get(*scope, *id, command.instrument) > 0;
        match scopes.iter().any(is_barred) {
            true => Err(RejectCode::RestrictedInstrument),
            false => Ok(()),
        }
    }

    /// A sale marked long of more than is there.
    pub(super) fn check_marking(
        &self,
        command: &Command,
        side: Side,
        limits: &OrderLimits,
        old: Option<&HeldOrder>,
    ) -> Result<(), RejectCode> {
        if !limits.controls.has(Controls::MARKING) || side != Side::Sell {
            return Ok(());
        }
        let holding = self.exposure.holding(command.account, command.instrument);
        let replaced = old.map_or(0, |old| i64::from(old.open.0));
        let worst = holding.worst(true) - replaced + i64::from(command.quantity.0);
        if worst > 0 { Err(RejectCode::ShortNotMarked) } else { Ok(()) }
    }

    /// A market order's protection, inside its instrument's price band; and the mark of an order
    /// that waits at an end of that.
    #[inline]
    pub(super) fn inside_band(
        &self,
        command: &Command,
        side: Side,
        listed: &Listed,
        price: Price,
    ) -> (Price, u8) {
        if !listed.guards.has(GuardSet::BAND) || listed.phase != Phase::Continuous {
            return (price, 0);
        }
        let Some(hot) = self.guards.hot(command.instrument) else { return (price, 0) };
        let price = if side.is_buy() { price.min(hot.high) } else { price.max(hot.low) };
        (price, hot.mark_of(side.is_buy(), price))
    }

    /// Money is held for an order that passed: what waits at an end of its band begins a limit
    /// state, if it is not for now alone.
    #[inline]
    pub(super) fn note_end(&mut self, command: &Command, side: Side, mark: u8) {
        if mark != 0 {
            let (id, now) = (command.instrument, command.timestamp);
            self.guards.waits(id, mark, side.is_buy(), now);
        }
    }

    /// The price that money is held at: a sale's may be better than it asks.
    #[inline]
    pub(super) fn held_at(price: Price, side: Side, listed: &Listed) -> Price {
        if side.is_buy() { price } else { price.max(listed.reference) }
    }
}

/// How many shares a replaced order still brings.
pub(super) const fn open_after(command: &Command, old: &HeldOrder) -> Quantity {
    command.quantity.saturating_sub(Quantity(old.executed))
}
