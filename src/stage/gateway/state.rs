//! All sessions of a gateway: a fold over commands and events, and what of it is alive.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use crate::link::Producer;
use crate::model::{
    AccountId, Command, Event, Group, Instrument, Nanos, SelfTrade, SessionId, base36,
};
use crate::runtime::Counters;
use crate::snapshot::part;
use crate::stage::SessionRow;
use crate::stage::gateway::request::Symbols;
use crate::stage::gateway::session::{Session, token_prefix};
use crate::stage::gateway::{GRACE_HEARTBEATS, GatewayCounter, OldReply, Wanted};
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::control::FROM_NOW;
use crate::wire::session::{Login, LoginRejectCode, LoginStep, ServerConfig, Token};

/// A client's session, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSpec {
    /// Its number.
    pub id: SessionId,
    /// The secret it proves at login.
    pub key: Vec<u8>,
    /// The account its orders are for when they name none.
    pub first_account: AccountId,
    /// Whether its orders die when it falls silent.
    pub cancel_on_disconnect: bool,
    /// What happens when it would trade with its own account.
    pub self_trade: SelfTrade,
}

/// What a gateway is told at boot.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Our address and port.
    pub address: SocketAddrV4,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// Destinations that an order may name.
    pub destinations: Vec<(String, SessionId)>,
    /// By session id.
    pub sessions: Vec<Option<SessionSpec>>,
    /// How often either side is heard at least.
    pub heartbeat: Nanos,
    /// How long a gap is held open.
    pub hold: Nanos,
    /// Replies kept per session.
    pub reply_cache: usize,
    /// Messages a client may have on the way.
    pub window: u16,
    /// Orders are routed to destinations, which answer late.
    pub late_answers: bool,
    /// Makes session tokens hard to guess; from the system's randomness.
    pub secret: [u8; 32],
}

/// A session's numbers, to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// The client's number that is executed next.
    pub next_expected: u64,
    /// The number the next reply gets.
    pub next_number: u64,
    /// The highest order number used.
    pub last_ordinal: u32,
    /// Connected, as far as history knows.
    pub is_up: bool,
}

/// All sessions of a gateway.
#[derive(Debug)]
pub struct GatewayState {
    pub(super) options: GatewayOptions,
    pub(super) symbols: Symbols,
    pub(super) sessions: Box<[Option<Session>]>,
    /// Sessions that may have something to send; each stands here at most once.
    pub(super) dirty: Vec<usize>,
    /// Sessions whose messages found no room, in the order in which that happened; each once.
    pub(super) behind: VecDeque<usize>,
    /// A login to be refused: to whom, and why.
    pub(super) refusal: Option<(SocketAddrV4, Login, LoginRejectCode)>,
}
part!(GatewayState { symbols } each { sessions } kept { options, dirty, behind, refusal });

impl GatewayState {
    /// Before the first login.
    pub fn new(options: &GatewayOptions) -> Self {
        let config = |spec: &SessionSpec| ServerConfig {
            heartbeat: options.heartbeat,
            hold: options.hold,
            window: options.window,
            outbox: options.reply_cache,
            flight: options.reply_cache as u32 / 2,
            cancel_on_disconnect: spec.cancel_on_disconnect,
            ..ServerConfig::default()
        };
        let session = |spec: &Option<SessionSpec>| {
            spec.as_ref().map(|spec| Session::new(spec.clone(), config(spec), options.late_answers))
        };
        Self {
            symbols: Symbols::new(&options.instruments).with_destinations(&options.destinations),
            sessions: options.sessions.iter().map(session).collect(),
            dirty: Vec::with_capacity(options.sessions.len()),
            behind: VecDeque::with_capacity(options.sessions.len()),
            refusal: None,
            options: options.clone(),
        }
    }

    /// Takes a command from the record.
    pub fn restore_command(&mut self, group: &Group<Command>) {
        if let Some(Some(session)) = self.sessions.get_mut(group.head.session.index()) {
            session.restore(group);
        }
    }

    /// Takes an event from the record: the numbers it took are taken again.
    pub fn restore_event(&mut self, event: &Event) {
        self.tell(event, event.timestamp);
    }

