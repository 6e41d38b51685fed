//! What stands on the wire, held against decoders that others wrote: Wireshark's for the frames and
//! MoldUDP64, the crate `itchy` for ITCH 5.0.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use itchy::{Body, CrossType, ImbalanceDirection, MessageStream, TradingState};
use support::{World, settings};
use wirematch::model::{
    Command as Asked, CommandKind, Event, EventFlags, EventKind, Group, InstrumentId, Nanos, Phase,
    Quantity, Request, Side, TradeDetail,
};
use wirematch::port::Port;
use wirematch::port::faulty::Faults;
use wirematch::port::pcap::{Clock, read};
use wirematch::port::record::RecordPort;
use wirematch::wire::itch::Message;
use wirematch::wire::moldudp64::Request as Resend;
use wirematch::wire::session::parse;

/// The ports of the gateway and of the feed.
const ENTRY: u16 = 9100;
const FEED: u16 = 9200;

/// The feed's B line.
const GROUP_B: &str = "239.1.1.2:9202";

/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 42;

/// Lives through a day with losses, so that requests and repeats are on the wire too, and records
/// both ports of the server.
fn record(entry: &Path, feed: &Path) {
    let clock = || -> Clock {
        let mut now = 0;
        Box::new(move || {
            now += 1_000;
            Nanos(now)
        })
    };
    let (mut config, catalogue) = settings();
    config.feed.group_b = Some(GROUP_B.parse().expect("an address"));
    let mut world = World::behind(17, 3, (config, catalogue), |entry_port, feed_port| {
        let entry = RecordPort::new(entry_port, entry, 64 << 20, clock()).expect("a file");
        let feed = RecordPort::new(feed_port, feed, 64 << 20, clock()).expect("a file");
        (Box::new(entry) as Box<dyn Port>, Box::new(feed) as Box<dyn Port>)
    });
    world.connect();
    world.set_faults(Faults { loss: 20_000, duplication: 20_000, ..Faults::default() });
    for _ in 0..400 {
        let World { clients, dice, .. } = &mut world;
        clients.iter_mut().for_each(|client| _ = client.send_random(dice));
        world.steps(60);
    }
    world.settle();
    world.check();
    world.set_faults(Faults::default());
    for phase in [Phase::Halt, Phase::Continuous, Phase::ClosingAuction, Phase::Continuous] {
        let to = |request: &mut Request| {
            request.0.instrument = InstrumentId(1);
            request.0.side = phase.code();
        };
        world.ask(to, CommandKind::SetPhase);
        // More than a second each: so often it is told where an auction stands.
        for _ in 0..120 {
            let World { clients, dice, .. } = &mut world;
            clients.iter_mut().for_each(|client| _ = client.send_random(dice));
            world.now.0 += 10_000_000;
            world.steps(100);
        }
        world.settle();
    }
    bust(&mut world);
    // The ports end with the server, and what they recorded is written out.
    world.crash();
}

/// Breaks the last trade that a seller was there first for.
fn bust(world: &mut World) {
    let events = support::log_of::<Event>(&world.journal());
    let events: Vec<Event> = events.iter().map(|event| event.head).collect();
    let sold = |event: &&Event| {
        let is_plain =
            event.kind() == Ok(EventKind::Executed) && !event.flags.has(EventFlags::AUCTION);
        is_plain && event.flags.has(EventFlags::MAKER) && event.side() == Some(Side::Sell)
    };
    let sold = events.iter().rfind(sold).expect("they traded");
    let bought = |event: &&Event| {
        event.kind() == Ok(EventKind::Executed)
            && event.match_number() == sold.match_number()
            && event.side() == Some(Side::Buy)
    };
    let bought = events.iter().rfind(bought).expect("a trade has two sides");
    let detail = TradeDetail {
        match_number: sold.match_number().0,
        price: sold.price,
        quantity: sold.quantity,
        seller: sold.session,
        seller_ordinal: sold.ordinal,
        seller_account: sold.account,
        ..TradeDetail::default()
    };
    let mut group = Group::new(Request(Asked {
        timestamp: world.now,
        session: bought.session,
        ordinal: bought.ordinal,
        account: bought.account,
        instrument: sold.instrument,
        quantity: Quantity(1),
        lines: 2,
        ..Asked::new(CommandKind::BustTrade)
    }));
    group.rest_mut()[0] = detail.line();
    world.tell(&group);
    world.settle();
}

/// The fields tshark is asked for; those that occur often in a frame are separated by commas.
const FIELDS: [&str; 14] = [
    "frame.len",
    "eth.src",
    "eth.dst",
    "ip.checksum.status",
    "udp.checksum.status",
    "ip.src",
    "ip.dst",
    "udp.srcport",
    "udp.dstport",
    "moldudp64.session",
    "moldudp64.sequence",
    "moldudp64.count",
    "moldudp64.msglen",
    "moldudp64.msgseq",
];

