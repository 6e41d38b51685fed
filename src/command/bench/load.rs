//! A client that is a port: it hands the gateway frames made beforehand and times the answers, so
//! that load costs the core under test almost nothing and no second thread disturbs it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hdrhistogram::Histogram;

use crate::model::Nanos;
use crate::port::{FrameMeta, Full, Port};
use crate::runtime::{Clock, SystemClock};
use crate::wire::ethernet::Mac;
use crate::wire::session::control::{Ack, is_control};
use crate::wire::session::{Control, Login, PACKET_MAX, PacketWriter, Token, parse};
use crate::wire::udp::{self, HEADERS, Route};

/// Messages on the way at once, as the protocol allows a client.
const WINDOW: u64 = 64;

/// Replies taken before they are acknowledged.
const ACK_EVERY: u64 = 64;

/// How long an answer to a login is waited for.
const LOGIN_EVERY: Nanos = Nanos(200_000_000);

/// What to send, and how fast.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Messages in order.
    pub(super) messages: Arc<[Vec<u8>]>,
    /// The first ones, not measured.
    pub(super) warm_up: usize,
    /// Time from one message to the next; zero sends whenever the window allows.
    pub(super) interval: Nanos,
    /// Where the gateway listens.
    pub(super) gateway: SocketAddrV4,
    /// Where the client is.
    pub(super) own: SocketAddrV4,
    /// The session's number and key.
    pub(super) session: (u16, Vec<u8>),
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    /// From when a message was to be sent to when the packet that settles it was sent back.
    pub(super) latency: Histogram<u64>,
    /// Messages measured.
    pub(super) messages: u64,
    /// How long they took.
    pub(super) took: Nanos,
    /// Replies received, of all kinds.
    pub(super) replies: u64,
    /// Executions among them.
    pub(super) executions: u64,
    /// Rejections among them.
    pub(super) rejections: u64,
}

/// The port.
pub(super) struct LoadPort {
    plan: Plan,
    clock: SystemClock,
    token: Option<Token>,
    /// When the login is sent again: a gateway short of room lets one pass unanswered.
    login_due: Nanos,
    /// Frames as they will be received; made once the token is known.
    frames: Frames,
    next: usize,
    /// Frames that have landed.
    landed: usize,
    /// Numbers below this are settled.
    settled: u64,
    /// When each message on the way was to be sent.
    scheduled: [Nanos; WINDOW as usize],
    due: Nanos,
    began: Nanos,
    next_rx: u64,
    acked_rx: u64,
    scratch: [u8; HEADERS + PACKET_MAX],
    answers: Answers,
    progress: Progress,
}

type Frame = [u8; HEADERS + PACKET_MAX];
const EMPTY: Frame = [0; HEADERS + PACKET_MAX];

/// Frames one after the other, as a card's ring would have them.
#[derive(Debug, Default)]
struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    fn add(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// Brings a frame into the nearest cache, where a card that writes into caches leaves it.
    fn land(&self, at: usize) {
        for line in self.get(at).chunks(64) {
            std::hint::black_box(line[0]);
        }
    }

    fn get(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[at]]
    }
}

/// What the port tells whoever waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The warm-up is over.
    pub(super) is_warm: Arc<AtomicBool>,
    /// What came of it, at the end.
    pub(super) done: Arc<OnceLock<Answers>>,
}

/// Where the client is when nothing but memory lies between.
pub(super) const OURS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 9), 40_000);

