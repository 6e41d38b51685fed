//! A peer's username and password, kept as a hash that is slow to guess from.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Rounds of a fresh hash; a logon is off the fast path and may take some milliseconds.
const ROUNDS: u32 = 10_000;

/// What a peer must say of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    rounds: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Credentials {
    /// Hashes a password; `salt` must come from chance.
    pub fn new(username: &str, password: &str, salt: [u8; 16]) -> Self {
        let hash = stretched(password.as_bytes(), &salt, ROUNDS);
        Self { username: username.to_owned(), rounds: ROUNDS, salt, hash }
    }

    /// Reads what `Display` writes: `username pbkdf2-sha256 rounds salt hash`, the last two in hex.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [username, "pbkdf2-sha256", rounds, salt, hash] = words[..] else { return None };
        let rounds = rounds.parse().ok().filter(|rounds| (1..=10_000_000).contains(rounds))?;
        let (salt, hash) = (from_hex(salt)?, from_hex(hash)?);
        Some(Self { username: username.to_owned(), rounds, salt, hash })
    }

    /// Whether a peer is who it says; takes as long whether or not. Who says no username is known
    /// by its CompIDs alone: the oldest version has no field for one.
    pub fn match_with(&self, username: &[u8], password: &[u8]) -> bool {
        let hash = stretched(password, &self.salt, self.rounds);
        let is_named = username.is_empty() || username == self.username.as_bytes();
        let mut difference = u8::from(!is_named);
        for (found, expected) in hash.iter().zip(&self.hash) {
            difference |= found ^ expected;
        }
        difference == 0
    }
}

impl std::fmt::Display for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (salt, hash) = (to_hex(&self.salt), to_hex(&self.hash));
        write!(f, "{} pbkdf2-sha256 {} {salt} {hash}", self.username, self.rounds)
    }
}

/// PBKDF2 with HMAC-SHA-256, the first block of it (RFC 8018).
fn stretched(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let Ok(keyed) = Hmac::<Sha256>::new_from_slice(password) else { return [0; 32] };
    let round = |input: &[&[u8]]| -> [u8; 32] {
        let mut mac = keyed.clone();
        input.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = round(&[salt, &1u32.to_be_bytes()]);
    let mut sum = last;
    for _ in 1..rounds {
        last = round(&[&last]);
        for (byte, new) in sum.iter_mut().zip(&last) {
            *byte ^= new;
        }
    }
    sum
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_standards() {
        // RFC 7914, section 11.
        let hash = stretched(b"passwd", b"salt", 1);
        assert!(to_hex(&hash).starts_with("55ac046e56e3089fec1691c22544b605"));
        let hash = stretched(b"Password", b"NaCl", 80_000);
        assert!(to_hex(&hash).starts_with("4ddcd8f60b98be21830cee5ef22701f9"));
    }

    #[test]
    fn only_the_right_pair_passes_and_the_text_is_read_again() {
        let credentials = Credentials::new("user", "secret", [7; 16]);
        let read = Credentials::parse(&credentials.to_string()).expect("what was written");
        assert_eq!(read, credentials);
        assert!(read.match_with(b"user", b"secret") && read.match_with(b"", b"secret"));
        for (name, password) in [("user", "wrong"), ("other", "secret"), ("", "")] {
            assert!(!read.match_with(name.as_bytes(), password.as_bytes()), "{name} {password}");
        }
        for wrong in ["", "user", "user md5 1 00 00", "user pbkdf2-sha256 0 00 00"] {
            assert_eq!(Credentials::parse(wrong), None, "{wrong}");
        }
    }
}
