//! A host against the kernel's own TCP, over a TAP device in a network namespace: what a client
//! that shares no line of code with it makes of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;
use crate::port::faulty::{Faults, FaultyPort};
use crate::port::stream::{Closed, Stream};
use crate::port::tun::{TapConfig, TapPort};
use crate::port::{FrameMeta, Full};

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 78, 0, 2), 9880);

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "WIREMATCH_HOST_TEST";

/// Runs a test in a network namespace of its own, where the kernel allows one.
fn inside(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let probe = Command::new("unshare").args(["-Urn", "test", "-w", "/dev/net/tun"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("skipped: no network namespace, or no /dev/net/tun in it");
        return;
    }
    let inside = Command::new("unshare")
        .arg("-Urn")
        .arg(std::env::current_exe().expect("a test binary"))
        .args(["--exact", &format!("port::host::tests::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("the probe ran");
    let said = String::from_utf8_lossy(&inside.stdout).into_owned()
        + &String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

fn tap() -> TapPort {
    let config =
        TapConfig { name: "wire0".to_owned(), kernel_address: Some((KERNEL, 16)), mtu: None };
    TapPort::open(&config).expect("a TAP device")
}

/// How an echo behaves: it reads only while told to.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    pauses: AtomicBool,
    panics: AtomicBool,
    counts: Mutex<HostCounts>,
}

/// A host that polls on one thread and echoes on another.
struct Echo {
    told: Arc<Told>,
    threads: Vec<JoinHandle<()>>,
}

fn now(since: std::time::Instant) -> Nanos {
    Nanos(1_000_000_000 + since.elapsed().as_nanos() as u64)
}

impl Echo {
    fn start(port: impl Port + 'static, lines: usize) -> Self {
        #[allow(clippy::disallowed_methods, reason = "a test against the kernel takes real time")]
        let since = std::time::Instant::now();
        let config = HostConfig {
            address: HERE,
            lines,
            half_open: 16,
            bytes: 65_536,
            rto_min_ms: 20,
            secret: 7,
        };
        let (mut host, mut acceptor) = TcpHost::new(port, config, now(since));
        let told = Arc::new(Told::default());
        let (of_host, of_echo) = (Arc::clone(&told), Arc::clone(&told));
        let polls = thread::spawn(move || {
            while !of_host.stop.load(Ordering::Relaxed) {
                if of_host.panics.swap(false, Ordering::Relaxed) {
                    let open = host.core.connections.iter_mut().find(|c| c.phase == Phase::Open);
                    open.expect("a connection").panics = true;
                }
                if host.poll(now(since)) == 0 {
                    thread::yield_now();
                }
                *of_host.counts.lock().expect("nobody panics") = host.counts();
            }
        });
        let echoes = thread::spawn(move || {
            let mut lines: Vec<(HostLine, Vec<u8>, bool)> = Vec::new();
            let mut room = vec![0; 32 * 1024];
            while !of_echo.stop.load(Ordering::Relaxed) {
                while let Some(line) = acceptor.accept() {
                    lines.push((line, Vec::new(), false));
                }
                let pauses = of_echo.pauses.load(Ordering::Relaxed);
                lines.retain_mut(|(line, owed, ended)| echo(line, owed, ended, &mut room, pauses));
                thread::yield_now();
            }
        });
        Self { told, threads: vec![polls, echoes] }
    }

    fn counts(&self) -> HostCounts {
        *self.told.counts.lock().expect("nobody panics")
    }

    fn stop(self) -> HostCounts {
        self.told.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        *self.told.counts.lock().expect("nobody panics")
    }
}

/// One turn of an echo; `false` when the line may go.
fn echo(
    line: &mut HostLine,
    owed: &mut Vec<u8>,
    ended: &mut bool,
    room: &mut [u8],
    pauses: bool,
) -> bool {
    if !pauses && owed.len() < 100_000 && !*ended {
        match line.receive(room) {
            Ok(count) => owed.extend_from_slice(&room[..count]),
            Err(Closed) => *ended = true,
        }
    }
    match line.send(owed) {
        Ok(count) => _ = owed.drain(..count),
        Err(Closed) => return false,
    }
    // What was sent before its end comes back though the client says no more.
    !*ended || !owed.is_empty()
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect_timeout(&HERE.into(), Duration::from_secs(30));
    let stream = stream.expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.set_nodelay(true).expect("an option");
    stream
}

fn ping_pong(stream: &mut TcpStream, rounds: usize) {
    for round in 0..rounds {
        let sent = [round as u8; 180];
        stream.write_all(&sent).expect("sent");
        let mut came = [0; 180];
        stream.read_exact(&mut came).expect("an answer");
        assert_eq!(came, sent);
    }
}

/// Sends bytes and takes them back on two threads, then closes its half and reads to the end.
fn both_ways(stream: TcpStream, bytes: usize) {
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = thread::spawn(move || {
        let block: Vec<u8> = (0..65_521u32).map(|at| at as u8).collect();
        let mut sent = 0;
        while sent < bytes {
            let some = &block[..block.len().min(bytes - sent)];
            writer.write_all(some).expect("sent");
            sent += some.len();
        }
        writer.shutdown(Shutdown::Write).expect("half closed");
    });
    let (mut reader, mut came) = (stream, 0usize);
    let mut room = vec![0; 65_536];
    loop {
        match reader.read(&mut room) {
            Ok(0) => break,
            Ok(count) => {
                for byte in &room[..count] {
                    assert_eq!(*byte, (came % 65_521) as u8, "byte {came}");
                    came += 1;
                }
            }
            Err(error) => panic!("{error} after {came} bytes"),
        }
    }
    sender.join().expect("it ends");
    assert_eq!(came, bytes);
}

#[test]
fn a_kernel_client_trades_bytes_half_closes_and_comes_again() {
    inside("a_kernel_client_trades_bytes_half_closes_and_comes_again", || {
        let echo = Echo::start(tap(), 64);
        let mut stream = connect();
        ping_pong(&mut stream, 200);
        both_ways(stream, 8 << 20);
        for _ in 0..5 {
            let mut stream = connect();
            ping_pong(&mut stream, 3);
        }
        let refused = TcpStream::connect((*HERE.ip(), 9881)).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        if let Ok(ping) = Command::new("ping").args(["-c1", "-W5", &HERE.ip().to_string()]).output()
        {
            assert!(ping.status.success(), "{}", String::from_utf8_lossy(&ping.stdout));
        }
        let counts = echo.stop();
        assert_eq!((counts.opened, counts.panicked, counts.turned_away), (6, 0, 0));
    });
}

#[test]
fn a_reader_that_rests_closes_the_window_and_nothing_is_lost() {
    inside("a_reader_that_rests_closes_the_window_and_nothing_is_lost", || {
        let echo = Echo::start(tap(), 8);
        let mut stream = connect();
        ping_pong(&mut stream, 1);
        echo.told.pauses.store(true, Ordering::Relaxed);
        let pause = Arc::clone(&echo.told);
        let wakes = thread::spawn(move || {
            thread::sleep(Duration::from_millis(700));
            pause.pauses.store(false, Ordering::Relaxed);
        });
        // More than both ends keep: the sender stands still until the reader goes on.
        both_ways(stream, 6 << 20);
        wakes.join().expect("it ends");
        assert_eq!(echo.stop().panicked, 0);
    });
}

#[test]
fn loss_reordering_and_repeats_cost_time_and_no_bytes() {
    inside("loss_reordering_and_repeats_cost_time_and_no_bytes", || {
        let faults = Faults {
            loss: 10_000,
            duplication: 10_000,
            reordering: 20_000,
            corruption: 2_000,
            truncation: 1_000,
        };
        let echo = Echo::start(FaultyPort::new(tap(), faults, 5), 8);
        let mut stream = connect();
        ping_pong(&mut stream, 20);
        both_ways(stream, 1 << 20);
        assert_eq!(echo.stop().panicked, 0);
    });
}

#[test]
fn five_hundred_sessions_at_once_and_idle_ones_cost_nothing() {
    inside("five_hundred_sessions_at_once_and_idle_ones_cost_nothing", || {
        let echo = Echo::start(tap(), 600);
        let mut streams: Vec<TcpStream> = (0..500).map(|_| connect()).collect();
        for stream in &mut streams {
            ping_pong(stream, 2);
        }
        // Until the last acknowledgements are through.
        thread::sleep(Duration::from_millis(300));
        let before = echo.counts().looks;
        thread::sleep(Duration::from_millis(200));
        assert!(echo.counts().looks - before < 20, "idle lines are looked at");
        for stream in &mut streams {
            ping_pong(stream, 1);
        }
        assert_eq!(echo.stop().opened, 500);
    });
}

/// A port on which strangers ask for connections that they never finish.
struct Flood {
    inner: TapPort,
    asked: u32,
}

impl Port for Flood {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        for _ in 0..4 {
            self.asked += 1;
            let stranger =
                Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 78, 1, 0)) + self.asked % 5000);
            let frame = opening(SocketAddrV4::new(stranger, 1024 + (self.asked % 60_000) as u16));
            each(&frame, FrameMeta::default());
        }
        self.inner.receive(budget, each)
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        self.inner.transmit(length, fill)
    }

    fn flush(&mut self) {
        self.inner.flush();
    }
}

