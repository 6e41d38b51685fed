//! Frames at the device: good ones become what the software's book makes of them, bad ones are
//! counted by cause and change nothing.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::engine::{Matcher, SoftwareMatcher};
use crate::flow::Dice;
use crate::fpga::Size;
use crate::fpga::lockstep::limits_of;
use crate::fpga::wire::{Admitted, Counter, Limits, Station, WirePort};
use crate::model::{
    AccountId, Command, CommandKind, Event, Flags, Group, Instrument, InstrumentId, Nanos, Price,
    Quantity, RejectCode, SeqNo, SessionId, Symbol,
};
use crate::wire::ethernet::Mac;
use crate::wire::ouch::{Appendage, CancelOrderRequest, EnterOrder, Inbound, Outbound};
use crate::wire::session::{Packet, PacketWriter};
use crate::wire::udp::{self, Datagram, HEADERS, Route};
use crate::wire::{ethernet, ipv4};

const BASE: Price = Price(1_000_000);
const OWN: Station = Station {
    mac: Mac([2, 0, 0, 0, 0, 1]),
    address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9000),
};
const CLIENT: Station = Station {
    mac: Mac([2, 0, 0, 0, 0, 9]),
    address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 4000),
};
const TOKEN: [u8; 10] = *b"SESSION  A";
const LIMITS: Limits = Limits {
    quantity: 50_000,
    notional: 1 << 50,
    open_orders: 3_000,
    burst: 200,
    period: 0,
    collar: (BASE, Price(BASE.0 + 4095 * 100)),
};

fn port() -> WirePort {
    let mut port = WirePort::new(OWN, Symbol(*b"ACME    "), BASE, None);
    port.limit(&LIMITS);
    let admitted = Admitted {
        row: 1,
        token: TOKEN,
        station: CLIENT,
        session: 7,
        account: 70,
        self_trade: 0,
        number: 1,
        credit: 1 << 54,
    };
    port.admit(&admitted, OWN);
    port
}

fn entering(number: u32, side: u8, price: i64, quantity: u32) -> Vec<u8> {
    let order = EnterOrder {
        user_ref_num: number,
        side,
        quantity,
        symbol: *b"ACME    ",
        price: price as u64,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"              ",
    };
    bytes(&Inbound::EnterOrder(order, Appendage::EMPTY))
}

fn bytes(message: &Inbound<'_>) -> Vec<u8> {
    let mut space = [0; 256];
    let length = message.encode(&mut space).expect("it fits");
    space[..length].to_vec()
}

fn frame(number: u64, message: &[u8]) -> Vec<u8> {
    let mut payload = [0; 400];
    let mut writer = PacketWriter::new(&mut payload, TOKEN, number).expect("room");
    assert!(writer.push(message));
    let length = writer.finish();
    let mut frame = vec![0; HEADERS + length];
    frame[HEADERS..].copy_from_slice(&payload[..length]);
    let (from_mac, to_mac) = (CLIENT.mac, OWN.mac);
    let route = Route { from_mac, to_mac, from: CLIENT.address, to: OWN.address };
    assert!(udp::seal(&mut frame, length, &route));
    frame
}

/// What the software says to the same orders.
fn software() -> SoftwareMatcher {
    let instrument = Instrument {
        id: InstrumentId(1),
        symbol: Symbol(*b"ACME    "),
        tick: Price(100),
        lot: Quantity(1),
        reference_price: BASE,
    };
    SoftwareMatcher::new(limits_of(&Size::Wire.capacity()), &[instrument]).expect("good limits")
}

fn commanded(seq: u64, ordinal: u32, side: u8, price: i64, quantity: u32) -> Command {
    Command {
        seq: SeqNo(seq),
        timestamp: Nanos(seq * 10),
        price: Price(price),
        session: SessionId(7),
        ordinal,
        client_seq: seq as u32,
        instrument: InstrumentId(1),
        account: AccountId(70),
        quantity: Quantity(quantity),
        side,
        flags: Flags(0).with_capacity(crate::model::Capacity::Principal),
        ..Command::new(CommandKind::Enter)
    }
}

#[test]
fn orders_off_the_wire_become_the_softwares_events_within_ten_cycles() {
    let mut port = port();
    let mut book = software();
    let mut dice = Dice::new(3);
    let mut expected: Vec<Event> = Vec::new();
    for seq in 1..=600_u64 {
        let number = seq as u32;
        let command = if seq > 20 && dice.percent(30) {
            let target = number - dice.below(20) as u32;
            let cancel = CancelOrderRequest { user_ref_num: target, quantity: 0 };
            let message = bytes(&Inbound::CancelOrderRequest(cancel, Appendage::ABSENT));
            port.device.inputs.time = seq * 10;
            port.play(&frame(seq, &message), false);
            Command {
                kind: CommandKind::Cancel.code(),
                target,
                flags: Flags(0),
                ..Command {
                    seq: SeqNo(seq),
                    timestamp: Nanos(seq * 10),
                    session: SessionId(7),
                    client_seq: number,
                    ..Command::new(CommandKind::Cancel)
                }
            }
        } else {
            let side = dice.below(2) as u8;
            let price = BASE.0 + 200_000 + (dice.below(20) as i64 - 10) * 100;
            let quantity = 1 + dice.below(300) as u32;
            let message = entering(number, if side == 0 { b'B' } else { b'S' }, price, quantity);
            port.device.inputs.time = seq * 10;
            port.play(&frame(seq, &message), false);
            commanded(seq, number, side, price, quantity)
        };
        port.settle();
        book.submit(&Group::new(command)).expect("drained");
        expected.extend_from_slice(book.finished());
        let made = book.finished().len();
        book.release(made);
    }
    assert_eq!(port.counted(Counter::Taken), 600);
    assert_eq!(port.events.len(), expected.len());
    for (mirrored, expected) in port.events.iter().zip(&expected) {
        assert_eq!(mirrored, expected);
    }
    assert!(port.latencies.len() > 400);
    assert!(port.latencies.iter().all(|&cycles| cycles <= 10), "{:?}", port.latencies);
    for report in &port.reports {
        let ethernet = ethernet::Frame::parse(report).expect("a frame");
        let packet = ipv4::Packet::parse(ethernet.payload()).expect("a packet");
        let datagram = Datagram::parse(&packet).expect("a datagram");
        let packet = Packet::parse(datagram.payload, 400).expect("numbered");
        let block = packet.blocks().next().expect("a message");
        Outbound::decode(block).expect("a message that a client reads");
    }
}

