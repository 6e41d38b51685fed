//! An order as its client knows it: its ClOrdID, what of it traded, where it is in its life.

use crate::model::{AccountId, Event, EventFlags, EventId, InstrumentId, Price};
use crate::snapshot::{Bad, Part, Source, part, wrapped};
use crate::wire::fix::value::{first_in, word_of};

/// The longest ClOrdID.
pub const ID_MAX: usize = 32;

/// A ClOrdID, padded with zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id(pub [u8; ID_MAX]);
wrapped!(Id);

impl Id {
    /// Of a field's bytes; `None` for none or too many.
    #[inline]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; ID_MAX];
        for (word, eight) in padded.as_chunks_mut::<8>().0.iter_mut().zip(bytes.chunks(8)) {
            *word = word_of(eight).to_le_bytes();
        }
        (1..=ID_MAX).contains(&bytes.len()).then_some(Self(padded))
    }

    /// Without the padding.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.0.get(..self.length()).unwrap_or(&[])
    }

    /// Bytes without the padding.
    #[inline]
    pub fn length(&self) -> usize {
        let mut length = 0;
        for word in self.0.as_chunks::<8>().0 {
            let used = first_in(u64::from_le_bytes(*word), 0);
            length += used;
            if used < 8 {
                break;
            }
        }
        length
    }

    /// A number that spreads ids over a table; keyed, since clients choose them.
    #[inline]
    pub(super) fn spread(&self, key: u64) -> u64 {
        let (words, _) = self.0.as_chunks::<8>();
        words.iter().fold(key, |sum, word| {
            let mixed = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ mixed >> 29
        })
    }
}

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Sent on, not answered yet.
    #[default]
    Pending,
    /// In the market.
    Open,
    /// All of it traded.
    Filled,
    /// Cancelled.
    Cancelled,
    /// Its time ran out.
    Expired,
    /// Refused.
    Rejected,
    /// Another order took its place.
    Replaced,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::Pending,
        Self::Open,
        Self::Filled,
        Self::Cancelled,
        Self::Expired,
        Self::Rejected,
        Self::Replaced,
    ];
}

impl Part for Stage {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(*self as u8);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let code = from.value::<u8>()?;
        let found = Self::ALL.into_iter().find(|stage| *stage as u8 == code);
        *self = found.ok_or(Bad::new("a code nobody assigned"))?;
        Ok(())
    }
}

/// An order of a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// The session's number for it; 0 for no order.
    pub ordinal: u32,
    /// Its ClOrdID.
    pub id: Id,
    /// The market's number for it and for those it replaced (37).
    pub reference: u64,
    /// What it asks for in all, with what its chain traded.
    pub total: u32,
    /// What its chain traded.
    pub executed: u32,
    /// What that came to, in price units.
    pub notional: i128,
    /// Its limit; 0 for none.
    pub price: Price,
    /// Where it is in its life.
    pub stage: Stage,
    /// A `Side`.
    pub side: u8,
    /// An `OrderType`.
    pub order_type: u8,
    /// What is traded.
    pub instrument: InstrumentId,
    /// For whom.
    pub account: AccountId,
    /// The ClOrdID of a cancel that its destination has not answered, all zeros for none. It is
    /// with the order because nobody bounds what its client asks for meanwhile.
    pub cancel: Id,
    /// It was asked to be replaced by this one, 0 for none, and its destination has not answered:
    /// the answer is about it, so it keeps its room though it ends.
    pub replacement: u32,
    /// It was sent on, and nobody knows where it is: its destination is not heard.
    pub is_in_doubt: bool,
}
part!(Order {
    ordinal,
    id,
    reference,
    total,
    executed,
    notional,
    price,
    stage,
    side,
    order_type,
    instrument,
    account,
    cancel,
    replacement,
    is_in_doubt,
});

impl Order {
    /// Whether it can still trade.
    #[inline]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Pending | Stage::Open)
    }

    /// A trade of it is undone (`H`), or counts as it is told now (`G`); returns the ExecID under
    /// which it was told.
    pub fn traded_otherwise(&mut self, event: &Event, exec_type: u8) -> u64 {
        let worth = i128::from(event.price.0) * i128::from(event.quantity.0);
        if exec_type == b'H' {
            self.executed = self.executed.saturating_sub(event.quantity.0);
            self.notional -= worth;
            // What is undone is not in the market again.
            self.total = self.total.saturating_sub(event.quantity.0).max(self.executed);
        } else {
            self.executed = self.executed.saturating_add(event.quantity.0);
            self.total = self.total.saturating_add(event.quantity.0);
            self.notional += worth;
        }
        if self.stage == Stage::Filled || self.stage == Stage::Cancelled {
            let is_whole = exec_type == b'G' && self.executed >= self.total;
            self.stage = if is_whole { Stage::Filled } else { Stage::Cancelled };
        }
        // Of a trade here, who came in by the command that traded was told the second event.
        let told = EventId(event.reference.0);
        let took = !event.flags.has(EventFlags::AWAY) && told.seq().0 == self.reference;
        told.0 + u64::from(took)
    }

    /// What is left to trade.
    #[inline]
    pub fn leaves(&self) -> u32 {
        if self.is_open() { self.total.saturating_sub(self.executed) } else { 0 }
    }

    /// The average price of what traded, to the nearest ten-thousandth.
    #[inline]
    pub fn average(&self) -> Price {
        if self.executed == 0 {
            return Price::ZERO;
        }
        let count = i128::from(self.executed);
        let half = if self.notional < 0 { -count / 2 } else { count / 2 };
        Price(((self.notional + half) / count) as i64)
    }

    /// OrdStatus (39), the highest of those that hold.
    #[inline]
    pub fn status(&self) -> u8 {
        match self.stage {
            Stage::Filled => b'2',
            Stage::Cancelled | Stage::Replaced => b'4',
            Stage::Expired => b'C',
            Stage::Rejected => b'8',
            Stage::Open if self.executed > 0 => b'1',
            Stage::Open => b'0',
            Stage::Pending => b'A',
        }
    }
}
