//! One exchange's feed: its lines' ports, its arbiter, its books, a snapshot when one is needed.

use std::net::SocketAddrV4;

use crate::feed::{Arbiter, ArbiterOptions, Book, Books, LINES_MAX, Need, Notice};
use crate::model::{Instrument, Nanos};
use crate::port::endpoint::{ArpFrame, Opened, UdpEndpoint};
use crate::port::{Port, TimeSource};
use crate::stage::InletSpec;
use crate::stage::prices::PricesLag;
use crate::stage::prices::assembly::Fetched;
use crate::stage::prices::clocks::{Clocks, time_of};
use crate::stage::prices::fetcher::Ends;
use crate::wire::ethernet::Mac;
use crate::wire::itch::Message;
use crate::wire::moldudp64::{REQUEST_LENGTH, Request};
use crate::wire::session::Packet;

/// Frames taken off a line in a poll.
const FRAMES: usize = 8;
/// Messages of a snapshot taken in, in a poll.
const SNAPSHOT_MESSAGES: usize = 128;

/// One line: a port, and what is heard there.
struct LineEnd {
    port: Box<dyn Port>,
    endpoint: UdpEndpoint,
    heard: SocketAddrV4,
    own: SocketAddrV4,
    was_heard: Option<bool>,
}

/// One exchange's feed.
pub(super) struct Inlet {
    pub(super) at: usize,
    pub(super) halts: bool,
    pub(super) arbiter: Arbiter,
    pub(super) snapshots: u64,
    pub(super) snapshots_refused: u64,
    pub(super) clock_jumps: u64,
    lines: Vec<LineEnd>,
    requests: Option<SocketAddrV4>,
    books: Books,
    /// By place: whether the last message about it cannot have been said when it says.
    untimely: Box<[bool]>,
    ends: Ends,
    /// A snapshot that is being taken in, and how far.
    taking: Option<(Fetched, usize)>,
    silence: Nanos,
    clocks: Clocks,
    was_heard: Option<bool>,
    /// When one of its lines was heard first.
    heard_since: Option<Nanos>,
    faults_seen: u64,
}

impl Inlet {
    pub(super) fn new(
        at: usize,
        spec: &InletSpec,
        listed: &[Instrument],
        ports: Vec<Box<dyn Port>>,
        ends: Ends,
    ) -> Self {
        let symbols: Vec<[u8; 8]> = spec
            .instruments
            .iter()
            .map(|id| listed.iter().find(|of| of.id == *id).map_or([0; 8], |of| of.symbol.0))
            .collect();
        let ends_of = |(port, (heard, own)): (Box<dyn Port>, (&SocketAddrV4, &SocketAddrV4))| {
            let mut endpoint =
                UdpEndpoint::new(Mac::local(*own.ip()), *own.ip()).with_long_frames();
            if heard.ip().is_multicast() {
                endpoint.join(*heard.ip());
            }
            LineEnd { port, endpoint, heard: *heard, own: *own, was_heard: None }
        };
        let lines: Vec<_> =
            ports.into_iter().zip(spec.lines.iter().zip(&spec.own)).map(ends_of).collect();
        let mut options = ArbiterOptions { lines: lines.len().min(LINES_MAX), ..spec.arbiter };
        if spec.snapshots.is_none() {
            (options.tries_max, options.request_max) = (u32::MAX, u64::MAX);
        }
        Self {
            at,
            halts: spec.halts,
            arbiter: Arbiter::new(options),
            snapshots: 0,
            snapshots_refused: 0,
            clock_jumps: 0,
            lines,
            requests: spec.requests,
            books: Books::new(&symbols, spec.orders_max, spec.levels_max),
            untimely: vec![false; symbols.len()].into(),
            ends,
            taking: None,
            silence: spec.arbiter.silence,
            clocks: Clocks { midnights: spec.midnights, apart_max: spec.clock },
            was_heard: None,
            heard_since: None,
            faults_seen: 0,
        }
    }

    /// Whether its prices can be used now.
    pub(super) fn is_sound(&self, now: Nanos) -> bool {
        self.taking.is_none() && self.arbiter.is_sound(now)
    }

