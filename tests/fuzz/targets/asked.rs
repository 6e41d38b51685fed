//! What a WebSocket client asks: whatever it is, an answer, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::outlet::Asked;

fuzz_target!(|text: &str| {
    if let Err(why) = Asked::parse(text) {
        assert!(!why.is_empty());
    }
});
