//! What a core does after a lap without work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a core does after a lap without work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Idle {
    /// Tries again at once: for a CPU nobody else needs.
    #[default]
    Spin,
    /// Offers the CPU to other threads first.
    Yield,
    /// Sleeps a little: for stages nobody waits for.
    Sleep,
}

impl Idle {
    /// Whether a core with it never leaves its CPU.
    pub const fn spins(self) -> bool {
        matches!(self, Idle::Spin)
    }

    /// Waits as the policy says, if the lap did nothing.
    #[inline]
    pub(super) fn after(self, work: usize) {
        if work > 0 {
            return;
        }
        match self {
            Idle::Spin => std::hint::spin_loop(),
            Idle::Yield => std::thread::yield_now(),
            Idle::Sleep => std::thread::sleep(std::time::Duration::from_micros(50)),
        }
    }
}
