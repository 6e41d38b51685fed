//! Files of order flow: whatever is read is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::flow::{encode, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(flow) = parse(bytes) {
        assert_eq!(encode(&flow), bytes);
    }
});
