//! The operator's way in: a UNIX socket in the data folder, answered by the slow thread, and a file
//! that kills all trading even when that thread is dead.
//!
//! ```text
//!  command line ─► socket ─► Ask ─► requests with actor and reason ─► sequencer
//!  limits file ──► entries ─┘
//! ```
//!
//! Whoever may open the socket may ask; nothing here changes hot state but through the sequencer.

mod ask;
mod caller;
mod kill_file;
mod ledger;
mod limits_file;
mod list;
mod server;

pub use ask::{Ask, AskError, Message, Trade, Whom, padded, shown};
pub use caller::ask_admin;
pub use kill_file::{KillFile, KillSwitch};
pub use ledger::{Ledger, Setting, instant, is_operators, listed_by};
pub use limits_file::{LimitsFile, parse_limits};
pub use server::{AdminOptions, AdminServer, Answer, SOCKET_NAME};
