//! Kernel bypass end to end: the appliance and its clients are processes that share no kernel
//! socket for orders.
#![cfg(feature = "dpdk")]

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::path::Path;
use std::process::{Command, Output};

use process::{Appliance, configuration};

const GATEWAY: &str = "10.7.0.1:9100";

/// An appliance whose clients come by `device`.
fn appliance(folder: &Path, device: &str) -> Appliance {
    let path = configuration(folder, GATEWAY.parse().expect("an address"), 1);
    let text = std::fs::read_to_string(&path).expect("it was written");
    let device = format!("[entry]\ndevice = \"{device}\"\n");
    std::fs::write(&path, text.replace("[entry]\n", &device)).expect("the folder is ours");
    Appliance::new(path)
}

fn client(device: &str, task: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--device", device, "--gateway", GATEWAY, "--address", "10.7.0.2:5000"])
        .args(["--session", "1", "--key", "test-key-1", "--json", "--patience", "20"])
        .args(task)
        .output()
        .expect("the binary starts")
}

#[test]
fn orders_come_by_shared_memory_and_a_second_client_comes_after_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = format!("memif:{}", folder.path().join("wire.sock").display());
    let mut appliance = appliance(folder.path(), &device);
    appliance.start();
    for symbol in ["ACME", "BOLT"] {
        let load = ["load", "--orders", "5000", "--rate", "0", "--symbols", symbol];
        let output = client(&device, &load);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(report.contains("\"executed\""), "{report}");
    }
    assert!(appliance.stop().success());
    assert!(appliance.replays());
}

#[test]
fn a_device_that_is_missing_is_a_refusal_to_start_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let appliance = appliance(folder.path(), "af_packet:nosuch0");
    let run = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["run", "--no-table", "--config"])
        .arg(&appliance.config)
        .output()
        .expect("the binary starts");
    assert_eq!(run.status.code(), Some(2));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("ip link") && said.contains("entry"), "{said}");
}
