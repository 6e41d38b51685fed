//! `wirematch deal` and `wirematch check` as a person runs them.

use std::process::{Command, Output};

use serde_json::Value;

fn wirematch(arguments: &[&str]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_wirematch"));
    process.args(arguments).output().expect("the binary runs")
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("the binary writes text")
}

#[test]
fn the_busiest_thousand_of_ten_thousand_are_dealt_over_sixteen_appliances() {
    let deal = ["deal", "--example", "10000", "--appliances", "16", "--shards", "64"];
    let told = out(&wirematch(&[&deal[..], &["--dedicated", "1000", "--summary"]].concat()));
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    let sum = |column: usize| -> u32 {
        rows[1..17].iter().map(|row| row[column].parse::<u32>().expect("a number")).sum()
    };
    // The first appliance has the busiest of all and needs nothing besides.
    assert_eq!((sum(1), sum(2), sum(3)), (1_000, 15, 10_000), "{told}");
    let table = out(&wirematch(&[&deal[..], &["--dedicated", "1000"]].concat()));
    assert_eq!(table.matches("[[shard]]").count(), 1_015);
    let json = out(&wirematch(&[&deal[..], &["--dedicated", "1000", "--json"]].concat()));
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    let of = |key: &str| json[key].as_array().map_or(&[][..], |all| all);
    assert_eq!((of("shards").len(), of("appliances").len()), (1_015, 16));
    for (row, one) in rows[1..17].iter().zip(of("appliances")) {
        let told = [&one["name"], &one["dedicated"], &one["shared"], &one["instruments"]];
        let told = told.map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
        assert_eq!(&row[..4], told, "{one}");
    }
    let few = wirematch(&["deal", "--example", "100", "--shards", "4", "--dedicated", "9"]);
    assert_eq!(few.status.code(), Some(2));
}

#[test]
fn a_check_tells_the_shards_and_the_next_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("my.toml");
    let text = "[[shard]]\ninstruments = [\"ACME\"]\n[[shard]]\nladder_ticks = 64\n\
        [[core]]\nstages = [\"gateway\", \"sequencer\", \"risk\", \"dealer\", \"matching\", \
        \"matching-2\", \"collector\", \"recorder\", \"feed\"]\n";
    let calendar = include_str!("../config/us-equities.toml");
    std::fs::write(&file, format!("{text}{calendar}")).expect("the file is written");
    let told = out(&wirematch(&["check", "--config", file.to_str().expect("a path")]));
    assert!(told.contains("matching: has 1 instruments, knows 1,"), "{told}");
    assert!(told.contains("matching-2: has 3 instruments, knows 4,"), "{told}");
    assert!(told.contains("calendar  us-equities, 4 instruments"), "{told}");
}
