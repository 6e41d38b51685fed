//! What the operator changes while the appliance runs: limits, states, who is known.

use crate::engine::risk::SessionRights;
use crate::engine::risk::gate::{RiskGate, SessionState};
use crate::engine::risk::rate::Rate;
use crate::model::{
    AccountId, Command, CommandKind, Hours, Instrument, InstrumentId, LimitKind, Phase, RejectCode,
    Scope, SessionId,
};

/// `order_type` of a phase that the calendar asks for, and of one that market data does.
const BY_CALENDAR: u8 = Command::BY_HOUSE;
const BY_MARKET_DATA: u8 = 2;

impl RiskGate {
    /// Does what an operator's command asks, as far as risk is concerned.
    #[cold]
    pub(super) fn administer(
        &mut self,
        kind: CommandKind,
        command: &mut Command,
    ) -> Result<(), RejectCode> {
        let (account, value) = (command.account, command.price.0);
        match kind {
            CommandKind::Kill => self.set_state(command, true),
            CommandKind::Revive => self.set_state(command, false),
            CommandKind::SetBuyingPower => {
                self.exposure.set(account, LimitKind::BuyingPower, value)
            }
            CommandKind::SetExposureLimit => self.exposure.set(account, LimitKind::Exposure, value),
            CommandKind::SetLimit => self.set_limit(command),
            CommandKind::SetAccount => {
                let like = (command.quantity.0 != 0).then_some(AccountId(command.target));
                self.exposure.list(account, like)
            }
            CommandKind::SetSession => self.set_session(command),
            CommandKind::SetInstrument => self.set_instrument(command),
            CommandKind::SetReferencePrice if command.instrument.0 == 0 => {
                self.guards.index_moved(command.price);
                Ok(())
            }
            CommandKind::SetReferencePrice => {
                self.collar.set_reference(command.instrument, command.price);
                self.guards.referred(command.instrument, command.timestamp);
                Ok(())
            }
            CommandKind::SetHours => {
                let hours = Hours::from_code(command.side).ok_or(RejectCode::Unsupported)?;
                self.collar.set_hours(command.instrument, hours, command.quantity.0)
            }
            CommandKind::SetPhase => self.note_phase(command),
            CommandKind::MoveInstrument => self.check_move(command),
            CommandKind::Throttle | CommandKind::Unthrottle => {
                let place = match command.order_type {
                    Command::FOR_THE_CLOCK => &mut self.clock_is_off,
                    _ => &mut self.throttled,
                };
                *place = kind == CommandKind::Throttle;
                Ok(())
            }
            CommandKind::StartOfDay => {
                self.guards.market.begin_day();
                Ok(())
            }
            CommandKind::EndOfDay => {
                let is_persons = command.order_type != Command::BY_HOUSE;
                // Orders that wait for it would be taken before they trade.
                if command.quantity.0 != 0 && is_persons && self.collar.has_auction() {
                    return Err(RejectCode::AuctionGathers);
                }
                self.end_day();
                Ok(())
            }
            CommandKind::DisableEntry => self.set_entry(command, true),
            CommandKind::EnableEntry => self.set_entry(command, false),
            CommandKind::Tick | CommandKind::Sweep => {
                self.guards.pass(command.timestamp);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Kills or revives; tells matching which accounts a firm has.
    fn set_state(&mut self, command: &mut Command, killed: bool) -> Result<(), RejectCode> {
        match Scope::from_code(command.side) {
            Some(Scope::Firm) => {
                let firm = self.exposure.firm(command.target).ok_or(RejectCode::UnknownAccount)?;
                command.account = firm.limits.first;
                command.ordinal = firm.limits.last.0;
            }
            // Who traded too often is let go on by a person here, not by himself.
            Some(Scope::Account) if !killed && command.client_seq == 0 => {
                self.paces.resume(command.account);
            }
            Some(Scope::Everything) if !killed => self.guards.market.resume(),
            _ => {}
        }
        self.kill_switch.set(command, killed);
        Ok(())
    }

    fn set_limit(&mut self, command: &Command) -> Result<(), RejectCode> {
        let kind = LimitKind::from_code(command.order_type).ok_or(RejectCode::Unsupported)?;
        let scope = Scope::from_code(command.side).ok_or(RejectCode::Unsupported)?;
        let (value, instrument) = (command.price.0, command.instrument);
        let id = match scope {
            Scope::Account => command.account.0,
            Scope::Session => command.session.0,
            Scope::Firm | Scope::Venue | Scope::Everything => command.target,
            Scope::Instrument => instrument.0,
        };
        match (scope, kind) {
            (Scope::Account | Scope::Firm | Scope::Session, LimitKind::Restricted) => {
                self.barred.set(scope, id, instrument, value)
            }
            (Scope::Account, LimitKind::Located) => self.located.set(scope, id, instrument, value),
            (Scope::Account, kind) => self.exposure.set(command.account, kind, value),
            (Scope::Firm, kind) => self.exposure.set_firm(id, kind, value),
            (Scope::Session, kind) => {
                let session = self.session(command)?;
                session.rights.rate.set(kind, value)?;
                session.rate.keep_to(session.rights.rate);
                Ok(())
            }
            (Scope::Instrument, kind) => {
                let listed = self.collar.listed_mut(instrument);
                let listed = listed.ok_or(RejectCode::UnknownInstrument)?;
                let (reference, tick) = (listed.reference, listed.tick);
                self.guards.set(command, kind, &mut listed.guards, reference, tick)
            }
            (Scope::Everything, kind) => self.guards.market.set(kind, id, value),
            (Scope::Venue, _) => Err(RejectCode::Unsupported),
        }
    }

    /// A session may trade for accounts, as another session may, or for none.
    fn set_session(&mut self, command: &Command) -> Result<(), RejectCode> {
        let like = SessionId(command.quantity.0);
        let rights = match like.0 {
            0 => None,
            _ => {
                let like = self.sessions.get(like.index()).and_then(Option::as_ref);
                let rights = like.ok_or(RejectCode::UnknownSession)?.rights;
                let first_account = AccountId(command.target);
                let last_account = AccountId(command.ordinal);
                Some(SessionRights { first_account, last_account, has_list: false, ..rights })
            }
        };
        let place =
            self.sessions.get_mut(command.session.index()).filter(|_| command.session.0 > 0);
        let place = place.ok_or(RejectCode::UnknownSession)?;
        *place = rights.map(|rights| SessionState {
            rights,
            rate: Rate::new(rights.rate),
            entry_disabled: false,
        });
        Ok(())
    }

    /// An instrument is listed, or listed otherwise; another tick only while nobody waits in it.
    fn set_instrument(&mut self, command: &Command) -> Result<(), RejectCode> {
        let asked = Instrument::of_command(command).ok_or(RejectCode::Unsupported)?;
        match self.collar.listed(asked.id) {
            None if command.order_type != 0 => return Err(RejectCode::UnknownInstrument),
            None if asked.reference_price.0 == 0 => return Err(RejectCode::NoReferencePrice),
            Some(_) if command.order_type == 0 => return Err(RejectCode::SymbolTaken),
            Some(known) if known.is_elsewhere || known.is_routed => {
                return Err(RejectCode::Elsewhere);
            }
            Some(known) if known.tick != asked.tick && self.exposure.has_order_in(asked.id) => {
                return Err(RejectCode::NotIdle);
            }
            _ => {}
        }
        self.collar.list(&asked, self.rest.unwrap_or(0))?;
        self.guards.listed(&asked);
        if asked.reference_price.0 > 0 {
            self.guards.referred(asked.id, command.timestamp);
        }
        Ok(())
    }

    /// A phase is asked for. What market data halted it lets go on, in the phase there would be by
    /// now; a halt of anybody else's it neither makes nor ends.
    fn note_phase(&mut self, command: &mut Command) -> Result<(), RejectCode> {
        let Some(listed) = self.collar.listed_mut(command.instrument) else { return Ok(()) };
        let asked = Phase::from_code(command.side);
        let is_halted = listed.phase == Phase::Halt;
        match (command.order_type, asked) {
            (BY_MARKET_DATA, Some(Phase::Halt)) if !is_halted => {
                listed.held_from = Some(listed.phase);
            }
            (BY_MARKET_DATA, Some(Phase::Halt)) => return Err(RejectCode::Halted),
            (BY_MARKET_DATA, _) => {
                let from = listed.held_from.take().ok_or(RejectCode::Halted)?;
                let is_open = matches!(from, Phase::Extended | Phase::Closed);
                command.side = if is_open { from } else { Phase::Continuous }.code();
            }
            (BY_CALENDAR, Some(phase)) if listed.held_from.is_some() => {
                listed.held_from = Some(phase);
            }
            (BY_CALENDAR, _) => {}
            _ => listed.held_from = None,
        }
        self.guards.phase_asked(command, &mut listed.guards, listed.reference);
        Ok(())
    }

    fn end_day(&mut self) {
        let collar = &mut self.collar;
        self.guards.end_day(|id, is_tested| {
            let listed = collar.listed_mut(id)?;
            listed.guards.put(super::guards::GuardSet::PRICE_TEST, is_tested);
            Some(listed.reference)
        });
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

    /// Whether an order's instrument is on its session's list.
    #[cold]
    pub(super) fn may_trade(&self, command: &Command) -> bool {
        let of = |(session, _): &&(SessionId, Box<[InstrumentId]>)| *session == command.session;
        let list = self.lists.iter().find(of);
        list.is_some_and(|(_, list)| list.binary_search(&command.instrument).is_ok())
    }
}
