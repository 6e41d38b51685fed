//! The console, the counters file and its readers, against an appliance in a process of its own.

#[path = "support/console.rs"]
mod console;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;
#[path = "support/stopped.rs"]
mod stopped;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use console::{World, body_of, free_port, run, until, user};
use process::{Appliance, free_address};
use serde_json::{Value, json};
use stopped::Stopped;
use wirematch::runtime::counters_file::{COUNTERS_NAME, Snapshot};

#[test]
fn the_counters_file_is_read_from_outside_and_after_the_end() {
    let world = World::new("");
    let mut appliance = world.start();
    let (code, text, _) = run(&["monitor", "--json"], &world.data());
    assert_eq!(code, 0);
    let read: Value = serde_json::from_str(&text).expect("it is JSON");
    let core = &read["cores"][0];
    let parts = ["busy", "idle", "backpressure", "housekeeping"];
    let whole: f64 = parts.iter().filter_map(|part| core[part].as_f64()).sum();
    assert!((whole - 100.0).abs() < 0.01, "{core}");
    assert_eq!(read["sessions"].as_array().map(Vec::len), Some(2));
    assert!(run(&["monitor", "--once"], &world.data()).1.contains("gateway_sequencer"));
    assert_eq!(run(&["status"], &world.data()).0, 0);
    let ready = || -> Value {
        serde_json::from_str(&run(&["ready", "--json"], &world.data()).1).expect("it is JSON")
    };
    assert_eq!((&ready()["is_ready"], &ready()["what"]), (&json!(true), &Value::Null));
    appliance.kill();
    let (code, _, why) = run(&["ready"], &world.data());
    assert_eq!(code, 3);
    assert!(why.contains("process: process ") && why.contains(" died"), "{why}");
    assert_eq!(ready()["is_ready"], json!(false));
    let (code, text, _) = run(&["monitor", "--json"], &world.data());
    let read: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((code, read["state"].as_str()), (0, Some("dead")));
    let mut appliance = world.start();
    assert!(appliance.stop().success());
    let (code, _, why) = run(&["ready"], &world.data());
    assert!(code == 3 && why.contains("it stopped in order"), "{why}");
}

/// The counters of an appliance that has clients and an exchange over FIX, and an exchange's feed.
fn with_all_parts() -> Snapshot {
    let world = World::new("");
    let mut text = std::fs::read_to_string(&world.config).expect("it was written");
    let (line, own, fix) = (free_address(), free_address(), free_port());
    text += &format!(
        "\n[fix]\naddress = \"{fix}\"\n[[fix.session]]\nid = 100\nversion = \"FIX.4.4\"\n\
         target = \"CLIENT\"\nfirst_account = 1\nlast_account = 10\nrate = \"standard\"\n\
         [[venue]]\nname = \"EXCH\"\nsession = 950\nversion = \"FIX.4.4\"\n\
         instruments = [\"ACME\"]\n[venue.primary]\naddress = \"{}\"\nsender = \"WIREMATCH\"\n\
         target = \"EXCH\"\n[[market_data.feed]]\nname = \"EXCH\"\na = \"{line}\"\n\
         own = \"{own}\"\n",
        free_port()
    );
    std::fs::write(&world.config, text).expect("the folder is ours");
    let mut appliance = Appliance::new(world.config.clone());
    appliance.start();
    let read = || Snapshot::read(&world.data().join(COUNTERS_NAME)).ok();
    until("it counts", || read().is_some_and(|seen| seen.number("prices_feeds") == 1));
    read().expect("it is good")
}

#[test]
fn metrics_are_open_metrics_and_the_page_lists_them_all() {
    let world = World::new("");
    let _appliance = world.start();
    until("there are metrics", || world.get("/metrics", &[]).0 == 200);
    let (_, answer) = world.get("/metrics", &[]);
    assert!(answer.contains("application/openmetrics-text; version=1.0.0"));
    let (_, text) = answer.split_once("\r\n\r\n").expect("there is a body");
    let lines: Vec<&str> =
        text.lines().filter(|line| line.contains("wirematch_") || line.starts_with('#')).collect();
    assert_eq!(lines.last(), Some(&"# EOF"));
    let mut family = "";
    for line in lines.iter().filter(|line| **line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# ") {
            family = rest.split(' ').nth(1).expect("it names a family");
            continue;
        }
        assert!(line.starts_with(family), "{line} stands below {family}");
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        assert!(value.is_some(), "{line}");
    }
    // What may fall is a level, whatever stage tells of it; what cannot is counted.
    for level in ["matching_relieved", "risk_broken", "journal_synced"] {
        assert!(text.contains(&format!("# TYPE wirematch_{level} gauge\n")), "{level}");
    }
    for counter in ["session_heard", "session_told", "matching_fills"] {
        assert!(text.contains(&format!("# TYPE wirematch_{counter} counter\n")), "{counter}");
    }
    let bucket = "wirematch_latency_seconds_bucket{to=\"replied\",le=\"+Inf\"}";
    assert!(text.contains(bucket), "{text}");
    assert_eq!(world.get("/healthz", &[]).0, 200);
    // A loaded machine may let a thread stand still for a moment.
    until("it is ready", || world.get("/readyz", &[]).0 == 200);

    let reference = {
        let occasional = wirematch::topology::occasional_series();
        wirematch::console::reference(&with_all_parts(), &occasional)
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("WIREMATCH_BLESS").is_some() {
        std::fs::write(&page, &reference).expect("the page is ours");
    }
    let told = std::fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(told, reference, "docs/metrics.md is stale: run this test with WIREMATCH_BLESS=1");
}

