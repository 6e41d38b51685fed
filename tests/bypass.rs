//! Kernel bypass end to end: the appliance and its clients are processes that share no kernel
//! socket for orders.
#![cfg(feature = "dpdk")]

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::path::Path;
use std::process::{Command, Output};

use process::{Appliance, configuration};
use wirematch::port::dpdk::DpdkPort;
use wirematch::runtime::{Clock, SystemClock};

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

/// What the gateway counted.
fn counted(appliance: &Appliance, name: &str) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["risk", "status", "--json", "--data"])
        .arg(appliance.config.with_file_name("data"))
        .output()
        .expect("the binary starts");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    shown["counters"]["gateway"][name].as_u64().expect("there is such a counter")
}

#[test]
fn more_frames_than_the_box_can_take_are_pushed_back_and_none_is_lost_silently() {
    use wirematch::port::Port;
    let folder = tempfile::tempdir().expect("a folder");
    let device = format!("memif:{}", folder.path().join("wire.sock").display());
    let mut appliance = appliance(folder.path(), &device);
    appliance.start();
    let clock = SystemClock::new();
    let client_end = format!("{device},client").parse().expect("a device");
    let mut port = DpdkPort::open(&client_end, &|| clock.now()).expect("the other end");
    while !port.is_up() {
        std::thread::yield_now();
    }
    // An ARP question about somebody else: counted, and answered by nobody.
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 10, 7, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([2, 0, 10, 7, 0, 2, 10, 7, 0, 2, 0, 0, 0, 0, 0, 0, 10, 7, 0, 99]);
    frame.resize(60, 0);
    let (mut taken, mut pushed_back) = (0u64, 0u64);
    let end = clock.now().0 + 2_000_000_000;
    while clock.now().0 < end {
        match port.transmit(frame.len(), &mut |into| into.copy_from_slice(&frame)) {
            Ok(()) => taken += 1,
            Err(_) => pushed_back += 1,
        }
        port.receive(32, &mut |_, _| ());
    }
    port.flush();
    let seen = || counted(&appliance, "NotForUs");
    for _ in 0..200 {
        if seen() >= taken {
            break;
        }
        port.flush();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    println!("{taken} frames taken, {pushed_back} pushed back");
    assert!(pushed_back > 0, "the box took all that one sender could say");
    assert_eq!(seen(), taken, "what the wire took is counted, frame by frame");
    assert!(counted(&appliance, "DeviceReceived") >= taken);
    // Afterwards who asks for the box itself is answered.
    frame[38..42].copy_from_slice(&[10, 7, 0, 1]);
    port.transmit(frame.len(), &mut |into| into.copy_from_slice(&frame)).expect("room");
    port.flush();
    let end = clock.now().0 + 10_000_000_000;
    let mut is_answered = false;
    while !is_answered {
        assert!(clock.now().0 < end, "the box does not answer any more");
        port.receive(32, &mut |frame, _| is_answered |= frame.get(28..32) == Some(&[10, 7, 0, 1]));
        std::thread::yield_now();
    }
    assert!(appliance.stop().success());
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
