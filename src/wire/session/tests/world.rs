//! A client, a server that keeps a record, and a network that loses, repeats, delays and cuts.
//!
//! Both ends are killed and come back with what they had written down. In the end every message
//! was executed once or declared not applied, in order, and every reply came once, in order.

use super::{KEY, MILLISECOND};
use crate::model::Nanos;
use crate::wire::session::*;

/// Schedules a test runs through.
const SEEDS: u64 = 1500;
/// Steps of a schedule before the network heals.
const STEPS: usize = 500;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

/// What happens to packets and processes, per mille.
#[derive(Clone, Copy, Default)]
struct Trouble {
    loss: u64,
    repeat: u64,
    delay: u64,
    cut: u64,
    server_killed: u64,
    client_killed: u64,
}

/// What the server writes down. What was not yet on disk is lost when it is killed.
#[derive(Clone, Debug)]
enum Record {
    Message { seq: u64, bytes: Vec<u8> },
    NotApplied { from: u64, count: u32 },
    Login { nonce: u64 },
}

/// What the client was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Reply(Vec<u8>),
    NotApplied { from: u64, count: u32 },
}

struct Flight {
    at: Nanos,
    to_server: bool,
    bytes: Vec<u8>,
}

struct World {
    random: Random,
    trouble: Trouble,
    now: Nanos,
    wire: Vec<Flight>,
    server: ServerSession,
    record: Vec<Record>,
    on_disk: usize,
    tokens: u64,
    client: ClientSession,
    nonce: u64,
    sent: Vec<Vec<u8>>,
    told: Vec<Told>,
}

fn server() -> ServerSession {
    ServerSession::new(ServerConfig {
        heartbeat: Nanos(MILLISECOND),
        outbox: 64,
        flight: 48,
        ..ServerConfig::default()
    })
}

fn client() -> ClientSession {
    ClientSession::new(ClientConfig {
        port: 7,
        resend_after: Nanos(2 * MILLISECOND),
        request_after: Nanos(MILLISECOND),
        ack_delay: Nanos(MILLISECOND / 2),
    })
}

/// The replies to a message: none, one or two, of any size.
fn replies(seq: u64) -> Vec<Vec<u8>> {
    let size = 9 + (seq * 7 % 120) as usize;
    (0..seq * 5 % 3).map(|nth| [&seq.to_be_bytes()[..], &vec![nth as u8; size]].concat()).collect()
}

