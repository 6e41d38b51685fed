//! Keeps the house in order: who may import whom, how long a file is, where `unsafe` may live.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules it may import, in dependency order: a cycle cannot be written down.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("snapshot", &["model"]),
    ("link", &["model"]),
    ("wire", &["model", "snapshot"]),
    ("port", &["model", "wire"]),
    ("feed", &["model", "wire"]),
    ("engine", &["model", "snapshot"]),
    ("journal", &["model"]),
    ("runtime", &["model"]),
    ("replica", &["model", "journal"]),
    ("flow", &["model", "engine"]),
    ("fpga", &["model", "wire", "engine", "flow"]),
    (
        "stage",
        &["model", "snapshot", "link", "wire", "port", "feed", "engine", "journal", "runtime"],
    ),
    ("slow", &["model", "link", "wire", "journal", "runtime"]),
    ("outlet", &["model", "wire", "feed", "journal", "runtime", "stage"]),
    (
        "topology",
        &[
            "model", "snapshot", "link", "wire", "port", "feed", "engine", "journal", "runtime",
            "replica", "flow", "fpga", "stage", "slow", "outlet",
        ],
    ),
    ("console", &["model", "engine", "wire", "journal", "runtime", "stage", "slow", "topology"]),
    ("client", &["model", "wire", "port", "feed", "runtime", "flow"]),
    (
        "simulate",
        &[
            "model", "link", "wire", "port", "feed", "engine", "journal", "runtime", "replica",
            "flow", "stage", "topology", "client",
        ],
    ),
    (
        "command",
        &[
            "model", "snapshot", "link", "wire", "port", "feed", "engine", "journal", "runtime",
            "replica", "flow", "fpga", "stage", "slow", "outlet", "topology", "console", "client",
            "simulate",
        ],
    ),
];

/// Files where `unsafe` may stand, each behind a safe door.
const MAY_BE_UNSAFE: &[&str] = &[
    "src/model/fetch.rs",
    // Verilator's models are C++.
    "src/fpga/simulated.rs",
    "src/wire/fix/scan.rs",
    "src/port/tcp_info.rs",
    "src/port/tun.rs",
    "src/port/dpdk/mod.rs",
    "src/port/dpdk/eal.rs",
    "src/port/dpdk/ffi.rs",
    "src/link/batch.rs",
    "src/journal/checksum.rs",
    "src/journal/map.rs",
    "src/runtime/counters_file/map.rs",
    "src/runtime/memory.rs",
    "src/runtime/affinity.rs",
    "src/runtime/rehearsal.rs",
    "src/runtime/utc.rs",
];

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;

/// Words that may not stand in a source file, each with what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("todo!(", "finish it"),
    ("\t", "indent with spaces"),
    ("super::super", "write the path from `crate`"),
    ("use crate::{", "one `use` per module, so that the import table can be read"),
];

#[test]
fn tidy() {
    let mut untidy = Vec::new();
    for file in sources(Path::new("src")) {
        check_file(&file, &mut untidy);
    }
    assert!(untidy.is_empty(), "\n{}", untidy.join("\n"));
}

fn check_file(file: &Path, untidy: &mut Vec<String>) {
    let text = fs::read_to_string(file).expect("a source file is readable");
    let name = file.display();
    let module = module_of(file);
    if text.lines().count() > LINES_MAX {
        untidy.push(format!("{name}: over {LINES_MAX} lines"));
    }
    if !text.starts_with("//!") {
        untidy.push(format!("{name}: the first line does not say what the file is for"));
    }
    for (at, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", at + 1);
        if line.chars().count() > COLUMNS_MAX {
            untidy.push(format!("{place}: over {COLUMNS_MAX} columns"));
        }
        if line.ends_with(' ') {
            untidy.push(format!("{place}: trailing blanks"));
        }
        if file.ends_with("tidy.rs") {
            continue;
        }
        for (word, cure) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
            untidy.push(format!("{place}: `{}`: {cure}", word.escape_default()));
        }
        let is_unsafe = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|w| line.contains(w));
        if is_unsafe && !MAY_BE_UNSAFE.contains(&name.to_string().as_str()) {
            untidy.push(format!("{place}: `unsafe` may not live here"));
        }
        check_imports(&module, line, &place, untidy);
    }
}

fn check_imports(module: &str, line: &str, place: &str, untidy: &mut Vec<String>) {
    if ["lib", "main", "tidy"].contains(&module) {
        return;
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
        untidy.push(format!("{place}: `{module}` is not in the import table"));
        return;
    };
    for (at, _) in line.match_indices("crate::") {
        let path = &line[at + "crate::".len()..];
        let target: String =
            path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let known = MAY_IMPORT.iter().any(|(name, _)| *name == target);
        if known && target != module && !allowed.contains(&target.as_str()) {
            untidy.push(format!("{place}: `{module}` may not import `{target}`"));
        }
    }
}

#[test]
fn the_import_table_has_no_cycle() {
    for (at, (name, allowed)) in MAY_IMPORT.iter().enumerate() {
        for import in *allowed {
            let below = MAY_IMPORT[..at].iter().any(|(other, _)| other == import);
            assert!(below, "`{name}` imports `{import}`, which does not stand above it");
        }
    }
}

#[test]
fn a_wrong_import_is_named_with_file_and_line() {
    let mut untidy = Vec::new();
    check_imports("link", "use crate::stage::Gateway;", "src/link/mod.rs:12", &mut untidy);
    assert_eq!(untidy, ["src/link/mod.rs:12: `link` may not import `stage`"]);
}

fn module_of(file: &Path) -> String {
    let first = file.strip_prefix("src").expect("sources lie in src").iter().next();
    first.and_then(|name| name.to_str()).unwrap_or_default().trim_end_matches(".rs").to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
