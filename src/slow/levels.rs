//! Service levels: six promises, each a share of what went well, watched while it happens. A breach
//! is told once, and once more when it is over.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// One of the six.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Orders answered within 10 ms: 99 of 100.
    Acknowledged,
    /// Orders matched within 1 ms: 95 of 100.
    Matched,
    /// Market data sent within 10 ms: 99 of 100.
    MarketData,
    /// Seconds of market hours in which orders were taken: 9999 of 10,000.
    Available,
    /// Market orders filled within a second, where anybody was on the other side: 99 of 100.
    Filled,
    /// Accounting errors in a month: none.
    Accounting,
}

impl Level {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Acknowledged,
        Self::Matched,
        Self::MarketData,
        Self::Available,
        Self::Filled,
        Self::Accounting,
    ];

    /// How long what it counts may take, in nanoseconds; 0: it counts no time.
    pub const fn within_ns(self) -> u64 {
        match self {
            Self::Acknowledged | Self::MarketData => 10_000_000,
            Self::Matched => 1_000_000,
            Self::Filled => 1_000_000_000,
            Self::Available | Self::Accounting => 0,
        }
    }

    /// How many of a million may fail.
    const fn allowed(self) -> u64 {
        match self {
            Self::Acknowledged | Self::MarketData | Self::Filled => 10_000,
            Self::Matched => 50_000,
            Self::Available => 100,
            Self::Accounting => 0,
        }
    }

    /// How many there must be before a share of them says anything.
    const fn least(self) -> u64 {
        match self {
            Self::Available | Self::Accounting => 1,
            _ => 100,
        }
    }

    /// What is promised, in words.
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Acknowledged => "99 % of orders answered within 10 ms",
            Self::Matched => "95 % of orders matched within 1 ms",
            Self::MarketData => "99 % of market data sent within 10 ms",
            Self::Available => "99.99 % of market hours available",
            Self::Filled => "99 % of market orders with somebody to trade with filled within 1 s",
            Self::Accounting => "no accounting errors in a month",
        }
    }
}

/// How a level stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What was counted.
    pub total: u64,
    /// What of it failed.
    pub failed: u64,
    /// Whether the promise is broken now.
    pub is_breached: bool,
    /// How often it was broken.
    pub breaches: u64,
}

/// All levels.
#[derive(Debug, Default)]
pub struct Levels {
    standing: [Standing; 6],
    /// What was counted up to when the window began, by level.
    begun: [(u64, u64); 6],
    news: Vec<String>,
}

impl Levels {
    /// Sets what was counted so far, as totals that only grow, and judges what is new since the
    /// window began.
    pub fn count(&mut self, level: Level, total: u64, failed: u64) {
        let at = level as usize;
        let (Some(standing), Some(begun)) = (self.standing.get_mut(at), self.begun.get(at)) else {
            return;
        };
        (standing.total, standing.failed) = (total, failed);
        let fresh = total.saturating_sub(begun.0);
        let bad = failed.saturating_sub(begun.1);
        if fresh < level.least() && !(standing.is_breached && fresh > 0) {
            return;
        }
        let is_breached =
            u128::from(bad) * 1_000_000 > u128::from(fresh) * u128::from(level.allowed());
        if is_breached == standing.is_breached {
            return;
        }
        standing.is_breached = is_breached;
        standing.breaches += u64::from(is_breached);
        let promise = level.promise();
        self.news.push(match is_breached {
            true => format!("service level broken: {promise}; {bad} of {fresh} failed"),
            false => format!("service level kept again: {promise}"),
        });
    }

    /// Begins a new window for levels that look back a short while only: latencies and fills.
    pub fn begin_window(&mut self) {
        for level in [Level::Acknowledged, Level::Matched, Level::MarketData, Level::Filled] {
            let Standing { total, failed, .. } = self.standing[level as usize];
            self.begun[level as usize] = (total, failed);
        }
    }

    /// How a level stands.
    pub fn standing(&self, level: Level) -> Standing {
        self.standing[level as usize]
    }

    /// What people have to be told.
    pub fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    /// All of it, for a program.
    pub fn json(&self) -> serde_json::Value {
        let one = |level: Level| {
            let standing = self.standing(level);
            serde_json::json!({
                "level": level, "promise": level.promise(), "total": standing.total,
                "failed": standing.failed, "breached": standing.is_breached,
                "breaches": standing.breaches,
            })
        };
        Level::ALL.into_iter().map(one).collect()
    }
}

/// The levels, for those who count and those who show.
#[derive(Clone, Debug, Default)]
pub struct SharedLevels(Arc<Mutex<Levels>>);

impl SharedLevels {
    /// Does something with them.
    pub fn with<T>(&self, call: impl FnOnce(&mut Levels) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_six_is_broken_on_purpose_told_once_and_kept_again() {
        // What just holds, and what does not any more.
        let cases = [
            (Level::Acknowledged, 10_000, 100),
            (Level::Matched, 10_000, 500),
            (Level::MarketData, 10_000, 100),
            (Level::Available, 10_000, 1),
            (Level::Filled, 10_000, 100),
            (Level::Accounting, 10_000, 0),
        ];
        for (level, total, failed) in cases {
            let mut levels = Levels::default();
            levels.count(level, total, failed);
            assert_eq!(levels.take_news(), Vec::<String>::new(), "{level:?} holds");
            levels.count(level, total, failed + 1);
            levels.count(level, total, failed + 1);
            let news = levels.take_news();
            assert_eq!(news.len(), 1, "{level:?}: {news:?}");
            assert!(news[0].contains("broken") && levels.standing(level).is_breached);
            levels.count(level, total * 10_000, failed);
            assert!(levels.take_news()[0].contains("kept again"), "{level:?}");
            assert_eq!(levels.standing(level).breaches, 1);
        }
    }

    #[test]
    fn a_bad_minute_is_seen_after_a_good_year() {
        let mut levels = Levels::default();
        levels.count(Level::Acknowledged, 1_000_000_000, 0);
        levels.begin_window();
        levels.count(Level::Acknowledged, 1_000_000_200, 3);
        assert!(levels.standing(Level::Acknowledged).is_breached);
    }

    #[test]
    fn a_few_say_nothing() {
        let mut levels = Levels::default();
        levels.count(Level::Filled, 5, 5);
        assert!(!levels.standing(Level::Filled).is_breached);
    }
}
