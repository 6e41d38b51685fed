//! Two endpoints on one wire in memory.

use std::net::{Ipv4Addr, SocketAddrV4};

use proptest::prelude::*;

use super::*;
use crate::port::memory::{MemoryPort, wire};

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

fn left() -> UdpEndpoint {
    UdpEndpoint::new(Mac([2, 0, 0, 0, 0, 1]), LEFT)
}

fn right() -> UdpEndpoint {
    UdpEndpoint::new(Mac([2, 0, 0, 0, 0, 2]), RIGHT)
}

fn send(from: &mut UdpEndpoint, port: &mut MemoryPort, to: Ipv4Addr) -> Result<(), SendError> {
    let to = SocketAddrV4::new(to, 5000);
    from.send(port, 4000, to, 3, &mut |payload| payload.copy_from_slice(b"abc"))
}

/// Shows the next frame to an endpoint.
fn next<T>(
    at: &mut UdpEndpoint,
    port: &mut MemoryPort,
    look: &mut dyn FnMut(Opened<'_>) -> T,
) -> T {
    let mut outcome = None;
    port.receive(1, &mut |frame, _| outcome = Some(look(at.open(frame))));
    outcome.expect("a frame is waiting")
}

#[test]
fn strangers_meet_by_arp_and_replies_need_none() {
    let (mut at_left, mut at_right) = wire(8);
    let (mut left, mut right) = (left(), right());
    assert_eq!(send(&mut left, &mut at_left, RIGHT), Err(SendError::NoNeighbour));

    let reply = next(&mut right, &mut at_right, &mut |opened| match opened {
        Opened::ArpReply(reply) => reply,
        other => panic!("an ARP request was opened as {other:?}"),
    });
    reply.send(&mut at_right).expect("room");
    next(&mut left, &mut at_left, &mut |opened| assert_eq!(opened, Opened::Learned));
    assert_eq!(left.neighbour(RIGHT), Some(right.mac()));

    assert_eq!(send(&mut left, &mut at_left, RIGHT), Ok(()));
    next(&mut right, &mut at_right, &mut |opened| {
        let source = SocketAddrV4::new(LEFT, 4000);
        let destination = SocketAddrV4::new(RIGHT, 5000);
        let expected = Datagram { source, destination, payload: b"abc" };
        assert_eq!(opened, Opened::Datagram(expected));
    });
    assert_eq!(send(&mut right, &mut at_right, LEFT), Ok(()));
}

#[test]
fn only_members_of_a_group_hear_it() {
    let (mut at_left, mut at_right) = wire(8);
    let (mut left, mut right) = (left(), right());
    assert_eq!(send(&mut left, &mut at_left, GROUP), Ok(()));
    next(&mut right, &mut at_right, &mut |opened| assert_eq!(opened, Opened::NotForUs));
    assert!(right.join(GROUP) && !right.join(LEFT));
    assert_eq!(send(&mut left, &mut at_left, GROUP), Ok(()));
    next(&mut right, &mut at_right, &mut |opened| {
        assert!(matches!(opened, Opened::Datagram(_)), "{opened:?}");
    });
}

#[test]
fn what_is_outside_the_subnet_goes_by_the_router() {
    let (mut at_left, mut at_right) = wire(8);
    let mut left = left().with_router(24, RIGHT);
    let mut right = right();
    left.set_neighbour(RIGHT, right.mac());
    assert_eq!(send(&mut left, &mut at_left, Ipv4Addr::new(192, 0, 2, 1)), Ok(()));
    // It reaches the router's station, whose own endpoint is not meant.
    next(&mut right, &mut at_right, &mut |opened| assert_eq!(opened, Opened::NotForUs));
    let near = Ipv4Addr::new(10, 0, 0, 77);
    assert_eq!(send(&mut left, &mut at_left, near), Err(SendError::NoNeighbour));
}

#[test]
fn a_full_port_is_said_to_be_full() {
    let (mut at_left, _at_right) = wire(2);
    let mut left = left();
    left.set_neighbour(RIGHT, Mac([2, 0, 0, 0, 0, 2]));
    let refused = (0..1000).find_map(|_| send(&mut left, &mut at_left, RIGHT).err());
    assert_eq!(refused, Some(SendError::Full));
    let to = SocketAddrV4::new(RIGHT, 1);
    let long = left.send(&mut at_left, 1, to, 65_508, &mut |_| panic!("nothing to fill"));
    assert_eq!(long, Err(SendError::TooLong));
}

#[test]
fn a_broken_frame_is_malformed_and_teaches_nothing() {
    let (mut at_left, mut at_right) = wire(8);
    let (mut left, mut right) = (left(), right());
    left.set_neighbour(RIGHT, right.mac());
    send(&mut left, &mut at_left, RIGHT).expect("room");
    at_right.receive(1, &mut |frame, _| {
        let mut broken = frame.to_vec();
        broken[HEADERS] ^= 1;
        assert_eq!(right.open(&broken), Opened::Malformed(DecodeError::UdpChecksum));
    });
    assert_eq!(right.neighbour(LEFT), None);
}

#[test]
fn what_a_datagram_claimed_is_confirmed_or_mended_by_arp() {
    let (mut at_left, mut at_right) = wire(8);
    let (mut left, mut right) = (left(), right());
    // A liar on left's side of the wire sends under left's address.
    let mut liar = UdpEndpoint::new(Mac([2, 0, 0, 0, 0, 66]), LEFT);
    liar.set_neighbour(RIGHT, right.mac());
    send(&mut liar, &mut at_left, RIGHT).expect("room");
    next(&mut right, &mut at_right, &mut |opened| {
        assert!(matches!(opened, Opened::Datagram(_)), "{opened:?}");
    });
    assert_eq!(right.neighbour(LEFT), Some(liar.mac()));

    assert_eq!(send(&mut right, &mut at_right, LEFT), Ok(()), "the reply does not wait");
    let answer = next(&mut left, &mut at_left, &mut |opened| match opened {
        Opened::ArpReply(answer) => answer,
        other => panic!("a question was opened as {other:?}"),
    });
    answer.send(&mut at_left).expect("room");
    next(&mut right, &mut at_right, &mut |opened| assert_eq!(opened, Opened::Learned));
    assert_eq!(right.neighbour(LEFT), Some(left.mac()));

    send(&mut liar, &mut at_left, RIGHT).expect("room");
    next(&mut right, &mut at_right, &mut |_| ());
    assert_eq!(right.neighbour(LEFT), Some(left.mac()), "ARP has said otherwise");
}

proptest! {
    #[test]
    fn arbitrary_frames_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..90),
        kind in 0usize..3,
    ) {
        let mut bytes = bytes;
        if let Some(header) = bytes.first_chunk_mut() {
            let kind = [EtherType::Ipv4, EtherType::Arp, EtherType::Other(7)][kind];
            ethernet::write(header, right().mac(), left().mac(), kind);
        }
        if let Opened::Datagram(datagram) = right().open(&bytes) {
            prop_assert!(datagram.payload.len() < bytes.len());
        }
    }
}

#[test]
fn a_client_beside_us_may_have_the_loops_address_and_one_on_the_wire_may_not() {
    // The kernel's port made this station of the address; a wire's station is another.
    let (mut at_left, mut at_right) = wire(8);
    let mut right = right();
    for (station, is_taken) in [(Mac::local(Ipv4Addr::LOCALHOST), true), (left().mac(), false)] {
        let mut client = UdpEndpoint::new(station, Ipv4Addr::LOCALHOST);
        client.set_neighbour(RIGHT, right.mac());
        assert_eq!(send(&mut client, &mut at_left, RIGHT), Ok(()));
        next(&mut right, &mut at_right, &mut |opened| match opened {
            Opened::Datagram(_) => assert!(is_taken),
            other => assert!(!is_taken && other == Opened::Malformed(DecodeError::Ipv4Source)),
        });
    }
}
