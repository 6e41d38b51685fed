//! Several appliances of one venue: orders for what another one matches are sent on to it, what it
//! reports reaches the client, each message counts once, whoever dies and however bad the wires are.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use support::network::Card;
use support::{World, log_of, orders};
use wirematch::engine::BookView;
use wirematch::flow::Dice;
use wirematch::model::{Command, CommandKind, Event, EventFlags, EventKind, RejectCode, SessionId};
use wirematch::port::faulty::Faults;
use wirematch::port::{FrameMeta, Full, Port};
use wirematch::topology::{Busy, Catalogue, Config, Home, check, deal, deal_table, parse};
use wirematch::wire::ethernet::Mac;
use wirematch::wire::ouch::codes::{side, time_in_force};

/// A port into several networks: what is sent goes to all of them, and one has the station.
struct Trunk(Vec<Card>);

impl Port for Trunk {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let mut seen = 0;
        for card in &mut self.0 {
            seen += card.receive(budget - seen, each);
        }
        seen
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let mut frame = vec![0; length];
        fill(&mut frame);
        for card in &mut self.0 {
            let _ = card.transmit(length, &mut |space| space.copy_from_slice(&frame));
        }
        Ok(())
    }

    fn flush(&mut self) {}
}

/// Three appliances: `a` matches ACME, `b` BOLT, `c` CRUX; session 100 of each pair is one's at the
/// other, by a number of its own.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// The session that appliance `from` has at appliance `to`.
fn session_of(from: usize, to: usize) -> u32 {
    100 + 32 * from as u32 + to as u32
}

fn settings(me: usize) -> (Config, Catalogue) {
    let mut text = support::CONFIG.replacen("10.0.0.1:9100", &gateway(me), 1);
    text = format!("appliance = \"{}\"\n{text}", NAMES[me]);
    text += &format!("[peers]\naddress = \"10.0.0.{}:9300\"\n", 101 + me);
    for (at, name) in NAMES.iter().enumerate() {
        let symbol = ["ACME", "BOLT", "CRUX"][at];
        text += &format!("[[shard]]\nappliance = \"{name}\"\ninstruments = [\"{symbol}\"]\n");
        if at == me {
            continue;
        }
        text += &peer_tables(me, at, name);
    }
    let config = parse("world", &text).expect("the configuration is good");
    let catalogue = check(&config, "world", &text).expect("the configuration is good");
    (config, catalogue)
}

/// The session that `me` has at the appliance `at`, of that name, and the one that it has here.
fn peer_tables(me: usize, at: usize, name: &str) -> String {
    let (out, back) = (session_of(me, at), session_of(at, me));
    format!(
        "[[peers.appliance]]\nname = \"{name}\"\nsession = {out}\n\
         key = \"the key of {out}\"\ngateway = \"{}\"\n\
         [[session]]\nid = {back}\nkey = \"the key of {back}\"\nfirst_account = 1\n\
         last_account = 5\nrate = \"load-test\"\ncancel_on_disconnect = false\n\
         self_trade = \"allow\"\n",
        gateway(at)
    )
}

fn gateway(of: usize) -> String {
    format!("10.0.0.{}:9100", 1 + of)
}

/// Three worlds with one time.
struct Venue {
    worlds: Vec<World>,
    dice: Dice,
}

impl Venue {
    fn new(seed: u64, clients: u16) -> Self {
        Self::of(seed, clients, settings)
    }

    /// With settings of their own.
    fn of(seed: u64, clients: u16, settings: impl Fn(usize) -> (Config, Catalogue)) -> Self {
        let mut worlds: Vec<World> = Vec::new();
        for me in 0..3 {
            let world = World::among(
                seed + me as u64,
                clients,
                settings(me),
                |entry, feed| (Box::new(entry), Box::new(feed)),
                Some(Box::new(Trunk(vec![]))),
            );
            worlds.push(world);
        }
        let mut venue = Self { worlds, dice: Dice::new(seed) };
        // Now that all networks are there, everybody is connected to them.
        (0..3).for_each(|me| venue.restart(me));
        venue
    }

