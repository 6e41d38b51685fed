//! `wirematch config`: what may be configured, what it means, and what it is now.

use anyhow::Context;
use serde_json::Value;

use crate::command::configuration::ConfigArguments;
use crate::command::{Failure, Outcome};
use crate::topology::{DEFAULT_CONFIG, Explained, explain, explained, schema};

/// Keys whose values are nobody's business.
const SECRETS: [&str; 3] = ["key", "password", "credentials"];

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
    match &arguments.action {
        Action::Default => print!("{DEFAULT_CONFIG}"),
        Action::Schema => println!("{}", pretty(&schema())?),
        Action::Explain { key, json } => tell(key.as_deref(), *json)?,
        Action::Show { config, json } => show(config, *json)?,
    }
    Ok(())
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).context("cannot write JSON")?)
}

fn tell(key: Option<&str>, json: bool) -> Outcome {
    let found = match key {
        None => explained(),
        Some(key) => explain(key).map_err(|near| {
            let near = near.join("`, `");
            Failure::usage(format!("there is no key `{key}`; did you mean `{near}`?"))
        })?,
    };
    if json {
        println!("{}", pretty(&found)?);
        return Ok(());
    }
    // One key in full; of many, a line each.
    match (found.as_slice(), key) {
        ([one], _) => print_whole(one),
        ([table, keys @ ..], Some(_)) => {
            print_whole(table);
            println!();
            print_lines(keys);
        }
        (all, _) => print_lines(all),
    }
    Ok(())
}

fn print_whole(one: &Explained) {
    let default = one.default.as_ref().map_or(String::new(), |value| format!(", default {value}"));
    println!("{}: {}{default}", one.key, one.kind);
    one.text.lines().for_each(|line| println!("  {line}"));
}

fn print_lines(all: &[Explained]) {
    let width = all.iter().map(|one| one.key.len()).max().unwrap_or(0);
    for one in all {
        let first = one.text.lines().next().unwrap_or_default();
        let default = one.default.as_ref().map_or(String::new(), |value| format!(" [{value}]"));
        println!("{:width$}  {first}{default}", one.key);
    }
}

fn show(arguments: &ConfigArguments, json: bool) -> Outcome {
    let config = arguments.load()?.config;
    let mut value = serde_json::to_value(&config).context("cannot write the configuration")?;
    hide_secrets(&mut value);
    if json {
        println!("{}", pretty(&value)?);
        return Ok(());
    }
    print!("{}", toml::to_string_pretty(&without_nulls(value)).context("cannot write TOML")?);
    Ok(())
}

/// Puts dots where a secret stands.
pub fn hide_secrets(value: &mut Value) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                let told = value.as_str().is_some_and(|text| !text.is_empty());
                if SECRETS.contains(&name.as_str()) && told {
                    *value = "…".into();
                }
                hide_secrets(value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide_secrets),
        _ => {}
    }
}

/// TOML has no word for nothing: the key is absent.
fn without_nulls(value: Value) -> Value {
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

    #[test]
    fn secrets_are_not_shown() {
        let mut value = serde_json::to_value(Config::default()).expect("plain data");
        hide_secrets(&mut value);
        assert!(!value.to_string().contains("change-me"));
    }
}
