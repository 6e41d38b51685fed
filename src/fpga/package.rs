//! The words of `model` in SystemVerilog: layouts and codes, written by the program itself, so that
//! the file in `fpga/rtl` can be held against what the software says.

use std::fmt::Write;
use std::mem::offset_of;

use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventKind, OrderType, RejectCode,
    SelfTrade, Side, TimeInForce,
};

/// Where the file lies in the repository.
pub const PATH: &str = "fpga/rtl/message_pkg.sv";

/// A field of a message: its name, where it begins and how many bytes it has.
type Field = (&'static str, usize, usize);

/// The name, place and size of each field named.
macro_rules! fields {
    ($of:ty, $($field:ident),+ $(,)?) => {{
        let value = <$of>::default();
        vec![$((stringify!($field), offset_of!($of, $field), size_of_val(&value.$field)),)+]
    }};
}

/// The whole file.
pub fn text() -> String {
    let mut text = String::from(
        "`default_nettype none\n\
         // Generated from src/model by `wirematch fpga package`; a test says when it is stale.\n\
         // Bit 0 of a message is bit 0 of its byte 0, so a line of a cache is a beat as it lies.\n\
         package message_pkg;\n",
    );
    let command = fields!(
        Command,
        seq,
        timestamp,
        price,
        age,
        session,
        ordinal,
        target,
        client_seq,
        instrument,
        account,
        quantity,
        kind,
        side,
        order_type,
        time_in_force,
        verdict,
        flags,
        lines,
        version,
    );
    let event = fields!(
        Event, id, timestamp, price, reference, session, ordinal, target, client_seq, instrument,
        account, quantity, kind, side, reason, flags,
    );
    layout(&mut text, "command_t", command);
    layout(&mut text, "event_t", event);
    codes(&mut text, "COMMAND", CommandKind::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "EVENT", EventKind::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "CANCEL", CancelReason::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "REJECT", RejectCode::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "SIDE", Side::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "ORDER", OrderType::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "TIME", TimeInForce::ALL.iter().map(|k| (k.name(), k.code())));
    codes(&mut text, "SELF_TRADE", SelfTrade::ALL.iter().map(|k| (k.name(), k.code())));
    let flags = [
        ("Last", EventFlags::LAST),
        ("Done", EventFlags::DONE),
        ("Maker", EventFlags::MAKER),
        ("KeptPriority", EventFlags::KEPT_PRIORITY),
        ("Rests", EventFlags::RESTS),
    ];
    codes(&mut text, "EVENT_FLAG", flags.iter().map(|(name, flag)| (*name, flag.0)));
    text.push_str("endpackage\n`default_nettype wire\n");
    text
}

/// Where the reasons lie in the repository.
pub const REASONS_PATH: &str = "fpga/rtl/reject_reasons.svh";

/// The protocol's reason for each reject code, as the arms of a `case`.
pub fn reasons() -> String {
    let arm = |code: &RejectCode| {
        format!("            8'd{}: refusal = 16'h{:04x};\n", code.code(), code.ouch())
    };
    RejectCode::ALL.iter().map(arm).collect()
}

/// A packed struct names its highest bits first.
fn layout(text: &mut String, name: &str, mut fields: Vec<Field>) {
    fields.sort_by_key(|(_, offset, _)| std::cmp::Reverse(*offset));
    text.push_str("    typedef struct packed {\n");
    for (field, _, bytes) in fields {
        let _ = writeln!(text, "        logic [{}:0] {field};", bytes * 8 - 1);
    }
    let _ = writeln!(text, "    }} {name};\n");
}

fn codes<'a>(text: &mut String, prefix: &str, all: impl Iterator<Item = (&'a str, u8)>) {
    for (name, code) in all {
        let _ = writeln!(text, "    localparam logic [7:0] {prefix}_{} = 8'd{code};", upper(name));
    }
    text.push('\n');
}

/// `KeptPriority` as `KEPT_PRIORITY`.
fn upper(name: &str) -> String {
    let mut upper = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.push(letter.to_ascii_uppercase());
    }
    upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_the_hardware_says_what_the_model_says() {
        let root = env!("CARGO_MANIFEST_DIR");
        let there = std::fs::read_to_string(std::path::Path::new(root).join(PATH))
            .expect("fpga/rtl/message_pkg.sv is there");
        assert!(there == text(), "stale: wirematch fpga package > {PATH}");
        let there = std::fs::read_to_string(std::path::Path::new(root).join(REASONS_PATH));
        let there = there.expect("fpga/rtl/reject_reasons.svh is there");
        assert!(there == reasons(), "stale: wirematch fpga package --reasons > {REASONS_PATH}");
    }

    #[test]
    fn the_layouts_leave_no_byte_out() {
        let bits: usize = text()
            .lines()
            .filter_map(|line| line.trim().strip_prefix("logic [")?.split(':').next())
            .filter_map(|top| top.parse::<usize>().ok())
            .map(|top| top + 1)
            .sum();
        assert_eq!(bits, 2 * 512);
    }
}
