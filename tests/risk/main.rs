//! The operator's hand on a running appliance: limits, kills and files, seen by a client that goes
//! on sending. Times are printed, never judged.

mod client;
mod on_behalf;
#[path = "../support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;
#[path = "../support/stopped.rs"]
mod stopped;

use std::process::Command;

use wirematch::model::{Nanos, RejectCode};
use wirematch::runtime::{Clock, SystemClock};

use client::{ANN, BOB, Client, MILLISECOND, TURN, cancel, command, with};
use process::{Appliance, configuration, free_address};
use stopped::Stopped;

#[test]
fn limits_and_kills_reach_a_client_that_goes_on_sending() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (entry, data) = (free_address(), folder.path().join("data"));
    let config = configuration(folder.path(), entry, 1);
    let text = std::fs::read_to_string(&config).expect("it is written");
    std::fs::write(&config, text + "[admin]\ntwo_people = true\n").expect("the folder is ours");
    let mut appliance = Appliance::new(config.clone());
    appliance.start();
    let mut client = Client::new(1, entry);
    client.until(8, |book| book.accepted > 100);

    // Limits: absolute values, effective on the next command after them.
    let none = with(&["risk", "set", "buying-power", "0", "--account", "1"], ANN);
    client.told(8, &data, &none);
    let before = client.book.refusals(RejectCode::BuyingPower);
    client.until(8, |book| book.refusals(RejectCode::BuyingPower) > before + 10);
    let (accepted, clock) = (client.book.accepted, SystemClock::new());
    let begun = clock.now();
    let much = with(&["risk", "set", "buying-power", "100000000", "--account", "1"], ANN);
    let effect = client.told(8, &data, &much);
    client.until(8, |book| book.accepted > accepted);
    let whole = clock.now().saturating_sub(begun).0 / 1_000;
    println!("a deposit: in force {} µs after it was received", effect["in_force_us"]);
    println!("a deposit: used {whole} µs after the command line was started");

    // A limits file with one wrong line sets nothing.
    let limits = folder.path().join("limits.toml");
    let bad = "[[limit]]\nscope = \"account\"\nid = 1\nbuying-power = 0\nexposur = 0\n";
    std::fs::write(&limits, bad).expect("the folder is ours");
    let load = with(&["risk", "load", limits.to_str().expect("a path")], ANN);
    let refused = client.ask(8, &data, &load);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("limits.toml:5:1: `exposur`"), "{said}");
    let accepted = client.book.accepted;
    client.until(8, |book| book.accepted > accepted + 50);

    // Kill everything under full load.
    client.go_on(64, Nanos(500 * MILLISECOND));
    let effect = client.told(64, &data, &with(&["risk", "kill", "--everything"], ANN));
    println!(
        "kill everything under load: in force after {} µs, {} orders cancelled, the last after \
         {} µs",
        effect["in_force_us"], effect["cancelled"], effect["last_cancel_us"]
    );
    let killed = client.book.refusals(RejectCode::Killed);
    client.until(64, |book| book.refusals(RejectCode::Killed) > killed + 100);
    client.until(0, |book| book.open.is_empty());
    let mut status = client.told(0, &data, &["risk", "status"]);
    for _ in 0..100 {
        // What people are shown is a moment old.
        if status["open_orders"] == 0 {
            break;
        }
        client.go_on(0, Nanos(20 * MILLISECOND));
        status = client.told(0, &data, &["risk", "status"]);
    }
    assert_eq!(status["open_orders"], 0);
    assert!(status["refused"]["Killed"].as_u64() > Some(0) && status["alerts"].is_array());

    // It survives a restart; one person alone does not lift it, nor anybody while the file is there.
    appliance.kill();
    appliance.start();
    let (accepted, killed) = (client.book.accepted, client.book.refusals(RejectCode::Killed));
    client.until(1, |book| book.refusals(RejectCode::Killed) > killed);
    std::fs::write(data.join("KILL"), "a fire").expect("the folder is ours");
    assert!(
        !client.ask(1, &data, &with(&["risk", "resume", "--everything"], ANN)).status.success()
    );
    std::fs::remove_file(data.join("KILL")).expect("it is there");
    let nobody = ["risk", "resume", "--everything"];
    assert!(!client.ask(1, &data, &nobody).status.success(), "nobody asked, for no reason");
    for _ in 0..2 {
        client.told(1, &data, &with(&["risk", "resume", "--everything"], ANN));
        client.go_on(1, Nanos(20 * MILLISECOND));
        assert_eq!(client.book.accepted, accepted, "one person alone lifts nothing");
    }
    client.told(1, &data, &with(&["risk", "resume", "--everything"], BOB));
    client.until(1, |book| book.accepted > accepted);

    // The file stops everything by itself.
    let killed = client.book.refusals(RejectCode::Killed);
    std::fs::write(data.join("KILL"), "a flood").expect("the folder is ours");
    let span = client.until(1, |book| book.refusals(RejectCode::Killed) > killed);
    println!("the kill file: {} µs until an order is refused", span.0 / 1_000);
    appliance.kill();
    assert!(appliance.replays());

    // Who, when and why is in the journal.
    let config = config.to_str().expect("a path");
    let shown = command(&data, &["risk", "show", "--config", config]).output().expect("it starts");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let settings = shown["settings"].as_array().expect("a list");
    let of = |what: &str| settings.iter().find(|row| row["what"] == what).expect("it is set");
    assert_eq!(of("buying-power")["actor"], "ann");
    assert_eq!(of("buying-power")["value"], "100000000.00");
    assert_eq!(
        (&of("state")["actor"], &of("state")["reason"]),
        (&"the kill file".into(), &"a flood".into())
    );
}

