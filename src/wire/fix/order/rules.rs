//! The rules of engagement as tables: what is read of each message a client sends, which values
//! are taken, and what it is told. References are made of this; nothing here is asked while
//! orders flow.

use crate::model::{
    AccountId, Flags, InstrumentId, Nanos, OrderType, Price, RejectCode, Scope, SelfTrade, Side,
    TermFlags,
};
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::order::chain::Id;
use crate::wire::fix::order::codes;
use crate::wire::fix::order::decode::Directory;
use crate::wire::fix::order::party::PartyActionReport;
use crate::wire::fix::order::report::{
    CancelReject, ExecutionReport, MassCancelReport, OrderReport,
};
use crate::wire::fix::tag;
use crate::wire::fix::value::Precision;
use crate::wire::fix::writer::Writer;

/// A message a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// MsgType (35).
    pub kind: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// The fields that are read, and what there is to know of each; others of the standard are
    /// taken and not looked at.
    pub fields: &'static [&'static [(u32, &'static str)]],
}

const CLIENT_ID: (u32, &str) =
    (tag::CL_ORD_ID, "at most 32 bytes; none that an order of the session has already");
const ORIGINAL: (u32, &str) = (tag::ORIG_CL_ORD_ID, "the order as it was last called");

/// Every order message that is taken.
pub const TAKEN: &[Taken] = &[
    Taken { kind: "D", asks: "a new order", fields: ORDER },
    Taken { kind: "G", asks: "another order in the place of one", fields: REPLACEMENT },
    Taken { kind: "F", asks: "an order taken away", fields: &[&[CLIENT_ID, ORIGINAL]] },
    Taken {
        kind: "q",
        asks: "all orders taken away, of one instrument or of the session",
        fields: &[&[
            CLIENT_ID,
            (tag::MASS_CANCEL_REQUEST_TYPE, "1 one instrument, 7 all; anything else is refused"),
            (tag::SYMBOL, "with 1"),
            (tag::SIDE, "refused with 7: nothing is widened"),
        ]],
    },
    Taken {
        kind: "H",
        asks: "where an order is",
        fields: &[&[CLIENT_ID, (tag::ORD_STATUS_REQ_ID, "echoed")]],
    },
    Taken {
        kind: "AF",
        asks: "where all orders are",
        fields: &[&[
            (tag::MASS_STATUS_REQ_TYPE, "1 one instrument, 7 all"),
            (tag::SYMBOL, "with 1"),
            (tag::MASS_STATUS_REQ_ID, "echoed"),
        ]],
    },
    Taken {
        kind: "DH",
        asks: "trading stopped of a session, an account or a firm, or let go on",
        fields: &[&[
            (tag::PARTY_ACTION_REQUEST_ID, "at most 32 bytes; echoed"),
            (
                tag::PARTY_ACTION_TYPE,
                "0 leaves what reduces a position, 1 nothing, both cancel what is open; 2 lifts",
            ),
            (
                tag::NO_PARTY_IDS,
                "one: role (452) 55 and a session, 24 and an account, 1 and a firm",
            ),
            (tag::NO_REQUESTING_PARTY_IDS, "who asks (1658), at most 15 bytes"),
            (tag::TEXT, "why, at most 32 bytes"),
        ]],
    },
];

const SIDE: (u32, &str) = (tag::SIDE, "see below");
const QUANTITY: (u32, &str) = (tag::ORDER_QTY, "whole shares");
const TYPE: (u32, &str) = (tag::ORD_TYPE, "see below");
const PRICE: (u32, &str) = (
    tag::PRICE,
    "four decimals at most; of market and stop orders ignored, of a peg the furthest it goes",
);
const STOP: (u32, &str) =
    (tag::STOP_PX, "of stop and stop-limit orders; of a trailing stop where it begins");
const LIFE: (u32, &str) = (tag::TIME_IN_FORCE, "absent: a day order");
const UNTIL: (u32, &str) = (tag::EXPIRE_TIME, "with 59=6");
const INSTRUCTIONS: (u32, &str) = (tag::EXEC_INST, "several with blanks between them");
const HANDLING: (u32, &str) = (tag::HANDL_INST, "3 (by hand) is refused");
const MINIMUM: (u32, &str) =
    (tag::MIN_QTY, "least of each execution; the whole quantity with 59=3 is fill-or-kill");
const SHOWN: (u32, &str) = (tag::MAX_FLOOR, "the displayed part of an iceberg; 0 hides the order");
const CAPACITY: (u32, &str) = (tag::ORDER_CAPACITY, "absent: agency");
const VENUE: (u32, &str) =
    (tag::EX_DESTINATION, "a venue by name, or HERE; absent: by the instrument's policy");
const PARTIES: (u32, &str) = (
    tag::NO_PARTY_IDS,
    "short codes (448) by role (452): 3 client, 122 decision, 12 execution, 26 transmitted for",
);
const ATTRIBUTES: (u32, &str) = (
    tag::NO_ORDER_ATTRIBUTES,
    "5.0SP2: types (2594) 0 to 7 whose value (2595) is Y, for regulators",
);

/// What an order is to be, as new or in another's place.
const WISHES: &[(u32, &str)] = &[
    TYPE,
    PRICE,
    STOP,
    LIFE,
    UNTIL,
    INSTRUCTIONS,
    (
        tag::PEG_OFFSET_VALUE,
        "of a peg, signed; of a trailing stop (40=3 or P with 18=a) its distance; in money alone: \
         835, 836 and 837 are 0 and 840 is 1 where they are there",
    ),
    (tag::PEG_PRICE_TYPE, "5.0SP2: with 40=P what 18 says: 2 mid, 4 market, 5 primary, 8 trailing"),
    (tag::DISCRETION_INST, "0, from the price shown; 841, 842 and 843 likewise, 846 is 1"),
    (tag::DISCRETION_OFFSET_VALUE, "of a limit order: as far beyond 44 as it would trade, signed"),
    HANDLING,
    MINIMUM,
    SHOWN,
    CAPACITY,
];

/// Who is behind it, for regulators.
const BEHIND: &[(u32, &str)] = &[PARTIES, ATTRIBUTES];

const ORDER: &[&[(u32, &str)]] = &[
    &[
        CLIENT_ID,
        (tag::ACCOUNT, "a number of the session's range; absent: the session's first"),
        (tag::SYMBOL, "without it the order is refused: unknown instrument"),
        SIDE,
        QUANTITY,
    ],
    WISHES,
    &[VENUE],
    BEHIND,
];

const REPLACEMENT: &[&[(u32, &str)]] = &[
    &[
        CLIENT_ID,
        ORIGINAL,
        (tag::SYMBOL, "the order's own"),
        (tag::SIDE, "the order's own"),
        (tag::ORDER_QTY, "the total of the whole chain, executed shares included"),
    ],
    WISHES,
    BEHIND,
];

/// What a one-letter value of a field means here; `None` where it is refused.
pub fn meaning(tag: u32, value: u8) -> Option<String> {
    let code = &[value];
    let named = match tag {
        tag::SIDE => format!("{:?}", codes::side_of(code).ok()?),
        tag::ORD_TYPE => match codes::order_type_of(code).ok()? {
            Some(named) => format!("{named:?}"),
            None => "Pegged".into(),
        },
        tag::TIME_IN_FORCE => format!("{:?}", codes::time_in_force_of(code).ok()?),
        tag::EXEC_INST => match codes::exec_inst_of(code).ok()? {
            asked if asked.style.is_some() => format!("{:?}", asked.style?),
            asked if asked.flags.has(Flags::POST_ONLY) => "PostOnly".into(),
            asked if asked.flags.has(Flags::SWEEP) => "IntermarketSweep".into(),
            asked if asked.terms.has(TermFlags::ALL_OR_NONE) => "AllOrNone".into(),
            _ => "NothingDifferent".into(),
        },
        tag::ORDER_CAPACITY => {
            format!("{:?}", codes::capacity_of(code, SelfTrade::Allow).ok()?.capacity())
        }
        _ => return None,
    };
    Some(named)
}

/// The fields whose values [`meaning`] knows.
pub const CODED: [u32; 5] =
    [tag::SIDE, tag::ORD_TYPE, tag::TIME_IN_FORCE, tag::EXEC_INST, tag::ORDER_CAPACITY];

struct Names;

impl Directory for Names {
    fn instrument(&self, _: &[u8]) -> Option<InstrumentId> {
        None
    }

    fn symbol(&self, _: InstrumentId) -> [u8; 8] {
        *b"ACME    "
    }

    fn account(&self, _: &[u8]) -> Option<AccountId> {
        None
    }
}

/// Reports as a version writes them: what each is an example of, MsgType, and everything behind
/// the header, with bars for separators.
pub fn examples(version: Version) -> Vec<(&'static str, String, String)> {
    let id = |text: &[u8]| Id::new(text).unwrap_or_default();
    let order = ExecutionReport {
        order_id: 4711,
        exec_id: 90_210,
        id: id(b"mine-1"),
        exec_type: b'0',
        status: b'0',
        instrument: InstrumentId(1),
        side: Side::Buy.code(),
        order_type: OrderType::Limit.code(),
        total: 100,
        price: Price(299_5000),
        leaves: 100,
        time: EXAMPLE_TIME,
        ..ExecutionReport::default()
    };
    let fill = ExecutionReport {
        exec_type: b'F',
        status: b'1',
        last: Some((40, Price(299_4000))),
        maker: Some(false),
        leaves: 60,
        executed: 40,
        average: Price(299_4000),
        ..order
    };
    let refusal = ExecutionReport {
        order_id: 0,
        exec_type: b'8',
        status: b'8',
        leaves: 0,
        reject: Some(RejectCode::PriceCollar.fix()),
        text: RejectCode::PriceCollar.sentence(),
        ..order
    };
    let cancelled = ExecutionReport {
        id: id(b"mine-2"),
        original_id: id(b"mine-1"),
        exec_type: b'4',
        status: b'4',
        leaves: 0,
        ..order
    };
    let late = OrderReport::CancelReject(CancelReject {
        order_id: 4711,
        id: id(b"mine-3"),
        original_id: id(b"mine-1"),
        status: b'2',
        response_to: b'1',
        reason: codes::cancel_reject_reason(RejectCode::UnknownOrder, true, version),
        text: RejectCode::UnknownOrder.sentence(),
        time: EXAMPLE_TIME,
    });
    let mass = OrderReport::MassCancel(MassCancelReport {
        report_id: 12,
        id: id(b"all-1"),
        of_security: true,
        instrument: InstrumentId(1),
        refused: None,
        time: EXAMPLE_TIME,
    });
    let stopped = OrderReport::Party(PartyActionReport {
        report_id: 13,
        id: id(b"stop-1"),
        action: b'1',
        scope: Scope::Account,
        number: 7,
        refused: None,
        time: EXAMPLE_TIME,
    });
    let execution = |report: ExecutionReport| OrderReport::Execution(report.said_in(version));
    let mut all = vec![
        ("accepted", execution(order)),
        ("a part traded", execution(fill)),
        ("refused", execution(refusal)),
        ("cancelled", execution(cancelled)),
        ("a cancel that came too late", late),
    ];
    if version.dictionary().message_name(b"r").is_some() {
        all.push(("a mass cancel was taken", mass));
    }
    if version.dictionary().message_name(b"DI").is_some() {
        all.push(("an account's trading was stopped", stopped));
    }
    all.into_iter()
        .map(|(what, report)| (what, kind_of(&report), text_of(&report, version)))
        .collect()
}

const EXAMPLE_TIME: Nanos = Nanos(1_767_358_800_000_000_000);

fn kind_of(report: &OrderReport) -> String {
    String::from_utf8_lossy(report.kind()).into_owned()
}

fn text_of(report: &OrderReport, version: Version) -> String {
    let mut buffer = vec![0; 1024];
    let mut writer = Writer::new(&mut buffer);
    let begin = writer.position();
    report.write(version, &Names, Precision::Millis, &mut writer);
    let text = String::from_utf8_lossy(writer.written(begin)).into_owned();
    text.trim_end_matches('\u{1}').replace('\u{1}', "|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_read_is_one_its_message_may_have() {
        for version in Version::ALL {
            let dictionary = version.dictionary();
            for taken in TAKEN {
                if dictionary.message_name(taken.kind.as_bytes()).is_none() {
                    continue;
                }
                for (tag, _) in taken.fields.iter().copied().flatten() {
                    // The oldest version has no groups of parties and asks for no such answer,
                    // and only the newest has attributes and names what a peg follows.
                    let of_newest = [tag::NO_ORDER_ATTRIBUTES, tag::PEG_PRICE_TYPE].contains(tag);
                    let is_newer =
                        version == Version::Fix42 || version == Version::Fix44 && of_newest;
                    let known = dictionary.requires(taken.kind.as_bytes(), *tag);
                    assert!(known.is_some() || is_newer, "{} {tag}", taken.kind);
                }
            }
        }
    }

    #[test]
    fn the_tables_name_every_field_that_the_reader_looks_for() {
        let reader = include_str!("decode.rs");
        let (_, reader) = reader.split_once("impl<'a> Fields<'a>").expect("it is there");
        let (reader, _) = reader.split_once("/// Reads an order message").expect("it is there");
        let table = include_str!("rules.rs");
        let read = reader.split("tag::").skip(1);
        let names = read.map(|rest| rest.split(')').next().unwrap_or_default());
        let mut count = 0;
        for name in names {
            assert!(table.contains(&format!("tag::{name}")), "{name} is read and not told of");
            count += 1;
        }
        assert!(count > 15, "only {count} were looked at");
    }

    #[test]
    fn examples_are_what_the_dictionary_allows() {
        for version in Version::ALL {
            for (what, kind, text) in examples(version) {
                for field in text.split('|') {
                    let (tag, value) = field.split_once('=').expect("a field");
                    let tag = tag.parse().expect("a tag");
                    let dictionary = version.dictionary();
                    let members = [tag::PARTY_ID, tag::PARTY_ID_SOURCE, tag::PARTY_ROLE];
                    let is_member = members.contains(&tag);
                    let known = dictionary.requires(kind.as_bytes(), tag);
                    assert!(is_member || known.is_some(), "{what}: {field}");
                    assert!(dictionary.allows(tag, value.as_bytes()), "{what}: {field}");
                }
            }
        }
    }
}
