//! OUCH against its specification's lengths, its tables, real packets, and itself.

use proptest::prelude::*;

use super::*;
use crate::wire::DecodeError;
use crate::wire::ouch::appended::Row;
use crate::wire::shared;

/// Type and shortest length of every message, from the specification.
const INBOUND: &[(u8, usize)] =
    &[(b'O', 47), (b'U', 40), (b'X', 9), (b'M', 10), (b'C', 19), (b'D', 11), (b'E', 11), (b'Q', 1)];
const OUTBOUND: &[(u8, usize)] = &[
    (b'S', 10),
    (b'A', 64),
    (b'U', 68),
    (b'C', 18),
    (b'D', 32),
    (b'E', 36),
    (b'B', 36),
    (b'J', 29),
    (b'P', 13),
    (b'I', 13),
    (b'T', 30),
    (b'M', 18),
    (b'R', 16),
    (b'X', 27),
    (b'G', 19),
    (b'K', 19),
    (b'Q', 13),
];

fn lengths(table: &[Row]) -> Vec<(u8, usize)> {
    table.iter().map(|&(code, length, _)| (code, length)).collect()
}

#[test]
fn lengths_are_those_of_the_specification() {
    assert_eq!(lengths(Inbound::TABLE), INBOUND);
    assert_eq!(lengths(Outbound::TABLE), OUTBOUND);
    assert_eq!(MESSAGE_MAX, 66 + 2 + OPTIONS_MAX);
}

#[test]
fn offsets_are_those_of_the_sheet() {
    for sheet in shared::sheets("facts/ouch50.md") {
        let code = sheet.heading.split('`').nth(1).and_then(|code| code.bytes().next());
        let code = code.expect("a heading names the type byte");
        let inbound = sheet.heading.starts_with("Inbound");
        let table = if inbound { Inbound::TABLE } else { Outbound::TABLE };
        let &(_, _, fields) = table.iter().find(|row| row.0 == code).expect("a known type");
        let is_fixed = |name: &str| name != "type" && !name.starts_with("appendage");
        let said: Vec<_> = sheet.fields.into_iter().filter(|f| is_fixed(&f.0)).collect();
        let ours: Vec<_> = fields.iter().map(|f| (f.0.replace('_', ""), f.1, f.2)).collect();
        assert_eq!(ours, said, "{}", sheet.heading);
    }
}

#[test]
fn an_order_as_it_stands_on_the_wire() {
    let order = EnterOrder {
        user_ref_num: 7,
        side: codes::side::BUY,
        quantity: 100,
        symbol: *b"AAPL    ",
        price: 1_234_500,
        time_in_force: codes::time_in_force::DAY,
        display: codes::display::VISIBLE,
        capacity: codes::capacity::AGENCY,
        intermarket_sweep: codes::intermarket_sweep::NOT_ELIGIBLE,
        cross_type: codes::cross_type::CONTINUOUS,
        cl_ord_id: *b"FIRST         ",
    };
    let options = Options { max_floor: Some(10), ..Options::default() };
    let mut space = [0; OPTIONS_MAX];
    let message = Inbound::EnterOrder(order, options.appendage(&mut space));
    let mut bytes = [0; MESSAGE_MAX];
    let length = message.encode(&mut bytes).expect("room");
    let expected = b"O\0\0\0\x07B\0\0\0\x64AAPL    \0\0\0\0\0\x12\xd6\x44\
        0YANNFIRST         \0\x06\x05\x05\0\0\0\x0a";
    assert_eq!(bytes[..length], *expected);
    assert_eq!(Inbound::decode(expected), Ok(message));
    assert_eq!(message.encode(&mut bytes[..length - 1]), None);
    assert_eq!(Inbound::user_ref_num_of(&expected[..5]), Some(7));
}

#[test]
fn every_refusal_has_its_name() {
    let inbound = |bytes: &[u8]| Inbound::decode(bytes).err();
    assert_eq!(inbound(b""), Some(DecodeError::MessageEmpty));
    assert_eq!(inbound(b"A12345678"), Some(DecodeError::MessageUnknown));
    assert_eq!(inbound(b"X1234567"), Some(DecodeError::MessageLength));
    assert_eq!(inbound(b"X12345678"), None);
    assert_eq!(inbound(b"X12345678\0"), Some(DecodeError::AppendageMissing));
    assert_eq!(inbound(b"X12345678\0\0"), None);
    assert_eq!(inbound(b"X12345678\0\x01"), Some(DecodeError::AppendageLength));
    assert_eq!(inbound(b"X12345678\0\x03\x02\x1c\x01"), None);
    assert_eq!(inbound(b"X12345678\0\x03\x02\x0cP"), Some(DecodeError::OptionNotAllowed));
    assert_eq!(inbound(b"D12345678"), Some(DecodeError::AppendageMissing));
    assert_eq!(Outbound::decode(b"S123456789!").err(), Some(DecodeError::MessageLength));
}

