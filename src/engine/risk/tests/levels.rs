//! Limits by level: soft ones alert when they are passed, hard ones refuse, and an order must be
//! within those of its session, its account and its firm.

use proptest::prelude::*;

use super::{REFERENCE, World, account, limit_order, options};
use crate::engine::risk::{AccountLimits, FILLED, MoreLimits, RateClass};
use crate::model::{Command, LimitKind, Nanos, Notional, Quantity, RejectCode, Scope, Side};

/// Orders of account 1, which is firm 1's.
fn buy(quantity: u32) -> Command {
    limit_order(1, Side::Buy, REFERENCE, quantity)
}

const NO_LIMIT: Notional = Notional(i64::MAX / 4);

proptest! {
    /// Each time usage goes from below the soft limit to above it there is one alert, of that
    /// level; what would go above the hard limit is refused, and counts for neither.
    #[test]
    fn soft_limits_alert_and_hard_ones_refuse(
        percent in 10..100u32, most in 50..1_000i64, of_firm in any::<bool>(),
        quantities in prop::collection::vec(1..100u32, 1..40),
    ) {
        let limit = Notional(most * REFERENCE);
        let (own, of_all) = if of_firm { (NO_LIMIT, limit) } else { (limit, NO_LIMIT) };
        let soft_bps = percent * 100;
        let more = MoreLimits { soft_bps: if of_firm { 0 } else { soft_bps }, ..MoreLimits::NONE };
        let mut options = options(AccountLimits { exposure_max: own, more, ..account() });
        options.firms[0].exposure_max = of_all;
        options.firms[0].soft_bps = if of_firm { soft_bps } else { 0 };
        let mut world = World::new(&options);
        let (mut used, soft) = (0, limit.0 / 10_000 * i64::from(soft_bps));
        let (scope, refusal) = match of_firm {
            true => (Scope::Firm, RejectCode::FirmExposure),
            false => (Scope::Account, RejectCode::Exposure),
        };
        for quantity in quantities {
            let after = used + i64::from(quantity) * REFERENCE;
            let refused = world.order(buy(quantity));
            prop_assert_eq!(refused, (after > limit.0).then_some(refusal));
            let alert = world.fold.gate.alert();
            let is_due = refused.is_none() && used <= soft && after > soft;
            prop_assert_eq!(alert.is_some(), is_due, "from {} to {} of {}", used, after, soft);
            if let Some(alert) = alert {
                let about = (alert.scope, alert.id, alert.kind, alert.value);
                prop_assert_eq!(about, (scope, 1, LimitKind::Exposure, after));
            }
            used = if refused.is_none() { after } else { used };
        }
    }

    /// The first of the three that is met refuses: the session's rate, the account's limit, the
    /// firm's, whichever is the tightest.
    #[test]
    fn an_order_is_within_its_sessions_its_accounts_and_its_firms_limits(
        burst in 1..20u32, own in 1..20i64, of_all in 1..20i64,
    ) {
        let exposure_max = Notional(own * REFERENCE);
        let mut options = options(AccountLimits { exposure_max, ..account() });
        options.firms[0].exposure_max = Notional(of_all * REFERENCE);
        if let Some(Some(rights)) = options.sessions.get_mut(1) {
            let (ban_above, ban) = (0, Nanos::ZERO);
            rights.rate = RateClass { per_second: 1, burst, ban_above, ban };
        }
        let mut world = World::new(&options);
        let mut open = 0;
        for sent in 0..25 {
            let code = match () {
                () if sent >= burst => Some(RejectCode::MessageRate),
                () if open >= own => Some(RejectCode::Exposure),
                () if open >= of_all => Some(RejectCode::FirmExposure),
                () => None,
            };
            prop_assert_eq!(world.order(buy(1)), code);
            open += i64::from(code.is_none());
        }
    }

    /// What a limit has left is exactly what one more order may be: a share more is refused.
    #[test]
    fn what_is_shown_as_left_is_what_one_more_order_may_be(
        most in 50..900i64, of_firm in any::<bool>(), by_money in any::<bool>(),
        quantities in prop::collection::vec((1..40u32, any::<bool>()), 0..20),
    ) {
        let limit = Notional(most * REFERENCE);
        let (own, of_all) = if of_firm { (NO_LIMIT, limit) } else { (limit, NO_LIMIT) };
        let at = usize::from(!by_money);
        let (order_quantity_max, order_notional_max) = (Quantity(10_000), NO_LIMIT);
        let account = AccountLimits { order_quantity_max, order_notional_max, ..account() };
        let mut options = options(match by_money {
            true => AccountLimits { buying_power: own, exposure_max: NO_LIMIT, ..account },
            false => AccountLimits { exposure_max: own, buying_power: NO_LIMIT, ..account },
        });
        let firm = &mut options.firms[0];
        firm.exposure_max = NO_LIMIT;
        *(if by_money { &mut firm.buying_power } else { &mut firm.exposure_max }) = of_all;
        let mut world = World::new(&options);
        for (quantity, is_buy) in quantities {
            let side = if is_buy { Side::Buy } else { Side::Sell };
            world.order(limit_order(1 + u32::from(!is_buy), side, REFERENCE, quantity));
        }
        world.settle();
        let (scope, code) = match (of_firm, by_money) {
            (true, true) => (Scope::Firm, RejectCode::FirmBuyingPower),
            (true, false) => (Scope::Firm, RejectCode::FirmExposure),
            (false, true) => (Scope::Account, RejectCode::BuyingPower),
            (false, false) => (Scope::Account, RejectCode::Exposure),
        };
        let left = |world: &World| {
            let used = world.fold.gate.usage(scope, 1, Nanos(world.now)).expect("known").used[at];
            let kind = if by_money { LimitKind::BuyingPower } else { LimitKind::Exposure };
            assert_eq!((FILLED[at], used.most), (kind, limit.0));
            ((used.most - used.used) / REFERENCE) as u32
        };
        let free = left(&world);
        prop_assert_eq!(world.order(buy(free + 1)), Some(code), "{} are free", free);
        if free > 0 {
            prop_assert_eq!(world.order(buy(free)), None, "{} are free", free);
            prop_assert_eq!(left(&world), 0);
        }
    }
}
