//! The course of FIX: the gateway's own session, a desk without a market behind it, and an eye on
//! every message that passes.
//!
//! ```text
//!   line ─► look (what is wrong?) ─► session ─► desk (orders)
//!   line ◄─ collect (loses one) ◄──────┘          drill (what the session is put through)
//! ```

mod desk;
mod drill;
mod look;
mod steps;
mod wrong;

use std::collections::BTreeMap;

use crate::client::certify::fix::desk::Desk;
use crate::client::certify::fix::look::Place;
use crate::client::certify::{Line, News, Progress};
use crate::model::Nanos;
use crate::wire::fix::frame::{Framing, frame};
use crate::wire::fix::session::{
    Ending, Endpoint, Identity, MemoryStore, Phase, Role, SessionConfig, Store,
};
use crate::wire::fix::{Dictionary, Indexer, Message, Reader, tag, value};

pub use steps::STEPS;

/// Messages of ours that can be sent again.
const REMEMBERED: usize = 4096;

/// The heartbeat interval until a logon says another.
const HEARTBEAT: Nanos = Nanos(30_000_000_000);

/// The course.
pub struct FixCourse {
    identity: Identity,
    password: Option<String>,
    endpoint: Endpoint<MemoryStore>,
    desk: Desk,
    /// Came, and not yet a whole message.
    bytes: Vec<u8>,
    /// For the line.
    out: Vec<u8>,
    heartbeat: Nanos,
    /// What the client sent, by number: MsgType and ClOrdID.
    sent: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
    /// The last report that left.
    last_report: Vec<u8>,
    drill: drill::Drill,
    is_up: bool,
}

impl FixCourse {
    /// For a session, in an instrument, without the steps that are left out; `password` is what a
    /// logon must bring.
    pub fn new(
        identity: Identity,
        symbol: [u8; 8],
        password: Option<&str>,
        left_out: &[&str],
    ) -> Self {
        let version = identity.version;
        let of_version = STEPS.iter().filter(|(_, since)| version >= *since);
        let asked = of_version.map(|(step, _)| (*step, !left_out.contains(&step.name)));
        let desk = Desk::new(version, symbol, Progress::new(asked));
        let config = SessionConfig::new(Role::Acceptor, identity.clone());
        Self {
            endpoint: Endpoint::new(config, MemoryStore::new(REMEMBERED)),
            identity,
            password: password.map(str::to_owned),
            desk,
            bytes: Vec::new(),
            out: Vec::new(),
            heartbeat: HEARTBEAT,
            sent: BTreeMap::new(),
            last_report: Vec::new(),
            drill: drill::Drill::default(),
            is_up: false,
        }
    }

