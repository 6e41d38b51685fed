//! Progress of long work, on a terminal; elsewhere nothing is drawn.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// How much of so much is done; `what` is what is counted, as `seeds`.
pub(in crate::command) fn of_so_much(length: u64, what: &'static str) -> ProgressBar {
    drawn(ProgressBar::new(length), "{bar:40} {human_pos} of {human_len} {msg}, {eta} left", what)
}

/// How much is done, where nobody knows how much there is.
pub(in crate::command) fn so_far(what: &'static str) -> ProgressBar {
    drawn(ProgressBar::new_spinner(), "{spinner} {human_pos} {msg}, {per_sec}", what)
}

/// Draws on standard error, so that what is piped elsewhere is what was asked for.
fn drawn(bar: ProgressBar, template: &str, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}
