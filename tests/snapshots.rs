//! A snapshot and the rest of history come to what the whole of history comes to, wherever it was
//! taken; and one that is of no use is passed over.

mod support;

use std::fs;
use std::time::Duration;

use support::{World, settings, sharded};
use wirematch::engine::BookView;
use wirematch::journal::{UtcMapping, cut_back, open_both};
use wirematch::model::{
    Command, CommandKind, Group, Instrument, InstrumentId, LINES_MAX, Nanos, Price, SeqNo, Symbol,
};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::snapshot::{Container, Stand};
use wirematch::topology::{
    Catalogue, Config, DayEnd, Replay, TakeError, begun, empty_fold, journal_settings,
    list_snapshots, looked_at, meaning, snapshots_folder, take_snapshot,
};

/// A day with all that can happen: orders of every kind, connections lost, kills, mass cancels,
/// instruments listed otherwise, halts.
fn day(seed: u64, messages: u64, settings: (Config, Catalogue)) -> World {
    let mut world = World::with(seed, 4, settings);
    world.config.data = world.journal().parent().expect("it is in a folder").to_owned();
    world.connect();
    for _ in 0..messages {
        let World { clients, dice, .. } = &mut world;
        let who = dice.below(4) as usize;
        match dice.below(400) {
            0 => clients[who].is_on = false,
            1 => clients[who].is_asleep = true,
            2..12 => (clients[who].is_on, clients[who].is_asleep) = (true, false),
            12 => world.ask(|request| (request.0.side, request.0.instrument.0) = (3, 2), KILL),
            13..20 => {
                world.ask(|request| (request.0.side, request.0.instrument.0) = (3, 2), REVIVE)
            }
            20..22 => relist(&mut world),
            22 => halt(&mut world, 1),
            23..26 => halt(&mut world, 0),
            26 => turn_day(&mut world),
            _ => _ = clients[who].send_random(dice),
        }
        let count = world.dice.below(24);
        world.steps(count);
    }
    world.settle();
    world
}

const KILL: CommandKind = CommandKind::Kill;
const REVIVE: CommandKind = CommandKind::Revive;

/// Instrument 3 is called otherwise, for what rests in it stays.
fn relist(world: &mut World) {
    let name = ["CRUX", "CRUSE", "CRU"][world.dice.below(3) as usize];
    let listed = Instrument {
        symbol: Symbol::new(name).expect("a name"),
        reference_price: Price::ZERO,
        ..world.catalogue.instruments[2]
    };
    let command = listed.command(false);
    world.ask(
        |request| {
            let Command { instrument, ordinal, target, quantity, price, .. } = command;
            let Command { client_seq, order_type, .. } = command;
            (request.0.instrument, request.0.ordinal, request.0.target) =
                (instrument, ordinal, target);
            (request.0.quantity, request.0.price) = (quantity, price);
            (request.0.client_seq, request.0.order_type) = (client_seq, order_type);
        },
        CommandKind::SetInstrument,
    );
}

/// The day ends and, at once or after more orders, the next one starts.
fn turn_day(world: &mut World) {
    for end in [DayEnd::End, DayEnd::Start] {
        let Command { kind, quantity, .. } = end.command();
        let kind = CommandKind::from_code(kind).expect("a kind");
        world.ask(|request| request.0.quantity = quantity, kind);
        let count = world.dice.below(24);
        world.steps(count);
    }
}

/// Instrument 1 halts, or trades again.
fn halt(world: &mut World, phase: u8) {
    world.ask(
        |request| (request.0.instrument, request.0.side) = (InstrumentId(1), phase),
        CommandKind::SetPhase,
    );
}

fn state(replay: &Replay) -> [u8; 32] {
    replay.compose(&Stand::default()).digest()
}

/// Folds to the first command from `until` on at which the books are at rest, if there is one.
fn fold(replay: &mut Replay, until: SeqNo) -> bool {
    while replay.fold.seq < until || !replay.is_at_rest() {
        if !replay.step(&mut |_| ()).expect("it is as recorded") {
            return false;
        }
    }
    true
}

