//! Exchanges' market data, without sockets or threads: two lines made one, a book of each
//! instrument, the best of all venues, and what of it the sequencer is told.
//!
//! ```text
//!  line A ─┐
//!  line B ─┴► Arbiter ─► Books ─► Quotes ─► Watch ─► requests (reference prices, halts)
//! ```

mod arbiter;
mod books;
pub mod exchange;
mod orders;
mod quality;
mod quotes;
mod side;
mod watch;

pub use arbiter::{Arbiter, ArbiterOptions, LINES_MAX, Need};
pub use books::{Book, BookFault, Books, LastTrade, Status, Top};
pub use quality::LineQuality;
pub use quotes::{Best, Quotes};
pub use side::Level;
pub use watch::{Notice, Seen, Watch, WatchOptions};

#[cfg(test)]
mod tests;