    pub(super) fn book(&self, place: usize) -> Option<&Book> {
        self.books.book(place)
    }

    /// The book at a place, where it is what the exchange's is.
    pub(super) fn sound(&self, place: usize, now: Nanos) -> Option<&Book> {
        self.book(place).filter(|book| !book.is_spoiled && self.is_sound(now))
    }

    /// The book at a place, where its prices can be used now: it is sound, and what was said last
    /// of it was said when it says.
    pub(super) fn priced(&self, place: usize, now: Nanos) -> Option<&Book> {
        self.sound(place, now).filter(|_| self.untimely.get(place) == Some(&false))
    }

    /// When what was said last of a book was said, by our clock.
    pub(super) fn said_at(&self, book: &Book, now: Nanos) -> Option<Nanos> {
        self.clocks.said_at(book.at, now)
    }

    pub(super) fn faults(&self) -> u64 {
        self.books.faults
    }

    /// Takes what came, asks for what is missing, tells what changed.
    pub(super) fn poll(
        &mut self,
        now: Nanos,
        lag: &mut PricesLag,
        tell: &mut dyn FnMut(Notice),
    ) -> usize {
        let mut work = 0;
        for line in 0..self.lines.len() {
            work += self.receive(line, now, lag, tell);
        }
        work += self.take_snapshot(now, tell);
        if self.books.faults != self.faults_seen {
            self.faults_seen = self.books.faults;
            if self.ends.is_there() {
                self.arbiter.distrust(now);
            }
        }
        match self.arbiter.need(now) {
            Some(Need::Request(request)) => self.ask(&request),
            Some(Need::Snapshot) if self.ends.want(self.arbiter.session()) => {
                tell(Notice::SnapshotWanted { feed: self.at });
            }
            _ => {}
        }
        self.notice(now, tell);
        work
    }

    fn receive(
        &mut self,
        line: usize,
        now: Nanos,
        lag: &mut PricesLag,
        tell: &mut dyn FnMut(Notice),
    ) -> usize {
        let Self { lines, arbiter, books, untimely, requests, clocks, clock_jumps, .. } = self;
        let Some(end) = lines.get_mut(line) else { return 0 };
        let LineEnd { port, endpoint, heard, own, .. } = end;
        let (mut reply, mut last): (Option<ArpFrame>, Option<u64>) = (None, None);
        let (mut restarted, mut received) = (false, None);
        let seen = port.receive(FRAMES, &mut |frame, meta| {
            let datagram = match endpoint.open(frame) {
                Opened::Datagram(datagram) => datagram,
                Opened::ArpReply(frame) => return reply = Some(frame),
                Opened::Malformed(_) => return arbiter.malformed(Some(line)),
                Opened::Learned | Opened::NotForUs => return,
            };
            let is_answer = Some(datagram.source) == *requests && datagram.destination == *own;
            if datagram.destination != *heard && !is_answer {
                return;
            }
            let Ok(packet) = Packet::parse(datagram.payload, Message::LENGTH_MAX) else {
                return arbiter.malformed(Some(line));
            };
            // Where a line and answers come to one address, an answer must not pass for the line:
            // one that is dead would seem to be heard.
            let is_line =
                datagram.destination == *heard && !(is_answer && arbiter.has_asked(packet.seq()));
            let from = is_line.then_some(line);
            if arbiter.begins_anew(from, &packet, now) {
                books.clear();
                untimely.fill(false);
                restarted = true;
            }
            if arbiter.lacks(&packet) {
                books.expect(packet.blocks());
            }
            let after = packet.seq().saturating_add(packet.block_count().into());
            arbiter.receive(from, &packet, now, |number, bytes| {
                // What was held has waited, and an answer is of some time ago.
                let is_live = is_line && number < after;
                let at = time_of(bytes);
                let differs = at.is_some_and(|at| clocks.differ(at, now, is_live));
                *clock_jumps += u64::from(differs);
                last = at.filter(|_| !differs).or(last);
                received = Some(meta);
                // What cannot be is counted by the books and spoils the one it is for.
                if let Ok(Some(place)) = books.apply(bytes)
                    && let Some(untimely) = untimely.get_mut(place)
                {
                    *untimely = differs;
                }
            });
        });
        if let Some(at) = last.and_then(|at| clocks.said_at(at, now)) {
            lag.priced.record(at, now);
            if let Some(meta) = received.filter(|meta| meta.source != TimeSource::None) {
                lag.heard.record(at, meta.received_at);
            }
        }
        if restarted {
            if let Some((fetched, _)) = self.taking.take() {
                self.ends.give_back(fetched);
            }
            self.ends.forget();
            tell(Notice::Restarted { feed: self.at });
        }
        if let Some(frame) = reply
            && let Some(end) = self.lines.get_mut(line)
        {
            let _ = frame.send(&mut *end.port);
            end.port.flush();
        }
        seen
    }

