//! What both machines publish, by number: a listener of both groups that asks for what it missed.

use std::collections::BTreeMap;
use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use wirematch::wire::itch::Message;
use wirematch::wire::moldudp64::Request;
use wirematch::wire::session::{Packet, Token};

use super::pair::Pair;

/// Messages by number, as the group was told them.
#[derive(Default)]
struct Heard {
    session: Option<Token>,
    messages: BTreeMap<u64, Vec<u8>>,
    /// Numbers that meant two different messages.
    contradicted: Vec<u64>,
    /// The number that is said to come next.
    next: u64,
}

impl Heard {
    fn take(&mut self, bytes: &[u8]) {
        let packet = Packet::parse(bytes, Message::LENGTH_MAX).expect("a good packet");
        let session = *self.session.get_or_insert(packet.session());
        assert_eq!(session, packet.session(), "the session goes on");
        let after = packet.seq() + u64::from(packet.block_count());
        self.next = self.next.max(after);
        for (number, block) in (packet.seq()..).zip(packet.blocks()) {
            let known = self.messages.entry(number).or_insert_with(|| block.to_vec());
            if known != block {
                self.contradicted.push(number);
            }
        }
    }
}

/// The listener.
pub struct Tape {
    heard: Arc<Mutex<Heard>>,
    /// Where each machine is asked for messages again.
    asked: [SocketAddrV4; 2],
    is_over: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<()>>,
}

/// An address of a configuration's feed.
fn address_in(config: &Path, key: &str) -> SocketAddrV4 {
    let text = std::fs::read_to_string(config).expect("it is there");
    let feed = text.split_once("[feed]").expect("it has a feed").1;
    let value = feed.split_once(&format!("{key} = \"")).expect("the key is there").1;
    value.split_once('"').expect("it is quoted").0.parse().expect("an address")
}

impl Tape {
    /// Listens to both machines.
    pub fn of(pair: &Pair) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let is_over = Arc::<AtomicBool>::default();
        let listener = |config: &Path| {
            let socket = UdpSocket::bind(address_in(config, "group")).expect("it is free");
            socket.set_read_timeout(Some(Duration::from_millis(20))).expect("it has time-outs");
            let (heard, is_over) = (Arc::clone(&heard), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let mut room = [0; 2_048];
                while !is_over.load(Ordering::Relaxed) {
                    if let Ok(length) = socket.recv(&mut room) {
                        heard.lock().expect("nobody panics with it").take(&room[..length]);
                    }
                }
            })
        };
        let listeners = pair.configs.iter().map(|config| listener(config)).collect();
        let asked = [0, 1].map(|at: usize| address_in(&pair.configs[at], "address"));
        Self { heard, asked, is_over, listeners }
    }

    fn missing(&self) -> Option<(Token, u64)> {
        let heard = self.heard.lock().expect("nobody panics with it");
        let first = (1..heard.next).find(|number| !heard.messages.contains_key(number))?;
        Some((heard.session?, first))
    }

    /// Asks the machine for what is missing until nothing is; all messages, in order.
    pub fn whole(mut self, machine: usize) -> Vec<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("it has time-outs");
        let mut patience = 20_000;
        while let Some((session, sequence_number)) = self.missing() {
            let request = Request { session, sequence_number, requested_message_count: 1_000 };
            socket.send_to(&request.bytes(), self.asked[machine]).expect("loopback takes it");
            let mut room = [0; 2_048];
            if let Ok(length) = socket.recv(&mut room) {
                self.heard.lock().expect("nobody panics with it").take(&room[..length]);
            }
            patience -= 1;
            assert!(patience > 0, "message {sequence_number} is never sent again");
        }
        self.is_over.store(true, Ordering::Relaxed);
        for listener in self.listeners.drain(..) {
            listener.join().expect("every packet was good");
        }
        let mut heard = self.heard.lock().expect("nobody panics with it");
        assert_eq!(heard.contradicted, [0; 0], "a number means one message");
        std::mem::take(&mut heard.messages).into_values().collect()
    }
}
