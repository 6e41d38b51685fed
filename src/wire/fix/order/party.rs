//! A client stops trading of its session, of an account or of its firm, or lets it go on (DH), and
//! is told (DI). What is asked becomes a kill like an operator's, with the person and the reason
//! that the message names; what a client stopped only it and operators let go on.

use crate::model::{
    AccountId, CommandKind, Group, Nanos, Note, RejectCode, Request, Scope, SessionId, Text,
    TradingState,
};
use crate::wire::fix::message::Message;
use crate::wire::fix::order::chain::Id;
use crate::wire::fix::order::decode::{Directory, Sender};
use crate::wire::fix::tag;
use crate::wire::fix::value::Precision;
use crate::wire::fix::writer::Writer;

/// Why nothing is asked of the sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyRefusal {
    /// There is not one party whose role is known, or nobody has that name.
    Invalid,
    /// Nobody is named who asks.
    Nameless,
    /// Not said why.
    NoReason,
    /// The session may not stop that, or may not let it go on.
    NotAuthorized,
}

impl PartyRefusal {
    /// PartyActionRejectReason (2333).
    const fn code(self) -> u64 {
        match self {
            Self::Invalid => 0,
            Self::Nameless => 1,
            Self::NotAuthorized => 98,
            Self::NoReason => 99,
        }
    }

    /// What to do instead, in words.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Invalid => {
                "name one party: role 55 and a session, 24 and an account, or 1 and a firm"
            }
            Self::Nameless => "name who asks: one requesting party, of at most 15 letters",
            Self::NotAuthorized => "the session may not do that to this party",
            Self::NoReason => "say why, in a text of at most 32 bytes",
        }
    }
}

/// Roles of parties (452) and how far each reaches.
const ROLES: [(&[u8], Scope); 3] =
    [(b"55", Scope::Session), (b"24", Scope::Account), (b"1", Scope::Firm)];

/// What a message says, as it says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said<'a> {
    id: &'a [u8],
    action: &'a [u8],
    party: &'a [u8],
    role: &'a [u8],
    parties: &'a [u8],
    who: &'a [u8],
    reason: &'a [u8],
}

impl<'a> Said<'a> {
    pub(super) fn of(message: &Message<'a>) -> Self {
        let mut said = Self::default();
        for (tag, value) in message.fields() {
            let place = match tag {
                tag::PARTY_ACTION_REQUEST_ID => &mut said.id,
                tag::PARTY_ACTION_TYPE => &mut said.action,
                tag::NO_PARTY_IDS => &mut said.parties,
                tag::PARTY_ID => &mut said.party,
                tag::PARTY_ROLE => &mut said.role,
                tag::REQUESTING_PARTY_ID => &mut said.who,
                tag::TEXT => &mut said.reason,
                _ => continue,
            };
            *place = value;
        }
        said
    }

    /// The request that it asks for; `id` is its own name, which the answer has too.
    pub(super) fn request(
        &self,
        id: Id,
        sender: &Sender,
        directory: &impl Directory,
    ) -> Result<Group<Request>, PartyRefusal> {
        let role = ROLES.iter().find(|(role, _)| *role == self.role);
        let (_, scope) = *role.filter(|_| self.parties == b"1").ok_or(PartyRefusal::Invalid)?;
        let is_lift = self.action == b"2";
        let number = directory.party(scope, self.party, is_lift)?;
        let actor = cut(self.who).ok_or(PartyRefusal::Nameless)?;
        let reason = cut(self.reason).ok_or(PartyRefusal::NoReason)?;
        let kind = if is_lift { CommandKind::Revive } else { CommandKind::Kill };
        let mut request = Request::new(kind, sender.received_at);
        let head = &mut request.0;
        (head.session, head.client_seq) = (sender.session, sender.client_seq);
        head.side = scope.code();
        head.order_type = match self.action {
            b"0" => TradingState::ReduceOnly,
            b"1" => TradingState::Halted,
            _ => TradingState::Active,
        }
        .code();
        match scope {
            Scope::Session => head.session = SessionId(number),
            Scope::Account => head.account = AccountId(number),
            _ => head.target = number,
        }
        head.lines = 3;
        let mut group = Group::new(request);
        let [text, note, _] = group.rest_mut();
        *text = Text { client_order_id: id.0, ..Text::default() }.line();
        *note = Note { actor, reason, ..Note::default() }.line();
        Ok(group)
    }

    /// The answer to what was refused at once.
    pub fn write_refusal(
        &self,
        refusal: PartyRefusal,
        number: u64,
        (time, precision): (Nanos, Precision),
        writer: &mut Writer<'_>,
    ) {
        writer.bytes(tag::PARTY_ACTION_REQUEST_ID, self.id);
        writer.number(tag::PARTY_ACTION_REPORT_ID, number);
        writer.bytes(tag::PARTY_ACTION_TYPE, self.action);
        writer.byte(tag::PARTY_ACTION_RESPONSE, REJECTED);
        writer.number(tag::PARTY_ACTION_REJECT_REASON, refusal.code());
        write_party(self.party, self.role, writer);
        writer.time(tag::TRANSACT_TIME, time, precision);
        writer.bytes(tag::TEXT, refusal.sentence().as_bytes());
    }
}

/// Of at least one and at most so many bytes, with zeros behind.
fn cut<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut padded = [0; N];
    let text = text.trim_ascii();
    padded.get_mut(..text.len())?.copy_from_slice(text);
    (!text.is_empty()).then_some(padded)
}

/// PartyActionResponse (2332).
const COMPLETED: u8 = b'1';
const REJECTED: u8 = b'2';

/// PartyActionReport (DI) of something that is in history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartyActionReport {
    /// Our number for it.
    pub report_id: u64,
    /// The request's own name.
    pub id: Id,
    /// `0` suspended, `1` halted, `2` reinstated (2329).
    pub action: u8,
    /// How far it reaches.
    pub scope: Scope,
    /// The session's, account's or firm's number.
    pub number: u32,
    /// Why it was refused, if it was.
    pub refused: Option<RejectCode>,
    /// TransactTime (60).
    pub time: Nanos,
}

impl PartyActionReport {
    pub(super) fn write(&self, precision: Precision, writer: &mut Writer<'_>) {
        writer.bytes(tag::PARTY_ACTION_REQUEST_ID, self.id.bytes());
        writer.number(tag::PARTY_ACTION_REPORT_ID, self.report_id);
        writer.byte(tag::PARTY_ACTION_TYPE, self.action);
        let response = if self.refused.is_some() { REJECTED } else { COMPLETED };
        writer.byte(tag::PARTY_ACTION_RESPONSE, response);
        if self.refused.is_some() {
            writer.number(tag::PARTY_ACTION_REJECT_REASON, PartyRefusal::NoReason.code());
        }
        let role =
            ROLES.iter().find(|(_, scope)| *scope == self.scope).map_or(&b"1"[..], |of| of.0);
        write_party(self.number.to_string().as_bytes(), role, writer);
        writer.time(tag::TRANSACT_TIME, self.time, precision);
        if let Some(code) = self.refused {
            writer.bytes(tag::TEXT, code.sentence().as_bytes());
        }
    }
}

fn write_party(party: &[u8], role: &[u8], writer: &mut Writer<'_>) {
    writer.number(tag::NO_PARTY_IDS, 1);
    writer.bytes(tag::PARTY_ID, party);
    writer.byte(tag::PARTY_ID_SOURCE, b'D');
    writer.bytes(tag::PARTY_ROLE, role);
}