    /// An appliance dies where it stands and starts again from its journal.
    fn restart(&mut self, me: usize) {
        self.worlds[me].crash();
        self.boot(me);
    }

    fn boot(&mut self, me: usize) {
        let station = Mac::local(format!("10.0.0.{}", 101 + me).parse().expect("an address"));
        let others = (0..3).filter(|other| *other != me);
        let cards = others.map(|other| self.worlds[other].entry.connect(station)).collect();
        self.worlds[me].boot_among(Some(Box::new(Trunk(cards))));
    }

    fn step(&mut self) {
        let at = self.dice.below(3) as usize;
        let now = self.worlds.iter().map(|world| world.now).max().expect("three worlds");
        self.worlds[at].now = now;
        self.worlds[at].step();
    }

    fn steps(&mut self, count: u64) {
        (0..count).for_each(|_| self.step());
    }

    fn until(&mut self, what: &str, mut is_done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..40_000 {
            if is_done(self) {
                return;
            }
            self.steps(64);
        }
        panic!("never: {what}");
    }

    fn set_faults(&mut self, faults: Faults) {
        self.worlds.iter_mut().for_each(|world| world.set_faults(faults));
    }

    /// Everybody hears everybody, and nobody has anything to say for a while.
    fn settle(&mut self) {
        self.set_faults(Faults::default());
        let mut quiet = (self.worlds[0].now, vec![]);
        self.until("all is settled", |venue| {
            let mut seen = Vec::new();
            let mut calm = true;
            for world in &venue.worlds {
                calm &= world.clients.iter().all(|client| client.is_settled());
                calm &= world.heard().missing == 0;
                seen.extend(world.clients.iter().map(|client| client.next_rx));
                seen.push(world.heard().messages);
            }
            let now = venue.worlds.iter().map(|world| world.now).max().expect("three worlds");
            if !calm || seen != quiet.1 {
                quiet = (now, seen);
            }
            now.0 - quiet.0.0 > 1_000_000_000
        });
        for world in &mut self.worlds {
            world.now = quiet.0.saturating_add(wirematch::model::Nanos(2_000_000_000));
        }
    }

    fn connect(&mut self) {
        self.until("all are connected", |venue| {
            venue.worlds.iter().all(|world| world.clients.iter().all(|c| c.is_settled()))
        });
        self.until("all appliances hear each other", |venue| (0..3).all(|me| venue.ups(me) >= 2));
    }

    /// Destinations that an appliance has on record as heard.
    fn ups(&self, me: usize) -> usize {
        let mut up = BTreeMap::new();
        for group in log_of::<Command>(&self.worlds[me].journal()) {
            match group.head.kind() {
                Some(CommandKind::AwayUp) => up.insert(group.head.session, true),
                Some(CommandKind::AwayDown) => up.insert(group.head.session, false),
                _ => None,
            };
        }
        up.values().filter(|up| **up).count()
    }

    /// Each appliance by itself, and each pair with each other.
    fn check(&self) -> usize {
        self.worlds.iter().for_each(World::check);
        let mut executions = 0;
        for from in 0..3 {
            for to in (0..3).filter(|to| *to != from) {
                executions += self.check_pair(from, to);
            }
        }
        executions
    }

