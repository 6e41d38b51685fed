//! Two ends against each other, in one thread, with a line that may break and time that is told.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::message::Message;
use crate::wire::fix::shared::message;
use crate::wire::fix::value::{Precision, written_timestamp};

const START: Nanos = Nanos(1_795_342_272 * SECOND);

/// Notes what it is given; an acceptor's answers each message.
#[derive(Debug, Default)]
struct Notes {
    taken: Vec<(u64, String)>,
    answers: bool,
    ups: usize,
    ending: Option<Ending>,
}

impl Application for Notes {
    fn take(&mut self, message: &Message<'_>, origin: Origin, reply: &mut dyn Reply) -> Taken {
        let text = message.get(58).map(String::from_utf8_lossy).unwrap_or_default();
        self.taken.push((origin.seq, text.to_string()));
        if self.answers {
            let answer = |writer: &mut crate::wire::fix::Writer<'_>| email(writer, &text);
            reply.send(b"C", &mut { answer }).expect("sent");
        }
        Taken::Done
    }

    fn up(&mut self, _generation: u64, _reply: &mut dyn Reply) {
        self.ups += 1;
    }

    fn down(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }
}

fn email(writer: &mut crate::wire::fix::Writer<'_>, text: &str) {
    writer.bytes(164, b"thread");
    writer.bytes(94, b"0");
    writer.bytes(147, b"subject");
    writer.bytes(33, b"1");
    writer.text(58, text);
}

fn config(role: Role) -> SessionConfig {
    let (sender, target) = match role {
        Role::Acceptor => ("WE", "THEY"),
        Role::Initiator => ("THEY", "WE"),
    };
    let version = Version::Fix44;
    let identity = Identity { version, sender: sender.into(), target: target.into() };
    SessionConfig::new(role, identity)
}

/// One end with its application.
struct End {
    endpoint: Endpoint<MemoryStore>,
    notes: Notes,
}

impl End {
    fn new(config: SessionConfig) -> Self {
        let answers = config.role == Role::Acceptor;
        let endpoint = Endpoint::new(config, MemoryStore::new(1000));
        Self { endpoint, notes: Notes { answers, ..Notes::default() } }
    }

    /// As after a crash: only what is on record is left.
    fn restart(&mut self) {
        let store = self.endpoint.store().clone();
        let config = self.endpoint.session().config().clone();
        self.endpoint = Endpoint::new(config, store);
    }

    fn take_bytes(&mut self) -> Vec<u8> {
        let bytes = self.endpoint.outgoing().to_vec();
        self.endpoint.took(bytes.len());
        bytes
    }
}

/// Both ends and the time.
struct World {
    initiator: End,
    acceptor: End,
    now: Nanos,
}

impl World {
    fn new(initiator: SessionConfig, acceptor: SessionConfig) -> Self {
        Self { initiator: End::new(initiator), acceptor: End::new(acceptor), now: START }
    }

    fn connect(&mut self) {
        let now = self.now;
        for end in [&mut self.acceptor, &mut self.initiator] {
            end.endpoint.connected(now, &mut end.notes);
        }
        self.settle();
    }

    /// Carries bytes both ways until none are left.
    fn settle(&mut self) {
        loop {
            let (to_acceptor, to_initiator) =
                (self.initiator.take_bytes(), self.acceptor.take_bytes());
            if to_acceptor.is_empty() && to_initiator.is_empty() {
                return;
            }
            let Self { initiator, acceptor, now } = self;
            acceptor.endpoint.receive(&to_acceptor, *now, &mut acceptor.notes);
            initiator.endpoint.receive(&to_initiator, *now, &mut initiator.notes);
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.now = Nanos(self.now.0 + SECOND / 10);
            let now = self.now;
            for end in [&mut self.acceptor, &mut self.initiator] {
                end.endpoint.tick(now, &mut end.notes);
            }
            self.settle();
        }
    }

    fn cut(&mut self) {
        for end in [&mut self.acceptor, &mut self.initiator] {
            end.endpoint.disconnected(&mut end.notes);
        }
    }

    fn send(&mut self, text: &str) {
        let now = self.now;
        let mut fill = |writer: &mut crate::wire::fix::Writer<'_>| email(writer, text);
        self.initiator.endpoint.send(b"C", now, &mut fill).expect("sent");
    }

    fn are_up(&self) -> bool {
        let up = |end: &End| end.endpoint.session().phase() == Phase::Up;
        up(&self.initiator) && up(&self.acceptor)
    }
}

