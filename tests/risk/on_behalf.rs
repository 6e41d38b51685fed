//! What operators do for clients: cancels of one order, a session's and an account's, trades undone
//! and corrected, each with who and why in the regulator's record.

use std::path::Path;
use std::process::Command;

use wirematch::journal::{LogKind, Reader};
use wirematch::model::{Event, EventFlags, EventKind, Nanos};
use wirematch::runtime::Clock;

use crate::client::{ANN, BOB, Client, MILLISECOND, TURN, sale, with};
use crate::process::{Appliance, configuration, free_address};

/// The trades of an event log, buyer first.
fn trades(data: &Path) -> Vec<[Event; 2]> {
    let folder = LogKind::Events.folder(&data.join("journal"));
    let mut reader = Reader::<Event>::open(&folder, 0).expect("it is there");
    let mut executed = Vec::new();
    while let Some(event) = reader.read_event().expect("it can be read") {
        if event.kind == EventKind::Executed.code() {
            executed.push(event);
        }
    }
    // The maker bought, and is told first.
    let pairs = executed.chunks_exact(2);
    pairs.map(|pair| [pair[0], pair[1]]).collect()
}

fn side_of(event: &Event) -> String {
    format!("{}:{}:{}", event.session, event.account, event.ordinal)
}

/// A trade as the command line names it.
fn named(trade: &[Event; 2]) -> Vec<String> {
    let [buyer, seller] = trade;
    assert!(buyer.flags.has(EventFlags::MAKER) && buyer.session != seller.session);
    let number = buyer.match_number().0.to_string();
    let (price, quantity) = (buyer.price.to_string(), buyer.quantity.to_string());
    let words = ["--match-number", &number, "--symbol", "ACME", "--price", &price];
    let more = ["--quantity", &quantity, "--buyer", &side_of(buyer), "--seller", &side_of(seller)];
    words.iter().chain(&more).map(|word| (*word).to_owned()).collect()
}

#[test]
fn operators_cancel_bust_and_correct_on_the_record() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (entry, data) = (free_address(), folder.path().join("data"));
    let config = configuration(folder.path(), entry, 2);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let (mut one, mut other) = (Client::new(1, entry), Client::new(2, entry));
    one.until(1, |book| book.accepted >= 6);
    one.until(0, |book| book.sent_at.is_empty());
    other.until(0, |_| true);

    // One order, by its session and its number.
    let order = one.book.open.first().expect("some rest").to_string();
    let words = ["risk", "cancel", "--session", "1", "--order", &order];
    one.told(0, &data, &with(&words, ANN));
    one.until(0, |book| book.cancelled == 1);
    assert!(!one.book.open.contains(&order.parse().expect("a number")), "that one and no other");

    // Two trades: one is undone, the other had another price.
    let begun = one.clock.now();
    let mut number = 0;
    let made = loop {
        while number < 2 && other.trader.send(&sale(number + 1)).is_ok() {
            number += 1;
        }
        one.step();
        other.step();
        match trades(&data) {
            made if made.len() == 2 => break made,
            _ => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
        let waited = one.clock.now().saturating_sub(begun);
        assert!(waited < Nanos(30_000 * MILLISECOND), "they never trade");
    };
    for (what, trade, new, who) in
        [("bust", &made[0], &[][..], ANN), ("correct", &made[1], &["--new-price", "285"][..], BOB)]
    {
        let named = named(trade);
        let words = ["risk", what].into_iter().chain(named.iter().map(String::as_str));
        let words: Vec<&str> = words.chain(new.iter().copied()).collect();
        one.told(0, &data, &with(&words, who));
    }

    // All of a session's, then all of an account's, whose sessions are two.
    one.told(0, &data, &with(&["risk", "cancel", "--session", "1"], ANN));
    one.until(0, |book| book.cancelled == book.accepted - 2);
    let before = one.book.cancelled;
    one.order_in(b"ACME    ");
    other.next = number + 1;
    other.order_in(b"ACME    ");
    one.told(0, &data, &with(&["risk", "cancel", "--account", "1"], BOB));
    one.until(0, |book| book.cancelled == before + 1);
    other.until(0, |book| book.cancelled == 1);
    assert!(appliance.stop().success());
    assert!(appliance.replays());

    let export = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["audit", "export", "--format", "json"])
        .arg(&data)
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&export.stdout).into_owned();
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let count = |kind: &str, [_, actor, _, reason]: [&str; 4]| {
        let is_it = |row: &&serde_json::Value| {
            let told = (&row["operator"], &row["operators_reason"]);
            row["kind"] == kind && told == (&actor.into(), &reason.into())
        };
        rows.iter().filter(is_it).count()
    };
    assert_eq!((count("Busted", ANN), count("Busted", BOB)), (2, 2), "both sides of both");
    assert_eq!(count("Corrected", BOB), 2);
    assert!(count("Cancelled", ANN) >= 1, "the one order");
}
