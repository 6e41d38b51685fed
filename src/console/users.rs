//! Who may do what: a file of users, sessions by cookie, and a token against forged requests.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, RwLock};

use serde::Deserialize;

use crate::console::PasswordHash;
use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};
use crate::topology::{ConsoleConfig, Role};

/// A word that a scraper bears is no shorter.
const TOKEN_MIN: usize = 16;

/// Sessions at once; the oldest makes way.
const SESSIONS_MAX: usize = 256;

/// Failed logins of a name before it must wait, and how long.
const FAILURES_MAX: u32 = 5;
const SHUT_FOR: Nanos = Nanos(30 * 1_000_000_000);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: Role,
    password: String,
}

/// A user of the file.
#[derive(Clone, Debug)]
struct User {
    role: Role,
    password: PasswordHash,
}

/// Somebody who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) role: Role,
    /// What every request that changes something must bear.
    pub(super) token: String,
}

/// The users, and those of them who are there.
#[derive(Debug)]
pub(super) struct Users {
    /// None: everybody is let in with this role.
    users: RwLock<Option<HashMap<String, User>>>,
    anybody: Person,
    /// Who bears this word may read the metrics.
    scraper: RwLock<Option<String>>,
    /// Silence after which somebody must log in again.
    idle_max: Nanos,
    sessions: Mutex<HashMap<String, (Person, Nanos)>>,
    failures: Mutex<HashMap<String, (u32, Nanos)>>,
    clock: SystemClock,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Wrong,
    TooOften,
}

/// A name that nobody can guess.
fn secret() -> String {
    let mut bytes = [0u8; 24];
    // Without the system's randomness nobody is let in: an empty name matches nothing.
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => String::new(),
    }
}

impl Users {
    /// Of the files that are named; without one of users, everybody has `role`.
    pub(super) fn open(config: &ConsoleConfig) -> Result<Self, String> {
        Ok(Self {
            users: RwLock::new(config.users.as_deref().map(read).transpose()?),
            anybody: Person { name: "console".into(), role: config.role, token: secret() },
            scraper: RwLock::new(config.scrape_token.as_deref().map(read_token).transpose()?),
            idle_max: Nanos(u64::from(config.idle_s) * 1_000_000_000),
            sessions: Mutex::default(),
            failures: Mutex::default(),
            clock: SystemClock::new(),
        })
    }

    /// Whether people must say who they are.
    pub(super) fn are_needed(&self) -> bool {
        self.users.read().unwrap_or_else(|bad| bad.into_inner()).is_some()
    }

    /// Reads the files again; who is not a user any more, or has another role, is let go. Where
    /// none were needed they are from now on; where they were they stay needed, whatever the
    /// configuration says: that needs a restart, which also looks at the address.
    pub(super) fn reload(&self, config: &ConsoleConfig) -> Result<(), String> {
        let fresh = config.users.as_deref().map(read).transpose()?;
        let token = config.scrape_token.as_deref().map(read_token).transpose()?;
        *self.scraper.write().unwrap_or_else(|bad| bad.into_inner()) = token;
        let Some(fresh) = fresh else { return Ok(()) };
        let mut sessions = self.sessions.lock().unwrap_or_else(|bad| bad.into_inner());
        sessions.retain(|_, (person, _)| {
            fresh.get(&person.name).is_some_and(|user| user.role == person.role)
        });
        *self.users.write().unwrap_or_else(|bad| bad.into_inner()) = Some(fresh);
        Ok(())
    }

    /// Whether a word is the scraper's.
    pub(super) fn is_scraper(&self, word: &str) -> bool {
        let scraper = self.scraper.read().unwrap_or_else(|bad| bad.into_inner());
        // Digests, so that the time it takes says nothing of how much was right.
        scraper
            .as_ref()
            .is_some_and(|own| blake3::hash(own.as_bytes()) == blake3::hash(word.as_bytes()))
    }

    /// Lets somebody in; returns the cookie. Takes as long for a name that nobody has.
    pub(super) fn log_in(&self, name: &str, password: &str) -> Result<String, Refusal> {
        let now = self.clock.now();
        {
            let mut failures = self.failures.lock().unwrap_or_else(|bad| bad.into_inner());
            failures.retain(|_, (_, at)| now.saturating_sub(*at) < SHUT_FOR);
            if failures.get(name).is_some_and(|(count, _)| *count >= FAILURES_MAX) {
                return Err(Refusal::TooOften);
            }
        }
        let found = self.found(name).ok_or(Refusal::Wrong)?;
        let is_right = found.1.password.matches(password);
        let cookie = secret();
        if !is_right || !found.0 || cookie.is_empty() {
            let mut failures = self.failures.lock().unwrap_or_else(|bad| bad.into_inner());
            let entry = failures.entry(name.to_owned()).or_insert((0, now));
            *entry = (entry.0 + 1, now);
            return Err(Refusal::Wrong);
        }
        let person = Person { name: name.to_owned(), role: found.1.role, token: secret() };
        let mut sessions = self.sessions.lock().unwrap_or_else(|bad| bad.into_inner());
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, (_, at))| *at).map(|(key, _)| key.clone());
            oldest.map(|key| sessions.remove(&key));
        }
        sessions.insert(cookie.clone(), (person, now));
        Ok(cookie)
    }

    /// A user; for a name that nobody has, some other, so that the answer takes as long.
    fn found(&self, name: &str) -> Option<(bool, User)> {
        let users = self.users.read().unwrap_or_else(|bad| bad.into_inner());
        let users = users.as_ref()?;
        match users.get(name) {
            Some(user) => Some((true, user.clone())),
            None => users.values().next().map(|user| (false, user.clone())),
        }
    }

    /// Lets somebody go.
    pub(super) fn log_out(&self, cookie: &str) {
        self.sessions.lock().unwrap_or_else(|bad| bad.into_inner()).remove(cookie);
    }

    /// Who bears this cookie; it is not silent now.
    pub(super) fn person(&self, cookie: Option<&str>) -> Option<Person> {
        if !self.are_needed() {
            return Some(self.anybody.clone());
        }
        let now = self.clock.now();
        let mut sessions = self.sessions.lock().unwrap_or_else(|bad| bad.into_inner());
        sessions.retain(|_, (_, seen)| now.saturating_sub(*seen) < self.idle_max);
        let (person, seen) = sessions.get_mut(cookie.filter(|cookie| !cookie.is_empty())?)?;
        *seen = now;
        Some(person.clone())
    }
}