/// What tshark says of each frame of a file; nothing where it is not installed.
fn tshark(file: &Path, port: u16) -> Option<Vec<BTreeMap<&'static str, String>>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "-T", "fields", "-E", "occurrence=a"]);
    command.args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]);
    command.arg("-d").arg(format!("udp.port=={port},moldudp64"));
    FIELDS.iter().for_each(|field| _ = command.args(["-e", field]));
    let Ok(output) = command.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    let said = String::from_utf8(output.stdout).expect("tshark writes text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| FIELDS.into_iter().zip(line.split('\t').map(str::to_owned)).collect();
    Some(said.lines().map(row).collect())
}

/// A frame as tshark would say it, from our own reading of it.
fn ours(frame: &[u8]) -> BTreeMap<&'static str, String> {
    let station = |bytes: &[u8]| {
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    };
    let address = |bytes: &[u8]| {
        let parts: Vec<String> = bytes.iter().map(u8::to_string).collect();
        parts.join(".")
    };
    let number = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let mut row: BTreeMap<&str, String> = FIELDS.map(|field| (field, String::new())).into();
    row.insert("frame.len", frame.len().to_string());
    row.insert("eth.dst", station(&frame[..6]));
    row.insert("eth.src", station(&frame[6..12]));
    if number(12) != 0x0800 {
        return row;
    }
    for good in ["ip.checksum.status", "udp.checksum.status"] {
        row.insert(good, "1".to_owned());
    }
    row.insert("ip.src", address(&frame[26..30]));
    row.insert("ip.dst", address(&frame[30..34]));
    row.insert("udp.srcport", number(34).to_string());
    row.insert("udp.dstport", number(36).to_string());
    let payload = &frame[HEADERS..HEADERS + usize::from(number(38)) - 8];
    if let (Ok(request), true) = (Resend::parse(payload), number(36) == FEED) {
        row.insert("moldudp64.session", String::from_utf8_lossy(&request.session).into_owned());
        row.insert("moldudp64.sequence", request.sequence_number.to_string());
        row.insert("moldudp64.count", request.requested_message_count.to_string());
        return row;
    }
    let packet = parse(payload).expect("our packets are good");
    row.insert("moldudp64.session", String::from_utf8_lossy(&packet.session()).into_owned());
    row.insert("moldudp64.sequence", packet.seq().to_string());
    let count = if packet.is_end() { u16::MAX } else { packet.block_count() };
    row.insert("moldudp64.count", count.to_string());
    let lengths: Vec<String> = packet.blocks().map(|block| block.len().to_string()).collect();
    let numbers = (0..lengths.len() as u64).map(|at| (packet.seq() + at).to_string());
    row.insert("moldudp64.msgseq", numbers.collect::<Vec<_>>().join(","));
    row.insert("moldudp64.msglen", lengths.join(","));
    row
}

fn compare(file: &Path, port: u16) {
    let Some(rows) = tshark(file, port) else { return };
    let frames = read(file).expect("our file is good");
    assert_eq!(rows.len(), frames.len());
    let mut blocks = 0;
    for (at, (theirs, frame)) in rows.iter().zip(&frames).enumerate() {
        let ours = ours(&frame.bytes);
        assert_eq!(*theirs, ours, "frame {} of {}", at + 1, file.display());
        blocks += ours["moldudp64.msglen"].split(',').filter(|length| !length.is_empty()).count();
    }
    println!("{}: {} frames, {blocks} messages", file.display(), rows.len());
    assert!(frames.len() > 200 && blocks > 800, "{} frames, {blocks} messages", frames.len());
}

#[test]
fn wireshark_reads_our_frames_as_we_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (entry, feed) = (folder.path().join("entry.pcap"), folder.path().join("feed.pcap"));
    record(&entry, &feed);
    compare(&entry, ENTRY);
    compare(&feed, FEED);
    both_lines_say_the_same(&feed);
    itchy_reads_our_feed(&feed);
}

/// By tshark: each packet of the A line is followed by the same one on the B line.
fn both_lines_say_the_same(feed: &Path) {
    let Some(rows) = tshark(feed, FEED) else { return };
    let of = |group: &str| -> Vec<Vec<String>> {
        let rows = rows.iter().filter(|row| row["ip.dst"] == group);
        let said = FIELDS.iter().filter(|field| field.starts_with("moldudp64"));
        rows.map(|row| said.clone().map(|field| row[field].clone()).collect()).collect()
    };
    let (a, b) = (of("239.1.1.1"), of("239.1.1.2"));
    assert!(a.len() > 100, "{}", a.len());
    assert_eq!(a, b);
}

