//! Two lines with every fault a network has, against the numbers there should be.

use proptest::prelude::*;

use super::*;
use crate::wire::session::PacketWriter;

const SESSION: Token = *b"TEST000001";

fn packet(bytes: &mut [u8], session: Token, from: u64, count: u64) -> usize {
    let mut writer = PacketWriter::new(bytes, session, from).unwrap();
    for number in from..from + count {
        assert!(writer.push(&number.to_be_bytes()));
    }
    writer.finish()
}

/// A listener behind an arbiter: what it was shown, by number.
struct World {
    arbiter: Arbiter,
    got: Vec<(u64, u64)>,
}

impl World {
    fn new() -> Self {
        Self { arbiter: Arbiter::new(ArbiterOptions::default()), got: Vec::new() }
    }

    fn bring(&mut self, line: Option<usize>, from: u64, count: u64, now: u64) -> bool {
        self.bring_of(SESSION, line, from, count, now)
    }

    fn bring_of(
        &mut self,
        token: Token,
        line: Option<usize>,
        from: u64,
        count: u64,
        now: u64,
    ) -> bool {
        let mut bytes = [0; 1400];
        let length = packet(&mut bytes, token, from, count);
        let packet = Packet::parse(&bytes[..length], 64).unwrap();
        let began = self.arbiter.begins_anew(line, &packet, Nanos(now));
        if began {
            self.got.clear();
        }
        let got = &mut self.got;
        self.arbiter.receive(line, &packet, Nanos(now), |number, block| {
            got.push((number, u64::from_be_bytes(block.try_into().unwrap())));
        });
        began
    }

    /// Answers what is asked until nothing is missing; says how many requests that took.
    fn close(&mut self, total: u64, mut now: u64) -> u64 {
        let mut asked = 0;
        self.bring(Some(0), total, 0, now);
        while self.arbiter.expected() < total {
            now += 30_000_000;
            let need = self.arbiter.need(Nanos(now)).expect("something is missing");
            let Need::Request(request) = need else { panic!("{need:?}") };
            assert_eq!(request.sequence_number, self.arbiter.expected());
            self.bring(None, request.sequence_number, request.requested_message_count.into(), now);
            asked += 1;
            assert!(asked < 10_000);
        }
        asked
    }
}

fn numbers(total: u64) -> Vec<(u64, u64)> {
    (1..total).map(|number| (number, number)).collect()
}

/// What becomes of one packet on one line.
#[derive(Clone, Copy, Debug)]
struct Fate {
    is_lost: bool,
    copies: u8,
    delay: u64,
}

