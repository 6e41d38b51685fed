//! `Days`: which messages belong to which day's session, and what the sessions are called.
//!
//! A message has a *place*, counted since history began, and a *number*, counted in the session of
//! its day. Places say what is kept, numbers go over the wire.

use crate::model::{Event, EventKind, Nanos, SeqNo};
use crate::snapshot::part;
use crate::wire::session::Token;

/// Digits of a day's number at the end of its session's name.
const DIGITS: usize = 4;

/// Trading days, as far as market data tells of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The number of the day that goes on, or was the last; the first is 1.
    pub number: u32,
    /// When a day started last; 0: never.
    pub started_at: Nanos,
    /// The command that started it.
    pub start: SeqNo,
    /// When a day ended last; 0: never.
    pub ended_at: Nanos,
    /// The command that ended it.
    pub end: SeqNo,
    /// A day has ended and the next has not started.
    pub is_over: bool,
    /// The place of its session's first message.
    first: u64,
    /// That of the session before.
    former: u64,
}
part!(Days { number, started_at, start, ended_at, end, is_over, first, former });

impl Default for Days {
    fn default() -> Self {
        let (started_at, start, ended_at, end, is_over) = Default::default();
        Self { number: 1, started_at, start, ended_at, end, is_over, first: 1, former: 1 }
    }
}

/// A message as it goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its session.
    pub session: Token,
    /// Its number there.
    pub number: u64,
    /// The place at which its session ended; [`u64::MAX`] where that goes on.
    pub end: u64,
}

impl Days {
    /// Takes a day's start or end; whether a session begins with it: one does with the start that
    /// follows an end. What ends a day in a journal of before (`quantity` 0) ends no session.
    pub fn take(&mut self, event: &Event) -> bool {
        let (at, seq) = (event.timestamp, event.id.seq());
        match event.kind() {
            Ok(EventKind::EndOfDay) => {
                (self.ended_at, self.end, self.is_over) = (at, seq, event.quantity.0 != 0);
                false
            }
            Ok(EventKind::StartOfDay) => {
                (self.started_at, self.start) = (at, seq);
                std::mem::take(&mut self.is_over)
            }
            _ => false,
        }
    }

    /// A session begins with the message at a place.
    pub fn turn(&mut self, place: u64) {
        self.number = self.number.saturating_add(1);
        (self.former, self.first) = (self.first, place);
    }

    /// The place of the first message that has a name still.
    pub(super) const fn oldest(&self) -> u64 {
        self.former
    }

    /// What the day's session is called: the configured name, with the day's number for its end.
    pub fn session(&self, name: Token) -> Token {
        named(name, self.number)
    }

    /// The session before, if there was one, and the number its next message would have had.
    pub fn ended(&self, name: Token) -> Option<(Token, u64)> {
        let before = self.number.checked_sub(1).filter(|number| *number > 0)?;
        Some((named(name, before), self.first - self.former + 1))
    }

    /// What the message at a place is on the wire; `None` for one of a day before yesterday.
    pub fn numbered(&self, name: Token, place: u64) -> Option<Numbered> {
        if place >= self.first {
            let (session, number) = (self.session(name), place - self.first + 1);
            return Some(Numbered { session, number, end: u64::MAX });
        }
        let (session, _) = self.ended(name)?;
        let number = place.checked_sub(self.former)? + 1;
        Some(Numbered { session, number, end: self.first })
    }

    /// The place of a session's message; `None` for a session that is neither today's nor
    /// yesterday's, and for what that did not have.
    pub fn place(&self, name: Token, session: Token, number: u64) -> Option<u64> {
        let behind = number.checked_sub(1)?;
        if session == self.session(name) {
            return self.first.checked_add(behind);
        }
        let (before, end) = self.ended(name)?;
        (session == before && number < end).then_some(self.former + behind)
    }
}

/// A name with a day's number for its end; 10,000 days are a circle.
fn named(mut name: Token, day: u32) -> Token {
    let mut rest = day;
    for digit in name.iter_mut().rev().take(DIGITS) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{EventId, Quantity};

    const NAME: Token = *b"WIREMATCH1";

    #[test]
    fn a_day_has_a_session_of_its_own_after_one_that_ended() {
        let mut days = Days::default();
        let said = |kind: EventKind, at: u64, quantity| Event {
            kind: kind.code(),
            id: EventId::new(SeqNo(at), 0),
            timestamp: Nanos(at),
            quantity: Quantity(quantity),
            ..Event::default()
        };
        assert_eq!(days.session(NAME), *b"WIREMA0001");
        let is_first = days.take(&said(EventKind::StartOfDay, 1, 1));
        assert!(!is_first, "the first day's session is there already");
        assert!(!days.take(&said(EventKind::StartOfDay, 2, 1)), "no day has ended");
        assert!(!days.take(&said(EventKind::EndOfDay, 3, 1)), "it goes on until the next");
        assert!(days.take(&said(EventKind::StartOfDay, 4, 1)));
        days.turn(8);
        assert_eq!((days.number, days.session(NAME)), (2, *b"WIREMA0002"));
        assert_eq!(days.ended(NAME), Some((*b"WIREMA0001", 8)));
        assert!(!days.take(&said(EventKind::StartOfDay, 5, 1)));
        days.take(&said(EventKind::EndOfDay, 6, 0));
        assert!(!days.take(&said(EventKind::StartOfDay, 7, 0)), "as it was in old journals");
        assert_eq!((days.start, days.end), (SeqNo(7), SeqNo(6)));
    }

    proptest! {
        #[test]
        fn places_and_numbers_are_two_names_of_one_message(
            lengths in prop::collection::vec(1u64..50, 1..6),
            probe in 1u64..300,
        ) {
            let mut days = Days::default();
            let mut all = Vec::new();
            let mut place = 1;
            for (day, length) in lengths.iter().enumerate() {
                if day > 0 {
                    days.turn(place);
                }
                for number in 1..=*length {
                    all.push((day as u32 + 1, number));
                    place += 1;
                }
            }
            let known = all.get(probe as usize - 1);
            let is_near = known.is_some_and(|(day, _)| day + 1 >= days.number);
            match (days.numbered(NAME, probe), known) {
                (Some(found), Some((day, number))) => {
                    prop_assert!(is_near);
                    prop_assert_eq!((found.session, found.number), (named(NAME, *day), *number));
                    prop_assert!(found.end > probe);
                    prop_assert_eq!(days.place(NAME, found.session, found.number), Some(probe));
                }
                (Some(found), None) => prop_assert_eq!(found.session, days.session(NAME)),
                (None, _) => prop_assert!(!is_near),
            }
        }
    }
}
