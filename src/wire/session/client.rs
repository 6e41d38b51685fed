//! The client's side of a session: sends each message until it is settled, takes each reply once.
//!
//! The owner writes a message down before it sends it and a reply before it asks for the next
//! packet; `restore_…` from that log makes a restart invisible to the server.

use crate::model::Nanos;
use crate::snapshot::part;
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::control::{
    self, Ack, Control, FROM_NOW, Login, LoginAck, LoginRejectCode, Logout, RetransmitRequest,
    VERSION, is_control,
};
use crate::wire::session::held::{Held, WINDOW_MAX};
use crate::wire::session::outbox::block_bytes;
use crate::wire::session::packet::{Packet, PacketWriter, Token};
use crate::wire::session::sent::Sent;
use crate::wire::session::server::{HEARTBEATS_MISSED_MAX, write_block};

/// What packets carry before a connection has its token.
pub(crate) const NO_SESSION: Token = [b' '; 10];

/// What a client's session is told at construction.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// Which client this is.
    pub port: u16,
    /// How long to wait for an acknowledgement before sending the same bytes again; at least two
    /// heartbeats, for an acknowledgement may wait for one.
    pub resend_after: Nanos,
    /// How long to wait for messages asked for again, and for the answer to a login.
    pub request_after: Nanos,
    /// How long an acknowledgement waits for a message to ride with.
    pub ack_delay: Nanos,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            port: 0,
            resend_after: Nanos(200_000_000),
            request_after: Nanos(2_000_000),
            ack_delay: Nanos(1_000_000),
        }
    }
}

/// What a session tells its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'a> {
    /// Connected; messages may be sent.
    LoggedIn {
        /// The number of the owner's next message.
        next_tx: u64,
        /// Whether the orders die with the connection.
        cancel_on_disconnect: bool,
    },
    /// Not connected; `None` for a code this version does not know.
    LoginRejected(Option<LoginRejectCode>),
    /// The server's next message.
    Message {
        /// Its number.
        number: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Messages of the owner that will never be executed.
    NotApplied {
        /// The number of the announcement.
        number: u64,
        /// The first message.
        from: u64,
        /// How many.
        count: u32,
        /// 0 where they were lost on the way, else why they were refused.
        reason: u8,
    },
    /// The server was not heard for three heartbeats: log in again.
    Silent,
    /// No message comes any more, and all that came were handed over.
    Ended,
    /// The server does not know messages it had acknowledged: it lost its record; call somebody.
    ServerBehind,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no connection.
    #[error("not connected; log in first")]
    NotConnected,
    /// The server has not settled enough of what was sent.
    #[error("the window is full; wait for acknowledgements")]
    WindowFull,
    /// No message is this long.
    #[error("the message is longer than any message of the protocol")]
    TooLong,
    /// Its first byte is one of the session's own.
    #[error("the message begins with a byte of 0x80 or above, which the session keeps for itself")]
    NotApplication,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    LoggingIn,
    Up,
    LoggingOut,
}

/// The session.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    state: State,
    sent: Sent,
    held: Held,
    next_rx: u64,
    /// The server has sent numbers below this.
    announced: u64,
    /// Messages below this were asked for again, at that time.
    requested: (u64, Nanos),
    /// The number after the last one, once the server said so.
    end: Option<u64>,
    login: Login,
    token: Token,
    window: u64,
    heartbeat: Nanos,
    heard_at: Nanos,
    sent_at: Nanos,
    /// When the window last moved, or was last sent.
    progress_at: Nanos,
    ack_due: Option<Nanos>,
    /// The login, or the logout, is to be sent at this time.
    ask_at: Nanos,
    /// The last primary that was heard of; 0 before any.
    epoch: u32,
    /// Connections that were offered by one before that, and packets of connections that are over.
    stale: u64,
}
part!(
    ClientSession { next_rx }
    kept {
        config, state, sent, held, announced, requested, end, login, token, window, heartbeat,
        heard_at, sent_at, progress_at, ack_due, ask_at, epoch, stale,
    }
);

