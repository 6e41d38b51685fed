//! What is wrong with an order, in sentences that name the field, the rule and the way out.

use crate::model::RejectCode;
use crate::wire::fix::order::rules;
use crate::wire::fix::{Dictionary, Message, tag};

/// What a course knows when it explains an order.
pub(super) struct Known<'a> {
    pub(super) dictionary: &'a Dictionary,
    /// The instrument that is traded.
    pub(super) symbol: &'a str,
    /// ClOrdIDs of the orders that are open.
    pub(super) open: &'a str,
}

/// The field a refusal is about, and what to do instead.
fn cure(code: RejectCode, message: &Message<'_>, known: &Known<'_>) -> (u32, String) {
    let say = |tag, cure: &str| (tag, cure.to_owned());
    match code {
        RejectCode::UnknownInstrument => {
            say(tag::SYMBOL, &format!("this course trades `{}`", known.symbol))
        }
        RejectCode::DuplicateOrder => {
            say(tag::CL_ORD_ID, "each request takes one that the session has not used")
        }
        RejectCode::UnknownOrder => (
            tag::ORIG_CL_ORD_ID,
            format!("name the order as it was last called; open are: {}", known.open),
        ),
        RejectCode::InvalidQuantity => {
            say(tag::ORDER_QTY, "whole shares, at least 1; of a replacement the chain's total")
        }
        RejectCode::InvalidPrice => say(
            tag::PRICE,
            "above 0, with four decimals at most; only market and stop orders \
                 and pegs go without",
        ),
        RejectCode::InvalidSide if message.kind() == b"G" => say(tag::SIDE, "the order's own"),
        RejectCode::InvalidSide => (tag::SIDE, values(tag::SIDE, known.dictionary)),
        RejectCode::UnknownAccount => say(tag::ACCOUNT, "a number of the session's range, or none"),
        RejectCode::UnknownDestination => {
            say(tag::EX_DESTINATION, "HERE, or a venue the operator named; or leave it out")
        }
        RejectCode::StopPrice => say(tag::STOP_PX, "above 0, in stop and stop-limit orders"),
        RejectCode::PegOffset => {
            say(tag::PEG_OFFSET_VALUE, "in money: 835, 836 and 837 are 0 and 840 is 1, or absent")
        }
        RejectCode::Discretion => {
            say(tag::DISCRETION_OFFSET_VALUE, "of a limit order, with DiscretionInst (388) 0")
        }
        RejectCode::ExpiryTime => {
            say(tag::EXPIRE_TIME, "with 59=6, a time in UTC that is still to come")
        }
        RejectCode::NotTogether => say(
            tag::ORD_TYPE,
            "a peg is 40=P (or 2) with one of M, P, R in ExecInst (18), a \
                 trailing stop 40=3 with `a`",
        ),
        _ => unsupported(message, known.dictionary),
    }
}

/// The first coded field whose value is not taken.
fn unsupported(message: &Message<'_>, dictionary: &Dictionary) -> (u32, String) {
    let is_taken = |tag: u32| {
        let value = message.get(tag).unwrap_or(b"");
        let codes = value.split(|byte| *byte == b' ').filter(|code| !code.is_empty());
        codes.into_iter().all(|code| match code {
            [one] => rules::meaning(tag, *one).is_some(),
            _ => false,
        })
    };
    match rules::CODED.into_iter().find(|tag| !is_taken(*tag)) {
        Some(tag) => (tag, values(tag, dictionary)),
        None if message.kind() == b"q" => {
            (tag::MASS_CANCEL_REQUEST_TYPE, "1 with a Symbol, or 7 without a Side".into())
        }
        None => (tag::HANDL_INST, "1 or 2: nobody here works an order by hand".into()),
    }
}

/// The values of a field that are taken in a version, each with its meaning.
pub(super) fn values(tag: u32, dictionary: &Dictionary) -> String {
    let codes = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z');
    let codes = codes.filter(|code| dictionary.allows(tag, &[*code]));
    let meant = codes.filter_map(|code| Some((char::from(code), rules::meaning(tag, code)?)));
    let all: Vec<_> = meant.map(|(code, meaning)| format!("`{code}` {meaning}")).collect();
    format!("one of {}", all.join(", "))
}

/// A field as a sentence begins: its name, its tag and what it is here.
pub(super) fn named(tag: u32, message: &Message<'_>, dictionary: &Dictionary) -> String {
    let name = dictionary.name(tag).unwrap_or("field");
    match message.get(tag) {
        None => format!("{name} ({tag}) is not there"),
        Some(value) => format!("{name} ({tag}) is `{}`", value.escape_ascii()),
    }
}

/// Why an order, a change or a cancel is refused.
pub(super) fn refused(code: RejectCode, message: &Message<'_>, known: &Known<'_>) -> String {
    let (tag, cure) = cure(code, message, known);
    let field = named(tag, message, known.dictionary);
    format!("{field}: {}; {cure}", code.sentence())
}
