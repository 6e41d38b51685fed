//! Alerts: a soft limit was passed, a control tripped. For people; no verdict depends on them.

use std::collections::VecDeque;

use crate::model::{AccountId, LimitKind, Scope, SeqNo};
use crate::snapshot::{value, wrapped};

/// Alerts kept until somebody takes them; the oldest go first.
const KEPT: usize = 256;

/// One alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The command that brought it.
    pub seq: SeqNo,
    /// Whose limit it is.
    pub scope: Scope,
    /// Its number.
    pub id: u32,
    /// Which limit.
    pub kind: LimitKind,
    /// How much is used of it.
    pub value: i64,
}
value!(Alert { seq, scope, id, kind, value });

impl Alert {
    pub(super) const fn account(about: (AccountId, SeqNo), kind: LimitKind, value: i64) -> Self {
        Self { seq: about.1, scope: Scope::Account, id: about.0.0, kind, value }
    }

    pub(super) const fn firm(about: (u32, SeqNo), kind: LimitKind, value: i64) -> Self {
        Self { seq: about.1, scope: Scope::Firm, id: about.0, kind, value }
    }

    pub(super) const fn instrument(about: (u32, SeqNo), kind: LimitKind, value: i64) -> Self {
        Self { seq: about.1, scope: Scope::Instrument, id: about.0, kind, value }
    }
}

/// Alerts that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Alerts(VecDeque<Alert>);
wrapped!(Alerts);

impl Default for Alerts {
    fn default() -> Self {
        Self(VecDeque::with_capacity(KEPT))
    }
}

impl Alerts {
    pub(super) fn push(&mut self, alert: Alert) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(alert);
    }

    pub(super) fn pop(&mut self) -> Option<Alert> {
        self.0.pop_front()
    }
}
