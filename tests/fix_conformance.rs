//! The session as an acceptor is tested by others: our own cases, and where they are at hand the
//! published acceptance definitions.

#[path = "support/fix.rs"]
mod fix;

use std::path::{Path, PathBuf};

/// Runs every definition of a folder; names those that fail.
fn run_folder(folder: &Path) -> Option<usize> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "def" || ext == "case"))
        .collect();
    files.sort();
    let mut failed = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).expect("a readable definition");
        let text: String = String::from_utf8_lossy(&bytes).into_owned();
        // Our own cases are written with `|`, the published ones with the separator itself.
        let own = file.extension().is_some_and(|ext| ext == "case");
        let text = if own { text.replace('|', "\u{1}") } else { text };
        if let Err(what) = fix::Suite::new().run(&text) {
            failed.push(format!("{}: {what}", file.display()));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        files.len(),
        failed.join("\n")
    );
    Some(files.len())
}

fn shared() -> PathBuf {
    std::env::var_os("WIREMATCH_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

#[test]
fn our_own_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fix_cases");
    let count = run_folder(&folder).expect("our cases are here");
    assert!(count >= 10, "only {count} cases found");
}

#[test]
fn the_published_definitions_hold() {
    for version in ["fix42", "fix44", "fix50sp2"] {
        let folder = shared().join("fix-acceptance").join(version);
        match run_folder(&folder) {
            Some(count) => println!("{version}: {count} definitions hold"),
            None => println!("skipped: no definitions at {}", folder.display()),
        }
    }
}
