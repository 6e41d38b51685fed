//! Mass cancels, kills and disconnects: who goes, in which order, and in how many commands.

use crate::engine::tests::{Pair, instruments, tight};
use crate::engine::{BookView, EngineLimits, Matcher};
use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventKind, Group, InstrumentId, Price,
    Quantity, RejectCode, Scope, SessionId,
};

/// A chunk of 4, as in [`tight`], and room for more orders.
fn pair() -> Pair {
    Pair::new(EngineLimits { orders_max: 200, ..tight() }, &instruments())
}

fn enter(pair: &mut Pair, session: u32, ordinal: u32, account: u32, instrument: u32) {
    let command = Command {
        session: SessionId(session),
        ordinal,
        account: AccountId(account),
        instrument: InstrumentId(instrument),
        price: Price(10_000),
        quantity: Quantity(1),
        ..Command::new(CommandKind::Enter)
    };
    assert_eq!(pair.send(Group::new(command)).len(), 1);
}

/// Sends a command of a kind, with the fields a sweep reads.
fn send(pair: &mut Pair, command: Command) -> Vec<Event> {
    pair.send(Group::new(command))
}

/// The orders that events took away, with the reason all of them must have.
fn gone(events: &[Event], reason: CancelReason) -> Vec<(u32, u32)> {
    let cancelled = |event: &&Event| event.kind() == Ok(EventKind::Cancelled);
    let order = |event: &Event| {
        assert_eq!((event.cancel_reason(), event.client_seq), (Some(reason), 0));
        (event.session.0, event.ordinal)
    };
    events.iter().filter(cancelled).map(order).collect()
}

fn sweep(pair: &mut Pair) -> Vec<Event> {
    assert!(pair.software.wants_sweep());
    send(pair, Command::new(CommandKind::Sweep))
}

fn mass_cancel(session: u32, instrument: u32) -> Command {
    Command {
        session: SessionId(session),
        instrument: InstrumentId(instrument),
        client_seq: 5,
        ..Command::new(CommandKind::MassCancel)
    }
}

#[test]
fn a_mass_cancel_takes_the_sessions_own_orders_a_chunk_at_a_time() {
    let mut pair = pair();
    for ordinal in 1..=6 {
        enter(&mut pair, 1, ordinal, 1, 1);
        enter(&mut pair, 2, ordinal, 1, 1);
    }
    let events = send(&mut pair, mass_cancel(1, 0));
    assert_eq!(events[0].kind(), Ok(EventKind::MassCancelled));
    assert_eq!(events[0].client_seq, 5);
    assert_eq!(gone(&events, CancelReason::MassCancel), [(1, 1), (1, 2), (1, 3), (1, 4)]);
    let events = sweep(&mut pair);
    assert_eq!(gone(&events, CancelReason::MassCancel), [(1, 5), (1, 6)]);
    assert!(!pair.software.wants_sweep());
    assert_eq!(pair.software.open_orders(), 6);
}

#[test]
fn looking_costs_as_much_as_taking_and_younger_orders_are_left() {
    let mut pair = pair();
    for (ordinal, instrument) in (1..).zip([2, 2, 1, 2, 2, 1, 2]) {
        enter(&mut pair, 1, ordinal, 1, instrument);
    }
    let events = send(&mut pair, mass_cancel(1, 1));
    assert_eq!(gone(&events, CancelReason::MassCancel), [(1, 3)]);
    enter(&mut pair, 1, 20, 1, 1);
    let events = sweep(&mut pair);
    assert_eq!(gone(&events, CancelReason::MassCancel), [(1, 6)]);
    assert!(!pair.software.wants_sweep(), "what came after the mass cancel stays");
}

#[test]
fn an_order_that_dies_under_the_sweep_is_stepped_over() {
    let mut pair = pair();
    for ordinal in 1..=8 {
        enter(&mut pair, 1, ordinal, 1, 1);
    }
    send(&mut pair, mass_cancel(1, 0));
    // The next two to be looked at die, and their slots become younger orders'.
    for target in [5, 6] {
        let session = SessionId(1);
        send(&mut pair, Command { session, target, ..Command::new(CommandKind::Cancel) });
    }
    enter(&mut pair, 1, 30, 1, 1);
    enter(&mut pair, 2, 31, 1, 1);
    let events = sweep(&mut pair);
    assert_eq!(gone(&events, CancelReason::MassCancel), [(1, 7), (1, 8)]);
    assert_eq!(pair.software.open_orders(), 2);
}

