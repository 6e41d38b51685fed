//! The deterministic core: (state, command) → events. No clock, no I/O, no float, and nothing
//! unsafe but a hint to the caches.

pub mod auction;
mod away;
#[cfg(debug_assertions)]
mod bomb;
pub mod book;
mod fold;
mod hardware;
mod id_map;
mod instruments;
mod limits;
mod matcher;
mod outbox;
mod paged_map;
mod reference;
pub mod risk;
mod rules;
mod shards;
mod software;
mod tick;
mod work;

pub use away::{Away, AwayOptions, LATE_ANSWERS_MAX};
pub use fold::Fold;
pub use hardware::{Class, Hardware, Relief, Span};
pub use id_map::{IdMap, MapFull};
pub use limits::{EngineLimits, SetupError};
pub use matcher::{BookView, Full, Matcher, Quote, RestingOrder, Standing, Top};
pub use paged_map::{PagedMap, Spot, VALUE_BOUND};
pub use reference::ReferenceMatcher;
pub use rules::{Room, Special};
pub use shards::{
    EVENTS_PER_SHARD, Route, Routes, SHARDS_MAX, Shards, events_of_shards_max, without_last,
};
use shards::{as_listed, names_destination, sent};
pub use software::{NotAtRest, SnapshotError, SoftwareMatcher};
pub use tick::Tick;
#[cfg(test)]
pub(crate) use work::take_steps;

#[cfg(test)]
mod tests;
