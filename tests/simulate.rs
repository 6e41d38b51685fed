//! Seeds of the simulator: none finds anything, each comes out the same twice, and each deliberate
//! bug is found. `WIREMATCH_SEEDS` sets how many.

use std::collections::BTreeMap;

use wirematch::model::Nanos;
use wirematch::simulate::{Options, Sabotage, Struck, simulate};

const TROUBLE: Nanos = Nanos(500_000_000);

/// Seeds within which a bug must be found.
const SEEDS_MAX: u64 = 200;

#[test]
fn no_seed_finds_anything_and_each_comes_out_the_same_twice() {
    let seeds: u64 = std::env::var("WIREMATCH_SEEDS").map_or(100, |n| n.parse().expect("a number"));
    let options = Options { trouble: TROUBLE, sabotage: None };
    let (mut struck, mut commands) = (Struck::default(), 0);
    for seed in 1..=seeds {
        let outcome = simulate(seed, &options).expect("the machine can simulate");
        assert_eq!(outcome.found, None, "wirematch simulate --seed {seed}");
        if seed % 4 == 0 {
            let again = simulate(seed, &options).expect("the machine can simulate");
            assert_eq!(outcome, again, "seed {seed} came out different the second time");
        }
        commands += outcome.commands;
        struck.add(&outcome.struck);
    }
    println!("{seeds} seeds, {commands} commands, {} takeovers, {struck:?}", struck.takeovers);
    assert!(struck.takeovers > seeds / 4, "too little trouble to mean anything");
}

#[test]
fn every_deliberate_bug_is_found() {
    let mut found = BTreeMap::new();
    for sabotage in Sabotage::ALL {
        let options = Options { trouble: TROUBLE, sabotage: Some(*sabotage) };
        let seed = (1..=SEEDS_MAX).find(|seed| {
            let outcome = simulate(*seed, &options).expect("the machine can simulate");
            if let Some(what) = &outcome.found {
                println!("{sabotage:?}: seed {seed}: {}: {}", what.check, what.what);
            }
            outcome.found.is_some()
        });
        found.insert(format!("{sabotage:?}"), seed);
    }
    println!("{found:?}");
    let missed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).collect();
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}
