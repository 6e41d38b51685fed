//! `wirematch reference`: the pages a client or an operator looks things up in, written from the
//! tables that the appliance itself reads and answers by, so that they cannot say anything else.

mod configuration;
mod fix;
mod messages;

use std::io::Write;

use anyhow::Context;

use crate::command::Outcome;

/// Prints a page of the handbook that is made of the appliance's own tables, as Markdown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wirematch reference udp > udp.md")]
pub struct ReferenceArguments {
    /// Which page
    page: Page,
}

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Page {
    /// Every message of binary order entry and market data, byte by byte
    Udp,
    /// The FIX rules of engagement: messages, fields, values, answers, reasons
    Fix,
    /// Every key of the configuration
    Configuration,
}

impl Page {
    /// Every page.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Fix, Self::Configuration];

    /// Where it stands in the handbook.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Udp => "docs/reference/udp.md",
            Self::Fix => "docs/reference/fix.md",
            Self::Configuration => "docs/reference/configuration.md",
        }
    }

    /// The page.
    pub fn text(self) -> String {
        match self {
            Self::Udp => messages::page(),
            Self::Fix => fix::page(),
            Self::Configuration => configuration::page(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Output that cannot be written.
pub fn run(arguments: &ReferenceArguments) -> Outcome {
    std::io::stdout()
        .write_all(arguments.page.text().as_bytes())
        .context("cannot write the output")?;
    Ok(())
}

/// `SellShortExempt` as people write it: `sell short exempt`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        match letter {
            '_' => words.push(' '),
            'A'..='Z' if words.chars().last().is_some_and(|last| last.is_ascii_lowercase()) => {
                words.push(' ');
                words.push(letter.to_ascii_lowercase());
            }
            _ => words.push(letter.to_ascii_lowercase()),
        }
    }
    words
}

/// A sentence within a cell of a table: one line, no links of the code's own.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}
