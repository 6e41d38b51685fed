//! Bad input never moves the book: any command with any field changed at random is carried out by
//! its rules, the same by both matchers, or refused, and then nothing has changed.

use crate::engine::tests::storm::{Dice, Storm};
use crate::engine::tests::{Pair, instruments, roomy, tight};
use crate::engine::{BookView, EngineLimits};
use crate::model::{Command, EventKind, Group, LINES_MAX, Line};

/// Changes a few bytes of a command, its further lines included; place and time are given later.
fn spoil(group: &mut Group<Command>, dice: &mut Dice) {
    const HEAD: u64 = size_of::<Line>() as u64;
    for _ in 0..=dice.below(3) {
        let at = dice.below(HEAD * LINES_MAX as u64);
        let value = match dice.below(4) {
            0 => 0,
            1 => 0xff,
            2 => 0x80,
            _ => dice.below(256) as u8,
        };
        if at < HEAD {
            let mut line: Line = bytemuck::cast(group.head);
            bytemuck::bytes_of_mut(&mut line)[at as usize] = value;
            group.head = bytemuck::cast(line);
        } else {
            let rest = group.rest_mut();
            bytemuck::bytes_of_mut(rest)[(at - HEAD) as usize] = value;
        }
    }
}

fn spoilt_storm(seed: u64, limits: EngineLimits) -> (u32, u32) {
    let (mut storm, mut dice) = (Storm::new(seed), Dice::new(!seed));
    let mut pair = Pair::new(limits, &instruments());
    let (mut refused, mut taken) = (0, 0);
    for at in 1..=20_000_u32 {
        let mut group = storm.next();
        if dice.once_in(2) {
            spoil(&mut group, &mut dice);
        }
        let before = (pair.software.digest(), pair.software.open_orders());
        let events = pair.send(group);
        match events[0].kind() {
            Ok(EventKind::Rejected | EventKind::CancelRejected) if events.len() == 1 => {
                let after = (pair.software.digest(), pair.software.open_orders());
                assert_eq!(before, after, "what was refused moved the book: {:?}", group.head);
                refused += 1;
            }
            _ => taken += 1,
        }
        if at.is_multiple_of(512) {
            pair.check();
        }
    }
    pair.check();
    (refused, taken)
}

#[test]
fn a_command_with_any_field_changed_is_carried_out_or_refused_and_then_nothing_moved() {
    for seed in 0..4 {
        for limits in [tight(), roomy()] {
            let (refused, taken) = spoilt_storm(seed, limits);
            assert!(refused > 2_000 && taken > 2_000, "{refused} refused, {taken} taken");
        }
    }
}
