//! `EngineLimits`: how much one matcher holds and how much work one command may cause.
//!
//! The fill cap and the sweep chunk are meaning: they change events, so they belong in the journal
//! header. The others change only what is refused for want of room, or nothing but speed.

use crate::engine::{EVENTS_PER_SHARD, SHARDS_MAX};
use crate::model::Price;

/// What a matcher is given to hold, taken at construction; see each field for its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineLimits {
    /// Orders that rest at once, over all instruments. About 180 bytes each. Price levels need no
    /// limit of their own: a level holds at least one order, so there are never more of them.
    pub orders_max: u32,
    /// Sessions are numbered below this, the operator's 0 included.
    pub sessions_max: u32,
    /// Resting orders that one command may fill or take away by self-trade prevention; what is
    /// left of the command's order then is cancelled, so that the next command's wait is bounded.
    pub fills_per_command_max: u16,
    /// Ticks on each side of each book found by index instead of search: a power of two, at 4
    /// bytes. 4,096 cover $35 below the best bid at a tick of a cent, in 33 KiB an instrument.
    pub ladder_ticks: u32,
    /// Orders one command of a mass cancel or kill looks at; each wait it causes is a few
    /// microseconds, and ten thousand orders are gone in 157 commands.
    pub sweep_chunk: u16,
    /// Of the orders that rest, those that ask more than a plain one: icebergs, hidden and pegged
    /// orders, stops, orders with a time of expiry or a group. About 110 bytes each.
    pub specials_max: u32,
    /// Accounts are numbered below this where families keep them from trading with each other.
    pub accounts_max: u32,
    /// This matcher's place among the shards; the first answers what is for all of them.
    pub shard: u8,
    /// Makes collisions of order ids hard to provoke; changes no event.
    pub hash_seed: u64,
}

impl EngineLimits {
    /// For one busy matcher.
    pub const DEFAULT: Self = Self {
        orders_max: 1 << 20,
        sessions_max: 1 << 10,
        fills_per_command_max: 256,
        ladder_ticks: 1 << 12,
        sweep_chunk: 64,
        specials_max: 1 << 16,
        accounts_max: 1 << 16,
        shard: 0,
        hash_seed: 0,
    };

    /// The most events one command can make; a stage needs credit for so many before `submit`.
    ///
    /// An entry makes its acceptance, three for each fill (an iceberg may show more), one for the
    /// remainder and one for the auction that a break of the band begins; a sweep its own answer
    /// and one for each order, or one for each stop that wakes and then an entry's.
    pub const fn events_per_command_max(&self) -> usize {
        3 * self.fills_per_command_max as usize + 3 + 3 * self.sweep_chunk as usize
    }

    /// Says whether a matcher can be made so.
    ///
    /// # Errors
    /// The first limit that is out of its range.
    pub const fn check(&self) -> Result<(), SetupError> {
        if self.orders_max == 0 || self.orders_max > ORDERS_CEILING {
            return Err(SetupError::OrdersMax);
        }
        if self.sessions_max == 0 || self.sessions_max > TABLE_CEILING {
            return Err(SetupError::SessionsMax);
        }
        if self.fills_per_command_max == 0 || self.fills_per_command_max > FILLS_CEILING {
            return Err(SetupError::FillsPerCommandMax);
        }
        let in_range = self.ladder_ticks >= 64 && self.ladder_ticks <= TABLE_CEILING;
        if !in_range || !self.ladder_ticks.is_power_of_two() {
            return Err(SetupError::LadderTicks);
        }
        if self.specials_max > ORDERS_CEILING {
            return Err(SetupError::SpecialsMax);
        }
        if self.accounts_max > ORDERS_CEILING {
            return Err(SetupError::AccountsMax);
        }
        if self.shard as usize >= SHARDS_MAX
            || (self.shard > 0 && self.sweep_chunk as usize + 2 > EVENTS_PER_SHARD)
        {
            return Err(SetupError::Shard);
        }
        if self.sweep_chunk == 0 || self.sweep_chunk > FILLS_CEILING {
            return Err(SetupError::SweepChunk);
        }
        Ok(())
    }
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The id table keeps a slot and six bits in one word.
const ORDERS_CEILING: u32 = (1 << 25) - 1;

/// Three levels of 64-way bitmap reach so far.
pub(super) const TABLE_CEILING: u32 = 64 * 64 * 64;

/// Event indices are 16 bits, and a fill makes three events, as a woken stop does.
const FILLS_CEILING: u16 = 10_000;

const _: () = assert!(EngineLimits::DEFAULT.check().is_ok());
const _: () = assert!(6 * FILLS_CEILING as usize + 3 <= u16::MAX as usize);

/// Why a matcher cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// `orders_max` out of range.
    #[error("orders_max is outside 1 to 33554431: give the most orders that may rest at once")]
    OrdersMax,
    /// `sessions_max` out of range.
    #[error("sessions_max is outside 1 to 262144: give one more than the highest session number")]
    SessionsMax,
    /// `shard` out of range, or its sweeps make too many events.
    #[error(
        "there are at most 64 shards, and one of several takes at most 1022 orders in a sweep: \
         lower sweep_chunk"
    )]
    Shard,
    /// `fills_per_command_max` out of range.
    #[error("fills_per_command_max is outside 1 to 10000: 256 is usual")]
    FillsPerCommandMax,
    /// `ladder_ticks` out of range.
    #[error("ladder_ticks is not a power of two from 64 to 262144: 4096 is usual")]
    LadderTicks,
    /// `sweep_chunk` out of range.
    #[error("sweep_chunk is outside 1 to 10000: 64 is usual")]
    SweepChunk,
    /// `specials_max` out of range.
    #[error("specials_max is above 33554431: give the most orders that ask more than a plain one")]
    SpecialsMax,
    /// `accounts_max` out of range.
    #[error("accounts_max is above 33554431: give one more than the highest account number")]
    AccountsMax,
    /// Two instruments have one number.
    #[error("instrument {0} is listed twice: give each its own number")]
    InstrumentTwice(u32),
    /// An instrument's number is 0 or beyond the table.
    #[error("instrument {0} is outside 1 to 262143: numbers are dense, from 1")]
    InstrumentNumber(u32),
    /// An instrument's tick is not positive.
    #[error("instrument {0} has tick {1}: give the smallest price step, above zero")]
    Tick(u32, Price),
}