/// Each message of the feed as a stream of lengths and messages, which is what `itchy` reads.
fn itchy_reads_our_feed(feed: &Path) {
    let mut stream = Vec::new();
    let mut messages = Vec::new();
    for frame in read(feed).expect("our file is good") {
        let from = frame.bytes.get(34..36).unwrap_or_default();
        if frame.bytes[12..14] != [8, 0] || from != FEED.to_be_bytes() {
            continue;
        }
        let length = usize::from(u16::from_be_bytes([frame.bytes[38], frame.bytes[39]]));
        let packet = parse(&frame.bytes[HEADERS..HEADERS + length - 8]).expect("it is good");
        for block in packet.blocks() {
            stream.extend_from_slice(&(block.len() as u16).to_be_bytes());
            stream.extend_from_slice(block);
            messages.push(Message::decode(block).expect("our messages are good"));
        }
    }
    let mut kinds = std::collections::BTreeSet::new();
    let mut count = 0;
    for (theirs, ours) in MessageStream::from_reader(&stream[..]).zip(&messages) {
        let theirs = theirs.expect("itchy reads it");
        kinds.insert(theirs.tag as char);
        count += 1;
        let [_, _, time @ ..] = theirs.timestamp.to_be_bytes();
        let head = (theirs.stock_locate, theirs.tracking_number, time);
        compare_itch(head, &theirs.body, ours);
    }
    assert_eq!(count, messages.len(), "itchy reads all of it");
    let expected = "ABCDEHIPRSUX".chars().collect();
    assert_eq!(kinds, expected, "every kind that is published came up");
    let state = |message: &Message| match message {
        Message::StockTradingAction(action) => Some(char::from(action.trading_state)),
        _ => None,
    };
    let states: std::collections::BTreeSet<char> = messages.iter().filter_map(state).collect();
    assert_eq!(states, "HQT".chars().collect(), "an auction and a halt");
}

fn compare_itch(head: (u16, u16, [u8; 6]), theirs: &Body, ours: &Message) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match (theirs, ours) {
        (Body::AddOrder(add), Message::AddOrder(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            let side = if add.side == itchy::Side::Buy { b'B' } else { b'S' };
            assert_eq!((add.reference, side), (own.order_reference_number, own.buy_sell_indicator));
            assert_eq!((add.shares, add.price.raw()), (own.shares, own.price));
            assert_eq!(*add.stock, text(&own.stock));
        }
        (
            Body::OrderExecuted { reference, executed, match_number },
            Message::OrderExecuted(own),
        ) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!((*reference, *executed), (own.order_reference_number, own.executed_shares));
            assert_eq!(*match_number, own.match_number);
        }
        (
            Body::OrderExecutedWithPrice { reference, executed, match_number, printable, price },
            Message::OrderExecutedWithPrice(own),
        ) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!((*reference, *executed), (own.order_reference_number, own.executed_shares));
            assert_eq!((*match_number, price.raw()), (own.match_number, own.execution_price));
            assert_eq!(*printable, own.printable == b'Y');
        }
        (Body::NonCrossTrade(trade), Message::Trade(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!((trade.reference, trade.shares), (own.order_reference_number, own.shares));
            assert_eq!((trade.price.raw(), trade.match_number), (own.price, own.match_number));
            assert_eq!(*trade.stock, text(&own.stock));
        }
        (Body::OrderCancelled { reference, cancelled }, Message::OrderCancel(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!((*reference, *cancelled), (own.order_reference_number, own.canceled_shares));
        }
        (Body::DeleteOrder { reference }, Message::OrderDelete(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!(*reference, own.order_reference_number);
        }
        (Body::ReplaceOrder(replace), Message::OrderReplace(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!(replace.old_reference, own.original_order_reference_number);
            assert_eq!(replace.new_reference, own.new_order_reference_number);
            assert_eq!((replace.shares, replace.price.raw()), (own.shares, own.price));
        }
        (Body::StockDirectory(stock), Message::StockDirectory(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!(*stock.stock, text(&own.stock));
            assert_eq!(stock.round_lot_size, own.round_lot_size);
        }
        (
            Body::TradingAction { stock, trading_state, reason },
            Message::StockTradingAction(own),
        ) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!(
                (stock.to_string(), reason.to_string()),
                (text(&own.stock), text(&own.reason_code))
            );
            let state = match trading_state {
                TradingState::Halted => b'H',
                TradingState::Paused => b'P',
                TradingState::QuotationOnly => b'Q',
                TradingState::Trading => b'T',
            };
            assert_eq!(state, own.trading_state);
        }
        (Body::BrokenTrade { match_number }, Message::BrokenTrade(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            assert_eq!(*match_number, own.match_number);
        }
        (Body::Imbalance(of), Message::NetOrderImbalance(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
            let direction = match of.imbalance_direction {
                ImbalanceDirection::Buy => b'B',
                ImbalanceDirection::Sell => b'S',
                ImbalanceDirection::NoImbalance => b'N',
                ImbalanceDirection::InsufficientOrders => b'O',
            };
            let shares = (of.paired_shares, of.imbalance_shares, direction);
            let own_shares = (own.paired_shares, own.imbalance_shares, own.imbalance_direction);
            assert_eq!((shares, &*of.stock), (own_shares, &*text(&own.stock)));
            let prices = [of.far_price, of.near_price, of.current_ref_price].map(|of| of.raw());
            let own_prices = [own.far_price, own.near_price, own.current_reference_price];
            assert_eq!((prices, of.cross_type), (own_prices, CrossType::Closing));
            assert_eq!((own.cross_type, of.price_variation_indicator), (b'C', ' '));
        }
        (Body::SystemEvent { .. }, Message::SystemEvent(own)) => {
            assert_eq!(head, (own.stock_locate, own.tracking_number, own.timestamp));
        }
        (theirs, ours) => panic!("itchy reads {theirs:?} where we wrote {ours:?}"),
    }
}
