//! The course of binary order entry: the server's own session, and answers without a market.

mod answers;
mod order;

use std::collections::BTreeMap;

use crate::client::certify::{Line, News, Progress, Step};
use crate::model::Nanos;
use crate::wire::ouch::EnterOrder;
use crate::wire::session::control::is_control;
use crate::wire::session::{
    Control, Delivery, LoginRejectCode, PACKET_MAX, Packet, Retransmit, ServerConfig,
    ServerSession, login_of, parse, write_login_reject,
};

macro_rules! steps {
    ($($name:literal: $asks:literal;)+) => {
        /// Every step.
        pub const STEPS: &[Step] = &[$(Step { name: $name, asks: $asks },)+];
    };
}

steps! {
    "login": "Log in: Login (0x81) with the session's number, a nonce that rises, and the HMAC of \
              your secret.";
    "number": "Ask for your next order number: AccountQueryRequest (Q).";
    "enter": "Enter an order that rests: EnterOrder (O), time in force 0, quantity 2 or more.";
    "fill": "Half of it trades: take OrderExecuted (E) and acknowledge it with Ack (0x84).";
    "replace": "Replace it: ReplaceOrderRequest (U), with a new user_ref_num.";
    "modify": "Reduce it: ModifyOrderRequest (M), with the user_ref_num it has now.";
    "cancel": "Take it away: CancelOrderRequest (X), quantity 0.";
    "immediate": "Enter an order that is immediate or cancel: time in force 3. Nothing trades.";
    "refused": "Enter an order that rests: it is refused (J), and its number is used up.";
    "loss": "Enter another: its first packet is lost. Send the same bytes again, same number.";
    "gap": "Enter another: our answer is lost. Ask for it: RetransmitRequest (0x86).";
    "mass cancel": "Take all your orders away: MassCancelRequest (C).";
    "disable": "Shut order entry for your firm: DisableOrderEntryRequest (D).";
    "enable": "Open it again: EnableOrderEntryRequest (E).";
    "quiet": "Send nothing but heartbeats for a while: at least one in each interval.";
    "logout": "Leave: Logout (0x87), and wait for the end of session.";
}

/// Messages taken from one packet.
const ROOM: usize = 64;

/// The longest a gap in a client's numbers is held open: whoever learns takes time.
const HOLD: Nanos = Nanos(1_000_000_000);

/// An order as it stands.
#[derive(Clone, Copy, Debug)]
struct Open {
    order: EnterOrder,
    left: u32,
}

/// What a session handed on, kept until the session can be spoken to again.
enum Came {
    Message(u64, Vec<u8>),
    NotApplied(u64, u32),
    Lacks(u64, u16),
    Left,
    Silent,
}

/// The course.
pub struct UdpCourse {
    port: u16,
    key: Vec<u8>,
    symbol: [u8; 8],
    heartbeat: Nanos,
    session: ServerSession,
    progress: Progress,
    orders: BTreeMap<u32, Open>,
    last_number: u32,
    reference: u64,
    /// The reply whose acknowledgement is waited for.
    awaited: u64,
    /// The message that was lost on purpose.
    lost: Option<(u64, Vec<u8>)>,
    /// The reply that is to be lost, or was.
    missing: Option<u64>,
    began: Nanos,
}

impl UdpCourse {
    /// For the session of a number and secret, in an instrument.
    pub fn new(port: u16, key: &[u8], symbol: [u8; 8], heartbeat: Nanos) -> Self {
        let config = ServerConfig { heartbeat, hold: HOLD, ..ServerConfig::default() };
        Self {
            port,
            key: key.to_vec(),
            symbol,
            heartbeat,
            session: ServerSession::new(config),
            progress: Progress::new(STEPS.iter().map(|step| (*step, true))),
            orders: BTreeMap::new(),
            last_number: 0,
            reference: 0,
            awaited: 0,
            lost: None,
            missing: None,
            began: Nanos::ZERO,
        }
    }

