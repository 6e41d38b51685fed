//! Order-flow files: reading, making and replaying them through the order book alone.
//!
//! A file is a header of 64 bytes and events of 32, little endian: limit orders, cancels,
//! replacements, immediate and market orders of one instrument, in ticks. The header says which
//! trades a correct book makes of them, so every replay is a verification and not only a race.

mod appliance;
mod dice;
mod file;
mod make;
mod obvious;
mod record;
mod replay;
mod script;

pub use appliance::{
    Alone, Engine, Refused, Whole, instrument, limits_of, matcher_of, play, play_each,
};
pub use dice::Dice;
pub use file::{FlowError, Problem, encode, parse, read, write};
pub use make::{MakeOptions, make};
pub use obvious::ObviousBook;
pub use record::{Flow, FlowEvent, FlowKind, Summary, Trade, hash_of, summary_of};
pub use replay::{FastBook, FlowBook, Refusal, Replay, Stopped, peak_of, replay};
pub use script::{Deed, Naming, SESSIONS, Script, TICK};