impl LoadPort {
    pub(super) fn new(plan: Plan, clock: SystemClock, progress: Progress) -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Self {
            plan,
            clock,
            token: None,
            login_due: Nanos::ZERO,
            frames: Frames::default(),
            next: 0,
            landed: 0,
            settled: 1,
            scheduled: [Nanos::ZERO; WINDOW as usize],
            due: Nanos::ZERO,
            began: Nanos::ZERO,
            next_rx: 1,
            acked_rx: 1,
            scratch: [0; HEADERS + PACKET_MAX],
            answers: Answers {
                latency: latency.expect("the bounds are constants"),
                messages: 0,
                took: Nanos::ZERO,
                replies: 0,
                executions: 0,
                rejections: 0,
            },
            progress,
        }
    }

    /// Messages answered so far.
    pub(super) fn settled(&self) -> u64 {
        self.settled - 1
    }

    /// A frame to the gateway around a session packet; its length.
    fn frame(&self, frame: &mut Frame, write: impl FnOnce(&mut [u8]) -> usize) -> usize {
        let length = write(&mut frame[HEADERS..]);
        let whole = (HEADERS + length).max(60);
        let to = self.plan.gateway;
        let route = Route {
            from_mac: Mac::local(*self.plan.own.ip()),
            to_mac: Mac::local(*to.ip()),
            from: self.plan.own,
            to,
        };
        udp::seal(&mut frame[..whole], length, &route);
        whole
    }

    fn log_in(&self, each: &mut dyn FnMut(&[u8], FrameMeta)) {
        let (port, key) = &self.plan.session;
        let login =
            Login { version: 1, port: *port, nonce: 1, next_tx: 1, next_rx: 1, code: [0; 16] };
        let block = login.signed(key).block();
        let mut frame = EMPTY;
        let length = self.frame(&mut frame, |space| packet(space, [b' '; 10], 1, &block));
        each(&frame[..length], FrameMeta::default());
    }

    fn connected(&mut self, token: Token) {
        let messages = Arc::clone(&self.plan.messages);
        let mut frames = Frames::default();
        for (at, message) in messages.iter().enumerate() {
            let seq = at as u64 + 1;
            let mut frame = EMPTY;
            let length = self.frame(&mut frame, |space| packet(space, token, seq, message));
            frames.add(&frame[..length]);
        }
        self.frames = frames;
        self.token = Some(token);
        self.due = self.clock.now();
    }

    fn acknowledge(&mut self, each: &mut dyn FnMut(&[u8], FrameMeta)) {
        let Some(token) = self.token else { return };
        let ack = Ack { next_expected: self.next_rx }.block();
        let seq = self.next as u64 + 1;
        let mut frame = EMPTY;
        let length = self.frame(&mut frame, |space| packet(space, token, seq, &ack));
        self.acked_rx = self.next_rx;
        each(&frame[..length], FrameMeta::default());
    }

    /// Everything below `next_expected` is settled at `now`.
    fn settle(&mut self, next_expected: u64, now: Nanos) {
        while self.settled < next_expected.min(self.next as u64 + 1) {
            let scheduled = self.scheduled[self.settled as usize % WINDOW as usize];
            if self.settled as usize > self.plan.warm_up {
                self.answers.messages += 1;
                // With the window always full a latency says how long the window is, no more.
                if self.plan.interval.0 > 0 {
                    let latency = now.saturating_sub(scheduled).0.max(1);
                    self.answers.latency.saturating_record(latency);
                }
            }
            self.settled += 1;
        }
        if self.settled as usize > self.frames.len() && self.frames.len() > 0 {
            self.answers.took = now.saturating_sub(self.began);
            let _ = self.progress.done.set(self.answers.clone());
        }
    }

    /// Takes a packet that went out at `now`.
    fn take_reply(&mut self, length: usize, now: Nanos) {
        let Ok(packet) = parse(&self.scratch[HEADERS..length]) else { return };
        if self.token.is_some_and(|token| token != packet.session()) {
            // Of an appliance that is no more, still on its way.
            return;
        }
        let mut number = packet.seq();
        let mut settled = None;
        let mut token = None;
        for block in packet.blocks() {
            if !is_control(block) {
                number += 1;
                self.answers.replies += 1;
                self.answers.executions += (block.first() == Some(&b'E')) as u64;
                self.answers.rejections += (block.first() == Some(&b'J')) as u64;
                continue;
            }
            match Control::decode(block) {
                Ok(Control::Ack(ack)) => settled = Some(ack.next_expected),
                Ok(Control::LoginAck(ack)) => token = Some(ack.session),
                Ok(_) | Err(_) => {}
            }
        }
        if self.token.is_some() {
            self.next_rx = self.next_rx.max(number);
        }
        if let Some(token) = token.filter(|_| self.token.is_none()) {
            self.connected(token);
        }
        if let Some(next_expected) = settled {
            self.settle(next_expected, now);
        }
    }
}

fn packet(space: &mut [u8], token: Token, seq: u64, block: &[u8]) -> usize {
    let Some(mut writer) = PacketWriter::new(&mut space[..PACKET_MAX], token, seq) else {
        return 0;
    };
    assert!(writer.push(block), "a message fits a packet");
    writer.finish()
}

impl Port for LoadPort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        if self.token.is_none() {
            let now = self.clock.now();
            let is_due = now >= self.login_due;
            if is_due {
                self.login_due = Nanos(now.0 + LOGIN_EVERY.0);
                self.log_in(each);
            }
            return is_due as usize;
        }
        let mut seen = 0;
        if self.next_rx - self.acked_rx >= ACK_EVERY {
            self.acknowledge(each);
            seen += 1;
        }
        let paced = self.plan.interval.0 > 0;
        let now = self.clock.now();
        while seen < budget
            && self.next < self.frames.len()
            && self.next as u64 + 1 - self.settled < WINDOW
            && (!paced || now >= self.due)
        {
            let scheduled = if paced { self.due } else { now };
            if self.next == self.plan.warm_up {
                self.began = now;
                self.progress.is_warm.store(true, Ordering::Relaxed);
            }
            let seq = self.next + 1;
            self.scheduled[seq % WINDOW as usize] = scheduled;
            each(self.frames.get(self.next), FrameMeta::default());
            self.next += 1;
            self.due = Nanos(self.due.0 + self.plan.interval.0);
            seen += 1;
        }
        if seen == 0 && self.landed <= self.next && self.next < self.frames.len() {
            self.landed = self.next + 1;
            self.frames.land(self.next);
        }
        seen
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let space = self.scratch.get_mut(..length).ok_or(Full)?;
        fill(space);
        // The frame is out; what the client makes of it is its own time.
        let now = self.clock.now();
        if self.scratch[12..14] != [0x08, 0x00] {
            // A question about our station: it is what the frames say.
            return Ok(());
        }
        // A short frame is padded: its payload ends where its UDP length says.
        let udp_length = u16::from_be_bytes([self.scratch[38], self.scratch[39]]) as usize;
        self.take_reply((HEADERS + udp_length - udp::HEADER).min(length), now);
        Ok(())
    }

    fn flush(&mut self) {}
}

/// A port on which nothing comes and everything goes nowhere: the feed's, while orders are timed.
#[derive(Debug, Default)]
pub(super) struct NullPort {
    scratch: Vec<u8>,
}

impl Port for NullPort {
    fn receive(&mut self, _budget: usize, _each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        0
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        if self.scratch.len() < length {
            self.scratch.resize(length.max(2048), 0);
        }
        fill(&mut self.scratch[..length]);
        Ok(())
    }

    fn flush(&mut self) {}
}