    /// How far each step is.
    pub fn summary(&self) -> &[Line] {
        &self.progress.lines
    }

    /// What happened since this was asked last.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.progress.news)
    }

    /// Takes a datagram; answers go to `send`.
    pub fn receive(&mut self, bytes: &[u8], now: Nanos, send: &mut dyn FnMut(&[u8])) {
        let packet = match parse(bytes) {
            Ok(packet) => packet,
            Err(cause) => {
                return self.progress.mistake(format!(
                    "a datagram of {} bytes is no packet: {}; a packet is a token of 10 bytes, a \
                     number of 8, a count of 2, then blocks behind their lengths",
                    bytes.len(),
                    cause.sentence()
                ));
            }
        };
        if let Some(login) = login_of(&packet) {
            return self.log_in(&login, now, send);
        }
        if !self.session.is_up() && self.progress.name() == "login" {
            return self.progress.mistake("a packet came before a Login (0x81)".to_owned());
        }
        if self.is_lost(&packet) {
            return;
        }
        self.note_acknowledgement(&packet);
        let (ignored, mut came) = (self.session.counters().ignored, Vec::new());
        self.session.receive(&packet, now, ROOM, &mut |delivery| came.extend(kept(delivery)));
        if self.session.counters().ignored > ignored {
            self.progress.mistake(format!(
                "a packet has the token `{}`: after a login every packet has the one that LoginAck \
                 brought, `{}`",
                packet.session().escape_ascii(),
                self.session.token().escape_ascii()
            ));
        }
        self.take(came, now, send);
    }

    /// Lets time pass; what is due goes to `send`.
    pub fn poll(&mut self, now: Nanos, send: &mut dyn FnMut(&[u8])) {
        let mut came = Vec::new();
        self.session.poll(now, ROOM, &mut |delivery| came.extend(kept(delivery)));
        self.take(came, now, send);
        if self.progress.name() == "quiet" && self.session.is_up() {
            let since = now.saturating_sub(self.began).0;
            if since > 4 * self.heartbeat.0 {
                self.progress.done("quiet");
            }
        }
        self.speak(now, send);
    }

    fn log_in(
        &mut self,
        login: &crate::wire::session::Login,
        now: Nanos,
        send: &mut dyn FnMut(&[u8]),
    ) {
        let judged = match login.port == self.port {
            true => self.session.login(login, &self.key, now).map(|_| ()),
            false => Err(LoginRejectCode::UnknownPort),
        };
        match judged {
            Ok(()) => {
                self.session.logged_in(*b"CERTIFIES1", now);
                self.progress.done("login");
            }
            Err(code) => {
                let mut sentence = format!("the login is refused: {}", code.sentence());
                if code == LoginRejectCode::UnknownPort {
                    sentence += &format!(" ({} came, {} is examined)", login.port, self.port);
                }
                self.progress.mistake(sentence);
                let mut packet = [0; PACKET_MAX];
                if let Some(length) = write_login_reject(&mut packet, login, code) {
                    send(&packet[..length]);
                }
            }
        }
        self.speak(now, send);
    }

    /// Loses the first message of the step that asks for it, and compares it when it comes again.
    fn is_lost(&mut self, packet: &Packet<'_>) -> bool {
        if self.progress.name() != "loss" || packet.session() != self.session.token() {
            return false;
        }
        let first = packet.blocks().find(|block| !is_control(block));
        let Some(first) = first.filter(|_| packet.seq() >= self.session.next_expected()) else {
            return false;
        };
        match &self.lost {
            None => {
                self.lost = Some((packet.seq(), first.to_vec()));
                true
            }
            Some((number, bytes)) if *number == packet.seq() && bytes != first => {
                let what = format!(
                    "message {number} came again with other bytes: what a number stands for never \
                     changes, or it could be executed as something else"
                );
                self.progress.mistake(what);
                false
            }
            Some(_) => false,
        }
    }

    fn note_acknowledgement(&mut self, packet: &Packet<'_>) {
        for block in packet.blocks().filter(|block| is_control(block)) {
            match Control::decode(block) {
                Ok(Control::Ack(ack)) if ack.next_expected > self.awaited => {
                    if self.progress.name() == "fill" {
                        self.progress.done("fill");
                    }
                }
                Ok(_) => {}
                Err(cause) => {
                    let kind = block.first().copied().unwrap_or(0);
                    let what = format!("session message 0x{kind:02x}: {}", cause.sentence());
                    self.progress.mistake(what);
                }
            }
        }
    }

    fn take(&mut self, came: Vec<Came>, now: Nanos, send: &mut dyn FnMut(&[u8])) {
        for one in came {
            match one {
                Came::Message(number, bytes) => {
                    self.message(&bytes, now);
                    self.session.settle(number, now);
                    if self.lost.as_ref().is_some_and(|(lost, _)| *lost == number) {
                        self.lost = None;
                        self.progress.done("loss");
                    }
                }
                Came::NotApplied(from, count) => {
                    self.progress.mistake(format!(
                        "messages {from} to {} never came: number messages one after the other, \
                         and send what is not acknowledged again, the same bytes under the same \
                         number",
                        (from + u64::from(count)).saturating_sub(1)
                    ));
                    self.session.push_not_applied(from, count, 0);
                    self.session.settle((from + u64::from(count)).saturating_sub(1), now);
                }
                Came::Lacks(from, count) => self.say_again(from, count, send),
                Came::Left if self.progress.name() == "logout" => {
                    self.progress.done("logout");
                }
                Came::Left => {
                    let asks = self.progress.asks();
                    self.progress.mistake(format!("you left; this was asked for: {asks}"));
                }
                Came::Silent => self.progress.mistake(format!(
                    "nothing was heard for three heartbeats: with nothing to say send an empty \
                     packet every {} ms; log in again",
                    self.heartbeat.0 / 1_000_000
                )),
            }
        }
        self.speak(now, send);
    }

    fn say_again(&mut self, from: u64, count: u16, send: &mut dyn FnMut(&[u8])) {
        let (mut from, mut count) = (from, count);
        let asked = from..from.saturating_add(u64::from(count));
        let mut packet = [0; PACKET_MAX];
        loop {
            match self.session.write_retransmit(from, count, &mut packet) {
                Retransmit::Packet { length, count: written } if written > 0 => {
                    send(&packet[..length]);
                    from += u64::from(written);
                    count = count.saturating_sub(written);
                }
                _ => break,
            }
            if count == 0 {
                break;
            }
        }
        if self.missing.is_some_and(|missing| asked.contains(&missing)) {
            self.missing = None;
            self.progress.done("gap");
        }
    }

    /// Sends what is due; loses the reply that is to be lost.
    fn speak(&mut self, now: Nanos, send: &mut dyn FnMut(&[u8])) {
        let mut packet = [0; PACKET_MAX];
        while let Some(length) = self.session.write_upkeep(&mut packet, now) {
            send(&packet[..length]);
        }
        while let Some(length) = self.session.write_unsent(&mut packet, now) {
            let begins = parse(&packet[..length]).map_or(0, |packet| packet.seq());
            if self.progress.name() != "gap" || self.missing != Some(begins) {
                send(&packet[..length]);
            }
        }
    }
}

/// A delivery that outlives the call it came in.
fn kept(delivery: Delivery<'_>) -> Option<Came> {
    Some(match delivery {
        Delivery::Message { seq, bytes } => Came::Message(seq, bytes.to_vec()),
        Delivery::NotApplied { from, count } => Came::NotApplied(from, count),
        Delivery::RetransmitRequest { from, count } => Came::Lacks(from, count),
        Delivery::Logout => Came::Left,
        Delivery::Silent => Came::Silent,
        Delivery::Duplicate { .. } => return None,
    })
}