impl World {
    fn new(seed: u64, trouble: Trouble) -> Self {
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            trouble,
            now: Nanos(1),
            wire: Vec::new(),
            server: server(),
            record: Vec::new(),
            on_disk: 0,
            tokens: 0,
            client: client(),
            nonce: 0,
            sent: Vec::new(),
            told: Vec::new(),
        }
    }

    fn post(&mut self, to_server: bool, bytes: &[u8]) {
        let (random, trouble) = (&mut self.random, self.trouble);
        let copies = 1 + u64::from(random.per_mille(trouble.repeat));
        for _ in 0..copies {
            if random.per_mille(trouble.loss) {
                continue;
            }
            let is_late = random.per_mille(trouble.delay);
            let delay = random.below(if is_late { 8 * MILLISECOND } else { 20_000 });
            let is_cut = random.per_mille(trouble.cut);
            let length =
                if is_cut { random.below(bytes.len() as u64) as usize } else { bytes.len() };
            let at = Nanos(self.now.0 + delay);
            self.wire.push(Flight { at, to_server, bytes: bytes[..length].to_vec() });
        }
    }

    fn step(&mut self, may_send: bool) {
        self.now.0 += self.random.below(150_000);
        self.deliver();
        self.server_turn();
        self.client_turn(may_send);
        if self.random.per_mille(self.trouble.server_killed) {
            self.kill_server();
        }
        if self.random.per_mille(self.trouble.client_killed) {
            self.kill_client();
        }
    }

    fn deliver(&mut self) {
        self.wire.sort_by_key(|flight| flight.at);
        let due = self.wire.partition_point(|flight| flight.at <= self.now);
        for flight in self.wire.drain(..due).collect::<Vec<_>>() {
            let Ok(packet) = parse(&flight.bytes) else { continue };
            if !flight.to_server {
                let told = &mut self.told;
                self.client.receive(&packet, self.now, &mut |event| note(told, event));
            } else if let Some(login) = login_of(&packet) {
                self.log_in(&login);
            } else {
                self.serve(&packet);
            }
        }
    }

    fn log_in(&mut self, login: &Login) {
        match self.server.login(login, KEY, self.now) {
            Ok(LoginStep::New) => self.record.push(Record::Login { nonce: login.nonce }),
            Ok(LoginStep::Repeated) => {}
            Err(code) => {
                let mut bytes = [0; PACKET_MAX];
                let length = write_login_reject(&mut bytes, login, code).expect("room");
                self.post(false, &bytes[..length]);
            }
        }
    }

    fn serve(&mut self, packet: &Packet<'_>) {
        let room = [0, 1, 4, 100][self.random.below(4) as usize];
        let mut asked = Vec::new();
        let before = self.record.len();
        let record = &mut self.record;
        self.server.receive(packet, self.now, room, &mut |delivery| {
            take(record, &mut asked, delivery);
        });
        assert!(self.record.len() - before <= room, "more was delivered than there was room");
        for (from, count) in asked {
            self.send_again(from, count);
        }
    }

    /// Sends replies again: what the session keeps, and from the record what it does not.
    fn send_again(&mut self, mut from: u64, mut count: u16) {
        let mut bytes = [0; PACKET_MAX];
        while count > 0 {
            let (length, written) = match self.server.write_retransmit(from, count, &mut bytes) {
                Retransmit::Packet { length, count } => (length, count),
                Retransmit::AgedOut { .. } => self.write_from_record(from, &mut bytes),
                Retransmit::Nothing => break,
            };
            self.post(false, &bytes[..length]);
            (from, count) = (from + u64::from(written), count - written);
        }
    }

    fn write_from_record(&self, from: u64, bytes: &mut [u8]) -> (usize, u16) {
        let block = self.reply(from);
        let mut packet = PacketWriter::new(bytes, self.server.token(), from).expect("room");
        assert!(packet.push(&block));
        (packet.finish(), 1)
    }

    /// A reply, from the record.
    fn reply(&self, number: u64) -> Vec<u8> {
        let mut told = self.record[..self.on_disk].iter().flat_map(told_of);
        match told.nth(number as usize - 1).expect("it was numbered before") {
            Told::Reply(bytes) => bytes,
            Told::NotApplied { from, count } => {
                control::NotApplied { from, count, reason: 0 }.block().to_vec()
            }
        }
    }

    fn server_turn(&mut self) {
        let room = self.random.below(4) as usize;
        let record = &mut self.record;
        self.server.poll(self.now, room, &mut |delivery| take(record, &mut Vec::new(), delivery));
        if self.random.per_mille(300) {
            let lag = self.random.below(3) as usize;
            while self.on_disk + lag < self.record.len()
                || self.on_disk < self.record.len() && lag == 0
            {
                let record = self.record[self.on_disk].clone();
                self.on_disk += 1;
                self.release(&record);
            }
        }
        if let Some((from, count)) = self.server.lacks() {
            let most = self.random.below(u64::from(count) + 1);
            for number in from..from + most {
                let reply = self.reply(number);
                self.server.fill_in(number, &reply);
            }
        }
        let mut bytes = [0; PACKET_MAX];
        while let Some(length) = (self.server.write_upkeep(&mut bytes, self.now))
            .or_else(|| self.server.write_unsent(&mut bytes, self.now))
        {
            self.post(false, &bytes[..length]);
        }
    }

    /// What is on disk takes effect: replies get numbers, the client's numbers are settled.
    fn release(&mut self, record: &Record) {
        match *record {
            Record::Message { seq, .. } => {
                self.push_replies(record);
                self.server.settle(seq, self.now);
            }
            Record::NotApplied { from, count } => {
                self.push_replies(record);
                self.server.settle(from + u64::from(count) - 1, self.now);
            }
            Record::Login { .. } => {
                self.tokens += 1;
                let token = format!("{:>10}", self.tokens);
                self.server.logged_in(token.as_bytes().try_into().expect("ten bytes"), self.now);
            }
        }
    }

    fn push_replies(&mut self, record: &Record) {
        for told in told_of(record) {
            match told {
                Told::Reply(reply) => {
                    let number = self.server.push(|bytes| {
                        bytes[..reply.len()].copy_from_slice(&reply);
                        reply.len()
                    });
                    assert!(number.is_some(), "a reply has bytes");
                }
                Told::NotApplied { from, count } => self.server.push_not_applied(from, count, 0),
            }
        }
    }

    fn client_turn(&mut self, may_send: bool) {
        let told = &mut self.told;
        self.client.poll(self.now, &mut |event| note(told, event));
        if self.client.is_idle() {
            self.nonce += 1;
            self.client.log_in(self.nonce, KEY, self.now);
        }
        while may_send && self.random.per_mille(600) {
            let size = self.random.below(100) as usize;
            let bytes = [&(self.sent.len() as u64).to_be_bytes()[..], &vec![7; size]].concat();
            let Ok(seq) = self.client.send(&bytes) else { break };
            self.sent.push(bytes);
            assert_eq!(seq, self.sent.len() as u64);
        }
        let mut bytes = [0; PACKET_MAX];
        while let Some(length) = self.client.write(&mut bytes, self.now) {
            self.post(true, &bytes[..length]);
        }
    }

    fn kill_server(&mut self) {
        self.record.truncate(self.on_disk);
        self.server = server();
        for record in self.record.clone() {
            match record {
                Record::Message { seq, .. } => self.server.restore_applied(seq),
                Record::NotApplied { from, count } => self.server.restore_not_applied(from, count),
                Record::Login { nonce } => self.server.restore_nonce(nonce),
            }
            self.push_replies(&record);
        }
    }

    fn kill_client(&mut self) {
        self.client = client();
        for (at, bytes) in self.sent.iter().enumerate() {
            self.client.restore_sent(at as u64 + 1, bytes);
        }
        self.client.restore_received(self.told.len() as u64);
    }

    fn is_quiet(&self) -> bool {
        self.client.is_up()
            && self.on_disk == self.record.len()
            && self.client.unsettled() == self.client.next_tx()
            && self.client.next_rx() == self.server.next_number()
    }

    /// Every message executed once or given up, in order; every reply told once, in order.
    fn check(&self, seed: u64) {
        let mut next = 1;
        for record in &self.record {
            match record {
                Record::Message { seq, bytes } => {
                    assert_eq!(*seq, next, "seed {seed}: executed out of turn");
                    assert_eq!(*bytes, self.sent[*seq as usize - 1], "seed {seed}: other bytes");
                    next += 1;
                }
                Record::NotApplied { from, count } => {
                    assert_eq!(*from, next, "seed {seed}: given up out of turn");
                    next += u64::from(*count);
                }
                Record::Login { .. } => {}
            }
        }
        assert_eq!(next, self.sent.len() as u64 + 1, "seed {seed}: a message is unaccounted for");
        let expected: Vec<Told> = self.record.iter().flat_map(told_of).collect();
        assert_eq!(self.told, expected, "seed {seed}: the client heard something else");
    }
}

