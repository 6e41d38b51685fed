//! Clients that were away for long: replies that are not kept any more are made again from the
//! journal, each once and in order, while everybody else trades on.

mod support;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use support::client::View;
use support::orders::bytes;
use support::{World, settings};
use wirematch::journal::LogKind;
use wirematch::port::faulty::Faults;
use wirematch::topology::StageName;
use wirematch::wire::ouch::{AccountQueryRequest, Appendage, Inbound};
use wirematch::wire::session::LoginRejectCode;

/// A world whose gateway keeps few replies.
fn world(seed: u64, clients: u16) -> World {
    let (mut config, catalogue) = settings();
    config.entry.reply_cache = 64;
    World::with(seed, clients, (config, catalogue))
}

/// All that is settled trade on, a message each.
fn trade(world: &mut World, clients: std::ops::Range<usize>) {
    let World { clients: all, dice, .. } = &mut *world;
    all[clients].iter_mut().for_each(|client| _ = client.send_random(dice));
}

/// Makes replies for a client until it has `count` of them or more.
fn ask_away(world: &mut World, who: usize, count: u64) {
    let query = bytes(&Inbound::AccountQueryRequest(AccountQueryRequest {}, Appendage::ABSENT));
    while world.clients[who].next_rx < count {
        while world.clients[who].send(&query) {}
        world.steps(200);
    }
}

/// A client's process dies and its log with it, but for what it sent: it wants all replies again.
fn forget(world: &mut World, who: usize) -> View {
    let World { clients, entry, .. } = world;
    clients[who].next_rx = 1;
    let view = std::mem::take(&mut clients[who].view);
    clients[who].restart(entry);
    view
}

#[test]
fn a_client_away_for_a_hundred_thousand_replies_gets_each_once_while_others_trade() {
    const AWAY: u64 = 100_000;
    let mut world = world(11, 3);
    world.connect();
    for _ in 0..2_000 {
        trade(&mut world, 0..3);
        world.steps(40);
    }
    ask_away(&mut world, 0, AWAY);
    world.settle();
    let before = world.clients[0].next_rx;
    assert!(before >= AWAY);
    let view = forget(&mut world, 0);
    let mut told = vec![];
    while world.clients[0].next_rx < before {
        trade(&mut world, 1..3);
        world.steps(400);
        told.push(world.clients[1].next_rx + world.clients[2].next_rx);
    }
    assert!(told.len() > 10 && told.windows(2).any(|two| two[1] > two[0]), "others were served");
    assert!(world.counter(StageName::Gateway, "Found") >= before - 1 - 64);
    let again = &world.clients[0].view;
    assert_eq!(again.answers, view.answers);
    assert_eq!((&again.rejected, again.cancels_refused), (&view.rejected, view.cancels_refused));
    // It is one of the others again: what it sends is answered at once.
    for _ in 0..50 {
        trade(&mut world, 0..3);
        world.steps(100);
    }
    world.settle();
    world.check();
}

#[test]
fn whoever_is_told_much_while_away_and_comes_back_on_a_bad_network_lacks_nothing() {
    let mut found = 0;
    for seed in 0..6 {
        let mut world = world(seed, 3);
        world.connect();
        // Session 2's orders outlive its connection: others trade with them while it is away.
        for round in 0..12 {
            for _ in 0..40 {
                trade(&mut world, 0..3);
                world.steps(40);
            }
            let client = &mut world.clients[1];
            client.is_on = !client.is_on;
            if round % 4 == 1 {
                let faults = Faults { loss: 60_000, duplication: 60_000, ..Faults::default() };
                world.set_faults(faults);
            }
            if round == 7 {
                world.crash();
                world.boot();
            }
        }
        world.settle();
        world.check();
        found += world.counter(StageName::Gateway, "Found");
    }
    assert!(found > 100, "{found} replies were made again");
}

#[test]
fn a_journal_that_cannot_be_read_ends_the_session_that_needs_it_and_no_other() {
    let mut world = world(3, 2);
    world.connect();
    ask_away(&mut world, 0, 300);
    world.settle();
    let log = LogKind::Commands.folder(&world.journal()).join("0000000001.log");
    let flip = || {
        let file = OpenOptions::new().read(true).write(true).open(&log).expect("the log is there");
        let mut byte = [0];
        file.read_exact_at(&mut byte, 1_000).expect("it is longer");
        file.write_all_at(&[byte[0] ^ 1], 1_000).expect("it is ours");
    };
    flip();
    forget(&mut world, 0);
    world.until("the client is told why", |world| {
        world.clients[0].refusals.contains(&Some(LoginRejectCode::RepliesAgedOut))
    });
    assert_eq!(world.counter(StageName::Gateway, "Unreadable"), 1);
    for _ in 0..50 {
        trade(&mut world, 1..2);
        world.steps(100);
    }
    flip();
    world.crash();
    world.boot();
    world.settle();
    world.check();
}