/// Snapshots at many commands of a history, each gone on from to its end.
fn cut_anywhere(seed: u64, settings: (Config, Catalogue)) {
    let mut world = day(seed, 500, settings);
    let (config, catalogue) = (world.config.clone(), world.catalogue.clone());
    let mut whole = looked_at(&config, &catalogue).expect("the journal opens");
    let mut last = SeqNo::ZERO;
    while whole.step(&mut |_| ()).expect("it is as recorded") {
        last = if whole.is_at_rest() { whole.fold.seq } else { last };
    }
    let mut whole = looked_at(&config, &catalogue).expect("the journal opens");
    assert!(fold(&mut whole, last) && last.0 > 300, "a day of {last} commands proves nothing");
    let expected = state(&whole);
    let mut before = state(&looked_at(&config, &catalogue).expect("the journal opens"));
    for cut in 0..12 {
        let until = if cut == 0 { 1 } else { 1 + world.dice.below(last.0 - 1) };
        let mut first = looked_at(&config, &catalogue).expect("the journal opens");
        assert!(fold(&mut first, SeqNo(until)), "the last command is at rest");
        let stand = Stand {
            seq: first.fold.seq,
            timestamp: first.fold.timestamp,
            last_event: first.last_event,
            ..Stand::default()
        };
        let composer = first.compose(&stand);
        assert_ne!(composer.digest(), before, "seed {seed}: another state has another digest");
        before = composer.digest();
        let bytes = composer.finish();
        let container = Container::open(&bytes).expect("what was written is good");
        let mut second = looked_at(&config, &catalogue).expect("the journal opens");
        second.resume(&world.journal(), &container).expect("it is of this configuration");
        assert_eq!(state(&second), before, "seed {seed}: it reads back at {}", stand.seq);
        fold(&mut second, last);
        assert_eq!(second.fold.seq, last);
        assert_eq!(state(&second), expected, "seed {seed}: from {} on", stand.seq);
        assert_eq!(second.command_count, last.0 - stand.seq.0, "only the rest was folded");
    }
}

#[test]
fn a_snapshot_and_the_rest_come_to_the_whole() {
    (0..6).for_each(|seed| cut_anywhere(seed, settings()));
}

#[test]
fn so_they_do_with_several_shards() {
    (10..13).for_each(|seed| cut_anywhere(seed, sharded()));
}

#[test]
fn the_newest_good_one_is_begun_from_and_a_bad_one_is_named() {
    let mut world = day(31, 600, settings());
    world.config.snapshots.keep = 3;
    let (config, catalogue) = (world.config.clone(), world.catalogue.clone());
    let folder = snapshots_folder(&config.data);
    let take = |until| take_snapshot(&config, &catalogue, SeqNo(until), &|| false);
    let seqs: Vec<_> = [100, 200, 300, 400].map(|at| take(at).expect("it can be").seq).into();
    let kept = list_snapshots(&folder).expect("they are there");
    let newest_first: Vec<_> = seqs.iter().rev().take(3).copied().collect();
    assert_eq!(kept.iter().map(|kept| kept.seq).collect::<Vec<_>>(), newest_first);
    let begun_at = |until| {
        let (replay, passed_over) = begun(&config, &catalogue, until).expect("it opens");
        (replay.fold.seq, passed_over)
    };
    assert_eq!(begun_at(SeqNo::MAX), (seqs[3], vec![]));
    assert_eq!(begun_at(SeqNo(seqs[3].0 - 1)), (seqs[2], vec![]));

    // A flip, a cut, and another file: each is named, and the one before is begun from.
    let good = fs::read(&kept[0].path).expect("it is there");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    for bytes in [&flipped[..], &good[..good.len() - 7], b"another file", b""] {
        fs::write(&kept[0].path, bytes).expect("the folder is ours");
        let (seq, passed_over) = begun_at(SeqNo::MAX);
        assert_eq!(seq, seqs[2]);
        assert!(passed_over[0].contains(&kept[0].path.display().to_string()), "{passed_over:?}");
    }
    // One of another place in history than its name says is still one of history.
    fs::write(&kept[0].path, &good).expect("the folder is ours");

    // Another history: of what was cut off nothing is begun from, and it makes way.
    let mut whole = looked_at(&config, &catalogue).expect("the journal opens");
    let keep = SeqNo(seqs[3].0 - 1);
    whole.run(keep, &mut |_| (), &mut |_| ()).expect("it is as recorded");
    world.crash();
    cut_back(&world.journal(), keep.0).expect("the tail can be cut");
    let (seq, passed_over) = begun_at(SeqNo::MAX);
    assert_eq!((seq, passed_over.len()), (seqs[2], 1));
    assert!(passed_over[0].contains("another history"), "{passed_over:?}");
    let taken = take(SeqNo::MAX.0);
    assert!(matches!(&taken, Ok(_) | Err(TakeError::Busy(_))), "{taken:?}");
    if let Ok(taken) = taken {
        let kept = list_snapshots(&folder).expect("they are there");
        assert_eq!(kept[0].seq, taken.seq, "what is of another history made way");
    }

    // None is good: all of history is folded.
    for kept in list_snapshots(&folder).expect("they are there") {
        fs::write(kept.path, b"rot").expect("the folder is ours");
    }
    let (seq, passed_over) = begun_at(SeqNo::MAX);
    assert_eq!((seq, passed_over.len()), (SeqNo::ZERO, 3));
}