#[test]
fn two_ends_log_on_talk_keep_alive_and_log_out() {
    let mut world = World::new(config(Role::Initiator), config(Role::Acceptor));
    world.connect();
    assert!(world.are_up());
    world.send("one");
    world.settle();
    assert_eq!(world.acceptor.notes.taken, [(2, "one".into())]);
    assert_eq!(world.initiator.notes.taken, [(2, "one".into())]);
    world.pass(600);
    assert!(world.are_up(), "heartbeats keep the session alive");
    let now = world.now;
    world.initiator.endpoint.log_out(now, &mut world.initiator.notes);
    world.settle();
    assert_eq!(world.initiator.notes.ending, Some(Ending::Asked));
    assert_eq!(world.acceptor.notes.ending, Some(Ending::LoggedOut));
}

#[test]
fn what_was_lost_with_the_line_comes_after_the_next_logon() {
    for next_expected in [false, true] {
        let set = |role| SessionConfig { next_expected, ..config(role) };
        let mut world = World::new(set(Role::Initiator), set(Role::Acceptor));
        world.connect();
        for text in ["a", "b", "c"] {
            world.send(text);
        }
        // On record, never on the line.
        world.initiator.take_bytes();
        world.cut();
        world.initiator.restart();
        world.acceptor.restart();
        world.connect();
        let texts = |end: &End| end.notes.taken.iter().map(|t| t.1.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&world.acceptor), ["a", "b", "c"], "{next_expected}");
        assert_eq!(texts(&world.initiator), ["a", "b", "c"], "{next_expected}");
    }
}

#[test]
fn a_repeat_was_first_sent_before_it_whatever_clocks_say() {
    let mut world = World::new(config(Role::Initiator), config(Role::Acceptor));
    world.connect();
    world.send("a");
    world.initiator.take_bytes();
    world.cut();
    // Another machine goes on with the record, and its clock is behind.
    world.initiator.restart();
    world.now = Nanos(START.0 - SECOND);
    world.connect();
    assert!(world.are_up());
    assert_eq!(world.acceptor.notes.taken, [(2, "a".into())]);
}

#[test]
fn nothing_follows_half_a_message_on_a_line_that_is_given_up() {
    let mut world = World::new(config(Role::Initiator), config(Role::Acceptor));
    world.connect();
    world.send("half of this leaves");
    let End { endpoint, .. } = &mut world.initiator;
    endpoint.took(endpoint.outgoing().len() / 2);
    let text = "x".repeat(2_000);
    let fill = &mut |writer: &mut crate::wire::fix::Writer<'_>| email(writer, &text);
    for _ in 0..1_000 {
        endpoint.add(b"C", START, fill).expect("memory does not fail");
        assert_eq!(endpoint.closing().is_some(), endpoint.outgoing().is_empty());
    }
    assert_eq!(endpoint.closing(), Some(Ending::Unread));
}

#[test]
fn what_came_while_others_were_sent_again_and_was_not_held_is_asked_for_too() {
    let acceptor = SessionConfig { held_bytes: 1, ..config(Role::Acceptor) };
    let mut world = World::new(config(Role::Initiator), acceptor);
    world.connect();
    for _ in 0..200 {
        world.send("lost");
        world.initiator.take_bytes();
    }
    world.send("seen, and too early");
    // A part of them is sent again at a time, and in between what is new.
    let mut sent = 201;
    loop {
        let now = world.now;
        world.settle();
        if !world.initiator.endpoint.is_behind() {
            break;
        }
        world.initiator.endpoint.go_on(now, &mut world.initiator.notes);
        if sent < 204 {
            world.send("new");
            sent += 1;
        }
    }
    assert_eq!((world.acceptor.notes.taken.len(), sent), (204, 204));
}

#[test]
fn a_logon_may_begin_again_at_one() {
    let initiator = SessionConfig { reset_on_logon: true, ..config(Role::Initiator) };
    let mut world = World::new(initiator, config(Role::Acceptor));
    for round in 1..=3 {
        world.connect();
        assert!(world.are_up());
        world.send("x");
        world.settle();
        assert_eq!(world.acceptor.notes.taken.len(), round);
        assert_eq!(world.acceptor.notes.taken[round - 1].0, 2);
        world.cut();
    }
}

#[test]
fn credentials_must_be_right() {
    let credentials = Some(Credentials::new("user", "secret", [1; 16]));
    for (password, good) in [("secret", true), ("guess", false)] {
        let login = Some(("user".to_owned(), password.to_owned()));
        let initiator = SessionConfig { login, ..config(Role::Initiator) };
        let acceptor = SessionConfig { credentials: credentials.clone(), ..config(Role::Acceptor) };
        let mut world = World::new(initiator, acceptor);
        world.connect();
        assert_eq!(world.are_up(), good, "{password}");
        if !good {
            assert_eq!(world.acceptor.endpoint.closing(), Some(Ending::Credentials));
        }
    }
}

