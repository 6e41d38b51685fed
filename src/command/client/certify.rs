//! `wirematch client certify`: a course on a socket or a line, its news on the screen, and what was
//! passed and what is outstanding at the end.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::client::certify::{
    FIX_STEPS, FixCourse, Line, News, Standing, Step, UDP_STEPS, UdpCourse,
};
use crate::command::client::{ClientArguments, symbol};
use crate::command::{Failure, Outcome};
use crate::model::Nanos;
use crate::port::stream::Stream;
use crate::port::tcp::{TcpAcceptor, TcpLine};
use crate::runtime::{Clock, SystemClock};
use crate::wire::fix::Version;
use crate::wire::fix::session::Identity;

/// What the certifier is told.
#[derive(Debug, clap::Args)]
pub(super) struct CertifyArguments {
    /// Where your client finds it, as it would find a gateway
    #[arg(long, default_value = "127.0.0.1:9190")]
    pub(super) listen: SocketAddrV4,
    /// Your client speaks FIX: the session, as VERSION:OURS:THEIRS with the gateway's CompID first
    #[arg(long, value_name = "VERSION:OURS:THEIRS")]
    fix: Option<String>,
    /// What the logon of a FIX client must bring; without it none is asked for
    #[arg(long, requires = "fix")]
    password: Option<String>,
    /// Steps of a FIX course that are not asked of your client
    #[arg(long, requires = "fix", value_delimiter = ',', value_name = "STEP")]
    without: Vec<String>,
    /// The instrument that is traded
    #[arg(long, default_value = "ACME")]
    pub(super) symbol: String,
    /// How often either side must be heard over UDP, in milliseconds
    #[arg(long, default_value_t = 100, value_name = "MS")]
    pub(super) heartbeat: u64,
    /// How long a step may take, in seconds; a step of silence may take three FIX heartbeats
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) step_patience: u64,
    /// Print the steps and leave
    #[arg(long)]
    pub(super) steps: bool,
}

/// How long a lap without work sleeps.
const NAP: Duration = Duration::from_micros(200);

/// How long the last answers may take to leave.
const LINGER: Nanos = Nanos(300_000_000);

/// Leads a client through a course.
pub(super) fn certify(arguments: &ClientArguments, own: &CertifyArguments) -> Outcome {
    let is_json = arguments.json;
    let identity = own.fix.as_deref().map(identity).transpose()?;
    if own.steps {
        let version = identity.map(|identity| identity.version);
        for (place, step) in steps(version).enumerate() {
            show(&News::Begins(step), place + 1, is_json);
        }
        return Ok(());
    }
    let symbol = symbol(&own.symbol)?.0;
    let patience = Nanos(own.step_patience.saturating_mul(1_000_000_000));
    let Some(identity) = identity else {
        let socket = UdpSocket::bind(own.listen)
            .with_context(|| format!("--listen {}: cannot be listened at", own.listen))?;
        socket.set_nonblocking(true).context("cannot set up the socket")?;
        let heartbeat = Nanos(own.heartbeat.clamp(1, 60_000) * 1_000_000);
        let course = UdpCourse::new(arguments.session, arguments.key.as_bytes(), symbol, heartbeat);
        let room = vec![0; 65_536];
        let road = UdpRoad { course, socket, peer: None, room };
        return Examination { road, patience, place: 0, mistakes: 0, is_json }.run();
    };
    let left_out = known_steps(&own.without, identity.version)?;
    let acceptor = TcpAcceptor::open(SocketAddr::V4(own.listen))
        .map_err(|error| anyhow::anyhow!(error))
        .with_context(|| format!("--listen {}: cannot be listened at", own.listen))?;
    let course = FixCourse::new(identity, symbol, own.password.as_deref(), &left_out);
    let room = vec![0; 64 * 1024];
    let road = FixRoad { course, acceptor, line: None, room };
    Examination { road, patience, place: 0, mistakes: 0, is_json }.run()
}

