//! What came back: replies by kind, trades rebuilt from both sides, answers timed, losses named.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::client::script::Script;
use crate::flow::{Trade, hash_of};
use crate::model::Nanos;
use crate::wire::ouch::Outbound;
use crate::wire::ouch::codes::liquidity;
use crate::wire::session::WINDOW_MAX;

/// Counts of what came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Orders accepted.
    pub accepted: u64,
    /// Orders and replaces refused.
    pub rejected: u64,
    /// Replaces done.
    pub replaced: u64,
    /// Cancels told, whole and in part.
    pub canceled: u64,
    /// Cancels of orders that were not open any more.
    pub cancel_rejected: u64,
    /// Executions told, each side counted.
    pub executed: u64,
    /// Messages of ours that were lost on the way and never executed.
    pub not_applied: u64,
    /// Messages of ours that the gateway refused to take: the journal was short of room.
    pub refused: u64,
    /// Anything else.
    pub other: u64,
}

/// One side of a trade, as told.
#[derive(Clone, Copy, Debug, Default)]
struct Sides {
    maker: u32,
    taker: u32,
    price: u64,
    quantity: u32,
}

/// What came back to one session.
#[derive(Debug)]
pub struct Tally {
    /// Counts by kind.
    pub counts: Counts,
    /// From when a message was to be sent to its first answer.
    pub latency: Histogram<u64>,
    /// By UserRefNum: when its message was to be sent; zero once answered.
    scheduled: Vec<Nanos>,
    /// By number of the message, modulo the window: its UserRefNum, 0 where it has none.
    on_the_way: [u32; WINDOW_MAX as usize],
    /// By match number.
    trades: BTreeMap<u64, Sides>,
    /// Quantity executed, both sides.
    pub quantity: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Self {
            counts: Counts::default(),
            latency: latency.expect("the bounds are constants"),
            scheduled: Vec::new(),
            on_the_way: [0; WINDOW_MAX as usize],
            trades: BTreeMap::new(),
            quantity: 0,
        }
    }
}

impl Tally {
    /// Notes when message `seq` was to be sent, and its UserRefNum if it is to be answered.
    pub fn sent(&mut self, seq: u64, user_ref_num: Option<u32>, scheduled: Nanos) {
        self.on_the_way[(seq % WINDOW_MAX) as usize] = user_ref_num.unwrap_or(0);
        let Some(user_ref_num) = user_ref_num else { return };
        let at = user_ref_num as usize;
        if self.scheduled.len() <= at {
            self.scheduled.resize(at + 1, Nanos::ZERO);
        }
        self.scheduled[at] = scheduled;
    }

    /// Orders and replaces that were sent and never answered.
    pub fn unanswered(&self) -> u64 {
        self.scheduled.iter().filter(|scheduled| scheduled.0 != 0).count() as u64
    }

    fn answered(&mut self, user_ref_num: u32, now: Nanos) {
        let Some(scheduled) = self.scheduled.get_mut(user_ref_num as usize) else { return };
        let since = std::mem::take(scheduled);
        if since.0 != 0 {
            self.latency.saturating_record(now.saturating_sub(since).0.max(1));
        }
    }

    /// Takes the word that messages will never be executed: that is their answer.
    pub fn not_applied(&mut self, from: u64, count: u32, reason: u8) {
        let counts = &mut self.counts;
        let counter = if reason == 0 { &mut counts.not_applied } else { &mut counts.refused };
        *counter += u64::from(count);
        for seq in (from..).take(count as usize) {
            let user_ref_num = self.on_the_way[(seq % WINDOW_MAX) as usize];
            if let Some(scheduled) = self.scheduled.get_mut(user_ref_num as usize) {
                *scheduled = Nanos::ZERO;
            }
        }
    }

    /// Takes a message of the gateway.
    pub fn take(&mut self, bytes: &[u8], now: Nanos) {
        let counts = &mut self.counts;
        match Outbound::decode(bytes) {
            Ok(Outbound::OrderAccepted(order, _)) => {
                counts.accepted += 1;
                self.answered(order.user_ref_num, now);
            }
            Ok(Outbound::OrderReplaced(order, _)) => {
                counts.replaced += 1;
                self.answered(order.user_ref_num, now);
            }
            Ok(Outbound::Rejected(order, _)) => {
                counts.rejected += 1;
                self.answered(order.user_ref_num, now);
            }
            Ok(Outbound::OrderExecuted(fill, _)) => {
                counts.executed += 1;
                self.quantity += u64::from(fill.quantity);
                let sides = self.trades.entry(fill.match_number).or_default();
                (sides.price, sides.quantity) = (fill.price, fill.quantity);
                match fill.liquidity_flag {
                    liquidity::ADDED => sides.maker = fill.user_ref_num,
                    _ => sides.taker = fill.user_ref_num,
                }
            }
            Ok(Outbound::OrderCanceled(..) | Outbound::AiqCanceled(..)) => counts.canceled += 1,
            Ok(Outbound::CancelReject(..)) => counts.cancel_rejected += 1,
            _ => counts.other += 1,
        }
    }

    /// Trades of which both sides were told here.
    pub fn trades(&self) -> u64 {
        self.trades.values().filter(|sides| sides.maker != 0 && sides.taker != 0).count() as u64
    }

    /// The hash of the trades in one part of a script, to compare with its flow's.
    pub fn trade_hash(&self, script: &Script, part: usize, tick: u64) -> u64 {
        let mut trades = Vec::new();
        for sides in self.trades.values() {
            let (maker, taker) = (script.order(sides.maker), script.order(sides.taker));
            let (Some(maker), Some(taker)) = (maker, taker) else {
                continue;
            };
            if maker.0 == part && taker.0 == part {
                trades.push(Trade {
                    maker: maker.1,
                    taker: taker.1,
                    price: (sides.price / tick) as u32,
                    quantity: sides.quantity,
                });
            }
        }
        hash_of(&trades)
    }
}
