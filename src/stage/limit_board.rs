//! The limits that are used most, and how far: risk shows a few holders of limits each time it does
//! its chores, whoever sent the last order among them, and the account that somebody asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

use crate::engine::risk::{EACH, FILLED, RiskGate, Usage, Used};
use crate::model::{AccountId, Nanos, Scope, SessionId};

/// Holders of limits on the board.
pub const HOLDERS_SHOWN: usize = 32;

/// Holders that are looked at in turn per round of chores, and rows that are brought up to date.
const LOOKED_AT_ONCE: usize = 8;
const RENEWED_AT_ONCE: usize = 4;

/// Accounts that people may ask for at once; who asks for one more takes the oldest's place.
const ASKED: usize = 8;

/// Readings of a row that is being written before it is left out.
const TRIES: usize = 4;

/// Whose limits a row has: the scope above, the number below; 0 is nobody.
const fn holder(scope: Scope, id: u32) -> u64 {
    (scope.code() as u64) << 32 | id as u64
}

/// The limits of one account, firm or session, as last shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// What it is.
    pub scope: Scope,
    /// Its number.
    pub id: u32,
    /// Its limits, and how much of them is used.
    pub usage: Usage,
}

#[derive(Debug, Default)]
struct Row {
    holder: AtomicU64,
    used: [[AtomicI64; 2]; FILLED.len()],
    each: [AtomicI64; EACH.len()],
}

impl Row {
    /// One writer: a reader that meets another holder, or nobody, before and after reads again.
    fn show(&self, holder: u64, usage: &Usage) {
        if self.holder.load(Ordering::Relaxed) != holder {
            self.holder.store(0, Ordering::Relaxed);
            fence(Ordering::Release);
        }
        for (place, used) in self.used.iter().zip(&usage.used) {
            place[0].store(used.used, Ordering::Relaxed);
            place[1].store(used.most, Ordering::Relaxed);
        }
        for (place, each) in self.each.iter().zip(&usage.each) {
            place.store(*each, Ordering::Relaxed);
        }
        self.holder.store(holder, Ordering::Release);
    }

    fn read(&self) -> Option<LimitRow> {
        (0..TRIES).find_map(|_| {
            let holder = self.holder.load(Ordering::Acquire);
            let read = |place: &AtomicI64| place.load(Ordering::Relaxed);
            let used =
                |at: usize| Used { used: read(&self.used[at][0]), most: read(&self.used[at][1]) };
            let usage = Usage {
                used: std::array::from_fn(used),
                each: std::array::from_fn(|at| read(&self.each[at])),
            };
            fence(Ordering::Acquire);
            let is_same = self.holder.load(Ordering::Relaxed) == holder;
            let scope = Scope::from_code((holder >> 32) as u8).filter(|_| is_same && holder != 0);
            Some(LimitRow { scope: scope?, id: holder as u32, usage })
        })
    }
}

/// The limits that are used most, and those of accounts that somebody asks for.
#[derive(Debug)]
pub struct LimitBoard {
    rows: [Row; HOLDERS_SHOWN],
    asked: [Row; ASKED],
    /// The accounts that somebody asks for; 0: nobody does.
    wanted: [AtomicU32; ASKED],
    /// The place that the next question takes.
    turn: AtomicU32,
}

impl LimitBoard {
    /// With nobody on it.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            rows: Default::default(),
            asked: Default::default(),
            wanted: Default::default(),
            turn: AtomicU32::new(0),
        })
    }

    /// The rows as last shown, the limit that is used most first.
    pub fn rows(&self) -> Vec<LimitRow> {
        let mut rows: Vec<_> = self.rows.iter().filter_map(Row::read).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.usage.share_bps()), row.scope, row.id));
        rows
    }

    /// The limits of an account, once risk has shown them, which it does in its next chores; for
    /// an account that nobody knows nothing.
    pub fn ask(&self, account: AccountId) -> Option<LimitRow> {
        let is_it = |wanted: &AtomicU32| wanted.load(Ordering::Relaxed) == account.0;
        let place = self.wanted.iter().position(is_it).unwrap_or_else(|| {
            let place = self.turn.fetch_add(1, Ordering::Relaxed) as usize % ASKED;
            self.wanted[place].store(account.0, Ordering::Relaxed);
            place
        });
        self.asked[place].read().filter(|row| row.id == account.0)
    }
}

/// Risk's end of the board: who is on it, and who is looked at next.
#[derive(Debug)]
pub(in crate::stage) struct LimitShow {
    board: Arc<LimitBoard>,
    /// Who is on the board, and the part of a limit that each uses, in hundredths of a percent.
    shown: [(u64, u32); HOLDERS_SHOWN],
    /// The next row to bring up to date.
    renewed: usize,
    /// The next holder to look at, counted over accounts, firms and sessions.
    next: u32,
}

impl LimitShow {
    /// Everybody who uses a limit is looked at once, before trading.
    pub(in crate::stage) fn new(board: Arc<LimitBoard>, gate: &RiskGate) -> Self {
        let mut show = Self { board, shown: [(0, 0); HOLDERS_SHOWN], renewed: 0, next: 0 };
        let all: u32 = gate.holders().iter().map(|(_, count)| count).sum();
        for _ in 0..all {
            show.look_at_next(gate, Nanos::ZERO);
        }
        show
    }

    /// A few holders, and whoever the last command is of.
    pub(in crate::stage) fn show(
        &mut self,
        gate: &RiskGate,
        (account, session): (AccountId, SessionId),
        now: Nanos,
    ) {
        self.look_at(gate, Scope::Account, account.0, now);
        self.look_at(gate, Scope::Firm, gate.firm_of(account), now);
        self.look_at(gate, Scope::Session, session.0, now);
        for _ in 0..LOOKED_AT_ONCE {
            self.look_at_next(gate, now);
        }
        for _ in 0..RENEWED_AT_ONCE {
            let (holder, _) = self.shown[self.renewed];
            if let Some(scope) = Scope::from_code((holder >> 32) as u8).filter(|_| holder != 0) {
                self.look_at(gate, scope, holder as u32, now);
            }
            self.renewed = (self.renewed + 1) % HOLDERS_SHOWN;
        }
        for (wanted, row) in self.board.wanted.iter().zip(&self.board.asked) {
            let wanted = wanted.load(Ordering::Relaxed);
            if wanted != 0
                && let Some(usage) = gate.usage(Scope::Account, wanted, now)
            {
                row.show(holder(Scope::Account, wanted), &usage);
            }
        }
    }

    fn look_at_next(&mut self, gate: &RiskGate, now: Nanos) {
        let mut at = self.next;
        self.next += 1;
        for (scope, count) in gate.holders() {
            if at < count {
                return self.look_at(gate, scope, at, now);
            }
            at -= count;
        }
        self.next = 0;
    }

    /// Shows a holder where it is on the board already, or uses more than somebody who is.
    fn look_at(&mut self, gate: &RiskGate, scope: Scope, id: u32, now: Nanos) {
        let Some(usage) = gate.usage(scope, id, now) else { return };
        let (own, share) = (holder(scope, id), usage.share_bps());
        let place = self.shown.iter().position(|(shown, _)| *shown == own);
        let place = place.or_else(|| {
            let least = (0..HOLDERS_SHOWN).min_by_key(|at| self.shown[*at].1)?;
            (share > self.shown[least].1).then_some(least)
        });
        if let Some(place) = place {
            self.shown[place] = (own, share);
            self.board.rows[place].show(own, &usage);
        }
    }
}

#[cfg(test)]
mod tests;
