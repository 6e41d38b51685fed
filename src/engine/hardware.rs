//! What hardware behind a matcher does, and how long it takes for what: shown to people, asked for
//! by nobody who matches.

use crate::model::{Command, CommandKind, TimeInForce};

/// What hardware does for a matcher that has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Commands that it answered.
    pub answered: u64,
    /// Its events that were held against the software's.
    pub compared: u64,
    /// Why the software answers now, if it does.
    pub relieved: Option<Relief>,
    /// The command at which it took over; 0 while hardware answers.
    pub relieved_at: u64,
    /// By class, from its taking a command to the first event, in its cycles.
    pub cycles: [Span; Class::ALL.len()],
}

impl Hardware {
    /// Answers that were not the software's: it is asked no more after one.
    pub fn differences(&self) -> u64 {
        u64::from(self.relieved == Some(Relief::Differed))
    }
}

/// Why the software took over from hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// It was asked for what it does not do.
    Asked = 1,
    /// It said something else.
    Differed = 2,
    /// It did not answer.
    Silent = 3,
    /// The instruments, or what rested in them, were not for it.
    Unfit = 4,
}

impl Relief {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Asked, Self::Differed, Self::Silent, Self::Unfit];

    /// For people, by its number.
    pub const fn sentence(code: u64) -> &'static str {
        match code {
            1 => "it was asked for what it does not do",
            2 => "it answered other than the software",
            3 => "it did not answer",
            _ => "its instruments, or what rests in them, are not for it",
        }
    }
}

/// A kind of command that takes the same time whenever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A limit order.
    Limit,
    /// Immediate or cancel, limit or market.
    Immediate,
    /// Fill or kill: its acceptance; what it trades comes after a dry run.
    FillOrKill,
    /// A replacement.
    Replace,
    /// A cancel or a cut.
    Cancel,
    /// A cut that may mark a sale anew.
    Modify,
}

impl Class {
    /// All of them, as they are numbered.
    pub const ALL: [Self; 6] =
        [Self::Limit, Self::Immediate, Self::FillOrKill, Self::Replace, Self::Cancel, Self::Modify];

    /// Of a command.
    pub fn of(command: &Command) -> Self {
        match command.kind() {
            Some(CommandKind::Replace) => Self::Replace,
            Some(CommandKind::Cancel) => Self::Cancel,
            Some(CommandKind::Modify) => Self::Modify,
            _ if command.time_in_force == TimeInForce::Fok.code() => Self::FillOrKill,
            _ if command.time_in_force == TimeInForce::Ioc.code() => Self::Immediate,
            _ => Self::Limit,
        }
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Immediate => "immediate",
            Self::FillOrKill => "fill or kill",
            Self::Replace => "replace",
            Self::Cancel => "cancel",
            Self::Modify => "modify",
        }
    }
}

/// The least and the most of something, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// How often.
    pub count: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self { least: u64::MAX, most: 0, count: 0 }
    }
}

impl Span {
    /// One more.
    pub fn add(&mut self, value: u64) {
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.count += 1;
    }
}
