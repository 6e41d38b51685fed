//! The server's side of one client's session: what to execute, what to answer, what to repeat.
//!
//! Time is an argument and nothing is sent here: the owner feeds packets in and asks for packets
//! to send. The numbers are a fold over the record: after a restart the owner replays
//! `restore_…` and the replies, and the session goes on where it was.

use crate::model::Nanos;
use crate::snapshot::part;
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::control::{
    Ack, Control, Epoch, FROM_NOW, Login, LoginAck, LoginRejectCode, NotApplied, VERSION,
    is_control,
};
use crate::wire::session::held::WINDOW_MAX;
use crate::wire::session::inbox::{Arrival, Inbox, Sink};
use crate::wire::session::outbox::{Outbox, Retransmit, block_bytes};
use crate::wire::session::packet::{Packet, PacketWriter, Token};
use crate::wire::session::round_trip::RoundTrip;

/// Heartbeats that may be missed before a side counts as gone.
pub(crate) const HEARTBEATS_MISSED_MAX: u64 = 3;

/// What a session is told at construction.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// How often either side is heard at least.
    pub heartbeat: Nanos,
    /// How long a message that came before its turn waits for the ones before it.
    pub hold: Nanos,
    /// How long an acknowledgement waits for a reply to ride with.
    pub ack_delay: Nanos,
    /// Messages the client may have unacknowledged, at most [`WINDOW_MAX`].
    pub window: u16,
    /// Replies kept for repeats, rounded up to a power of two.
    pub outbox: usize,
    /// Replies sent ahead of the client's acknowledgement.
    pub flight: u32,
    /// Whether the client is told that its orders die with the connection.
    pub cancel_on_disconnect: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            heartbeat: Nanos(100_000_000),
            hold: Nanos(500_000),
            ack_delay: Nanos(100_000),
            window: WINDOW_MAX as u16,
            outbox: 4096,
            flight: 1024,
            cancel_on_disconnect: true,
        }
    }
}

/// What a session hands to its owner. Messages and gaps given up take room; the rest does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// The client's next message, to be executed now.
    Message {
        /// Its number.
        seq: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Numbers that were lost and will never be executed; to be put on record and announced.
    NotApplied {
        /// The first.
        from: u64,
        /// How many.
        count: u32,
    },
    /// A number that was delivered or given up before; not to be executed.
    Duplicate {
        /// The number.
        seq: u64,
    },
    /// The client lacks replies: send what [`ServerSession::write_retransmit`] writes.
    RetransmitRequest {
        /// The first.
        from: u64,
        /// How many.
        count: u16,
    },
    /// The client left.
    Logout,
    /// The client was not heard for three heartbeats, or lags by more than is kept: it is gone.
    Silent,
}

/// Whether a login is new to the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// Put it on record, then call [`ServerSession::logged_in`].
    New,
    /// The login sent again, for its answer may be lost; the session answers by itself.
    Repeated,
}

/// What went wrong so far, for the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounters {
    /// Packets of no connection, or of another.
    pub ignored: u64,
    /// Session-level messages that do not decode or do not belong here.
    pub malformed: u64,
    /// Messages that came again.
    pub duplicates: u64,
    /// Messages further ahead than the window.
    pub beyond_window: u64,
    /// Replies sent again.
    pub retransmitted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody is connected.
    Down,
    /// A login was accepted and is being put on record.
    Pending,
    /// Connected.
    Up,
    /// Logged out; late questions are still answered.
    Ended,
}

/// The session.
#[derive(Debug)]
pub struct ServerSession {
    config: ServerConfig,
    state: State,
    inbox: Inbox,
    outbox: Outbox,
    token: Token,
    nonce: u64,
    /// Under which primary clients are connected; 0 where there is one machine.
    epoch: u32,
    /// What the login being put on record expects next.
    next_rx: u64,
    heard_at: Nanos,
    sent_at: Nanos,
    /// The last acknowledgement that went out.
    ack_sent: u64,
    /// Since when there is something to acknowledge.
    ack_due: Option<Nanos>,
    login_ack_due: bool,
    end_due: bool,
    round_trip: RoundTrip,
    counters: ServerCounters,
}
// Connections do not outlive a start.
part!(
    ServerSession { inbox, outbox, nonce }
    kept {
        config, state, token, epoch, next_rx, heard_at, sent_at, ack_sent, ack_due,
        login_ack_due, end_due, round_trip, counters,
    }
);

