//! Our sessions at other appliances: what is routed there leaves when the gate has released it, and
//! what they say comes in by the sequencer.
//!
//! ```text
//!  away ─► routed (a fold: the same after a crash) ─► session ─► port ─► the peer's gateway
//!  sequencer ◄─ reports, numbered by the peer ◄────── session ◄─ port ◄─
//! ```
//!
//! Both ways each message counts once: the numbers of what was sent follow from history, the peer
//! says which it has; and history says which of its numbers were taken.

mod decode;
mod encode;
mod peer;
#[cfg(test)]
mod tests;

use std::net::SocketAddrV4;

pub use peer::PeerSpec;

use crate::link::{Consumer, Producer};
use crate::model::{Command, Fault, Group, Instrument, LINES_MAX, Nanos, Request};
use crate::port::Port;
use crate::port::endpoint::{ArpFrame, Opened, UdpEndpoint};
use crate::runtime::{Counters, Stage};
use crate::snapshot::part;
use crate::stage::gateway::Symbols;
use crate::stage::peers::peer::Peer;
use crate::stage::{BURST, Gate};
use crate::wire::ethernet::Mac;
use crate::wire::session::{PACKET_MAX, WINDOW_MAX, parse};

crate::counters! {
    /// What the stage that speaks with other appliances counts.
    pub PeersCounter {
        Routed: "messages taken to be sent",
        Reports: "reports sent to the sequencer",
        Packets: "packets sent",
        Malformed: "frames and packets that were broken",
        Closed: "polls in which the sequencer's link was full",
        Foreign: "peers that know of messages that are not in the journal here",
    }
}

/// What is told at boot.
#[derive(Clone, Debug)]
pub struct PeersOptions {
    /// Our address and port.
    pub address: SocketAddrV4,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// The other appliances.
    pub peers: Vec<PeerSpec>,
    /// Messages to one of them that it may not have on record yet.
    pub in_flight_max: usize,
}

/// All peers: a fold over history, until the stage goes on from it.
#[derive(Debug)]
pub struct PeersState {
    address: SocketAddrV4,
    symbols: Symbols,
    peers: Vec<Peer>,
}
part!(PeersState {} all { peers } kept { address, symbols });

impl PeersState {
    /// Before the first message.
    pub fn new(options: &PeersOptions) -> Self {
        let peer = |spec: &PeerSpec| Peer::new(spec.clone(), options.in_flight_max);
        Self {
            address: options.address,
            symbols: Symbols::new(&options.instruments),
            peers: options.peers.iter().map(peer).collect(),
        }
    }

