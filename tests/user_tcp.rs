//! FIX over TCP without the kernel, end to end: the appliance is a process with its FIX sessions on
//! a device, its clients speak kernel TCP from the other end of it. All in a network namespace of
//! the test's own, no root needed.

#[path = "support/broken.rs"]
mod broken;
#[path = "support/fix_client.rs"]
mod fix_client;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use broken::{Carrier, Ends};
use fix_client::{FixClient, client_config, configuration};
use process::Appliance;
use wirematch::model::Price;
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::ethernet::Mac;
use wirematch::wire::fix::Version;

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "WIREMATCH_USER_TCP_TEST";

const SECOND: u64 = 1_000_000_000;
const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 79, 0, 2), 9880);
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const DEVICE: &str = "wmfix0";

/// Runs a test in a network namespace of its own, where the kernel allows one.
fn inside(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
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
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("the probe ran");
    let said = String::from_utf8_lossy(&inside.stdout).into_owned()
        + &String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("iproute2 is there");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An appliance whose FIX clients come by `device`, and so many of them.
fn appliance(folder: &Path, device: &str, kernel: &str, clients: u32) -> Appliance {
    let (path, address) = configuration(folder, clients, "FIX.4.4", "");
    let text = std::fs::read_to_string(&path).expect("it was written");
    let own = format!("[fix]\ndevice = \"{device}\"\naddress = \"{HERE}\"\n{kernel}");
    let text = text.replace(&format!("[fix]\naddress = \"{address}\"\n"), &own);
    std::fs::write(&path, text).expect("the folder is ours");
    let mut appliance = Appliance::new(path);
    appliance.start();
    appliance
}

fn by_tun(folder: &Path, clients: u32) -> Appliance {
    let kernel = format!("kernel_address = \"{KERNEL}/24\"\n");
    appliance(folder, &format!("tun:{DEVICE}"), &kernel, clients)
}

/// Polls all until `done`; who has no line asks for one.
fn until(clients: &mut [FixClient], what: &str, mut done: impl FnMut(&mut [FixClient]) -> bool) {
    let clock = SystemClock::new();
    let end = clock.now().0 + 120 * SECOND;
    while !done(clients) {
        let now = clock.now();
        let state = |client: &FixClient| {
            (client.is_up(), client.sent, client.told.answered.len(), client.numbers())
        };
        let states = || clients.iter().map(state).collect::<Vec<_>>();
        assert!(now.0 < end, "never: {what}; {:?}", states());
        for client in clients.iter_mut() {
            if !client.is_connected() {
                client.connect(now);
            }
            client.poll(now);
        }
        std::thread::yield_now();
    }
}

fn connected(count: u32) -> Vec<FixClient> {
    let ids = 101..101 + count;
    let client = |id| FixClient::new(client_config(id, Version::Fix44), HERE.into());
    let mut clients: Vec<_> = ids.map(client).collect();
    until(&mut clients, "all are up", |clients| clients.iter().all(FixClient::is_up));
    clients
}

/// Each client sends so many orders, of which half find a buyer.
fn trade(clients: &mut [FixClient], orders: u64) {
    let clock = SystemClock::new();
    for _ in 0..orders {
        let now = clock.now();
        for (at, client) in clients.iter_mut().enumerate() {
            client.order(if at % 2 == 0 { b'1' } else { b'2' }, 10, Price(300_0000), now);
            client.poll(now);
        }
    }
}

fn all_answered(clients: &mut [FixClient]) -> bool {
    clients.iter().all(|client| client.told.answered.len() as u64 == client.sent)
}

/// Logon, orders, lines that break, a wire that is pulled out and put in again.
fn a_day(mut appliance: Appliance, device: &str) {
    let mut clients = connected(3);
    trade(&mut clients, 200);
    until(&mut clients, "all is answered", all_answered);

    // Lines break in the middle of load; what was not answered is asked for again.
    for round in 0..3usize {
        trade(&mut clients, 100);
        clients[round].break_line();
        trade(&mut clients[..round], 20);
        until(&mut clients, "all is answered after a line broke", |clients| {
            clients.iter().all(FixClient::is_up) && all_answered(clients)
        });
    }
    let logons = |clients: &[FixClient]| clients.iter().map(|c| c.connections).sum::<u64>();
    let before = logons(&clients);

    // Nothing gets through for a while; the sessions go on as if nothing had been.
    trade(&mut clients, 50);
    ip(&format!("link set {device} down"));
    trade(&mut clients, 50);
    std::thread::sleep(Duration::from_millis(400));
    ip(&format!("link set {device} up"));
    until(&mut clients, "all is answered after the wire was out", all_answered);
    assert_eq!(logons(&clients), before, "no line broke by that");

    for client in &clients {
        assert!(client.told.twice.is_empty(), "told twice: {:?}", client.told.twice);
        assert!(client.told.others.is_empty(), "{:?}", client.told.others);
    }
    assert!(appliance.stop().success());
    assert!(appliance.replays());
}

#[test]
fn fix_by_a_tap_device() {
    inside("fix_by_a_tap_device", || {
        let folder = tempfile::tempdir().expect("a folder");
        a_day(by_tun(folder.path(), 3), DEVICE);
    });
}

#[cfg(feature = "dpdk")]
#[test]
fn fix_by_af_packet_over_veth() {
    inside("fix_by_af_packet_over_veth", || {
        const CLIENT: &str = "wmclient0";
        ip(&format!("link add {CLIENT} type veth peer name {DEVICE}"));
        for end in [CLIENT, DEVICE] {
            let quiet = format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6");
            let _ = std::fs::write(quiet, "1");
            sum_in_software(end);
        }
        ip(&format!("address add {KERNEL}/24 dev {CLIENT}"));
        ip(&format!("link set {CLIENT} up"));
        ip(&format!("link set {DEVICE} up"));
        let folder = tempfile::tempdir().expect("a folder");
        a_day(appliance(folder.path(), &format!("af_packet:{DEVICE}"), "", 3), CLIENT);
    });
}

/// Frames of a veth leave with half a checksum unless the kernel is told to write it.
#[cfg(feature = "dpdk")]
#[allow(unsafe_code, reason = "the kernel's interface requests have no safe door")]
fn sum_in_software(interface: &str) {
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let mut value = [ETHTOOL_STXCSUM, 0];
    // SAFETY: all of the structure's fields are numbers and pointers, of which zero is one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // SAFETY: the request names two numbers that outlive the call.
    let code = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    assert_eq!(code, 0, "{}", io::Error::last_os_error());
}

/// The kernel's end of a device, for frames as they are.
struct Raw {
    socket: OwnedFd,
    interface: libc::c_int,
}

#[allow(unsafe_code, reason = "raw frames have no safe door")]
impl Raw {
    fn open(device: &str) -> Self {
        let number = std::fs::read_to_string(format!("/sys/class/net/{device}/ifindex"));
        let number = number.unwrap_or_else(|_| {
            // The file system shows the interfaces of the namespace it was mounted in.
            let shown = Command::new("ip").args(["-o", "link", "show", device]).output();
            let shown = String::from_utf8(shown.expect("iproute2").stdout).expect("text");
            shown.split(':').next().unwrap_or_default().to_owned()
        });
        // SAFETY: a new descriptor, ours alone.
        let socket = unsafe {
            let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
            assert!(socket >= 0, "{}", io::Error::last_os_error());
            OwnedFd::from_raw_fd(socket)
        };
        Self { socket, interface: number.trim().parse().expect("a number") }
    }

    fn send(&self, frame: &[u8]) {
        // SAFETY: all of the structure's fields are numbers, of which zero is one.
        let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = self.interface;
        to.sll_halen = 6;
        // SAFETY: frame and address outlive the call, and their lengths are right.
        let sent = unsafe {
            let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            let (bytes, address) = (frame.as_ptr().cast(), (&raw const to).cast());
            libc::sendto(self.socket.as_raw_fd(), bytes, frame.len(), 0, address, length)
        };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }
}

/// What the FIX gateway counted.
fn counted(appliance: &Appliance) -> BTreeMap<String, u64> {
    let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["risk", "status", "--json", "--data"])
        .arg(appliance.config.with_file_name("data"))
        .output()
        .expect("the binary starts");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let fix = shown["counters"]["fix"].as_object().expect("the stage is there");
    fix.iter().map(|(name, value)| (name.clone(), value.as_u64().unwrap_or(0))).collect()
}

