//! `Device`: the seam that hardware stands behind. One beat in is one command, one beat out is one
//! event; a card puts two rings of lines in a machine's memory here, the simulation a clock.

use crate::model::{Command, Event};

/// Where a device keeps what the host tells it: the upper bits say what, the lower which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The instrument that is the device's first.
    FirstInstrument(u32),
    /// Sessions are numbered below this.
    SessionsMax(u32),
    /// An instrument's lowest price.
    Base {
        /// Which of the device's instruments.
        symbol: u16,
        /// In ten-thousandths.
        price: u64,
    },
    /// An instrument's price step, 1 to 255 ten-thousandths.
    Tick {
        /// Which of the device's instruments.
        symbol: u16,
        /// In ten-thousandths.
        step: u8,
    },
}

impl Setting {
    /// Its address and word at the device's port.
    pub fn word(self) -> (u16, u64) {
        match self {
            Self::FirstInstrument(first) => (0x0000, u64::from(first)),
            Self::SessionsMax(max) => (0x0001, u64::from(max)),
            Self::Base { symbol, price } => (0x2000 | symbol, price),
            Self::Tick { symbol, step } => {
                let reciprocal = (1_u64 << 28).div_ceil(u64::from(step.max(1)));
                (0x3000 | symbol, reciprocal << 8 | u64::from(step))
            }
        }
    }
}

/// How much a device holds; what it was synthesised with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Instruments.
    pub symbols: u32,
    /// Orders that rest, over all of them.
    pub orders: u32,
    /// Fills that one command makes.
    pub fills: u16,
    /// Sessions are numbered below this.
    pub sessions: u32,
    /// Accounts are numbered below this.
    pub accounts: u32,
}

/// Prices on each instrument's ladder.
pub const LADDER_TICKS: u32 = 4096;

/// An order book in hardware.
pub trait Device: Send {
    /// What it was made to hold.
    fn capacity(&self) -> Capacity;

    /// Tells it a setting; before the first command.
    fn set(&mut self, setting: Setting);

    /// Offers a command; `false`: not now, take events and offer it again.
    fn offer(&mut self, command: &Command) -> bool;

    /// Gives it time and takes an event, if one has come.
    fn take(&mut self) -> Option<Event>;

    /// Cycles from its taking the last command to the first event of that; `None` where it does
    /// not say.
    fn first_event_after(&self) -> Option<u64> {
        None
    }
}
