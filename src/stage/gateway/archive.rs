//! Replies older than a gateway keeps, made again from the journal for a client that was away for
//! long. A thread of its own: it reads files, and whoever asks it never waits.
//!
//! ```text
//!   gateway ── Wanted ─► archive ── reads commands and events ─► folds one session again
//!           ◄─ OldReply ──   └ the same code numbers and writes them, so they are the same bytes
//! ```

use std::path::{Path, PathBuf};

use bytemuck::{Pod, Zeroable};

use crate::journal::{JournalError, LogKind, Reader};
use crate::link::{Consumer, Producer};
use crate::model::{Command, Event, Group, Head, LINES_MAX, Line, SessionId};
use crate::stage::gateway::request::Symbols;
use crate::stage::gateway::session::Session;
use crate::stage::gateway::{GatewayOptions, SessionSpec};
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::ServerConfig;

/// Messages of the journal read per step, at most.
const STEP_MESSAGES: usize = 16 * 1024;

/// Steps after which a search that nobody wants more of is forgotten.
const IDLE_STEPS_MAX: u32 = 10_000;

/// Replies a gateway wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Wanted {
    /// The first one's number.
    pub(super) from: u64,
    pub(super) count: u32,
    /// Whose they are.
    pub(super) session: SessionId,
    reserved: [u8; 48],
}

impl Wanted {
    pub(super) fn new(session: SessionId, from: u64, count: u32) -> Self {
        Self { from, count, session, reserved: [0; 48] }
    }
}

impl Head for Wanted {
    #[inline]
    fn lines(&self) -> usize {
        1
    }
}

/// The first line of a reply made again; its bytes go on in the lines after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct OldReply {
    pub(super) number: u64,
    pub(super) session: SessionId,
    /// 0 says that the journal could not be read.
    length: u16,
    bytes: [u8; 48],
    lines: u8,
    reserved: u8,
}
const _: () = assert!(MESSAGE_MAX <= 48 + (LINES_MAX - 1) * size_of::<Line>());

impl Head for OldReply {
    #[inline]
    fn lines(&self) -> usize {
        (self.lines as usize).clamp(1, LINES_MAX)
    }
}

impl OldReply {
    /// Room for a reply.
    pub(super) fn none() -> Group<Self> {
        Self::group(SessionId(0), 0, &[])
    }

    /// A reply as a message of a link.
    fn group(session: SessionId, number: u64, reply: &[u8]) -> Group<Self> {
        let (first, rest) = reply.split_at(reply.len().min(48));
        let mut bytes = [0; 48];
        bytes[..first.len()].copy_from_slice(first);
        let lines = 1 + rest.len().div_ceil(size_of::<Line>()) as u8;
        let length = reply.len() as u16;
        let mut group = Group::new(Self { number, session, length, bytes, lines, reserved: 0 });
        let space: &mut [u8] = bytemuck::cast_slice_mut(group.rest_mut().as_mut_slice());
        space[..rest.len()].copy_from_slice(rest);
        group
    }

    /// The reply's bytes, put together in `space`; nothing where the journal could not be read.
    pub(super) fn read<'a>(
        group: &Group<Self>,
        space: &'a mut [u8; MESSAGE_MAX],
    ) -> Option<&'a [u8]> {
        let length = usize::from(group.head.length);
        let further: &[u8] = bytemuck::cast_slice(group.rest());
        let bytes = group.head.bytes.iter().chain(further).take(length);
        space.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        space.get(..length).filter(|_| length > 0)
    }
}

/// The archive's ends of its links to a gateway.
pub struct ArchiveLinks {
    /// What the gateway wants.
    pub wanted: Consumer<Wanted>,
    /// What was found.
    pub found: Producer<OldReply>,
}

/// Finds old replies.
pub struct Archive {
    journal: PathBuf,
    sessions: Vec<Option<SessionSpec>>,
    window: u16,
    late_answers: bool,
    symbols: Symbols,
    links: ArchiveLinks,
    searches: Vec<Search>,
}

/// One session's way through the journal.
struct Search {
    /// Nothing where the journal cannot be read.
    log: Option<Log>,
    session: Session,
    /// As they were at that place of history.
    symbols: Symbols,
    /// Replies wanted: from this one up to below that one.
    from: u64,
    until: u64,
    idle_steps: u32,
}

/// Both logs, read together.
struct Log {
    commands: Reader<Command>,
    events: Reader<Event>,
    /// The last command that was read.
    command: u64,
    /// An event that was read before its command.
    event: Option<Event>,
}

impl Archive {
    /// Of the journal in a folder, for the gateway with these options.
    pub fn new(journal: &Path, options: &GatewayOptions, links: ArchiveLinks) -> Self {
        Self {
            journal: journal.to_owned(),
            sessions: options.sessions.clone(),
            window: options.window,
            late_answers: options.late_answers,
            symbols: Symbols::new(&options.instruments),
            links,
            searches: Vec::new(),
        }
    }

