//! SIGHUP: the configuration is read and checked again; what may change while trading changes, and
//! of the rest it is said that it needs a restart. A wrong one changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::command::configuration::{ConfigArguments, Loaded};
use crate::console::{Bellman, ConsoleServer};
use crate::runtime::log;
use crate::topology::{Ask, Config, Message, ask_admin};

/// How long the slow thread may take for a limits file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keys that may change, with all below them.
const MAY_CHANGE: &[&str] =
    &["alarm", "console.scrape_token", "console.users", "risk.limits", "slow.utc_bound_us"];

/// What a reload reaches.
pub(super) struct Reload<'a> {
    pub(super) arguments: &'a ConfigArguments,
    pub(super) console: Option<&'a ConsoleServer>,
    pub(super) bellman: &'a Bellman,
}

impl Reload<'_> {
    /// Reads again, and takes over what may change into `config`.
    pub(super) fn now(&self, config: &mut Config) {
        let fresh = match self.arguments.load() {
            Ok(Loaded { config, .. }) => config,
            Err(failure) => {
                log::alert(&format!("the configuration stays as it was: {:#}", failure.error));
                return;
            }
        };
        let differing = differences(config, &fresh);
        // A console whose people log in is not opened to everybody while it runs.
        let opens = config.console.users.is_some() && fresh.console.users.is_none();
        let may = |key: &&String| {
            if opens && key.as_str() == "console.users" {
                return false;
            }
            let below = |one: &&str| key.as_str() == *one || key.starts_with(&format!("{one}."));
            MAY_CHANGE.iter().any(below)
        };
        let (changed, kept): (Vec<_>, Vec<_>) = differing.iter().partition(may);
        if let Some(console) = self.console
            && let Err(error) = console.reload(&fresh.console)
        {
            log::alert(&format!("the configuration stays as it was: {error}"));
            return;
        }
        self.bellman.set(fresh.alarm.clone());
        send_limits(&fresh);
        config.alarm = fresh.alarm;
        config.console.scrape_token = fresh.console.scrape_token;
        if !opens {
            config.console.users = fresh.console.users;
        }
        config.risk.limits = fresh.risk.limits;
        config.slow.utc_bound_us = fresh.slow.utc_bound_us;
        log::say(&format!("the configuration was read again; changed: {}", words(&changed)));
        if !kept.is_empty() {
            log::alert(&format!("these need a restart: {}", words(&kept)));
        }
    }
}

fn words(keys: &[&String]) -> String {
    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    if keys.is_empty() { "nothing".into() } else { keys.join(", ") }
}

/// Limits files go the operator's way, so they are commands on record as any other.
fn send_limits(config: &Config) {
    for path in &config.risk.limits {
        let file = path.display().to_string();
        let sent = std::fs::read_to_string(path).and_then(|text| {
            let ask = Ask::Load { file: file.clone(), text };
            let (actor, reason) = (actor(config), "read again".to_owned());
            ask_admin(&config.data, &Message { actor, reason, ask }, PATIENCE)
        });
        match sent {
            Ok(answer) if answer.ok => log::say(&format!("{file}: {} limits sent", answer.sent)),
            Ok(answer) => log::alert(&answer.message),
            Err(error) => log::alert(&format!("{file}: {error}")),
        }
    }
}

/// Who asks for them: a name that may ask.
fn actor(config: &Config) -> String {
    config.admin.actors.first().cloned().unwrap_or_else(|| "SIGHUP".into())
}

/// Keys that are not the same, as `entry.address`; of lists, the list's.
fn differences(old: &Config, new: &Config) -> BTreeSet<String> {
    let table = |config: &Config| toml::Value::try_from(config).unwrap_or_else(|_| empty());
    let mut found = BTreeSet::new();
    compare("", &table(old), &table(new), &mut found);
    found
}

fn empty() -> toml::Value {
    toml::Value::Table(toml::Table::new())
}

fn compare(path: &str, old: &toml::Value, new: &toml::Value, found: &mut BTreeSet<String>) {
    let (toml::Value::Table(before), toml::Value::Table(after)) = (old, new) else {
        if old != new {
            found.insert(path.to_owned());
        }
        return;
    };
    for key in before.keys().chain(after.keys()) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => compare(&path, old, new, found),
            _ => drop(found.insert(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::parse;

    #[test]
    fn keys_that_differ_are_named_from_the_top() {
        let of = |text| parse("t", text).expect("it is good");
        let (old, new) = (of("[alarm]\nrepeat_s = 1\n"), of("[entry]\nheartbeat_ms = 7\n"));
        let found: Vec<String> = differences(&old, &new).into_iter().collect();
        assert_eq!(found, ["alarm.repeat_s", "entry.heartbeat_ms"]);
        assert!(differences(&old, &old).is_empty());
    }
}
