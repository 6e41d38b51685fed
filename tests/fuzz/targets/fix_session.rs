//! Messages of a FIX session, right in form and wrong in everything else, after a good logon.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::command::fix_echo::Echo;
use wirematch::model::Nanos;
use wirematch::wire::fix::Version;
use wirematch::wire::fix::session::{Endpoint, Identity, MemoryStore, Role, SessionConfig};

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = [format!("8=FIX.4.4\x019={}\x01", body.len()).as_bytes(), body].concat();
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    bytes.extend(format!("10={sum:03}\x01").bytes());
    bytes
}

fuzz_target!(|bodies: Vec<Vec<u8>>| {
    let now = Nanos(1_795_342_272_000_000_000);
    let identity =
        Identity { version: Version::Fix44, sender: "WE".into(), target: "THEY".into() };
    let config = SessionConfig::new(Role::Acceptor, identity);
    let (mut endpoint, mut echo) = (Endpoint::new(config, MemoryStore::new(64)), Echo::default());
    endpoint.connected(now, &mut echo);
    let head = "35=A\x0149=THEY\x0156=WE\x0134=1\x0152=20261122-10:11:12\x01";
    endpoint.receive(&framed(format!("{head}98=0\x01108=30\x01").as_bytes()), now, &mut echo);
    for (body, at) in bodies.iter().zip(0..) {
        let now = Nanos(now.0 + at * 1_000_000_000);
        endpoint.receive(&framed(body), now, &mut echo);
        let with_head = [head.replace("35=A", "35=D").as_bytes(), body].concat();
        endpoint.receive(&framed(&with_head), now, &mut echo);
        endpoint.tick(now, &mut echo);
    }
});
