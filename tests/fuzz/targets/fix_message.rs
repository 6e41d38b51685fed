//! Bytes of a FIX line: framed, indexed by both scanners, held against every dictionary.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::wire::fix::dictionary::Validator;
use wirematch::wire::fix::frame::{Framing, frame};
use wirematch::wire::fix::{Indexer, Version};

fuzz_target!(|bytes: &[u8]| {
    // What is fuzzed is the body: a frame whose length and sum are right gets further.
    let head = format!("8=FIX.4.4\x019={}\x01", bytes.len());
    let mut framed = [head.as_bytes(), bytes].concat();
    let sum = framed.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    framed.extend(format!("10={sum:03}\x01").bytes());
    for stream in [bytes, &framed[..]] {
        let mut rest = stream;
        loop {
            match frame(rest) {
                Framing::Whole(found) => {
                    for version in Version::ALL {
                        let dictionary = version.dictionary();
                        let (mut fast, mut plain) = (Indexer::new(), Indexer::plain());
                        let fast = fast.read(rest, &found, dictionary);
                        let plain = plain.read(rest, &found, dictionary);
                        match (fast, plain) {
                            (Ok(fast), Ok(plain)) => {
                                assert_eq!(fast.entries(), plain.entries());
                                let _ = Validator::new(dictionary).check(&fast, dictionary);
                            }
                            (fast, plain) => assert_eq!(fast.err(), plain.err()),
                        }
                    }
                    rest = &rest[found.length..];
                }
                Framing::Garbled(length) => rest = &rest[length..],
                Framing::Partial => break,
            }
        }
    }
});
