//! A command that brings the process down: it is put aside when it has done so twice, refused and
//! reported, and takes no standby with it.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

#[path = "support/pair.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod pair;

use wirematch::model::{Nanos, RejectCode};

use pair::{Client, MILLISECOND, Pair};
use process::{Appliance, configuration, free_address};

/// The quantity of the order that a build for tests falls over, and how it is told.
const DEADLY: u32 = 777_777;
const BOMB: [(&str, &str); 1] = [("WIREMATCH_BOMB", "777777")];

/// Sends that order, and works until it is answered; its number.
fn send_the_deadly_one(client: &mut Client, restart: &mut dyn FnMut()) -> u32 {
    let number = loop {
        client.work(Nanos(MILLISECOND), false);
        if client.roamer.session().is_up()
            && let Some(number) = client.send(DEADLY)
        {
            break number;
        }
    };
    let mut patience = 6_000;
    while !client.book.answered.contains(&number) {
        client.work(Nanos(10 * MILLISECOND), true);
        restart();
        patience -= 1;
        assert!(patience > 0, "nobody answers");
    }
    number
}

/// Whether it was refused for what it did.
fn is_put_aside(client: &Client, number: u32) -> bool {
    client.book.refused.get(&number) == Some(&RejectCode::PutAside.ouch())
}

#[test]
fn alone_it_is_refused_when_the_machine_is_started_again() {
    if !cfg!(debug_assertions) {
        return println!("skipped: builds without debug assertions have no such command");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let entry = free_address();
    let mut appliance = Appliance::new(configuration(folder.path(), entry, 1));
    appliance.environment = BOMB.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    appliance.start();
    let mut client = Client::new([entry, entry]);
    client.work(Nanos(100 * MILLISECOND), true);
    let number = send_the_deadly_one(&mut client, &mut || {
        if appliance.has_ended() {
            appliance.start();
        }
    });
    assert!(is_put_aside(&client, number));
    let said = "brought this appliance down twice";
    assert!(appliance.at_start.contains(said), "{}", appliance.at_start);
    client.work(Nanos(100 * MILLISECOND), true);
    appliance.kill();
    appliance.start();
    assert!(!appliance.at_start.contains(said), "once is enough: {}", appliance.at_start);
    assert!(client.book.answered.len() > 10);
    appliance.stop();
    assert!(appliance.replays(), "its journal replays");
}

#[test]
fn what_brings_the_primary_down_is_refused_by_the_standby_which_goes_on() {
    if !cfg!(debug_assertions) {
        return println!("skipped: builds without debug assertions have no such command");
    }
    let mut pair = Pair::start_in(|_| String::new(), &BOMB);
    pair.client.work(Nanos(200 * MILLISECOND), true);
    let first = send_the_deadly_one(&mut pair.client, &mut || ());
    assert!(is_put_aside(&pair.client, first), "{}", pair.words());
    let dead = pair.machines[pair.primary].as_mut().expect("it was started");
    assert!(dead.ended().is_some(), "it fell: {}", pair.words());
    pair.primary = 1 - pair.primary;
    let heir = pair.machines[pair.primary].as_ref().expect("it runs");
    assert!(heir.has_said("brought this appliance down twice"), "{}", pair.words());
    // Who comes back learns of it from the journal and the primary, and may take over in turn.
    pair.start_standby();
    pair.client.work(Nanos(200 * MILLISECOND), true);
    pair.kill_primary();
    pair.start_standby();
    let second = send_the_deadly_one(&mut pair.client, &mut || ());
    assert!(is_put_aside(&pair.client, second), "{}", pair.words());
    pair.primary = 1 - pair.primary;
    pair.start_standby();
    pair.settle();
    pair.check();
}
