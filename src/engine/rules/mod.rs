//! What can be said of a command without looking at a book: shared by every matcher, so that two
//! of them can differ in how they keep books but not in what an order may ask.

mod events;
mod phases;
mod plain;
mod special;
mod sweep;
mod trades;

use events::not_applied;
pub(super) use events::{
    about, cancel_rejected, cancelled, entered, keeps_place, leaves_after_cut, marking, put_aside,
    reduced, rejected, replacement, withdrawn,
};
pub(super) use phases::{
    INDICATIVE_EVERY, auction_trades, begins_auction, indicative, indicative_orders, is_scheduled,
    phase_changed,
};
pub(super) use plain::{Instructions, instructions, instructions_on_tick, is_plain};
#[cfg(test)]
pub(super) use special::{Feature, together};
pub(super) use special::{LOOKED_PAST_MAX, PEG_MOVES_MAX, asked};
pub use special::{Room, Special};
pub(super) use sweep::Sweep;
pub(super) use trades::undone;

use crate::model::{Command, CommandKind, Event, EventKind, RejectCode};

/// Whether every shard does its part of a command.
pub(super) const fn is_for_all(command: &Command) -> bool {
    match CommandKind::from_code(command.kind) {
        // An instrument's orders may rest elsewhere than in its shard, where clients sent them.
        Some(
            CommandKind::MassCancel
            | CommandKind::Kill
            | CommandKind::SessionDown
            | CommandKind::EndOfDay
            | CommandKind::SetFamily
            | CommandKind::MoveInstrument
            | CommandKind::SetInstrument,
        ) => true,
        _ => false,
    }
}

/// What a shard says to the move of an instrument it does not know: it matters to it only if it is
/// the one to take it.
pub(super) const fn moves_unknown(command: &Command, shard: u8) -> Result<(), RejectCode> {
    if command.target == shard as u32 { Err(RejectCode::UnknownInstrument) } else { Ok(()) }
}

/// What a command comes to, before any book is looked at.
pub(super) enum Task {
    /// This event is the whole answer.
    Answer(Event),
    /// The books answer.
    Books(CommandKind),
}

/// Answers a command that needs no book, and the ones refused before they came here.
pub(super) fn sort(command: &Command) -> Task {
    use CommandKind as K;
    let Some(kind) = command.kind() else {
        return Task::Answer(rejected(command, RejectCode::Unsupported));
    };
    if command.verdict != 0 {
        let event = match kind {
            K::Cancel | K::Modify => cancel_rejected(command, RejectCode::Unsupported),
            K::NotApplied => not_applied(command),
            _ => rejected(command, RejectCode::Unsupported),
        };
        return Task::Answer(Event { reason: command.verdict, ..event });
    }
    let answer = match kind {
        K::NotApplied => return Task::Answer(not_applied(command)),
        K::Enter | K::Replace | K::Cancel | K::Modify | K::MassCancel | K::Sweep => {
            return Task::Books(kind);
        }
        K::Kill | K::SessionDown | K::SetPhase | K::SetFamily | K::EndOfDay => {
            return Task::Books(kind);
        }
        K::BustTrade | K::CorrectTrade | K::SetBand | K::MoveInstrument | K::SetInstrument => {
            return Task::Books(kind);
        }
        K::SessionUp => EventKind::SessionUp,
        K::Revive => EventKind::Revived,
        K::StartOfDay => EventKind::StartOfDay,
        K::AccountQuery => EventKind::NextOrdinal,
        K::DisableEntry => EventKind::EntryDisabled,
        K::EnableEntry => EventKind::EntryEnabled,
        K::SetBuyingPower | K::SetExposureLimit | K::SetReferencePrice | K::SetHours => {
            EventKind::Nothing
        }
        K::Throttle | K::Unthrottle | K::Tick => EventKind::Nothing,
        K::SetLimit | K::SetAccount | K::SetSession => EventKind::Nothing,
        K::Cash => EventKind::CashMoved,
        // Of orders that were routed away no book knows anything.
        K::AwayAccepted | K::AwayExecuted | K::AwayCancelled | K::AwayReplaced => {
            EventKind::Nothing
        }
        K::AwayRejected | K::AwayCancelRejected | K::AwayModified => EventKind::Nothing,
        K::AwayBusted | K::AwayCorrected => EventKind::Nothing,
        K::AwayUp | K::AwayDown | K::AwayHeard | K::AskStatus => EventKind::Nothing,
        K::MultiLegEnter | K::MultiLegReplace | K::MultiLegCancel => EventKind::Rejected,
        K::Split | K::Dividend | K::SymbolChange | K::Delist => EventKind::Rejected,
    };
    let mut event = Event::answering(command, 0, answer);
    if answer == EventKind::Rejected {
        event.reason = RejectCode::Unsupported.code();
    }
    Task::Answer(event)
}