    /// Of an appliance that is alone.
    pub fn none() -> Self {
        let address = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
        Self::new(&PeersOptions {
            address,
            instruments: Vec::new(),
            peers: Vec::new(),
            in_flight_max: 0,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Takes a command from the record.
    pub fn restore_command(&mut self, command: &Command) {
        if command.is_away()
            && let Some(peer) = self.peers.iter_mut().find(|p| p.spec.session == command.session)
        {
            peer.restore(command);
        }
    }

    /// Takes a message that history routes.
    pub fn restore_routed(&mut self, message: &Group<Command>) {
        let to = message.head.session;
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.spec.session == to) {
            peer.keep(message);
        }
    }
}

/// Lines that the reports of one packet may need, with those that waited for it.
const ROOM_PER_FRAME: usize = 2 * (2 * WINDOW_MAX as usize + 8);
const _: () = assert!(ROOM_PER_FRAME >= 2 * LINES_MAX);

/// Lines of the link to the sequencer.
pub const REPORTS_DEPTH: usize = 4 * ROOM_PER_FRAME;

/// The stage.
pub struct Peers {
    port: Box<dyn Port>,
    endpoint: UdpEndpoint,
    state: PeersState,
    routed: Consumer<Command>,
    requests: Producer<Request>,
    gate: Gate,
    message: Group<Command>,
    packet: Box<[u8; PACKET_MAX]>,
    is_stopping: bool,
    /// Counters, for whoever shows them.
    pub counters: Counters<PeersCounter>,
}

impl Peers {
    /// Goes on from what a replay may have filled.
    pub fn new(
        port: Box<dyn Port>,
        state: PeersState,
        routed: Consumer<Command>,
        requests: Producer<Request>,
        gate: Gate,
    ) -> Self {
        let address = *state.address.ip();
        Self {
            port,
            endpoint: UdpEndpoint::new(Mac::local(address), address),
            state,
            routed,
            requests,
            gate,
            message: Group::new(Command::new(crate::model::CommandKind::Tick)),
            packet: Box::new([0; PACKET_MAX]),
            is_stopping: false,
            counters: Counters::default(),
        }
    }

    /// Takes what was routed and released.
    fn take_routed(&mut self, now: Nanos) -> usize {
        let Self { gate, routed, message, state, counters, .. } = self;
        let each = |message: &Group<Command>| state.restore_routed(message);
        let count = gate.take_released(now, routed, message, each);
        counters.add(PeersCounter::Routed, count as u64);
        count
    }

    /// Takes frames while the sequencer has room for what they may bring.
    fn take_frames(&mut self, now: Nanos) -> usize {
        let mut frames = 0;
        while frames < BURST {
            if self.requests.credits(ROOM_PER_FRAME) < ROOM_PER_FRAME {
                self.counters.count(PeersCounter::Closed);
                break;
            }
            let Self { port, endpoint, state, requests, counters, .. } = self;
            let own = state.address;
            let mut reply: Option<ArpFrame> = None;
            let seen = port.receive(1, &mut |frame, _| match endpoint.open(frame) {
                Opened::Datagram(datagram) if datagram.destination == own => {
                    let from = datagram.source;
                    let peer = state.peers.iter_mut().find(|peer| peer.spec.gateway == from);
                    match (peer, parse(datagram.payload)) {
                        (Some(peer), Ok(packet)) => {
                            peer.receive(&packet, now, &mut |request| {
                                counters.count(PeersCounter::Reports);
                                let sent = requests.push(request);
                                debug_assert!(sent, "room was asked for");
                            });
                        }
                        _ => counters.count(PeersCounter::Malformed),
                    }
                }
                Opened::ArpReply(frame) => reply = Some(frame),
                Opened::Malformed(_) => counters.count(PeersCounter::Malformed),
                Opened::Datagram(_) | Opened::Learned | Opened::NotForUs => {}
            });
            if let Some(frame) = reply {
                let _ = frame.send(port);
                port.flush();
            }
            if seen == 0 {
                break;
            }
            frames += seen;
        }
        frames
    }

    /// Says on record what changed, hands over what may go, and sends it.
    fn go_on(&mut self, now: Nanos) -> usize {
        let Self { port, endpoint, state, requests, counters, packet, .. } = self;
        let PeersState { address, symbols, peers } = state;
        let mut sent = 0;
        for peer in peers {
            peer.machine.poll(now, &mut |_| ());
            if requests.credits(1) > 0 {
                peer.tell(now, &mut |request| {
                    let sent = requests.push(request);
                    debug_assert!(sent, "room was asked for");
                });
            }
            let was_foreign = peer.is_foreign;
            if !self.is_stopping {
                peer.go_on(symbols, now);
            }
            if peer.is_foreign && !was_foreign {
                counters.count(PeersCounter::Foreign);
            }
            while let Some(length) = peer.machine.write(&mut packet[..], now) {
                let bytes = packet.get(..length).unwrap_or(&[]);
                let fill = &mut |space: &mut [u8]| space.copy_from_slice(bytes);
                // What is not sent now is sent again: the session keeps it until it is settled.
                let _ = endpoint.send(port, address.port(), peer.spec.gateway, length, fill);
                counters.count(PeersCounter::Packets);
                sent += 1;
            }
        }
        if sent > 0 {
            self.port.flush();
        }
        sent
    }
}

impl Stage for Peers {
    fn name(&self) -> &str {
        "peers"
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let routed = self.take_routed(now);
        let frames = self.take_frames(now);
        let sent = self.go_on(now);
        Ok(routed + frames + sent)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.routed.show_fill();
    }

    fn stop(&mut self, now: Nanos) {
        self.is_stopping = true;
        self.state.peers.iter_mut().for_each(|peer| peer.machine.log_out(now));
    }
}