    /// Sends a request by the first line's network; one that is not sent is made again.
    fn ask(&mut self, request: &Request) {
        let (Some(to), Some(end)) = (self.requests, self.lines.first_mut()) else { return };
        let bytes = request.bytes();
        let fill = &mut |space: &mut [u8]| space.copy_from_slice(&bytes);
        let _ = end.endpoint.send(&mut *end.port, end.own.port(), to, REQUEST_LENGTH, fill);
        end.port.flush();
    }

    /// Takes in a part of a snapshot; after the last, the stream goes on.
    fn take_snapshot(&mut self, now: Nanos, tell: &mut dyn FnMut(Notice)) -> usize {
        if self.taking.is_none() {
            let Some(fetched) = self.ends.fetched() else { return 0 };
            let is_other = Some(fetched.session) != self.arbiter.session()
                || !self.arbiter.believes(fetched.next);
            if is_other || fetched.next < self.arbiter.expected() {
                // It is of another day, ahead of all that was said, or older than what is here:
                // another one is wanted.
                self.snapshots_refused += u64::from(is_other);
                self.ends.give_back(fetched);
                self.ends.forget();
                return 1;
            }
            self.books.clear();
            self.untimely.fill(false);
            self.taking = Some((fetched, 0));
        }
        let Some((fetched, at)) = &mut self.taking else { return 0 };
        for _ in 0..SNAPSHOT_MESSAGES {
            let Some(message) = fetched.message(at) else { break };
            let _ = self.books.apply(message);
        }
        if *at < fetched.len() {
            return SNAPSHOT_MESSAGES;
        }
        let next = fetched.next;
        let books = &mut self.books;
        self.arbiter.resume(next, now, |_, bytes| _ = books.apply(bytes));
        self.faults_seen = self.books.faults;
        if let Some((fetched, _)) = self.taking.take() {
            self.ends.give_back(fetched);
        }
        self.ends.forget();
        self.snapshots += 1;
        tell(Notice::CaughtUp { feed: self.at, next });
        1
    }

    /// Tells people of lines that fell silent or came back. One that was never heard is told of
    /// too, once the other has been for as long as it may be silent.
    fn notice(&mut self, now: Nanos, tell: &mut dyn FnMut(Notice)) {
        let (feed, silence) = (self.at, self.silence);
        let is_heard = self.arbiter.is_heard(now);
        if is_heard {
            self.heard_since.get_or_insert(now);
        }
        let is_due = self.heard_since.is_some_and(|since| now.saturating_sub(since) > silence);
        for (line, end) in self.lines.iter_mut().enumerate() {
            let quality = self.arbiter.lines.get(line);
            let hears = quality.is_some_and(|quality| quality.is_heard(now, silence));
            if end.was_heard.is_none() && !hears && !is_due {
                continue;
            }
            match end.was_heard.replace(hears) {
                None | Some(true) if !hears && is_heard => tell(Notice::LineLost { feed, line }),
                Some(false) if hears => tell(Notice::LineBack { feed, line }),
                _ => {}
            }
        }
        if self.was_heard.replace(is_heard) == Some(true) && !is_heard {
            tell(Notice::FeedLost { feed });
        }
    }

    /// Whether a line of it was heard when this was looked at last.
    pub(super) fn is_heard(&self) -> bool {
        self.was_heard == Some(true)
    }
}
