//! A made-up exchange's day over two bad lines, its gaps closed by requests as they come, against
//! the books of whoever lost nothing.

use proptest::prelude::*;

use crate::feed::exchange::Exchange;
use crate::feed::{Arbiter, ArbiterOptions, Books, Need};
use crate::model::Nanos;
use crate::wire::itch::Message;
use crate::wire::session::{PACKET_MAX, Packet, PacketWriter};

const SYMBOLS: [[u8; 8]; 3] = [*b"ACME    ", *b"BOLT    ", *b"CRUX    "];

/// Between two packets of the exchange, and between two looks at what is needed.
const TICK: u64 = 100_000;
/// How long an answer takes.
const ANSWER: u64 = 300_000;

/// What becomes of a packet on a line.
#[derive(Clone, Copy, Debug)]
struct Fate {
    is_lost: bool,
    copies: u64,
    delay: u64,
}

fn fates(loss_percent: u32) -> impl Strategy<Value = Vec<[Fate; 2]>> {
    let fate = (0..100u32, 0..100u32, 0..300_000u64).prop_map(move |(lost, again, delay)| Fate {
        is_lost: lost < loss_percent,
        copies: 1 + u64::from(again < 10),
        delay,
    });
    prop::collection::vec([fate.clone(), fate], 100)
}

/// A day in messages.
fn day(seed: u64, count: u64) -> Vec<Vec<u8>> {
    let mut exchange = Exchange::new(seed, &SYMBOLS, 3_000_000, 60);
    let next = |_| {
        let mut bytes = vec![0; Message::LENGTH_MAX];
        let length = exchange.next_message().encode(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    };
    (0..count).map(next).collect()
}

fn packet(day: &[Vec<u8>], from: u64, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; PACKET_MAX];
    let mut writer = PacketWriter::new(&mut bytes, *b"TWOLINES01", from).unwrap();
    let wanted = day.iter().skip(from as usize - 1).take(count as usize);
    let _ = wanted.take_while(|message| writer.push(message)).count();
    let length = writer.finish();
    bytes.truncate(length);
    bytes
}

fn books() -> Books {
    Books::new(&SYMBOLS, 1_000, 1_000)
}

/// All that a book says.
fn told(books: &Books) -> String {
    let each = (0..SYMBOLS.len()).filter_map(|place| books.book(place));
    let each = each.map(|of| (of.top(), of.last, of.volume, of.status, of.is_spoiled));
    format!("{:?} {:?}", books.snapshot(|place| place as u16 + 1), each.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Losses of up to 30 % on each line, repeats, reordering, and a line that is behind the other
    /// by less or more than is waited for.
    #[test]
    fn two_bad_lines_make_the_book_of_a_good_one(
        seed in 1u64..1 << 40,
        sizes in prop::collection::vec(1u64..6, 1..100),
        fates in (0u32..=30).prop_flat_map(fates),
        skew in prop_oneof![0u64..150_000, 0u64..1_500_000],
    ) {
        let day = day(seed, sizes.iter().sum());
        let after = day.len() as u64 + 1;
        // What arrives when: a line's, or (without one) an answer.
        let mut arrivals = Vec::new();
        let (mut from, mut always_one) = (1, true);
        for (at, (size, both)) in sizes.iter().zip(&fates).enumerate() {
            always_one &= both.iter().any(|fate| !fate.is_lost);
            for (line, fate) in both.iter().enumerate().filter(|(_, fate)| !fate.is_lost) {
                for copy in 0..fate.copies {
                    let when = (at as u64 + copy) * TICK + fate.delay + skew * line as u64;
                    arrivals.push((when, Some(line), from, *size));
                }
            }
            from += size;
        }
        let end = (sizes.len() as u64 + 1) * TICK + 300_000 + skew;
        arrivals.push((end, Some(0), after, 0));
        let mut arbiter = Arbiter::new(ArbiterOptions::default());
        let (mut built, mut shown, mut now) = (books(), 1, 0);
        while arbiter.expected() < after {
            now += TICK;
            prop_assert!(now < 10_000_000_000, "never: {} of {after}", arbiter.expected());
            arrivals.sort();
            let due = arrivals.partition_point(|(when, ..)| *when <= now);
            for (when, line, first, count) in arrivals.drain(..due) {
                let bytes = packet(&day, first, count);
                let packet = Packet::parse(&bytes, Message::LENGTH_MAX).unwrap();
                let mut in_order = true;
                arbiter.receive(line, &packet, Nanos(1 + when), |number, block| {
                    in_order &= number == shown && block == day[number as usize - 1];
                    shown += 1;
                    built.apply(block).unwrap();
                });
                prop_assert!(in_order, "twice, or before its turn");
            }
            if let Some(Need::Request(request)) = arbiter.need(Nanos(1 + now)) {
                let (first, count) = (request.sequence_number, request.requested_message_count);
                arrivals.push((now + ANSWER, None, first, count.into()));
            }
        }
        let mut whole = books();
        day.iter().for_each(|bytes| _ = whole.apply(bytes).unwrap());
        prop_assert_eq!(told(&built), told(&whole));
        let is_in_time = 300_000 + skew < ArbiterOptions::default().hold.0;
        prop_assert!(!(always_one && is_in_time) || arbiter.requests == 0);
        prop_assert!(always_one || arbiter.requests > 0, "nobody else had it");
    }
}
