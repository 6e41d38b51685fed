//! Frames of all kinds at a host that speaks TCP: none makes it panic, each is counted once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::{Ipv4Addr, SocketAddrV4};

use wirematch::model::Nanos;
use wirematch::port::Port;
use wirematch::port::host::{HostConfig, HostCounts, TcpHost};
use wirematch::port::memory::wire;

fuzz_target!(|frames: Vec<Vec<u8>>| {
    let (near, mut far) = wire(16);
    let config = HostConfig {
        address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9880),
        lines: 3,
        half_open: 2,
        bytes: 4096,
        rto_min_ms: 20,
        secret: 7,
    };
    let (mut host, mut acceptor) = TcpHost::new(near, config, Nanos(0));
    let mut shown = 0;
    for (at, frame) in frames.iter().enumerate() {
        let sent = far.transmit(frame.len(), &mut |into| into.copy_from_slice(frame));
        shown += u64::from(sent.is_ok());
        host.poll(Nanos(at as u64 * 1_000_000));
        far.receive(64, &mut |_, _| ());
        let _ = acceptor.accept();
    }
    let HostCounts { segments, strays, echoes, arps, not_for_us, panicked, .. } = host.counts();
    let counted = segments + strays + echoes + arps + not_for_us;
    assert_eq!(counted + host.causes().iter().sum::<u64>(), shown);
    assert_eq!(panicked, 0);
});
