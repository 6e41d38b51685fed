//! The client's patience: it waits for a slow appliance as long as something moves, and gives up on
//! one that only breathes. The appliance is played by a session of the library over a socket.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wirematch::client::certify::{News, UdpCourse};
use wirematch::model::Nanos;
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::ouch::{AccountQueryResponse, Appendage, Inbound, Outbound, Rejected};
use wirematch::wire::session::control::VERSION;
use wirematch::wire::session::{
    Delivery, Login, PACKET_MAX, PacketWriter, ServerConfig, ServerSession, login_of, parse,
};

const KEY: &[u8] = b"a key";

/// Answers the client's first question, and then a message in each `pace`, or none.
struct Appliance {
    socket: UdpSocket,
    session: ServerSession,
    peer: Option<SocketAddr>,
    waiting: VecDeque<(u64, Vec<u8>)>,
    pace: Option<Nanos>,
    answered_at: Nanos,
}

impl Appliance {
    fn new(pace: Option<Nanos>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket has time-outs");
        let session = ServerSession::new(ServerConfig::default());
        let waiting = VecDeque::new();
        Self { socket, session, peer: None, waiting, pace, answered_at: Nanos::ZERO }
    }

    fn turn(&mut self, now: Nanos) {
        let Self { socket, session, waiting, .. } = self;
        let mut bytes = [0; 2048];
        let Ok((length, peer)) = socket.recv_from(&mut bytes) else { return self.send(now) };
        // There is one client at a time; what follows goes to it.
        self.peer = Some(peer);
        let packet = parse(&bytes[..length]).expect("the client's packets are good");
        if let Some(login) = login_of(&packet) {
            session.login(&login, KEY, now).expect("a good login");
            session.logged_in(*b"TEST000001", now);
        }
        session.receive(&packet, now, usize::MAX, &mut |delivery| {
            if let Delivery::Message { seq, bytes } = delivery {
                waiting.push_back((seq, bytes.to_vec()));
            }
        });
        self.send(now);
    }

    fn send(&mut self, now: Nanos) {
        let is_due = self.pace.is_some_and(|pace| now.0 - self.answered_at.0 >= pace.0);
        let is_question =
            self.waiting.front().is_some_and(|(_, bytes)| !matches!(bytes[0], b'O' | b'X' | b'U'));
        if is_due || is_question {
            self.answer(now);
        }
        let mut bytes = [0; PACKET_MAX];
        while let Some(length) = (self.session.write_upkeep(&mut bytes, now))
            .or_else(|| self.session.write_unsent(&mut bytes, now))
        {
            // A client that has gone hears nothing.
            let _ = self.peer.map(|peer| self.socket.send_to(&bytes[..length], peer));
        }
    }

    fn answer(&mut self, now: Nanos) {
        let Some((seq, message)) = self.waiting.pop_front() else { return };
        self.answered_at = now;
        let none = Appendage::EMPTY;
        let reply = match Inbound::decode(&message) {
            Ok(Inbound::AccountQueryRequest(..)) => Some(Outbound::AccountQueryResponse(
                AccountQueryResponse { timestamp: 1, next_user_ref_num: 1 },
                none,
            )),
            Ok(Inbound::EnterOrder(order, _)) => {
                let user_ref_num = order.user_ref_num;
                let cl_ord_id = order.cl_ord_id;
                let rejected = Rejected { timestamp: 1, user_ref_num, reason: 1, cl_ord_id };
                Some(Outbound::Rejected(rejected, none))
            }
            Ok(Inbound::ReplaceOrderRequest(order, _)) => {
                let user_ref_num = order.user_ref_num;
                let cl_ord_id = order.cl_ord_id;
                let rejected = Rejected { timestamp: 1, user_ref_num, reason: 1, cl_ord_id };
                Some(Outbound::Rejected(rejected, none))
            }
            _ => None,
        };
        if let Some(reply) = reply {
            self.session.push(|space| reply.encode(space).expect("it fits"));
        }
        self.session.settle(seq, now);
    }
}

/// The client plays a few orders against an appliance of this pace, with a second of patience.
fn play(pace: Option<Nanos>) -> Output {
    let mut appliance = Appliance::new(pace);
    let gateway = appliance.socket.local_addr().expect("it is bound").to_string();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let clock = SystemClock::new();
    let serving = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            appliance.turn(clock.now());
        }
    });
    let client = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--session", "1", "--key", "a key", "--patience", "1", "--gateway"])
        .arg(gateway)
        .args(["load", "--symbols", "ACME", "--orders", "6", "--rate", "0"])
        .stdin(Stdio::null())
        .output();
    is_over.store(true, Ordering::Relaxed);
    serving.join().expect("the appliance is good");
    client.expect("the binary starts")
}