#[test]
fn one_of_another_configuration_is_passed_over() {
    let world = day(41, 200, settings());
    let (config, catalogue) = (world.config.clone(), world.catalogue.clone());
    take_snapshot(&config, &catalogue, SeqNo(50), &|| false).expect("it can be");
    let mut other = catalogue.clone();
    other.risk.orders_max += 1;
    let (replay, passed_over) = begun(&config, &other, SeqNo::MAX).expect("it opens");
    assert_eq!(replay.fold.seq, SeqNo::ZERO);
    assert!(passed_over[0].contains("another configuration"), "{passed_over:?}");
}

/// Figures, not a test: `WIREMATCH_COMMANDS=10000000 WIREMATCH_RESTING=1000000 cargo test --release
/// --test snapshots -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, and takes minutes"]
fn figures() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |n| n.parse().expect("a number"))
    };
    let commands = number("WIREMATCH_COMMANDS", 1_000_000);
    let resting = number("WIREMATCH_RESTING", 100_000).min(commands);
    let (mut config, _) = settings();
    let folder = tempfile::tempdir().expect("a folder");
    config.data = folder.path().to_owned();
    config.engine.orders_max = (resting as u32 + 1024).next_power_of_two();
    config.journal.segment_kib = 65_536;
    config.risk.open_orders_max = u32::MAX;
    let text = toml::to_string(&config).expect("it can be written");
    let catalogue = wirematch::topology::check(&config, "figures", &text).expect("it is good");
    write_journal(&config, &catalogue, commands, resting);
    let timed = |what: &str, work: &mut dyn FnMut() -> String| {
        let clock = SystemClock::new();
        let begun = clock.now();
        let said = work();
        let took = clock.now().saturating_sub(begun).0 / 1_000_000;
        println!("{what}: {took} ms; {said}");
    };
    timed("all of history folded", &mut || {
        let mut replay = looked_at(&config, &catalogue).expect("it opens");
        replay.run(SeqNo::MAX, &mut |_| (), &mut |_| ()).expect("it is as recorded");
        format!("{} commands, {} orders held for", replay.fold.seq, replay.fold.gate.open_orders())
    });
    timed("a snapshot taken from the beginning", &mut || {
        let taken = take_snapshot(&config, &catalogue, SeqNo::MAX, &|| false).expect("it can be");
        format!("{} KiB at command {}", taken.bytes / 1024, taken.seq)
    });
    timed("begun from it, its file checked", &mut || {
        let (replay, passed_over) = begun(&config, &catalogue, SeqNo::MAX).expect("it opens");
        assert!(passed_over.is_empty(), "{passed_over:?}");
        format!("command {}, {} orders held for", replay.fold.seq, replay.fold.gate.open_orders())
    });
    timed("empty state alone", &mut || {
        looked_at(&config, &catalogue).map(|replay| replay.fold.seq.to_string()).expect("it opens")
    });
}

/// Orders that rest, then pairs of one that enters and one that leaves.
fn write_journal(config: &Config, catalogue: &Catalogue, commands: u64, resting: u64) {
    let journal = wirematch::topology::journal_folder(&config.data);
    let (meaning, settings) = (meaning(config, catalogue), journal_settings(config));
    let (commands_log, events_log) =
        open_both(&journal, meaning, UtcMapping::default(), &settings).expect("it opens");
    let (mut log, mut keeper) = (commands_log.writer, commands_log.keeper);
    let (mut events, mut events_keeper) = (events_log.writer, events_log.keeper);
    let mut fold = empty_fold(config, catalogue).expect("the limits are good");
    for seq in 1..=commands {
        let is_cancel = seq > resting && seq.is_multiple_of(2);
        let kind = if is_cancel { CommandKind::Cancel } else { CommandKind::Enter };
        let mut command = Command::new(kind);
        (command.seq, command.timestamp) = (SeqNo(seq), Nanos(seq * 1_000));
        (command.session.0, command.client_seq) = (1, seq as u32);
        if is_cancel {
            command.target = seq as u32 - 1;
        } else {
            (command.ordinal, command.account.0) = (seq as u32, 1 + seq as u32 % 4);
            (command.instrument.0, command.quantity.0) = (1 + seq as u32 % 3, 1);
            let away = (1 + seq % 500) as i64 * support::TICK as i64;
            command.side = (seq % 2) as u8;
            let sign = if command.side == 0 { -1 } else { 1 };
            command.price = Price(support::REFERENCE as i64 + sign * away);
        }
        let group = Group::new(command);
        while log.room() < LINES_MAX || events.room() < 64 {
            keeper.step(Duration::from_millis(1));
            events_keeper.step(Duration::from_millis(1));
        }
        log.append(&group).expect("there is room");
        fold.apply(&group, &mut |event| events.append(&Group::new(*event)).expect("there is room"))
            .expect("it folds");
        if seq.is_multiple_of(8) || seq == commands {
            log.commit();
            events.commit();
        }
    }
    println!("{} orders rest", BookView::open_orders(&fold.matcher));
}
