//! One rule at a time; `tests/world.rs` has all of them at once on a bad network.

mod world;

use super::*;
use crate::model::Nanos;
use crate::wire::session::control::VERSION;

const KEY: &[u8] = b"the key of port 7";
const TOKEN: Token = *b"GATEabc123";

const MILLISECOND: u64 = 1_000_000;

/// No delivery; the type has to be said, for other crates compare numbers with theirs.
const NOTHING: [i64; 0] = [];

fn config() -> ServerConfig {
    ServerConfig { heartbeat: Nanos(MILLISECOND), outbox: 16, ..ServerConfig::default() }
}

fn login(nonce: u64) -> Login {
    Login { version: VERSION, port: 7, nonce, next_tx: 1, next_rx: 1, code: [0; 16] }.signed(KEY)
}

/// A session somebody is connected to, at time 0, its login answered.
fn connected() -> ServerSession {
    let mut server = ServerSession::new(config());
    assert_eq!(server.login(&login(1), KEY, Nanos(0)), Ok(LoginStep::New));
    server.logged_in(TOKEN, Nanos(0));
    assert!(server.write_upkeep(&mut [0; PACKET_MAX], Nanos(0)).is_some());
    server
}

/// A packet of messages whose first has number `seq`; message `n` is the byte `n`.
fn packet(token: Token, seq: u64, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; PACKET_MAX];
    let mut writer = PacketWriter::new(&mut bytes, token, seq).expect("room");
    for number in seq..seq + count {
        assert!(writer.push(&[number as u8]));
    }
    let length = writer.finish();
    bytes.truncate(length);
    bytes
}

/// What a packet brings: numbers executed, `-from` for a gap, 0 for a duplicate.
fn receive(server: &mut ServerSession, bytes: &[u8], now: u64, room: usize) -> Vec<i64> {
    let mut seen = Vec::new();
    let packet = parse(bytes).expect("a good packet");
    server.receive(&packet, Nanos(now), room, &mut |delivery| seen.push(shown(delivery)));
    seen
}

fn poll(server: &mut ServerSession, now: u64, room: usize) -> Vec<i64> {
    let mut seen = Vec::new();
    server.poll(Nanos(now), room, &mut |delivery| seen.push(shown(delivery)));
    seen
}

fn shown(delivery: Delivery<'_>) -> i64 {
    match delivery {
        Delivery::Message { seq, bytes } => {
            assert_eq!(bytes, [seq as u8]);
            seq as i64
        }
        Delivery::NotApplied { from, count } => {
            assert!(count > 0);
            -(from as i64)
        }
        Delivery::Duplicate { .. } => 0,
        Delivery::RetransmitRequest { .. } | Delivery::Logout => 1000,
        Delivery::Silent => 2000,
    }
}

/// The last block of the next packet of upkeep.
fn upkeep(server: &mut ServerSession, now: u64) -> Option<Control> {
    let mut bytes = [0; PACKET_MAX];
    let length = server.write_upkeep(&mut bytes, Nanos(now))?;
    let packet = parse(&bytes[..length]).expect("a good packet");
    packet.blocks().last().map(|block| Control::decode(block).expect("a good block"))
}

#[test]
fn a_gap_is_held_then_given_up_and_never_executed() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 2), 10, 99), [1, 2]);
    assert_eq!(receive(&mut server, &packet(TOKEN, 4, 2), 20, 99), NOTHING);
    assert_eq!(poll(&mut server, 20 + 499_999, 99), NOTHING);
    assert_eq!(poll(&mut server, 20 + 500_000, 99), [-3, 4, 5]);
    assert_eq!(receive(&mut server, &packet(TOKEN, 3, 1), 600_000, 99), [0]);
}

#[test]
fn a_gap_that_is_filled_in_time_is_none() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 3, 2), 10, 99), NOTHING);
    assert_eq!(receive(&mut server, &packet(TOKEN, 2, 1), 20, 99), NOTHING);
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 1), 30, 99), [1, 2, 3, 4]);
}

