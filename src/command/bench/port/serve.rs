//! The far process of a measurement: the appliance on a port, or a loop that sends frames back.
//! It listens to its parent by standard input: a line asks for a fresh appliance, the end for its
//! end.

use std::io::BufRead;
use std::sync::{Arc, Mutex};

use anyhow::Context;

use crate::command::bench::port::network::{Kind, Place, server_cpu};
use crate::command::bench::port::outcome::{Gaps, Told};
use crate::command::bench::port::{Role, pause};
use crate::command::bench::{Bench, BenchArguments, stage_cpus, start};
use crate::command::{Failure, Outcome};
use crate::model::{CommandKind, Group, Nanos, Request};
use crate::port::endpoint::{Opened, UdpEndpoint};
use crate::port::{FrameMeta, Full, Port, PortCounts};
use crate::runtime::{
    Clock, LatencyRecorder, Percentiles, StopFlag, SystemClock, available_cpus, latency, pin,
    quietest_last, stay_off,
};
use crate::topology::StageName;
use crate::wire::ethernet::Mac;
use crate::wire::session::control::is_control;
use crate::wire::session::parse;
use crate::wire::udp::HEADERS;

/// Serves until standard input ends.
pub(super) fn run(arguments: &BenchArguments, kind: Kind, role: Role) -> Outcome {
    println!("here");
    let place = Place::new(kind, role)?;
    let clock = SystemClock::new();
    let cpus = cpus_for_server();
    stay_off(&stage_cpus(1, &cpus), &cpus);
    let port = place.far_port(role, &clock)?;
    let told = match role {
        Role::Echo | Role::KernelEcho => echo(port, &place, &cpus)?,
        Role::Appliance | Role::KernelAppliance => {
            appliance(arguments, port, &place, &clock, &cpus)?
        }
    };
    println!("{}", serde_json::to_string(&told).context("cannot write JSON")?);
    Ok(())
}

/// A flag that standard input's end raises.
fn until_told() -> StopFlag {
    let stop = StopFlag::default();
    let raised = stop.clone();
    std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::stdin().lock().read_line(&mut line).is_ok_and(|count| count > 0) {}
        raised.raise();
    });
    stop
}

/// Sends every datagram back as it came, its two ends exchanged.
fn echo(mut port: Box<dyn Port>, place: &Place, cpus: &[usize]) -> Result<Told, Failure> {
    let address = *place.gateway.ip();
    let mut endpoint = UdpEndpoint::new(Mac::local(address), address);
    let stop = until_told();
    if let Some(&cpu) = cpus.last() {
        pin(cpu);
    }
    println!("ready");
    let mut frames: Vec<([u8; 2048], usize)> = vec![([0; 2048], 0); 32];
    while !stop.is_raised() {
        let mut count = 0;
        let mut reply = None;
        port.receive(32, &mut |frame, _| {
            if frame.len() > HEADERS && frame[12..14] == [8, 0] && frame[23] == 17 {
                if let Some((space, length)) = frames.get_mut(count).filter(|_| frame.len() <= 2048)
                {
                    space[..frame.len()].copy_from_slice(frame);
                    exchange(space);
                    *length = frame.len();
                    count += 1;
                }
            } else if let Opened::ArpReply(frame) = endpoint.open(frame) {
                reply = Some(frame);
            }
        });
        for (frame, length) in frames.iter().take(count) {
            let fill = &mut |into: &mut [u8]| into.copy_from_slice(&frame[..*length]);
            while port.transmit(*length, fill).is_err() && !stop.is_raised() {
                port.flush();
            }
        }
        if let Some(reply) = reply {
            let _ = reply.send(port.as_mut());
        }
        if count > 0 || reply.is_some() {
            port.flush();
        }
    }
    Ok(Told::default())
}

/// Exchanges both ends of a frame; its checksums hold whichever way round.
fn exchange(frame: &mut [u8]) {
    for (at, length) in [(0, 6), (26, 4), (34, 2)] {
        for byte in at..at + length {
            frame.swap(byte, byte + length);
        }
    }
}

/// What a port between gateway and device sees.
struct TimedPort {
    inner: Arc<Mutex<Box<dyn Port>>>,
    clock: SystemClock,
    /// When the burst that is not answered yet was received.
    since: Option<Nanos>,
    in_box: LatencyRecorder,
    polled_at: Nanos,
    gaps: Arc<Mutex<Gaps>>,
    own_gaps: Gaps,
    calls: u32,
}

/// How long an idle lap may take without being a gap.
const GAP: u64 = 1_000;

