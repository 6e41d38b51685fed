//! Packets of a session with their blocks, and what a server and a client make of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::model::Nanos;
use wirematch::wire::session::{
    ClientConfig, ClientSession, Control, Login, PACKET_MAX, ServerConfig, ServerSession, parse,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = parse(bytes) else { return };
    assert_eq!(packet.blocks().count(), usize::from(packet.block_count()));
    for block in packet.blocks() {
        let _ = Control::decode(block);
    }
    let mut server = ServerSession::new(ServerConfig::default());
    let login = Login { version: 1, port: 1, nonce: 1, next_tx: 1, next_rx: 1, code: [0; 16] };
    server.login(&login.signed(b"key"), b"key", Nanos(1)).expect("a good login");
    server.logged_in(packet.session(), Nanos(1));
    let mut space = [0; PACKET_MAX];
    server.receive(&packet, Nanos(2), 100, &mut |_| ());
    server.poll(Nanos(3), 100, &mut |_| ());
    while server.write_upkeep(&mut space, Nanos(4)).is_some() {}
    let mut client = ClientSession::new(ClientConfig::default());
    client.log_in(1, b"key", Nanos(1));
    client.receive(&packet, Nanos(2), &mut |_| ());
    client.receive(&packet, Nanos(3), &mut |_| ());
    client.poll(Nanos(4), &mut |_| ());
});
