//! A configuration: parsed, and what parses checked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::topology::{check, parse};

fuzz_target!(|text: &str| {
    if let Ok(config) = parse("fuzz", text) {
        let _ = check(&config, "fuzz", text);
    }
});