#[test]
fn broken_frames_at_the_device_are_counted_by_their_cause() {
    inside("broken_frames_at_the_device_are_counted_by_their_cause", || {
        let folder = tempfile::tempdir().expect("a folder");
        let mut appliance = by_tun(folder.path(), 2);
        // The kernel speaks IPv6 on every new device, and sends nothing longer than it is told.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6"), "1");
        ip(&format!("link set {DEVICE} mtu 2000"));
        let mut clients = connected(2);
        trade(&mut clients, 20);
        until(&mut clients, "all is answered", all_answered);
        std::thread::sleep(Duration::from_millis(200));

        let from = SocketAddrV4::new(Ipv4Addr::new(10, 79, 0, 9), 5555);
        let from = (Mac([2, 0, 0, 0, 0, 9]), from);
        let ends = Ends { from, to: (Mac::local(*HERE.ip()), HERE) };
        let raw = Raw::open(DEVICE);
        let before = counted(&appliance);
        let mut expected = before.clone();
        for (what, cause, frame) in ends.broken(Carrier::Tcp) {
            // The kernel sends no frame without a whole header.
            if what != "half an Ethernet header" {
                raw.send(&frame);
                *expected.get_mut(cause).expect("a counter of that name") += 1;
                *expected.get_mut("Malformed").expect("all together") += 1;
            }
        }
        for _ in 0..500 {
            raw.send(&ends.arp(1, ends.from.0, *ends.from.1.ip(), *HERE.ip()));
            raw.send(&ends.arp(1, ends.from.0, *ends.from.1.ip(), KERNEL));
            raw.send(&ends.segment(16, b"nobody's"));
            // The device's queue is short, and drops without a word what finds no room.
            std::thread::sleep(Duration::from_micros(200));
        }
        for name in ["Arps", "NotForUs", "Strays"] {
            *expected.get_mut(name).expect("a counter of that name") += 500;
        }
        let is_counted = |now: &BTreeMap<String, u64>| {
            let short = expected.iter().filter(|(name, value)| now[*name] < **value);
            short.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let mut now = counted(&appliance);
        for _ in 0..100 {
            if is_counted(&now).is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            now = counted(&appliance);
        }
        assert_eq!(is_counted(&now), Vec::<String>::new(), "{before:?}\n{now:?}");
        for (name, _) in wirematch::wire::DecodeError::TABLE {
            if let Some(value) = now.get(*name).filter(|_| *name != "Ipv6") {
                assert_eq!(*value, expected[*name], "{name}: {before:?}\n{now:?}");
            }
        }
        trade(&mut clients, 20);
        until(&mut clients, "all is answered afterwards", all_answered);
        assert_eq!(now["LinesPanicked"] + now["Panicked"], 0);
        assert!(appliance.stop().success());
    });
}
