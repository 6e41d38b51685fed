//! Runs acceptance definitions against the sessions of the echo, without a socket and in told time.
//!
//! A line of a definition: `iCONNECT`, `iDISCONNECT`, `I<message>` goes in, `E<message>` must come
//! out, `eDISCONNECT`: the line must be closed. `I2,` names the second line. `<TIME+n>` is now.

use std::collections::BTreeMap;

use wirematch::command::fix_echo::Echo;
use wirematch::model::Nanos;
use wirematch::wire::fix::Version;
use wirematch::wire::fix::session::{
    Endpoint, Identity, Introduction, MemoryStore, Phase, Role, SessionConfig, introduction,
};
use wirematch::wire::fix::value::{Precision, written_timestamp};

const SECOND: u64 = 1_000_000_000;
const START: Nanos = Nanos(1_795_342_272 * SECOND);
/// How long something expected is waited for.
const PATIENCE: u64 = 12 * SECOND;
const STEP: u64 = SECOND / 20;

/// Fields of which only the form is compared: checksum and times.
const BY_FORM: [&str; 5] = ["10", "42", "52", "60", "122"];
/// Fields that are not compared: the length (of other times), the wording.
const IGNORED: [&str; 2] = ["9", "58"];

struct Served {
    endpoint: Endpoint<MemoryStore>,
    echo: Echo,
    line: Option<u32>,
}

/// One side of a line, the tester's.
#[derive(Default)]
struct Line {
    /// Bytes that no session has taken yet.
    fresh: Vec<u8>,
    received: Vec<u8>,
    served: Option<usize>,
    closed: bool,
}

/// The sessions, the lines and the time.
pub(crate) struct Suite {
    served: Vec<Served>,
    lines: BTreeMap<u32, Line>,
    now: Nanos,
}

impl Suite {
    /// With a session for each version, as the definitions name them.
    pub(crate) fn new() -> Self {
        let peers =
            [(Version::Fix42, "TW42"), (Version::Fix44, "TW44"), (Version::Fix50Sp2, "TW50SP2")];
        let served = peers.map(|(version, target)| {
            let identity = Identity { version, sender: "ISLD".into(), target: target.into() };
            let mut config = SessionConfig::new(Role::Acceptor, identity);
            config.reset_on_logon = true;
            let endpoint = Endpoint::new(config, MemoryStore::new(1000));
            Served { endpoint, echo: Echo::default(), line: None }
        });
        Self { served: served.into(), lines: BTreeMap::new(), now: START }
    }

    /// Runs a definition; says what differs and where.
    pub(crate) fn run(&mut self, text: &str) -> Result<(), String> {
        for (at, line) in text.split('\n').enumerate() {
            let line = line.trim_end_matches('\r');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.step(line).map_err(|what| format!("line {}: {what}", at + 1))?;
        }
        // The tester leaves; nothing of this definition reaches the next.
        for served in &mut self.served {
            served.endpoint.disconnected(&mut served.echo);
            served.line = None;
        }
        self.lines.clear();
        Ok(())
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        let (does, rest) = line.split_at(1);
        let (id, body) = match rest.split_once(',') {
            Some((id, body)) if id.len() == 1 && id.parse::<u32>().is_ok() => {
                (id.parse().unwrap_or(1), body)
            }
            _ => (1, rest),
        };
        let body = self.with_times(body);
        match (does, body.as_str()) {
            ("i", "CONNECT") => {
                self.lines.insert(id, Line::default());
                Ok(())
            }
            ("i", "DISCONNECT") => {
                self.hang_up(id);
                Ok(())
            }
            ("e", "DISCONNECT") => self.expect_closed(id),
            ("I", _) => {
                self.feed(id, &completed(&body));
                Ok(())
            }
            ("E", _) => self.expect(id, &completed(&body)),
            _ => Err(format!("`{line}` is no line of a definition")),
        }
    }

    fn with_times(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("<TIME") {
            let (offset, behind) = after.split_once('>').unwrap_or(("", after));
            let offset: i64 = offset.parse().unwrap_or(0);
            let moment = Nanos((self.now.0 as i64 + offset * SECOND as i64) as u64);
            let (time, length) = written_timestamp(moment, Precision::Seconds);
            out.push_str(before);
            out.push_str(&String::from_utf8_lossy(&time[..length]));
            rest = behind;
        }
        out + rest
    }

    fn hang_up(&mut self, id: u32) {
        if let Some(served) = self.lines.remove(&id).and_then(|line| line.served) {
            let Served { endpoint, echo, line } = &mut self.served[served];
            endpoint.disconnected(echo);
            *line = None;
        }
    }

