//! Packets off two lines into books: whatever comes, nothing panics, goes back or is shown twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::feed::{Arbiter, ArbiterOptions, Books};
use wirematch::model::Nanos;
use wirematch::wire::itch::Message;
use wirematch::wire::session::Packet;

fuzz_target!(|packets: Vec<(bool, u32, Vec<u8>)>| {
    let mut arbiter = Arbiter::new(ArbiterOptions { window: 64, ..ArbiterOptions::default() });
    let mut books = Books::new(&[*b"ACME    ", *b"BOLT    "], 64, 8);
    let (mut now, mut last) = (0, 0);
    for (is_b, later, bytes) in packets {
        now += u64::from(later);
        let Ok(packet) = Packet::parse(&bytes, Message::LENGTH_MAX) else { continue };
        let line = Some(usize::from(is_b));
        if arbiter.begins_anew(line, &packet, Nanos(now)) {
            books.clear();
            last = 0;
        }
        books.expect(packet.blocks());
        arbiter.receive(line, &packet, Nanos(now), |number, message| {
            assert!(number > last);
            last = number;
            let _ = books.apply(message);
        });
        let _ = arbiter.need(Nanos(now));
    }
});