#[test]
fn silence_ends_a_session_and_a_silent_logon_does_too() {
    let mut world = World::new(config(Role::Initiator), config(Role::Acceptor));
    world.connect();
    // The line swallows everything from here on.
    for step in 0..100 {
        world.now = Nanos(world.now.0 + SECOND);
        let now = world.now;
        let End { endpoint, notes } = &mut world.acceptor;
        endpoint.tick(now, notes);
        world.acceptor.take_bytes();
        assert_eq!(world.acceptor.notes.ending.is_some(), step + 1 >= 72, "second {}", step + 1);
    }
    assert_eq!(world.acceptor.notes.ending, Some(Ending::Silent));
    let mut alone = End::new(config(Role::Initiator));
    alone.endpoint.connected(START, &mut alone.notes);
    alone.endpoint.tick(Nanos(START.0 + 11 * SECOND), &mut alone.notes);
    assert_eq!(alone.notes.ending, Some(Ending::NoAnswer));
}

#[test]
fn hours_open_close_and_begin_again_at_one() {
    let schedule = Schedule::parse("08:00:00-17:00:00 UTC").ok();
    let set = |role| SessionConfig { schedule: schedule.clone(), ..config(role) };
    let mut world = World::new(set(Role::Initiator), set(Role::Acceptor));
    let at = |text: &str| crate::wire::fix::value::timestamp(text.as_bytes()).expect("a time");
    world.now = at("20261123-07:59:59");
    world.connect();
    assert_eq!(world.acceptor.notes.ending, Some(Ending::Hours));
    world.now = at("20261123-16:59:50");
    world.connect();
    assert!(world.are_up());
    world.pass(11);
    assert!(!world.are_up());
    assert!(world.acceptor.endpoint.session().expected() > 1);
    world.acceptor.restart();
    world.now = at("20261124-08:00:00");
    world.connect();
    assert!(world.are_up());
    assert_eq!(world.acceptor.endpoint.session().expected(), 2, "a new day begins at 1");
}

#[test]
fn a_peer_that_expects_what_was_never_sent_is_told_so() {
    let mut end = End::new(config(Role::Acceptor));
    end.endpoint.connected(START, &mut end.notes);
    let (time, length) = written_timestamp(START, Precision::Seconds);
    let time = String::from_utf8_lossy(&time[..length]).to_string();
    let body = format!("35=A|49=THEY|56=WE|34=1|52={time}|98=0|108=30|789=7|");
    end.endpoint.receive(&message("FIX.4.4", &body), START, &mut end.notes);
    assert_eq!(end.notes.ending, Some(Ending::ExpectsTooMuch));
    assert!(String::from_utf8_lossy(end.endpoint.outgoing()).contains("NextExpected"));
}

