//! `wirematch flow` from outside: what it makes it can replay, and what it refuses it names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn wirematch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .arg("flow")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}

/// Makes a small flow in `folder`.
fn made(folder: &Path) -> PathBuf {
    let file = folder.join("made.flow");
    let made = wirematch(&[
        "make",
        text(&file),
        "--seed",
        "11",
        "--resting",
        "400",
        "--events",
        "5000",
        "--range",
        "300",
        "--sparse-ids",
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}

/// Replays a file and returns the exit code and the JSON it printed.
fn replayed(file: &Path, engine: &str) -> (Option<i32>, Value) {
    let output = wirematch(&[text(file), "--engine", engine, "--json"]);
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), json)
}

#[test]
fn all_engines_make_the_trades_that_a_made_file_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(folder.path());
    let (code, fast) = replayed(&file, "fast");
    assert_eq!(code, Some(0));
    assert_eq!((&fast["verified"], &fast["events_timed"]), (&true.into(), &5_000.into()));
    assert!(fast["ns_per_event"].as_f64() > Some(0.0));
    let hash = fast["trade_hash"].as_str().expect("a hash");
    assert!(hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let (code, reference) = replayed(&file, "reference");
    assert_eq!(code, Some(0));
    let (book, whole) = (replayed(&file, "book"), replayed(&file, "whole"));
    assert_eq!((book.0, whole.0), (Some(0), Some(0)));
    for key in ["events", "trades", "trade_hash", "traded_quantity", "resting"] {
        assert_eq!(fast[key], reference[key], "{key}");
        assert_eq!((&fast[key], &fast[key]), (&book.1[key], &whole.1[key]), "{key}");
    }
}

#[test]
fn percentiles_are_told_by_what_commands_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(folder.path());
    for ids in ["handles", "file"] {
        let output =
            wirematch(&[text(&file), "--percentiles", "--repeat", "2", "--ids", ids, "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!((&json["ids"], &json["verified"]), (&ids.into(), &true.into()));
        for table in ["percentiles", "percentiles_least"] {
            let of = |kind: &str| json[table][kind]["count"].as_u64().expect("a count");
            let kinds = ["add", "cancel", "replace", "marketable"].map(of);
            assert_eq!(kinds.iter().sum::<u64>(), of("all"), "{table}");
            assert!(of("all") >= 5_000 && of("clock_alone") == of("all"));
        }
    }
    let refused = wirematch(&[text(&file), "--percentiles", "--engine", "book"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn flows_made_to_hurt_are_replayed_like_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let profiles = ["calm", "sparse-prices", "one-price", "jumps", "cancel-storms", "alike-ids"];
    for profile in profiles {
        let file = folder.path().join(profile);
        let wanted = ["--seed", "3", "--resting", "300", "--events", "2000", "--profile", profile];
        let arguments = [&["make", text(&file)], &wanted[..]].concat();
        assert!(wirematch(&arguments).status.success(), "{profile}");
        assert_eq!(replayed(&file, "whole").0, Some(0), "{profile}");
    }
}

#[test]
fn the_trades_are_written_as_records_and_the_report_is_for_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(folder.path());
    let out = folder.path().join("trades");
    let output = wirematch(&[text(&file), "--trades", text(&out), "--repeat", "2"]);
    assert!(output.status.success());
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("as the file says") && report.contains("ns per event"), "{report}");
    let (_, json) = replayed(&file, "fast");
    let trades = json["trades"].as_u64().expect("a count");
    let records = fs::read(&out).expect("the trades were written");
    assert_eq!(records.len() as u64, trades * 24);
    let quantity: u64 = records
        .chunks_exact(24)
        .map(|record| u64::from(u32::from_le_bytes(record[20..].try_into().expect("four bytes"))))
        .sum();
    assert_eq!(Some(quantity), json["traded_quantity"].as_u64());
}

#[test]
fn a_file_whose_promise_is_not_kept_exits_with_4() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made(folder.path());
    let mut bytes = fs::read(&file).expect("it was made");
    bytes[32] ^= 1;
    fs::write(&file, bytes).expect("it can be changed");
    let (code, json) = replayed(&file, "fast");
    assert_eq!((code, &json["verified"]), (Some(4), &false.into()));
}

/// A way to spoil a good file, and what the complaint must name.
type Spoiled = (&'static str, fn(&mut Vec<u8>), &'static [&'static str]);

#[test]
fn a_bad_file_exits_with_2_and_the_place_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = fs::read(made(folder.path())).expect("it was made");
    let ways: &[Spoiled] = &[
        ("empty", |bytes| bytes.clear(), &["byte 0", "magic"]),
        ("other magic", |bytes| bytes[3] = b'X', &["byte 0", "magic", "MEV10001"]),
        ("half a header", |bytes| bytes.truncate(40), &["byte 40", "length"]),
        ("cut off", |bytes| bytes.truncate(64 + 32 * 9 + 5), &["byte 8", "cut off"]),
        ("too long", |bytes| bytes.push(0), &["byte 8", "something follows"]),
        ("huge counts", |bytes| bytes[8..24].fill(0xff), &["byte 8", "prefill, timed"]),
        ("type", |bytes| bytes[64 + 32 * 2 + 24] = 9, &["byte 152", "event 2", "type", "9"]),
        ("side", |bytes| bytes[64 + 25] = 2, &["byte 89", "event 0", "side"]),
        ("symbol", |bytes| bytes[64 + 26] = 1, &["byte 90", "event 0", "symbol"]),
        ("id", |bytes| bytes[64..72].fill(0), &["byte 64", "event 0", "order id"]),
        ("new id", |bytes| bytes[72] = 1, &["byte 72", "event 0", "new id"]),
        ("price", |bytes| bytes[80..84].fill(0xff), &["byte 80", "event 0", "price"]),
        ("quantity", |bytes| bytes[84..88].fill(0), &["byte 84", "event 0", "quantity"]),
        ("id twice", |bytes| bytes.copy_within(64..96, 96), &["byte 96", "event 1", "still rests"]),
    ];
    for (name, spoil, words) in ways {
        let mut bytes = good.clone();
        spoil(&mut bytes);
        let file = folder.path().join("bad.flow");
        fs::write(&file, bytes).expect("it can be written");
        let output = wirematch(&[text(&file)]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {complaint}");
        for word in words.iter().chain(&["bad.flow"]) {
            assert!(complaint.contains(word), "{name}: no `{word}` in: {complaint}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let missing = wirematch(&["/nowhere/at-all.flow"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere/at-all.flow"));
    for arguments in [&[] as &[&str], &["a.flow", "--engine", "best"], &["a", "--repeat", "0"]] {
        assert_eq!(wirematch(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn both_engines_verify_the_shared_flows() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("WIREMATCH_SHARED").map_or(beside, PathBuf::from);
    for name in ["small", "deep", "real-aapl"] {
        let file = shared.join("flow").join(name).with_extension("flow");
        if !file.exists() {
            println!("skipped: {name}.flow is not there");
            continue;
        }
        for engine in ["fast", "reference"] {
            let (code, json) = replayed(&file, engine);
            assert_eq!(code, Some(0), "{name}, {engine}");
            assert_eq!(json["trade_hash"], json["trade_hash_expected"], "{name}, {engine}");
        }
    }
}