#[test]
fn what_finds_no_room_waits_and_is_no_gap() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 3), 10, 1), [1]);
    assert_eq!(poll(&mut server, 900_000, 0), NOTHING);
    assert_eq!(receive(&mut server, &packet(TOKEN, 4, 1), 900_000, 0), NOTHING);
    assert_eq!(poll(&mut server, 900_001, 2), [2, 3]);
    assert_eq!(poll(&mut server, 900_002, 2), [4]);
}

#[test]
fn a_gap_takes_room_too() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 2, 2), 0, 9), NOTHING);
    assert_eq!(poll(&mut server, 600_000, 0), NOTHING);
    assert_eq!(poll(&mut server, 600_000, 2), [-1, 2]);
    assert_eq!(poll(&mut server, 600_000, 2), [3]);
}

#[test]
fn a_message_beyond_the_window_pushes_gaps_out_or_is_refused() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 65, 1), 10, 99), NOTHING);
    assert_eq!(server.counters().beyond_window, 1);
    assert_eq!(receive(&mut server, &packet(TOKEN, 3, 1), 10, 99), NOTHING);
    assert_eq!(receive(&mut server, &packet(TOKEN, 65, 1), 10, 99), [-1, 3]);
    assert_eq!(receive(&mut server, &packet(TOKEN, u64::MAX, 0), 10, 99), NOTHING);
    assert_eq!(server.next_expected(), 4);
}

#[test]
fn only_what_is_on_record_is_acknowledged() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 3), 10, 99), [1, 2, 3]);
    assert_eq!(upkeep(&mut server, 500_000), None);
    server.settle(2, Nanos(500_000));
    assert_eq!(upkeep(&mut server, 599_999), None, "it waits for a reply to ride with");
    let ack = Control::Ack(control::Ack { next_expected: 3 });
    assert_eq!(upkeep(&mut server, 600_000), Some(ack));
    assert_eq!(upkeep(&mut server, 600_000), None);
    // The acknowledgement was lost: the client sends again and is told again.
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 2), 700_000, 99), [0, 0]);
    assert_eq!(upkeep(&mut server, 800_000), Some(ack));
}

#[test]
fn an_acknowledgement_rides_with_the_reply() {
    let mut server = connected();
    receive(&mut server, &packet(TOKEN, 1, 1), 10, 99);
    server.settle(1, Nanos(20));
    assert_eq!(server.push(|_| 0), None);
    assert_eq!(server.push(|bytes| reply(bytes, 3)), Some(1));
    let mut bytes = [0; PACKET_MAX];
    let length = server.write_unsent(&mut bytes, Nanos(20)).expect("a reply");
    let packet = parse(&bytes[..length]).expect("a good packet");
    let ack = control::Ack { next_expected: 2 }.block();
    assert_eq!(packet.blocks().collect::<Vec<_>>(), [&b"rrr"[..], &ack[..]]);
    assert_eq!(upkeep(&mut server, 900_000), None);
}

/// A reply of `length` bytes.
fn reply(bytes: &mut [u8; MESSAGE_MAX], length: usize) -> usize {
    bytes[..length].fill(b'r');
    length
}

#[test]
fn packets_of_another_connection_are_ignored_and_counted() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(*b"GATEabc124", 1, 1), 10, 99), NOTHING);
    assert_eq!(server.counters().ignored, 1);
    let mut down = ServerSession::new(config());
    assert_eq!(receive(&mut down, &packet(Token::default(), 1, 1), 10, 99), NOTHING);
}

#[test]
fn silence_is_told_once_and_ends_the_connection() {
    let mut server = connected();
    assert_eq!(poll(&mut server, 3 * MILLISECOND, 9), NOTHING);
    assert_eq!(poll(&mut server, 3 * MILLISECOND + 1, 9), [2000]);
    assert_eq!(poll(&mut server, 9 * MILLISECOND, 9), NOTHING);
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 1), 9 * MILLISECOND, 9), NOTHING);
}

#[test]
fn heartbeats_go_out_when_nothing_else_does() {
    let mut server = connected();
    let mut bytes = [0; PACKET_MAX];
    assert_eq!(server.write_upkeep(&mut bytes, Nanos(MILLISECOND - 1)), None);
    let length = server.write_upkeep(&mut bytes, Nanos(MILLISECOND)).expect("a heartbeat");
    assert!(parse(&bytes[..length]).expect("a good packet").is_heartbeat());
    assert_eq!(server.write_upkeep(&mut bytes, Nanos(MILLISECOND)), None);
}