#[test]
fn a_record_that_fails_stops_the_session() {
    #[derive(Debug)]
    struct Broken(MemoryStore, usize);
    impl Store for Broken {
        fn generation(&self) -> u64 {
            self.0.generation()
        }
        fn told_of(&self) -> u64 {
            self.0.told_of()
        }
        fn tell_of(&mut self, mark: u64) {
            self.0.tell_of(mark);
        }

        fn numbers(&self) -> Numbers {
            self.0.numbers()
        }
        fn began_at(&self) -> Option<Nanos> {
            self.0.began_at()
        }
        fn keep(&mut self, kept: &Kept<'_>) -> Result<(), StoreError> {
            self.1 = self.1.saturating_sub(1);
            if self.1 == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
            }
            self.0.keep(kept)
        }
        fn expect(&mut self, next_in: u64) -> Result<(), StoreError> {
            self.0.expect(next_in)
        }
        fn reset(&mut self, generation: u64) -> Result<(), StoreError> {
            self.0.reset(generation)
        }
        fn get(&mut self, seq: u64) -> Option<Kept<'_>> {
            self.0.get(seq)
        }
    }
    let mut endpoint = Endpoint::new(config(Role::Initiator), Broken(MemoryStore::new(10), 1));
    let mut notes = Notes::default();
    endpoint.connected(START, &mut notes);
    assert_eq!(notes.ending, Some(Ending::Record));
    assert!(endpoint.outgoing().is_empty(), "nothing leaves that is not on record");
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Settle,
    /// So many of the bytes on their way arrive before the line breaks.
    Cut(usize, usize),
    CrashInitiator,
    CrashAcceptor,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        2 => Just(Step::Settle),
        3 => (0usize..400, 0usize..400).prop_map(|(a, b)| Step::Cut(a, b)),
        1 => Just(Step::CrashInitiator),
        1 => Just(Step::CrashAcceptor),
        1 => Just(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever breaks and whenever: each message is taken once, in order, both ways.
    #[test]
    fn nothing_is_lost_and_nothing_doubled(
        steps in vec(step(), 0..60),
        next_expected in any::<bool>(),
    ) {
        let set = |role| SessionConfig { next_expected, ..config(role) };
        let mut world = World::new(set(Role::Initiator), set(Role::Acceptor));
        world.connect();
        let mut sent = 0;
        for step in steps {
            match step {
                Step::Send => {
                    sent += 1;
                    world.send(&sent.to_string());
                }
                Step::Settle => world.settle(),
                Step::Cut(there, back) => {
                    let mut bytes = world.initiator.take_bytes();
                    bytes.truncate(there);
                    let now = world.now;
                    let End { endpoint, notes } = &mut world.acceptor;
                    endpoint.receive(&bytes, now, notes);
                    let mut bytes = world.acceptor.take_bytes();
                    bytes.truncate(back);
                    let End { endpoint, notes } = &mut world.initiator;
                    endpoint.receive(&bytes, now, notes);
                    world.cut();
                    world.connect();
                }
                Step::CrashInitiator => {
                    world.cut();
                    world.initiator.restart();
                    world.connect();
                }
                Step::CrashAcceptor => {
                    world.cut();
                    world.acceptor.restart();
                    world.connect();
                }
                Step::Pass => world.pass(3),
            }
        }
        world.settle();
        prop_assert!(world.are_up());
        let expected: Vec<String> = (1..=sent).map(|n| n.to_string()).collect();
        for end in [&world.acceptor, &world.initiator] {
            let texts: Vec<String> = end.notes.taken.iter().map(|taken| taken.1.clone()).collect();
            prop_assert_eq!(&texts, &expected);
        }
        let gapless = |end: &End| end.endpoint.session().expected();
        let store = world.acceptor.endpoint.store().numbers();
        prop_assert_eq!(gapless(&world.initiator), store.next_out);
        prop_assert_eq!(gapless(&world.acceptor), store.next_in);
    }

    /// Bytes of any kind, before and after a logon, end in order and never in a panic.
    #[test]
    fn nothing_panics(chunks in vec(chunk(), 0..30)) {
        fuzz(&chunks);
    }
}

fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        Just("0"),
        Just("1"),
        Just("2"),
        Just("3"),
        Just("4"),
        Just("5"),
        Just("A"),
        Just("C"),
        Just("D"),
        Just("zz"),
    ];
    let field = prop_oneof![
        Just("43=Y|122=20200101-00:00:00|"),
        Just("7=1|16=0|"),
        Just("7=3|16=2|"),
        Just("36=9|123=Y|"),
        Just("36=0|"),
        Just("36=99|"),
        Just("112=x|"),
        Just("98=0|108=3|"),
        Just("98=0|108=30|141=Y|"),
        Just("789=4|"),
        Just("58=x|"),
        Just(""),
    ];
    let built = (kind, 0u64..12, vec(field, 0..3)).prop_map(|(kind, seq, fields)| {
        let (time, length) = written_timestamp(START, Precision::Millis);
        let time = String::from_utf8_lossy(&time[..length]).to_string();
        let fields = fields.concat();
        message("FIX.4.4", &format!("35={kind}|49=THEY|56=WE|34={seq}|52={time}|{fields}"))
    });
    prop_oneof![4 => built, 1 => vec(any::<u8>(), 0..60)]
}

fn fuzz(chunks: &[Vec<u8>]) {
    let mut end = End::new(config(Role::Acceptor));
    for (at, bytes) in chunks.iter().enumerate() {
        if end.endpoint.session().phase() == Phase::Down {
            end.endpoint.connected(START, &mut end.notes);
        }
        let before = end.endpoint.session().expected();
        end.endpoint.receive(bytes, Nanos(START.0 + at as u64), &mut end.notes);
        end.endpoint.tick(Nanos(START.0 + at as u64), &mut end.notes);
        let reset = String::from_utf8_lossy(bytes).contains("141=Y");
        assert!(end.endpoint.session().expected() >= before || reset, "numbers go forward");
    }
}
