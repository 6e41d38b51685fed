//! The handbook: its generated pages are of today, its links lead somewhere, every alert has a
//! runbook, and every block marked as run is run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wirematch::command::reference::Page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page below `docs`, in order.
fn pages() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("docs is readable") {
            let path = entry.expect("docs is readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("docs"), &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn generated_pages_are_of_today() {
    for page in Page::ALL {
        let path = root().join(page.path());
        if std::env::var_os("WIREMATCH_BLESS").is_some() {
            fs::write(&path, page.text()).expect("the page is ours");
        }
        let is_same = fs::read_to_string(&path).is_ok_and(|text| text == page.text());
        assert!(is_same, "{} is stale: run this test with WIREMATCH_BLESS=1", page.path());
    }
}

/// A page's text without what is code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            // Within a line code stands between backticks.
            lines.push(line.split('`').step_by(2).collect::<Vec<_>>().join("`"));
        }
    }
    lines.join("\n")
}

/// What a heading is linked by.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

fn headings(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| slug(line.trim_start_matches('#'))).collect()
}

/// The targets of a page's links.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let after = prose.split("](").skip(1);
    after.filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut count = 0;
    for page in pages().into_iter().chain([root().join("README.md")]) {
        let text = read(&page);
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().expect("it lies in a folder").join(file),
            };
            let is_there =
                target.exists() && (anchor.is_empty() || headings(&read(&target)).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn every_page_is_a_chapter() {
    let summary = root().join("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> =
        links(&read(&summary)).iter().map(|link| root().join("docs").join(link)).collect();
    let mut there: BTreeSet<PathBuf> = pages().into_iter().collect();
    there.remove(&summary);
    let lost: Vec<_> = there.symmetric_difference(&listed).collect();
    assert!(lost.is_empty(), "in docs or in SUMMARY.md, not in both: {lost:?}");
}

#[test]
fn every_alert_has_a_runbook() {
    let rules = read(&root().join("config/alerts.yml"));
    let alerts: BTreeSet<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let text = read(&root().join("docs/runbooks.md"));
    let books: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(alerts, books);
    let words = ["**True:**", "**Look:**", "**Do:**", "**Over:**"];
    for book in text.split("\n## ").skip(1) {
        for word in words {
            assert!(book.contains(word), "{word} is missing: {book}");
        }
    }
}

/// The words of a text that are numbers, without the commas between thousands.
fn numbers(text: &str) -> BTreeSet<String> {
    let is_part = |one: char| one.is_ascii_digit() || one == '.' || one == ',';
    let words = text.split(|one: char| !is_part(one));
    let words = words.map(|word| word.trim_matches(['.', ',']).replace(',', ""));
    words.filter(|word| !word.is_empty()).collect()
}

/// Nanoseconds of a figure as a picture writes it.
fn nanos(text: &str) -> String {
    let (number, unit) = text.split_once(' ').expect("a number and its unit");
    let one = if unit == "µs" { 1e3 } else { 1e6 };
    format!("{}", (number.parse::<f64>().expect("a number") * one).round())
}

#[test]
fn the_figures_of_the_readme_are_those_of_their_sources() {
    let readme = read(&root().join("README.md"));
    let (_, table) = readme.split_once("| ns | by |\n").expect("there is a table of figures");
    let picture = read(&root().join("docs/pictures/latency.svg"));
    let texts: Vec<&str> = picture.split('>').filter_map(|part| part.split('<').next()).collect();
    let fused = texts.iter().position(|text| *text == "fused").expect("it is drawn");
    let page = read(&root().join("docs/performance.md"));
    let sections: Vec<&str> = page.split("\n## ").collect();
    let mut count = 0;
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [what, figures, command] = cells[..] else { panic!("three cells: {row}") };
        let figures = figures.split(", ").map(|one| one.replace(',', ""));
        let figures: Vec<String> = figures.collect();
        if what.contains("the picture") {
            let drawn: Vec<_> = texts[fused..].iter().filter(|text| text.contains("s")).collect();
            let drawn = [nanos(drawn[1]), nanos(drawn[2])];
            assert_eq!(figures, drawn, "{row}");
        } else {
            // In nanoseconds, or as microseconds.
            let own = sections.iter().filter(|section| section.contains(command));
            let told: BTreeSet<String> = own.flat_map(|section| numbers(section)).collect();
            for figure in &figures {
                let micros = figure.parse::<f64>().expect("a number") / 1e3;
                let is_told = told.contains(figure)
                    || [format!("{micros}"), format!("{micros:.2}")]
                        .iter()
                        .any(|text| told.contains(text));
                assert!(is_told, "docs/performance.md has no {figure} by {command}: {row}");
            }
        }
        count += 1;
    }
    assert!(count >= 5, "{count} rows");
}

/// The blocks of a page that are marked as run, in their order.
fn blocks(text: &str) -> Vec<String> {
    let after = text.split("```sh run\n").skip(1);
    after.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// A namespace without anybody else, where the appliance's own ports are free.
fn is_there_a_namespace() -> bool {
    let up = Command::new("unshare").args(["-Urn", "ip", "link", "set", "lo", "up"]).output();
    up.is_ok_and(|output| output.status.success())
}

#[test]
fn every_block_that_is_marked_as_run_does_run() {
    if !is_there_a_namespace() {
        println!("skipped: there are no namespaces for networks here (unshare -Urn)");
        return;
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_wirematch")).parent().expect("it lies in a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let mut count = 0;
    for page in pages() {
        let blocks = blocks(&read(&page));
        if blocks.is_empty() {
            continue;
        }
        count += blocks.len();
        let folder = tempfile::tempdir().expect("a folder");
        // Whatever a block leaves running ends with its page.
        let script = format!(
            "set -euo pipefail\nip link set lo up\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' \
             EXIT\nset -x\n{}",
            blocks.join("\n")
        );
        let output = Command::new("unshare")
            .args(["-Urn", "timeout", "120", "bash", "-c", &script])
            .current_dir(folder.path())
            .env("PATH", &path)
            .output()
            .expect("`unshare` was there a moment ago");
        assert!(
            output.status.success(),
            "{}: {}\n{}\n{}",
            page.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert!(count > 5, "only {count} blocks were found");
}
