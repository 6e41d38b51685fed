//! Binary order entry and market data, byte by byte.

use std::fmt::Write;

use crate::command::reference::{cell, in_words};
use crate::model::RejectCode;
use crate::wire::ouch::codes::{GROUPS, MARKET_PRICE, PRICE_MAX, QUANTITY_BOUND};
use crate::wire::ouch::{Inbound, OptionTag, Outbound, Presence, TagSet};
use crate::wire::session::{Control, LoginRejectCode};
use crate::wire::{DecodeError, Described, itch};

const TOP: &str = "\
# UDP messages
Made by `wirematch reference udp` from the declarations that read and write these bytes; a test
holds this page to them. How a session goes, and what this house makes of each order, stands in
[order entry](../protocols/order-entry.md); market data in [market
data](../protocols/market-data.md).

Numbers are big-endian, text is padded with blanks, prices have four implied decimals. Offsets
count from the message's type byte.

## The session's own messages
They take no number and stand last in their packet, or alone; `NotApplied` is part of the numbered
flow to the client.
";

const BEFORE_OPTIONS: &str = "\
\n## Options
After the fixed part: a length of two bytes, then elements of `length u8 | tag u8 | value`, whose
length counts tag and value. A tag that is unknown, repeated, or not one of its message's is
refused: an instruction is never ignored in silence.

| tag | name | value | what |
|---|---|---|---|
";

/// The page.
pub(super) fn page() -> String {
    let mut page = TOP.to_owned();
    Control::DESCRIBED.iter().for_each(|one| message(&mut page, one));
    page += "\n### Why a login is refused\n| code | what is wrong, and what to do |\n|---|---|\n";
    for code in LoginRejectCode::ALL {
        line(&mut page, &[&(*code as u8).to_string(), code.sentence()]);
    }
    page += "\n## What a client sends\n";
    for (one, presence, tags) in Inbound::DESCRIBED {
        message(&mut page, one);
        appendage(&mut page, *presence, *tags);
    }
    page += "\n## What a client is sent\n";
    for (one, presence, tags) in Outbound::DESCRIBED {
        message(&mut page, one);
        appendage(&mut page, *presence, *tags);
    }
    page += BEFORE_OPTIONS;
    for tag in OptionTag::ALL {
        let (code, name) = ((*tag as u8).to_string(), format!("{tag:?}"));
        line(&mut page, &[&code, &name, &kind(tag.kind()), tag.sentence()]);
    }
    codes(&mut page);
    reasons(&mut page);
    page += "\n## Market data\n";
    itch::Message::DESCRIBED.iter().for_each(|one| message(&mut page, one));
    page
}

fn line(page: &mut String, cells: &[&str]) {
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

/// A type as a reader of bytes says it.
fn kind(name: &str) -> String {
    match name {
        "u8" => "byte".into(),
        "u16" | "u32" | "u64" => format!("unsigned, {} bytes", bits(name) / 8),
        "i32" => "signed, 4 bytes".into(),
        "Token" => "text, 10 bytes".into(),
        array => match array.trim_matches(['[', ']']).split_once("; ") {
            Some((_, length)) if length.chars().all(|c| c.is_ascii_digit()) => {
                format!("text, {length} bytes")
            }
            _ => "bytes".into(),
        },
    }
}

fn bits(name: &str) -> u32 {
    name.trim_start_matches(['u', 'i']).parse().unwrap_or(0)
}

fn message(page: &mut String, one: &Described) {
    let byte = match one.kind.is_ascii_graphic() {
        true => format!("`{}`", one.kind as char),
        false => format!("`0x{:02x}`", one.kind),
    };
    let (name, length, sentence) = (one.name, one.length, cell(one.sentence));
    let bytes = if length == 1 { "byte" } else { "bytes" };
    let _ = writeln!(page, "\n### {name}, {byte}\n{sentence} {length} {bytes}.");
    if one.fields.is_empty() {
        return;
    }
    *page += "\n| offset | size | field | type | |\n|---|---|---|---|---|\n";
    for ((name, offset, size), (type_name, note)) in one.fields.iter().zip(one.notes) {
        let (offset, size) = (offset.to_string(), size.to_string());
        line(page, &[&offset, &size, &format!("`{name}`"), &kind(type_name), note]);
    }
}

fn appendage(page: &mut String, presence: Presence, tags: TagSet) {
    let names = OptionTag::ALL.iter().filter(|tag| tags.has(**tag));
    let names: Vec<_> = names.map(|tag| format!("{tag:?}")).collect();
    let all = names.len() == OptionTag::ALL.len();
    let names = if all { "all".into() } else { names.join(", ") };
    let _ = match presence {
        Presence::Never => writeln!(page, "\nNo options."),
        Presence::Optional => writeln!(page, "\nMay end here. Options: {names}."),
        Presence::Required => writeln!(page, "\nThe options' length follows always. {names}."),
    };
}

fn codes(page: &mut String) {
    *page += "\n## Codes\nThose of the standard that are not here are refused.\n\n";
    *page += "| field | what | codes |\n|---|---|---|\n";
    for (group, what, codes) in GROUPS {
        let codes =
            codes.iter().map(|(name, code)| format!("`{}` {}", char::from(*code), in_words(name)));
        let codes = codes.collect::<Vec<_>>().join(", ");
        line(page, &[&format!("`{group}`"), what, &codes]);
    }
    let _ = writeln!(
        page,
        "\nA market order has the price {MARKET_PRICE}; the highest limit is {PRICE_MAX}; \
         quantities are below {QUANTITY_BOUND}."
    );
}

fn reasons(page: &mut String) {
    *page += "\n## Why an order is rejected\n";
    *page += "| reason | FIX 103 | name | what is wrong |\n|---|---|---|---|\n";
    let mut codes = RejectCode::ALL.to_vec();
    codes.sort_by_key(|code| (code.ouch(), code.code()));
    for code in codes {
        let (reason, fix) = (format!("0x{:04x}", code.ouch()), code.fix().to_string());
        line(page, &[&reason, &fix, code.name(), code.sentence()]);
    }
    *page += "\n## Why bytes are dropped\nEach cause has a counter; nobody is answered.\n\n";
    *page += "| cause | what is wrong |\n|---|---|\n";
    for (name, sentence) in DecodeError::TABLE {
        line(page, &[name, sentence]);
    }
}
