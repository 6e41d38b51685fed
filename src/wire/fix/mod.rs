//! FIX 4.2, 4.4 and 5.0SP2, both ways.
//!
//! ```text
//!   bytes ─► frame ─► message (index, checksum) ─► dictionary (validate) ─► session ─► orders
//!   bytes ◄─ writer ◄──────────────────────────────────────────── outbox ◄─┘ events ─┘
//! ```

pub mod dictionary;
pub mod frame;
pub mod message;
pub mod order;
mod reader;
pub mod reject;
mod scan;
pub mod session;
mod shape;
pub mod tag;
pub mod value;
pub mod venue;
pub mod writer;

pub use dictionary::{Dictionary, Version};
pub use message::{Entry, Garbled, Indexer, Message};
pub use reader::{Checked, Reader};
pub use reject::{BusinessReject, Refusal, SessionReject};
pub use writer::Writer;

#[cfg(test)]
pub(crate) mod shared;
