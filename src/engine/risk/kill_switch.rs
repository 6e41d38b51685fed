//! The kill switch: for everything, or a session, an account, an instrument.

use crate::model::{Command, Scope};

/// What is switched off.
#[derive(Clone, Debug)]
pub(super) struct KillSwitch {
    /// Something is switched off: hardly ever, so the tables are hardly ever looked at.
    any: bool,
    everything: bool,
    sessions: Box<[bool]>,
    accounts: Box<[bool]>,
    instruments: Box<[bool]>,
}

impl KillSwitch {
    /// All on, for tables of these sizes.
    pub(super) fn new(sessions: usize, accounts: usize, instruments: usize) -> Self {
        let off = |count| vec![false; count].into();
        Self {
            any: false,
            everything: false,
            sessions: off(sessions),
            accounts: off(accounts),
            instruments: off(instruments),
        }
    }

    /// Kills or revives what the command's scope names; an unknown id changes nothing.
    pub(super) fn set(&mut self, command: &Command, killed: bool) {
        let place = match Scope::from_code(command.side) {
            Some(Scope::Everything) => Some(&mut self.everything),
            Some(Scope::Session) => self.sessions.get_mut(command.session.index()),
            Some(Scope::Account) => self.accounts.get_mut(command.account.index()),
            Some(Scope::Instrument) => self.instruments.get_mut(command.instrument.index()),
            None => None,
        };
        if let Some(place) = place {
            *place = killed;
        }
        let mut tables = [&self.sessions, &self.accounts, &self.instruments].into_iter();
        self.any = self.everything || tables.any(|table| table.contains(&true));
    }

    /// Whether an order of this command may not enter; while anything is killed, so are ids out of
    /// range.
    #[inline]
    pub(super) fn stops(&self, command: &Command) -> bool {
        self.any && self.is_killed(command)
    }

    #[cold]
    fn is_killed(&self, command: &Command) -> bool {
        let on = |table: &[bool], index: usize| table.get(index).copied().unwrap_or(true);
        self.everything
            || on(&self.sessions, command.session.index())
            || on(&self.accounts, command.account.index())
            || on(&self.instruments, command.instrument.index())
    }
}