/// The frame with which a stranger asks for a connection.
fn opening(from: SocketAddrV4) -> Vec<u8> {
    segment(from, [0; 8], 2, &[])
}

/// A segment whose checksums are right: both numbers, flags, and what follows the header.
fn segment(from: SocketAddrV4, numbers: [u8; 8], flags: u8, rest: &[u8]) -> Vec<u8> {
    let length = 20 + rest.len();
    let mut frame = vec![0; (34 + length).max(60)];
    let header = frame.first_chunk_mut().expect("room");
    crate::wire::ethernet::write(header, Mac::local(*HERE.ip()), Mac([2; 6]), EtherType::Ipv4);
    let head = frame[14..].first_chunk_mut().expect("room");
    ipv4::write(head, *from.ip(), *HERE.ip(), ipv4::TCP, length as u16);
    frame[34..36].copy_from_slice(&from.port().to_be_bytes());
    frame[36..38].copy_from_slice(&HERE.port().to_be_bytes());
    frame[38..46].copy_from_slice(&numbers);
    // Some of what follows may be options.
    let options = (flags >> 6) as usize & (rest.len() / 4);
    frame[46] = ((5 + options) << 4) as u8;
    frame[47] = flags & 63;
    frame[48] = 16;
    frame[54..54 + rest.len()].copy_from_slice(rest);
    let mut sum = 6u32 + length as u32;
    for pair in frame[26..34 + length].chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn a_flood_of_openings_is_bounded_and_clients_get_through() {
    inside("a_flood_of_openings_is_bounded_and_clients_get_through", || {
        let echo = Echo::start(Flood { inner: tap(), asked: 0 }, 64);
        let mut first = connect();
        ping_pong(&mut first, 50);
        let mut second = connect();
        ping_pong(&mut second, 50);
        ping_pong(&mut first, 50);
        let counts = echo.stop();
        assert!(counts.pushed_out > 1_000 && counts.opened >= 2, "{counts:?}");
        assert_eq!(counts.panicked, 0);
    });
}

#[test]
fn a_panic_ends_its_own_session_alone() {
    inside("a_panic_ends_its_own_session_alone", || {
        let echo = Echo::start(tap(), 8);
        let mut doomed = connect();
        ping_pong(&mut doomed, 1);
        echo.told.panics.store(true, Ordering::Relaxed);
        while echo.counts().panicked == 0 {
            let _ = doomed.write_all(b"x");
            thread::yield_now();
        }
        let mut other = connect();
        ping_pong(&mut other, 20);
        let mut room = [0; 400];
        // It is told: by a reset, as soon as it says something.
        let gone = (0..1_000).any(|_| {
            let _ = doomed.write_all(b"x");
            thread::sleep(Duration::from_millis(1));
            matches!(doomed.read(&mut room), Ok(0) | Err(_))
        });
        assert!(gone);
        assert_eq!(echo.stop().panicked, 1);
    });
}

/// A segment of a few strangers': who, both numbers, flags, what follows, what becomes of it.
type Anything = (u8, [u8; 8], u8, Vec<u8>, usize);

fn anything() -> impl proptest::strategy::Strategy<Value = Anything> {
    let numbers = proptest::array::uniform8(0u8..4);
    (0u8..4, numbers, 0u8..255, proptest::collection::vec(0u8..255, 0..40), 0usize..80)
}

proptest::proptest! {
    /// Whatever strangers send, whole or broken: nothing panics, every place is accounted for.
    #[test]
    fn any_segments_are_taken_without_a_panic(
        steps in proptest::collection::vec(anything(), 1..60),
    ) {
        let (near, mut far) = crate::port::memory::wire(128);
        let config = HostConfig {
            address: HERE, lines: 3, half_open: 2, bytes: 4096, rto_min_ms: 20, secret: 3,
        };
        let (mut host, mut acceptor) = TcpHost::new(near, config, Nanos(0));
        let mut lines = Vec::new();
        let mut answered = [0u8; 4];
        for (at, (who, mut numbers, flags, rest, cut)) in steps.into_iter().enumerate() {
            // Now and then the acknowledgement is the right one, so that handshakes end.
            if flags & 16 != 0 {
                let next = u32::from_be_bytes(answered).wrapping_add(1);
                numbers[4..].copy_from_slice(&next.to_be_bytes());
                numbers[..4].copy_from_slice(&[0, 0, 0, 1]);
            }
            let from = SocketAddrV4::new(Ipv4Addr::new(10, 78, 0, 9), 1000 + u16::from(who));
            let mut frame = segment(from, numbers, flags, &rest);
            if cut < 20 {
                frame.truncate(frame.len().saturating_sub(cut));
            } else if cut < 30 {
                let place = cut % frame.len();
                frame[place] ^= flags;
            }
            let sent = far.transmit(frame.len(), &mut |into| into.copy_from_slice(&frame));
            proptest::prop_assert!(sent.is_ok());
            host.poll(Nanos(at as u64 * 3_000_000));
            far.receive(64, &mut |frame, _| {
                if frame.len() > 46 && frame[47] == 18 {
                    answered.copy_from_slice(&frame[38..42]);
                }
            });
            lines.extend(acceptor.accept());
            if flags == 77 {
                lines.pop();
            }
        }
        let places = host.core.connections.iter().filter(|c| c.phase == Phase::Free).count();
        proptest::prop_assert_eq!(places, host.core.free.len());
        let opening = host.core.connections.iter().filter(|c| c.phase == Phase::Opening).count();
        proptest::prop_assert_eq!(opening, host.core.common.half_open_count);
        proptest::prop_assert_eq!(host.counts().panicked, 0);
    }
}