    /// Takes what is wanted and goes on finding it; says how much it did.
    pub fn step(&mut self) -> usize {
        let mut work = 0;
        while let Some(wanted) = self.links.wanted.pop_head() {
            self.begin(&wanted);
            work += 1;
        }
        let Self { searches, links, .. } = self;
        searches.retain_mut(|search| {
            if search.log.is_none() {
                // Until there is room to say so.
                return !links.found.push(&OldReply::group(search.id(), search.from, &[]));
            }
            let read = search.go_on(&mut links.found);
            work += read;
            search.idle_steps = if read > 0 { 0 } else { search.idle_steps + 1 };
            search.idle_steps < IDLE_STEPS_MAX
        });
        work
    }

    /// A search that has not come too far goes on; any other begins anew.
    fn begin(&mut self, wanted: &Wanted) {
        let until = wanted.from.saturating_add(u64::from(wanted.count));
        let is_same = |search: &Search| search.id() == wanted.session;
        let mut known = self.searches.iter_mut();
        if let Some(search) = known.find(|search| is_same(search))
            && search.session.machine.next_number() <= wanted.from
        {
            (search.from, search.until) = (wanted.from, until);
            return;
        }
        self.searches.retain(|search| !is_same(search));
        let spec = self.sessions.get(wanted.session.index()).and_then(Option::as_ref);
        let Some(spec) = spec else { return };
        let config = ServerConfig { window: self.window, outbox: 2, ..ServerConfig::default() };
        self.searches.push(Search {
            log: Log::open(&self.journal).ok(),
            session: Session::new(spec.clone(), config, self.late_answers),
            symbols: self.symbols.clone(),
            from: wanted.from,
            until,
            idle_steps: 0,
        });
    }
}

impl Search {
    fn id(&self) -> SessionId {
        self.session.spec.id
    }

    /// Reads on while replies are wanted and there is room for them; says how much was read.
    fn go_on(&mut self, found: &mut Producer<OldReply>) -> usize {
        let mut read = 0;
        while self.from < self.until
            && read < STEP_MESSAGES
            && found.credits(LINES_MAX) >= LINES_MAX
            && let Some(log) = &mut self.log
        {
            let event = match log.next(&mut self.session) {
                Ok(Some(event)) => event,
                // Written a moment later.
                Ok(None) => break,
                Err(_) => {
                    self.log = None;
                    break;
                }
            };
            read += 1;
            if event.session.0 == 0 {
                self.symbols.note(&event);
            }
            if event.session.0 == 0 || event.session == self.id() {
                self.tell(&event, found);
            }
        }
        read
    }

    /// Numbers what the event tells the session, and sends it on if it is wanted.
    fn tell(&mut self, event: &Event, found: &mut Producer<OldReply>) {
        let number = self.session.machine.next_number();
        self.session.tell(event, &self.symbols, event.timestamp);
        if number == self.from
            && let Some(reply) = self.session.machine.reply(number)
        {
            let sent = found.push(&OldReply::group(self.id(), number, reply));
            debug_assert!(sent, "there was room for the longest");
            self.from += 1;
        }
    }
}

impl Log {
    fn open(journal: &Path) -> Result<Self, JournalError> {
        Ok(Self {
            commands: Reader::open(&LogKind::Commands.folder(journal), 0)?,
            events: Reader::open(&LogKind::Events.folder(journal), 0)?,
            command: 0,
            event: None,
        })
    }

    /// The next event, after its command and all before it were shown to the session they are of.
    fn next(&mut self, session: &mut Session) -> Result<Option<Event>, JournalError> {
        let event = match self.event.take() {
            Some(event) => event,
            None => match self.events.read_event()? {
                Some(event) => event,
                None => return Ok(None),
            },
        };
        while self.command < event.id.seq().0 {
            let Some(group) = self.commands.read()? else {
                self.event = Some(event);
                return Ok(None);
            };
            self.command = group.head.seq.0;
            if group.head.session == session.spec.id {
                session.restore(&group);
            }
        }
        Ok(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reply_goes_through_a_link_as_it_is(
            number in any::<u64>(),
            reply in prop::collection::vec(any::<u8>(), 1..=MESSAGE_MAX),
        ) {
            let group = OldReply::group(SessionId(7), number, &reply);
            prop_assert_eq!((group.head.number, group.head.session), (number, SessionId(7)));
            let mut space = [0; MESSAGE_MAX];
            prop_assert_eq!(OldReply::read(&group, &mut space), Some(&reply[..]));
        }
    }

    #[test]
    fn no_bytes_mean_that_there_are_none_to_be_had() {
        let group = OldReply::group(SessionId(7), 9, &[]);
        assert_eq!(OldReply::read(&group, &mut [0; MESSAGE_MAX]), None);
    }
}
