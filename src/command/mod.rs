//! The subcommands of the binary, one file each: arguments, then `run`.

pub mod audit;
pub mod bench;
pub mod cash;
pub mod check;
pub mod client;
pub mod config;
pub mod configuration;
pub mod console_password;
pub mod day;
pub mod deal;
pub mod debug;
pub mod feed;
pub mod fix_echo;
pub mod fix_password;
pub mod flow;
pub mod fpga;
pub mod history;
pub mod host;
pub mod instrument;
pub mod journal;
pub mod manual;
pub mod monitor;
pub mod positions;
mod progress;
pub mod reconcile;
pub mod reference;
pub mod region;
pub mod replay;
pub mod risk;
pub mod run;
pub mod simulate;
pub mod snapshot;
pub mod status;
pub mod ticker;
pub mod witness;

use std::io;
use std::process::ExitCode;

/// How a command ends, as a process exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Good.
    Good = 0,
    /// Failed while running.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// A check failed.
    Check = 3,
    /// A verification failed.
    Verification = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not end well: what to print, and how to exit.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// Wrong usage or configuration: says what is wrong and how to mend it.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// A check failed.
    pub fn check(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Check, error: anyhow::anyhow!("{message}") }
    }

    /// A verification failed.
    pub fn verification(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Verification, error: anyhow::anyhow!("{message}") }
    }
}

impl Failure {
    /// Output that cannot be written.
    fn from_output(error: io::Error) -> Self {
        anyhow::Error::from(error).context("cannot write the output").into()
    }

    /// Whether whoever reads the output has seen enough.
    fn is_closed_pipe(&self) -> bool {
        let error = self.error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { exit: Exit::Failed, error }
    }
}

/// What a command's `run` returns.
pub type Outcome = Result<(), Failure>;
