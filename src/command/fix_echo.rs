//! `wirematch fix-echo`: an acceptor that sends orders back, for conformance suites and peers.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

use crate::command::{Failure, Outcome};
use crate::model::Nanos;
use crate::port::stream::Stream;
use crate::port::tcp::{TcpAcceptor, TcpLine};
use crate::runtime::{Clock, SystemClock};
use crate::wire::fix::session::{
    Application, Ending, Endpoint, FileStore, Identity, Introduction, MemoryStore, Origin, Reply,
    Role, SessionConfig, Store, Taken, introduction,
};
use crate::wire::fix::{BusinessReject, Message, Version, tag};

/// Accepts FIX sessions and sends every new order and security definition back; what a suite of
/// acceptance tests needs on the other side.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 good, 1 failed while running, 2 wrong usage.\n\nExamples:\n  \
    wirematch fix-echo --listen 127.0.0.1:9878\n  \
    wirematch fix-echo --session FIX.4.4:ISLD:TW44 --data sessions"
)]
pub struct FixEchoArguments {
    /// Where to listen; port 0 lets the kernel choose one
    #[arg(long, default_value = "127.0.0.1:9878")]
    listen: SocketAddr,
    /// A session, as VERSION:OURS:THEIRS; may be given several times
    #[arg(long = "session", default_values = [
        "FIX.4.2:ISLD:TW42", "FIX.4.4:ISLD:TW44", "FIX.5.0SP2:ISLD:TW50SP2",
    ])]
    sessions: Vec<String>,
    /// Keep numbers and messages in files here, so that they survive; else both begin at 1 with
    /// every logon
    #[arg(long)]
    data: Option<PathBuf>,
    /// Stop after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

/// How long an idle lap sleeps.
const NAP: Duration = Duration::from_micros(200);

/// Runs the command.
///
/// # Errors
/// What cannot be opened, and how to mend it.
pub fn run(arguments: &FixEchoArguments) -> Outcome {
    let mut served = Vec::new();
    for text in &arguments.sessions {
        served.push(Served::open(text, arguments.data.as_ref())?);
    }
    let acceptor = TcpAcceptor::open(arguments.listen).map_err(|error| anyhow::anyhow!(error))?;
    println!("listening at {}", acceptor.address());
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("catching signals")?;
    }
    let clock = SystemClock::new();
    let mut house = House { acceptor, served, strangers: Vec::new(), room: vec![0; 64 * 1024] };
    let until = arguments.seconds.map(|seconds| Nanos(clock.now().0 + seconds * 1_000_000_000));
    while !stop.load(Ordering::Relaxed) && until.is_none_or(|until| clock.now() < until) {
        if house.lap(clock.now()) == 0 {
            std::thread::sleep(NAP);
        }
    }
    Ok(())
}

/// A session we serve, and its line while it has one.
struct Served {
    endpoint: Endpoint<Box<dyn Store>>,
    echo: Echo,
    line: Option<TcpLine>,
}

impl Served {
    fn open(text: &str, data: Option<&PathBuf>) -> Result<Self, Failure> {
        let parts: Vec<_> = text.split(':').collect();
        let [version, sender, target] = parts[..] else {
            return Err(Failure::usage(format!("session `{text}`: write VERSION:OURS:THEIRS")));
        };
        let version = Version::from_name(version).ok_or_else(|| {
            let known: Vec<_> = Version::ALL.iter().map(|version| version.name()).collect();
            Failure::usage(format!("version `{version}` is not one of {}", known.join(", ")))
        })?;
        let identity = Identity { version, sender: sender.to_owned(), target: target.to_owned() };
        let mut config = SessionConfig::new(Role::Acceptor, identity);
        let record = match data {
            None => {
                config.reset_on_logon = true;
                Box::new(MemoryStore::new(4096)) as Box<dyn Store>
            }
            Some(folder) => {
                std::fs::create_dir_all(folder).context("making the folder of the sessions")?;
                let path = folder.join(format!("{}-{sender}-{target}.fix", version.name()));
                let store = FileStore::open(&path).map_err(|error| anyhow::anyhow!(error));
                Box::new(store.with_context(|| format!("opening {}", path.display()))?)
            }
        };
        Ok(Self { endpoint: Endpoint::new(config, record), echo: Echo::default(), line: None })
    }

    /// Moves bytes both ways; returns how many.
    fn lap(&mut self, now: Nanos, room: &mut [u8]) -> usize {
        let Self { endpoint, echo, line } = self;
        let Some(open) = line else { return 0 };
        let mut moved = 0;
        let mut broken = false;
        if endpoint.closing().is_none() {
            match open.receive(room) {
                Ok(0) => {}
                Ok(count) => {
                    endpoint.receive(&room[..count], now, echo);
                    moved += count;
                }
                Err(_) => broken = true,
            }
            endpoint.tick(now, echo);
            if endpoint.is_behind() {
                endpoint.go_on(now, echo);
                moved += 1;
            }
        }
        if !endpoint.outgoing().is_empty() {
            match open.send(endpoint.outgoing()) {
                Ok(count) => {
                    endpoint.took(count);
                    moved += count;
                }
                Err(_) => broken = true,
            }
        }
        if broken {
            endpoint.disconnected(echo);
        }
        if broken || (endpoint.closing().is_some() && endpoint.outgoing().is_empty()) {
            *line = None;
        }
        moved
    }
}

