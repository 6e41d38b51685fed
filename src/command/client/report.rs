//! What came back, for people and programs.

use anyhow::Context;
use serde_json::json;

use crate::client::script::{Part, Script};
use crate::client::{Counts, Listener, Tally};
use crate::command::Outcome;
use crate::command::client::ClientArguments;
use crate::command::client::connection::Connection;
use crate::model::{Nanos, RejectCode};
use crate::runtime::Percentiles;

/// What came back, for people and programs.
pub(super) struct Report<'a> {
    pub(super) arguments: &'a ClientArguments,
    pub(super) parts: &'a [Part],
    pub(super) script: &'a Script,
    pub(super) tally: &'a Tally,
    pub(super) took: Nanos,
    pub(super) unanswered: u64,
}

impl Report<'_> {
    /// Parts whose trades are not those their flow names.
    pub(super) fn wrong_trades(&self) -> Vec<String> {
        let wrong = self.parts.iter().enumerate().filter(|(at, part)| {
            self.tally.trade_hash(self.script, *at, part.tick) != part.flow.expected.hash
        });
        wrong.map(|(_, part)| part.symbol.name()).collect()
    }

    pub(super) fn print(&self, connection: &Connection) -> Outcome {
        let counts = &self.tally.counts;
        let latency = Percentiles::of(&self.tally.latency);
        let heard = connection.listener.as_ref().map(Listener::heard);
        let seconds = self.took.0 as f64 / 1e9;
        let rate = (self.script.messages.len() as f64 / seconds.max(1e-9)) as u64;
        let wrong = self.wrong_trades();
        if self.arguments.json {
            let report = json!({
                "messages": self.script.messages.len(),
                "messages_per_s": rate,
                "replies": counts,
                "trades": self.tally.trades(),
                "trades_as_expected": wrong.is_empty(),
                "latency": latency,
                "unanswered": self.unanswered,
                "market_data": heard,
                "stale_packets": connection.trader.stale(),
            });
            println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
            return Ok(());
        }
        println!("sent      {} messages in {seconds:.2} s, {rate}/s", self.script.messages.len());
        print_counts(counts);
        println!(
            "trades    {}, {}",
            self.tally.trades(),
            match wrong.is_empty() {
                true => "exactly those the flow names".to_owned(),
                false => format!("not those the flow names on {}", wrong.join(", ")),
            }
        );
        println!(
            "latency   p50 {:.1} µs, p99 {:.1} µs, p99.9 {:.1} µs, max {:.1} µs \
             (from scheduled send to first answer)",
            latency.p50_ns as f64 / 1e3,
            latency.p99_ns as f64 / 1e3,
            latency.p999_ns as f64 / 1e3,
            latency.max_ns as f64 / 1e3
        );
        if let Some(heard) = heard {
            println!(
                "market    {} messages: {} added, {} executed, {} removed, {} replaced; \
                 {} asked for again, {} missing",
                heard.messages,
                heard.added,
                heard.executed,
                heard.removed,
                heard.replaced,
                heard.requests,
                heard.missing
            );
        }
        println!("missing   {} answers, {} not applied", self.unanswered, counts.not_applied);
        if counts.refused > 0 {
            let why = RejectCode::JournalFull.sentence();
            println!("refused   {} messages: {why}", counts.refused);
        }
        if connection.trader.stale() > 0 {
            let stale = connection.trader.stale();
            println!("stale     {stale} packets of machines or connections that are over");
        }
        Ok(())
    }
}

fn print_counts(counts: &Counts) {
    println!(
        "replies   {} accepted, {} rejected, {} replaced, {} canceled, {} cancels too late, \
         {} executions",
        counts.accepted,
        counts.rejected,
        counts.replaced,
        counts.canceled,
        counts.cancel_rejected,
        counts.executed
    );
}
