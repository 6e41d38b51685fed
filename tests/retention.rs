//! What is kept and what may go: nothing inside its days, nothing that no snapshot has; and a
//! journal whose beginning is gone is verified, begun from and gone on with like any other.

mod support;

use std::path::Path;

use support::{World, settings};
use wirematch::journal::{
    JournalError, LogKind, Logged, Pruned, Reader, Seals, UtcMapping, open_both_from, scan,
};
use wirematch::model::{Command, Event, Nanos, SeqNo};
use wirematch::snapshot::Stand;
use wirematch::topology::{
    Catalogue, Config, PruneError, Replay, ReplayError, begun, journal_settings, looked_at,
    meaning, prunable, prune, take_snapshot,
};

const DAY: u64 = 86_400_000_000_000;

/// Orders of everybody; returns when nothing moves any more.
fn trade(world: &mut World, messages: u64) {
    world.connect();
    for _ in 0..messages {
        let World { clients, dice, .. } = &mut *world;
        let who = dice.below(3) as usize;
        clients[who].send_random(dice);
        world.steps(24);
    }
    world.settle();
}

/// Three months, a few thousand commands each, with a month between; the journal is closed.
fn months() -> (World, Config, Catalogue) {
    let mut world = World::with(11, 3, settings());
    world.config.data = world.journal().parent().expect("it is in a folder").to_owned();
    for month in 0..3 {
        if month > 0 {
            world.now.0 += 30 * DAY;
        }
        trade(&mut world, 1_500);
    }
    world.crash();
    let (config, catalogue) = (world.config.clone(), world.catalogue.clone());
    (world, config, catalogue)
}

fn keeping(config: &Config, days: u32) -> Config {
    let mut config = config.clone();
    config.journal.keep_days = days;
    config
}

fn last<H: Logged>(folder: &Path) -> u64 {
    scan(folder, H::KIND, &mut |_| ()).expect("it is whole").last
}

/// The head of a log's chain, after it was held against all that was sealed, and its epochs.
fn head<H: Logged>(folder: &Path) -> ([u8; 32], Vec<(u32, u64)>) {
    let seals = Seals::read(folder, H::KIND, &[]).expect("they can be read");
    seals.check_reach(last::<H>(folder)).expect("nothing is lost");
    let head = seals.check::<H>(None, &mut |_| ()).expect("it is what was sealed").seal().head;
    (head, scan(folder, H::KIND, &mut |_| ()).expect("it is whole").epochs)
}

fn end(config: &Config, catalogue: &Catalogue) -> (SeqNo, [u8; 32]) {
    let (mut replay, passed_over) = begun(config, catalogue, SeqNo::MAX).expect("it opens");
    assert_eq!(passed_over, Vec::<String>::new());
    replay.run(SeqNo::MAX, &mut |_| (), &mut |_| ()).expect("it is as recorded");
    (replay.fold.seq, state(&replay))
}

fn state(replay: &Replay) -> [u8; 32] {
    replay.compose(&Stand::default()).digest()
}

#[test]
fn what_is_kept_long_enough_and_in_a_snapshot_goes_and_nothing_else_does() {
    let (mut world, config, catalogue) = months();
    let journal = world.journal();
    let [commands, events] = [LogKind::Commands, LogKind::Events].map(|kind| kind.folder(&journal));
    let now = world.now;
    let found = prunable(&keeping(&config, 10), &catalogue, now);
    assert!(matches!(found, Err(PruneError::NoSnapshot)), "{found:?}");
    // Of the second month's end, and then of the third's: the older of the two says what goes.
    let mut reader = Reader::<Command>::open(&commands, 0).expect("it opens");
    let mut second = SeqNo::ZERO;
    let first_at = reader.read().expect("it reads").expect("it has some").head.timestamp;
    while let Some(group) = reader.read().expect("it reads") {
        if group.head.timestamp.0 < first_at.0 + 35 * DAY {
            second = group.head.seq;
        }
    }
    let take = |until| take_snapshot(&config, &catalogue, until, &|| false).expect("it can be");
    let older = take(second).seq;
    take(SeqNo::MAX);
    let of = |days, now| prunable(&keeping(&config, days), &catalogue, now).expect("it looks");
    assert!(of(70, now).is_empty(), "all of it is of the last 70 days");
    assert!(of(70, Nanos(now.0 + 365 * DAY)).is_empty(), "a clock that runs ahead changes nothing");
    let mut followed = keeping(&config, 10);
    followed.market_data.snapshots = Some("127.0.0.1:1".parse().expect("an address"));
    assert!(matches!(prunable(&followed, &catalogue, now), Err(PruneError::Followed)));

    let before = (head::<Command>(&commands), head::<Event>(&events), end(&config, &catalogue));
    let sizes = [last::<Command>(&commands), last::<Event>(&events)];
    let found = of(10, now);
    assert_eq!(found.len(), 2, "both logs have something to give");
    for excess in &found {
        let gone = excess.kind.seq(excess.begins.seal.id);
        assert!(gone < older.0, "{gone} is in the snapshot at {older}");
        assert!(excess.begins.seal.time.0 <= now.0 - 10 * DAY);
        assert!(excess.bytes > 0 && excess.segments.iter().all(|file| file.path.exists()));
    }
    prune(&found).expect("it can be");
    assert!(found.iter().flat_map(|excess| &excess.segments).all(|file| !file.path.exists()));

    let after = (head::<Command>(&commands), head::<Event>(&events), end(&config, &catalogue));
    assert_eq!(after, before, "what is left comes to the same");
    assert_eq!([last::<Command>(&commands), last::<Event>(&events)], sizes);
    assert!(of(10, now).is_empty(), "nothing goes twice");
    asks_for_what_is_gone(&config, &catalogue, &commands);
    goes_on(&config, &catalogue, &journal);
    // The appliance goes on too, from the snapshot, and what it writes is verified again.
    let again = end(&config, &catalogue);
    assert_eq!(again, before.2);
    world.now.0 += DAY;
    drop(world);
}