    /// The numbers of every session.
    pub fn views(&self) -> impl Iterator<Item = SessionView> + '_ {
        self.sessions.iter().flatten().map(|session| SessionView {
            session: session.spec.id,
            next_expected: session.machine.next_expected(),
            next_number: session.machine.next_number(),
            last_ordinal: session.pending.last_ordinal(),
            is_up: session.is_up,
        })
    }

    /// The session at a place, for people.
    pub(super) fn row(&self, at: usize) -> Option<(SessionId, SessionRow)> {
        let session = self.sessions.get(at)?.as_ref()?;
        let row = SessionRow {
            is_up: session.is_up,
            heard: session.machine.next_expected().saturating_sub(1),
            told: session.machine.next_number().saturating_sub(1),
            last_ordinal: session.pending.last_ordinal().into(),
            told_again: session.machine.counters().retransmitted,
            round_trip_ns: session.machine.round_trip().0,
        };
        Some((session.spec.id, row))
    }

    /// Numbers what an event tells its session, or every session if it is the market's; returns
    /// when the message it answers was received, if this is the first answer.
    #[inline]
    pub(super) fn tell(&mut self, event: &Event, now: Nanos) -> Option<Nanos> {
        if event.session.0 == 0 {
            self.symbols.note(event);
            for at in 0..self.sessions.len() {
                self.tell_session(at, event, now);
            }
            return None;
        }
        self.tell_session(event.session.index(), event, now)
    }

    #[inline]
    fn tell_session(&mut self, at: usize, event: &Event, now: Nanos) -> Option<Nanos> {
        let session = self.sessions.get_mut(at)?.as_mut()?;
        let received_at = session.tell(event, &self.symbols, now);
        if !std::mem::replace(&mut session.is_listed, true) {
            self.dirty.push(at);
        }
        received_at
    }

    /// Notes that a session may have something to send.
    #[inline]
    pub(super) fn mark(&mut self, at: usize) {
        let Some(Some(session)) = self.sessions.get_mut(at) else { return };
        if !std::mem::replace(&mut session.is_listed, true) {
            self.dirty.push(at);
        }
    }

    /// Notes that a session's messages wait for room, if they do.
    #[inline]
    pub(super) fn queue(&mut self, at: usize) {
        let Some(Some(session)) = self.sessions.get_mut(at) else { return };
        if session.machine.is_behind() && !std::mem::replace(&mut session.is_behind, true) {
            self.behind.push_back(at);
        }
    }

    /// The first poll: sessions that a restart cut off get time to come back.
    pub(super) fn start(&mut self, now: Nanos) {
        self.dirty.clear();
        let grace = Nanos(self.options.heartbeat.0.saturating_mul(GRACE_HEARTBEATS));
        for session in self.sessions.iter_mut().flatten() {
            session.is_listed = false;
            session.grace_ends = session.is_up.then(|| now.saturating_add(grace));
        }
    }

    /// Judges a login: the port, the address, then what the session itself says.
    pub(super) fn judge(
        &mut self,
        login: &Login,
        from: SocketAddrV4,
        now: Nanos,
    ) -> Result<LoginStep, LoginRejectCode> {
        let session = self.sessions.get_mut(login.port as usize).and_then(Option::as_mut);
        let session = session.ok_or(LoginRejectCode::UnknownPort)?;
        if session.is_broken {
            return Err(LoginRejectCode::NotOpen);
        }
        if !login.is_signed_by(&session.spec.key) {
            return Err(LoginRejectCode::BadKey);
        }
        if session.machine.is_up() && session.peer != Some(from) {
            return Err(LoginRejectCode::ConnectedElsewhere);
        }
        let is_kept = login.next_rx == FROM_NOW || session.machine.keeps_from(login.next_rx);
        if session.is_unreadable && !is_kept {
            return Err(LoginRejectCode::RepliesAgedOut);
        }
        let step = session.machine.login(login, &session.spec.key, now)?;
        session.peer = Some(from);
        Ok(step)
    }

    /// Whether the session of a login may make one record more while room is short.
    pub(super) fn may_record(&mut self, port: u16, now: Nanos) -> bool {
        let session = self.sessions.get_mut(port as usize).and_then(Option::as_mut);
        session.is_none_or(|session| session.shortage.allowance(now) > 0)
    }

    /// The login of an event is on record: the client is connected.
    pub(super) fn connect(&mut self, event: &Event, now: Nanos) {
        let at = event.session.index();
        let secret = self.options.secret;
        let Some(Some(session)) = self.sessions.get_mut(at) else { return };
        session.is_up = true;
        session.owes_down = false;
        session.grace_ends = None;
        session.asked_until = 0;
        session.machine.logged_in(token(&secret, session.spec.id, event), now);
    }

    /// Asks for old replies that a session lacks, each once.
    pub(super) fn ask_archive(&mut self, at: usize, wanted: &mut Producer<Wanted>) {
        let Some(Some(session)) = self.sessions.get_mut(at) else { return };
        if let Some((from, count)) = session.machine.lacks()
            && from >= session.asked_until
            && wanted.push_head(&Wanted::new(session.spec.id, from, count))
        {
            session.asked_until = from + u64::from(count);
        }
    }

    /// Takes an old reply; where there is none to be had the session ends, for good reason.
    #[cold]
    pub(super) fn fill_in(
        &mut self,
        reply: &Group<OldReply>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        let at = reply.head.session.index();
        let Some(Some(session)) = self.sessions.get_mut(at) else { return };
        match OldReply::read(reply, &mut [0; MESSAGE_MAX]) {
            Some(bytes) => {
                session.machine.fill_in(reply.head.number, bytes);
                counters.count(GatewayCounter::Found);
            }
            None => {
                session.is_unreadable = true;
                session.owes_down |= session.machine.is_up();
                session.machine.log_out();
                counters.count(GatewayCounter::Unreadable);
            }
        }
        self.mark(at);
    }

    /// Clients that connect from now on do so under this primary.
    pub fn reign(&mut self, epoch: u32) {
        let sessions = self.sessions.iter_mut().flatten();
        sessions.for_each(|session| session.machine.reign(epoch));
    }

    /// What it was told at boot.
    pub fn options(&self) -> &GatewayOptions {
        &self.options
    }

    /// Ends all connections from this side.
    pub(super) fn log_all_out(&mut self) {
        for at in 0..self.sessions.len() {
            let Some(Some(session)) = self.sessions.get_mut(at) else { continue };
            if session.machine.is_up() {
                session.machine.log_out();
                session.owes_down = true;
                self.mark(at);
            }
        }
    }
}

/// A token that nobody can guess who does not know the secret: the session's number, then six
/// characters that depend on the login's place in history.
fn token(secret: &[u8; 32], session: SessionId, event: &Event) -> Token {
    let mut token = [b'0'; 10];
    token[..4].copy_from_slice(&token_prefix(session));
    if let Ok(mut sum) = Hmac::<Sha256>::new_from_slice(secret) {
        sum.update(&event.id.0.to_be_bytes());
        let bytes = sum.finalize().into_bytes();
        for (place, byte) in token[4..].iter_mut().zip(bytes) {
            *place = base36::DIGITS[byte as usize % base36::DIGITS.len()];
        }
    }
    token
}
