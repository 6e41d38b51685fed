//! Every key of the configuration, from the types that read it and the annotated file.

use std::fmt::Write;

use crate::command::reference::cell;
use crate::topology::{Explained, explained};

const TOP: &str = "\
# Configuration
Made by `wirematch reference configuration` from the types that read a configuration and the
sentences of `config/appliance.toml`; a test holds this page to them. A file holds only what
differs; a key that nobody knows is refused. `wirematch config default` prints the annotated file,
`config explain KEY` one key, `config schema` what editors need, `check` what a file will do.
";

/// The page.
pub(super) fn page() -> String {
    let all = explained();
    let is_table = |one: &Explained| all.iter().any(|other| parent_of(&other.key) == one.key);
    let mut page = TOP.to_owned() + "\n## At the top\n";
    keys(&mut page, all.iter().filter(|one| parent_of(&one.key).is_empty() && !is_table(one)));
    for table in all.iter().filter(|one| is_table(one)) {
        let _ = writeln!(page, "\n## `{}`\n{}", table.key, paragraph(&table.text));
        let within = |one: &&Explained| parent_of(&one.key) == table.key && !is_table(one);
        keys(&mut page, all.iter().filter(within));
    }
    page
}

/// What stands before a key's last dot.
fn parent_of(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn paragraph(text: &str) -> String {
    text.replace(['<', '>'], " ")
}

fn keys<'a>(page: &mut String, keys: impl Iterator<Item = &'a Explained>) {
    let mut keys = keys.peekable();
    if keys.peek().is_none() {
        return;
    }
    *page += "\n| key | may be | default | |\n|---|---|---|---|\n";
    for one in keys {
        let name = one.key.rsplit('.').next().unwrap_or_default();
        let default = one.default.as_ref().map_or(String::new(), |value| format!("`{value}`"));
        let (kind, default) = (cell(&one.kind), cell(&default));
        let text = cell(&one.text).replace(['<', '>'], " ");
        let _ = writeln!(page, "| `{name}` | {kind} | {default} | {text} |");
    }
}