/// Everybody who asks for the beginning gets one sentence.
fn asks_for_what_is_gone(config: &Config, catalogue: &Catalogue, commands: &Path) {
    let gone = Pruned::read(commands).expect("it reads").expect("something is gone");
    for from in [0, 1, gone.seal.id] {
        let asked = Reader::<Command>::open(commands, from).expect("the folder is there").read();
        let Err(error @ JournalError::Pruned { .. }) = asked else { panic!("{asked:?}") };
        let sentence = error.to_string();
        assert!(sentence.contains(&format!("begins after message {}", gone.seal.id)), "{sentence}");
    }
    let first = Reader::<Command>::open(commands, gone.seal.id + 1).expect("it opens").read();
    assert_eq!(first.expect("it is there").expect("it is there").head.seq.0, gone.seal.id + 1);
    let oldest = Reader::<Command>::open_oldest(commands).expect("it opens").read();
    assert_eq!(oldest.expect("it is there").expect("it is there").head.seq.0, gone.seal.id + 1);
    let mut whole = looked_at(config, catalogue).expect("it opens");
    let refused = whole.step(&mut |_| ());
    assert!(matches!(refused, Err(ReplayError::Journal(JournalError::Pruned { .. }))));
}

/// Both logs open for writing, read from where they begin and from the snapshot.
fn goes_on(config: &Config, catalogue: &Catalogue, journal: &Path) {
    let settings = journal_settings(config);
    for from in [(0, 0), (u64::MAX, u64::MAX)] {
        let meaning = meaning(config, catalogue);
        let opened = open_both_from(
            journal,
            from,
            meaning,
            UtcMapping::default(),
            &settings,
            std::sync::Arc::new(wirematch::journal::Files),
        );
        let (commands, events) = opened.expect("it opens");
        assert!(commands.torn.is_empty() && events.torn.is_empty());
        assert!(commands.last > 0 && commands.writer.room() > 0);
    }
}

#[test]
fn a_crash_between_the_mark_and_the_last_file_is_mended_by_the_next_time() {
    let (world, config, catalogue) = months();
    let journal = world.journal();
    let commands = LogKind::Commands.folder(&journal);
    take_snapshot(&config, &catalogue, SeqNo::MAX, &|| false).expect("it can be");
    let found = prunable(&keeping(&config, 40), &catalogue, world.now).expect("it looks");
    let gone: Vec<_> = found.iter().flat_map(|excess| excess.segments.clone()).collect();
    let kept: Vec<_> = gone
        .iter()
        .map(|file| (file.clone(), std::fs::read(&file.path).expect("it is there")))
        .collect();
    let before = head::<Command>(&commands);
    prune(&found).expect("it can be");
    // As if the process had died after the mark: all files are there, then every other one.
    for step in [1, 2] {
        for (file, bytes) in kept.iter().step_by(step) {
            std::fs::write(&file.path, bytes).expect("there is room");
        }
        assert_eq!(head::<Command>(&commands), before);
        goes_on(&config, &catalogue, &journal);
        gone.iter().for_each(|file| _ = std::fs::remove_file(&file.path));
    }
    for (file, bytes) in &kept {
        std::fs::write(&file.path, bytes).expect("there is room");
    }
    let found = prunable(&keeping(&config, 10), &catalogue, world.now).expect("it looks");
    assert!(!found.is_empty(), "the second month goes too");
    prune(&found).expect("it can be");
    assert!(gone.iter().all(|file| !file.path.exists()), "what was left over is gone too");
    assert_eq!(head::<Command>(&commands), before);
}

#[test]
fn a_mark_that_was_changed_is_refused_at_every_byte() {
    let (world, config, catalogue) = months();
    let commands = LogKind::Commands.folder(&world.journal());
    take_snapshot(&config, &catalogue, SeqNo::MAX, &|| false).expect("it can be");
    let found = prunable(&keeping(&config, 10), &catalogue, world.now).expect("it looks");
    prune(&found).expect("it can be");
    let path = commands.join("pruned");
    let good = std::fs::read(&path).expect("it is there");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).expect("there is room");
        let read = Pruned::read(&commands);
        // A last line feed that is something else changes nothing that is said.
        assert!(read.is_err() || at + 1 == good.len(), "byte {at}: {read:?}");
    }
}
