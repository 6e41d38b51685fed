//! A counterparty's overlay: read, compiled, and used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::wire::fix::dictionary::{Dictionary, Validator, Version};

fuzz_target!(|text: &str| {
    if let Ok(dictionary) = Dictionary::with_overlay(Version::Fix42, text) {
        let _ = Validator::new(&dictionary);
    }
});
