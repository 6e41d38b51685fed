//! `wirematch console-password`: a user of the web console, as its file of users keeps one.

use std::io::BufRead;

use anyhow::Context;

use crate::command::{Failure, Outcome};
use crate::console::PasswordHash;

/// Reads a password from the standard input and prints a `[[user]]` for the console's file of
/// users: with a hash that is slow to guess from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 1 nothing to be read, 2 wrong usage.\n\nExample:\n  \
    echo secret | wirematch console-password ada --role risk >> users.toml")]
pub struct ConsolePasswordArguments {
    /// The user's name: it stands as actor in the record of what was done
    name: String,
    /// viewer looks, operator stops trading too, risk lets it go on and sets limits too
    #[arg(long, default_value = "viewer", value_parser = ["viewer", "operator", "risk"])]
    role: String,
}

/// Runs the command.
///
/// # Errors
/// A name that is no word, no password.
pub fn run(arguments: &ConsolePasswordArguments) -> Outcome {
    let ConsolePasswordArguments { name, role } = arguments;
    if name.is_empty() || !name.chars().all(|one| one.is_ascii_alphanumeric() || one == '-') {
        return Err(Failure::usage("a name is made of letters, digits and `-`"));
    }
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).context("reading the password")?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage(
            "no password came: `echo secret | wirematch console-password X`",
        ));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let hash = PasswordHash::new(password, salt).context("the password cannot be hashed")?;
    println!("[[user]]\nname = \"{name}\"\nrole = \"{role}\"\npassword = \"{hash}\"\n");
    Ok(())
}