/// An instrument is added, changed, suspended and reinstated while a client trades; all of it is
/// there after a restart, with who and why.
#[test]
fn an_instrument_is_listed_while_running() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (entry, data) = (free_address(), folder.path().join("data"));
    let config = configuration(folder.path(), entry, 1);
    let text = std::fs::read_to_string(&config).expect("it is written");
    std::fs::write(&config, text + "[risk]\nspare_instruments = 1\n").expect("the folder is ours");
    let mut appliance = Appliance::new(config.clone());
    appliance.start();
    let mut client = Client::new(1, entry);
    client.until(1, |book| book.accepted > 10);
    let unknown = Some(RejectCode::UnknownInstrument.ouch());
    let killed = Some(RejectCode::Killed.ouch());
    assert_eq!(client.order_in(b"NOVA    "), unknown);

    let add = |symbol| with(&["instrument", "add", symbol, "--reference", "300"], ANN);
    client.told(1, &data, &add("NOVA"));
    // The gateway learns of it from its event, a moment after it is in force.
    client.until(0, |_| true);
    while client.order_in(b"NOVA    ") == unknown {}
    assert_eq!(client.order_in(b"NOVA    "), None);
    for (words, why) in [
        (add("NOVA"), "listed already"),
        (add("PULS"), "spare_instruments"),
        (with(&["instrument", "change", "PULS", "--lot", "5"], ANN), "no instrument"),
        (with(&["instrument", "change", "NOVA", "--tick", "0.05"], ANN), "orders wait"),
    ] {
        let refused = client.ask(1, &data, &words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{words:?}: {said}");
    }
    client.told(1, &data, &with(&["instrument", "change", "NOVA", "--named", "NEON"], BOB));
    while client.order_in(b"NEON    ") == unknown {}
    assert_eq!(client.order_in(b"NOVA    "), unknown, "its name is another");

    // Suspended: its orders are cancelled, and nothing new enters until a person reinstates it.
    let cancelled = client.book.cancelled;
    client.told(0, &data, &with(&["instrument", "suspend", "NEON"], ANN));
    client.until(0, |book| book.cancelled >= cancelled + 2);
    assert_eq!(client.order_in(b"NEON    "), killed);
    assert_eq!(client.order_in(b"ACME    "), None, "the others go on");
    client.told(1, &data, &with(&["instrument", "reinstate", "NEON"], BOB));
    assert_eq!(client.order_in(b"NEON    "), None);

    appliance.kill();
    assert!(appliance.replays());
    appliance.start();
    assert_eq!(client.order_in(b"NEON    "), None, "it is listed still");
    appliance.kill();
    let config = config.to_str().expect("a path");
    let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["instrument", "show", "--json", "--config", config])
        .output()
        .expect("it starts");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("\"NEON\"") && !shown.contains("\"NOVA\""), "{shown}");
    let shown = command(&data, &["risk", "show", "--config", config]).output().expect("it starts");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let settings = shown["settings"].as_array().expect("a list");
    let listed = settings.iter().find(|row| row["what"] == "listed").expect("it is on record");
    assert_eq!((&listed["actor"], &listed["reason"]), (&"bob".into(), &"a test too".into()));
}