impl ClientSession {
    /// A session whose numbers are all still to come.
    pub fn new(config: ClientConfig) -> Self {
        let login = Login {
            version: VERSION,
            port: config.port,
            nonce: 0,
            next_tx: 1,
            next_rx: 1,
            code: [0; 16],
        };
        Self {
            config,
            state: State::Down,
            sent: Sent::new(),
            held: Held::new(),
            next_rx: 1,
            announced: 1,
            requested: (0, Nanos::ZERO),
            end: None,
            login,
            token: NO_SESSION,
            window: 0,
            heartbeat: Nanos::ZERO,
            heard_at: Nanos::ZERO,
            sent_at: Nanos::ZERO,
            progress_at: Nanos::ZERO,
            ack_due: None,
            ask_at: Nanos::ZERO,
            epoch: 0,
            stale: 0,
        }
    }

    /// Takes from the owner's log that there was this primary: none before it is believed.
    pub fn restore_epoch(&mut self, epoch: u32) {
        self.epoch = self.epoch.max(epoch);
    }

    /// The last primary that was heard of; 0 where there is one machine.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Connections refused because a machine offered them that is primary no longer, and packets
    /// passed over because their connection is over.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// Takes a message from the owner's log: it may have been sent. In order; the last 64 matter.
    pub fn restore_sent(&mut self, seq: u64, bytes: &[u8]) {
        self.sent.keep(seq, bytes);
    }

    /// Takes from the owner's log that the server's messages up to `number` came.
    pub fn restore_received(&mut self, number: u64) {
        self.next_rx = self.next_rx.max(number.saturating_add(1));
    }

    /// For a client that keeps no log: at login it is told nothing of what it missed.
    pub fn forget_received(&mut self) {
        self.next_rx = FROM_NOW;
    }

    /// Whether messages may be sent.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether there is neither a connection nor an attempt at one.
    pub fn is_idle(&self) -> bool {
        self.state == State::Down
    }

    /// The number the next message gets.
    pub fn next_tx(&self) -> u64 {
        self.sent.next
    }

    /// The server's number that is expected next.
    pub fn next_rx(&self) -> u64 {
        self.next_rx
    }

    /// The lowest number the server has not settled yet.
    pub fn unsettled(&self) -> u64 {
        self.sent.acked
    }

    /// Begins to log in; `nonce` must be larger than any before it (a clock is).
    pub fn log_in(&mut self, nonce: u64, key: &[u8], now: Nanos) {
        self.state = State::LoggingIn;
        self.held.clear();
        let unsigned =
            Login { nonce, next_tx: self.sent.next, next_rx: self.next_rx, ..self.login };
        self.login = unsigned.signed(key);
        self.ask_at = now;
    }

    /// Begins to log out; [`ClientEvent::Ended`] says when it is done.
    pub fn log_out(&mut self, now: Nanos) {
        if self.state == State::Up {
            self.state = State::LoggingOut;
            self.ask_at = now;
        }
    }

    /// Numbers a message and keeps it until it is settled; [`Self::write`] sends it.
    ///
    /// # Errors
    /// [`Refused`]; nothing was numbered.
    pub fn send(&mut self, bytes: &[u8]) -> Result<u64, Refused> {
        if self.state != State::Up {
            return Err(Refused::NotConnected);
        }
        if self.sent.next - self.sent.acked >= self.window {
            return Err(Refused::WindowFull);
        }
        if bytes.len() > MESSAGE_MAX {
            return Err(Refused::TooLong);
        }
        if is_control(bytes) {
            return Err(Refused::NotApplication);
        }
        let seq = self.sent.next;
        self.sent.keep(seq, bytes);
        Ok(seq)
    }

