//! What a client is sent: whatever decodes is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::wire::ouch::{MESSAGE_MAX, Outbound};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Outbound::decode(bytes) else { return };
    let mut space = [0; MESSAGE_MAX];
    let length = message.encode(&mut space).expect("no message is longer than the longest");
    assert_eq!(&space[..length], bytes);
});
