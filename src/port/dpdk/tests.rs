//! DPDK without a card and without privilege: rings, shared memory, captures, and what is refused.

use super::*;
use crate::port::pcap::{Writer, read};

fn open(name: &str) -> Result<DpdkPort, DpdkError> {
    DpdkPort::open(&name.parse().expect(name), &|| Nanos(1))
}

fn send(port: &mut DpdkPort, frame: &[u8]) -> Result<(), Full> {
    port.transmit(frame.len(), &mut |bytes| bytes.copy_from_slice(frame))
}

/// Receives until so many frames have come, or for two seconds.
fn receive(port: &mut DpdkPort, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for _ in 0..2_000 {
        port.receive(64, &mut |frame, _| all.push(frame.to_vec()));
        if all.len() >= count {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    all
}

#[test]
fn a_ring_gives_back_what_it_took_in_order() {
    let mut port = open("ring").expect("a ring");
    let free = port.free_buffers();
    let frames: Vec<Vec<u8>> = (0..100u8).map(|at| vec![at; 60 + usize::from(at)]).collect();
    for frame in &frames {
        send(&mut port, frame).expect("room");
    }
    port.flush();
    assert_eq!(receive(&mut port, 100), frames);
    let counts = port.counts().expect("a device counts");
    assert_eq!((counts.received, counts.sent, counts.missed), (100, 100, 0));
    assert_eq!(port.free_buffers(), free, "every buffer came back");
}

#[test]
fn a_ring_that_nobody_empties_is_full_and_recovers() {
    let mut port = open("ring").expect("a ring");
    let mut taken = 0;
    while send(&mut port, &[7; 60]).is_ok() {
        taken += 1;
        assert!(taken < 100_000, "no end");
    }
    let mut given = 0;
    while given < taken {
        port.flush();
        let some = receive(&mut port, 1).len();
        assert!(some > 0, "what was taken is not lost: {given} of {taken}");
        given += some;
    }
    assert_eq!(send(&mut port, &[7; 60]), Ok(()));
}

#[test]
fn a_capture_is_played_in_and_another_one_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let [into, out] = ["in.pcap", "out.pcap"].map(|name| folder.path().join(name));
    let mut writer = Writer::create(&into, 1 << 20).expect("a file");
    let frames: Vec<Vec<u8>> = (1..9u8).map(|at| vec![at; 60 + usize::from(at)]).collect();
    for frame in &frames {
        writer.write(Nanos(5), frame);
    }
    drop(writer);
    let mut port = open(&format!("pcap:{},out={}", into.display(), out.display())).expect("a port");
    assert_eq!(receive(&mut port, 8), frames);
    for frame in &frames {
        send(&mut port, frame).expect("room");
    }
    port.flush();
    drop(port);
    let kept: Vec<_> = read(&out).expect("a good file").into_iter().map(|f| f.bytes).collect();
    assert_eq!(kept, frames);
}

#[test]
fn null_gives_frames_for_ever() {
    let mut port = open("null").expect("a port");
    assert_eq!(port.receive(32, &mut |frame, _| assert_eq!(frame.len(), 64)), 32);
    assert_eq!(send(&mut port, &[0; 64]), Ok(()));
}

#[test]
fn what_is_not_there_is_refused_with_a_cure() {
    for (name, word) in [
        ("af_packet:nosuch0", "ip link"),
        ("pcap:/nosuch/file.pcap", "a capture"),
        ("dpdk:0000:ff:1f.7", "card"),
    ] {
        let error = open(name).expect_err(name).to_string();
        assert!(error.contains(word), "{error}");
    }
}
