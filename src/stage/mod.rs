//! The hot path in packet order, one file per stage.
//!
//! ```text
//!  port ─► gateway ─► sequencer ─► risk ─► matching ─► gateway ─► port
//!             requests │  commands   │ verdicts  │ events    (replies wait for the release gate)
//!                      │             ▲           ├─► feed ─► port
//!                      └─► recorder  └───────────┤
//!                             ▲   └ journal      │
//!                             └──────────────────┘
//! ```
//!
//! Requests become commands in one place, the sequencer; after it every stage has one ordered
//! input, so order is total. Rejected orders travel the same road: risk stamps, matching answers.

mod matching;
mod recorder;
mod risk;
mod sequencer;

pub use matching::{Board, Matching, TopOfBook};
pub use recorder::Recorder;
pub use risk::Risk;
pub use sequencer::{Sequencer, SequencerState};

/// Messages a stage takes per poll, at most.
pub const BURST: usize = 32;