/// The payloads of the SoupBinTCP packets of type `kind` in the captures.
fn captured(kind: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for frame in shared::packets("captures/nasdaq-ouch-5.0") {
        let segment = shared::ip_payload(&frame);
        let mut rest = &segment[usize::from(segment[12] >> 4) * 4..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let (packet, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            if packet[0] == kind {
                found.push(packet[1..].to_vec());
            }
            rest = after;
        }
    }
    found
}

#[test]
fn real_packets_decode_and_encode_to_themselves() {
    let mut written = [0; MESSAGE_MAX];
    for bytes in captured(b'U') {
        let message = Inbound::decode(&bytes).expect("a real message");
        let length = message.encode(&mut written).expect("room");
        assert_eq!(written[..length], bytes);
    }
    for bytes in captured(b'S') {
        let message = Outbound::decode(&bytes).expect("a real message");
        let length = message.encode(&mut written).expect("room");
        assert_eq!(written[..length], bytes);
    }
    if shared::path("captures/nasdaq-ouch-5.0").is_some() {
        assert_eq!((captured(b'U').len(), captured(b'S').len()), (2, 2));
    }
}

/// Some of the options, by the bits of a mask.
fn some_options(mask: u32, value: u64) -> Options {
    let chosen = |tag: OptionTag| mask >> tag as u8 & 1 == 1;
    let [.., a, b, c, d] = value.to_be_bytes();
    Options {
        max_floor: chosen(OptionTag::MaxFloor).then_some(value as u32),
        peg_offset: chosen(OptionTag::PegOffset).then_some(value as i32),
        discretion_price: chosen(OptionTag::DiscretionPrice).then_some(value),
        post_only: chosen(OptionTag::PostOnly).then_some(d),
        group_id: chosen(OptionTag::GroupId).then_some(value as u16),
        locate_broker: chosen(OptionTag::LocateBroker).then_some([a, b, c, d]),
        user_ref_idx: chosen(OptionTag::UserRefIdx).then_some(d),
        ..Options::default()
    }
}

/// A message of a row's type: its fixed part, then (or not) an appendage.
fn assemble(row: &Row, text: &[u8], appendage: Option<&[u8]>) -> Vec<u8> {
    let fixed = 1 + row.2.iter().map(|field| field.2).sum::<usize>();
    let mut bytes: Vec<u8> = text.iter().copied().cycle().take(fixed).collect();
    bytes[0] = row.0;
    if let Some(appendage) = appendage {
        bytes.extend_from_slice(&(appendage.len() as u16).to_be_bytes());
        bytes.extend_from_slice(appendage);
    }
    bytes
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        at in 0usize..INBOUND.len() + OUTBOUND.len(),
        text in prop::collection::vec(any::<u8>(), 80),
        mask in any::<u32>(),
        value in any::<u64>(),
        absent in any::<bool>(),
    ) {
        let row = Inbound::TABLE.iter().chain(Outbound::TABLE).nth(at).expect("in the tables");
        // The channel goes with every message that has an appendage, and all go with these two.
        let echoes = at >= INBOUND.len() && [b'A', b'U'].contains(&row.0);
        let options = some_options(if echoes { mask } else { 1 << 28 }, value);
        let mut space = [0; OPTIONS_MAX];
        let appendage = options.appendage(&mut space);
        let bytes = assemble(row, &text, (!absent).then_some(appendage.bytes()));
        let mut written = [0; MESSAGE_MAX];
        let length = if at < INBOUND.len() {
            let message = Inbound::decode(&bytes);
            message.ok().and_then(|message| message.encode(&mut written))
        } else {
            let message = Outbound::decode(&bytes);
            message.ok().and_then(|message| message.encode(&mut written))
        };
        let is_good = if absent { bytes.len() >= row.1 } else { row.0 != b'S' };
        prop_assert_eq!(length.is_some(), is_good);
        if let Some(length) = length {
            prop_assert_eq!(&written[..length], &bytes[..]);
        }
    }

    #[test]
    fn an_appendage_is_read_as_it_was_written(mask in any::<u32>(), value in any::<u64>()) {
        let options = some_options(mask, value);
        let mut space = [0; OPTIONS_MAX];
        prop_assert_eq!(Options::of(&options.appendage(&mut space)), options);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        kind in prop::sample::select(b"OUXMCDEQSABJPITRGK".to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        let mut written = [0; MESSAGE_MAX];
        if let Ok(message) = Inbound::decode(&bytes) {
            let length = message.encode(&mut written).expect("room");
            prop_assert_eq!(&written[..length], &bytes[..]);
        }
        if let Ok(message) = Outbound::decode(&bytes) {
            let length = message.encode(&mut written).expect("room");
            prop_assert_eq!(&written[..length], &bytes[..]);
        }
        let _ = Inbound::user_ref_num_of(&bytes);
    }
}
