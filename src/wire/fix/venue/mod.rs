//! The other way round: orders we send to an exchange, and what it reports of them.
//!
//! ```text
//!   routed command ─► write ─► D F G H           8 9 3 j ─► read ─► request that reports it
//! ```
//!
//! A ClOrdID of ours is a number and a letter, so that what an exchange echoes says which order it
//! is about without looking anything up: after a crash as before it.

mod read;
mod write;

pub use read::{Origin, Told, read};
pub use write::{ask_status, write};

use crate::wire::fix::value;

/// Our name for what an exchange is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// An order, by its number there.
    Order(u32),
    /// A cancel, by the number of the message.
    Cancel(u32),
}

/// The longest name, and room to spare.
const NAME_MAX: usize = 16;

impl Name {
    /// As it is written; the length counts.
    fn written(self) -> ([u8; NAME_MAX], usize) {
        let (letter, number) = match self {
            Name::Order(number) => (b'W', number),
            Name::Cancel(number) => (b'C', number),
        };
        let mut text = [0; NAME_MAX];
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = number;
        for place in text.iter_mut().skip(1).take(digits).rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text[0] = letter;
        (text, digits + 1)
    }

    /// Of an exchange's words; `None` for what is not ours.
    pub fn read(text: &[u8]) -> Option<Self> {
        let (letter, digits) = text.split_first()?;
        let number = u32::try_from(value::number(digits)?).ok()?;
        match letter {
            b'W' => Some(Name::Order(number)),
            b'C' => Some(Name::Cancel(number)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
