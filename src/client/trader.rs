//! A client's session over a port: logs in, sends, resends, acknowledges; time is an argument.

use std::net::SocketAddrV4;

use crate::model::Nanos;
use crate::port::Port;
use crate::port::endpoint::{ArpFrame, Opened, UdpEndpoint};
use crate::wire::ethernet::Mac;
use crate::wire::session::{ClientConfig, ClientEvent, ClientSession, PACKET_MAX, Refused, parse};

/// Frames taken per poll.
const BURST: usize = 64;

/// Packets sent per poll.
const PACKETS: usize = 32;

/// What a trader is told at construction.
#[derive(Clone, Debug)]
pub struct TraderConfig {
    /// Our address and port.
    pub address: SocketAddrV4,
    /// The gateway's.
    pub gateway: SocketAddrV4,
    /// The session's number.
    pub session: u16,
    /// The session's secret.
    pub key: Vec<u8>,
}

/// A client of the gateway.
pub struct Trader<P: Port> {
    port: P,
    endpoint: UdpEndpoint,
    config: TraderConfig,
    session: ClientSession,
    packet: Box<[u8; PACKET_MAX]>,
    /// Frames and packets that were broken.
    pub malformed: u64,
    /// Packets of gateways that it does not speak with, or not any more.
    pub strays: u64,
}

impl<P: Port> Trader<P> {
    /// A client whose numbers are all still to come.
    pub fn new(port: P, config: TraderConfig) -> Self {
        let address = *config.address.ip();
        let client = ClientConfig { port: config.session, ..ClientConfig::default() };
        Self {
            port,
            endpoint: UdpEndpoint::new(Mac::local(address), address),
            session: ClientSession::new(client),
            config,
            packet: Box::new([0; PACKET_MAX]),
            malformed: 0,
            strays: 0,
        }
    }

    /// The session's state and numbers.
    pub fn session(&self) -> &ClientSession {
        &self.session
    }

    /// For a client that comes back: takes from its own log what it sent and received.
    pub fn session_mut(&mut self) -> &mut ClientSession {
        &mut self.session
    }

    /// The port, to look at.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// From now on speaks with another gateway.
    pub fn turn_to(&mut self, gateway: SocketAddrV4) {
        self.config.gateway = gateway;
    }

    /// Begins to log in.
    pub fn log_in(&mut self, now: Nanos) {
        self.session.log_in(now.0, &self.config.key, now);
    }

    /// Begins to log out.
    pub fn log_out(&mut self, now: Nanos) {
        self.session.log_out(now);
    }

    /// Numbers a message; [`Self::poll`] sends it.
    ///
    /// # Errors
    /// [`Refused`]; nothing was numbered.
    pub fn send(&mut self, message: &[u8]) -> Result<u64, Refused> {
        self.session.send(message)
    }

    /// Takes what came, sends what is due; says how much was done.
    pub fn poll(&mut self, now: Nanos, tell: &mut dyn FnMut(ClientEvent<'_>)) -> usize {
        let Self { port, endpoint, session, config, malformed, strays, .. } = self;
        let mut reply: Option<ArpFrame> = None;
        let seen = port.receive(BURST, &mut |frame, _| match endpoint.open(frame) {
            Opened::Datagram(datagram) if datagram.source == config.gateway => {
                match parse(datagram.payload) {
                    Ok(packet) => session.receive(&packet, now, tell),
                    Err(_) => *malformed += 1,
                }
            }
            Opened::ArpReply(frame) => reply = Some(frame),
            Opened::Malformed(_) => *malformed += 1,
            Opened::Datagram(_) => *strays += 1,
            Opened::Learned | Opened::NotForUs => {}
        });
        if let Some(frame) = reply {
            let _ = frame.send(&mut self.port);
        }
        self.session.poll(now, tell);
        let mut sent = 0;
        while sent < PACKETS
            && let Some(length) = self.session.write(&mut self.packet[..], now)
        {
            let bytes = &self.packet[..length];
            let fill = &mut |space: &mut [u8]| space.copy_from_slice(bytes);
            let (own, to) = (self.config.address.port(), self.config.gateway);
            // What is not sent now is sent again: the session keeps it until it is settled.
            let _ = self.endpoint.send(&mut self.port, own, to, length, fill);
            sent += 1;
        }
        if sent > 0 || reply.is_some() {
            self.port.flush();
        }
        seen + sent
    }
}
