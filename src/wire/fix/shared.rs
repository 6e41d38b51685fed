//! What the tests of this protocol share: messages written with `|` for the separator.

use crate::wire::fix::scan::SOH;

/// The bytes of a text, `|` being the separator.
pub(crate) fn raw(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| if byte == b'|' { SOH } else { byte }).collect()
}

/// A message around a body, with its length and checksum right.
pub(crate) fn framed(begin: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = raw(&format!("8={begin}|9={}|", body.len()));
    bytes.extend(body);
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    bytes.extend(raw(&format!("10={sum:03}|")));
    bytes
}

/// As [`framed`], the body being text.
pub(crate) fn message(begin: &str, body: &str) -> Vec<u8> {
    framed(begin, &raw(body))
}
