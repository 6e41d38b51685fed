//! Plays order flow to its end: sends on schedule, takes every answer, waits for the last.

use anyhow::{Context, anyhow};

use crate::client::script::{Accounts, Part, Script};
use crate::client::{Counts, Tally};
use crate::command::client::ClientArguments;
use crate::command::client::connection::Connection;
use crate::command::client::report::Report;
use crate::command::{Failure, Outcome, progress};
use crate::model::Nanos;
use crate::runtime::Clock;
use crate::wire::ouch::Inbound;
use crate::wire::session::ClientEvent;

/// Plays a script to its end and says what came back.
pub(super) fn play(arguments: &ClientArguments, parts: &[Part], rate: u32) -> Outcome {
    let mut asking = Connection::open(arguments)?;
    let first = asking.free_number()?;
    // The script takes its time, and whoever is silent meanwhile is not connected any more.
    asking.log_out();
    drop(asking);
    let script = Script::of(parts, Accounts { first: 1, count: 1_000 }, first)
        .context("the flow breaks its own rules")?;
    let mut connection = Connection::open(arguments)?;
    let mut tally = Tally::default();
    let took = send_all(&mut connection, &script, rate, &mut tally)?;
    connection.log_out();
    let unanswered = tally.unanswered();
    let report = Report { arguments, parts, script: &script, tally: &tally, took, unanswered };
    report.print(&connection)?;
    let Counts { not_applied, rejected, refused, .. } = tally.counts;
    if unanswered + not_applied > 0 {
        return Err(Failure::from(anyhow!(
            "{unanswered} orders were not answered, {not_applied} messages were lost on the way"
        )));
    }
    match report.wrong_trades() {
        wrong if wrong.is_empty() || rejected + refused > 0 => Ok(()),
        wrong => Err(Failure::verification(format!(
            "the trades are not those of the flow on {}",
            wrong.join(", ")
        ))),
    }
}

/// Sends every message on its schedule and waits for every answer; returns how long it took.
fn send_all(
    connection: &mut Connection,
    script: &Script,
    rate: u32,
    tally: &mut Tally,
) -> Result<Nanos, Failure> {
    let bar = progress::of_so_much(script.messages.len() as u64, "messages");
    let interval = 1_000_000_000u64.checked_div(u64::from(rate)).unwrap_or(0);
    let began = connection.clock.now();
    let mut heard_at = began;
    let mut next = 0;
    let mut progress = (0, 0);
    while next < script.messages.len()
        || connection.trader.session().unsettled() < connection.trader.session().next_tx()
    {
        let now = connection.clock.now();
        while let Some(message) = script.messages.get(next) {
            let scheduled = match interval {
                0 => now,
                interval => Nanos(began.0 + next as u64 * interval),
            };
            if now < scheduled {
                break;
            }
            let Ok(seq) = connection.trader.send(message) else { break };
            tally.sent(seq, user_ref_num(message), scheduled);
            next += 1;
        }
        let work = connection.trader.poll(now, &mut |event| match event {
            ClientEvent::Message { bytes, .. } => tally.take(bytes, now),
            ClientEvent::NotApplied { from, count, reason, .. } => {
                tally.not_applied(from, count, reason);
            }
            _ => {}
        });
        let heard = connection.hear(now);
        // Heartbeats are no progress: an appliance that only breathes answers nobody.
        let reached = (next, connection.trader.session().unsettled());
        if reached != progress {
            (progress, heard_at) = (reached, now);
        }
        if now.saturating_sub(heard_at) > connection.patience {
            return Err(Failure::from(anyhow!(
                "the appliance fell silent after {next} of {} messages",
                script.messages.len()
            )));
        }
        connection.rest(work + heard);
        bar.set_position(next as u64);
    }
    let took = connection.clock.now().saturating_sub(began);
    bar.finish_and_clear();
    listen_on(connection, tally);
    Ok(took)
}

/// Takes what is still on its way: the last replies, the tail of the feed.
fn listen_on(connection: &mut Connection, tally: &mut Tally) {
    let mut quiet_since = connection.clock.now();
    while connection.clock.now().saturating_sub(quiet_since).0 < 200_000_000 {
        let now = connection.clock.now();
        let mut came = 0;
        connection.trader.poll(now, &mut |event| {
            if let ClientEvent::Message { bytes, .. } = event {
                tally.take(bytes, now);
                came += 1;
            }
        });
        let before = connection.listener.as_ref().map(|listener| listener.heard().messages);
        connection.hear(now);
        let after = connection.listener.as_ref().map(|listener| listener.heard().messages);
        if came > 0 || before != after {
            quiet_since = now;
        }
        connection.rest(0);
    }
}

/// The number a message's answer will name: that of an order or replace.
fn user_ref_num(message: &[u8]) -> Option<u32> {
    match Inbound::decode(message) {
        Ok(Inbound::EnterOrder(order, _)) => Some(order.user_ref_num),
        Ok(Inbound::ReplaceOrderRequest(order, _)) => Some(order.user_ref_num),
        _ => None,
    }
}
