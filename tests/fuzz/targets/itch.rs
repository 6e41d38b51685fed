//! Market data: whatever decodes is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::wire::itch::Message;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else { return };
    let mut space = [0; 64];
    let length = message.encode(&mut space).expect("no message is longer than 64 bytes");
    assert_eq!(&space[..length], bytes);
});