/// The steps of FIX in a version, or of UDP.
fn steps(version: Option<Version>) -> Box<dyn Iterator<Item = Step>> {
    match version {
        None => Box::new(UDP_STEPS.iter().copied()),
        Some(version) => {
            let has = move |(_, since): &&(Step, Version)| version >= *since;
            Box::new(FIX_STEPS.iter().filter(has).map(|(step, _)| *step))
        }
    }
}

/// Reads a session's name: which version, whose CompID first, whose second.
pub(super) fn identity(text: &str) -> Result<Identity, Failure> {
    let parts: Vec<_> = text.split(':').collect();
    let [version, sender, target] = parts[..] else {
        return Err(Failure::usage(format!(
            "--fix `{text}`: write VERSION:OURS:THEIRS, as FIX.4.4:WIREMATCH:CLIENT1"
        )));
    };
    let version = Version::from_name(version).ok_or_else(|| {
        let known: Vec<_> = Version::ALL.iter().map(|version| version.name()).collect();
        Failure::usage(format!("--fix: version `{version}` is not one of {}", known.join(", ")))
    })?;
    Ok(Identity { version, sender: sender.to_owned(), target: target.to_owned() })
}

/// The steps that are left out, if there are such.
fn known_steps(names: &[String], version: Version) -> Result<Vec<&'static str>, Failure> {
    let find = |name: &String| {
        let known = || steps(Some(version)).map(|step| step.name);
        known().find(|step| step == name).ok_or_else(|| {
            let all: Vec<_> = known().collect();
            Failure::usage(format!("--without `{name}`: the steps are {}", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// What a course is led over.
trait Road {
    /// Moves what there is; how much that was.
    fn lap(&mut self, now: Nanos) -> usize;
    fn take_news(&mut self) -> Vec<News>;
    fn summary(&self) -> &[Line];
    /// How long a step may take at least.
    fn patience(&self) -> Nanos {
        Nanos::ZERO
    }
}

struct UdpRoad {
    course: UdpCourse,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    room: Vec<u8>,
}

impl Road for UdpRoad {
    fn lap(&mut self, now: Nanos) -> usize {
        let Self { course, socket, peer, room } = self;
        let mut work = 0;
        while let Ok((length, from)) = socket.recv_from(room) {
            *peer = Some(from);
            // What the network takes no more of is asked for again.
            course.receive(&room[..length], now, &mut |bytes| {
                let _ = socket.send_to(bytes, from);
            });
            work += 1;
        }
        if let Some(to) = *peer {
            course.poll(now, &mut |bytes| {
                let _ = socket.send_to(bytes, to);
            });
        }
        work
    }

    fn take_news(&mut self) -> Vec<News> {
        self.course.take_news()
    }

    fn summary(&self) -> &[Line] {
        self.course.summary()
    }
}

struct FixRoad {
    course: FixCourse,
    acceptor: TcpAcceptor,
    line: Option<TcpLine>,
    room: Vec<u8>,
}

impl FixRoad {
    /// Takes a line where there is none; a second one is dropped, and told of.
    fn accept(&mut self, now: Nanos) {
        while let Some(line) = self.acceptor.accept() {
            if self.line.is_some() {
                self.course.refuse_second_line();
            } else {
                self.line = Some(line);
                self.course.connected(now);
            }
        }
    }
}

impl Road for FixRoad {
    fn lap(&mut self, now: Nanos) -> usize {
        self.accept(now);
        let Self { course, line: place, room, .. } = self;
        let Some(line) = place else { return 0 };
        let (mut moved, mut is_broken) = (0, false);
        if !course.is_closing() {
            match line.receive(room) {
                Ok(count) => {
                    course.receive(&room[..count], now);
                    moved += count;
                }
                Err(_) => is_broken = true,
            }
            course.poll(now);
        }
        if !course.outgoing().is_empty() {
            match line.send(course.outgoing()) {
                Ok(count) => {
                    course.took(count);
                    moved += count;
                }
                Err(_) => is_broken = true,
            }
        }
        if is_broken || (course.is_closing() && course.outgoing().is_empty()) {
            *place = None;
            course.disconnected(now);
            moved += 1;
        }
        moved
    }

    fn take_news(&mut self) -> Vec<News> {
        self.course.take_news()
    }

    fn summary(&self) -> &[Line] {
        self.course.summary()
    }

    fn patience(&self) -> Nanos {
        self.course.patience()
    }
}

struct Examination<R: Road> {
    road: R,
    patience: Nanos,
    place: usize,
    mistakes: usize,
    is_json: bool,
}

impl<R: Road> Examination<R> {
    fn run(mut self) -> Outcome {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).context("catching signals")?;
        }
        let clock = SystemClock::new();
        let mut since = clock.now();
        let mut step = None;
        let mut passed_at = None;
        loop {
            let now = clock.now();
            let work = self.road.lap(now);
            for news in self.road.take_news() {
                match news {
                    News::Begins(next) => {
                        (self.place, since, step) = (self.place + 1, now, Some(next));
                    }
                    News::Mistake(_) => self.mistakes += 1,
                    News::Passed => passed_at = Some(now),
                    News::Done(_) => {}
                }
                show(&news, self.place, self.is_json);
            }
            let patience = Nanos(self.patience.0.max(self.road.patience().0));
            match (passed_at, step) {
                (Some(at), _) if now.saturating_sub(at) > LINGER => {
                    self.sum_up();
                    return Ok(());
                }
                (None, Some(step)) if now.saturating_sub(since) > patience => {
                    return Err(self.failed(step, "was not done in time"));
                }
                (None, Some(step)) if stop.load(Ordering::Relaxed) => {
                    return Err(self.failed(step, "was not done when it was stopped"));
                }
                _ if work == 0 => std::thread::sleep(NAP),
                _ => {}
            }
        }
    }

    fn failed(&self, step: Step, how: &str) -> Failure {
        self.sum_up();
        Failure::check(format!("`{}` {how}: {}", step.name, step.asks))
    }

    /// Says what was passed and what is outstanding.
    fn sum_up(&self) {
        let lines = self.road.summary();
        let word = |standing| match standing {
            Standing::Passed => "passed",
            Standing::Outstanding => "outstanding",
            Standing::LeftOut => "left out",
        };
        let of = |standing| lines.iter().filter(move |line| line.standing == standing);
        let passed = of(Standing::Passed).count();
        if self.is_json {
            let steps: Vec<_> = lines
                .iter()
                .map(|line| {
                    json!({
                        "step": line.step.name,
                        "standing": word(line.standing),
                        "mistakes": line.mistakes,
                    })
                })
                .collect();
            let is_passed = of(Standing::Outstanding).next().is_none();
            println!(
                "{}",
                json!({ "passed": is_passed, "mistakes": self.mistakes, "steps": steps })
            );
            return;
        }
        let asked = lines.len() - of(Standing::LeftOut).count();
        println!("\n{passed} of {asked} steps were passed, with {} mistakes.", self.mistakes);
        for standing in [Standing::Outstanding, Standing::LeftOut] {
            let names: Vec<_> = of(standing).map(|line| line.step.name).collect();
            if !names.is_empty() {
                println!("   {:<12} {}", word(standing), names.join(", "));
            }
        }
        let wrong: Vec<_> = lines
            .iter()
            .filter(|line| line.mistakes > 0)
            .map(|line| format!("{} ({})", line.step.name, line.mistakes))
            .collect();
        if !wrong.is_empty() {
            println!("   {:<12} {}", "mistakes in", wrong.join(", "));
        }
    }
}

fn show(news: &News, place: usize, is_json: bool) {
    let step = |what: &str, step: &Step| json!({ what: step.name, "asks": step.asks });
    match (news, is_json) {
        (News::Begins(begins), true) => println!("{}", step("begins", begins)),
        (News::Done(done), true) => println!("{}", step("done", done)),
        (News::Mistake(what), true) => println!("{}", json!({ "mistake": what })),
        (News::Begins(begins), false) => println!("{place:>2} {:<12} {}", begins.name, begins.asks),
        (News::Mistake(what), false) => println!("   mistake      {what}"),
        (News::Done(_), false) => println!("   done"),
        (News::Passed, _) => {}
    }
}
