//! What does a frame cost on its way in? From its Ethernet header to the client's messages in
//! order, each read as OUCH; with one message to a packet and with ten.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wirematch::model::Nanos;
use wirematch::port::endpoint::{Opened, UdpEndpoint};
use wirematch::wire::ethernet::Mac;
use wirematch::wire::ouch::{Appendage, EnterOrder, Inbound, MESSAGE_MAX};
use wirematch::wire::session::{
    Delivery, Login, PACKET_MAX, PacketWriter, ServerConfig, ServerSession, Token, parse,
};
use wirematch::wire::udp::{HEADERS, Route, seal};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 4000);
const GATEWAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9100);
const TOKEN: Token = *b"GATE0042AB";

fn order() -> Vec<u8> {
    let order = EnterOrder {
        user_ref_num: 1,
        side: b'B',
        quantity: 100,
        symbol: *b"ACME    ",
        price: 300_0000,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"bench         ",
    };
    let mut bytes = [0; MESSAGE_MAX];
    let length = Inbound::EnterOrder(order, Appendage::EMPTY).encode(&mut bytes).expect("it fits");
    bytes[..length].to_vec()
}

/// A frame whose messages begin with this number.
fn frame(seq: u64, messages: usize) -> Vec<u8> {
    let mut payload = [0; PACKET_MAX];
    let mut packet = PacketWriter::new(&mut payload, TOKEN, seq).expect("a header fits");
    let order = order();
    (0..messages).for_each(|_| assert!(packet.push(&order)));
    let length = packet.finish();
    let mut frame = vec![0; HEADERS + length];
    frame[HEADERS..].copy_from_slice(&payload[..length]);
    let (from_mac, to_mac) = (Mac::local(*CLIENT.ip()), Mac::local(*GATEWAY.ip()));
    assert!(seal(&mut frame, length, &Route { from_mac, to_mac, from: CLIENT, to: GATEWAY }));
    frame
}

fn connected() -> ServerSession {
    let mut session = ServerSession::new(ServerConfig::default());
    let login = Login { version: 1, port: 1, nonce: 1, next_tx: 1, next_rx: 1, code: [0; 16] };
    session.login(&login.signed(b"key"), b"key", Nanos(1)).expect("a good login");
    session.logged_in(TOKEN, Nanos(1));
    session
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for messages in [1, 10] {
        group.throughput(Throughput::Elements(messages as u64));
        // Numbers must go on, so frames are made beforehand.
        let frames: Vec<Vec<u8>> = (0..1_000).map(|at| frame(1 + at * 10, messages)).collect();
        let mut endpoint = UdpEndpoint::new(Mac::local(*GATEWAY.ip()), *GATEWAY.ip());
        let mut at = 0;
        group.bench_function(
            format!("checked and taken apart, {messages} to a frame"),
            |bencher| {
                bencher.iter(|| {
                    at = (at + 1) % frames.len();
                    let Opened::Datagram(datagram) = endpoint.open(black_box(&frames[at])) else {
                        panic!("a datagram for us");
                    };
                    let packet = parse(datagram.payload).expect("a good packet");
                    packet.blocks().fold(0, |sum, block| match Inbound::decode(block) {
                        Ok(Inbound::EnterOrder(order, _)) => sum + u64::from(order.quantity),
                        _ => sum,
                    })
                });
            },
        );
    }
    group.throughput(Throughput::Elements(1));
    let mut session = connected();
    let order = order();
    group.bench_function("a message in its turn", |bencher| {
        let mut bytes = [0; PACKET_MAX];
        bencher.iter(|| {
            let seq = session.next_expected();
            let mut writer = PacketWriter::new(&mut bytes, TOKEN, seq).expect("a header fits");
            assert!(writer.push(&order));
            let length = writer.finish();
            let packet = parse(&bytes[..length]).expect("a good packet");
            let mut taken = 0;
            session.receive(&packet, Nanos(2), 1, &mut |delivery| {
                taken += usize::from(matches!(delivery, Delivery::Message { .. }));
            });
            assert_eq!(taken, 1);
            session.settle(seq, Nanos(2));
        });
    });
}

criterion_group!(benches, decode);
criterion_main!(benches);