#[test]
fn roles_tokens_origins_and_names_are_kept() {
    let world = World::users("");
    let _appliance = world.start();
    assert_eq!(world.get("/api/figures", &[]).0, 401);
    assert_eq!(world.get("/metrics", &[]).0, 401);
    // A loaded machine may let a thread stand still for a moment.
    until("it is ready", || world.get("/readyz", &[]).0 == 200);
    assert_eq!(world.get("/", &[("Host", "evil.example")]).0, 421);
    assert_eq!(world.get("/", &[("Origin", "http://evil.example")]).0, 403);
    let page = world.get("/", &[]).1;
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'self'"));
    let kill = json!({ "whom": { "scope": "everything" }, "reason": "a drill", "word": "KILL" });
    let (cookie, token) = world.log_in("viewer");
    let as_viewer = [("Cookie", &*cookie), ("X-Token", &*token)];
    assert_eq!(world.post("/api/kill", &as_viewer, &kill).0, 403);
    let resume =
        json!({ "reason": "x", "ask": { "ask": "resume", "whom": { "scope": "everything" } } });
    let (cookie, token) = world.log_in("operator");
    assert_eq!(world.post("/api/kill", &[("Cookie", &cookie)], &kill).0, 403, "without token");
    let as_operator = [("Cookie", &*cookie), ("X-Token", &*token)];
    let evil = [as_operator[0], as_operator[1], ("Origin", "http://evil.example")];
    assert_eq!(world.post("/api/kill", &evil, &kill).0, 403);
    let mut wrong = kill.clone();
    wrong["word"] = json!("kill");
    assert_eq!(world.post("/api/kill", &as_operator, &wrong).0, 400);
    assert_eq!(world.post("/api/ask", &as_operator, &resume).0, 403);
    assert_eq!(world.post("/api/kill", &as_operator, &kill).0, 200);
    let settings = || body_of(&world.get("/api/settings", &as_operator).1);
    until("the kill is on record", || {
        settings()["settings"].as_array().is_some_and(|all| {
            all.iter().any(|one| one["whom"] == "everything" && one["actor"] == "operator")
        })
    });
    let (cookie, token) = world.log_in("risk");
    let as_risk = [("Cookie", &*cookie), ("X-Token", &*token)];
    assert_eq!(world.post("/api/ask", &as_risk, &resume).0, 200);
    until("trading goes on", || {
        settings()["settings"].as_array().is_some_and(|all| {
            all.iter().any(|one| one["whom"] == "everything" && one["actor"] == "risk")
        })
    });
    assert_eq!(world.post("/api/logout", &as_risk, &json!({})).0, 200);
    assert_eq!(world.get("/api/figures", &as_risk).0, 401);
}

