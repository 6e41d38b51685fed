//! What of a configuration nobody else may see: one list for all that show one or send one away.

use serde_json::Value;

/// Keys whose text is a secret, or may carry one as addresses of databases and webhooks do.
const SECRET: &[&str] = &[
    "key",
    "password",
    "credentials",
    "username",
    "webhook",
    // [[slow.scaled.postgres]]: of a venue the same words are tables.
    "primary",
    "replica",
    "redis",
    // Of [standby]: a process of ours, or a database.
    "witness",
];

/// What stands in its place.
const LEFT_OUT: &str = "(left out)";

/// Takes secrets out of a configuration, wherever they stand; returns what was taken.
pub fn conceal(config: &mut Value) -> Vec<String> {
    let mut taken = Vec::new();
    take(config, &mut taken);
    taken
}

fn take(value: &mut Value, taken: &mut Vec<String>) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                match value {
                    Value::String(text) if SECRET.contains(&name.as_str()) && !text.is_empty() => {
                        taken.push(std::mem::replace(text, LEFT_OUT.into()));
                    }
                    value => take(value, taken),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| take(one, taken)),
        _ => {}
    }
}

/// Writes stars over every secret in bytes that hold other things, as a log does. Short ones are
/// words of the language as well: they stay.
pub fn blacken(bytes: &mut [u8], secrets: &[String]) {
    const SHORTEST: usize = 6;
    for secret in secrets.iter().map(String::as_bytes).filter(|one| one.len() >= SHORTEST) {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| rest.len() >= secret.len()) {
            match rest.windows(secret.len()).position(|window| window == secret) {
                None => break,
                Some(found) => {
                    rest[found..found + secret.len()].fill(b'*');
                    at += found + secret.len();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_secret_of_any_table_is_left() {
        let text = "[standby]\nkey = \"s1\"\nwitness = \"postgres://u:s2@h/d\"\n\
            [[session]]\nid = 1\nkey = \"s3\"\n[slow.scaled]\nredis = \"redis://:s6@h\"\n\
            [[slow.scaled.postgres]]\nprimary = \"host=h password=s4\"\n\
            replica = \"postgres://u:s5@h/d\"\n\
            [venue.primary]\npassword = \"s7\"\nusername = \"s8\"\nsender = \"US\"\n\
            [fix]\ncredentials = \"s9\"\n[alarm]\nwebhook = \"http://h/s0\"\n";
        let table: toml::Table = toml::from_str(text).expect("it is good");
        let mut value = serde_json::to_value(table).expect("plain data");
        let taken = conceal(&mut value);
        let shown = value.to_string();
        assert!((0..10).all(|one| !shown.contains(&format!("s{one}"))), "{shown}");
        assert_eq!(taken.len(), 10);
        assert!(shown.contains("US"));
    }

    proptest! {
        #[test]
        fn what_is_blackened_keeps_its_length_and_holds_no_secret(
            parts in prop::collection::vec("[a-c]{0,9}", 0..9), secret in "[a-c]{6,8}",
        ) {
            let before = parts.join(&secret).into_bytes();
            let mut bytes = before.clone();
            blacken(&mut bytes, std::slice::from_ref(&secret));
            prop_assert_eq!(bytes.len(), before.len());
            prop_assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
            let is_kept = |(old, new): (&u8, &u8)| old == new || *new == b'*';
            prop_assert!(before.iter().zip(&bytes).all(is_kept));
        }
    }
}
