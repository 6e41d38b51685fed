//! Writes compiled tables as Rust source, for `build.rs`: the dictionaries are then plain statics.

use std::fmt::Write;

use super::tables::{Field, Layout, Member, Tables};

/// A `static` of the given name; the text stands inside the module that defines [`Tables`]' types.
pub(super) fn source(name: &str, tables: &Tables) -> String {
    let mut out = String::new();
    let strings = |list: &[&str]| list.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>();
    let numbers = |list: &[u16]| list.iter().map(u16::to_string).collect::<Vec<_>>();
    let _ = writeln!(out, "pub(super) static {name}: Tables = Tables {{");
    let _ = writeln!(out, "version: {:?},", tables.version);
    let mut list = |field: &str, items: Vec<String>| {
        let _ = writeln!(out, "{field}: &[{}],", items.join(", "));
    };
    list("slots", numbers(tables.slots));
    list("fields", tables.fields.iter().map(field).collect());
    list("names", strings(tables.names));
    list("codes", tables.codes.iter().map(|code| format!("{code:#x}")).collect());
    list("words", tables.words.iter().map(|word| format!("{word:#x}")).collect());
    list("members", tables.members.iter().map(member).collect());
    list("required", numbers(tables.required));
    list("layouts", tables.layouts.iter().map(layout).collect());
    list("messages", tables.messages.iter().map(|message| format!("{message:?}")).collect());
    list("message_names", strings(tables.message_names));
    out.push_str("};\n");
    out
}

fn field(field: &Field) -> String {
    format!(
        "Field {{ single: {:#x}, codes_at: {}, codes_len: {}, listed: {}, kind: Kind::{:?}, \
         section: Section::{:?}, tag: {}, data_tag: {}, of_session: {}, \
         counts_group: {} }}",
        field.single,
        field.codes_at,
        field.codes_len,
        field.listed,
        field.kind,
        field.section,
        field.tag,
        field.data_tag,
        field.of_session,
        field.counts_group
    )
}

fn member(member: &Member) -> String {
    let Member { slot, group, required } = member;
    format!("Member {{ slot: {slot}, group: {group}, required: {required} }}")
}

fn layout(layout: &Layout) -> String {
    format!("{layout:?}")
}
