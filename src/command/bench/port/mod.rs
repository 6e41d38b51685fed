//! `wirematch bench --port`: the appliance on a device, its client in a process of its own at the
//! other end. What both ends run on is said beside every figure.

mod network;
mod outcome;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use hdrhistogram::Histogram;

use crate::command::bench::load::{LoadPort, Plan, Progress};
use crate::command::bench::machine::machine;
use crate::command::bench::plot::Files;
use crate::command::bench::port::network::{Kind, Place, Server};
use crate::command::bench::port::outcome::{Measured, Outcomes, Turn};
use crate::command::bench::{Bench, BenchArguments, floor};
use crate::command::{Failure, Outcome, progress};
use crate::model::Nanos;
use crate::port::Port;
use crate::runtime::{Clock, SystemClock, available_cpus, pin, quietest_last};
use crate::wire::ethernet::Mac;
use crate::wire::udp::{self, HEADERS, Route};

/// What is asked of a measurement over a device.
#[derive(Debug, clap::Args)]
pub(super) struct PortArguments {
    /// The device: memif, tap, tun, af_packet, af_xdp, socket; its other end, and a
    /// network namespace where one is needed, are made and removed by the command
    #[arg(long, value_name = "DEVICE")]
    port: Option<Kind>,
    /// Run the same with kernel sockets, in turns, and print ratios
    #[arg(long, requires = "port")]
    against: Option<Against>,
    /// Turns of each; figures are those of the median turn
    #[arg(long, default_value_t = 3, requires = "port")]
    rounds: u32,
    /// What this process is to be, when the command starts itself
    #[arg(long, hide = true)]
    serve: Option<Role>,
    /// The command is in its namespace
    #[arg(long, hide = true)]
    inside: bool,
}

impl PortArguments {
    pub(super) fn is_asked(&self) -> bool {
        self.port.is_some()
    }
}

/// What a device is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// Kernel sockets.
    Kernel,
}

/// What answers at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// The whole appliance.
    Appliance,
    /// A loop that sends every frame back.
    Echo,
    /// The whole appliance on kernel sockets, over the same wire.
    KernelAppliance,
    /// An echo on kernel sockets.
    KernelEcho,
}

/// How long nothing may come back.
const PATIENCE: Nanos = Nanos(5_000_000_000);