#[test]
fn a_kill_passes_while_the_rest_is_busy() {
    let world = World::new("role = \"operator\"\n");
    let _appliance = world.start();
    let token = body_of(&world.get("/api/me", &[]).1)["token"].as_str().unwrap_or("").to_owned();
    // Long work on every thread for it, and a queue behind, as long as this test goes on.
    let console = world.console;
    for _ in 0..16 {
        std::thread::spawn(move || {
            loop {
                let Ok(mut stream) = TcpStream::connect(console) else { return };
                let text = format!(
                    "GET /api/host HTTP/1.1\r\nHost: {console}\r\nConnection: close\r\n\r\n"
                );
                if stream.write_all(text.as_bytes()).is_err() {
                    return;
                }
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
    }
    std::thread::sleep(Duration::from_millis(300));
    let kill =
        json!({ "whom": { "scope": "account", "id": 3 }, "reason": "a drill", "word": "KILL" });
    let (status, answer) = world.post("/api/kill", &[("X-Token", &token)], &kill);
    assert_eq!(status, 200, "{answer}");
    until("it is in force", || {
        let (_, text, _) = run(&["risk", "show"], &world.data());
        text.contains("account 3") || world.get("/api/settings", &[]).1.contains("account 3")
    });
}

#[test]
fn a_hangup_reloads_what_may_change_and_names_the_rest() {
    let world = World::users("");
    let mut appliance = world.start();
    let pid = std::fs::read_to_string(world.data().join("pid")).ok();
    let snapshot = Snapshot::read(&world.data().join("counters"));
    let pid = pid.unwrap_or_else(|| snapshot.expect("it is good").pid.to_string());
    let hang_up = || {
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.expect("`kill` is there").success());
    };
    let said = |word: &str| appliance.said().iter().any(|line| line.contains(word));
    let good = std::fs::read_to_string(&world.config).expect("it was written");
    std::fs::write(&world.config, format!("{good}\nnonsense = 1\n")).expect("it is ours");
    hang_up();
    until("a wrong file is refused", || said("the configuration stays as it was"));
    let changed =
        good.replace("heartbeat_ms = 20", "heartbeat_ms = 30") + "[alarm]\nrepeat_s = 7\n";
    std::fs::write(&world.config, changed).expect("it is ours");
    let users = world.folder.path().join("users.toml");
    std::fs::write(users, user("risk")).expect("the folder is ours");
    hang_up();
    until("the rest is named", || said("these need a restart: entry.heartbeat_ms"));
    assert!(said("changed: alarm.repeat_s"), "{:?}", appliance.said());
    let body = json!({ "name": "viewer", "password": "viewer-secret" });
    assert_eq!(world.post("/api/login", &[], &body).0, 401, "the viewer is not in the file now");
    world.log_in("risk");
    let lines = appliance.said();
    for line in &lines {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "a log for machines is JSON: {line}");
    }
    assert!(appliance.stop().success());
}

#[test]
fn a_service_manager_is_told_and_the_watchdog_is_fed() {
    let world = World::new("");
    let path = world.folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).expect("it is free");
    manager.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has time-outs");
    let mut room = [0; 256];
    let mut heard = || {
        let length = manager.recv(&mut room).expect("it was said in time");
        String::from_utf8_lossy(&room[..length]).into_owned()
    };
    let mut appliance = Appliance::new(world.config.clone());
    appliance.environment = vec![
        ("NOTIFY_SOCKET".into(), path.display().to_string()),
        ("WATCHDOG_USEC".into(), "2000000".into()),
    ];
    appliance.start();
    let mut told = heard();
    while told == "WATCHDOG=1" {
        told = heard();
    }
    assert!(told.starts_with("READY=1\nSTATUS=orders at 127.0.0.1:"), "{told}");
    assert_eq!([heard(), heard(), heard()], ["WATCHDOG=1"; 3]);
    let still = Stopped::stage(&world.data(), "gateway");
    // What was said before it stood still may be on the way, and one more was right.
    manager.set_read_timeout(Some(Duration::from_millis(2500))).expect("as above");
    let mut room = [0; 256];
    let fed = (0..8).take_while(|_| manager.recv(&mut room).is_ok()).count();
    assert!(fed < 8, "the watchdog of a core that stands still was fed {fed} times");
    drop(still);
    assert!(appliance.stop().success());
    let mut last = String::new();
    while let Ok(length) = manager.recv(&mut room) {
        last = String::from_utf8_lossy(&room[..length]).into_owned();
        if last == "STOPPING=1" {
            break;
        }
    }
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn readiness_names_what_stands_still_and_a_kill_needs_no_slow_thread() {
    let world = World::new("role = \"operator\"\n");
    let text = std::fs::read_to_string(&world.config).expect("it was written");
    let fused =
        "stages = [\"gateway\", \"sequencer\", \"risk\", \"matching\", \"recorder\", \"feed\"]\n";
    let apart: Vec<String> = ["sequencer", "risk", "matching", "recorder", "feed", "gateway"]
        .iter()
        .map(|stage| format!("stages = [\"{stage}\"]\n"))
        .collect();
    let apart = apart.join("[[core]]\nidle = \"sleep\"\n");
    let text = text.replace("idle = \"yield\"", "idle = \"sleep\"").replace(fused, &apart);
    let (line, own) = (free_address(), free_address());
    let feed = format!(
        "\n[[market_data.feed]]\nname = \"EXCH\"\na = \"{line}\"\nown = \"{own}\"\nstale_ms = 100\n"
    );
    std::fs::write(&world.config, text + &feed).expect("the folder is ours");
    let mut appliance = Appliance::new(world.config.clone());
    appliance.start();
    let unready = || {
        let (status, body) = world.get("/readyz", &[]);
        if status == 503 { body } else { String::new() }
    };
    until("nobody is heard", || unready().contains("prices: no exchange's feed is heard"));
    assert_eq!(run(&["ready"], &world.data()).0, 3);
    for (stage, component) in [
        ("risk", "risk: "),
        ("matching", "matching: its core has stood still"),
        ("recorder", "journal: its core has stood still"),
        ("feed", "feed: its core has stood still"),
        ("gateway", "gateway: its core has stood still"),
        ("sequencer", "sequencer: its core has stood still"),
    ] {
        let still = Stopped::stage(&world.data(), stage);
        until(stage, || unready().contains(component));
        drop(still);
        until("it goes on", || !unready().contains(component));
    }
    let (status, positions) = world.get("/api/positions?account=1", &[]);
    assert!(status == 200 && body_of(&positions)["ok"] == json!(true), "{positions}");
    let still = Stopped::stage(&world.data(), "slow");
    let token = body_of(&world.get("/api/me", &[]).1)["token"].as_str().unwrap_or("").to_owned();
    let kill = json!({ "whom": { "scope": "everything" }, "reason": "a drill", "word": "KILL" });
    let (status, answer) = world.post("/api/kill", &[("X-Token", &token)], &kill);
    assert_eq!(status, 200, "{answer}");
    let settings = || world.get("/api/settings", &[]).1;
    until("it is on record though the slow thread stands", || settings().contains("everything"));
    drop(still);
    assert!(appliance.stop().success());
}

/// What the page shows of limits is what the journal gives when it is folded again.
#[test]
fn limits_in_force_are_shown_with_what_is_used_of_them() {
    let world = World::new("role = \"risk\"\n");
    let mut appliance = world.start();
    let text = std::fs::read_to_string(&world.config).expect("it was written");
    let (_, entry) = text.split_once("[entry]\naddress = \"").expect("it has a gateway");
    let entry = entry.split('"').next().expect("it has an end");
    let load = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--gateway", entry, "--session", "1", "--key", "test-key-1", "load"])
        .args(["--symbols", "ACME", "--orders", "60", "--rate", "0"])
        .output()
        .expect("the binary starts");
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    let folded = || -> Value {
        let config = world.config.display().to_string();
        let show = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["risk", "show", "--usage", "--json", "--config", &config])
            .output()
            .expect("the binary starts");
        serde_json::from_slice(&show.stdout).unwrap_or(Value::Null)
    };
    let shown = |path: &str| body_of(&world.get(path, &[]).1)["limits"].clone();
    let exposure = |rows: &Value, whom: &str| -> Option<[String; 2]> {
        let row = rows.as_array()?.iter().find(|row| row["whom"] == whom)?;
        let one = row["used"].as_array()?.iter().find(|used| used["limit"] == "exposure")?;
        Some(["used", "most"].map(|key| one[key].as_str().unwrap_or("").to_owned()))
    };
    // Not all who use something are on the page; those who are, are as the journal has them.
    until("the page shows what the journal gives", || {
        let (folded, shown) = (folded(), shown("/api/limits"));
        let all = folded["usage"].as_array().cloned().unwrap_or_default();
        let of = |one: &Value| -> Option<[String; 2]> {
            Some(["exposure", "exposure_max"].map(|key| one[key].as_str().unwrap_or("").to_owned()))
        };
        let is_right = |one: &Value| {
            let there = exposure(&shown, &format!("account {}", one["account"]));
            there.is_none() || there == of(one)
        };
        let whom = |one: &Value| format!("account {}", one["account"]);
        let count = all.iter().filter(|one| exposure(&shown, &whom(one)).is_some()).count();
        count > 3 && all.iter().all(is_right)
    });
    let percents = |rows: &Value| -> Vec<f64> {
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["percent"].as_f64()).collect()
    };
    let rows = shown("/api/limits");
    assert!(percents(&rows).first().is_some_and(|first| *first > 0.0), "{rows}");
    assert!(percents(&rows).is_sorted_by(|one, other| one >= other), "{rows}");
    // Whom somebody asks for comes first, whether it uses anything or not, with all its limits.
    let of_two = || shown("/api/limits?account=2");
    until("account 2 is shown", || of_two()[0]["whom"] == "account 2");
    assert!(of_two()[0]["each"].as_array().is_some_and(|each| !each.is_empty()));
    let token = body_of(&world.get("/api/me", &[]).1)["token"].as_str().unwrap_or("").to_owned();
    let wish = json!({ "reason": "less", "ask": { "ask": "set", "limit": "exposure",
        "value": "1234", "whom": { "scope": "account", "id": 2 } } });
    let (status, answer) = world.post("/api/ask", &[("X-Token", &token)], &wish);
    assert_eq!(status, 200, "{answer}");
    let most = || exposure(&of_two(), "account 2").map(|[_, most]| most);
    until("it is in force", || most().as_deref() == Some("1234.00"));
    assert!(appliance.stop().success());
}
