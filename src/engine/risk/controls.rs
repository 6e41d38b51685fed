//! `Controls`: which of the checks that few accounts need are on. One test of a word tells an
//! order of an account that has none of them.

use crate::engine::risk::MoreLimits;
use crate::model::{Nanos, Notional};
use crate::snapshot::wrapped;

/// A set of controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Controls(u16);
wrapped!(Controls);

impl Controls {
    pub(super) const NET: Self = Self(1);
    pub(super) const POSITION: Self = Self(1 << 1);
    pub(super) const DUPLICATES: Self = Self(1 << 2);
    pub(super) const RATE: Self = Self(1 << 3);
    pub(super) const EXECUTIONS: Self = Self(1 << 4);
    pub(super) const MARKET: Self = Self(1 << 5);
    pub(super) const MARKING: Self = Self(1 << 6);
    pub(super) const SOFT: Self = Self(1 << 7);
    pub(super) const FOREIGN: Self = Self(1 << 8);

    /// Those that limits ask for.
    pub(super) const fn of(more: &MoreLimits) -> Self {
        let mut set = 0;
        if more.net_max.0 != Notional::MAX.0 {
            set |= Self::NET.0;
        }
        if more.position_max != u32::MAX {
            set |= Self::POSITION.0;
        }
        if more.duplicate_window.0 != Nanos::ZERO.0 {
            set |= Self::DUPLICATES.0;
        }
        if more.rate.per_second != 0 {
            set |= Self::RATE.0;
        }
        if more.executions_max != u32::MAX {
            set |= Self::EXECUTIONS.0;
        }
        if more.no_market_orders {
            set |= Self::MARKET.0;
        }
        if more.marked_shorts {
            set |= Self::MARKING.0;
        }
        if more.soft_bps != 0 {
            set |= Self::SOFT.0;
        }
        if more.is_foreign {
            set |= Self::FOREIGN.0;
        }
        Self(set)
    }

    /// Whether any is on.
    #[inline]
    pub(super) const fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether this one is.
    #[inline]
    pub(super) const fn has(self, control: Self) -> bool {
        self.0 & control.0 != 0
    }
}