#[test]
fn a_login_is_refused_for_each_reason() {
    let mut server = connected();
    let mut refusal = |login: Login| server.login(&login.signed(KEY), KEY, Nanos(0)).err();
    assert_eq!(refusal(Login { version: 9, ..login(2) }), Some(LoginRejectCode::WrongVersion));
    assert_eq!(refusal(Login { nonce: 0, ..login(2) }), Some(LoginRejectCode::NonceUsed));
    assert_eq!(refusal(Login { next_rx: 2, ..login(2) }), Some(LoginRejectCode::SequenceAhead));
    assert_eq!(refusal(Login { next_tx: 66, ..login(2) }), Some(LoginRejectCode::SequenceAhead));
    let forged = Login { next_tx: 2, ..login(2) };
    assert_eq!(server.login(&forged, KEY, Nanos(0)), Err(LoginRejectCode::BadKey));
    assert!(server.is_up(), "a refused login changes nothing");
}

#[test]
fn a_repeated_login_is_answered_with_the_same_token() {
    let mut server = connected();
    assert_eq!(upkeep(&mut server, 10), None);
    assert_eq!(server.login(&login(1), KEY, Nanos(10)), Ok(LoginStep::Repeated));
    let Some(Control::LoginAck(ack)) = upkeep(&mut server, 10) else {
        panic!("the login was not answered");
    };
    assert_eq!((ack.session, ack.nonce, ack.next_rx), (TOKEN, 1, 1));
}

#[test]
fn a_login_is_answered_only_when_all_is_on_record() {
    let mut server = connected();
    assert_eq!(receive(&mut server, &packet(TOKEN, 1, 2), 10, 99), [1, 2]);
    assert_eq!(server.login(&login(2), KEY, Nanos(10)), Ok(LoginStep::New));
    server.logged_in(*b"GATEzzzzzz", Nanos(10));
    server.settle(1, Nanos(10));
    assert_eq!(upkeep(&mut server, 10), None);
    server.settle(2, Nanos(10));
    let Some(Control::LoginAck(ack)) = upkeep(&mut server, 10) else {
        panic!("the login was not answered");
    };
    assert_eq!(ack.next_rx, 3);
}

#[test]
fn a_client_that_lags_by_more_than_is_kept_is_detached() {
    let mut server = connected();
    let mut bytes = [0; PACKET_MAX];
    for _ in 0..16 {
        server.push(|bytes| reply(bytes, 1));
    }
    assert_eq!(poll(&mut server, 10, 9), NOTHING);
    server.push(|bytes| reply(bytes, 1));
    assert_eq!(server.write_unsent(&mut bytes, Nanos(10)), None);
    assert_eq!(poll(&mut server, 10, 9), [2000]);
    assert_eq!((server.next_number(), server.oldest_number()), (18, 2));
    // It comes back for what is not kept any more: that is asked for, and it goes on.
    assert_eq!(server.lacks(), None);
    let again = Login { next_rx: 1, ..login(2) }.signed(KEY);
    assert_eq!(server.login(&again, KEY, Nanos(20)), Ok(LoginStep::New));
    server.logged_in(TOKEN, Nanos(20));
    assert!(upkeep(&mut server, 20).is_some());
    assert_eq!(server.write_unsent(&mut bytes, Nanos(20)), None);
    assert_eq!(server.lacks(), Some((1, 16)));
    (1..=16).for_each(|number| server.fill_in(number, b"from the log"));
    let length = server.write_unsent(&mut bytes, Nanos(20)).expect("replies");
    let packet = parse(&bytes[..length]).expect("a good packet");
    assert_eq!((packet.seq(), packet.block_count()), (1, 16));
    assert_eq!(server.lacks(), None, "the ring is full until the client has some of it");
    assert_eq!(server.write_retransmit(0, 1, &mut bytes), Retransmit::AgedOut { oldest: 1 });
    assert_eq!(server.write_retransmit(17, 1, &mut bytes), Retransmit::Nothing);
}

