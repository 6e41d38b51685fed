//! What each phase admits, which orders its auction takes, and when it ends.

use crate::engine::rules::{Instructions, Room, Special};
use crate::model::{Command, Nanos, OrderType, Phase, RejectCode, TimeInForce};

/// Whether an order may enter in a phase.
pub(in crate::engine) fn admits(
    phase: Phase,
    command: &Command,
    asks: &Instructions,
    special: &Special,
) -> Result<(), RejectCode> {
    let time = command.time_in_force();
    match phase {
        Phase::Continuous => Ok(()),
        Phase::Halt => Err(RejectCode::Halted),
        Phase::Closed => Err(RejectCode::Closed),
        Phase::Extended => {
            let shown_limit = special.kind == OrderType::Limit && special.room == Room::Lit;
            let lasts = matches!(
                time,
                Some(TimeInForce::ExtendedHours | TimeInForce::Ioc | TimeInForce::Fok)
            );
            if shown_limit && lasts { Ok(()) } else { Err(RejectCode::NotInPhase) }
        }
        Phase::PreOpen
        | Phase::OpeningAuction
        | Phase::VolatilityAuction
        | Phase::ClosingAuction => {
            let finds_price = special.kind == OrderType::MarketToLimit;
            if asks.may_rest && !finds_price { Ok(()) } else { Err(RejectCode::NotInPhase) }
        }
    }
}

/// Whether an auction trades between two phases. Whatever gathered is auctioned before orders meet
/// again, so that no book is crossed when they do.
pub(in crate::engine) const fn uncrosses(from: Phase, to: Phase) -> bool {
    match to {
        Phase::Continuous | Phase::Extended => !matches!(from, Phase::Continuous | Phase::Extended),
        Phase::Closed => from.auctions(),
        _ => false,
    }
}

/// The room whose orders are for the auction that ends a phase alone; those for any auction join
/// where there is one.
pub(in crate::engine) const fn auctioned_with(from: Phase) -> &'static [Room] {
    match from {
        Phase::PreOpen | Phase::OpeningAuction => &[Room::OnOpen, Room::OnAny],
        Phase::ClosingAuction => &[Room::OnClose, Room::OnAny],
        Phase::VolatilityAuction => &[Room::OnAny],
        _ => &[],
    }
}

const MILLISECOND: u64 = 1_000_000;

/// When a phase ends by itself, and what follows; see `CommandKind::SetPhase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Timing {
    /// The log time of its end; [`Nanos::MAX`] where only a command ends it.
    pub(in crate::engine) ends_at: Nanos,
    pub(in crate::engine) following: Phase,
}

impl Timing {
    /// Without end.
    pub(in crate::engine) const ENDLESS: Self =
        Self { ends_at: Nanos::MAX, following: Phase::Continuous };

    /// What a command says; `None` where the phase that follows is none.
    pub(in crate::engine) fn of(command: &Command) -> Option<Self> {
        let following = u8::try_from(command.ordinal).ok().and_then(Phase::from_code)?;
        if command.quantity.0 == 0 {
            return Some(Self { ends_at: Nanos::MAX, following });
        }
        let (least, more) = (u64::from(command.quantity.0), u64::from(command.target));
        let seed = command.price.0 as u64;
        Some(Self::window(command.timestamp, least, more, seed, following))
    }

    /// From `least` to `least + more` milliseconds after `now`.
    pub(in crate::engine) const fn window(
        now: Nanos,
        least: u64,
        more: u64,
        seed: u64,
        following: Phase,
    ) -> Self {
        let lasts = least * MILLISECOND + draws(seed, more * MILLISECOND);
        Self { ends_at: Nanos(now.0.saturating_add(lasts)), following }
    }
}

/// A number from 0 to `most` that a seed hides from those who do not know it.
const fn draws(seed: u64, most: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) % most.saturating_add(1)
}