/// A line whose first message has not come yet.
struct Stranger {
    line: TcpLine,
    bytes: Vec<u8>,
    since: Nanos,
}

/// How long a line may stay without a first message.
const STRANGER_PATIENCE: Nanos = Nanos(10_000_000_000);
const STRANGER_BYTES_MAX: usize = 8 * 1024;
const STRANGERS_MAX: usize = 256;

struct House {
    acceptor: TcpAcceptor,
    served: Vec<Served>,
    strangers: Vec<Stranger>,
    room: Vec<u8>,
}

impl House {
    fn lap(&mut self, now: Nanos) -> usize {
        let mut moved = 0;
        while self.strangers.len() < STRANGERS_MAX
            && let Some(line) = self.acceptor.accept()
        {
            self.strangers.push(Stranger { line, bytes: Vec::new(), since: now });
            moved += 1;
        }
        let mut at = 0;
        while let Some(stranger) = self.strangers.get_mut(at) {
            match introduce(stranger, &mut self.served, &mut self.room, now) {
                Introduced::NotYet => at += 1,
                Introduced::Unwanted => drop(self.strangers.swap_remove(at)),
                Introduced::As(which) => {
                    let stranger = self.strangers.swap_remove(at);
                    let served = &mut self.served[which];
                    served.line = Some(stranger.line);
                    served.endpoint.connected(now, &mut served.echo);
                    served.endpoint.receive(&stranger.bytes, now, &mut served.echo);
                    moved += 1;
                }
            }
        }
        moved + self.served.iter_mut().map(|s| s.lap(now, &mut self.room)).sum::<usize>()
    }
}

enum Introduced {
    NotYet,
    Unwanted,
    As(usize),
}

/// Reads a stranger's first message and finds the session it is for, if that has no line.
fn introduce(
    stranger: &mut Stranger,
    served: &mut [Served],
    room: &mut [u8],
    now: Nanos,
) -> Introduced {
    match stranger.line.receive(room) {
        Ok(count) => stranger.bytes.extend_from_slice(&room[..count]),
        Err(_) => return Introduced::Unwanted,
    }
    let waited = now.saturating_sub(stranger.since);
    if stranger.bytes.len() > STRANGER_BYTES_MAX || waited > STRANGER_PATIENCE {
        return Introduced::Unwanted;
    }
    let address = match introduction(&stranger.bytes) {
        Introduction::Partial => return Introduced::NotYet,
        Introduction::Unwanted => return Introduced::Unwanted,
        Introduction::From(address) => address,
    };
    let wanted = |served: &Served| address.is_for(served.endpoint.session().identity());
    match served.iter().position(wanted) {
        Some(which) if served[which].line.is_none() => Introduced::As(which),
        _ => Introduced::Unwanted,
    }
}

/// An application that sends back what it gets.
#[derive(Debug, Default)]
pub struct Echo {
    /// Orders seen: one that may have come before is not sent back twice.
    seen: HashSet<Vec<u8>>,
}

impl Echo {
    /// Over FIXT the suite, written for QuickFIX, wants the version named in the refusal as well.
    fn refuse(&self, message: &Message<'_>, origin: Origin, reply: &mut dyn Reply) -> Taken {
        let reason = BusinessReject::UnsupportedMessageType;
        if message.begin_string() != Version::Fix50Sp2.begin_string().as_bytes() {
            return Taken::Refused(reason);
        }
        let sent = reply.send(b"j", &mut |writer| {
            writer.number(tag::REF_SEQ_NUM, origin.seq);
            writer.bytes(tag::REF_MSG_TYPE, message.kind());
            writer.number(tag::BUSINESS_REJECT_REASON, reason.code().into());
            writer.text(tag::TEXT, reason.text());
            writer.bytes(tag::DEFAULT_APPL_VER_ID, b"9");
        });
        sent.map_or(Taken::Refused(reason), |_| Taken::Done)
    }
}

impl Application for Echo {
    fn take(&mut self, message: &Message<'_>, origin: Origin, reply: &mut dyn Reply) -> Taken {
        match message.kind() {
            b"D" => {
                let id = message.get(tag::CL_ORD_ID).unwrap_or(b"").to_vec();
                if !self.seen.insert(id) && origin.possible_resend {
                    return Taken::Done;
                }
            }
            b"d" | b"C" => {}
            _ => return self.refuse(message, origin, reply),
        }
        let sent = reply.send(message.kind(), &mut |writer| {
            for (tag, value) in message.fields() {
                if !matches!(
                    tag,
                    tag::BEGIN_STRING
                        | tag::BODY_LENGTH
                        | tag::MSG_TYPE
                        | tag::MSG_SEQ_NUM
                        | tag::SENDER_COMP_ID
                        | tag::TARGET_COMP_ID
                        | tag::SENDING_TIME
                        | tag::POSS_DUP_FLAG
                        | tag::ORIG_SENDING_TIME
                ) {
                    writer.bytes(tag, value);
                }
            }
        });
        match sent {
            Ok(_) => Taken::Done,
            Err(_) => Taken::Refused(BusinessReject::ApplicationNotAvailable),
        }
    }

    fn down(&mut self, _ending: Ending) {
        self.seen.clear();
    }
}
