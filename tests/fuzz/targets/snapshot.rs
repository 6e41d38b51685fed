//! What an exchange's snapshot server says, cut anywhere: the same snapshot or the same error, and
//! books take it without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::feed::Books;
use wirematch::stage::{Assembly, Fetched};

fn taken(parts: &[&[u8]]) -> Result<Option<Fetched>, String> {
    let mut assembly = Assembly::default();
    for part in parts {
        if let Some(whole) = assembly.take(part)? {
            return Ok(Some(whole));
        }
    }
    Ok(None)
}

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let (front, back) = bytes.split_at(cut % (bytes.len() + 1));
    let whole = taken(&[bytes]);
    assert_eq!(whole, taken(&[front, back]));
    let Ok(Some(snapshot)) = whole else { return };
    let mut books = Books::new(&[*b"ACME    ", *b"BOLT    "], 64, 8);
    let mut at = 0;
    while let Some(message) = snapshot.message(&mut at) {
        let _ = books.apply(message);
    }
});
