//! `wirematch fix-password`: a password as the configuration keeps it.

use std::io::BufRead;

use anyhow::Context;

use crate::command::{Failure, Outcome};
use crate::wire::fix::session::Credentials;

/// Reads a FIX client's password from the standard input and prints the `credentials` of its
/// session: a hash that is slow to guess from, with a salt of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 1 nothing to be read, 2 wrong usage.\n\nExamples:\n  \
    echo secret | wirematch fix-password client")]
pub struct FixPasswordArguments {
    /// The username (553); without blanks
    username: String,
}

/// Runs the command.
///
/// # Errors
/// A name with blanks, no password.
pub fn run(arguments: &FixPasswordArguments) -> Outcome {
    let username = &arguments.username;
    if username.is_empty() || username.contains(char::is_whitespace) {
        return Err(Failure::usage("a username is one word"));
    }
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).context("reading the password")?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage(
            "no password came: `echo secret | wirematch fix-password NAME`",
        ));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    println!("credentials = \"{}\"", Credentials::new(username, password, salt));
    Ok(())
}
