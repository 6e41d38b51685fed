//! Bad input, from frames to floods: each is counted or refused with its code, harms nobody else,
//! and loses nothing.

mod support;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use support::orders::{EnterOrder, bytes, cancel, enter, order};
use support::raw::{NO_TOKEN, Raw, packet};
use support::{GATEWAY, REFERENCE, World};
use wirematch::model::RejectCode;
use wirematch::topology::StageName;
use wirematch::wire::ouch::codes::time_in_force;
use wirematch::wire::ouch::{
    AccountQueryRequest, Appendage, Inbound, OPTIONS_MAX, Options, Outbound,
};
use wirematch::wire::session::control::NotApplied;
use wirematch::wire::session::{Control, Login, LoginRejectCode};

/// A world with two good clients, connected, and one without manners.
fn world(session: u16) -> (World, Raw) {
    let mut world = World::new(5, 2);
    world.connect();
    let mut raw = Raw::new(session, &mut world);
    assert!(raw.log_in(&mut world), "a good login is taken: {:?}", raw.refusal);
    (world, raw)
}

/// The good clients trade on, and what they know is what the journal says.
fn others_are_well(world: &mut World) {
    for _ in 0..40 {
        let World { clients, dice, .. } = &mut *world;
        clients.iter_mut().for_each(|client| _ = client.send_random(dice));
        world.steps(50);
    }
    world.settle();
    world.check();
    assert_eq!(world.counter(StageName::Gateway, "Panicked"), 0);
}

fn with_options(order: EnterOrder, options: Options) -> Vec<u8> {
    let mut space = [0; OPTIONS_MAX];
    bytes(&Inbound::EnterOrder(order, options.appendage(&mut space)))
}

/// Messages that are refused, each with its OUCH reason; the number stands for the UserRefNum.
fn refused_messages(n: u32) -> Vec<(&'static str, Vec<u8>, u16)> {
    let good = order(n);
    let firm =
        |code: &[u8; 4]| with_options(good, Options { firm: Some(*code), ..Options::default() });
    let spoilt = |spoil: &dyn Fn(&mut EnterOrder)| {
        let mut order = good;
        spoil(&mut order);
        enter(order)
    };
    let whole = enter(good);
    let mut unknown_tag = whole.clone();
    let at = unknown_tag.len() - 1;
    unknown_tag[at] = 3;
    unknown_tag.extend([2, 99, b'X']);
    let mut another_type = whole.clone();
    another_type[0] = b'z';
    vec![
        ("symbol", spoilt(&|order| order.symbol = *b"NOBODY  "), 0x0017),
        ("no quantity", spoilt(&|order| order.quantity = 0), 0x0013),
        ("quantity at the bound", spoilt(&|order| order.quantity = 1_000_000), 0x0013),
        ("quantity overflowing", spoilt(&|order| order.quantity = u32::MAX), 0x0013),
        ("quantity above the limit", spoilt(&|order| order.quantity = 100_001), 0x0031),
        ("no price", spoilt(&|order| order.price = 0), 0x001d),
        ("price off the tick", spoilt(&|order| order.price += 1), 0x001d),
        ("price above the maximum", spoilt(&|order| order.price = 1_999_999_901), 0x001d),
        ("price overflowing", spoilt(&|order| order.price = u64::MAX), 0x001d),
        ("price out of the collar", spoilt(&|order| order.price = 2 * REFERENCE), 0x0026),
        ("side", spoilt(&|order| order.side = b'?'), 0x0009),
        ("time in force", spoilt(&|order| order.time_in_force = b'?'), 0x000f),
        (
            "time in force not built",
            spoilt(&|order| order.time_in_force = time_in_force::GOOD_TILL_TIME),
            0x000f,
        ),
        ("display", spoilt(&|order| order.display = b'?'), 0x0003),
        ("capacity", spoilt(&|order| order.capacity = b'?'), 0x000f),
        ("sweep", spoilt(&|order| order.intermarket_sweep = b'?'), 0x000f),
        ("cross", spoilt(&|order| order.cross_type = b'?'), 0x000f),
        ("account code", firm(b"00 1"), 0x000c),
        ("account of others", firm(b"0005"), 0x000c),
        ("account nobody has", firm(b"ZZZZ"), 0x000c),
        ("option tag", unknown_tag, 0x000f),
        ("cut short", whole[..whole.len() - 1].to_vec(), 0x000f),
        ("too long", [&whole[..], b"x"].concat(), 0x000f),
        ("type", another_type, 0x000f),
        ("order number used", enter(order(1)), 0x002a),
    ]
}

