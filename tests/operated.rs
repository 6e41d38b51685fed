//! What an operator meets with: alarms, the bundle for whoever helps, a stop that takes too long.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;
#[path = "support/stopped.rs"]
mod stopped;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use process::{Appliance, configuration, free_address};
use serde_json::Value;
use stopped::Stopped;
use wirematch::runtime::counters_file::{COUNTERS_NAME, Snapshot};

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

/// A webhook that answers every POST with a failure: its address, and what it was told.
fn webhook() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (sender, told) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
            while !heard.ends_with(b"}") {
                match stream.read(&mut buffer) {
                    Ok(count @ 1..) => heard.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\n\r\n");
            let _ = sender.send(String::from_utf8_lossy(&heard).into_owned());
        }
    });
    (address, told)
}

/// An appliance whose only feed nobody sends, with these tables besides.
fn unheard(folder: &Path, tables: &str) -> Appliance {
    let config = configuration(folder, free_address(), 2);
    let (line, own) = (free_address(), free_address());
    let mut text = std::fs::read_to_string(&config).expect("it was written");
    text += &format!(
        "\n[console]\nenabled = false\n[[market_data.feed]]\nname = \"EXCH\"\na = \"{line}\"\n\
         own = \"{own}\"\nstale_ms = 100\n{tables}"
    );
    std::fs::write(&config, text).expect("the folder is ours");
    Appliance::new(config)
}

#[test]
fn an_alarm_reaches_its_webhook_and_no_secret_the_bundle() {
    let folder = tempfile::tempdir().expect("a folder");
    let (address, told) = webhook();
    let mut tables = format!("[alarm]\nwebhook = \"http://{address}/hooks/hush-1\"\n");
    if cfg!(feature = "scaled") {
        let nobody = free_address();
        tables += &format!(
            "[slow.scaled]\nredis = \"redis://:hush-2@{nobody}\"\n[[slow.scaled.postgres]]\n\
             first_account = 1\nprimary = \"postgres://wirematch:hush-3@{nobody}/wirematch\"\n\
             replica = \"host=127.0.0.1 port=1 user=wirematch password=hush-4\"\n"
        );
    }
    let mut appliance = unheard(folder.path(), &tables);
    appliance.start();
    let within = Duration::from_secs(60);
    let post = told.recv_timeout(within).expect("the webhook is told");
    assert!(post.starts_with("POST /hooks/hush-1 HTTP/1.1\r\n"), "{post}");
    let (_, body) = post.split_once("\r\n\r\n").expect("it has a body");
    let body: Value = serde_json::from_str(body).expect("it is JSON");
    assert_eq!(body["is_good"], Value::Bool(false), "{body}");
    assert!(body["component"].is_string() && body["what"].is_string(), "{body}");
    until("it is said that the webhook failed", || {
        appliance.said().iter().any(|line| line.contains("webhook") && line.contains("500"))
    });
    // The log of the counters file has it a moment later.
    let data = folder.path().join("data");
    let has_it = || Snapshot::read(&data.join(COUNTERS_NAME)).is_ok();
    until("there are counters", has_it);
    std::thread::sleep(Duration::from_secs(1));
    let out = folder.path().join("bundle.tar");
    let made = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["debug", "bundle", "--config"])
        .arg(&appliance.config)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("the binary starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tar = std::fs::read(&out).expect("it was written");
    let holds = |word: &str| tar.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(holds("webhook") && holds("500"), "the log is in it");
    for secret in ["hush-", "test-key-", "hooks/"] {
        assert!(!holds(secret), "the bundle holds {secret}");
        let told = appliance.said().iter().any(|line| line.contains(secret));
        assert!(!told && !appliance.at_start.contains(secret), "{secret} was logged");
    }
    let shown = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["config", "show", "--config"])
        .arg(&appliance.config)
        .output()
        .expect("the binary starts");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("[alarm]") && !shown.contains("hush-"), "{shown}");
    assert!(appliance.stop().success());
}

#[test]
fn a_second_term_ends_a_stop_that_takes_too_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut appliance = unheard(folder.path(), "");
    appliance.start();
    let data = folder.path().join("data");
    let pid = Snapshot::read(&data.join(COUNTERS_NAME)).expect("it is good").pid;
    let ask = || {
        let sent = Command::new("kill").arg(pid.to_string()).status();
        assert!(sent.expect("`kill` is there").success());
    };
    let state = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        text.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    let still = Stopped::stage(&data, "slow");
    ask();
    until("it stops in order", || appliance.said().iter().any(|line| line.contains("stopping: ")));
    std::thread::sleep(Duration::from_millis(500));
    assert!(!matches!(state(), Some('Z') | None), "an orderly stop waits for the slow thread");
    ask();
    until("it is gone", || matches!(state(), Some('Z') | None));
    drop(still);
    assert_eq!(appliance.end().code(), Some(1));
}
