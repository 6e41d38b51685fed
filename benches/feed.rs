//! Feed handling from memory, on one core: packets of an exchange's day through the arbiter (both
//! lines) into books. Prints messages a second and nanoseconds a message: the best of many rounds,
//! for a machine that others use too.

use std::hint::black_box;

use wirematch::feed::exchange::{Exchange, symbols};
use wirematch::feed::{Arbiter, ArbiterOptions, Books};
use wirematch::model::Nanos;
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::itch::Message;
use wirematch::wire::session::{Packet, PacketWriter};

const MESSAGES: usize = 1_000_000;
const ROUNDS: usize = 12;
const ORDERS: usize = 20_000;
const INSTRUMENTS: usize = 100;

/// A day's packets.
fn packets() -> Vec<Vec<u8>> {
    let mut exchange = Exchange::new(11, &symbols(INSTRUMENTS), 1_000_000, ORDERS);
    let (mut packets, mut number) = (Vec::new(), 1u64);
    let mut waiting: Option<Vec<u8>> = None;
    while number < MESSAGES as u64 {
        let mut bytes = vec![0; 1400];
        let mut writer = PacketWriter::new(&mut bytes, *b"BENCH00001", number).expect("room");
        loop {
            let message = waiting.take().unwrap_or_else(|| {
                let mut bytes = vec![0; Message::LENGTH_MAX];
                let length = exchange.next_message().encode(&mut bytes).expect("it fits");
                bytes.truncate(length);
                bytes
            });
            if !writer.push(&message) {
                waiting = Some(message);
                break;
            }
            number += 1;
        }
        let length = writer.finish();
        bytes.truncate(length);
        packets.push(bytes);
    }
    packets
}

/// Takes all packets in, off one line or both; says how long that took, in nanoseconds a message,
/// as a whole and for the median packet.
fn round(packets: &[Vec<u8>], lines: usize, books: Option<&mut Books>) -> (f64, f64) {
    let mut none = Books::new(&[], 16, 8);
    let is_building = books.is_some();
    let books = books.unwrap_or(&mut none);
    books.clear();
    let mut arbiter = Arbiter::new(ArbiterOptions { lines, ..ArbiterOptions::default() });
    let (mut count, mut spans) = (0u64, Vec::with_capacity(packets.len()));
    let clock = SystemClock::new();
    let begin = clock.now();
    for (at, bytes) in packets.iter().enumerate() {
        let (from, before) = (clock.now(), count);
        for line in 0..lines {
            let packet = Packet::parse(bytes, Message::LENGTH_MAX).expect("it is good");
            if is_building && arbiter.lacks(&packet) {
                books.expect(packet.blocks());
            }
            arbiter.receive(Some(line), &packet, Nanos(1 + at as u64), |_, message| {
                count += 1;
                if is_building {
                    let _ = black_box(books.apply(message));
                } else {
                    let _ = black_box(Message::decode(message));
                }
            });
        }
        spans.push(clock.now().saturating_sub(from).0 as f64 / (count - before).max(1) as f64);
    }
    let whole = clock.now().saturating_sub(begin).0 as f64 / count as f64;
    assert_eq!(books.faults, 0);
    spans.sort_by(f64::total_cmp);
    (whole, spans[spans.len() / 2])
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let packets = packets();
    let mut books = Books::new(&symbols(INSTRUMENTS), 4 * ORDERS, 512);
    for (name, lines, builds) in [
        ("decode, one line", 1, false),
        ("decode and books, one line", 1, true),
        ("decode and books, A and B", 2, true),
    ] {
        let rounds = if is_test { 1 } else { ROUNDS };
        let (mut whole, mut median) = (f64::MAX, f64::MAX);
        for _ in 0..rounds {
            let (all, middle) = round(&packets, lines, builds.then_some(&mut books));
            (whole, median) = (whole.min(all), median.min(middle));
        }
        println!(
            "{name:28} {:6.1} M messages/s  {whole:5.1} ns a message  p50 {median:5.1} ns",
            1_000.0 / whole
        );
    }
}