/// What the client is told because of a record.
fn told_of(record: &Record) -> Vec<Told> {
    match *record {
        Record::Message { seq, .. } => replies(seq).into_iter().map(Told::Reply).collect(),
        Record::NotApplied { from, count } => vec![Told::NotApplied { from, count }],
        Record::Login { .. } => Vec::new(),
    }
}

fn take(record: &mut Vec<Record>, asked: &mut Vec<(u64, u16)>, delivery: Delivery<'_>) {
    match delivery {
        Delivery::Message { seq, bytes } => {
            record.push(Record::Message { seq, bytes: bytes.to_vec() });
        }
        Delivery::NotApplied { from, count } => record.push(Record::NotApplied { from, count }),
        Delivery::RetransmitRequest { from, count } => asked.push((from, count)),
        Delivery::Duplicate { .. } | Delivery::Silent => {}
        Delivery::Logout => panic!("nobody logs out here"),
    }
}

fn note(told: &mut Vec<Told>, event: ClientEvent<'_>) {
    let (number, what) = match event {
        ClientEvent::Message { number, bytes } => (number, Told::Reply(bytes.to_vec())),
        ClientEvent::NotApplied { number, from, count, .. } => {
            (number, Told::NotApplied { from, count })
        }
        ClientEvent::Ended => panic!("nobody ends the session here"),
        ClientEvent::ServerBehind => panic!("the server forgot what it had acknowledged"),
        ClientEvent::LoggedIn { .. } | ClientEvent::LoginRejected(_) | ClientEvent::Silent => {
            return;
        }
    };
    told.push(what);
    assert_eq!(number, told.len() as u64, "a reply came out of turn");
}

/// Runs a schedule and returns how many messages were sent and how many were given up.
fn run(seed: u64, trouble: Trouble) -> (usize, usize) {
    let mut world = World::new(seed, trouble);
    for _ in 0..STEPS {
        world.step(true);
    }
    world.trouble = Trouble::default();
    let mut steps = 0;
    while !world.is_quiet() {
        world.step(false);
        steps += 1;
        assert!(steps < 5000, "seed {seed}: no end in sight on a healed network");
    }
    world.check(seed);
    let given_up = |record: &&Record| matches!(record, Record::NotApplied { .. });
    (world.sent.len(), world.record.iter().filter(given_up).count())
}

#[test]
fn on_a_good_network_everything_is_executed() {
    for seed in 0..50 {
        let (sent, given_up) = run(seed, Trouble::default());
        assert!(sent > 100, "seed {seed}: only {sent} messages were sent");
        assert_eq!(given_up, 0, "seed {seed}");
    }
}

#[test]
fn on_a_bad_network_nothing_is_lost_in_silence_or_executed_twice() {
    let mut total = 0;
    for seed in 0..SEEDS {
        let mut random = Random(seed + 1);
        let trouble = Trouble {
            loss: random.below(300),
            repeat: random.below(300),
            delay: random.below(300),
            cut: random.below(50),
            server_killed: random.below(12),
            client_killed: random.below(12),
        };
        total += run(seed, trouble).0;
    }
    assert!(total as u64 > SEEDS * 30, "only {total} messages were sent");
}

#[test]
fn loss_alone_is_declared() {
    let trouble = Trouble { loss: 200, ..Trouble::default() };
    let given_up: usize = (0..50).map(|seed| run(seed, trouble).1).sum();
    assert!(given_up > 50, "only {given_up} gaps were declared");
}
