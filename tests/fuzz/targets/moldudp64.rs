//! Requests for missed market data, and the receiving side of the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wirematch::model::Nanos;
use wirematch::wire::moldudp64::{Receiver, Request};
use wirematch::wire::session::parse;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.bytes(), bytes);
    }
    let Ok(packet) = parse(bytes) else { return };
    let mut receiver = Receiver::new(None, 1);
    for now in 1..3 {
        receiver.receive(&packet, &mut |_, _| ());
        let _ = receiver.request(Nanos(now));
    }
});
