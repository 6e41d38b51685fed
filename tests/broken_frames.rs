//! Broken frames of every layer at the appliance's port: each is counted by its cause and by no
//! other, and harms nobody.

mod support;

use support::broken::{Broken, Carrier, Ends};
use support::orders::{enter, order};
use support::raw::{Raw, packet};
use support::{GATEWAY, World, settings};
use wirematch::topology::StageName;
use wirematch::wire::DecodeError;
use wirematch::wire::ethernet::Mac;

/// A world whose gateway looks at its frames itself, a good client in it and one without manners.
fn world() -> (World, Raw) {
    let wrap = |entry: support::network::Card, feed: support::network::Card| {
        let (entry, feed): (Box<dyn wirematch::port::Port>, Box<dyn wirematch::port::Port>) =
            (Box::new(entry.plain()), Box::new(feed.plain()));
        (entry, feed)
    };
    let mut world = World::behind(5, 2, settings(), wrap);
    world.connect();
    let mut raw = Raw::new(3, &mut world);
    assert!(raw.log_in(&mut world), "a good login is taken: {:?}", raw.refusal);
    (world, raw)
}

fn ends(raw: &Raw) -> Ends {
    let mac = |end: std::net::SocketAddrV4| (Mac::local(*end.ip()), end);
    Ends { from: mac(raw.config.address), to: mac(GATEWAY) }
}

/// Frames that are good as far as the datagram and carry a broken packet.
fn broken_packets(raw: &Raw) -> Vec<Broken> {
    let good = packet(raw.token, raw.next_tx, &[&enter(order(7))]);
    let frame = |payload: &[u8]| ends(raw).datagram(payload);
    let spoilt = |spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = good.clone();
        spoil(&mut payload);
        frame(&payload)
    };
    let long = frame(&packet(raw.token, raw.next_tx, &[&[7; 1000]]));
    vec![
        ("a packet without its header", "PacketTooShort", frame(&good[..19])),
        ("more blocks than there are", "BlockTruncated", spoilt(&|bytes| bytes[19] = 2)),
        ("a block cut short", "BlockTruncated", spoilt(&|bytes| _ = bytes.pop())),
        ("bytes after the blocks", "PacketTrailing", spoilt(&|bytes| bytes.push(0))),
        ("a block longer than any message", "BlockTooLong", long),
    ]
}

/// How often each cause was counted, and all together.
fn counted(world: &mut World) -> (Vec<u64>, u64) {
    let causes = DecodeError::TABLE.iter();
    let each = causes.map(|(name, _)| world.counter(StageName::Gateway, name)).collect();
    (each, world.counter(StageName::Gateway, "Malformed"))
}

#[test]
fn each_broken_frame_is_counted_by_its_cause() {
    let (mut world, mut raw) = world();
    let mut broken = ends(&raw).broken(Carrier::Udp);
    broken.extend(broken_packets(&raw));
    for (what, cause, frame) in broken {
        let (mut expected, total) = counted(&mut world);
        raw.send_frame(&frame);
        (0..10).for_each(|_| raw.live(&mut world));
        let place = DecodeError::TABLE.iter().position(|(name, _)| *name == cause);
        expected[place.expect("a cause's name")] += 1;
        let now = counted(&mut world);
        let others = DecodeError::TABLE.iter().zip(&now.0).zip(&expected);
        let others: Vec<_> = others.filter(|((_, now), expected)| now != expected).collect();
        assert!(others.is_empty() && now.1 == total + 1, "{what} as {cause}: {others:?}");
    }
    assert!(raw.answers(&enter(order(7)), &mut world).iter().any(|bytes| bytes[0] == b'A'));
    others_are_well(&mut world);
}

#[test]
fn a_storm_of_arp_is_counted_and_answered_a_little() {
    let (mut world, mut raw) = world();
    let ends = ends(&raw);
    let (mac, own, theirs) = (ends.from.0, *GATEWAY.ip(), *raw.config.address.ip());
    let [arps, not_for_us] = ["Arps", "NotForUs"];
    let before = [arps, not_for_us].map(|name| world.counter(StageName::Gateway, name));
    for _ in 0..200 {
        for _ in 0..10 {
            raw.send_frame(&ends.arp(1, mac, theirs, own));
            raw.send_frame(&ends.arp(1, mac, theirs, [10, 0, 0, 99].into()));
        }
        raw.live(&mut world);
    }
    (0..20).for_each(|_| raw.live(&mut world));
    let after = [arps, not_for_us].map(|name| world.counter(StageName::Gateway, name));
    assert!(after[0] - before[0] >= 2_000 && after[1] - before[1] >= 2_000, "{before:?} {after:?}");
    assert!(raw.answers(&enter(order(7)), &mut world).iter().any(|bytes| bytes[0] == b'A'));
    others_are_well(&mut world);
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