#[test]
fn what_is_wrong_in_a_frame_is_counted_and_changes_nothing() {
    let mut port = port();
    let good = frame(1, &entering(1, b'B', BASE.0 + 1_000, 10));
    for length in 1..good.len() {
        port.play(&good[..length], false);
        port.settle();
    }
    let truncated = good.len() as u32 - 1;
    let counted = |port: &WirePort| -> u32 {
        (0..=11).map(|counter| port.device.outputs.counters[counter]).sum()
    };
    assert_eq!(counted(&port), truncated);
    // Any one byte wrong is noticed: by a checksum, an address, a length or a name.
    let mut wrong = truncated;
    for at in (0..6).chain(12..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 0x11;
        port.play(&bad, false);
        port.settle();
        wrong += 1;
        assert_eq!(counted(&port), wrong, "byte {at}");
    }
    port.play(&good, true);
    let mut tagged = good.clone();
    tagged.splice(12..12, [0x81, 0, 0, 1]);
    port.play(&tagged, false);
    let mut giant = good.clone();
    giant.resize(2_000, 0);
    port.play(&giant, false);
    port.settle();
    wrong += 3;
    assert_eq!(counted(&port), wrong);
    assert!(port.counted(Counter::BadCheck) == 1 && port.counted(Counter::TooLong) == 1);
    assert!(port.counted(Counter::IpChecksum) > 0 && port.counted(Counter::UdpChecksum) > 0);
    assert!(port.counted(Counter::NotOurs) > 0 && port.counted(Counter::Lengths) > 0);
    assert!(port.events.is_empty() && port.reports.is_empty());
    // The book stands, and so does the session's number.
    port.play(&frame(3, &entering(3, b'B', BASE.0 + 1_000, 10)), false);
    port.settle();
    assert_eq!((port.counted(Counter::Gap), port.events.len()), (1, 0));
    port.play(&good, false);
    port.settle();
    port.play(&good, false);
    port.settle();
    assert_eq!((port.counted(Counter::Duplicate), port.events.len()), (1, 1));
}

#[test]
fn risk_refuses_what_is_over_a_limit_or_killed() {
    let mut port = port();
    let mut number = 0;
    let mut refusal = |port: &mut WirePort, price: i64, quantity: u32| {
        number += 1;
        port.play(&frame(u64::from(number), &entering(number, b'B', price, quantity)), false);
        port.settle();
        port.events.last().map_or(0, |event| event.reason)
    };
    assert_eq!(refusal(&mut port, BASE.0 + 100, 10), 0);
    assert_eq!(refusal(&mut port, BASE.0 + 100, 50_001), RejectCode::QuantityLimit.code());
    assert_eq!(refusal(&mut port, BASE.0 - 100, 10), RejectCode::PriceCollar.code());
    port.limit(&Limits { notional: 5_000_000, ..LIMITS });
    assert_eq!(refusal(&mut port, BASE.0 + 100, 10), RejectCode::NotionalLimit.code());
    port.limit(&Limits { open_orders: 1, ..LIMITS });
    assert_eq!(refusal(&mut port, BASE.0 + 100, 10), RejectCode::OpenOrderLimit.code());
    port.limit(&Limits { burst: 0, ..LIMITS });
    assert_eq!(refusal(&mut port, BASE.0 + 100, 10), RejectCode::MessageRate.code());
    port.limit(&LIMITS);
    port.kill(true);
    assert_eq!(refusal(&mut port, BASE.0 + 100, 10), RejectCode::Killed.code());
    port.kill(false);
    assert_eq!(refusal(&mut port, BASE.0 + 100, 10), 0);
}

#[test]
fn floods_and_stalls_at_random_cycles_lock_nothing() {
    let mut port = port();
    let mut dice = Dice::new(5);
    port.stalls = Some(Dice::new(6));
    let mut seq = 1;
    for round in 0..400_u32 {
        let taken = port.counted(Counter::Taken);
        let side = if dice.percent(50) { b'B' } else { b'S' };
        let price = BASE.0 + 100_000 + dice.below(5) as i64 * 100;
        port.play(&frame(seq, &entering(seq as u32, side, price, 5)), false);
        for _ in 0..dice.below(4) {
            port.play(&frame(seq + 9, &entering(9, b'B', price, 5)), dice.percent(30));
        }
        port.settle();
        let now = port.counted(Counter::Taken);
        assert!(now - taken <= 1, "round {round}");
        seq += u64::from(now - taken);
    }
    assert!(seq > 350, "{seq}");
    let dropped = port.counted(Counter::Flood) + port.counted(Counter::Gap);
    assert!(dropped > 0);
    let settled = port.device.outputs.idle;
    assert_eq!(settled, 1);
}
