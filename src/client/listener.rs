//! A listener of the feed: takes every message once and in order, asks for what it missed.

use std::net::SocketAddrV4;

use serde::Serialize;

use crate::model::Nanos;
use crate::port::Port;
use crate::port::endpoint::{ArpFrame, Opened, UdpEndpoint};
use crate::wire::ethernet::Mac;
use crate::wire::itch::Message;
use crate::wire::moldudp64::{REQUEST_LENGTH, Receiver};
use crate::wire::session::parse;

/// What a listener heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Messages in order, each once.
    pub messages: u64,
    /// Orders that joined the book.
    pub added: u64,
    /// Executions.
    pub executed: u64,
    /// Orders that left, or shrank.
    pub removed: u64,
    /// Replaces.
    pub replaced: u64,
    /// Messages that came more than once.
    pub duplicates: u64,
    /// Requests made for what was missed.
    pub requests: u64,
    /// Messages known to be missing now.
    pub missing: u64,
    /// Messages that did not decode.
    pub malformed: u64,
}

/// A listener.
pub struct Listener<P: Port> {
    port: P,
    endpoint: UdpEndpoint,
    address: SocketAddrV4,
    source: SocketAddrV4,
    receiver: Receiver,
    heard: Heard,
}

impl<P: Port> Listener<P> {
    /// Listens at `address` (a group or our own) to what `source` publishes.
    pub fn new(port: P, own: SocketAddrV4, group: SocketAddrV4, source: SocketAddrV4) -> Self {
        let mut endpoint = UdpEndpoint::new(Mac::local(*own.ip()), *own.ip()).with_long_frames();
        if group.ip().is_multicast() {
            endpoint.join(*group.ip());
        }
        let receiver = Receiver::new(None, 1);
        Self { port, endpoint, address: own, source, receiver, heard: Heard::default() }
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        Heard {
            duplicates: self.receiver.duplicates,
            requests: self.receiver.requests,
            missing: self.receiver.missing(),
            ..self.heard
        }
    }

    /// Takes what came and asks for what is missing; `each` is shown every message.
    pub fn poll(&mut self, now: Nanos, each: &mut dyn FnMut(&Message)) -> usize {
        let Self { port, endpoint, receiver, heard, source, .. } = self;
        let mut reply: Option<ArpFrame> = None;
        let seen = port.receive(64, &mut |frame, _| match endpoint.open(frame) {
            Opened::Datagram(datagram) if datagram.source == *source => {
                let Ok(packet) = parse(datagram.payload) else { return };
                receiver.receive(&packet, &mut |_, bytes| match Message::decode(bytes) {
                    Ok(message) => {
                        heard.count(&message);
                        each(&message);
                    }
                    Err(_) => heard.malformed += 1,
                });
            }
            Opened::ArpReply(frame) => reply = Some(frame),
            _ => {}
        });
        if let Some(frame) = reply {
            let _ = frame.send(&mut self.port);
        }
        if let Some(request) = self.receiver.request(now) {
            let bytes = request.bytes();
            let fill = &mut |space: &mut [u8]| space.copy_from_slice(&bytes);
            let (own, to) = (self.address.port(), self.source);
            // A request that is not sent is made again.
            let _ = self.endpoint.send(&mut self.port, own, to, REQUEST_LENGTH, fill);
            self.port.flush();
        }
        seen
    }
}

impl Heard {
    fn count(&mut self, message: &Message) {
        self.messages += 1;
        match message {
            Message::AddOrder(_) | Message::AddOrderWithMpid(_) => self.added += 1,
            Message::OrderExecuted(_) | Message::OrderExecutedWithPrice(_) => self.executed += 1,
            Message::OrderCancel(_) | Message::OrderDelete(_) => self.removed += 1,
            Message::OrderReplace(_) => self.replaced += 1,
            _ => {}
        }
    }
}