    fn feed(&mut self, id: u32, bytes: &[u8]) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id).filter(|line| !line.closed) else { return };
        let Some(served) = line.served else {
            line.fresh.extend_from_slice(bytes);
            return self.introduce(id);
        };
        let Served { endpoint, echo, .. } = &mut self.served[served];
        endpoint.receive(bytes, now, echo);
        self.collect();
    }

    fn introduce(&mut self, id: u32) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else { return };
        let address = match introduction(&line.fresh) {
            Introduction::Partial => return,
            Introduction::Unwanted => return line.closed = true,
            Introduction::From(address) => address,
        };
        let wanted = |served: &Served| address.is_for(served.endpoint.session().identity());
        match self.served.iter().position(wanted) {
            Some(at) if self.served[at].line.is_none() => {
                line.served = Some(at);
                let bytes = std::mem::take(&mut line.fresh);
                let Served { endpoint, echo, line } = &mut self.served[at];
                *line = Some(id);
                endpoint.connected(now, echo);
                endpoint.receive(&bytes, now, echo);
            }
            _ => line.closed = true,
        }
        self.collect();
    }

    /// Carries what the sessions say to the lines and closes what they close.
    fn collect(&mut self) {
        for served in &mut self.served {
            let Some(line) = served.line.and_then(|id| self.lines.get_mut(&id)) else { continue };
            line.received.extend_from_slice(served.endpoint.outgoing());
            let count = served.endpoint.outgoing().len();
            served.endpoint.took(count);
            if served.endpoint.closing().is_some()
                || served.endpoint.session().phase() == Phase::Down
            {
                line.closed = true;
                line.served = None;
                served.line = None;
            }
        }
    }

    /// Lets time pass until `done`, at most as long as something is waited for.
    fn wait(&mut self, id: u32, done: impl Fn(&Line) -> bool) -> bool {
        for _ in 0..=PATIENCE / STEP {
            if self.lines.get(&id).is_some_and(&done) {
                return true;
            }
            self.now = Nanos(self.now.0 + STEP);
            for served in &mut self.served {
                served.endpoint.tick(self.now, &mut served.echo);
            }
            self.collect();
        }
        false
    }

    fn expect(&mut self, id: u32, expected: &[u8]) -> Result<(), String> {
        if !self.wait(id, |line| !line.received.is_empty()) {
            return Err(format!("nothing came; expected {}", shown(expected)));
        }
        let line = self.lines.get_mut(&id).ok_or("no such line")?;
        let end = end_of_message(&line.received).ok_or("half a message came")?;
        let found: Vec<u8> = line.received.drain(..end).collect();
        compare(expected, &found)
            .map_err(|what| format!("{what}\n  want {}\n  got  {}", shown(expected), shown(&found)))
    }

    fn expect_closed(&mut self, id: u32) -> Result<(), String> {
        let closed = self.wait(id, |line| line.closed || !line.received.is_empty());
        let line = self.lines.get(&id).ok_or("no such line")?;
        if !line.received.is_empty() {
            return Err(format!("expected the end, got {}", shown(&line.received)));
        }
        if closed { Ok(()) } else { Err("the line stayed open".into()) }
    }
}

/// Where the first message of `bytes` ends.
fn end_of_message(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|window| window == b"\x0110=")? + 4;
    Some(at + bytes[at..].iter().position(|&byte| byte == 1)? + 1)
}

/// With BodyLength and CheckSum filled in where they are absent.
fn completed(text: &str) -> Vec<u8> {
    if !text.starts_with("8=") {
        return text.as_bytes().to_vec();
    }
    let Some((head, rest)) = text.split_once('\u{1}') else { return text.as_bytes().to_vec() };
    let (rest, sum) = match rest.rfind("\u{1}10=") {
        Some(at) if rest.ends_with('\u{1}') => (&rest[..=at], Some(&rest[at + 1..])),
        _ => (rest, None),
    };
    let length = match rest.starts_with("9=") || rest.contains("\u{1}9=") {
        true => String::new(),
        false => format!("9={}\u{1}", rest.len()),
    };
    let body = format!("{head}\u{1}{length}{rest}");
    let total = body.bytes().fold(0u8, u8::wrapping_add);
    let sum = sum.map_or_else(|| format!("10={total:03}\u{1}"), str::to_owned);
    (body + &sum).into_bytes()
}

fn fields(message: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(message);
    let split = |field: &str| {
        let (tag, value) = field.split_once('=').unwrap_or((field, ""));
        (tag.to_owned(), value.to_owned())
    };
    let fields = text.split('\u{1}').filter(|field| !field.is_empty()).map(split);
    let mut fields: Vec<_> = fields.filter(|(tag, _)| !IGNORED.contains(&tag.as_str())).collect();
    fields.sort();
    fields
}

fn compare(expected: &[u8], found: &[u8]) -> Result<(), String> {
    check_sums(found)?;
    let (expected, found) = (fields(expected), fields(found));
    // Some definitions leave the checksum of what they expect out.
    let tags = |list: &[(String, String)]| -> Vec<String> {
        list.iter().map(|(tag, _)| tag.clone()).filter(|tag| tag != "10").collect()
    };
    if tags(&expected) != tags(&found) {
        return Err("other fields".into());
    }
    for (tag, value) in &expected {
        let same = found.iter().any(|(other, found)| other == tag && found == value);
        if !same && !BY_FORM.contains(&tag.as_str()) {
            return Err(format!("another value in {tag}"));
        }
    }
    Ok(())
}

/// What comes out must be framed exactly.
fn check_sums(message: &[u8]) -> Result<(), String> {
    use wirematch::wire::fix::frame::{Framing, frame};
    match frame(message) {
        Framing::Whole(framed) if framed.length == message.len() => {
            let body = &message[..message.len() - 7];
            let sum = body.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
            let written = &message[message.len() - 4..message.len() - 1];
            let right = format!("{sum:03}").as_bytes() == written;
            if right { Ok(()) } else { Err("a wrong checksum came".into()) }
        }
        _ => Err("a wrong length came".into()),
    }
}

fn shown(message: &[u8]) -> String {
    String::from_utf8_lossy(message).replace('\u{1}', "|")
}
