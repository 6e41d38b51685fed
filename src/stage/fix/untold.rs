//! What a standby's history tells FIX clients, as far as the primary may not have told it yet. The
//! record of what it told comes from there; what that lacks when it dies is told from here.

use std::collections::VecDeque;

use crate::model::{Event, EventId, Nanos};
use crate::wire::fix::Writer;
use crate::wire::fix::frame::MESSAGE_MAX;

/// One message that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Whose it is: its place in the table of sessions.
    pub(super) at: usize,
    /// The event it tells of.
    pub(super) event: EventId,
    pub(super) time: Nanos,
    pub(super) kind: &'static [u8],
    /// Its fields behind the standard ones.
    pub(super) rest: Vec<u8>,
}

/// All that wait, the oldest first.
#[derive(Debug)]
pub(super) struct Untold {
    waiting: VecDeque<Waiting>,
    /// Commands that can be between a primary's journal and what it has told: more than its links
    /// hold.
    window: u64,
    room: Box<[u8]>,
}

impl Untold {
    /// For a primary whose links hold so many commands.
    pub(super) fn new(window: u64) -> Self {
        Self { waiting: VecDeque::new(), window, room: vec![0; MESSAGE_MAX].into() }
    }

    /// Keeps what an event tells a session, and forgets what surely was told.
    pub(super) fn keep(
        &mut self,
        at: usize,
        event: &Event,
        kind: &'static [u8],
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) {
        let is_old = |waiting: &Waiting| {
            waiting.event.seq().0.saturating_add(self.window) < event.id.seq().0
        };
        let mut rest = Vec::new();
        while self.waiting.front().is_some_and(is_old)
            && let Some(old) = self.waiting.pop_front()
        {
            rest = old.rest;
        }
        let mut writer = Writer::new(&mut self.room);
        let begin = writer.position();
        fill(&mut writer);
        rest.clear();
        rest.extend_from_slice(writer.written(begin));
        let (event, time) = (event.id, event.timestamp);
        self.waiting.push_back(Waiting { at, event, time, kind, rest });
    }

    /// All that wait.
    pub(super) fn take(self) -> VecDeque<Waiting> {
        self.waiting
    }
}
