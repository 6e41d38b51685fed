//! Orders held to an exchange's prices: the collar follows what the feed says, and prices that are
//! missing, crossed or old price nothing.

use std::net::SocketAddrV4;
use std::process::Command;
use std::sync::atomic::Ordering;

use wirematch::wire::itch::{AddOrder, Message, OrderDelete, timestamp};

use crate::process::{Appliance, configuration, free_address};
use crate::{Lines, SYMBOLS, Venue, counter, eventually, free_tcp, time_of_day};

fn add(place: usize, reference: u64, side: u8, price: u32) -> Message {
    Message::AddOrder(AddOrder {
        stock_locate: place as u16 + 1,
        tracking_number: 0,
        timestamp: timestamp(time_of_day()),
        order_reference_number: reference,
        buy_sell_indicator: side,
        shares: 100,
        stock: SYMBOLS[place],
        price,
    })
}

fn delete(place: usize, order_reference_number: u64) -> Message {
    Message::OrderDelete(OrderDelete {
        stock_locate: place as u16 + 1,
        tracking_number: 0,
        timestamp: timestamp(time_of_day()),
        order_reference_number,
    })
}

/// What becomes of an order to buy ACME.
fn buy(entry: SocketAddrV4, price: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--gateway", &entry.to_string(), "--session", "3", "--key", "test-key-3"])
        .args(["order", "buy", "1", "ACME", price])
        .output()
        .expect("the binary starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn orders_are_held_to_an_exchanges_prices_while_they_are_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let [entry, a, b, requests] = [(); 4].map(|()| free_address());
    let config = configuration(folder.path(), entry, 3);
    let mut text = std::fs::read_to_string(&config).expect("it is written");
    text += &format!(
        "[market_data]\nreference_ms = 20\nreference_age_ms = 1500\n[[market_data.feed]]\n\
         name = \"EXCH\"\na = \"{a}\"\nb = \"{b}\"\nrequests = \"{requests}\"\n"
    );
    std::fs::write(&config, text).expect("it is ours");
    // The configuration's own price is 300; there it is 400.
    let mut venue = Venue::new(3, b"EXCH000001");
    for place in 0..SYMBOLS.len() {
        let at = 10 * (place as u64 + 1);
        venue.say(&add(place, at, b'B', 399_0000));
        venue.say(&add(place, at + 1, b'S', 401_0000));
    }
    let lines = Lines::start(venue, [a, b], requests, free_tcp());
    lines.is_terse.store(true, Ordering::Relaxed);
    let say = |message: &Message| lines.venue.lock().expect("nobody panics").say(message);
    let mut appliance = Appliance::new(config);
    appliance.start();
    eventually("reference prices", || counter(&data, "References") >= 4);
    eventually("a price near the exchange's", || buy(entry, "395").contains("accepted"));
    let far = buy(entry, "305");
    assert!(far.contains("rejected") && far.contains("too far from the reference price"), "{far}");
    // Its books cross: what was good a while ago is no price for long.
    say(&add(0, 100, b'B', 402_0000));
    eventually("a price too old", || buy(entry, "395").contains("too old"));
    assert!(counter(&data, "Crossed") > 0 && counter(&data, "Halts") == 0);
    say(&delete(0, 100));
    eventually("a good price again", || buy(entry, "395").contains("accepted"));
    // One side is missing.
    say(&delete(0, 10));
    eventually("a price too old again", || buy(entry, "395").contains("too old"));
    assert_eq!(counter(&data, "Faults"), 0);
    drop(lines);
    assert!(appliance.stop().success());
    assert!(appliance.replays(), "history holds what prices changed");
}