    /// What one has sent on to the other rests there as it says, and each execution was told once.
    fn check_pair(&self, from: usize, to: usize) -> usize {
        let session = SessionId(session_of(from, to));
        let instrument = self.worlds[to].catalogue.sharding.dealt()[0].0;
        let there = self.worlds[to].replayed();
        let mut resting = Vec::new();
        there.fold.matcher.for_each_order(&mut |standing| {
            if standing.order.session == session {
                let order = standing.order;
                resting.push((order.price, order.leaves, order.side));
            }
        });
        let here = self.worlds[from].replayed();
        let mut routed = Vec::new();
        here.fold.matcher.for_each_order(&mut |standing| {
            if standing.order.instrument == instrument {
                let order = standing.order;
                routed.push((order.price, order.leaves, order.side));
            }
        });
        resting.sort();
        routed.sort();
        assert_eq!(routed, resting, "orders of {from} at {to}");
        let executed = |world: usize, is_one: &dyn Fn(&Event) -> bool| {
            let events = log_of::<Event>(&self.worlds[world].journal());
            let kind = EventKind::Executed.code();
            let events = events.iter().map(|group| group.head);
            let mut all: Vec<_> = events
                .filter(|event| event.kind == kind && is_one(event))
                .map(|event| (event.price, event.quantity, event.side))
                .collect();
            all.sort();
            all
        };
        let told = executed(to, &|event| event.session == session);
        let taken = executed(from, &|event| {
            event.flags.has(EventFlags::AWAY) && event.instrument == instrument
        });
        assert_eq!(taken, told, "executions of {from} at {to}");
        told.len()
    }
}

fn limit(number: u32, symbol: [u8; 8], buys: bool, quantity: u32) -> orders::EnterOrder {
    let side = if buys { side::BUY } else { side::SELL };
    orders::EnterOrder { symbol, side, quantity, ..orders::order(number) }
}

const BOLT: [u8; 8] = *b"BOLT    ";

#[test]
fn an_order_is_sent_on_and_its_client_is_told_by_its_own_numbers() {
    let mut venue = Venue::new(1, 2);
    venue.connect();
    let sent = venue.worlds[0].clients[0].send(&orders::enter(limit(1, BOLT, true, 10)));
    assert!(sent, "the session is up");
    venue.until("it is accepted", |v| v.worlds[0].clients[0].view.open.contains_key(&1));
    // A client of the appliance that matches it sells some of it; it lets its account trade
    // with itself.
    venue.worlds[1].clients[1].send(&orders::enter(limit(1, BOLT, false, 4)));
    let open = |venue: &Venue| venue.worlds[0].clients[0].view.open.get(&1).copied();
    venue.until("a part is executed", |venue| open(venue) == Some(6));
    venue.worlds[0].clients[0].send(&orders::cancel(1));
    venue.until("the rest is cancelled", |venue| open(venue).is_none());
    // And one that takes what is there, by a third one's client.
    venue.worlds[1].clients[1].send(&orders::enter(limit(2, BOLT, false, 5)));
    venue.settle();
    let taker = orders::EnterOrder {
        time_in_force: time_in_force::IMMEDIATE_OR_CANCEL,
        ..limit(1, BOLT, true, 9)
    };
    venue.worlds[2].clients[1].send(&orders::enter(taker));
    venue.settle();
    let view = &venue.worlds[2].clients[1].view;
    assert_eq!(view.fills.values().copied().collect::<Vec<_>>(), [5]);
    assert!(view.open.is_empty() && view.answers[&1] == 1, "{view:?}");
    assert_eq!(venue.check(), 2);
    // The reply repeats what its client had said, late as it is.
    let accepted = &venue.worlds[0].clients[0].view.replies;
    assert!(
        accepted.iter().any(|reply| reply[0] == b'A' && reply.windows(5).any(|w| w == b"order"))
    );
}

