//! What is wrong with a message, whatever step it comes in: its form, its fields, its header, its
//! number; in sentences that name the tag, the rule and the way out.

use crate::client::certify::fix::wrong::{named, values};
use crate::model::Nanos;
use crate::wire::fix::dictionary::Kind;
use crate::wire::fix::order::rules;
use crate::wire::fix::reject::RefTag;
use crate::wire::fix::session::Identity;
use crate::wire::fix::{
    BusinessReject, Dictionary, Garbled, Message, Refusal, SessionReject, Version, tag, value,
};

/// How far the client's clock may be from ours.
const CLOCK_TOLERANCE: u64 = 120_000_000_000;

/// The longest heartbeat interval a gateway agrees to, in seconds.
const HEARTBEAT_MAX_S: u64 = 3600;

/// Where a message comes: between whom, when, and which number has its turn.
pub(super) struct Place<'a> {
    pub(super) identity: &'a Identity,
    /// A logon is waited for.
    pub(super) is_first: bool,
    /// The number that has its turn.
    pub(super) expected: u64,
    /// The number our next message gets.
    pub(super) next_out: u64,
    pub(super) now: Nanos,
    /// What the logon must bring, where something was agreed.
    pub(super) password: Option<&'a str>,
}

/// Why bytes are no message, as far as can be seen.
pub(super) fn garbled(bytes: &[u8], cause: Option<Garbled>) -> String {
    let why = match cause {
        Some(Garbled::Checksum) => format!(
            "CheckSum (10) is not the sum of the bytes before it, modulo 256, in three digits: \
             that is {:03}",
            sum_of(bytes)
        ),
        Some(Garbled::NoMsgType) => {
            "BeginString (8), BodyLength (9) and MsgType (35) are the first three fields, in that \
             order"
                .into()
        }
        Some(Garbled::TooManyFields) => "it has more fields than any message needs".into(),
        Some(Garbled::DataLength) => {
            "a data field does not end where the length before it says: count its bytes".into()
        }
        None => length_of(bytes),
    };
    let shown = bytes.get(..bytes.len().min(60)).unwrap_or(&[]);
    let shown: String = shown
        .iter()
        .map(|byte| if *byte == 1 { "|".to_owned() } else { byte.escape_ascii().to_string() })
        .collect();
    format!("bytes that are no message, `{shown}`: {why}; a gateway ignores them")
}

/// Where the checksum field of bytes begins.
fn checksum_at(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).rposition(|window| window == b"\x0110=").map(|at| at + 1)
}

