//! Whatever comes to a host, each frame is counted once: by its cause, or as what it was.

use std::net::{Ipv4Addr, SocketAddrV4};

use proptest::prelude::*;

use super::*;
use crate::port::memory::{MemoryPort, wire};

const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 78, 0, 2), 9880);

fn host() -> (TcpHost<MemoryPort>, HostAcceptor, MemoryPort) {
    let (near, far) = wire(64);
    let config = HostConfig {
        address: HERE,
        lines: 4,
        half_open: 2,
        bytes: 4096,
        rto_min_ms: 20,
        secret: 3,
    };
    let (host, acceptor) = TcpHost::new(near, config, Nanos(0));
    (host, acceptor, far)
}

fn total(host: &TcpHost<MemoryPort>) -> u64 {
    let HostCounts { segments, strays, echoes, arps, not_for_us, .. } = host.counts();
    host.causes().iter().sum::<u64>() + segments + strays + echoes + arps + not_for_us
}

/// A frame that gets some way: right addresses, a right header, a known protocol, as far as the
/// numbers say.
fn frame((station, kind, protocol, depth): (u8, u8, u8, u8), rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14];
    let to = [Mac::local(*HERE.ip()), Mac::BROADCAST, Mac([2, 0, 0, 0, 0, 77])];
    let kinds = [EtherType::Ipv4, EtherType::Ipv4, EtherType::Arp, EtherType::Ipv6];
    let header = frame.first_chunk_mut().expect("room");
    let from = Mac([if station > 200 { 3 } else { 2 }; 6]);
    let kind = kinds[usize::from(kind) % 4];
    crate::wire::ethernet::write(header, to[usize::from(station) % 3], from, kind);
    if depth > 20 && kind == EtherType::Ipv4 {
        let mut head = [0; 20];
        let protocol = [6, 6, 6, 1, 17][usize::from(protocol) % 5];
        let from = Ipv4Addr::new(10, 78, 0, depth);
        ipv4::write(&mut head, from, *HERE.ip(), protocol, rest.len() as u16);
        frame.extend(head);
    }
    frame.extend(rest);
    frame
}

proptest! {
    #[test]
    fn each_frame_is_counted_once(
        frames in prop::collection::vec(
            (any::<(u8, u8, u8, u8)>(), prop::collection::vec(any::<u8>(), 0..60)),
            1..60,
        ),
    ) {
        let (mut host, mut acceptor, mut far) = host();
        for (at, (kind, rest)) in frames.iter().enumerate() {
            let frame = frame(*kind, rest);
            let sent = far.transmit(frame.len(), &mut |into| into.copy_from_slice(&frame));
            prop_assert!(sent.is_ok());
            host.poll(Nanos(at as u64 * 1_000_000));
            far.receive(64, &mut |_, _| ());
            let _ = acceptor.accept();
            prop_assert_eq!(total(&host), at as u64 + 1, "{:?}", frame);
        }
        prop_assert_eq!(host.counts().panicked, 0);
    }
}
