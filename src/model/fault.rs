//! Why a core stopped.

coded! {
    /// A broken invariant. Never a panic: `poll` returns it, the core stops, egress shuts.
    Fault {
        /// A command or event did not follow the one before it.
        SequenceGap = 1,
        /// The best bid reached the best ask outside an auction.
        BookCrossed = 2,
        /// A message carries a kind or a length nobody writes.
        MalformedMessage = 3,
        /// A table with a limit taken at boot was found past that limit.
        LimitBroken = 4,
        /// The journal could not take what it had promised room for.
        JournalFailed = 5,
        /// A session's code panicked; the session was dropped.
        SessionPanicked = 6,
        /// A port's device is gone.
        PortLost = 7,
    }
}

impl Fault {
    /// What happened, in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Fault::SequenceGap => "a command or event did not follow the one before it",
            Fault::BookCrossed => "the best bid reached the best ask",
            Fault::MalformedMessage => "a message carries a kind or length nobody writes",
            Fault::LimitBroken => "a table was found past the limit taken at boot",
            Fault::JournalFailed => "the journal could not take what it had promised room for",
            Fault::SessionPanicked => "a session's code panicked and the session was dropped",
            Fault::PortLost => "a port's device is gone",
        }
    }
}