fn sum_of(bytes: &[u8]) -> u8 {
    let counted = bytes.get(..checksum_at(bytes).unwrap_or(bytes.len())).unwrap_or(&[]);
    counted.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn length_of(bytes: &[u8]) -> String {
    let rule = "a message begins with BeginString (8), BodyLength (9), MsgType (35) and ends with \
                CheckSum (10) and a separator";
    let mut fields = bytes.splitn(3, |byte| *byte == 1);
    let (begin, length, rest) = (fields.next(), fields.next(), fields.next());
    let (Some(begin), Some(length), Some(rest)) = (begin, length, rest) else { return rule.into() };
    let said = length.strip_prefix(b"9=").and_then(value::number);
    let counted = checksum_at(bytes).map(|at| at + rest.len() - bytes.len());
    match (said, counted) {
        (Some(said), Some(counted)) if said != counted as u64 && begin.starts_with(b"8=FIX") => {
            format!(
                "BodyLength (9) is {said} and {counted} bytes stand behind its separator and \
                 before `10=`"
            )
        }
        _ => rule.into(),
    }
}

/// Everything that is wrong with a message that could be read.
pub(super) fn mistakes(
    message: &Message<'_>,
    verdict: Result<(), Refusal>,
    place: &Place<'_>,
) -> Vec<String> {
    let mut all = Vec::new();
    let version = place.identity.version;
    let begin = version.begin_string();
    if message.begin_string() != begin.as_bytes() {
        let said = message.begin_string().escape_ascii();
        return vec![format!("BeginString (8) is `{said}`: this session speaks {begin}")];
    }
    let kind = message.kind();
    if place.is_first && kind != b"A" {
        let said = kind.escape_ascii();
        return vec![format!(
            "MsgType (35) is `{said}`: the first message on a line is a Logon (A); anything else \
             closes the line without a word"
        )];
    }
    all.extend(names(message, place));
    all.extend(clock(message, place));
    if let Err(refusal) = verdict {
        all.push(refused(message, refusal, version.dictionary()));
    }
    all.extend(number(message, place));
    all.extend(repeat(message));
    match kind {
        b"A" => logon(&mut all, message, place),
        b"2" => all.extend(resend_request(message, place)),
        b"3" | b"j" => all.push(client_refuses(message)),
        b"4" if message.get(tag::GAP_FILL_FLAG) != Some(b"Y") => all.push(
            "SequenceReset (4) without GapFillFlag (123) Y gives up what is missing: fill gaps \
             instead, and reset only after a disaster"
                .into(),
        ),
        _ => {}
    }
    all
}

fn names(message: &Message<'_>, place: &Place<'_>) -> Vec<String> {
    let Identity { sender, target, .. } = place.identity;
    let pairs = [
        (tag::SENDER_COMP_ID, "SenderCompID", target),
        (tag::TARGET_COMP_ID, "TargetCompID", sender),
    ];
    let wrong = pairs.into_iter().filter_map(|(tag, name, wanted)| {
        let said = message.get(tag).filter(|said| *said != wanted.as_bytes())?;
        let said = said.escape_ascii();
        Some(format!("{name} ({tag}) is `{said}`: in this session it is `{wanted}`"))
    });
    wrong.collect()
}

fn clock(message: &Message<'_>, place: &Place<'_>) -> Option<String> {
    let sent = message.get(tag::SENDING_TIME).and_then(value::timestamp)?;
    let apart = sent.0.abs_diff(place.now.0);
    (apart > CLOCK_TOLERANCE).then(|| {
        format!(
            "SendingTime (52) is {} s from our clock: write UTC, not local time, and keep the \
             clock within 120 s",
            apart / 1_000_000_000
        )
    })
}

fn number(message: &Message<'_>, place: &Place<'_>) -> Option<String> {
    let seq = message.get(tag::MSG_SEQ_NUM).and_then(value::number)?;
    let expected = place.expected;
    let is_repeat = message.get(tag::POSS_DUP_FLAG) == Some(b"Y");
    let resets = message.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y");
    let resets = resets || (message.kind() == b"4" && !is_gap_fill(message));
    if seq < expected && !is_repeat && !resets {
        return Some(format!(
            "MsgSeqNum (34) is {seq} and {expected} has its turn: a number is used once, also over \
             lines and restarts; what is sent again has PossDupFlag (43) Y. A gateway logs out; \
             begin anew with ResetSeqNumFlag (141) Y and number 1"
        ));
    }
    (seq > expected && !resets && message.kind() != b"5").then(|| {
        format!(
            "MsgSeqNum (34) is {seq} and {expected} has its turn: number messages one after the \
             other; what lies between is asked for (2)"
        )
    })
}

fn is_gap_fill(message: &Message<'_>) -> bool {
    message.get(tag::GAP_FILL_FLAG) == Some(b"Y")
}

/// What is sent again says when it was sent first.
fn repeat(message: &Message<'_>) -> Option<String> {
    if message.get(tag::POSS_DUP_FLAG) != Some(b"Y") || message.kind() == b"4" {
        return None;
    }
    let Some(original) = message.get(tag::ORIG_SENDING_TIME) else {
        return Some(
            "OrigSendingTime (122) is not there: with PossDupFlag (43) Y it is the SendingTime \
             (52) of the first time"
                .into(),
        );
    };
    let sent = message.get(tag::SENDING_TIME).and_then(value::timestamp)?;
    (value::timestamp(original)? > sent).then(|| {
        "OrigSendingTime (122) is later than SendingTime (52): it is when the message was sent \
         first"
            .into()
    })
}

fn logon(all: &mut Vec<String>, message: &Message<'_>, place: &Place<'_>) {
    let is = |tag, wanted: &[u8]| message.get(tag) == Some(wanted);
    if message.get(tag::ENCRYPT_METHOD).is_some_and(|said| said != b"0") {
        all.push("EncryptMethod (98) is to be 0: nothing is encrypted by FIX itself".into());
    }
    match message.get(tag::HEART_BT_INT).and_then(value::number) {
        Some(1..=HEARTBEAT_MAX_S) | None => {}
        Some(said) => all.push(format!(
            "HeartBtInt (108) is {said}: it is 1 to {HEARTBEAT_MAX_S} seconds, or nobody notices \
             that a line is dead"
        )),
    }
    if let Some(wanted) = place.identity.version.appl_ver_id()
        && message.get(tag::DEFAULT_APPL_VER_ID).is_some_and(|said| said != wanted.as_bytes())
    {
        all.push(format!("DefaultApplVerID (1137) is to be {wanted}: FIX 5.0SP2 is spoken"));
    }
    if is(tag::RESET_SEQ_NUM_FLAG, b"Y") && !is(tag::MSG_SEQ_NUM, b"1") {
        all.push("with ResetSeqNumFlag (141) Y a Logon has MsgSeqNum (34) 1".into());
    }
    if let Some(next) = message.get(tag::NEXT_EXPECTED_MSG_SEQ_NUM).and_then(value::number)
        && next > place.next_out
        && !is(tag::RESET_SEQ_NUM_FLAG, b"Y")
    {
        let ours = place.next_out;
        all.push(format!(
            "NextExpectedMsgSeqNum (789) is {next}, and our next number is {ours}: begin anew with \
             ResetSeqNumFlag (141) Y"
        ));
    }
    let said = password_of(message);
    if let Some(wanted) = place.password
        && said != Some(wanted.as_bytes())
    {
        let how = if said.is_some() { "wrong" } else { "not there" };
        let place = match place.identity.version {
            Version::Fix42 => "RawData (96), behind its length (95)",
            _ => "Password (554)",
        };
        all.push(format!(
            "the password is {how}: it stands in {place}; a gateway closes the line without a word"
        ));
    }
}

/// What a logon says as its password; the oldest version has no field of that name.
pub(super) fn password_of<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    message.get(tag::PASSWORD).or_else(|| message.get(tag::RAW_DATA))
}

