//! Paces of accounts: how fast orders come, over all sessions, and how often they trade.

use crate::engine::risk::rate::Rate;
use crate::engine::risk::{MoreLimits, Used};
use crate::model::{AccountId, Nanos, RejectCode, fetch};
use crate::snapshot::{value, wrapped};

/// One account's pace.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: Rate,
    window_began: Nanos,
    executions: u32,
    /// It traded too often: only a person lets it go on.
    is_stopped: bool,
}
value!(Pace { rate, window_began, executions, is_stopped });

/// All accounts' paces, by id.
#[derive(Debug)]
pub(super) struct Paces(Box<[Pace]>);
wrapped!(Paces);

impl Paces {
    pub(super) fn new(accounts: usize) -> Self {
        let pace = Pace {
            rate: Rate::new(MoreLimits::NONE.rate),
            window_began: Nanos::ZERO,
            executions: 0,
            is_stopped: false,
        };
        Self(vec![pace; accounts].into())
    }

    /// Asks the caches for a row.
    #[inline]
    pub(super) fn fetch(&self, id: AccountId) {
        fetch(&self.0, id.index());
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.0)
    }

    /// Takes an order at `now`, or says why not.
    pub(super) fn take(
        &mut self,
        account: AccountId,
        more: &MoreLimits,
        now: Nanos,
    ) -> Result<(), RejectCode> {
        let pace = self.0.get_mut(account.index()).ok_or(RejectCode::UnknownAccount)?;
        pace.rate.keep_to(more.rate);
        pace.rate.take(now).map_err(|_| RejectCode::AccountRate)
    }

    /// How many of the orders that may come at once are used up at `now`.
    pub(super) fn used(&self, account: AccountId, more: &MoreLimits, now: Nanos) -> Used {
        let Some(pace) = self.0.get(account.index()) else { return Used::UNLIMITED };
        let mut rate = pace.rate;
        rate.keep_to(more.rate);
        rate.used(now)
    }

    /// Counts an execution; says whether it is the one that stops the account.
    pub(super) fn executed(&mut self, account: AccountId, more: &MoreLimits, now: Nanos) -> bool {
        let Some(pace) = self.0.get_mut(account.index()) else { return false };
        if now.saturating_sub(pace.window_began) >= more.execution_window {
            (pace.window_began, pace.executions) = (now, 0);
        }
        pace.executions = pace.executions.saturating_add(1);
        let was_stopped = pace.is_stopped;
        pace.is_stopped |= pace.executions > more.executions_max;
        pace.is_stopped && !was_stopped
    }

    /// Whether an account traded too often.
    pub(super) fn is_stopped(&self, account: AccountId) -> bool {
        self.0.get(account.index()).is_some_and(|pace| pace.is_stopped)
    }

    /// A person lets an account go on.
    pub(super) fn resume(&mut self, account: AccountId) {
        if let Some(pace) = self.0.get_mut(account.index()) {
            (pace.is_stopped, pace.executions) = (false, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// With as many executions as a window may have the account goes on; one more stops it,
        /// and it stays stopped until it is resumed.
        #[test]
        fn who_trades_too_often_is_stopped_until_resumed(
            gaps in proptest::collection::vec(0..40u64, 1..100),
            most in 1..6u32,
        ) {
            let more = MoreLimits {
                executions_max: most,
                execution_window: Nanos(100),
                ..MoreLimits::NONE
            };
            let (mut paces, account) = (Paces::new(2), AccountId(1));
            let (mut now, mut began, mut within) = (1_000, 0, 0);
            for gap in gaps {
                now += gap;
                if now - began >= 100 {
                    (began, within) = (now, 0);
                }
                within += 1;
                paces.executed(account, &more, Nanos(now));
                if within > most {
                    prop_assert!(paces.is_stopped(account));
                    paces.resume(account);
                    within = 0;
                }
                prop_assert!(!paces.is_stopped(account));
            }
        }
    }
}