/// The risk stage stands still: the gateway refuses orders by itself and people are told; what was
/// sent meanwhile is answered when it goes on, and none of it has become an order.
#[test]
fn while_risk_stands_still_no_order_is_taken() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (entry, data) = (free_address(), folder.path().join("data"));
    let config = configuration(folder.path(), entry, 1);
    let text = std::fs::read_to_string(&config).expect("it is written");
    let apart = text.replace("\"risk\", \"matching\"", "\"matching\"").replace(
        "[[session]]\nid = 1\n",
        "[[core]]\nidle = \"yield\"\nstages = [\"risk\"]\n[[session]]\nid = 1\n",
    );
    assert_ne!(apart, text);
    std::fs::write(&config, apart).expect("the folder is ours");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let mut client = Client::new(1, entry);
    client.until(1, |book| book.accepted > 10);

    let still = Stopped::stage(&data, "risk");
    let begun = client.clock.now();
    let refusing = |status: &serde_json::Value| {
        let told = status["risk_stands_still"] == true;
        told && status["counters"]["gateway"]["RiskStopped"].as_u64() > Some(0)
    };
    while !refusing(&client.told(0, &data, &["risk", "status"])) {
        let waited = client.clock.now().saturating_sub(begun);
        assert!(waited < Nanos(30_000 * MILLISECOND), "nobody notices");
    }
    println!(
        "the risk stage stands still: seen from outside after {} ms at the latest",
        client.clock.now().saturating_sub(begun).0 / MILLISECOND
    );
    // What is sent from now on, a cancel beside it.
    let first = client.next;
    while client.next < first + 5 {
        client.send(1);
        client.step();
    }
    let open = *client.book.open.first().expect("one rests");
    while client.trader.send(&cancel(open)).is_err() {
        client.step();
    }
    let (accepted, cancelled) = (client.book.accepted, client.book.cancelled);
    client.go_on(0, Nanos(100 * MILLISECOND));
    assert_eq!((client.book.accepted, client.book.cancelled), (accepted, cancelled), "it stands");
    drop(still);
    client.until(0, |book| book.cancelled > cancelled);
    client.until(0, |book| book.unanswered >= 5);
    assert!((first..first + 5).all(|at| !client.book.open.contains(&at)), "one was taken");
    client.until(1, |book| book.accepted > accepted);
    let alarm = |line: &String| line.contains("the risk stage stands still");
    client.until(1, |_| appliance.said().iter().any(alarm));
    appliance.kill();
    assert!(appliance.replays());
}

/// A flood of one session: limited, banned, its cancels taken; the other's times are compared.
#[test]
fn a_flooding_client_is_shut_out_and_the_others_go_on() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = free_address();
    let config = configuration(folder.path(), entry, 2);
    let text = std::fs::read_to_string(&config).expect("it is written");
    let (first, second) = text.rsplit_once("load-test").expect("two sessions");
    std::fs::write(&config, format!("{first}standard{second}")).expect("the folder is ours");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let (mut quiet, mut loud) = (Client::new(1, entry), Client::new(2, entry));
    quiet.until(1, |book| book.accepted > 10);
    loud.until(1, |book| book.accepted > 10);
    let both = |quiet: &mut Client, loud: &mut Client, flood: u32| {
        let span = Nanos(1_500 * MILLISECOND);
        std::thread::scope(|scope| {
            scope.spawn(|| loud.go_on(flood, span));
            let until = quiet.clock.now().saturating_add(span);
            let mut next = quiet.clock.now();
            while quiet.clock.now() < until {
                quiet.step();
                if quiet.clock.now() > next {
                    quiet.send(1);
                    next = next.saturating_add(Nanos(MILLISECOND));
                }
                std::thread::yield_now();
            }
        });
    };
    quiet.book.times.clear();
    both(&mut quiet, &mut loud, 0);
    let alone = quiet.book.p99();
    quiet.book.times.clear();
    both(&mut quiet, &mut loud, 64);
    let beside = quiet.book.p99();
    let sent = loud.next;
    println!(
        "p99 of the others {} µs alone, {} µs beside a flood of {sent} orders: {:.2} times",
        alone / 1_000,
        beside / 1_000,
        beside as f64 / alone.max(1) as f64
    );
    while !loud.is_settled() {
        loud.step();
    }
    let refused = loud.book.refusals(RejectCode::MessageRate);
    assert!(refused > 0 && loud.book.accepted < sent / 2, "{refused} of {sent} refused");
    // It is banned now, and takes its orders back all the same.
    let open: Vec<u32> = loud.book.open.iter().copied().collect();
    // What the network loses comes as not applied, so it asks again for what is left.
    for _ in 0..20 {
        let left: Vec<u32> = loud.book.open.iter().copied().collect();
        for number in left {
            while loud.trader.send(&cancel(number)).is_err() {
                loud.step();
            }
        }
        loud.go_on(0, Nanos(100 * MILLISECOND));
    }
    assert!(loud.book.open.is_empty(), "a cancel was not taken");
    assert_eq!(loud.book.cancelled as usize, open.len());
    appliance.kill();
}
