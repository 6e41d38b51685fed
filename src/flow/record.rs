//! What a flow file holds, as types; and the trades that come of it, with their hash.

use bytemuck::{Pod, Zeroable};

/// What a flow event asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FlowKind {
    /// Trades what crosses, then rests.
    Limit = 1,
    /// Takes an order out; nothing if it rests no more.
    Cancel = 2,
    /// Takes an order out and enters another, always at the back; nothing if it rests no more.
    Replace = 3,
    /// Trades what crosses; the rest is gone.
    Immediate = 4,
    /// Trades at any price; the rest is gone.
    Market = 5,
}

impl FlowKind {
    /// The kind of a byte; `None` for one that means nothing.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Limit,
            2 => Self::Cancel,
            3 => Self::Replace,
            4 => Self::Immediate,
            5 => Self::Market,
            _ => return None,
        })
    }
}

/// One event of a flow. As large as its record, so that a replay reads as little as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// The order: a new one, or for a cancel or replacement the one it works on.
    pub id: u64,
    /// The order a replacement enters; else 0.
    pub new_id: u64,
    /// In ticks; 0 for a market order.
    pub price: u32,
    /// 0 for a cancel.
    pub quantity: u32,
    /// What it asks.
    pub kind: FlowKind,
    /// Whether it buys.
    pub buy: bool,
    /// The account; 0 for a cancel.
    pub account: u32,
}
const _: () = assert!(size_of::<FlowEvent>() == 32);

/// What a flow's trades come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Their number.
    pub trades: u64,
    /// FNV-1a 64 over their records, in order.
    pub hash: u64,
    /// The sum of their quantities.
    pub quantity: u64,
}

/// A flow: events that build the book, events that are timed, and what must come of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// All events, in order.
    pub events: Vec<FlowEvent>,
    /// How many of them come before the clock starts.
    pub prefill: usize,
    /// The trades a correct book makes over all of them.
    pub expected: Summary,
}

impl Flow {
    /// The events before the clock starts, and those it times.
    pub fn parts(&self) -> (&[FlowEvent], &[FlowEvent]) {
        self.events.split_at(self.prefill.min(self.events.len()))
    }
}

/// One trade, as its record of 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Trade {
    /// The order that rested.
    pub maker: u64,
    /// The order that came.
    pub taker: u64,
    /// The maker's price, in ticks.
    pub price: u32,
    /// How much.
    pub quantity: u32,
}
const _: () = assert!(size_of::<Trade>() == 24);

/// The format's own basis: the usual one less its last digit, as the first files were written.
const FNV_BASIS: u64 = 1_469_598_103_934_665_603;

/// FNV-1a's prime for 64 bits.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The hash of trades, in order.
pub fn hash_of(trades: &[Trade]) -> u64 {
    trades.iter().fold(FNV_BASIS, |hash, trade| {
        let mut record = [0; size_of::<Trade>()];
        record[..8].copy_from_slice(&trade.maker.to_le_bytes());
        record[8..16].copy_from_slice(&trade.taker.to_le_bytes());
        record[16..20].copy_from_slice(&trade.price.to_le_bytes());
        record[20..].copy_from_slice(&trade.quantity.to_le_bytes());
        record.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
    })
}

/// What trades come to.
pub fn summary_of(trades: &[Trade]) -> Summary {
    let quantity = trades.iter().map(|trade| u64::from(trade.quantity)).sum();
    Summary { trades: trades.len() as u64, hash: hash_of(trades), quantity }
}
