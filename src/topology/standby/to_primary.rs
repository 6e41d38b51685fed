//! A standby's line to its primary, opened again whenever it is lost.

use std::net::SocketAddr;

use crate::journal::Writer;
use crate::model::{Command, Nanos};
use crate::replica::{Channel, Follower, Identity, LinkError, Refusal};
use crate::topology::standby::line::{Line, Lines, REDIAL, pump, push};

/// Whether trying again would come to the same.
pub(super) fn is_final(error: &LinkError) -> bool {
    match error {
        LinkError::Refused(Refusal::NotPrimary | Refusal::Occupied) => false,
        LinkError::Refused(_) | LinkError::NotProved | LinkError::NotALink => true,
        _ => false,
    }
}

/// The line to the primary.
pub(super) struct ToPrimary {
    pub(super) address: SocketAddr,
    pub(super) key: Vec<u8>,
    pub(super) own: Identity,
    pub(super) line: Option<Line>,
    pub(super) follower: Option<Follower>,
    dial_at: Nanos,
    /// Lines in a row that were closed before the primary proved anything.
    doubts: u32,
}

/// A line on which nothing came for so long leads nowhere: the primary's machine went without a
/// word, or what we said did not come as it was said. It beats many times in that.
const SILENCE_MAX: Nanos = Nanos(2_000_000_000);

/// So many of them are no accident: the primary does not believe that we have the key.
const DOUBTS_MAX: u32 = 10;

impl ToPrimary {
    pub(super) fn new(address: SocketAddr, key: &[u8], own: Identity) -> Self {
        let (line, follower, dial_at) = (None, None, Nanos::ZERO);
        Self { address, key: key.to_vec(), own, line, follower, dial_at, doubts: 0 }
    }

    /// Opens the line where there is none.
    pub(super) fn dial(
        &mut self,
        now: Nanos,
        lines: &mut dyn Lines,
        last: u64,
        epochs: &[(u32, u64)],
    ) {
        if self.line.is_some() || now < self.dial_at {
            return;
        }
        self.dial_at = now.saturating_add(REDIAL);
        self.line = lines.dial(self.address);
        let channel = Channel::new(&self.key, true, lines.nonce());
        self.follower = Some(Follower::new(channel, self.own, last, epochs.to_vec(), now));
    }

    /// Moves bytes both ways and takes what came; a line that is lost is found closed.
    pub(super) fn step(
        &mut self,
        now: Nanos,
        log: Option<&mut Writer<Command>>,
    ) -> Result<usize, LinkError> {
        let (Some(line), Some(follower)) = (&mut self.line, &mut self.follower) else {
            return Ok(0);
        };
        // What came before the line was lost still counts.
        let pumped = pump(line, follower.channel());
        let outcome = follower.step(now, log);
        if pumped.is_err() || outcome.is_err() {
            self.line = None;
            // A bit that turned on the way ends a line as another key does, but not one line after
            // the other.
            let is_strange = matches!(outcome, Err(LinkError::NotProved | LinkError::NotALink));
            let channel = follower.channel();
            let is_doubted = channel.is_doubted() || is_strange && !channel.is_proved();
            self.doubts = if is_doubted { self.doubts + 1 } else { 0 };
            if self.doubts > DOUBTS_MAX {
                let is_other = matches!(outcome, Err(LinkError::NotALink));
                return Err(if is_other { LinkError::NotALink } else { LinkError::NotProved });
            }
            if is_strange {
                return Err(LinkError::Spoiled);
            }
        } else if follower.is_left_alone(now, SILENCE_MAX) {
            self.line = None;
            return Err(LinkError::Silent);
        }
        outcome.map(|work| work + pumped.unwrap_or(0))
    }

    /// Whether some of what was here when the line was opened is another history.
    pub(super) fn cuts(&self) -> bool {
        self.follower.as_ref().is_some_and(|f| f.welcome().is_some_and(|h| h.keep < f.joined_at()))
    }

    pub(super) fn push(&mut self) {
        if let (Some(line), Some(follower)) = (&mut self.line, &mut self.follower)
            && push(line, follower.channel()).is_err()
        {
            self.line = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Name;
    use crate::topology::standby::pipe::{Pipe, pipe};

    /// Lines to a primary that never says a word.
    #[derive(Default)]
    struct Mute(Vec<Pipe>);

    impl Lines for Mute {
        fn dial(&mut self, _: SocketAddr) -> Option<Line> {
            let (near, far) = pipe();
            self.0.push(far);
            Some(Box::new(near))
        }

        fn accept(&mut self) -> Option<Line> {
            None
        }

        fn nonce(&mut self) -> [u8; 32] {
            [self.0.len() as u8; 32]
        }
    }

    #[test]
    fn a_line_on_which_nothing_comes_is_opened_anew() {
        let identity = Identity { name: Name::default(), build: [0; 32], config: [0; 32] };
        let mut to_primary =
            ToPrimary::new(SocketAddr::from(([10, 1, 0, 1], 9400)), b"a key", identity);
        let mut lines = Mute::default();
        let begin = Nanos(1_000_000_000);
        for look in 0..=40 {
            let now = begin.saturating_add(Nanos(look * SILENCE_MAX.0 / 10));
            to_primary.dial(now, &mut lines, 0, &[]);
            let outcome = to_primary.step(now, None);
            assert!(matches!(outcome, Ok(_) | Err(LinkError::Silent)), "{outcome:?}");
            assert!(!matches!(outcome, Err(error) if is_final(&error)));
        }
        assert_eq!(lines.0.len(), 4, "one in the patience there is, and a look for each");
    }
}