fn resend_request(message: &Message<'_>, place: &Place<'_>) -> Option<String> {
    let number = |tag| message.get(tag).and_then(value::number);
    let (from, to) = (number(tag::BEGIN_SEQ_NO)?, number(tag::END_SEQ_NO)?);
    if to != 0 && to < from {
        return Some(format!(
            "EndSeqNo (16) is {to}, below BeginSeqNo (7) {from}: 0 asks for all there is"
        ));
    }
    let next = place.next_out;
    (from >= next).then(|| {
        format!("BeginSeqNo (7) is {from}, and {} is the last number sent", next.saturating_sub(1))
    })
}

fn client_refuses(message: &Message<'_>) -> String {
    let said = |tag| message.get(tag).unwrap_or(b"-").escape_ascii().to_string();
    format!(
        "you refuse our message {} (RefSeqNum 45), tag {}: `{}`; it is as the rules of engagement \
         say, so your dictionary differs from them",
        said(tag::REF_SEQ_NUM),
        said(tag::REF_TAG_ID),
        said(tag::TEXT)
    )
}

/// Why the session rejects a message, and what to do instead.
pub(super) fn refused(message: &Message<'_>, refusal: Refusal, dictionary: &Dictionary) -> String {
    let kind = message.kind();
    let name = dictionary.message_name(kind).unwrap_or("no known message");
    let reason = refusal.reason.text();
    let about = match refusal.tag {
        RefTag::Number(tag) => named(tag, message, dictionary),
        RefTag::Written(start, end) => {
            let written = message.bytes().get(usize::from(start)..usize::from(end));
            format!("`{}`", written.unwrap_or(&[]).escape_ascii())
        }
        RefTag::None => format!("MsgType (35) is `{}`", kind.escape_ascii()),
    };
    let of_tag = match refusal.tag {
        RefTag::Number(tag) => Some(tag),
        _ => None,
    };
    let cure = match refusal.reason {
        SessionReject::RequiredTagMissing => format!("{name} must have it"),
        SessionReject::NotDefinedForMessage => format!("{name} has no such field: leave it out"),
        SessionReject::InvalidTag | SessionReject::UndefinedTag => {
            "the version has no such field: leave it out".into()
        }
        SessionReject::NoValue => "leave a field out instead of sending it empty".into(),
        SessionReject::ValueIncorrect => {
            of_tag.map_or(String::new(), |tag| allowed(tag, dictionary))
        }
        SessionReject::IncorrectFormat => of_tag.map_or(String::new(), |tag| {
            form(dictionary.field(dictionary.slot(tag)).kind).to_owned()
        }),
        SessionReject::TagRepeated => "say it once".into(),
        SessionReject::OutOfOrder => {
            "the header's fields come first, then the body's, then CheckSum (10)".into()
        }
        SessionReject::GroupOutOfOrder => {
            "a group's fields come in the dictionary's order, its first one first".into()
        }
        SessionReject::WrongGroupCount => "count the entries that follow".into(),
        SessionReject::SeparatorInValue => "a value has no separator in it".into(),
        SessionReject::InvalidMsgType => "the version has no such message".into(),
        _ => "see the rules of engagement".into(),
    };
    format!("{about}: {reason} (373={}); {cure}", refusal.reason.code())
}

