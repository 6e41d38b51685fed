//! Amounts as people write them: what is read is written as the same amount.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::topology::Decimal;

fuzz_target!(|text: &str| {
    if let Ok(amount) = text.parse::<Decimal>() {
        assert_eq!(amount.price().to_string().parse(), Ok(amount));
    }
});