fn read(path: &Path) -> Result<HashMap<String, User>, String> {
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    users_of(&text).map_err(|what| format!("{file}: {what}"))
}

/// The word of a file.
fn read_token(path: &Path) -> Result<String, String> {
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let word = text.trim();
    let is_good = word.len() >= TOKEN_MIN && word.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_good {
        return Err(format!("{file}: the token is one word of at least {TOKEN_MIN} characters"));
    }
    Ok(word.to_owned())
}

fn users_of(text: &str) -> Result<HashMap<String, User>, String> {
    let read: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut users = HashMap::new();
    for Entry { name, role, password } in read.user {
        let password = PasswordHash::parse(&password).ok_or_else(|| {
            format!("the password of `{name}` is not what `wirematch console-password` prints")
        })?;
        if users.insert(name.clone(), User { role, password }).is_some() {
            return Err(format!("there are two users `{name}`"));
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn users() -> Users {
        let folder = tempfile::tempdir().expect("a folder");
        Users::open(&config(&folder)).expect("they are good")
    }

    /// Of a file with one user.
    fn config(folder: &tempfile::TempDir) -> ConsoleConfig {
        let path = folder.path().join("users.toml");
        let hash = PasswordHash::new("right", [7; 16]).expect("it can be made");
        let text = format!("[[user]]\nname = \"ada\"\nrole = \"risk\"\npassword = \"{hash}\"\n");
        std::fs::write(&path, text).expect("the folder is ours");
        ConsoleConfig { users: Some(path), ..ConsoleConfig::default() }
    }

    #[test]
    fn users_may_come_but_not_go_while_it_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = ConsoleConfig { role: Role::Risk, ..ConsoleConfig::default() };
        let users = Users::open(&open).expect("there are none");
        assert!(users.person(None).is_some_and(|anybody| anybody.role == Role::Risk));
        users.reload(&config(&folder)).expect("they are good");
        assert_eq!(users.person(None), None);
        users.reload(&open).expect("there is nothing to read");
        assert_eq!(users.person(None), None);
        assert!(users.are_needed());
    }

    #[test]
    fn a_scraper_bears_the_word_of_a_file_that_holds_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let config = ConsoleConfig { scrape_token: Some(path.clone()), ..config(&folder) };
        for bad in ["", "short", "sixteen characters, many words"] {
            std::fs::write(&path, bad).expect("the folder is ours");
            let refused = Users::open(&config).expect_err("it is no token");
            assert!(refused.contains("the token is one word"), "{refused}");
        }
        std::fs::write(&path, "0123456789abcdef\n").expect("the folder is ours");
        let users = Users::open(&config).expect("it is good");
        assert!(users.is_scraper("0123456789abcdef"));
        assert!(!users.is_scraper("0123456789abcde") && !users.is_scraper(""));
        let without = ConsoleConfig { scrape_token: None, ..config };
        users.reload(&without).expect("they are good");
        assert!(!users.is_scraper("0123456789abcdef") && !users.is_scraper(""));
    }

    #[test]
    fn only_who_knows_the_password_is_let_in_and_only_until_leaving() {
        let users = users();
        assert_eq!(users.log_in("ada", "wrong"), Err(Refusal::Wrong));
        assert_eq!(users.log_in("eve", "right"), Err(Refusal::Wrong));
        let cookie = users.log_in("ada", "right").expect("it is right");
        let person = users.person(Some(&cookie)).expect("she is there");
        assert_eq!((person.name.as_str(), person.role), ("ada", Role::Risk));
        assert!(person.token.len() == 48 && person.token != cookie);
        assert_eq!(users.person(Some("")), None);
        assert_eq!(users.person(None), None);
        users.log_out(&cookie);
        assert_eq!(users.person(Some(&cookie)), None);
    }

    #[test]
    fn who_guesses_must_wait() {
        let users = users();
        for _ in 0..FAILURES_MAX {
            assert_eq!(users.log_in("ada", "guess"), Err(Refusal::Wrong));
        }
        assert_eq!(users.log_in("ada", "right"), Err(Refusal::TooOften));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_file_panic(text in ".{0,200}") {
            let _ = users_of(&text);
        }
    }
}