/// The one-letter values a field may have.
fn allowed(tag: u32, dictionary: &Dictionary) -> String {
    if rules::CODED.contains(&tag) {
        return values(tag, dictionary);
    }
    if tag == tag::CL_ORD_ID {
        return "at most 32 bytes".into();
    }
    let codes = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z');
    let known: Vec<_> = codes
        .filter(|code| dictionary.allows(tag, &[*code]))
        .map(|code| char::from(code).to_string())
        .collect();
    format!("one of {}", known.join(" "))
}

/// How a value of a type is written.
fn form(kind: Kind) -> &'static str {
    match kind {
        Kind::Char => "one letter",
        Kind::Int => "a whole number",
        Kind::Count | Kind::Length => "a whole number, not below 0",
        Kind::Decimal => "a decimal number with a point, as 299.5",
        Kind::Boolean => "Y or N",
        Kind::Timestamp => "UTC as 20260102-13:00:00.000",
        Kind::Time => "a time of day as 13:00:00",
        Kind::Date => "a date as 20260102",
        Kind::Month => "a month as 202601",
        Kind::Currency => "three letters, as USD",
        Kind::Country => "two letters, as US",
        Kind::Day => "a day of the month, 1 to 31",
        Kind::Text | Kind::Several | Kind::Data => "text",
    }
}

/// Why an application message is not for us, and what to do instead.
pub(super) fn not_for_us(message: &Message<'_>, reason: BusinessReject) -> String {
    let kind = message.kind().escape_ascii();
    let taken: Vec<_> = rules::TAKEN.iter().map(|taken| taken.kind).collect();
    format!(
        "MsgType (35) is `{kind}`: {} (380={}); orders come as {}",
        reason.text(),
        reason.code(),
        taken.join(", ")
    )
}