#[test]
fn what_another_appliance_matches_is_refused_while_it_is_not_heard() {
    let mut venue = Venue::new(2, 1);
    venue.connect();
    venue.worlds[0].clients[0].send(&orders::enter(limit(1, BOLT, true, 10)));
    venue.until("it is accepted", |v| v.worlds[0].clients[0].view.open.contains_key(&1));
    venue.worlds[1].crash();
    venue.until("its silence is noticed", |venue| venue.ups(0) == 1);
    venue.worlds[0].clients[0].send(&orders::enter(limit(2, BOLT, true, 10)));
    venue.worlds[0].clients[0].send(&orders::cancel(1));
    let refused = |venue: &Venue| venue.worlds[0].clients[0].view.rejected.first().copied();
    venue.until("an order is refused", |venue| refused(venue).is_some());
    assert_eq!(refused(&venue), Some((2, RejectCode::DestinationDown.ouch())));
    // What rested there is cancelled as soon as it is back.
    assert!(venue.worlds[0].clients[0].view.open.contains_key(&1));
    venue.boot(1);
    venue.until("the cancel has come", |v| v.worlds[0].clients[0].view.open.is_empty());
    venue.settle();
    venue.check();
}

#[test]
fn whoever_dies_nothing_is_lost_and_nothing_is_there_twice() {
    let mut executions = 0;
    for seed in 0..3 {
        let mut venue = Venue::new(100 + seed, 3);
        venue.connect();
        let faults =
            Faults { loss: 20_000, duplication: 10_000, reordering: 30_000, ..Faults::default() };
        for round in 0..12 {
            venue.set_faults(if round % 2 == 0 { faults } else { Faults::default() });
            for _ in 0..250 {
                let at = venue.dice.below(3) as usize;
                let who = venue.dice.below(3) as usize;
                let world = &mut venue.worlds[at];
                world.clients[who].send_random(&mut world.dice);
                venue.steps(12);
            }
            if round % 3 == 2 {
                let dies = venue.dice.below(3) as usize;
                venue.worlds[dies].crash();
                venue.steps(1_500);
                venue.boot(dies);
            }
        }
        venue.settle();
        executions += venue.check();
    }
    println!("{executions} executions were told from appliance to appliance");
    assert!(executions > 300, "only {executions} executions");
}

/// The operator's command, through every stage of an appliance with three shards.
#[test]
fn an_idle_instrument_moves_from_stage_to_stage_and_a_busy_one_does_not() {
    let mut world = World::with(5, 1, support::sharded());
    world.connect();
    let (bolt, rest) = (wirematch::model::InstrumentId(2), 1);
    let move_to = |world: &mut World, shard: u32| {
        world.ask(
            |request| (request.0.instrument, request.0.target) = (bolt, shard),
            CommandKind::MoveInstrument,
        );
        world.settle();
    };
    let refusals = |world: &World| {
        let events = log_of::<Event>(&world.journal());
        let kind = EventKind::Rejected.code();
        let codes = events.iter().filter(|event| event.head.kind == kind);
        codes.filter_map(|event| event.head.reject_code()).collect::<Vec<_>>()
    };
    let matched = |world: &mut World, shard: u8| {
        world.counter(wirematch::topology::StageName::Matching(shard), "Commands")
    };
    world.clients[0].send(&orders::enter(limit(1, BOLT, true, 10)));
    world.settle();
    move_to(&mut world, rest);
    assert_eq!(refusals(&world), [RejectCode::NotIdle]);
    world.clients[0].send(&orders::cancel(1));
    world.settle();
    move_to(&mut world, rest);
    assert_eq!(refusals(&world).len(), 1, "idle, it moves");
    let before = (matched(&mut world, 0), matched(&mut world, 1));
    world.clients[0].send(&orders::enter(limit(2, BOLT, true, 10)));
    world.settle();
    let after = (matched(&mut world, 0), matched(&mut world, 1));
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 1));
    // A restart knows where it is; and home again it goes.
    world.crash();
    world.boot();
    world.settle();
    world.clients[0].send(&orders::cancel(2));
    world.settle();
    move_to(&mut world, 0);
    world.clients[0].send(&orders::enter(limit(3, BOLT, true, 10)));
    world.settle();
    assert_eq!(refusals(&world).len(), 1);
    world.check();
}

