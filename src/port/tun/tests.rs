//! A TAP device in a network namespace of its own, where the kernel allows one without privilege.

use std::net::SocketAddrV4;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::port::endpoint::{Opened, UdpEndpoint};
use crate::wire::ethernet::Mac;

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const APPLIANCE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "WIREMATCH_TAP_TEST";

#[test]
fn datagrams_pass_between_the_kernel_and_the_port() {
    if std::env::var_os(INSIDE).is_some() {
        return pass_datagrams();
    }
    let itself = std::env::current_exe().expect("a test binary");
    let test = "port::tun::tests::datagrams_pass_between_the_kernel_and_the_port";
    let probe = Command::new("unshare").args(["-Urn", "test", "-w", "/dev/net/tun"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("skipped: no network namespace, or no /dev/net/tun in it");
        return;
    }
    let inside = Command::new("unshare")
        .arg("-Urn")
        .arg(itself)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("the probe ran");
    let said = String::from_utf8_lossy(&inside.stdout).into_owned()
        + &String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

fn pass_datagrams() {
    let config =
        TapConfig { name: "wire0".to_owned(), kernel_address: Some((KERNEL, 24)), mtu: Some(1500) };
    let mut port = TapPort::open(&config).expect("a TAP device");
    let mut endpoint = UdpEndpoint::new(Mac::local(APPLIANCE), APPLIANCE);
    let socket = UdpSocket::bind((KERNEL, 5000)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    socket.send_to(b"ping", (APPLIANCE, 6000)).expect("sent");
    let mut client = None;
    // The kernel asks who has the address before it sends; other frames of its own come too.
    while client.is_none() {
        let mut reply = None;
        port.receive(8, &mut |frame, _| match endpoint.open(frame) {
            Opened::ArpReply(arp) => reply = Some(arp),
            Opened::Datagram(datagram) => {
                assert_eq!(datagram.payload, b"ping");
                assert_eq!(datagram.destination, SocketAddrV4::new(APPLIANCE, 6000));
                client = Some(datagram.source);
            }
            Opened::Malformed(cause) => panic!("{cause}"),
            Opened::Learned | Opened::NotForUs => {}
        });
        if let Some(reply) = reply {
            reply.send(&mut port).expect("room");
        }
    }
    let client = client.expect("a datagram came");
    assert_eq!(client, SocketAddrV4::new(KERNEL, 5000));
    let pong = &mut |payload: &mut [u8]| payload.copy_from_slice(b"pong");
    endpoint.send(&mut port, 6000, client, 4, pong).expect("sent");
    let mut answer = [0; 9];
    let (length, from) = socket.recv_from(&mut answer).expect("an answer");
    assert_eq!((&answer[..length], from), (&b"pong"[..], (APPLIANCE, 6000).into()));
    let second = TapPort::open(&config).expect_err("it is open already").to_string();
    assert_eq!(second, "TAP interface `wire0` is in use by another process");
}

#[test]
fn bad_names_are_refused_before_the_kernel_is_asked() {
    for name in ["", "a name", "sixteen-bytes-00", "a/b"] {
        let config = TapConfig { name: name.to_owned(), kernel_address: None, mtu: None };
        let error = TapPort::open(&config).expect_err("no name");
        assert!(matches!(error, TapError::Name(_)), "{error}");
    }
}
