//! Seeds of the simulator: none finds anything, what is run twice comes out the same, and each
//! deliberate bug is found. `WIREMATCH_SEEDS` sets how many, `WIREMATCH_SEED` the first;
//! `WIREMATCH_SABOTAGE` names the bugs to look for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wirematch::model::Nanos;
use wirematch::simulate::{Found, Options, Sabotage, Struck, simulate};

const TROUBLE: Nanos = Nanos(500_000_000);

/// Seeds beyond the first that found something, drawn as they are now: a turned bit in the length
/// of a message that was waited for, a standby that waited for ever for a disk that fails.
const FOUND_ONCE: [u64; 2] = [3_940, 4_597];

/// Of so many seeds one is run twice.
const TWICE_EVERY: u64 = 5;

/// Seeds within which a bug must be found.
const SEEDS_MAX: u64 = 200;

#[test]
fn no_seed_finds_anything_and_one_run_twice_comes_out_the_same() {
    let set = |name, or| std::env::var(name).map_or(or, |n| n.parse().expect("a number"));
    let (seeds, first): (u64, u64) = (set("WIREMATCH_SEEDS", 200), set("WIREMATCH_SEED", 1));
    let options = Options { trouble: TROUBLE, sabotage: None };
    let mut drawn: Vec<u64> = (first..first + seeds).collect();
    drawn.extend(FOUND_ONCE);
    let next = AtomicUsize::new(0);
    let all = Mutex::new((Struck::default(), 0, Vec::new()));
    let work = || {
        while let Some(&seed) = drawn.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = simulate(seed, &options).expect("the machine can simulate");
            let again = seed
                .is_multiple_of(TWICE_EVERY)
                .then(|| simulate(seed, &options).expect("the machine can simulate"));
            let mut all = all.lock().expect("nobody panics");
            let (struck, commands, found) = &mut *all;
            if again.as_ref().is_some_and(|again| *again != outcome) {
                found.push(format!("seed {seed} came out different: {outcome:?}, {again:?}"));
            } else if let Some(Found { check, what }) = &outcome.found {
                found.push(format!("wirematch simulate --seed {seed}: {check}: {what}"));
            }
            *commands += outcome.commands;
            struck.add(&outcome.struck);
        }
    };
    on_each_cpu(work);
    let (struck, commands, found) = all.into_inner().expect("nobody panics");
    assert!(found.is_empty(), "{found:#?}");
    println!("{seeds} seeds, {commands} commands, {} takeovers, {struck:?}", struck.takeovers);
    assert!(struck.takeovers > seeds / 4, "too little trouble to mean anything");
}

#[test]
fn every_deliberate_bug_is_found() {
    let wanted = std::env::var("WIREMATCH_SABOTAGE").unwrap_or_default();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(sabotage) = Sabotage::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = format!("{sabotage:?}");
            if !name.contains(&wanted) {
                continue;
            }
            let options = Options { trouble: TROUBLE, sabotage: Some(*sabotage) };
            let seed = (1..=SEEDS_MAX).find(|seed| {
                let outcome = simulate(*seed, &options).expect("the machine can simulate");
                if let Some(Found { check, what }) = &outcome.found {
                    println!("{name}: seed {seed}: {check}: {what}");
                }
                outcome.found.is_some()
            });
            found.lock().expect("nobody panics").insert(name, seed);
        }
    };
    on_each_cpu(work);
    let found = found.into_inner().expect("nobody panics");
    println!("{found:?}");
    let missed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).collect();
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}

fn on_each_cpu(work: impl Fn() + Sync) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cpus).for_each(|_| drop(scope.spawn(&work))));
}
