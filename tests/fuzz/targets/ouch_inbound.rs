//! What a client sends: whatever decodes is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::wire::ouch::{Inbound, MESSAGE_MAX};

fuzz_target!(|bytes: &[u8]| {
    let _ = Inbound::user_ref_num_of(bytes);
    let Ok(message) = Inbound::decode(bytes) else { return };
    let mut space = [0; MESSAGE_MAX];
    let length = message.encode(&mut space).expect("no message is longer than the longest");
    assert_eq!(&space[..length], bytes);
});
