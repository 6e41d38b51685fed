//! `wirematch client rehearse`: a client of this house that does all that `certify` asks, right.

mod fix;
mod udp;

use crate::command::Outcome;
use crate::command::client::ClientArguments;
use crate::command::client::certify::identity;

/// What the pupil is told.
#[derive(Debug, clap::Args)]
pub(super) struct RehearseArguments {
    /// Speak FIX, as VERSION:OURS:THEIRS with the client's own CompID first
    #[arg(long, value_name = "VERSION:OURS:THEIRS")]
    fix: Option<String>,
    /// What the logon brings
    #[arg(long, requires = "fix")]
    password: Option<String>,
}

/// Does everything that the course asks, and does it right.
pub(super) fn rehearse(arguments: &ClientArguments, own: &RehearseArguments) -> Outcome {
    match &own.fix {
        None => udp::rehearse(arguments),
        Some(text) => fix::rehearse(arguments, identity(text)?, own.password.as_deref()),
    }
}