#[test]
fn an_appliance_that_only_breathes_is_given_up() {
    let output = play(None);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the appliance fell silent after"), "{said}");
}

#[test]
fn an_appliance_that_is_slow_but_moves_is_waited_for() {
    // All in all longer than the patience, each step shorter.
    let output = play(Some(Nanos(400_000_000)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("missing   0 answers, 0 not applied"), "{told}");
}

/// A certifier on a free port, and what a client of this house heard from it.
fn certified(key: &str, task: &[&str]) -> (Output, Output) {
    let free = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let address = free.local_addr().expect("it is bound").to_string();
    drop(free);
    let certifier = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--session", "1", "--key", "the right key", "--json", "certify"])
        .args(["--step-patience", "2", "--listen", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let client = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--gateway", &address, "--session", "1", "--key", key])
        .args(["--patience", "1"])
        .args(task)
        .output()
        .expect("the binary starts");
    (certifier.wait_with_output().expect("it ends"), client)
}

#[test]
fn a_client_that_does_all_right_is_certified() {
    let (certifier, client) = certified("the right key", &["rehearse"]);
    let told = String::from_utf8_lossy(&certifier.stdout);
    assert_eq!(client.status.code(), Some(0), "{}", String::from_utf8_lossy(&client.stderr));
    assert_eq!(certifier.status.code(), Some(0), "{told}");
    assert!(told.contains("\"mistakes\":0,\"passed\":true"), "{told}");
    assert!(!told.contains("\"mistake\":"), "{told}");
}

#[test]
fn a_client_that_is_wrong_is_told_what_is_wrong() {
    let (certifier, client) = certified("another key", &["rehearse"]);
    let told = String::from_utf8_lossy(&certifier.stdout);
    assert_eq!((certifier.status.code(), client.status.code()), (Some(3), Some(1)));
    assert!(told.contains("the authentication code does not fit the port's key"), "{told}");
    let (certifier, _) =
        certified("the right key", &["order", "buy", "100", "NOPE", "299.50", "--number", "7"]);
    let told = String::from_utf8_lossy(&certifier.stdout);
    assert_eq!(certifier.status.code(), Some(3));
    assert!(told.contains("symbol is `NOPE`: this course trades `ACME`"), "{told}");
    assert!(told.contains("you left; this was asked for: Ask for your next"), "{told}");
}

/// A course in which somebody has logged in, and the packet that says all this.
fn in_course() -> UdpCourse {
    let mut course = UdpCourse::new(1, KEY, *b"ACME    ", Nanos(100_000_000));
    let login =
        Login { version: VERSION, port: 1, nonce: 1, next_tx: 1, next_rx: 1, code: [0; 16] };
    let mut packet = [0; PACKET_MAX];
    let mut writer = PacketWriter::new(&mut packet, [b' '; 10], 1).expect("it fits");
    assert!(writer.push(&login.signed(KEY).block()));
    let length = writer.finish();
    course.receive(&packet[..length], Nanos(1), &mut |_| ());
    assert!(course.take_news().iter().any(|news| matches!(news, News::Done(_))));
    course
}

proptest::proptest! {
    #[test]
    fn no_bytes_bring_a_course_down(
        messages in proptest::collection::vec(
            (0u64..70, proptest::collection::vec(proptest::num::u8::ANY, 0..60)), 0..20),
        kinds in proptest::collection::vec(
            proptest::sample::select(b"OUXMCDEQ\x81\x84\x85\x86\x87".to_vec()), 20),
        token in proptest::bool::weighted(0.9),
    ) {
        let mut course = in_course();
        let token = if token { *b"CERTIFIES1" } else { [b'x'; 10] };
        for (at, ((seq, mut bytes), kind)) in messages.into_iter().zip(kinds).enumerate() {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let mut packet = [0; PACKET_MAX];
            let mut writer = PacketWriter::new(&mut packet, token, seq).expect("it fits");
            let _ = writer.push(&bytes);
            let length = writer.finish();
            let now = Nanos(1_000_000 * (at as u64 + 1));
            course.receive(&packet[..length], now, &mut |_| ());
            course.receive(&bytes, now, &mut |_| ());
            course.poll(now, &mut |_| ());
        }
        for news in course.take_news() {
            if let News::Mistake(what) = news {
                proptest::prop_assert!(what.len() > 20, "{}", what);
            }
        }
    }
}