#[test]
fn kills_reach_as_far_as_their_scope() {
    let scopes = [
        (Scope::Everything, vec![(1, 1), (1, 2), (2, 1), (3, 1)]),
        (Scope::Session, vec![(1, 1), (1, 2)]),
        (Scope::Account, vec![(1, 2), (2, 1)]),
        (Scope::Instrument, vec![(1, 2), (3, 1)]),
    ];
    for (scope, expected) in scopes {
        let mut pair = pair();
        enter(&mut pair, 1, 1, 1, 1);
        enter(&mut pair, 1, 2, 2, 2);
        enter(&mut pair, 2, 1, 2, 1);
        enter(&mut pair, 3, 1, 1, 2);
        let kill = Command {
            side: scope.code(),
            session: SessionId(1),
            account: AccountId(2),
            instrument: InstrumentId(2),
            ..Command::new(CommandKind::Kill)
        };
        let events = send(&mut pair, kill);
        assert_eq!(events[0].kind(), Ok(EventKind::Killed));
        let mut taken = gone(&events, CancelReason::Supervisory);
        while pair.software.wants_sweep() {
            let events = sweep(&mut pair);
            taken.extend(gone(&events, CancelReason::Supervisory));
        }
        assert_eq!(taken, expected, "{scope}");
    }
}

#[test]
fn a_session_takes_its_orders_along_only_if_it_said_so() {
    for (quantity, left) in [(0, 3), (1, 0)] {
        let mut pair = pair();
        (1..=3).for_each(|ordinal| enter(&mut pair, 4, ordinal, 1, 1));
        let down = Command {
            session: SessionId(4),
            quantity: Quantity(quantity),
            ..Command::new(CommandKind::SessionDown)
        };
        let events = send(&mut pair, down);
        assert_eq!(events[0].kind(), Ok(EventKind::SessionDown));
        assert_eq!(gone(&events, CancelReason::Disconnect).len(), 3 - left);
        assert_eq!(pair.software.open_orders(), left);
    }
}

#[test]
fn a_second_disconnect_takes_what_came_between() {
    let mut pair = pair();
    let down = Command {
        session: SessionId(4),
        quantity: Quantity(1),
        ..Command::new(CommandKind::SessionDown)
    };
    (1..=9).for_each(|ordinal| enter(&mut pair, 4, ordinal, 1, 1));
    assert_eq!(gone(&send(&mut pair, down), CancelReason::Disconnect).len(), 4);
    enter(&mut pair, 4, 10, 1, 1);
    assert_eq!(gone(&send(&mut pair, down), CancelReason::Disconnect).len(), 4);
    assert_eq!(gone(&sweep(&mut pair), CancelReason::Disconnect), [(4, 9), (4, 10)]);
    assert!(!pair.software.wants_sweep());
}

#[test]
fn the_oldest_sweep_goes_first_and_too_many_of_one_session_are_refused() {
    let mut pair = pair();
    for ordinal in 1..=30 {
        enter(&mut pair, 1, ordinal, 1, 1 + ordinal % 2);
        enter(&mut pair, 2, ordinal, 1, 1);
    }
    for _ in 0..4 {
        assert_eq!(send(&mut pair, mass_cancel(1, 3))[0].kind(), Ok(EventKind::MassCancelled));
    }
    let refused = send(&mut pair, mass_cancel(1, 1));
    assert_eq!(refused[0].kind(), Ok(EventKind::CancelRejected));
    assert_eq!(refused[0].reject_code(), Some(RejectCode::TooManySweeps));
    // Another session's is taken, and waits for its turn.
    assert_eq!(gone(&send(&mut pair, mass_cancel(2, 0)), CancelReason::MassCancel).len(), 4);
    assert!(gone(&sweep(&mut pair), CancelReason::MassCancel).is_empty());
    let mut taken = Vec::new();
    while pair.software.wants_sweep() {
        taken.extend(gone(&sweep(&mut pair), CancelReason::MassCancel));
    }
    assert_eq!(taken.len(), 26);
    assert_eq!(pair.software.open_orders(), 30);
    pair.check();
}

#[test]
fn a_kill_too_many_is_refused_with_its_reason_and_taken_when_one_has_ended() {
    let mut pair = pair();
    for ordinal in 1..=100 {
        enter(&mut pair, 1, ordinal, 1, 1);
    }
    let kill = Command { side: Scope::Everything.code(), ..Command::new(CommandKind::Kill) };
    for _ in 0..16 {
        assert_eq!(send(&mut pair, kill)[0].kind(), Ok(EventKind::Killed));
    }
    let refused = send(&mut pair, kill);
    assert_eq!(refused[0].kind(), Ok(EventKind::CancelRejected));
    assert_eq!(refused[0].reject_code(), Some(RejectCode::TooManySweeps));
    while pair.software.open_orders() > 0 {
        sweep(&mut pair);
    }
    while pair.software.wants_sweep() {
        sweep(&mut pair);
    }
    assert_eq!(send(&mut pair, kill)[0].kind(), Ok(EventKind::Killed));
    pair.check();
}