    /// Takes a packet in.
    pub fn receive(
        &mut self,
        packet: &Packet<'_>,
        now: Nanos,
        tell: &mut dyn FnMut(ClientEvent<'_>),
    ) {
        if self.state == State::LoggingIn {
            self.receive_login_answer(packet, now, tell);
            return;
        }
        if self.state == State::Down {
            return;
        }
        if packet.session() != self.token {
            self.stale += 1;
            return;
        }
        self.heard_at = now;
        let mut number = packet.seq();
        for block in packet.blocks() {
            if is_control(block) && block.first() != Some(&NOT_APPLIED) {
                self.control(block, now);
            } else {
                self.message(number, block, now, tell);
                number = number.saturating_add(1);
            }
        }
        self.announced = self.announced.max(number);
        if packet.is_end() {
            self.end = Some(packet.seq());
        }
        let is_over = self.end.is_some_and(|end| self.next_rx >= end);
        if is_over || packet.is_end() && self.state == State::LoggingOut {
            self.state = State::Down;
            tell(ClientEvent::Ended);
        }
    }

    fn receive_login_answer(
        &mut self,
        packet: &Packet<'_>,
        now: Nanos,
        tell: &mut dyn FnMut(ClientEvent<'_>),
    ) {
        let mut epoch = 0;
        for block in packet.blocks() {
            match Control::decode(block) {
                Ok(Control::Epoch(now)) => epoch = now.epoch,
                Ok(Control::LoginAck(ack)) if ack.nonce == self.login.nonce => {
                    if epoch < self.epoch {
                        self.stale += 1;
                        return;
                    }
                    self.epoch = epoch;
                    self.logged_in(&ack, now, tell);
                    return;
                }
                Ok(Control::LoginReject(reject)) if reject.nonce == self.login.nonce => {
                    self.state = State::Down;
                    tell(ClientEvent::LoginRejected(LoginRejectCode::from_code(reject.code)));
                    return;
                }
                _ => {}
            }
        }
    }

    fn logged_in(&mut self, ack: &LoginAck, now: Nanos, tell: &mut dyn FnMut(ClientEvent<'_>)) {
        if ack.next_rx < self.sent.acked {
            self.state = State::Down;
            tell(ClientEvent::ServerBehind);
            return;
        }
        self.state = State::Up;
        self.token = ack.session;
        if self.next_rx == FROM_NOW {
            self.next_rx = ack.next_tx;
        }
        self.window = u64::from(ack.window).min(WINDOW_MAX);
        self.heartbeat = Nanos(u64::from(ack.heartbeat_ms) * 1_000_000);
        self.sent.resume(ack.next_rx);
        (self.heard_at, self.sent_at, self.progress_at) = (now, now, now);
        // What the server sent before, it streams again by itself.
        self.announced = self.next_rx;
        self.requested = (self.next_rx, now);
        (self.end, self.ack_due) = (None, Some(now));
        tell(ClientEvent::LoggedIn {
            next_tx: self.sent.next,
            cancel_on_disconnect: ack.cancel_on_disconnect != 0,
        });
    }

    fn control(&mut self, block: &[u8], now: Nanos) {
        if let Ok(Control::Ack(ack)) = Control::decode(block)
            && self.sent.acked(ack.next_expected)
        {
            self.progress_at = now;
        }
    }

    fn message(
        &mut self,
        number: u64,
        bytes: &[u8],
        now: Nanos,
        tell: &mut dyn FnMut(ClientEvent<'_>),
    ) {
        self.ack_due.get_or_insert(now);
        if number > self.next_rx && number - self.next_rx < WINDOW_MAX {
            self.held.keep(number, bytes, now);
        }
        if number != self.next_rx {
            return;
        }
        hand_over(number, bytes, tell);
        self.next_rx += 1;
        // The window has moved by one: a slot must not keep what just came another way.
        self.held.take(number);
        while let Some(bytes) = self.held.take(self.next_rx) {
            hand_over(self.next_rx, bytes, tell);
            self.next_rx += 1;
        }
    }

    /// Lets time pass: notices silence.
    pub fn poll(&mut self, now: Nanos, tell: &mut dyn FnMut(ClientEvent<'_>)) {
        let patience = self.heartbeat.0.saturating_mul(HEARTBEATS_MISSED_MAX);
        let is_connected = matches!(self.state, State::Up | State::LoggingOut);
        if is_connected && now.saturating_sub(self.heard_at).0 > patience {
            self.state = State::Down;
            tell(ClientEvent::Silent);
        }
    }

    /// Writes the next packet to send now; call again until there is none.
    pub fn write(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        let length = match self.state {
            State::Down => None,
            State::LoggingIn => {
                let login = self.login.block();
                self.write_question(bytes, NO_SESSION, &login, now)
            }
            State::LoggingOut => {
                let token = self.token;
                self.write_question(bytes, token, &Logout {}.block(), now)
            }
            State::Up => self
                .write_messages(bytes, now)
                .or_else(|| self.write_request(bytes, now))
                .or_else(|| self.write_sign_of_life(bytes, now)),
        };
        if length.is_some() {
            self.sent_at = now;
        }
        length
    }

    /// Asks for connection or its end, again and again until there is an answer.
    fn write_question(
        &mut self,
        bytes: &mut [u8],
        session: Token,
        block: &[u8],
        now: Nanos,
    ) -> Option<usize> {
        if now < self.ask_at {
            return None;
        }
        self.ask_at = Nanos(now.0.saturating_add(self.config.request_after.0));
        write_block(bytes, session, self.sent.next, block)
    }

    fn write_messages(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        let waited = now.saturating_sub(self.progress_at);
        if self.sent.has_unacked() && waited >= self.config.resend_after {
            self.sent.sent = self.sent.acked;
        }
        self.sent.skip_lost();
        if !self.sent.has_unsent() {
            return None;
        }
        let spare = self.ack_due.map_or(0, |_| block_bytes(Ack::LENGTH));
        let mut packet = PacketWriter::new(bytes, self.token, self.sent.sent)?;
        if !self.sent.write(&mut packet, spare) {
            return None;
        }
        if self.ack_due.is_some() && packet.push(&self.ack().block()) {
            self.ack_due = None;
        }
        self.progress_at = now;
        Some(packet.finish())
    }

    fn ack(&self) -> Ack {
        Ack { next_expected: self.next_rx }
    }

    /// Asks for messages that the server sent and that did not come.
    fn write_request(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        let until = self.held.first(self.next_rx).unwrap_or(self.announced);
        let (asked_until, asked_at) = self.requested;
        let is_asked =
            self.next_rx < asked_until && now.saturating_sub(asked_at) < self.config.request_after;
        if until <= self.next_rx || is_asked {
            return None;
        }
        let count = (until - self.next_rx).min(u64::from(u16::MAX)) as u16;
        self.requested = (self.next_rx + u64::from(count), now);
        let request = RetransmitRequest { from: self.next_rx, count };
        write_block(bytes, self.token, self.sent.sent, &request.block())
    }

    /// An acknowledgement that found no message to ride with, or that is the heartbeat.
    fn write_sign_of_life(&mut self, bytes: &mut [u8], now: Nanos) -> Option<usize> {
        let waited = self.ack_due.map(|since| now.saturating_sub(since));
        let is_quiet = now.saturating_sub(self.sent_at) >= self.heartbeat;
        if !is_quiet && waited.is_none_or(|waited| waited < self.config.ack_delay) {
            return None;
        }
        self.ack_due = None;
        write_block(bytes, self.token, self.sent.sent, &self.ack().block())
    }
}

/// The type byte of the one session-level message that takes a number.
const NOT_APPLIED: u8 = control::NotApplied::TYPE;

/// Hands over a numbered message.
fn hand_over(number: u64, bytes: &[u8], tell: &mut dyn FnMut(ClientEvent<'_>)) {
    match Control::decode(bytes) {
        Ok(Control::NotApplied(gap)) => {
            let control::NotApplied { from, count, reason } = gap;
            tell(ClientEvent::NotApplied { number, from, count, reason });
        }
        _ => tell(ClientEvent::Message { number, bytes }),
    }
}