#[test]
fn each_broken_message_is_refused_with_its_code() {
    let (mut world, mut raw) = world(3);
    let accepted = raw.answers(&enter(order(1)), &mut world);
    let first = accepted.first().expect("an answer");
    assert!(matches!(Outbound::decode(first), Ok(Outbound::OrderAccepted(..))));
    let kinds = refused_messages(0).len();
    for kind in 0..kinds {
        let number = 2 + kind as u32;
        let (what, message, code) = refused_messages(number).swap_remove(kind);
        let answers = raw.answers(&message, &mut world);
        // The market may tell of the first order meanwhile.
        let refusals: Vec<_> = answers
            .iter()
            .filter_map(|bytes| match Outbound::decode(bytes) {
                Ok(Outbound::Rejected(rejected, _)) => Some(rejected),
                _ => None,
            })
            .collect();
        let number = if what == "order number used" { 1 } else { number };
        assert_eq!(refusals.len(), 1, "{what}: {answers:?}");
        let seen = (refusals[0].user_ref_num, refusals[0].reason);
        assert_eq!(seen, (number, code), "{what}");
    }
    let empty = raw.answers(&[], &mut world);
    assert!(empty.iter().any(|bytes| bytes[0] == b'J'), "an empty message is answered");
    let after = raw.answers(&enter(order(100)), &mut world);
    assert!(after.iter().any(|bytes| bytes[0] == b'A'), "the session goes on");
    others_are_well(&mut world);
}

#[test]
fn packets_of_nobody_are_counted_and_do_nothing() {
    let (mut world, mut raw) = world(3);
    let message = enter(order(7));
    let good = packet(raw.token, raw.next_tx, &[&message]);
    let mut wrong = raw.token;
    wrong[9] ^= 1;
    let mut elsewhere = Raw::new(4, &mut world);
    let before = world.counter(StageName::Gateway, "Unknown");
    raw.send(&packet(wrong, raw.next_tx, &[&message]));
    raw.send(&packet(NO_TOKEN, raw.next_tx, &[&message]));
    raw.send(&packet(*b"ZZZZZZZZZZ", raw.next_tx, &[&message]));
    raw.send_to(std::net::SocketAddrV4::new(*GATEWAY.ip(), 9), &good);
    elsewhere.send(&good);
    (0..20).for_each(|_| raw.live(&mut world));
    assert_eq!(world.counter(StageName::Gateway, "Unknown"), before + 5);
    assert_eq!(raw.settled, raw.next_tx, "nothing was executed");
    assert!(raw.answers(&message, &mut world).iter().any(|bytes| bytes[0] == b'A'));
    others_are_well(&mut world);
}

#[test]
fn each_bad_login_is_refused_with_its_code() {
    let (mut world, mut raw) = world(3);
    let mut other = Raw::new(4, &mut world);
    let key = other.config.key.clone();
    let good = other.login(&world);
    let refused = |other: &mut Raw, world: &mut World, login: Login, code| {
        assert!(!other.ask(&login, world), "{code}");
        assert_eq!(other.refusal, Some(code));
    };
    use LoginRejectCode as Code;
    let world = &mut world;
    let wrong_key = Login { nonce: 1, ..good }.signed(b"another key");
    refused(&mut other, world, wrong_key, Code::BadKey);
    refused(&mut other, world, Login { port: 77, ..good }.signed(&key), Code::UnknownPort);
    refused(&mut other, world, Login { version: 9, ..good }.signed(&key), Code::WrongVersion);
    let ahead = Login { next_rx: 1_000, ..good }.signed(&key);
    refused(&mut other, world, ahead, Code::SequenceAhead);
    // The session of the one that is connected, with its key, from here.
    let theirs = raw.login(world);
    refused(&mut other, world, theirs, Code::ConnectedElsewhere);
    assert!(other.log_in(world));
    let old = Login { nonce: 1, ..good }.signed(&key);
    refused(&mut other, world, old, Code::NonceUsed);
    assert!(raw.answers(&enter(order(7)), world).iter().any(|bytes| bytes[0] == b'A'));
    others_are_well(world);
}

#[test]
fn a_flood_is_refused_and_shut_out_while_cancels_pass() {
    let (mut world, mut raw) = world(4);
    const FLOOD: u32 = 1_500;
    let mut next = 1;
    while next <= FLOOD {
        while next <= FLOOD && raw.next_tx < raw.settled + 60 {
            // So low that none trades.
            let price = REFERENCE - 2_000 * support::TICK;
            raw.say(&enter(EnterOrder { price, ..order(next) }));
            next += 1;
        }
        raw.live(&mut world);
    }
    (0..50).for_each(|_| raw.live(&mut world));
    let of_type = |kind: u8| raw.replies.iter().filter(|bytes| bytes[0] == kind).count();
    let (accepted, rejected) = (of_type(b'A'), of_type(b'J'));
    assert_eq!(accepted + rejected, FLOOD as usize, "each was answered");
    assert!((200..=400).contains(&accepted), "{accepted} were taken");
    for bytes in raw.replies.iter().filter(|bytes| bytes[0] == b'J') {
        let Ok(Outbound::Rejected(rejected, _)) = Outbound::decode(bytes) else { unreachable!() };
        assert_eq!(rejected.reason, 0x0029);
    }
    let events = support::log_of::<wirematch::model::Event>(&world.journal());
    let banned = wirematch::model::RejectCode::Banned;
    assert!(events.iter().any(|group| group.head.reject_code() == Some(banned)
        && group.head.kind == wirematch::model::EventKind::Rejected.code()));
    let cancelled = raw.answers(&cancel(1), &mut world);
    assert!(cancelled.iter().any(|bytes| bytes[0] == b'C'), "a cancel passes");
    others_are_well(&mut world);
    for client in &world.clients {
        assert!(client.view.rejected.iter().all(|&(_, reason)| reason != 0x0029));
    }
}

