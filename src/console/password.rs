//! Passwords of the console's users, kept as Argon2id hashes: slow to guess from, and each guess
//! takes 19 MiB.

use argon2::Argon2;

/// A password as the file of users keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl PasswordHash {
    /// Hashes a password; `salt` must come from chance. None where the hash cannot be made.
    pub fn new(password: &str, salt: [u8; 16]) -> Option<Self> {
        Some(Self { salt, hash: hashed(password, &salt)? })
    }

    /// Reads what `Display` writes: `argon2id salt hash`, the last two in hexadecimal.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let ["argon2id", salt, hash] = words[..] else { return None };
        Some(Self { salt: from_hex(salt)?, hash: from_hex(hash)? })
    }

    /// Whether this is the password; takes as long whether or not.
    pub fn matches(&self, password: &str) -> bool {
        let Some(hash) = hashed(password, &self.salt) else { return false };
        hash.iter().zip(&self.hash).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl std::fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(f, "argon2id {} {}", hex(&self.salt), hex(&self.hash))
    }
}

fn hashed(password: &str, salt: &[u8; 16]) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    Argon2::default().hash_password_into(password.as_bytes(), salt, &mut hash).ok()?;
    Some(hash)
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let kept = PasswordHash::new("right", [7; 16]).expect("it can be made").to_string();
        let read = PasswordHash::parse(&kept).expect("it is what was written");
        assert!(read.matches("right") && !read.matches("wrong") && !kept.contains("right"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(argon2id )?[0-9a-fé ]{0,120}") {
            let _ = PasswordHash::parse(&text);
        }
    }
}
