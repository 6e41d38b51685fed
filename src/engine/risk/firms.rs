//! Firms: what the accounts of one firm use together, and what they may.

use crate::engine::risk::{AccountState, FirmLimits};
use crate::model::{AccountId, LimitKind, Notional, RejectCode};
use crate::snapshot::{value, wrapped};

/// One firm: its usage and its limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firm {
    pub(super) state: AccountState,
    pub(super) limits: FirmLimits,
}
value!(Firm { state, limits });

/// All firms, by place; firm 1 is at place 0.
#[derive(Debug, Default)]
pub(super) struct Firms(Box<[Firm]>);
wrapped!(Firms);

impl Firms {
    pub(super) fn new(limits: &[FirmLimits]) -> Self {
        let firm = |limits: &FirmLimits| Firm { state: AccountState::default(), limits: *limits };
        Self(limits.iter().map(firm).collect())
    }

    /// The firm of an account; 0 is none.
    pub(super) fn of(&self, account: AccountId) -> u16 {
        let has = |firm: &Firm| (firm.limits.first..=firm.limits.last).contains(&account);
        self.0.iter().position(has).map_or(0, |at| at as u16 + 1)
    }

    /// A firm by its number.
    #[inline]
    pub(super) fn get(&self, firm: u32) -> Option<&Firm> {
        self.0.get((firm as usize).checked_sub(1)?)
    }

    /// A firm by its number.
    #[inline]
    pub(super) fn get_mut(&mut self, firm: u32) -> Option<&mut Firm> {
        self.0.get_mut((firm as usize).checked_sub(1)?)
    }

    /// Sets a limit of a firm.
    pub(super) fn set(&mut self, firm: u32, kind: LimitKind, value: i64) -> Result<(), RejectCode> {
        let limits = &mut self.get_mut(firm).ok_or(RejectCode::UnknownAccount)?.limits;
        let money = if value < 0 { Notional::MAX } else { Notional(value) };
        match kind {
            LimitKind::BuyingPower => limits.buying_power = money,
            LimitKind::Exposure => limits.exposure_max = money,
            LimitKind::NetExposure => limits.net_max = money,
            LimitKind::Position => limits.position_max = super::count(value),
            LimitKind::SoftShare => limits.soft_bps = super::share(value),
            _ => return Err(RejectCode::Unsupported),
        }
        Ok(())
    }

    /// Every firm, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Firm> {
        self.0.iter()
    }
}
