//! `wirematch feed`: checks, plays and records ITCH 5.0 over MoldUDP64, from captures and journals.

mod check;

use std::net::{SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::command::configuration::ConfigArguments;
use crate::command::ticker::Hearing;
use crate::command::{Failure, Outcome};
use crate::journal::{LogKind, Reader};
use crate::model::{Event, Nanos};
use crate::port::Port;
use crate::port::pcap::{Captured, Writer, read};
use crate::runtime::{Clock, SystemClock};
use crate::stage::FeedState;
use crate::topology::empty_feed;
use crate::wire::ethernet::{EtherType, Frame};
use crate::wire::session::{PACKET_MAX, PacketWriter};
use crate::wire::{ipv4, udp};

/// Checks, plays and records market data: ITCH 5.0 over MoldUDP64.
#[derive(Args, Debug)]
pub struct FeedArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads captures and journals: every message decodes and encodes to itself, nothing is
    /// missing, the books built are possible
    #[command(after_help = "Exit codes: 0 all good, 2 a file cannot be read, 3 something is \
        wrong.\n\nExamples:\n  wirematch feed check a.pcap b.pcap --json\n  \
        wirematch feed check --partial afternoon.pcap\n  wirematch feed check run")]
    Check {
        /// Captures, or a data folder's journal as it was published: each is a line of the same
        /// feed, or (--apart) a feed of its own
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Each file on its own
        #[arg(long)]
        apart: bool,
        /// A part of a day: what is missing before, in between and of orders is told, and no fault
        #[arg(long)]
        partial: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Sends the datagrams of a capture, or the messages of a journal, to a group
    #[command(after_help = "Examples:\n  wirematch feed play day.pcap --to 239.1.1.1:26400\n  \
        wirematch feed play run --to 127.0.0.1:9300 --speed 10\n  \
        wirematch feed play run --to 127.0.0.1:9300 --speed 0")]
    Play {
        /// A capture, or a data folder
        from: PathBuf,
        /// Where to
        #[arg(long)]
        to: SocketAddrV4,
        /// How many times as fast as it was; 0: as fast as it goes
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Writes what is heard of a feed into a capture, until the time is over
    #[command(after_help = "Example:\n  wirematch feed record feed.pcap --listen 127.0.0.1:9201 \
        --seconds 60")]
    Record {
        /// The file
        into: PathBuf,
        #[command(flatten)]
        hearing: Hearing,
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read, an address that cannot be had, a feed that is wrong.
pub fn run(arguments: &FeedArguments) -> Outcome {
    match &arguments.action {
        Action::Check { files, apart, partial, json, config } => {
            let lines = files.iter().map(|file| datagrams(file, true, config));
            check::run(files, &lines.collect::<Result<Vec<_>, _>>()?, *apart, *partial, *json)
        }
        Action::Play { from, to, speed, config } => play(from, *to, *speed, config),
        Action::Record { into, hearing, seconds } => record(into, hearing, *seconds),
    }
}

/// The datagram in a frame, with or without a VLAN tag, whatever a capture's anonymiser did to
/// addresses and checksums.
pub(super) fn datagram(frame: &[u8]) -> Option<&[u8]> {
    let tag = if frame.get(12..14)? == [0x81, 0x00] { 4 } else { 0 };
    let packet = frame.get(14 + tag..)?;
    let is_udp = packet.first()? == &0x45 && packet.get(9)? == &ipv4::UDP;
    let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    is_udp.then(|| packet.get(ipv4::HEADER + udp::HEADER..length)).flatten()
}

/// A datagram, and when it was.
type Timed = (Nanos, Vec<u8>);

/// The datagrams of a capture, or (of a data folder) of a journal's feed.
fn datagrams(
    from: &Path,
    is_packed: bool,
    config: &ConfigArguments,
) -> Result<Vec<Timed>, Failure> {
    if from.is_dir() {
        return of_journal(from, is_packed, config);
    }
    let frames = read(from).map_err(Failure::usage)?;
    let datagram = |frame: &Captured| Some((frame.at, datagram(&frame.bytes)?.to_vec()));
    Ok(frames.iter().filter_map(datagram).collect())
}

fn play(from: &Path, to: SocketAddrV4, speed: f64, config: &ConfigArguments) -> Outcome {
    let datagrams = datagrams(from, speed == 0.0, config)?;
    let socket = UdpSocket::bind("0.0.0.0:0").context("no socket")?;
    let clock = SystemClock::new();
    let (began, first) = (clock.now(), datagrams.first().map_or(Nanos::ZERO, |of| of.0));
    for (at, bytes) in &datagrams {
        if speed > 0.0 {
            let span = (at.saturating_sub(first).0 as f64 / speed) as u64;
            let gone = clock.now().saturating_sub(began).0;
            std::thread::sleep(Duration::from_nanos(span.saturating_sub(gone)));
        }
        socket.send_to(bytes, to).with_context(|| format!("cannot send to {to}"))?;
    }
    println!("sent {} datagrams to {to}", datagrams.len());
    Ok(())
}

/// Messages gathered into a packet where the times between them do not count.
const GATHERED: u64 = 32;

/// The packets that a journal's feed has published, each with the time of its last event: every
/// event's messages apart, or `is_packed`, as many as a packet takes.
fn of_journal(
    data: &Path,
    is_packed: bool,
    config: &ConfigArguments,
) -> Result<Vec<Timed>, Failure> {
    let loaded = config.load()?;
    let mut state = empty_feed(&loaded.config, &loaded.catalogue);
    let folder = LogKind::Events.folder(&crate::topology::journal_folder(data));
    let mut reader = Reader::<Event>::open(&folder, 0).map_err(anyhow::Error::from)?;
    let mut packets = Vec::new();
    let enough = if is_packed { GATHERED } else { 1 };
    let (mut place, mut at) = (state.next_place(), Nanos::ZERO);
    loop {
        let event = reader.read_event().map_err(anyhow::Error::from)?;
        if let Some(event) = &event {
            state.apply(event);
            at = event.timestamp;
        }
        if event.is_none() || state.next_place() - place >= enough {
            while let Some(packet) = packet_at(&state, &mut place) {
                packets.push((at, packet));
            }
        }
        if event.is_none() {
            return Ok(packets);
        }
    }
}

/// A packet of the messages from `place` on, which goes behind them.
fn packet_at(state: &FeedState, place: &mut u64) -> Option<Vec<u8>> {
    let first = state.numbered(*place).filter(|_| *place < state.next_place())?;
    let mut bytes = [0; PACKET_MAX];
    let mut writer = PacketWriter::new(&mut bytes, first.session, first.number)?;
    while *place < first.end
        && let Some(message) = state.message(*place)
        && writer.push(message)
    {
        *place += 1;
    }
    let length = writer.finish();
    Some(bytes[..length].to_vec())
}

fn record(into: &Path, hearing: &Hearing, seconds: u64) -> Outcome {
    let clock = SystemClock::new();
    let mut port = hearing.open().map_err(Failure::usage)?;
    let mut file = Writer::create(into, u64::MAX).map_err(Failure::usage)?;
    let until = Nanos(clock.now().0 + seconds * 1_000_000_000);
    let mut frames = 0u64;
    while clock.now() < until {
        let seen = port.receive(64, &mut |frame, _| {
            let is_data = Frame::parse(frame).is_ok_and(|of| of.ether_type() == EtherType::Ipv4);
            if is_data {
                file.write(clock.now(), frame);
                frames += 1;
            }
        });
        if seen == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    file.flush();
    if file.left_out() > 0 {
        return Err(Failure::from(anyhow!("{} frames found no room", file.left_out())));
    }
    println!("{frames} frames in {}", into.display());
    Ok(())
}
