//! How session messages are written: everything behind the standard header.

use crate::wire::fix::dictionary::{Dictionary, Version};
use crate::wire::fix::message::Message;
use crate::wire::fix::reject::RefTag;
use crate::wire::fix::session::{Admin, Ending, Logon, Reject, SessionConfig};
use crate::wire::fix::tag;
use crate::wire::fix::writer::Writer;

/// What TestReqID we send.
pub(super) const TEST_REQ_ID: &[u8] = b"TEST";

/// Where a message came from, and where an answer to it goes: the same names, the other way.
const REVERSED: [(u32, u32); 6] = [
    (tag::ON_BEHALF_OF_COMP_ID, tag::DELIVER_TO_COMP_ID),
    (tag::ON_BEHALF_OF_SUB_ID, tag::DELIVER_TO_SUB_ID),
    (tag::ON_BEHALF_OF_LOCATION_ID, tag::DELIVER_TO_LOCATION_ID),
    (tag::DELIVER_TO_COMP_ID, tag::ON_BEHALF_OF_COMP_ID),
    (tag::DELIVER_TO_SUB_ID, tag::ON_BEHALF_OF_SUB_ID),
    (tag::DELIVER_TO_LOCATION_ID, tag::ON_BEHALF_OF_LOCATION_ID),
];

impl Admin<'_> {
    /// MsgType.
    pub const fn kind(&self) -> &'static [u8] {
        match self {
            Admin::Logon(_) => b"A",
            Admin::Heartbeat(_) => b"0",
            Admin::TestRequest => b"1",
            Admin::ResendRequest(_) => b"2",
            Admin::Reject(_) => b"3",
            Admin::BusinessReject(..) => b"j",
            Admin::Logout(_) => b"5",
        }
    }

    /// Writes what stands behind the standard header.
    pub fn write(&self, config: &SessionConfig, writer: &mut Writer<'_>) {
        match self {
            Admin::Logon(logon) => write_logon(logon, config, writer),
            Admin::Heartbeat(b"") => {}
            Admin::Heartbeat(id) => writer.bytes(tag::TEST_REQ_ID, id),
            Admin::TestRequest => writer.bytes(tag::TEST_REQ_ID, TEST_REQ_ID),
            Admin::ResendRequest(from) => {
                writer.number(tag::BEGIN_SEQ_NO, *from);
                writer.number(tag::END_SEQ_NO, 0);
            }
            Admin::Reject(reject) => write_reject(reject, &config.dictionary, writer),
            Admin::BusinessReject(message, seq, reason) => {
                write_reversed(message, writer);
                writer.number(tag::REF_SEQ_NUM, *seq);
                writer.bytes(tag::REF_MSG_TYPE, message.kind());
                writer.number(tag::BUSINESS_REJECT_REASON, reason.code().into());
                writer.text(tag::TEXT, reason.text());
            }
            Admin::Logout(ending) => write_logout(*ending, writer),
        }
    }
}

fn write_logon(logon: &Logon, config: &SessionConfig, writer: &mut Writer<'_>) {
    writer.number(tag::ENCRYPT_METHOD, 0);
    writer.number(tag::HEART_BT_INT, logon.heartbeat);
    if logon.reset {
        writer.flag(tag::RESET_SEQ_NUM_FLAG, true);
    }
    if let Some(next) = logon.next_expected {
        writer.number(tag::NEXT_EXPECTED_MSG_SEQ_NUM, next);
    }
    match (&config.login, config.identity.version) {
        (None, _) => {}
        // It has no field for a name, and this one for whatever was agreed.
        (Some((_, password)), Version::Fix42) => {
            writer.data(tag::RAW_DATA_LENGTH, tag::RAW_DATA, password.as_bytes());
        }
        (Some((username, password)), _) => {
            writer.text(tag::USERNAME, username);
            writer.text(tag::PASSWORD, password);
        }
    }
    if let Some(version) = config.identity.version.appl_ver_id() {
        writer.bytes(tag::DEFAULT_APPL_VER_ID, version.as_bytes());
    }
}

fn write_logout(ending: Ending, writer: &mut Writer<'_>) {
    match ending {
        Ending::TooLow { expected, received } => writer.text(
            tag::TEXT,
            &format!("{}, expecting {expected} but received {received}", ending.text()),
        ),
        _ if ending.text().is_empty() => {}
        _ => writer.text(tag::TEXT, ending.text()),
    }
}

fn write_reject(reject: &Reject<'_>, dictionary: &Dictionary, writer: &mut Writer<'_>) {
    let Reject { message, seq, refusal } = reject;
    write_reversed(message, writer);
    writer.number(tag::REF_SEQ_NUM, *seq);
    match refusal.tag {
        RefTag::None => {}
        RefTag::Number(number) => writer.number(tag::REF_TAG_ID, number.into()),
        RefTag::Written(start, end) => {
            let written = message.bytes().get(usize::from(start)..usize::from(end)).unwrap_or(&[]);
            // Only what is a number at all may stand in a field of numbers.
            if written.len() <= 10 && crate::wire::fix::value::is_int(written) {
                writer.bytes(tag::REF_TAG_ID, written);
            }
        }
    }
    writer.bytes(tag::REF_MSG_TYPE, message.kind());
    let code = refusal.reason.code();
    let text = [b'0' + code / 10, b'0' + code % 10];
    let text = if code < 10 { &text[1..] } else { &text[..] };
    // Older versions know fewer reasons; the text says it in all of them.
    if dictionary.allows(tag::SESSION_REJECT_REASON, text) {
        writer.bytes(tag::SESSION_REJECT_REASON, text);
    }
    writer.text(tag::TEXT, refusal.reason.text());
}

/// Sends an answer back the way the message came, where it came through somebody else.
fn write_reversed(message: &Message<'_>, writer: &mut Writer<'_>) {
    for (came, goes) in REVERSED {
        if let Some(value) = message.get(came).filter(|value| !value.is_empty()) {
            writer.bytes(goes, value);
        }
    }
}
