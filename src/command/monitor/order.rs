//! How the monitor sorts sessions.

/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Their number.
    #[default]
    Number,
    /// Messages a second, most first.
    Heard,
    /// Those that are there first.
    State,
    /// The slowest to acknowledge first.
    RoundTrip,
    /// Those first that were told the most again.
    ToldAgain,
}

impl Order {
    /// The one that the key chooses after it.
    #[must_use]
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Number => Self::Heard,
            Self::Heard => Self::State,
            Self::State => Self::RoundTrip,
            Self::RoundTrip => Self::ToldAgain,
            Self::ToldAgain => Self::Number,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Heard => "rate",
            Self::State => "state",
            Self::RoundTrip => "round trip",
            Self::ToldAgain => "told again",
        }
    }
}
