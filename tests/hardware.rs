//! The order book in Verilog inside the live appliance: orders off a socket, matched by the
//! verilated device, answered; and the software's replay of the same journal says the same.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::fs;
use std::process::Command;

use process::{Appliance, configuration, free_address};

/// Two shards, of which the Verilog has one, and a device of 4,096 orders.
fn with_hardware(path: &std::path::Path) {
    let mut text = fs::read_to_string(path).expect("it was just written");
    text = text.replace("orders_max = 4194304", "orders_max = 4096");
    text =
        text.replace("\"matching\",", "\"dealer\", \"matching\", \"matching-2\", \"collector\",");
    text += "[[shard]]\ninstruments = [\"ACME\"]\nengine = \"fpga-sim\"\n[[shard]]\n";
    fs::write(path, text).expect("the folder is ours");
}

/// Plays seeded order flow, and gives what the client printed.
fn load(entry: &str, seed: u32, orders: u32) -> String {
    let client = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--gateway", entry, "--session", "1", "--key", "test-key-1", "load"])
        .args(["--orders", &orders.to_string(), "--rate", "5000", "--seed", &seed.to_string()])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&client.stdout).into_owned();
    assert!(client.status.success(), "{said}{}", String::from_utf8_lossy(&client.stderr));
    said
}

/// What people see while it runs: all that was answered was compared, and each class takes the
/// cycles it always does.
fn shows_the_two_in_lockstep(folder: &std::path::Path) {
    let shown = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["monitor", "--json", "--data"])
        .arg(folder.join("data"))
        .output()
        .expect("the binary starts");
    let figures: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("it is JSON");
    let shards = figures["hardware"].as_array().expect("a list");
    assert_eq!(shards.len(), 1, "{figures}");
    let shard = &shards[0];
    assert_eq!((shard["shard"].as_u64(), shard["differences"].as_u64()), (Some(1), Some(0)));
    assert!(shard["relieved"] == "" && shard["answered"].as_u64() > Some(1_000), "{shard}");
    let classes = shard["classes"].as_array().expect("a list");
    let counted: u64 = classes.iter().filter_map(|class| class["commands"].as_u64()).sum();
    // Cancels that the shadow asked for, of a client that left, are of no class.
    assert!(counted > 1_000 && Some(counted) <= shard["answered"].as_u64(), "{shard}");
    assert!(shard["compared"].as_u64() >= Some(counted), "{shard}");
    for class in classes.iter().filter(|class| class["commands"].as_u64() > Some(0)) {
        let (least, most) = (class["cycles_least"].as_u64(), class["cycles_most"].as_u64());
        // What names an order looks it up first.
        assert!(least >= Some(3) && most <= Some(4), "{class}");
    }
}

#[test]
fn orders_are_matched_by_the_verilog_and_replayed_by_the_software() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = free_address();
    let config = configuration(folder.path(), entry, 1);
    with_hardware(&config);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let said = load(&entry.to_string(), 1, 8_000);
    assert!(said.contains("missing   0 answers"), "{said}");
    shows_the_two_in_lockstep(folder.path());
    assert!(appliance.stop().success());
    let answered = appliance.said().iter().find_map(|line| {
        let count = line.split("matching: hardware answered ").nth(1)?;
        count.split(' ').next()?.parse::<u32>().ok()
    });
    assert!(answered.is_some_and(|count| count > 1_000), "{:?}", appliance.said());
    assert!(!appliance.said().iter().any(|line| line.contains("takes over")));
    assert!(appliance.replays());

    // Started again, what rests is put into the device before the first order.
    appliance.start();
    assert!(appliance.stop().success());
    assert!(!appliance.said().iter().any(|line| line.contains("takes over")));
}

#[test]
fn two_million_commands_in_lockstep_show_no_difference() {
    let lockstep = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["fpga", "lockstep", "--commands", "2000000", "--seed", "1"])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&lockstep.stdout);
    assert!(lockstep.status.success(), "{said}{}", String::from_utf8_lossy(&lockstep.stderr));
    assert!(said.contains("2000000 commands") && said.contains("no difference"), "{said}");
}

#[test]
fn frames_through_the_verilog_are_answered_in_time_and_read_by_tshark() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (orders, answers) = (folder.path().join("orders.pcap"), folder.path().join("answers.pcap"));
    let wire = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["fpga", "wire", "--make", "1000", "--seed", "1"])
        .args([&orders, &answers])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&wire.stdout);
    assert!(wire.status.success(), "{said}{}", String::from_utf8_lossy(&wire.stderr));
    assert!(said.contains("1000  orders given a place in history"), "{said}");
    let reports = said.lines().find_map(|line| line.trim().strip_suffix("  report frames"));
    let Ok(tshark) = Command::new("tshark")
        .args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"])
        .args(["-T", "fields", "-e", "ip.checksum.status", "-e", "udp.srcport", "-r"])
        .arg(&answers)
        .output()
    else {
        println!("skipped: tshark is not installed");
        return;
    };
    let read = String::from_utf8_lossy(&tshark.stdout).into_owned();
    assert_eq!(Some(read.lines().count().to_string().as_str()), reports, "{read}");
    assert!(read.lines().all(|line| line == "1\t9000"), "{read}");
}
