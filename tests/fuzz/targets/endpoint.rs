//! Ethernet, ARP, IPv4 and UDP, as an endpoint opens them: a frame twice, for it learns.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;

use wirematch::port::endpoint::{Opened, UdpEndpoint};
use wirematch::wire::ethernet::Mac;

fuzz_target!(|frame: &[u8]| {
    let address = Ipv4Addr::new(10, 0, 0, 1);
    let mut endpoint = UdpEndpoint::new(Mac::local(address), address);
    let first = matches!(endpoint.open(frame), Opened::Datagram(_));
    let again = matches!(endpoint.open(frame), Opened::Datagram(_));
    assert_eq!(first, again, "what a frame is does not depend on what was learnt");
});