fn fate(loss_percent: u32, delay_max: u64) -> impl Strategy<Value = Fate> {
    (0..100u32, 0..100u32, 0..=delay_max).prop_map(move |(lost, again, delay)| Fate {
        is_lost: lost < loss_percent,
        copies: if again < 10 { 2 } else { 1 },
        delay,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Losses of up to 30 % on each line, repeats, reordering, skew: every message once, in order;
    /// where each packet came by one line nothing is asked for, else the gap is closed.
    #[test]
    fn both_lines_make_one(
        sizes in prop::collection::vec(1u64..6, 1..80),
        fates in (0u32..=30, 0u64..4_000).prop_flat_map(|(loss, skew)| prop::collection::vec(
            (fate(loss, 3_000), fate(loss, 3_000), Just(skew)), 80)),
    ) {
        let mut world = World::new();
        let (mut arrivals, mut from, mut always_one) = (Vec::new(), 1, true);
        for (at, (size, (a, b, skew))) in sizes.iter().zip(&fates).enumerate() {
            always_one &= !(a.is_lost && b.is_lost);
            for (line, fate, skew) in [(0, a, 0), (1, b, *skew)] {
                for copy in 0..u64::from(fate.copies) {
                    let when = at as u64 * 500 + 1 + fate.delay + skew + copy * 700;
                    arrivals.extend((!fate.is_lost).then_some((when, line, from, *size)));
                }
            }
            from += size;
        }
        arrivals.sort();
        for (when, line, first, count) in arrivals {
            world.bring(Some(line), first, count, when);
        }
        let asked = world.close(from, 1_000_000);
        prop_assert_eq!(world.got, numbers(from));
        prop_assert!(!always_one || asked == 0, "{} requests for what was there", asked);
    }

    /// However often answers come, what is behind is not sound: all that was known to be when
    /// patience began has been shown where it is.
    #[test]
    fn what_is_sound_is_not_behind(
        steps in prop::collection::vec((1u64..3_000_000, 0u64..400, any::<bool>()), 1..300),
    ) {
        let mut world = World::new();
        let patience = ArbiterOptions::default().patience.0;
        let (mut now, mut from, mut lost) = (1, 1, false);
        let mut known = vec![(now, 1)];
        for (span, count, loses) in steps {
            now += span;
            lost |= loses;
            // Where a packet was lost once, the line goes on ahead of us, and answers follow.
            for first in (from..from + count).step_by(60) {
                let size = 60.min(from + count - first);
                if !loses {
                    world.bring(Some(0), first, size, now);
                }
            }
            from += count;
            world.bring(Some(0), from, 0, now);
            known.push((now, from));
            if let Some(Need::Request(request)) = world.arbiter.need(Nanos(now)) {
                let count = u64::from(request.requested_message_count);
                world.bring(None, request.sequence_number, count, now);
            }
            let due = known.iter().rfind(|(at, _)| at + patience <= now).map_or(1, |of| of.1);
            let expected = world.arbiter.expected();
            prop_assert!(!world.arbiter.is_sound(Nanos(now)) || expected >= due);
            prop_assert!(lost || world.arbiter.is_sound(Nanos(now)), "nothing is missing");
        }
    }

    #[test]
    fn arbitrary_packets_never_panic_and_never_go_back(
        packets in prop::collection::vec(
            (prop_oneof![0u64..300, any::<u64>()], 0u64..9, 0usize..3, 0u8..3), 0..60),
    ) {
        let mut world = World::new();
        for (at, (from, count, line, session)) in packets.into_iter().enumerate() {
            let from = from.min(u64::MAX - 10);
            let line = (line < 2).then_some(line);
            let token = [b'A' + session; 10];
            world.bring_of(token, line, from, count, at as u64 * 1_000_000_000);
            world.arbiter.need(Nanos(at as u64 * 1_000_000_000));
        }
        prop_assert!(world.got.is_sorted());
    }
}

#[test]
fn a_snapshot_goes_before_a_long_gap() {
    let mut world = World::new();
    world.bring(Some(0), 500_000, 3, 10);
    assert_eq!(world.arbiter.need(Nanos(1_000_000)), Some(Need::Snapshot));
    world.bring(Some(1), 500_003, 2, 20);
    assert!(world.got.is_empty() && !world.arbiter.is_sound(Nanos(30_000_000)));
    let World { arbiter, got } = &mut world;
    arbiter.resume(500_001, Nanos(2_000_000), |number, _| got.push((number, number)));
    let held = std::mem::take(&mut world.got);
    assert_eq!(held, (500_001..500_005).map(|number| (number, number)).collect::<Vec<_>>());
    world.bring(Some(0), 500_005, 1, 3_000_000);
    assert_eq!(world.got, [(500_005, 500_005)]);
}

#[test]
fn what_is_passed_over_is_told_and_the_rest_is_shown() {
    let mut world = World::new();
    for (from, count) in [(1, 2), (5, 1), (9, 2), (20, 0)] {
        world.bring(Some(0), from, count, 10);
    }
    let World { arbiter, got } = &mut world;
    let mut over = Vec::new();
    while let Some(range) = arbiter.pass_over(Nanos(20), |number, _| got.push((number, number))) {
        over.push(range);
    }
    assert_eq!(over, [3..5, 6..9, 11..20]);
    let numbers: Vec<u64> = world.got.iter().map(|(number, _)| *number).collect();
    assert_eq!((numbers, world.arbiter.missing()), (vec![1, 2, 5, 9, 10], 0));
}

#[test]
fn a_session_is_left_only_when_it_is_silent() {
    let mut world = World::new();
    world.bring(Some(0), 1, 2, 1);
    assert!(!world.bring_of(*b"OTHER00001", Some(1), 1, 9, 2));
    assert_eq!(world.arbiter.lines[1].foreign, 1);
    let later = 1 + ArbiterOptions::default().silence.0 + 1;
    assert!(world.bring_of(*b"OTHER00001", Some(1), 1, 1, later), "the venue has restarted");
    assert_eq!((world.arbiter.expected(), world.arbiter.restarts), (2, 1));
}

#[test]
fn one_packet_far_ahead_is_not_believed() {
    let mut world = World::new();
    world.bring(Some(0), 1, 2, 1);
    world.bring(Some(0), 1 << 40, 2, 2);
    assert_eq!((world.arbiter.missing(), world.arbiter.jumps), (0, 1));
    world.bring(Some(1), (1 << 40) + 2, 1, 3);
    assert!(world.arbiter.missing() > 1 << 39, "two agree");
}

#[test]
fn what_is_far_behind_is_not_sound_however_fast_it_is_answered() {
    let mut world = World::new();
    let mut now = 1_000_000;
    for step in 0..1_000 {
        now += 1_000_000;
        // A thousand messages come in a millisecond, and one request of 64 is answered.
        world.bring(Some(0), 1_000 * (step + 1), 0, now);
        if let Some(Need::Request(request)) = world.arbiter.need(Nanos(now + 600_000)) {
            let count = request.requested_message_count.into();
            world.bring(None, request.sequence_number, count, now + 700_000);
        }
        let is_sound = world.arbiter.is_sound(Nanos(now + 800_000));
        assert!(!is_sound || step <= 20, "{step} ms, {} missing", world.arbiter.missing());
    }
    // What is closed in time, again and again, stays sound.
    let mut world = World::new();
    for step in 0..1_000 {
        let now = 1_000_000 + step * 1_000_000;
        world.bring(Some(0), 2 + 2 * step, 1, now);
        assert!(world.arbiter.is_sound(Nanos(now)));
        world.bring(None, 1 + 2 * step, 1, now + 900_000);
    }
}

#[test]
fn a_session_that_is_counted_again_is_begun_anew() {
    let mut world = World::new();
    world.bring(Some(0), 1, 100, 1_000);
    world.bring(Some(0), 101, 100, 2_000);
    // Soon after, old numbers are only late.
    assert!(!world.bring(Some(0), 1, 9, 3_000) && !world.bring(Some(1), 1, 9, 3_000));
    let later = 2_000 + ArbiterOptions::default().silence.0 + 1;
    assert!(!world.arbiter.is_sound(Nanos(later)), "only what is old came");
    assert!(!world.bring(Some(0), 1, 9, later), "one packet is not believed");
    assert_eq!((world.arbiter.jumps, world.arbiter.expected()), (1, 201));
    assert!(world.bring(Some(0), 10, 9, later + 1_000), "two agree");
    assert_eq!((world.arbiter.restarts, world.arbiter.missing()), (1, 18));
    world.bring(None, 1, 9, later + 2_000);
    assert_eq!(world.got, numbers(19));
    assert!(world.arbiter.is_sound(Nanos(later + 3_000)));
}

#[test]
fn a_line_that_is_behind_says_so() {
    let mut world = World::new();
    for at in 0..100 {
        world.bring(Some(0), 1 + at, 1, 1_000 + at * 1_000);
        world.bring(Some(1), 1 + at, 1, 1_000 + at * 1_000 + 300);
    }
    let [a, b] = world.arbiter.lines;
    assert_eq!((a.first, a.late, b.first, b.late), (100, 0, 0, 100));
    assert!((200..=300).contains(&b.behind_ns) && b.behind_max_ns == 300, "{b:?}");
}

#[test]
fn what_comes_out_of_order_is_told_of_its_line_and_closes_nothing_twice() {
    let mut world = World::new();
    for (line, from) in [(0, 1), (1, 1), (0, 3), (0, 2), (0, 2), (1, 2), (1, 3)] {
        world.bring(Some(line), from, 1, 1_000);
    }
    let [a, b] = world.arbiter.lines;
    assert_eq!((a.packets, a.lost, a.disordered, a.late), (4, 1, 2, 1));
    assert_eq!((b.packets, b.lost, b.disordered, b.late), (3, 0, 0, 3));
    assert_eq!((world.arbiter.gaps, world.arbiter.closed), (0, 0), "the line itself was in time");
    // A long gap is one gap, however many requests it takes; the next one is another.
    for (total, gaps) in [(1_000, 1), (2_000, 2)] {
        assert!(world.close(total, 1_000_000_000 * gaps) > 10);
        assert_eq!((world.arbiter.gaps, world.arbiter.closed), (gaps, gaps));
    }
    world.bring(Some(0), 2_001, 1, 9_000_000_000);
    assert!(world.arbiter.need(Nanos(9_100_000_000)).is_some());
    assert_eq!((world.arbiter.gaps, world.arbiter.closed), (3, 2));
    world.arbiter.resume(2_002, Nanos(9_200_000_000), |_, _| ());
    assert_eq!(world.arbiter.closed, 3, "by a snapshot");
}
