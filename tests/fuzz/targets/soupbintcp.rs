//! SoupBinTCP packets: what decodes is written back with the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::wire::soupbintcp::{Packet, snapshot_ends};

fuzz_target!(|bytes: &[u8]| {
    let _ = snapshot_ends(bytes);
    if let Ok(Some((packet, length))) = Packet::parse(bytes) {
        assert!(length <= bytes.len());
        let mut again = Vec::new();
        packet.write(&mut again);
        assert_eq!(Packet::parse(&again).unwrap().unwrap().0, packet);
    }
});
