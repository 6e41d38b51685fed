//! Primary, standby and witness as processes, and a client that is told nothing of who is which:
//! the primary is killed under load, again and again, and each time the other one takes over.
//! `WIREMATCH_FAILOVERS` sets how often.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

#[path = "support/pair.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod pair;

use wirematch::model::Nanos;
use wirematch::runtime::Clock;

use pair::{MILLISECOND, Pair, percentile};

#[test]
fn whoever_is_killed_nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let kills: u32 =
        std::env::var("WIREMATCH_FAILOVERS").map_or(10, |n| n.parse().expect("a number"));
    let mut pair = Pair::start("");
    let mut failovers = Vec::new();
    for _ in 0..kills {
        let span = 5 + pair.client.dice.below(60);
        pair.client.work(Nanos(span * MILLISECOND), true);
        let killed_at = pair.client.clock.now().0 / 1_000 % 10_000_000;
        let took = pair.kill_primary();
        if took.0 > 150 * MILLISECOND {
            println!("killed at {killed_at} µs, {} ms: {}", took.0 / MILLISECOND, pair.words());
        }
        failovers.push(took);
        pair.start_standby();
    }
    pair.settle();
    pair.check();
    println!(
        "{kills} kills of the primary: first new answer after p50 {:.1} ms, p99 {:.1} ms",
        percentile(&mut failovers, 50),
        percentile(&mut failovers, 99)
    );
}