impl Port for TimedPort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let Self { inner, clock, since, .. } = self;
        let Ok(mut inner) = inner.try_lock() else { return 0 };
        let seen = inner.receive(budget, &mut |frame, meta| {
            if since.is_none() && !is_quiet(frame) {
                *since = Some(clock.now());
            }
            each(frame, meta);
        });
        drop(inner);
        self.calls = self.calls.wrapping_add(1);
        if seen > 0 {
            self.polled_at = Nanos::ZERO;
            return seen;
        }
        // Between two looks at an idle port nothing of ours takes a microsecond.
        let now = self.clock.now();
        let gap = now.saturating_sub(self.polled_at).0;
        if self.polled_at.0 > 0 && gap > GAP {
            self.own_gaps.note(gap);
        }
        self.polled_at = if self.since.is_none() { now } else { Nanos::ZERO };
        if self.calls.is_multiple_of(1 << 16) {
            self.in_box.hand_over();
            if let Ok(mut gaps) = self.gaps.try_lock() {
                *gaps = self.own_gaps;
            }
            self.polled_at = Nanos::ZERO;
        }
        0
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        self.inner.try_lock().map_err(|_| Full)?.transmit(length, fill)
    }

    fn flush(&mut self) {
        if let Some(since) = self.since.take() {
            self.in_box.record(since, self.clock.now());
        }
        if let Ok(mut inner) = self.inner.try_lock() {
            inner.flush();
        }
    }

    fn counts(&self) -> Option<PortCounts> {
        self.inner.try_lock().ok()?.counts()
    }
}

/// Whether a frame asks for no answer: ARP, or acknowledgements alone.
fn is_quiet(frame: &[u8]) -> bool {
    let packet = frame.get(HEADERS..).map(parse);
    packet.is_none_or(|packet| packet.is_ok_and(|packet| packet.blocks().all(is_control)))
}

/// Runs appliances on the port, a fresh one for each line its parent sends.
fn appliance(
    arguments: &BenchArguments,
    port: Box<dyn Port>,
    place: &Place,
    clock: &SystemClock,
    cpus: &[usize],
) -> Result<Told, Failure> {
    let mut bench = Bench::new(arguments)?;
    bench.config.entry.address = place.gateway;
    let port = Arc::new(Mutex::new(port));
    let gaps = Arc::<Mutex<Gaps>>::default();
    let mut told: Option<Told> = None;
    let folder = arguments.data.join(format!("port-{}", std::process::id()));
    loop {
        let (recorder, mut in_box) = latency();
        let timed = TimedPort {
            inner: Arc::clone(&port),
            clock: clock.clone(),
            since: None,
            in_box: recorder,
            polled_at: Nanos::ZERO,
            gaps: Arc::clone(&gaps),
            own_gaps: Gaps::default(),
            calls: 0,
        };
        let (mut wired, keepers) = bench.wire(&folder, timed, None, clock)?;
        let opening = Request::new(CommandKind::StartOfDay, clock.now());
        let _ = wired.slow_requests.push(&Group::new(opening));
        let stop = StopFlag::default();
        let threads = start(&mut wired, &[&StageName::ALL], cpus, clock, &stop)
            .context("cannot start a thread")?;
        println!("ready");
        let asked = wait_for_word(&mut in_box);
        stop.raise();
        for thread in threads {
            let ended = thread.join().map_err(|_| anyhow::anyhow!("the core panicked"))?;
            ended.map_err(|fault| anyhow::anyhow!("the core stopped: {}", fault.sentence()))?;
        }
        drop(keepers);
        let _ = std::fs::remove_dir_all(&folder);
        // The first appliance is the paced one: its figures are those of the box.
        let seen = *gaps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        told.get_or_insert(Told { in_box: Some(in_box.percentiles()), gaps: seen });
        if !asked {
            return Ok(told.unwrap_or_default());
        }
    }
}

/// The machine's CPUs, last the one that this process is told to spin on.
fn cpus_for_server() -> Vec<usize> {
    let mut cpus = quietest_last(available_cpus());
    if let Some(cpu) = server_cpu().filter(|cpu| cpus.contains(cpu)) {
        cpus.retain(|other| *other != cpu);
        cpus.push(cpu);
    }
    cpus
}

/// Waits for a line of the parent, taking tallies away meanwhile; `false` at the end.
fn wait_for_word(in_box: &mut crate::runtime::LatencyReader) -> bool {
    let (asked, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = asked.send(std::io::stdin().lock().read_line(&mut line).is_ok_and(|n| n > 0));
    });
    loop {
        in_box.total();
        match answer.try_recv() {
            Ok(asked) => return asked,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            Err(std::sync::mpsc::TryRecvError::Empty) => pause(),
        }
    }
}

/// The usual percentiles, in the shape in which they travel.
pub(super) type InBox = Percentiles;
