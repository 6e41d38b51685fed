//! The FIX rules of engagement, from the dictionaries and the reader's own tables.

use std::fmt::Write;

use crate::command::reference::{cell, in_words};
use crate::model::RejectCode;
use crate::wire::fix::order::rules::{CODED, TAKEN, Taken, examples, meaning};
use crate::wire::fix::{BusinessReject, SessionReject, Version};

const TOP: &str = "\
# FIX rules of engagement
Made by `wirematch reference fix` from the dictionaries and tables that messages are read and
written by; a test holds this page to them. What a session does, message by message and after a
crash, stands in [FIX](../protocols/fix.md). What is yours alone (CompIDs, accounts, rate,
password, schedule) your operator says: `wirematch config explain fix.session` lists it. Try your
client against a test appliance before you come ([being a client](../client.md#certification)).

## Who speaks what
| version | BeginString (8) | DefaultApplVerID (1137) |
|---|---|---|
";

const LOGON: &str = "
The first message is Logon (A): EncryptMethod (98) 0, HeartBtInt (108) of at least a second;
Username (553) and Password (554), or RawData (96), where a password is set; ResetSeqNumFlag (141)
begins both numbers at 1; NextExpectedMsgSeqNum (789) where it is agreed. Anything else first,
another CompID, a wrong password, or a SendingTime (52) more than 120 s off closes the line
without a word.
";

/// The page.
pub(super) fn page() -> String {
    let mut page = TOP.to_owned();
    for version in Version::ALL {
        let id = version.appl_ver_id().unwrap_or("");
        let _ = writeln!(page, "| {} | {} | {id} |", version.name(), version.begin_string());
    }
    page += LOGON;
    page += "\n## What a client sends\nOther message types get a business reject (380=3). Of the \
             fields of a type those below are read; *must* says which versions ask for it.\n";
    TAKEN.iter().for_each(|taken| message(&mut page, taken));
    values(&mut page);
    page += "\n## What a client is told\nEverything behind the standard header; bars stand for \
             the separator.\n";
    Version::ALL.into_iter().for_each(|version| told(&mut page, version));
    reasons(&mut page);
    page
}

/// The name of a message type or a field in the newest version that has it.
fn newest<T>(find: impl Fn(Version) -> Option<T>) -> Option<T> {
    Version::ALL.into_iter().rev().find_map(find)
}

fn message(page: &mut String, taken: &Taken) {
    let kind = taken.kind.as_bytes();
    let name = newest(|version| version.dictionary().message_name(kind).map(str::to_owned));
    let name = name.unwrap_or_default();
    let in_versions: Vec<_> = Version::ALL
        .into_iter()
        .filter(|version| version.dictionary().message_name(kind).is_some())
        .collect();
    let _ = write!(page, "\n### {name} ({})\nAsks for {}.", taken.kind, taken.asks);
    if in_versions.len() < Version::ALL.len() {
        let names: Vec<_> = in_versions.iter().map(|version| version.name()).collect();
        let _ = write!(page, " In {} only.", names.join(" and "));
    }
    *page += "\n\n| tag | field | must | |\n|---|---|---|---|\n";
    for (tag, note) in taken.fields.iter().copied().flatten() {
        let field = newest(|version| version.dictionary().name(*tag).map(str::to_owned));
        let must: Vec<_> = in_versions
            .iter()
            .filter(|version| version.dictionary().requires(kind, *tag) == Some(true))
            .map(|version| version.name().trim_start_matches("FIX."))
            .collect();
        let must = match must.len() {
            all if all == in_versions.len() => "all".to_owned(),
            _ => must.join(", "),
        };
        let field = field.unwrap_or_default();
        let _ = writeln!(page, "| {tag} | {field} | {must} | {} |", cell(note));
    }
}

fn values(page: &mut String) {
    *page += "\n## Values\nOther values that a version knows are refused, not passed over.\n\n";
    *page += "| tag | field | taken |\n|---|---|---|\n";
    for tag in CODED {
        let field = newest(|version| version.dictionary().name(tag).map(str::to_owned));
        let codes = (b'0'..=b'z').filter(u8::is_ascii_alphanumeric).filter_map(|code| {
            let known = |version: Version| version.dictionary().allows(tag, &[code]);
            let means = in_words(&meaning(tag, code)?);
            Version::ALL.into_iter().any(known).then(|| format!("`{}` {means}", code as char))
        });
        let codes = codes.collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| {tag} | {} | {codes} |", field.unwrap_or_default());
    }
}

fn told(page: &mut String, version: Version) {
    let _ = writeln!(page, "\n### {}\n```text", version.name());
    for (what, kind, text) in examples(version) {
        let name = version.dictionary().message_name(kind.as_bytes()).unwrap_or_default();
        let _ = writeln!(page, "{what}: {name}\n  35={kind}|{text}");
    }
    *page += "```\n";
}

fn reasons(page: &mut String) {
    *page += "\n## Why an order is rejected\nOrdRejReason (103), and the sentence that stands in \
              Text (58). FIX 4.2 knows reasons to 8; others are 0 there.\n\n";
    *page += "| 103 | Text (58) |\n|---|---|\n";
    let mut codes = RejectCode::ALL.to_vec();
    codes.sort_by_key(|code| (code.fix(), code.code()));
    for code in codes {
        let _ = writeln!(page, "| {} | {} |", code.fix(), cell(code.sentence()));
    }
    *page += "\n## Why a message is rejected\n| reason | SessionRejectReason (373) |\n|---|---|\n";
    for reason in SessionReject::ALL {
        let _ = writeln!(page, "| {} | {} |", reason.code(), reason.text());
    }
    *page += "\n| reason | BusinessRejectReason (380) |\n|---|---|\n";
    for reason in BusinessReject::ALL {
        let _ = writeln!(page, "| {} | {} |", reason.code(), reason.text());
    }
}