#[test]
fn a_client_without_its_log_is_given_numbers_nobody_used() {
    let mut server = connected();
    receive(&mut server, &packet(TOKEN, 1, 3), 10, 99);
    server.settle(3, Nanos(10));
    let mut client = ClientSession::new(ClientConfig { port: 7, ..ClientConfig::default() });
    client.log_in(2, KEY, Nanos(20));
    let mut bytes = [0; PACKET_MAX];
    let length = client.write(&mut bytes, Nanos(20)).expect("a login");
    let login = login_of(&parse(&bytes[..length]).expect("a good packet")).expect("a login");
    assert_eq!(server.login(&login, KEY, Nanos(20)), Ok(LoginStep::New));
    server.logged_in(TOKEN, Nanos(20));
    let length = server.write_upkeep(&mut bytes, Nanos(20)).expect("an answer");
    let packet = parse(&bytes[..length]).expect("a good packet");
    let mut told = Vec::new();
    client.receive(&packet, Nanos(20), &mut |event| told.push(format!("{event:?}")));
    assert_eq!(told, ["LoggedIn { next_tx: 4, cancel_on_disconnect: true }"]);
    assert_eq!(client.send(b"order"), Ok(4));
    assert_eq!(client.send(&[0x81]), Err(Refused::NotApplication));
    assert_eq!(client.send(&[0; MESSAGE_MAX + 1]), Err(Refused::TooLong));
}

#[test]
fn a_logout_is_answered_as_often_as_it_is_asked() {
    let mut server = connected();
    let mut bytes = [0; PACKET_MAX];
    let length = server::write_block(&mut bytes, TOKEN, 1, &control::Logout {}.block());
    let asked = bytes[..length.expect("room")].to_vec();
    assert_eq!(receive(&mut server, &asked, 10, 9), [1000]);
    for _ in 0..2 {
        let length = server.write_upkeep(&mut bytes, Nanos(10)).expect("an answer");
        assert!(parse(&bytes[..length]).expect("a good packet").is_end());
        assert_eq!(receive(&mut server, &asked, 10, 9), NOTHING);
    }
}

/// What a client makes of the answer to its login by a server in an epoch.
fn offered(client: &mut ClientSession, nonce: u64, epoch: u32) -> bool {
    let mut server = ServerSession::new(config());
    server.reign(epoch);
    client.log_in(nonce, KEY, Nanos(nonce));
    let mut bytes = [0; PACKET_MAX];
    let length = client.write(&mut bytes, Nanos(nonce)).expect("a login");
    let asked = parse(&bytes[..length]).expect("a good packet");
    let asked = login_of(&asked).expect("it is a login");
    assert_eq!(server.login(&asked, KEY, Nanos(nonce)), Ok(LoginStep::New));
    server.logged_in(TOKEN, Nanos(nonce));
    let length = server.write_upkeep(&mut bytes, Nanos(nonce)).expect("an answer");
    let answer = parse(&bytes[..length]).expect("a good packet");
    client.receive(&answer, Nanos(nonce), &mut |_| ());
    client.is_up()
}

#[test]
fn who_is_primary_no_longer_is_not_believed() {
    let mut client = ClientSession::new(ClientConfig { port: 7, ..ClientConfig::default() });
    assert!(offered(&mut client, 1, 0), "where there is one machine nothing is said of epochs");
    assert!(offered(&mut client, 2, 3));
    assert_eq!((client.epoch(), client.stale()), (3, 0));
    assert!(!offered(&mut client, 3, 2), "it was paused when the other took over");
    assert!(!offered(&mut client, 4, 0), "it does not say who it is");
    assert_eq!((client.epoch(), client.stale()), (3, 2));
    assert!(offered(&mut client, 5, 3) && offered(&mut client, 6, 4));
    // What comes of a connection that is over is nobody's.
    let mut told = 0;
    let bytes = packet(*b"GATEabc122", 1, 2);
    let packet = parse(&bytes).expect("a good packet");
    client.receive(&packet, Nanos(7), &mut |_| told += 1);
    assert_eq!((told, client.stale()), (0, 3));
    // Who comes back from its log knows.
    let mut again = ClientSession::new(ClientConfig { port: 7, ..ClientConfig::default() });
    again.restore_epoch(client.epoch());
    assert!(!offered(&mut again, 8, 3));
}
