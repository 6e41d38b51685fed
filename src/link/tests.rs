//! The link against its oracle, a queue; and across two threads.

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::link::{Taken, link};
use crate::model::{Command, CommandKind, Group, Line, SeqNo};

fn message(seq: u64, lines: u8) -> Group<Command> {
    let mut group =
        Group::new(Command { seq: SeqNo(seq), lines, ..Command::new(CommandKind::Enter) });
    for (place, line) in group.rest_mut().iter_mut().enumerate() {
        *line = Line([seq * 10 + place as u64; 8]);
    }
    group
}

proptest! {
    #[test]
    fn behaves_as_a_queue(
        depth in 4usize..40,
        steps in prop::collection::vec((0u8..4, 1u8..=4), 1..400),
    ) {
        let (mut producer, mut consumer) = link::<Command>(depth);
        let mut oracle: VecDeque<Group<Command>> = VecDeque::new();
        let mut used = 0;
        for (seq, (step, lines)) in steps.into_iter().enumerate() {
            if step == 0 {
                let sent = message(seq as u64, lines);
                let room = used + lines as usize <= depth;
                prop_assert_eq!(producer.credits(depth), depth - used);
                prop_assert_eq!(producer.push(&sent), room);
                if room { used += lines as usize; oracle.push_back(sent); }
            } else if step == 1 {
                // A look shows all heads and takes none.
                let mut seen = Vec::new();
                consumer.look_at_each(|head| seen.push(head.seq));
                let waiting: Vec<SeqNo> = oracle.iter().map(|group| group.head.seq).collect();
                prop_assert_eq!(seen, waiting);
                // Shown in order where they lie; as many are taken as `lines` says.
                let mut left = lines as usize;
                let taken = consumer.take_each(|head, rest| {
                    let Some(sent) = oracle.get(lines as usize - left) else { return Taken::No };
                    assert_eq!((head, rest), (&sent.head, sent.rest()));
                    left -= 1;
                    if left == 0 { Taken::Last } else { Taken::Yes }
                });
                prop_assert_eq!(taken, oracle.len().min(lines as usize));
                for sent in oracle.drain(..taken) {
                    used -= sent.head.lines as usize;
                }
                let fresh = consumer.take_each(|_, _| Taken::No);
                prop_assert_eq!(fresh, 0);
            } else if step == 2 {
                // A burst: messages of growing length, until one finds no room.
                let room = (depth - used).min(3 * lines as usize);
                producer.write(room, |batch| {
                    for lines in (1..=4).cycle() {
                        let sent = message(seq as u64, lines);
                        let left = batch.room();
                        if !batch.push_parts(&sent.head, sent.rest()) {
                            assert!(left < lines as usize);
                            break;
                        }
                        assert_eq!(batch.room(), left - lines as usize);
                        used += lines as usize;
                        oracle.push_back(sent);
                    }
                });
            } else {
                let mut got = message(0, 1);
                prop_assert_eq!(consumer.peek().map(|h| h.seq), oracle.front().map(|m| m.head.seq));
                let popped = consumer.pop(&mut got);
                prop_assert_eq!(popped, !oracle.is_empty());
                if let Some(sent) = oracle.pop_front() {
                    used -= sent.head.lines as usize;
                    prop_assert_eq!(got.head, sent.head);
                    prop_assert_eq!(got.rest(), sent.rest());
                }
            }
        }
    }
}

#[test]
fn crosses_threads_whole_and_in_order() {
    const COUNT: u64 = 200_000;
    let (mut producer, mut consumer) = link::<Command>(64);
    let sender = std::thread::spawn(move || {
        for seq in 0..COUNT {
            let group = message(seq, 1 + (seq % 4) as u8);
            while !producer.push(&group) {
                std::thread::yield_now();
            }
        }
    });
    let mut seq = 0;
    while seq < COUNT {
        let taken = consumer.take_each(|head, rest| {
            let sent = message(seq, 1 + (seq % 4) as u8);
            assert_eq!((head, rest), (&sent.head, sent.rest()));
            seq += 1;
            Taken::Yes
        });
        if taken == 0 {
            std::thread::yield_now();
        }
    }
    sender.join().unwrap();
}

#[test]
fn a_glance_shows_what_waits_and_takes_nothing() {
    let (mut producer, mut consumer) = link::<Command>(8);
    // Round the ring's end, so that what waits lies in two pieces.
    for seq in 0..13 {
        assert!(producer.push(&message(seq, 1)));
        if seq < 7 {
            assert!(consumer.pop_head().is_some());
        }
    }
    for count in 0..6 {
        let glanced = consumer.glance(count).map(|command| command.seq);
        assert_eq!(glanced, Some(SeqNo(7 + count as u64)));
    }
    assert_eq!(consumer.glance(6), None);
    assert_eq!(consumer.glance(usize::MAX), None);
    assert_eq!(consumer.waiting(), 6);
}
