//! The kill switch: for everything, a venue, a firm, an instrument, an account or a session; all
//! off, or only for what does not reduce a position.

use crate::model::{Command, Scope, TradingState};
use crate::snapshot::part;

/// A scope's state, the stricter the higher: what operators want of it in the lower half, what
/// clients want in the upper. Neither undoes the other's, but operators may.
type State = u8;

/// Where clients' wish is.
const CLIENTS: u32 = 4;
const OPERATORS: State = (1 << CLIENTS) - 1;

const ACTIVE: State = 0;
const REDUCE_ONLY: State = 1;
const HALTED: State = 2;

/// Venues there may be; this appliance is venue 0, where others match is 1.
const VENUES: usize = 256;

/// What is switched off.
#[derive(Clone, Debug)]
pub(super) struct KillSwitch {
    /// Something is switched off: hardly ever, so the tables are hardly ever looked at.
    any: bool,
    everything: [State; 1],
    venues: Box<[State]>,
    firms: Box<[State]>,
    sessions: Box<[State]>,
    accounts: Box<[State]>,
    instruments: Box<[State]>,
}
part!(KillSwitch { any, everything, venues, firms, sessions, accounts, instruments });

/// Whom an order concerns beside session, account and instrument.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    pub(super) firm: u16,
    pub(super) venue: u8,
}

impl KillSwitch {
    /// All on, for tables of these sizes.
    pub(super) fn new(sessions: usize, accounts: usize, instruments: usize, firms: usize) -> Self {
        let active = |count| vec![ACTIVE; count].into();
        Self {
            any: false,
            everything: [ACTIVE],
            venues: active(VENUES),
            firms: active(firms + 1),
            sessions: active(sessions),
            accounts: active(accounts),
            instruments: active(instruments),
        }
    }

    /// The table of a command's scope, and the place in it.
    fn place(&mut self, command: &Command) -> Option<&mut State> {
        match Scope::from_code(command.side)? {
            Scope::Everything => self.everything.first_mut(),
            Scope::Session => self.sessions.get_mut(command.session.index()),
            Scope::Account => self.accounts.get_mut(command.account.index()),
            Scope::Instrument => self.instruments.get_mut(command.instrument.index()),
            Scope::Firm => self.firms.get_mut(command.target as usize),
            Scope::Venue => self.venues.get_mut(command.target as usize),
        }
    }

    /// Kills or revives what the command's scope names; an unknown id changes nothing.
    pub(super) fn set(&mut self, command: &Command, killed: bool) {
        let state = match TradingState::from_code(command.order_type) {
            _ if !killed => ACTIVE,
            Some(TradingState::ReduceOnly) => REDUCE_ONLY,
            _ => HALTED,
        };
        let is_clients = command.client_seq != 0;
        if let Some(place) = self.place(command) {
            *place = match (is_clients, killed) {
                (true, _) => *place & OPERATORS | state << CLIENTS,
                (false, true) => *place & !OPERATORS | state,
                (false, false) => ACTIVE,
            };
        }
        self.any = self.tables().iter().any(|table| table.iter().any(|state| *state != ACTIVE));
    }

    fn tables(&self) -> [&[State]; 6] {
        let Self { everything, venues, firms, sessions, accounts, instruments, .. } = self;
        [everything, venues, firms, sessions, accounts, instruments]
    }

    /// What an order of this command may be; while anything is killed, ids out of range may
    /// nothing.
    #[inline]
    pub(super) fn allows(
        &self,
        command: &Command,
        beside: impl FnOnce() -> Beside,
    ) -> TradingState {
        if self.any { self.strictest(command, beside()) } else { TradingState::Active }
    }

    #[cold]
    fn strictest(&self, command: &Command, beside: Beside) -> TradingState {
        let places = [
            0,
            usize::from(beside.venue),
            usize::from(beside.firm),
            command.session.index(),
            command.account.index(),
            command.instrument.index(),
        ];
        let state = |(table, at): (&[State], usize)| {
            table.get(at).map_or(HALTED, |state| (state & OPERATORS).max(state >> CLIENTS))
        };
        match self.tables().into_iter().zip(places).map(state).max() {
            Some(ACTIVE) => TradingState::Active,
            Some(REDUCE_ONLY) => TradingState::ReduceOnly,
            _ => TradingState::Halted,
        }
    }

    /// Folds what is switched off into a digest.
    pub(super) fn digest(&self, mut fold: impl FnMut(u64)) {
        if self.any {
            self.tables().into_iter().flatten().for_each(|state| fold(u64::from(*state)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AccountId, CommandKind, InstrumentId, SessionId};

    proptest! {
        /// Against a list of what is killed: the strictest state of an order's scopes holds.
        #[test]
        fn the_strictest_scope_holds(
            steps in proptest::collection::vec((0..6u8, 0..3u32, 0..3u8, any::<bool>()), 1..40),
            asked in (0..3u32, 0..3u32, 0..3u32, 0..3u16, 0..2u8),
        ) {
            let mut switch = KillSwitch::new(3, 3, 3, 3);
            let mut states = std::collections::BTreeMap::new();
            for (scope, id, state, is_clients) in steps {
                let mut command = Command::new(CommandKind::Kill);
                (command.side, command.order_type, command.target) = (scope, state, id);
                (command.session, command.account) = (SessionId(id), AccountId(id));
                command.instrument = InstrumentId(id);
                command.client_seq = u32::from(is_clients);
                let state = TradingState::from_code(state).expect("a state");
                switch.set(&command, state != TradingState::Active);
                let id = if scope == Scope::Everything.code() { 0 } else { id };
                states.insert((scope, id, is_clients), state);
                // What an operator lets go on goes on, whoever stopped it; a client undoes only
                // what clients did.
                if !is_clients && state == TradingState::Active {
                    states.insert((scope, id, true), state);
                }
            }
            let (session, account, instrument, firm, venue) = asked;
            let command = Command {
                session: SessionId(session),
                account: AccountId(account),
                instrument: InstrumentId(instrument),
                ..Command::new(CommandKind::Enter)
            };
            let keys = [
                (Scope::Everything, 0), (Scope::Session, session), (Scope::Account, account),
                (Scope::Instrument, instrument), (Scope::Firm, u32::from(firm)),
                (Scope::Venue, u32::from(venue)),
            ];
            let found = keys.iter().flat_map(|(scope, id)| {
                [true, false].map(|is_clients| states.get(&(scope.code(), *id, is_clients)))
            });
            let found = found.flatten();
            // The stricter a state the lower its code.
            let expected = found.min().copied().unwrap_or(TradingState::Active);
            let beside = Beside { firm, venue };
            prop_assert_eq!(switch.allows(&command, || beside), expected);
        }
    }
}
