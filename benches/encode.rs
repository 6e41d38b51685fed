//! What does a reply cost on its way out? Written as OUCH, numbered, kept for repeats, put into a
//! packet and sealed in a frame with all checksums; with one reply to a packet and with ten.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wirematch::model::Nanos;
use wirematch::wire::ethernet::Mac;
use wirematch::wire::ouch::{Appendage, OrderAccepted, OrderExecuted, Outbound};
use wirematch::wire::session::control::Ack;
use wirematch::wire::session::{
    Login, PACKET_MAX, PacketWriter, ServerConfig, ServerSession, Token, parse,
};
use wirematch::wire::udp::{HEADERS, Route, seal};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 4000);
const GATEWAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9100);
const TOKEN: Token = *b"GATE0042AB";

fn accepted() -> Outbound<'static> {
    let accepted = OrderAccepted {
        timestamp: 34_200_000_000_000,
        user_ref_num: 1,
        side: b'B',
        quantity: 100,
        symbol: *b"ACME    ",
        price: 300_0000,
        time_in_force: b'0',
        display: b'Y',
        order_reference_number: 7,
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        cl_ord_id: *b"bench         ",
    };
    Outbound::OrderAccepted(accepted, Appendage::EMPTY)
}

fn executed() -> Outbound<'static> {
    let executed = OrderExecuted {
        timestamp: 34_200_000_000_000,
        user_ref_num: 1,
        quantity: 100,
        price: 300_0000,
        liquidity_flag: b'R',
        match_number: 7,
    };
    Outbound::OrderExecuted(executed, Appendage::EMPTY)
}

fn connected() -> ServerSession {
    let mut session = ServerSession::new(ServerConfig::default());
    let login = Login { version: 1, port: 1, nonce: 1, next_tx: 1, next_rx: 1, code: [0; 16] };
    session.login(&login.signed(b"key"), b"key", Nanos(1)).expect("a good login");
    session.logged_in(TOKEN, Nanos(1));
    session.write_upkeep(&mut [0; PACKET_MAX], Nanos(1)).expect("the login is answered");
    session
}

/// The client has everything so far.
fn acknowledge(session: &mut ServerSession) {
    let mut bytes = [0; 64];
    let mut writer = PacketWriter::new(&mut bytes, TOKEN, 1).expect("a header fits");
    assert!(writer.push(&Ack { next_expected: session.next_number() }.block()));
    let length = writer.finish();
    let packet = parse(&bytes[..length]).expect("a good packet");
    session.receive(&packet, Nanos(2), 1, &mut |_| ());
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let route = Route {
        from_mac: Mac::local(*GATEWAY.ip()),
        to_mac: Mac::local(*CLIENT.ip()),
        from: GATEWAY,
        to: CLIENT,
    };
    for replies in [1, 10] {
        let mut session = connected();
        let mut frame = [0; HEADERS + PACKET_MAX];
        group.throughput(Throughput::Elements(replies));
        group.bench_function(format!("reply to frame, {replies} to a frame"), |bencher| {
            bencher.iter(|| {
                for at in 0..replies {
                    let reply = if at.is_multiple_of(2) { accepted() } else { executed() };
                    session.push(|space| black_box(&reply).encode(space).expect("it fits"));
                }
                let packet = &mut frame[HEADERS..];
                let length = session.write_unsent(packet, Nanos(2)).expect("there are replies");
                assert!(seal(&mut frame[..HEADERS + length], length, &route));
                acknowledge(&mut session);
                length
            });
        });
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