/// Three of the seventeen appliances of a venue with ten thousand instruments, as `wirematch deal`
/// deals them: the busiest thousand have shards of their own.
fn big_settings(me: usize) -> (Config, Catalogue) {
    const APPLIANCES: usize = 17;
    let busy = |rank: u64| Busy { symbol: format!("S{rank}"), volume: 1_000_000_000 / rank };
    let all: Vec<Busy> = (1..=10_000).map(busy).collect();
    let names: Vec<String> = (0..APPLIANCES).map(|at| format!("box{at}")).collect();
    let dealt = deal(all.clone(), APPLIANCES, 63, 1_000).expect("there are shards enough");
    let (head, rest) = support::CONFIG.split_once("[[instrument]]").expect("instruments");
    let (_, tail) = rest.split_once("[[account]]").expect("accounts");
    let head = head.replacen("10.0.0.1:9100", &gateway(me), 1);
    let head = head.replace("rewind_messages = 16384", "rewind_messages = 65536");
    let mut text = format!("appliance = \"box{me}\"\n{head}");
    for busy in &all {
        let symbol = &busy.symbol;
        text += &format!("[[instrument]]\nsymbol = \"{symbol}\"\nreference_price = \"300\"\n");
    }
    text += &format!("[[account]]{tail}{}", deal_table(&dealt, &names, 64));
    text += &format!("[peers]\naddress = \"10.0.0.{}:9300\"\n", 101 + me);
    for at in (0..APPLIANCES).filter(|at| *at != me) {
        text += &peer_tables(me, at, &format!("box{at}"));
    }
    let config = parse("world", &text).expect("the configuration is good");
    let catalogue = check(&config, "world", &text).expect("the configuration is good");
    (config, catalogue)
}

#[test]
fn the_busiest_of_ten_thousand_trade_in_shards_of_their_own_on_several_appliances() {
    let mut venue = Venue::of(9, 1, big_settings);
    venue.connect();
    let sharding = venue.worlds[0].catalogue.sharding.clone();
    let home = |rank: u32| sharding.home(wirematch::model::InstrumentId(rank)).cloned();
    let place = |rank: u32| match home(rank) {
        Some(Home::Here(_)) => 0,
        Some(Home::Appliance(name)) => name[3..].parse::<usize>().expect("a number"),
        None => panic!("every instrument has a home"),
    };
    // One of each of the three that run, busy and idle ones, and one of an appliance that does not.
    let ranks = [1, 2, 3, 40, 700, 950, 5_000, 9_999];
    let told = ranks.iter().filter(|rank| place(**rank) < 3).count();
    assert!(told > 2, "the first three have the first three at least");
    for (number, rank) in (1..).zip(ranks) {
        let mut symbol = [b' '; 8];
        let name = format!("S{rank}");
        symbol[..name.len()].copy_from_slice(name.as_bytes());
        venue.worlds[0].clients[0].send(&orders::enter(limit(number, symbol, true, 1)));
    }
    venue.settle();
    let view = &venue.worlds[0].clients[0].view;
    assert_eq!((view.open.len(), view.rejected.len()), (told, ranks.len() - told), "{view:?}");
    let down = RejectCode::DestinationDown.ouch();
    assert!(view.rejected.iter().all(|(_, reason)| *reason == down));
    // A dedicated shard did it where it is dealt one.
    for (at, world) in venue.worlds.iter_mut().enumerate() {
        let dealt = world.catalogue.sharding.dealt();
        for rank in ranks.into_iter().filter(|rank| place(*rank) == at && *rank <= 1_000) {
            let own = dealt.iter().find(|(id, _)| id.0 == rank).expect("it is dealt here");
            assert_eq!(dealt.iter().filter(|(_, shard)| *shard == own.1).count(), 1);
            let stage = wirematch::topology::StageName::Matching(own.1);
            assert!(world.counter(stage, "Commands") >= 1, "rank {rank} at {at}");
        }
    }
}