    /// What happened since this was asked last.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.desk.progress.news)
    }

    /// How far each step is.
    pub fn summary(&self) -> &[Line] {
        &self.desk.progress.lines
    }

    /// The longest that a step of silence takes.
    pub fn patience(&self) -> Nanos {
        Nanos(self.heartbeat.0.saturating_mul(3))
    }

    /// Bytes for the line.
    pub fn outgoing(&self) -> &[u8] {
        &self.out
    }

    /// Notes that the line took so many bytes.
    pub fn took(&mut self, count: usize) {
        self.out.drain(..count.min(self.out.len()));
    }

    /// Whether the line is to be closed, once all bytes are sent.
    pub fn is_closing(&self) -> bool {
        self.drill.hangs_up || self.endpoint.closing().is_some()
    }

    /// A line is open.
    pub fn connected(&mut self, now: Nanos) {
        self.desk.now = now;
        self.bytes.clear();
        self.out.clear();
        (self.drill.hangs_up, self.drill.is_ended, self.is_up) = (false, false, false);
        self.endpoint.connected(now, &mut self.desk);
        self.collect();
    }

    /// Another line was opened while there is one.
    pub fn refuse_second_line(&mut self) {
        self.desk.progress.mistake(
            "a second line was opened while the session has one: a gateway closes it; close the \
             first, and wait for the end of it, before you connect again",
        );
    }

    /// The line is gone.
    pub fn disconnected(&mut self, now: Nanos) {
        self.desk.now = now;
        if self.drill.hangs_up {
            self.speak_to_nobody(now);
        } else if self.endpoint.closing().is_none() {
            self.desk.progress.mistake(
                "the line was closed without a Logout (5): orders may be taken away because of it; \
                 log out, and wait for the answer",
            );
        }
        self.endpoint.disconnected(&mut self.desk);
    }

    /// Takes bytes off the line.
    pub fn receive(&mut self, bytes: &[u8], now: Nanos) {
        self.desk.now = now;
        self.bytes.extend_from_slice(bytes);
        while !self.is_closing() {
            let length = match frame(&self.bytes) {
                Framing::Partial => break,
                Framing::Garbled(length) => {
                    let junk: Vec<u8> = self.bytes.drain(..length).collect();
                    self.desk.progress.mistake(look::garbled(&junk, None));
                    self.endpoint.receive(&junk, now, &mut self.desk);
                    continue;
                }
                Framing::Whole(framed) => framed.length,
            };
            let message: Vec<u8> = self.bytes.drain(..length).collect();
            self.message(&message, now);
            self.collect();
        }
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: Nanos) {
        self.desk.now = now;
        self.endpoint.tick(now, &mut self.desk);
        if self.endpoint.is_behind() {
            self.endpoint.go_on(now, &mut self.desk);
        }
        self.note_ending(self.desk.progress.news.len());
        self.drill(now);
        self.collect();
    }

    /// Takes one message: it is looked at, the session has its turn, then the step is judged.
    fn message(&mut self, bytes: &[u8], now: Nanos) {
        let before = self.desk.progress.news.len();
        let mut reader = Reader::new(*self.dictionary());
        let Framing::Whole(framed) = frame(bytes) else { return };
        let was_up = self.is_up;
        match reader.read(bytes, &framed) {
            Err(cause) => {
                self.desk.progress.mistake(look::garbled(bytes, Some(cause)));
                self.endpoint.receive(bytes, now, &mut self.desk);
            }
            Ok(read) => {
                let place = Place {
                    identity: &self.identity,
                    is_first: self.endpoint.session().phase() == Phase::LoggingOn,
                    expected: self.endpoint.session().expected(),
                    next_out: self.endpoint.store().numbers().next_out,
                    now,
                    password: self.password.as_deref(),
                };
                let wrong = look::mistakes(&read.message, read.verdict, &place);
                let is_locked_out = place.is_first && !wrong.is_empty();
                wrong.into_iter().for_each(|what| self.desk.progress.mistake(what));
                self.judge_before(&read.message);
                if is_locked_out && self.password_is_wrong(&read.message) {
                    self.endpoint.disconnected(&mut self.desk);
                } else {
                    self.endpoint.receive(bytes, now, &mut self.desk);
                }
                self.is_up = self.endpoint.session().phase() == Phase::Up;
                if !was_up && self.is_up {
                    let interval = read.message.get(tag::HEART_BT_INT).and_then(value::number);
                    let seconds = interval.unwrap_or(30);
                    self.heartbeat = Nanos(seconds.saturating_mul(1_000_000_000));
                    self.desk.progress.done("logon");
                }
                self.judge(&read.message, now);
            }
        }
        self.note_ending(before);
    }

    fn dictionary(&self) -> &'static Dictionary {
        self.identity.version.dictionary()
    }

    fn password_is_wrong(&self, message: &Message<'_>) -> bool {
        let said = look::password_of(message);
        self.password.as_deref().is_some_and(|wanted| said != Some(wanted.as_bytes()))
    }

    /// Says why a session ended, where nothing said since `before` does.
    fn note_ending(&mut self, before: usize) {
        if self.drill.is_ended == self.endpoint.closing().is_some() {
            return;
        }
        let Some(ending) = self.endpoint.closing() else {
            self.drill.is_ended = false;
            return;
        };
        self.drill.is_ended = true;
        let said = self.desk.progress.news.get(before..).unwrap_or(&[]);
        let is_explained = said.iter().any(|news| matches!(news, News::Mistake(_)));
        let asks = self.desk.progress.asks();
        let what = match ending {
            Ending::LoggedOut if self.desk.progress.step().is_none() => return,
            Ending::LoggedOut => format!("you left; this was asked for: {asks}"),
            Ending::Silent => format!(
                "nothing was heard for 2.4 intervals: with nothing to say send a Heartbeat (0) \
                 every {} s, and answer a TestRequest (1)",
                self.heartbeat.0 / 1_000_000_000
            ),
            _ if is_explained => return,
            other => format!("the session ended: {}", other.text()),
        };
        self.desk.progress.mistake(what);
    }

    /// Takes what the session says to the line; one message is lost where the step asks for that.
    fn collect(&mut self) {
        let said = self.endpoint.outgoing().to_vec();
        self.endpoint.took(said.len());
        let mut rest = &said[..];
        let mut indexer = Indexer::new();
        while let Framing::Whole(framed) = frame(rest) {
            let (bytes, behind) = rest.split_at(framed.length);
            rest = behind;
            let Ok(message) = indexer.read(bytes, &framed, self.dictionary()) else { continue };
            let seq = message.get(tag::MSG_SEQ_NUM).and_then(value::number);
            let is_repeat = message.get(tag::POSS_DUP_FLAG) == Some(b"Y");
            match message.kind() {
                b"1" if message.get(tag::TEST_REQ_ID) == Some(b"TEST") => {
                    self.desk.progress.mistake(format!(
                        "nothing was heard for 1.2 intervals, so we ask (TestRequest): with \
                         nothing to say send a Heartbeat (0) every {} s",
                        self.heartbeat.0 / 1_000_000_000
                    ));
                }
                b"8" if self.desk.lost.is_some() && seq == self.desk.lost && !is_repeat => continue,
                b"8" => self.last_report = bytes.to_vec(),
                _ => {}
            }
            self.out.extend_from_slice(bytes);
        }
    }
}
