//! A client without manners: it logs in as it should and then sends whatever a test likes.

use std::net::SocketAddrV4;

use wirematch::client::TraderConfig;
use wirematch::port::Port;
use wirematch::port::endpoint::{Opened, UdpEndpoint};
use wirematch::wire::ethernet::Mac;
use wirematch::wire::session::control::Ack;
use wirematch::wire::session::{
    Control, Login, LoginRejectCode, PACKET_MAX, PacketWriter, Token, parse,
};

use super::network::Card;
use super::{GATEWAY, World, trader_config};

/// What packets carry before a login was answered.
pub const NO_TOKEN: Token = [b' '; 10];

/// The client.
pub struct Raw {
    pub port: Card,
    endpoint: UdpEndpoint,
    pub config: TraderConfig,
    pub token: Token,
    /// The number of the next message, and of the next reply.
    pub next_tx: u64,
    pub next_rx: u64,
    /// Messages below this are settled.
    pub settled: u64,
    pub replies: Vec<Vec<u8>>,
    pub refusal: Option<LoginRejectCode>,
    /// Whether it says what it has received.
    pub acknowledges: bool,
}

impl Raw {
    /// Not connected yet.
    pub fn new(session: u16, world: &mut World) -> Self {
        let config = trader_config(session);
        let address = *config.address.ip();
        let mut endpoint = UdpEndpoint::new(Mac::local(address), address);
        endpoint.set_neighbour(*GATEWAY.ip(), Mac::local(*GATEWAY.ip()));
        Self {
            port: world.entry.connect(Mac::local(address)),
            endpoint,
            config,
            token: NO_TOKEN,
            next_tx: 1,
            next_rx: 1,
            settled: 1,
            replies: vec![],
            refusal: None,
            acknowledges: true,
        }
    }

    /// A login as it should be; tests spoil it.
    pub fn login(&self, world: &World) -> Login {
        let (port, nonce) = (self.config.session, world.now.0);
        let (next_tx, next_rx) = (self.next_tx, self.next_rx);
        Login { version: 1, port, nonce, next_tx, next_rx, code: [0; 16] }.signed(&self.config.key)
    }

    /// Logs in and waits for the answer: whether it was good.
    pub fn log_in(&mut self, world: &mut World) -> bool {
        let login = self.login(world);
        self.ask(&login, world)
    }

    /// Sends this login and waits for the answer: whether it was good.
    pub fn ask(&mut self, login: &Login, world: &mut World) -> bool {
        (self.token, self.refusal) = (NO_TOKEN, None);
        self.send(&packet(NO_TOKEN, 1, &[&login.block()]));
        for _ in 0..400 {
            self.live(world);
            if self.token != NO_TOKEN || self.refusal.is_some() {
                break;
            }
        }
        self.token != NO_TOKEN
    }

    /// Sends a payload to the gateway.
    pub fn send(&mut self, payload: &[u8]) {
        self.send_to(GATEWAY, payload);
    }

    /// Sends a payload from its own port to any place.
    pub fn send_to(&mut self, to: SocketAddrV4, payload: &[u8]) {
        let Self { port, endpoint, config, .. } = self;
        let fill = &mut |space: &mut [u8]| space.copy_from_slice(payload);
        // A wire that is full loses.
        let _ = endpoint.send(port, config.address.port(), to, payload.len(), fill);
    }

    /// Sends a frame as it is.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let _ = self.port.transmit(frame.len(), &mut |space| space.copy_from_slice(frame));
    }

    /// Sends a message under its number.
    pub fn say(&mut self, message: &[u8]) {
        let bytes = packet(self.token, self.next_tx, &[message]);
        self.next_tx += 1;
        self.send(&bytes);
    }

    /// The world goes on a little, and what came is taken.
    pub fn live(&mut self, world: &mut World) {
        world.steps(100);
        let Self { port, endpoint, token, next_rx, settled, replies, refusal, .. } = self;
        port.receive(64, &mut |frame, _| {
            let Opened::Datagram(datagram) = endpoint.open(frame) else { return };
            let packet = parse(datagram.payload).expect("the gateway's packets are good");
            let mut number = packet.seq();
            for block in packet.blocks() {
                match Control::decode(block) {
                    Ok(Control::LoginAck(ack)) => (*token, *settled) = (ack.session, ack.next_rx),
                    Ok(Control::LoginReject(reject)) => {
                        *refusal = LoginRejectCode::from_code(reject.code);
                    }
                    Ok(Control::Ack(ack)) => *settled = ack.next_expected,
                    _ => {
                        if number == *next_rx {
                            *next_rx += 1;
                            replies.push(block.to_vec());
                        }
                        number += 1;
                    }
                }
            }
        });
        // Also a sign of life.
        if self.acknowledges && self.token != NO_TOKEN {
            let ack = Ack { next_expected: self.next_rx }.block();
            self.send(&packet(self.token, self.next_tx, &[&ack]));
        }
    }

    /// Sends a message and returns all replies that follow until it is settled and a little after.
    pub fn answers(&mut self, message: &[u8], world: &mut World) -> Vec<Vec<u8>> {
        self.replies.clear();
        self.say(message);
        for _ in 0..400 {
            self.live(world);
            if self.settled >= self.next_tx {
                break;
            }
        }
        (0..4).for_each(|_| self.live(world));
        std::mem::take(&mut self.replies)
    }
}

/// A packet of blocks.
pub fn packet(token: Token, seq: u64, blocks: &[&[u8]]) -> Vec<u8> {
    let mut space = [0; PACKET_MAX];
    let mut writer = PacketWriter::new(&mut space, token, seq).expect("a header fits");
    for block in blocks {
        assert!(writer.push(block), "a packet holds its blocks");
    }
    let length = writer.finish();
    space[..length].to_vec()
}
