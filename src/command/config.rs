//! `wirematch config`: what may be configured, what it means, and what it is now.

use std::io::{ErrorKind, Write};

use anyhow::Context;
use serde_json::Value;

use crate::command::configuration::ConfigArguments;
use crate::command::{Failure, Outcome};
use crate::topology::{DEFAULT_CONFIG, Explained, conceal, explain, explained, schema};

/// What may be configured: the annotated defaults, a schema for editors, one key explained, and
/// the whole of a configuration with every default filled in.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wirematch config default > my.toml\n  \
    wirematch config explain entry.hold_us\n  wirematch config schema > appliance.schema.json\n  \
    wirematch config show --config my.toml")]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the annotated defaults
    Default,
    /// Print the JSON schema, for editors that complete and check TOML
    Schema,
    /// Say what a key or a table is for, what may stand there and what it is by default
    Explain {
        /// As `entry.hold_us`; without one all keys are listed
        key: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration with every default filled in; secrets are left out
    Show {
        #[command(flatten)]
        config: ConfigArguments,
        /// Print JSON in place of TOML
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// A key that there is not, or a wrong configuration; exit code 2.
pub fn run(arguments: &ConfigCommand) -> Outcome {
    let text = match &arguments.action {
        Action::Default => DEFAULT_CONFIG.to_owned(),
        Action::Schema => pretty(&schema())?,
        Action::Explain { key, json } => tell(key.as_deref(), *json)?,
        Action::Show { config, json } => show(config, *json)?,
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::from_output(error)),
        _ => Ok(()),
    }
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).context("cannot write JSON")? + "\n")
}

fn tell(key: Option<&str>, json: bool) -> Result<String, Failure> {
    let found = match key {
        None => explained(),
        Some(key) => explain(key).map_err(|near| {
            let near = near.join("`, `");
            Failure::usage(format!("there is no key `{key}`; did you mean `{near}`?"))
        })?,
    };
    if json {
        return pretty(&found);
    }
    // One key in full; of many, a line each.
    Ok(match (found.as_slice(), key) {
        ([one], _) => whole(one),
        ([table, keys @ ..], Some(_)) => whole(table) + "\n" + &lines(keys),
        (all, _) => lines(all),
    })
}

fn whole(one: &Explained) -> String {
    let default = one.default.as_ref().map_or(String::new(), |value| format!(", default {value}"));
    let mut text = format!("{}: {}{default}\n", one.key, one.kind);
    one.text.lines().for_each(|line| text += &format!("  {line}\n"));
    text
}

fn lines(all: &[Explained]) -> String {
    let width = all.iter().map(|one| one.key.len()).max().unwrap_or(0);
    let line = |one: &Explained| {
        let first = one.text.lines().next().unwrap_or_default();
        let default = one.default.as_ref().map_or(String::new(), |value| format!(" [{value}]"));
        format!("{:width$}  {first}{default}\n", one.key)
    };
    all.iter().map(line).collect()
}

fn show(arguments: &ConfigArguments, json: bool) -> Result<String, Failure> {
    let config = arguments.load()?.config;
    let mut value = serde_json::to_value(&config).context("cannot write the configuration")?;
    conceal(&mut value);
    if json {
        return pretty(&value);
    }
    Ok(toml::to_string_pretty(&without_nulls(value)).context("cannot write TOML")?)
}

/// TOML has no word for nothing: the key is absent.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let kept = table.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Config, parse};

    #[test]
    fn what_is_shown_is_read_again_as_the_same() {
        let value = serde_json::to_value(Config::default()).expect("plain data");
        let text = toml::to_string_pretty(&without_nulls(value)).expect("it fits");
        assert_eq!(parse("shown", &text), Ok(Config::default()));
    }
}
