//! Whatever the network and crashes do: every message is executed exactly once or reported as not
//! applied, and what clients and listeners know is what the book holds.

mod support;

use support::{World, log_of};
use wirematch::model::Command;
use wirematch::port::faulty::Faults;

/// Clients of a world here.
const CLIENTS: u16 = 3;

/// The recorder's place among the stages.
const RECORDER: usize = 4;

/// A network as bad as `dice` say.
fn faults(dice: &mut wirematch::flow::Dice) -> Faults {
    let mut up_to = |most: u64| dice.below(most) as u32;
    Faults {
        loss: up_to(150_000),
        duplication: up_to(150_000),
        reordering: up_to(200_000),
        corruption: up_to(80_000),
        truncation: up_to(80_000),
    }
}

/// Something happens: mostly orders, now and then a restart of one side or the other.
fn happen(world: &mut World, crashes: &mut u64) {
    let World { clients, dice, entry, .. } = world;
    let who = dice.below(u64::from(CLIENTS)) as usize;
    match dice.below(200) {
        0..2 => clients[who].restart(entry),
        2..4 => clients[who].is_on = !clients[who].is_on,
        4..7 => clients[who].is_asleep = !clients[who].is_asleep,
        7 | 9..11 => {
            *crashes += 1;
            world.crash();
            let down_for = world.dice.below(2_000);
            world.steps(down_for);
            world.boot();
        }
        8 => {
            let faults = faults(dice);
            world.set_faults(faults);
        }
        _ => {
            let most = if dice.percent(10) { 60 } else { 6 };
            let burst = 1 + dice.below(most);
            for _ in 0..burst {
                clients[who].send_random(dice);
            }
        }
    }
    let count = world.dice.below(120);
    world.steps(count);
}

/// Lives through a bad day; returns the faults that struck, the crashes and the messages sent.
fn bad_day(mut world: World) -> ([u64; 5], u64, usize) {
    let faults = faults(&mut world.dice);
    world.set_faults(faults);
    world.connect();
    let mut crashes = 0;
    for _ in 0..120 {
        happen(&mut world, &mut crashes);
    }
    world.settle();
    world.check();
    let sent = world.clients.iter().map(|client| client.sent.len()).sum();
    (world.entry.struck(), crashes, sent)
}

/// Names the seed of a day that went wrong.
fn days(seeds: std::ops::Range<u64>, make: fn(u64) -> World) {
    let (mut struck, mut crashes, mut sent) = ([0; 5], 0, 0);
    for seed in seeds {
        let day = std::panic::catch_unwind(|| bad_day(make(seed)));
        let day = day.unwrap_or_else(|_| panic!("the day of seed {seed} went wrong; see above"));
        struck.iter_mut().zip(day.0).for_each(|(sum, more)| *sum += more);
        (crashes, sent) = (crashes + day.1, sent + day.2);
    }
    // A day on which nothing happens proves nothing.
    assert!(struck.iter().all(|&faults| faults > 100), "{struck:?}");
    assert!(crashes > 20 && sent > 5_000, "{crashes} crashes, {sent} messages");
}

#[test]
fn nothing_is_lost_in_silence_or_executed_twice() {
    days(0..100, |seed| World::new(seed, CLIENTS));
}

#[test]
fn nothing_is_lost_in_silence_or_executed_twice_again() {
    days(100..200, |seed| World::new(seed, CLIENTS));
}

/// The same with instruments dealt to three shards: their events are collected into one history,
/// which a fold in one thread repeats.
#[test]
fn nothing_is_lost_in_silence_or_executed_twice_by_several_shards() {
    days(200..260, |seed| World::with(seed, CLIENTS, support::sharded()));
}

#[test]
fn a_quiet_day_reports_nothing_as_lost() {
    let mut world = World::new(1, CLIENTS);
    world.connect();
    for _ in 0..300 {
        let World { clients, dice, .. } = &mut world;
        let who = dice.below(u64::from(CLIENTS)) as usize;
        clients[who].send_random(dice);
        let count = dice.below(40);
        world.steps(count);
    }
    world.settle();
    world.check();
    assert!(world.clients.iter().all(|client| client.view.not_applied.is_empty()));
    assert!(world.clients.iter().any(|client| !client.view.fills.is_empty()));
}

/// The event log never gets ahead of the command log, however far the recorder lags behind: a
/// crash then would leave events that no command gives.
#[test]
fn a_recorder_that_lags_leaves_a_journal_that_opens() {
    let mut world = World::new(1, CLIENTS);
    world.connect();
    let World { clients, dice, .. } = &mut world;
    for client in clients {
        while client.send_random(dice) {}
    }
    // Every part but the recorder, which then is polled once.
    for _ in 0..20 {
        let now = world.now;
        world.clients.iter_mut().for_each(|client| _ = client.poll(now));
        world.entry.poll();
        (0..RECORDER).for_each(|part| _ = world.server().poll(part, now).expect("no fault"));
    }
    let now = world.now;
    world.server().poll(RECORDER, now).expect("no fault");
    let sent: usize = world.clients.iter().map(|client| client.sent.len()).sum();
    let recorded = log_of::<Command>(&world.journal()).len();
    assert!(recorded < sent, "the recorder does lag");
    world.crash();
    world.boot();
    world.settle();
    world.check();
}
