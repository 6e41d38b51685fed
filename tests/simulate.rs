//! Seeds of the simulator: none finds anything, each comes out the same twice, and each deliberate
//! bug is found. `WIREMATCH_SEEDS` sets how many, `WIREMATCH_SEED` the first.

use std::collections::BTreeMap;

use wirematch::model::Nanos;
use wirematch::simulate::{Options, Sabotage, Struck, simulate};

const TROUBLE: Nanos = Nanos(500_000_000);

/// Seeds within which a bug must be found.
const SEEDS_MAX: u64 = 200;

#[test]
fn no_seed_finds_anything_and_each_comes_out_the_same_twice() {
    let set = |name, or| std::env::var(name).map_or(or, |n| n.parse().expect("a number"));
    let (seeds, first): (u64, u64) = (set("WIREMATCH_SEEDS", 100), set("WIREMATCH_SEED", 1));
    let options = Options { trouble: TROUBLE, sabotage: None };
    let (mut struck, mut commands, mut found) = (Struck::default(), 0, Vec::new());
    for seed in first..first + seeds {
        let outcome = simulate(seed, &options).expect("the machine can simulate");
        if let Some(what) = &outcome.found {
            found.push(format!("wirematch simulate --seed {seed}: {}: {}", what.check, what.what));
        }
        if seed % 4 == 0 {
            let again = simulate(seed, &options).expect("the machine can simulate");
            assert_eq!(outcome, again, "seed {seed} came out different the second time");
        }
        commands += outcome.commands;
        struck.add(&outcome.struck);
    }
    assert!(found.is_empty(), "{found:#?}");
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
