//! Files of order flow: whatever is read is written so that it reads the same. Not byte for byte:
//! a header may promise wider bounds than the events need.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::flow::{encode, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(flow) = parse(bytes) {
        assert_eq!(parse(&encode(&flow)).expect("what was written is read"), flow);
    }
});