/// Runs the command.
pub(super) fn run(arguments: &BenchArguments, files: Files) -> Outcome {
    let kind = arguments.port.port.context("it was asked for")?;
    if let Some(role) = arguments.port.serve {
        return serve::run(arguments, kind, role);
    }
    let is_wired =
        kind.wants_namespace() || kind.wires_kernel() && arguments.port.against.is_some();
    if is_wired && !arguments.port.inside {
        return network::enter();
    }
    let bench = Bench::new(arguments)?;
    let mut roles = vec![Role::Echo, Role::Appliance];
    if arguments.port.against.is_some() {
        roles.extend([Role::KernelEcho, Role::KernelAppliance]);
    }
    // Chosen once: both ends of every turn are where they were in the others.
    let cpus = quietest_last(available_cpus());
    let [client_cpu, .., server_cpu] = cpus[..] else {
        return Err(Failure::usage("two processes that spin need two CPUs, and here is one"));
    };
    let floor_ns = floor::floor_ns(&cpus);
    let mut outcomes = Outcomes::new(kind, arguments.rate(), floor_ns);
    let rounds = arguments.port.rounds.max(1);
    let bar = progress::of_so_much(rounds as u64 * roles.len() as u64, "turns");
    for _ in 0..rounds {
        for &role in &roles {
            // On a thread of its own, so that what this one starts may run anywhere.
            let taken = std::thread::scope(|scope| {
                scope.spawn(|| turn(&bench, kind, role, [client_cpu, server_cpu])).join()
            });
            outcomes.turns.push(taken.map_err(|_| anyhow!("the client panicked"))??);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let machine = machine();
    files.write(&outcomes.plot(&arguments.sentence(), &machine))?;
    outcomes.print(&machine, arguments.json)
}

/// One turn: the far end is started, asked at a rate, then as fast as it answers, and ended.
fn turn(
    bench: &Bench<'_>,
    kind: Kind,
    role: Role,
    [client_cpu, server_cpu]: [usize; 2],
) -> Result<Turn, Failure> {
    let place = Place::new(kind, role)?;
    // Started before this thread is pinned: a process inherits where its parent may run.
    let mut server = Server::start(bench.arguments, &place, role, server_cpu)?;
    let clock = SystemClock::new();
    let mut port = place.client_port(&clock)?;
    pin(client_cpu);
    let interval = Nanos(1_000_000_000 / u64::from(bench.arguments.rate()));
    let measured = match role {
        Role::Echo | Role::KernelEcho => echoes(bench, &place, port.as_mut(), interval, &clock),
        Role::Appliance | Role::KernelAppliance => {
            let paced = orders(bench, &place, port.as_mut(), interval, &clock)?;
            server.next()?;
            // The port is opened anew: what was on its way is gone with the old one.
            let flood = orders(bench, &place, port.as_mut(), Nanos::ZERO, &clock)?;
            Ok(Measured { per_second: flood.per_second, ..paced })
        }
    }?;
    drop(port);
    let told = server.stop()?;
    Ok(Turn { role, measured, told })
}

/// Plays orders against an appliance.
fn orders(
    bench: &Bench<'_>,
    place: &Place,
    port: &mut dyn Port,
    interval: Nanos,
    clock: &SystemClock,
) -> Result<Measured, Failure> {
    let session = bench.catalogue.sessions.iter().flatten().last();
    let session = session.context("the default configuration has sessions")?;
    let plan = Plan {
        messages: Arc::clone(&bench.messages),
        warm_up: bench.messages.len() / 10,
        interval,
        gateway: place.gateway,
        own: place.client,
        session: (session.id.0 as u16, session.key.clone()),
    };
    let progress = Progress::default();
    let mut load = LoadPort::new(plan, clock.clone(), progress.clone());
    let mut heard_at = clock.now();
    while progress.done.get().is_none() {
        let sent = load.receive(32, &mut |frame, _| {
            while port.transmit(frame.len(), &mut |into| into.copy_from_slice(frame)).is_err() {
                port.flush();
            }
        });
        if sent > 0 {
            port.flush();
        }
        let heard = port.receive(32, &mut |frame, _| {
            let _ = load.transmit(frame.len(), &mut |into| into.copy_from_slice(frame));
        });
        let now = clock.now();
        if heard > 0 {
            heard_at = now;
        } else if now.saturating_sub(heard_at) > PATIENCE {
            return Err(Failure::from(anyhow!(
                "a frame was lost on the way, or the appliance fell silent: {} of {} answered",
                load.settled(),
                bench.messages.len()
            )));
        }
    }
    let answers = progress.done.get().cloned().context("it is done")?;
    let seconds = answers.took.0.max(1) as f64 / 1e9;
    let per_second = (answers.messages as f64 / seconds) as u64;
    Ok(Measured { latency: answers.latency, per_second: Some(per_second) })
}

/// Sends numbered frames and times them as they come back.
fn echoes(
    bench: &Bench<'_>,
    place: &Place,
    port: &mut dyn Port,
    interval: Nanos,
    clock: &SystemClock,
) -> Result<Measured, Failure> {
    const PAYLOAD: usize = 68;
    let count = bench.messages.len() as u64;
    let route = Route {
        from_mac: Mac::local(*place.client.ip()),
        to_mac: Mac::local(*place.gateway.ip()),
        from: place.client,
        to: place.gateway,
    };
    let latency = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3);
    let mut latency = latency.map_err(|error| anyhow!("{error:?}"))?;
    let (mut next, mut came) = (0u64, 0u64);
    let began = Nanos(clock.now().0 + 100_000_000);
    let mut heard_at = began;
    while came < count {
        let now = clock.now();
        let due = Nanos(began.0 + next * interval.0);
        // The window of a session, so that both are asked alike.
        if next < count && now >= due && next - came < 63 {
            let sent = port.transmit(HEADERS + PAYLOAD, &mut |frame| {
                frame[HEADERS..].fill(0);
                frame[HEADERS..HEADERS + 8].copy_from_slice(&next.to_be_bytes());
                udp::seal(frame, PAYLOAD, &route);
            });
            next += u64::from(sent.is_ok());
            port.flush();
        }
        port.receive(32, &mut |frame, _| {
            let Some(number) = frame.get(HEADERS..HEADERS + 8) else { return };
            if frame.len() != HEADERS + PAYLOAD {
                return;
            }
            let number = number.try_into().map_or(0, u64::from_be_bytes);
            heard_at = clock.now();
            if number >= count / 10 {
                let since = heard_at.0.saturating_sub(began.0 + number * interval.0);
                latency.saturating_record(since.max(1));
            }
            came += 1;
        });
        if now.saturating_sub(heard_at) > PATIENCE {
            return Err(Failure::from(anyhow!("{came} of {count} frames came back: one was lost")));
        }
    }
    Ok(Measured { latency, per_second: None })
}

/// A pause in which nothing is waited for in earnest.
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