impl ServerSession {
    /// A session whose numbers are all still to come.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            state: State::Down,
            inbox: Inbox::new(config.hold),
            outbox: Outbox::new(config.outbox, config.flight),
            token: Token::default(),
            nonce: 0,
            epoch: 0,
            next_rx: 1,
            heard_at: Nanos::ZERO,
            sent_at: Nanos::ZERO,
            ack_sent: 1,
            ack_due: None,
            login_ack_due: false,
            end_due: false,
            round_trip: RoundTrip::default(),
            counters: ServerCounters::default(),
        }
    }

    /// Takes from the record that the client's number `seq` was executed.
    pub fn restore_applied(&mut self, seq: u64) {
        self.inbox.restore(seq.saturating_add(1));
    }

    /// Takes from the record that `count` of the client's numbers were given up.
    pub fn restore_not_applied(&mut self, from: u64, count: u32) {
        self.inbox.restore(from.saturating_add(u64::from(count)));
    }

    /// Takes from the record that a login with this nonce was accepted.
    pub fn restore_nonce(&mut self, nonce: u64) {
        self.nonce = self.nonce.max(nonce);
    }

    /// Whether the client is connected.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// What packets of the connection carry.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The client's number that is executed next.
    pub fn next_expected(&self) -> u64 {
        self.inbox.expected()
    }

    /// Whether a message waits for nothing but room.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.inbox.is_behind()
    }

    /// The number the next reply gets.
    pub fn next_number(&self) -> u64 {
        self.outbox.next()
    }

    /// The lowest number of a reply still kept.
    pub fn oldest_number(&self) -> u64 {
        self.outbox.oldest()
    }

    /// What a reply was, if it is still kept.
    pub fn reply(&self, number: u64) -> Option<&[u8]> {
        self.outbox.kept(number)
    }

    /// Whether all replies from this one on are kept: nothing is needed from the log.
    pub fn keeps_from(&self, number: u64) -> bool {
        self.outbox.keeps_from(number)
    }

    /// Replies the client lacks and that are not kept, first and count: they are to be found in
    /// the log and handed to [`Self::fill_in`], in order. Asked for once, the answer stands.
    pub fn lacks(&mut self) -> Option<(u64, u32)> {
        if self.state == State::Up { self.outbox.lacks() } else { None }
    }

    /// Takes the next reply that the client lacks from the log; any other is not wanted.
    pub fn fill_in(&mut self, number: u64, bytes: &[u8]) {
        self.outbox.fill_in(number, bytes);
    }

    /// What went wrong so far.
    pub fn counters(&self) -> ServerCounters {
        self.counters
    }

    /// From a reply to the client's acknowledgement, the last time it was measured; zero before.
    pub fn round_trip(&self) -> Nanos {
        self.round_trip.last()
    }

    /// Judges a login; its address is the owner's to judge.
    ///
    /// # Errors
    /// The code for [`crate::wire::session::write_login_reject`]; the session is as it was.
    pub fn login(
        &mut self,
        login: &Login,
        key: &[u8],
        now: Nanos,
    ) -> Result<LoginStep, LoginRejectCode> {
        if login.version != VERSION {
            return Err(LoginRejectCode::WrongVersion);
        }
        if !login.is_signed_by(key) {
            return Err(LoginRejectCode::BadKey);
        }
        if login.nonce == self.nonce && matches!(self.state, State::Pending | State::Up) {
            self.login_ack_due = self.state == State::Up;
            self.heard_at = now;
            return Ok(LoginStep::Repeated);
        }
        if login.nonce <= self.nonce {
            return Err(LoginRejectCode::NonceUsed);
        }
        let ahead = login.next_tx.saturating_sub(self.inbox.expected());
        if ahead > WINDOW_MAX || login.next_rx > self.outbox.next() {
            return Err(LoginRejectCode::SequenceAhead);
        }
        self.nonce = login.nonce;
        self.next_rx = match login.next_rx {
            FROM_NOW => self.outbox.next(),
            next_rx => next_rx,
        };
        self.state = State::Pending;
        self.inbox.clear();
        Ok(LoginStep::New)
    }

    /// Clients that connect from now on do so under this primary.
    pub fn reign(&mut self, epoch: u32) {
        self.epoch = epoch;
    }

    /// Connects the client whose login was put on record; `token` must be hard to guess.
    ///
    /// Of several logins on record, the first connects and the last is the one that is answered.
    pub fn logged_in(&mut self, token: Token, now: Nanos) {
        if self.state != State::Pending {
            return;
        }
        self.state = State::Up;
        self.token = token;
        self.outbox.resume(self.next_rx);
        self.round_trip.forget();
        (self.heard_at, self.sent_at) = (now, now);
        self.ack_due = None;
        self.login_ack_due = true;
        self.end_due = false;
    }

    /// Ends the connection from this side: the client gets an end of session.
    pub fn log_out(&mut self) {
        if self.state == State::Up {
            self.state = State::Ended;
            self.end_due = true;
        }
    }

    /// Takes a packet in and hands on what it brings, at most `room` messages and gaps.
    ///
    /// What finds no room is kept within the window, or comes again: it is not acknowledged.
    #[inline]
    pub fn receive(
        &mut self,
        packet: &Packet<'_>,
        now: Nanos,
        room: usize,
        sink: &mut dyn FnMut(Delivery<'_>),
    ) {
        let is_ours =
            matches!(self.state, State::Up | State::Ended) && packet.session() == self.token;
        if !is_ours {
            self.counters.ignored += 1;
            return;
        }
        self.heard_at = now;
        // Whoever still speaks has not heard that this is over.
        self.end_due |= self.state == State::Ended;
        let mut to = Sink { room, deliver: sink };
        let mut seq = packet.seq();
        for block in packet.blocks() {
            if is_control(block) {
                self.control(block, now, &mut to);
            } else if self.state == State::Up {
                self.message(seq, block, now, &mut to);
                // Numbers do not come round; beyond the last one nothing fits the window.
                seq = seq.saturating_add(1);
            }
        }
        self.inbox.advance(now, &mut to);
    }

    #[inline]
    fn message(&mut self, seq: u64, bytes: &[u8], now: Nanos, to: &mut Sink<'_>) {
        match self.inbox.arrive(seq, bytes, now, to) {
            Arrival::Taken => {}
            Arrival::Duplicate => {
                // Its acknowledgement may be lost: say it again.
                self.counters.duplicates += 1;
                self.ack_due.get_or_insert(now);
            }
            Arrival::BeyondWindow => self.counters.beyond_window += 1,
        }
    }

    fn control(&mut self, block: &[u8], now: Nanos, to: &mut Sink<'_>) {
        match Control::decode(block) {
            Ok(Control::Ack(ack)) => {
                self.outbox.acked(ack.next_expected);
                self.round_trip.acknowledged(ack.next_expected, now);
            }
            Ok(Control::RetransmitRequest(request)) => {
                let (from, count) = (request.from, request.count);
                (to.deliver)(Delivery::RetransmitRequest { from, count });
            }
            Ok(Control::Logout(_)) => {
                if self.state == State::Up {
                    self.state = State::Ended;
                    (to.deliver)(Delivery::Logout);
                }
                self.end_due = true;
            }
            Ok(_) | Err(_) => self.counters.malformed += 1,
        }
    }

    /// Lets time pass: hands on what had to wait for room, gives up gaps, notices silence.
    pub fn poll(&mut self, now: Nanos, room: usize, sink: &mut dyn FnMut(Delivery<'_>)) {
        if self.state != State::Up {
            return;
        }
        self.inbox.advance(now, &mut Sink { room, deliver: &mut *sink });
        let patience = self.config.heartbeat.0.saturating_mul(HEARTBEATS_MISSED_MAX);
        let is_silent = now.saturating_sub(self.heard_at).0 > patience;
        if is_silent || self.outbox.is_detached() {
            self.state = State::Down;
            self.inbox.clear();
            sink(Delivery::Silent);
        }
    }

    /// Notes that the client's numbers up to `seq`, given up ones included, are on record.
    ///
    /// Every number that was delivered must be settled in the end; only then is it acknowledged.
    #[inline]
    pub fn settle(&mut self, seq: u64, now: Nanos) {
        self.inbox.settle(seq.saturating_add(1));
        if self.inbox.settled() > self.ack_sent {
            self.ack_due.get_or_insert(now);
        }
    }

    /// Numbers a reply that `fill` writes, and returns the number; none where `fill` leaves the
    /// bytes as they are and returns 0.
    #[inline]
    pub fn push(&mut self, fill: impl FnOnce(&mut [u8; MESSAGE_MAX]) -> usize) -> Option<u64> {
        self.outbox.push(fill)
    }

    /// Numbers the announcement that messages of the client were given up, lost (0) or refused.
    pub fn push_not_applied(&mut self, from: u64, count: u32, reason: u8) {
        self.push(|bytes| {
            let block = NotApplied { from, count, reason }.block();
            bytes[..block.len()].copy_from_slice(&block);
            block.len()
        });
    }

    /// Writes a packet of replies not sent yet, as many as fit; `None` where there are none.
    #[inline]
    pub fn write_unsent(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        if self.state != State::Up || self.login_ack_due || !self.outbox.has_unsent() {
            return None;
        }
        let ack = self.ack_due.map(|_| Ack { next_expected: self.inbox.settled() });
        let spare = ack.map_or(0, |_| block_bytes(Ack::LENGTH));
        let mut packet = PacketWriter::new(bytes, self.token, self.outbox.sent())?;
        if !self.outbox.write_unsent(&mut packet, spare) {
            return None;
        }
        if let Some(ack) = ack
            && packet.push(&ack.block())
        {
            self.acknowledged(ack.next_expected);
        }
        self.sent_at = now;
        self.round_trip.sent(self.outbox.sent(), now);
        Some(packet.finish())
    }

    fn acknowledged(&mut self, next_expected: u64) {
        self.ack_sent = next_expected;
        self.ack_due = None;
    }

    /// Writes replies of a range again; call on with what is left of the range.
    pub fn write_retransmit(&mut self, from: u64, count: u16, bytes: &mut [u8]) -> Retransmit {
        if !matches!(self.state, State::Up | State::Ended) || self.outbox.is_detached() {
            return Retransmit::Nothing;
        }
        let written = self.outbox.write_again(from, count, self.token, bytes);
        if let Retransmit::Packet { count, .. } = written {
            self.counters.retransmitted += u64::from(count);
            self.round_trip.repeated(from);
        }
        written
    }

    /// Writes what the protocol itself has to say now: the answer to a login, an end of session,
    /// an acknowledgement that found no reply to ride with, a heartbeat.
    pub fn write_upkeep(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        let length = match self.state {
            State::Down | State::Pending => None,
            State::Ended if self.end_due => {
                self.end_due = false;
                let packet = PacketWriter::new(bytes, self.token, self.outbox.sent())?;
                Some(packet.finish_session())
            }
            State::Ended => None,
            State::Up if self.login_ack_due => self.write_login_ack(bytes),
            State::Up => self.write_sign_of_life(bytes, now),
        };
        if length.is_some() {
            self.sent_at = now;
        }
        length
    }

    fn write_login_ack(&mut self, bytes: &mut [u8]) -> Option<usize> {
        // Before all that was delivered is on record, nobody knows which number comes next.
        if self.inbox.settled() != self.inbox.expected() {
            return None;
        }
        let next_rx = self.inbox.settled();
        let ack = LoginAck {
            session: self.token,
            nonce: self.nonce,
            next_tx: self.outbox.next(),
            next_rx,
            cancel_on_disconnect: u8::from(self.config.cancel_on_disconnect),
            heartbeat_ms: (self.config.heartbeat.0 / 1_000_000).clamp(1, 65_535) as u16,
            window: self.config.window.clamp(1, WINDOW_MAX as u16),
        };
        let mut packet = PacketWriter::new(bytes, self.token, self.outbox.sent())?;
        let epoch = Epoch { epoch: self.epoch };
        if self.epoch > 0 && !packet.push(&epoch.block()) || !packet.push(&ack.block()) {
            return None;
        }
        let length = packet.finish();
        self.login_ack_due = false;
        self.acknowledged(next_rx);
        Some(length)
    }

    fn write_sign_of_life(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        let waited = self.ack_due.map(|since| now.saturating_sub(since));
        let is_quiet = now.saturating_sub(self.sent_at) >= self.config.heartbeat;
        let seq = self.outbox.sent();
        if waited.is_some_and(|waited| is_quiet || waited >= self.config.ack_delay) {
            let ack = Ack { next_expected: self.inbox.settled() };
            let length = write_block(bytes, self.token, seq, &ack.block())?;
            self.acknowledged(ack.next_expected);
            return Some(length);
        }
        is_quiet.then(|| Some(PacketWriter::new(bytes, self.token, seq)?.finish())).flatten()
    }
}

/// Writes a packet with one block.
pub(crate) fn write_block(
    bytes: &mut [u8],
    session: Token,
    seq: u64,
    block: &[u8],
) -> Option<usize> {
    let mut packet = PacketWriter::new(bytes, session, seq)?;
    packet.push(block).then(|| packet.finish())
}
