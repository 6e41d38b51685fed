//! Trading days turn under load, in one thread: clients, a listener that goes from session to
//! session, a crash in between, and history that says the same again.

mod support;

use support::World;
use wirematch::engine::BookView;
use wirematch::model::{CommandKind, Event, EventKind, Quantity, TimeInForce};

/// The day ends, or starts, as an operator or a calendar asks.
fn turn(world: &mut World, kind: CommandKind) {
    world.ask(|request| request.0.quantity = Quantity(1), kind);
}

fn trade(world: &mut World, messages: u64) {
    for _ in 0..messages {
        let World { clients, dice, .. } = &mut *world;
        let who = dice.below(3) as usize;
        clients[who].send_random(dice);
        let count = world.dice.below(24);
        world.steps(count);
    }
    world.settle();
}

#[test]
fn days_turn_and_everybody_comes_along() {
    for seed in 0..4 {
        let mut world = World::new(seed, 3);
        world.connect();
        for day in 1..=4 {
            trade(&mut world, 200);
            turn(&mut world, CommandKind::EndOfDay);
            world.settle();
            let replay = world.replayed();
            let mut stays = 0;
            replay.fold.matcher.for_each_order(&mut |standing| {
                let lasts = TimeInForce::from_code(standing.order.time_in_force);
                assert!(matches!(lasts, Some(TimeInForce::Gtc | TimeInForce::Gtd)), "{lasts:?}");
                stays += 1;
            });
            assert!(replay.feed.days().is_over, "day {day} of seed {seed}, {stays} orders stay");
            if day == 2 {
                world.crash();
                world.boot();
            }
            turn(&mut world, CommandKind::StartOfDay);
            world.settle();
            let replay = world.replayed();
            assert_eq!((replay.feed.days().number, replay.feed.days().is_over), (day + 1, false));
            world.check();
        }
        let ends = support::log_of::<Event>(&world.journal());
        let ends = ends.iter().filter(|event| event.head.kind == EventKind::EndOfDay.code());
        assert_eq!(ends.count(), 4, "each day ended once");
    }
}
