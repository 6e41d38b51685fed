//! How far a store may be behind, by records, by bytes and by age; and what follows from it.

use serde::{Deserialize, Serialize};

/// How far behind a store may be before orders are slowed, and before they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Records waiting, beyond what one group commit takes.
    pub records: u64,
    /// Bytes waiting.
    pub bytes: u64,
    /// Age of the oldest record that waits.
    pub age_ms: u64,
    /// Orders are refused at so many times the above.
    pub refuse_at: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { records: 1000, bytes: 64 << 20, age_ms: 1000, refuse_at: 10 }
    }
}

/// Records of one group commit: what waits for the next one is not a lag.
pub(super) const GROUP_RECORDS: u64 = 16 * 1024;

/// How far a store is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lag {
    /// Records waiting.
    pub records: u64,
    /// Bytes waiting.
    pub bytes: u64,
    /// Age of the oldest record that waits.
    pub age_ms: u64,
}

/// What a lag asks of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strain {
    /// Nothing.
    #[default]
    None,
    /// People are told, orders pass at half the time.
    Slowed,
    /// Orders are refused, cancels are taken.
    Refused,
}

/// Judges lags; what was refused is taken again only when half of the bound is free.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    strain: Strain,
}

impl Pressure {
    /// What a lag asks for now.
    pub fn judge(&mut self, lag: Lag, bounds: &Bounds) -> Strain {
        let refuse = bounds.refuse_at.max(1);
        let over = |times: u64| {
            lag.records > GROUP_RECORDS.saturating_add(bounds.records.saturating_mul(times))
                || lag.bytes > bounds.bytes.saturating_mul(times)
                || lag.age_ms > bounds.age_ms.saturating_mul(times)
        };
        self.strain = match self.strain {
            _ if over(refuse) => Strain::Refused,
            Strain::Refused if over(refuse.div_ceil(2)) => Strain::Refused,
            _ if over(1) => Strain::Slowed,
            _ => Strain::None,
        };
        self.strain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_slowed_then_refused_and_taken_again_when_there_is_room() {
        let bounds = Bounds::default();
        let mut pressure = Pressure::default();
        let mut at = |records, age_ms| pressure.judge(Lag { records, bytes: 0, age_ms }, &bounds);
        assert_eq!(at(GROUP_RECORDS + 1000, 1000), Strain::None);
        assert_eq!(at(GROUP_RECORDS + 1001, 0), Strain::Slowed);
        assert_eq!(at(0, 1001), Strain::Slowed);
        assert_eq!(at(GROUP_RECORDS + 10_001, 0), Strain::Refused);
        assert_eq!(at(GROUP_RECORDS + 9_000, 0), Strain::Refused);
        assert_eq!(at(GROUP_RECORDS + 4_000, 0), Strain::Slowed);
        assert_eq!(at(0, 0), Strain::None);
        let full = Lag { records: 0, bytes: 641 << 20, age_ms: 0 };
        assert_eq!(pressure.judge(full, &bounds), Strain::Refused);
    }
}
