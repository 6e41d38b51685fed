//! The opening of a session, from either side.

use crate::model::Nanos;
use crate::wire::fix::message::Message;
use crate::wire::fix::session::header::Header;
use crate::wire::fix::session::{
    Admin, Asked, Call, Ending, Logon, Outbound, Output, Phase, Role, SECOND, Session, Sink, Turn,
};
use crate::wire::fix::{tag, value};

/// The longest heartbeat interval a peer may ask for.
const HEARTBEAT_MAX_S: u64 = 3600;

impl Session {
    /// Whether the session may be up now; new hours begin with both numbers at 1.
    pub(super) fn open_hours(&mut self, now: Nanos, sink: &mut Sink<'_>) -> bool {
        let Some(schedule) = &self.config.schedule else { return true };
        let Some(hours) = schedule.hours(now) else { return false };
        if now < hours.from {
            return false;
        }
        let before = self.state.hours.replace(hours);
        if before.is_some_and(|before| before != hours) {
            self.state.expected = 1;
            sink(Output::Reset);
        }
        true
    }

    /// An initiator's first message.
    pub(super) fn log_on(&mut self, _out: Outbound, sink: &mut Sink<'_>) {
        let reset = self.config.reset_on_logon;
        if reset {
            self.state.expected = 1;
            sink(Output::Reset);
        }
        let expected = self.state.expected;
        let next_expected = self.config.next_expected.then_some(expected);
        let heartbeat = self.config.heartbeat_s;
        sink(Output::Say(Admin::Logon(Logon { heartbeat, reset, next_expected })));
    }

    /// Takes from the record when its numbers began, so that new hours are noticed.
    pub fn restore_hours(&mut self, began_at: Option<Nanos>) {
        let schedule = self.config.schedule.as_ref();
        self.state.hours = schedule.zip(began_at).and_then(|(schedule, at)| schedule.hours(at));
    }
}

impl Turn<'_> {
    /// The first message on a line: a good logon, or the line is dropped without a word.
    #[cold]
    pub(super) fn first(
        &mut self,
        message: &Message<'_>,
        header: &Header<'_>,
        call: &mut Call<'_, '_>,
    ) {
        let identity = &self.config.identity;
        let is_ours = message.begin_string() == identity.version.begin_string().as_bytes()
            && header.sender == identity.target.as_bytes()
            && header.target == identity.sender.as_bytes();
        let is_near = header.sending_time.is_some_and(|sent| self.is_near(sent, call.now));
        let is_good = self.verdict.is_ok();
        match message.kind() {
            b"A" if is_ours && is_near && is_good => self.logon(message, header, call),
            // The acceptor may say why it does not want us.
            b"5" if is_ours && self.config.role == Role::Initiator => {
                self.drop_line(Ending::LoggedOut, call);
            }
            _ => self.drop_line(Ending::NoLogon, call),
        }
    }

    /// A logon that is ours and well made: at the start, or to begin again at 1.
    #[cold]
    pub(super) fn logon(
        &mut self,
        message: &Message<'_>,
        header: &Header<'_>,
        call: &mut Call<'_, '_>,
    ) {
        let Some(seq) = header.seq else { return self.drop_line(Ending::NoLogon, call) };
        let wanted = match self.read_logon(message, seq) {
            Ok(wanted) => wanted,
            Err(ending) => return self.drop_line(ending, call),
        };
        let answers = self.config.role == Role::Acceptor || self.state.phase == Phase::Up;
        let forget = wanted.reset || (answers && self.config.reset_on_logon);
        // An initiator that asked for a reset has reset already.
        let is_echo = !answers && self.config.reset_on_logon;
        let mut next_out = call.out.next;
        if forget && !is_echo {
            (self.state.expected, next_out) = (1, 1);
            self.held.clear();
            call.put(Output::Reset);
        }
        let expected = self.state.expected;
        if seq < expected && !header.possible_duplicate {
            return self.end_now(Ending::TooLow { expected, received: seq }, call);
        }
        if wanted.next_expected.is_some_and(|next| next > next_out) {
            return self.end_now(Ending::ExpectsTooMuch, call);
        }
        self.state.heartbeat = Nanos(wanted.heartbeat * SECOND);
        let next = if seq == expected { seq + 1 } else { expected };
        if answers {
            let next_expected = self.config.next_expected.then_some(next);
            call.put(Output::Say(Admin::Logon(Logon { next_expected, ..wanted })));
        }
        (self.state.phase, self.state.since) = (Phase::Up, call.now);
        self.state.asked = None;
        self.expect(next, call);
        call.put(Output::Up);
        if let Some(lacked) = wanted.next_expected.filter(|lacked| *lacked < next_out) {
            call.put(Output::Resend(lacked, next_out - 1));
        }
        if seq > expected {
            self.state.asked = Some(Asked { until: seq, known: seq, at: call.now });
            // It is done, and counts when those before it have come.
            self.held.keep(seq, message.bytes(), true);
            // A peer that was told what is expected sends it without being asked.
            if !(self.config.next_expected && wanted.next_expected.is_some()) {
                call.put(Output::Say(Admin::ResendRequest(expected)));
            }
        }
    }

    /// What the peer's logon says; or why it is no good.
    fn read_logon(&self, message: &Message<'_>, seq: u64) -> Result<Logon, Ending> {
        let get = |tag| message.get(tag);
        let heartbeat = get(tag::HEART_BT_INT).and_then(value::number);
        let heartbeat = heartbeat.filter(|s| *s <= HEARTBEAT_MAX_S).ok_or(Ending::NoLogon)?;
        let version = self.config.identity.version.appl_ver_id();
        let speaks = version.is_none_or(|id| get(tag::DEFAULT_APPL_VER_ID) == Some(id.as_bytes()));
        let is_plain = get(tag::ENCRYPT_METHOD) == Some(b"0");
        let reset = get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y");
        if !speaks || !is_plain || (reset && seq != 1) {
            return Err(Ending::NoLogon);
        }
        if let Some(credentials) = &self.config.credentials {
            let username = get(tag::USERNAME).unwrap_or(b"");
            let password = get(tag::PASSWORD).or_else(|| get(tag::RAW_DATA)).unwrap_or(b"");
            if !credentials.match_with(username, password) {
                return Err(Ending::Credentials);
            }
        }
        let next_expected = get(tag::NEXT_EXPECTED_MSG_SEQ_NUM).and_then(value::number);
        Ok(Logon { heartbeat, reset, next_expected })
    }
}
