//! The deterministic core: (state, command) → events. No clock, no I/O, no unsafe, no float.

mod id_map;

pub use id_map::{IdMap, MapFull};
