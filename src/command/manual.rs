//! `wirematch completions` and `wirematch man`: what a package installs beside the binary.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap_complete::Shell;

use crate::command::Outcome;

/// Prints what a shell needs to complete commands, options and file names.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    wirematch completions bash > /usr/share/bash-completion/completions/wirematch\n  \
    wirematch completions zsh > /usr/share/zsh/site-functions/_wirematch")]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Writes the manual pages: one for the program, one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wirematch man /usr/share/man/man1")]
pub struct ManArguments {
    /// Where to; it is made if it is not there
    folder: PathBuf,
}

/// Prints completions of `program`.
///
/// # Errors
/// Output that cannot be written.
pub fn completions(arguments: &CompletionsArguments, mut program: clap::Command) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "wirematch", &mut text);
    std::io::stdout().write_all(&text).context("cannot write the output")?;
    Ok(())
}

/// Writes pages of `program` and all its commands.
///
/// # Errors
/// A folder that cannot be written.
pub fn man(arguments: &ManArguments, program: clap::Command) -> Outcome {
    let folder = &arguments.folder;
    let wrong = || format!("cannot write {}", folder.display());
    std::fs::create_dir_all(folder).with_context(wrong)?;
    clap_mangen::generate_to(program, folder).with_context(wrong)?;
    Ok(())
}
