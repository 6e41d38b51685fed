//! `wirematch bench --svg` from outside: the picture shows what the figures say, and a file that
//! cannot be written is told before anything is measured.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use roxmltree::Document;
use serde_json::Value;

fn bench(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["bench", "--data"])
        .arg(data)
        .args(arguments)
        .output()
        .expect("the binary runs")
}

/// Every text of a picture in its order, and how many lines it has.
fn seen(path: &Path) -> (Vec<String>, usize) {
    let text = fs::read_to_string(path).expect("the picture was written");
    let drawn = Document::parse(&text).expect("well-formed");
    let of =
        |name: &'static str| drawn.descendants().filter(move |node| node.tag_name().name() == name);
    let texts = of("text").map(|node| node.text().unwrap_or_default().to_owned()).collect();
    (texts, of("polyline").count())
}

#[test]
fn a_picture_has_a_line_for_each_placement_and_names_what_made_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let svg = folder.path().join("latency.svg");
    let asked = ["--orders", "5000", "--rate", "20000", "--json", "--svg", svg.to_str().unwrap()];
    let output = bench(folder.path(), &asked);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one object");
    let (texts, lines) = seen(&svg);
    let placements = ["fused", "split"].into_iter().filter(|name| told[name].is_object());
    let placements: Vec<&str> = placements.collect();
    assert_eq!(lines, placements.len());
    for name in placements {
        let at = texts.iter().position(|text| text == name).expect("it is named");
        assert_eq!(told[name]["count"], 4_500);
        assert_eq!(texts[at + 1], "4,500");
    }
    let machine = told["machine"].as_str().expect("it is named");
    assert!(texts.iter().any(|text| text == machine), "{machine}: {texts:?}");
    assert!(told["made_by"]["build"].is_string(), "{told}");
    assert!(told["made_by"]["host"]["checks"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(told["asked"]["messages"], 5_000);
    assert_eq!((&told["asked"]["seed"], &told["asked"]["rate_per_s"]), (&1.into(), &20_000.into()));
    let how = "5,000 messages at 20,000 a second, open loop, the first tenth not measured; gate \
               journaled";
    assert!(texts.iter().any(|text| text == how), "{texts:?}");
}

#[test]
fn a_device_has_a_line_for_its_echo_and_for_the_appliance() {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        println!("skipped: two processes that spin need two CPUs");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let svg = folder.path().join("latency.svg");
    let output = bench(
        folder.path(),
        &[
            "--port",
            "socket",
            "--rounds",
            "1",
            "--orders",
            "2000",
            "--rate",
            "2000",
            "--json",
            "--svg",
            svg.to_str().unwrap(),
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one object");
    let (texts, lines) = seen(&svg);
    let rows = told["rows"].as_array().expect("rows");
    assert_eq!((lines, rows.len()), (2, 2));
    for row in rows {
        let name = row["name"].as_str().expect("a name");
        assert!(texts.iter().any(|text| text == name), "{name}: {texts:?}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nowhere/latency.svg");
    for option in ["--svg", "--hgrm"] {
        // Measured, it would take more than an hour, and nobody would wait for that.
        let asked = ["--orders", "4000", "--rate", "1", option, path.to_str().unwrap()];
        let output = bench(folder.path(), &asked);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let words = [option, path.to_str().unwrap(), "in a folder that is there"];
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
    }
}