#[test]
fn while_the_journal_is_short_of_room_orders_make_way_for_cancels() {
    use std::sync::atomic::Ordering;
    let (mut world, mut raw) = world(3);
    assert!(raw.answers(&enter(order(1)), &mut world).iter().any(|bytes| bytes[0] == b'A'));
    let is_short = std::sync::Arc::clone(&world.server().journal_is_short);
    is_short.store(true, Ordering::Relaxed);
    // Enough to fill the window, sent in one go: the cancel behind them must not wait for them.
    let first = raw.next_tx;
    (2..64).for_each(|number| raw.say(&enter(order(number))));
    let answers = raw.answers(&cancel(1), &mut world);
    let [refusal, cancelled] = &answers[..] else { panic!("two answers: {answers:?}") };
    let NotApplied { from, count, reason } = match Control::decode(refusal) {
        Ok(Control::NotApplied(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    };
    assert_eq!((from, count), (first, 62));
    assert_eq!(reason, RejectCode::JournalFull.code());
    assert_eq!(cancelled[0], b'C');

    // Orders alone are gathered, and refused together after a while.
    (64..70).for_each(|number| raw.say(&enter(order(number))));
    raw.replies.clear();
    for _ in 0..6 {
        (0..20).for_each(|_| raw.live(&mut world));
        world.now.0 += 20_000_000;
    }
    assert_eq!(raw.replies.len(), 1, "{:?}", raw.replies);

    is_short.store(false, Ordering::Relaxed);
    let answers = raw.answers(&enter(order(70)), &mut world);
    assert!(answers.iter().any(|bytes| bytes[0] == b'A'), "{answers:?}");
    assert_eq!(world.counter(StageName::Gateway, "Refused"), 68);
    others_are_well(&mut world);
}

#[test]
fn a_client_that_never_acknowledges_goes_down_alone() {
    let (mut world, mut raw) = world(3);
    raw.acknowledges = false;
    let query = bytes(&Inbound::AccountQueryRequest(AccountQueryRequest {}, Appendage::ABSENT));
    let is_up = |world: &World| {
        let replay = world.replayed();
        replay.gateway.views().any(|view| view.session.0 == 3 && view.is_up)
    };
    assert!(raw.answers(&enter(order(1)), &mut world).iter().any(|bytes| bytes[0] == b'A'));
    let kept = u64::from(world.config.entry.reply_cache);
    for _ in 0..kept + 200 {
        raw.say(&query);
        raw.live(&mut world);
    }
    world.settle();
    assert!(!is_up(&world), "the session is down");
    // Its order died with it; replies it never took are not kept any more, but the journal has
    // them.
    world.check();
    let replay = world.replayed();
    let view = replay.gateway.views().find(|view| view.session.0 == 3).expect("a session");
    (raw.next_rx, raw.next_tx) = (2, view.next_expected);
    raw.acknowledges = true;
    assert!(raw.log_in(&mut world), "{:?}", raw.refusal);
    for _ in 0..4_000 {
        raw.live(&mut world);
    }
    assert_eq!(raw.next_rx, view.next_number, "it caught up");
    assert!(raw.answers(&enter(order(2)), &mut world).iter().any(|bytes| bytes[0] == b'A'));
    others_are_well(&mut world);
}

/// Any bytes: as frames, as payloads, as packets of a session, as messages.
#[test]
fn any_bytes_harm_nobody() {
    let (world, raw) = world(3);
    let both = RefCell::new((world, raw));
    let any_bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let mut runner = TestRunner::new(ProptestConfig { cases: 600, ..ProptestConfig::default() });
    let kinds = (0u8..4, any_bytes(120), any_bytes(40), any::<u8>(), 0u64..200);
    let outcome = runner.run(&kinds, |(kind, first, second, byte, seq)| {
        let (world, raw) = &mut *both.borrow_mut();
        match kind {
            0 => raw.send_frame(&first),
            1 => raw.send(&first),
            2 => raw.send(&packet(raw.token, seq, &[&second, &first])),
            _ => {
                // A good message with one wrong byte.
                let mut message = enter(order(seq as u32));
                let at = usize::from(byte) % message.len();
                message[at] = first.first().copied().unwrap_or(byte);
                raw.say(&message);
            }
        }
        raw.live(world);
        Ok(())
    });
    outcome.expect("no bytes make anybody panic");
    let (mut world, _) = both.into_inner();
    others_are_well(&mut world);
}
