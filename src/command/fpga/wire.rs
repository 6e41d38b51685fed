//! `wirematch fpga wire`: a capture of order frames through the device, and one of its answers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::Context;
use clap::Args;

use crate::command::{Failure, Outcome};
use crate::flow::Dice;
use crate::fpga::wire::{Admitted, Counter, Limits, Station, WirePort};
use crate::model::{Nanos, Price, Symbol};
use crate::port::pcap;
use crate::wire::ethernet::{Frame, Mac};
use crate::wire::ipv4;
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, Outbound, ReplaceOrderRequest,
};
use crate::wire::session::{Packet, PacketWriter};
use crate::wire::udp::{self, Datagram, HEADERS, Route};

/// Cycles from an order's last byte to its report's first word that are promised.
const PROMISED: u64 = 10;

/// Plays a capture of order frames through the device and writes a capture of its answers.
///
/// Sessions are let in as the capture shows them, up to four; the first order's price is the middle
/// of the ladder. Exits with 4 when an answer came later than ten cycles after its order's last
/// byte, or is not one that a client can read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wirematch fpga wire orders.pcap answers.pcap --make 1000 --seed 1\n  \
    tshark -r answers.pcap -d udp.port==9000,moldudp64")]
pub(super) struct WireArguments {
    /// Frames for the device.
    orders: PathBuf,
    /// Where its answers go.
    answers: PathBuf,
    /// First writes so many orders into the first file.
    #[arg(long)]
    make: Option<u32>,
    /// The same seed makes the same orders.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where a waveform goes (VCD).
    #[arg(long)]
    wave: Option<PathBuf>,
}

/// Writes a waveform and a picture of one order's road through the device.
#[derive(Debug, Args)]
pub(super) struct WaveArguments {
    /// The same seed makes the same order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the waveform goes; the picture beside it, as PNG.
    #[arg(default_value = "order.vcd")]
    wave: PathBuf,
}

/// Where the device is in captures that are made here.
const DEVICE: Station = Station {
    mac: Mac([2, 0, 0, 0, 0, 1]),
    address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9000),
};

fn client(session: u8) -> Station {
    Station {
        mac: Mac([2, 0, 0, 0, 1, session]),
        address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 10 + session), 4000),
    }
}

/// Runs the command.
///
/// # Errors
/// Files, and what is promised and not kept.
pub(super) fn run(arguments: &WireArguments) -> Outcome {
    if let Some(orders) = arguments.make {
        make(&arguments.orders, orders, arguments.seed)?;
    }
    let frames = pcap::read(&arguments.orders).map_err(Failure::usage)?;
    let wave = arguments.wave.as_ref().map(|path| path.display().to_string());
    let port = play(&frames, wave.as_deref())?;
    let mut writer = pcap::Writer::create(&arguments.answers, u64::MAX)
        .with_context(|| format!("{}", arguments.answers.display()))?;
    let mut read = BTreeMap::new();
    for (number, report) in port.reports.iter().enumerate() {
        writer.write(Nanos(1_000 * number as u64), report);
        *read.entry(read_by_client(report)?).or_insert(0_u32) += 1;
    }
    writer.flush();
    for (counter, what) in Counter::ALL {
        println!("{:>9}  {what}", port.counted(counter));
    }
    for (message, count) in read {
        println!("{count:>9}  answers `{message}` that a client reads");
    }
    let worst = port.latencies.iter().max().copied().unwrap_or(0);
    let least = port.latencies.iter().min().copied().unwrap_or(0);
    println!("last byte to the answer's first word: {least} to {worst} cycles");
    if worst > PROMISED {
        let message =
            format!("an answer came after {worst} cycles: at most {PROMISED} are promised");
        return Err(Failure::verification(message));
    }
    Ok(())
}

/// The order frame's parts that matter here.
fn opened(frame: &[u8]) -> Option<(Station, Station, Packet<'_>)> {
    let ethernet = Frame::parse(frame).ok()?;
    let datagram = Datagram::parse(&ipv4::Packet::parse(ethernet.payload()).ok()?).ok()?;
    let packet = Packet::parse(datagram.payload, 1400).ok()?;
    let from = Station { mac: ethernet.source(), address: datagram.source };
    let to = Station { mac: ethernet.destination(), address: datagram.destination };
    Some((from, to, packet))
}

fn play(frames: &[pcap::Captured], wave: Option<&str>) -> Result<WirePort, Failure> {
    let first = frames.iter().find_map(|frame| {
        let (_, to, packet) = opened(&frame.bytes)?;
        let order = packet.blocks().find_map(|block| match Inbound::decode(block) {
            Ok(Inbound::EnterOrder(order, _)) => Some(order),
            _ => None,
        })?;
        Some((to, order))
    });
    let (own, order) = first.ok_or_else(|| Failure::usage("the capture has no order"))?;
    let base = Price((order.price as i64 - 2048 * 100).max(100) / 100 * 100);
    let mut port = WirePort::new(own, Symbol(order.symbol), base, wave);
    port.limit(&Limits {
        quantity: 999_999,
        notional: 1 << 50,
        open_orders: u16::MAX,
        burst: 255,
        period: 0,
        collar: (base, Price(base.0 + 4095 * 100)),
    });
    let mut rows = BTreeMap::new();
    for frame in frames {
        let Some((from, _, packet)) = opened(&frame.bytes) else { continue };
        let row = rows.len() as u16;
        if row < 4 && !rows.contains_key(&packet.session()) {
            rows.insert(packet.session(), row);
            let session = u32::from(row) + 1;
            let admitted = Admitted {
                row,
                token: packet.session(),
                station: from,
                session,
                account: session as u16,
                self_trade: 0,
                number: packet.seq(),
                credit: 1 << 54,
            };
            port.admit(&admitted, own);
        }
    }
    for frame in frames {
        port.device.inputs.time = frame.at.0;
        port.play(&frame.bytes, false);
        port.settle();
    }
    Ok(port)
}

/// The letter of an answer that our own client's reader takes.
fn read_by_client(report: &[u8]) -> Result<char, Failure> {
    let unread = || Failure::verification("a report frame is none that a client can read");
    let (_, _, packet) = opened(report).ok_or_else(unread)?;
    let block = packet.blocks().next().ok_or_else(unread)?;
    Outbound::decode(block).map_err(|_| unread())?;
    block.first().map(|&byte| byte as char).ok_or_else(unread)
}

/// Writes a capture of orders of two sessions.
fn make(path: &Path, orders: u32, seed: u64) -> Outcome {
    let mut writer =
        pcap::Writer::create(path, u64::MAX).with_context(|| format!("{}", path.display()))?;
    let mut dice = Dice::new(seed);
    let mut numbers = [0_u32; 2];
    let mut ordinals = [0_u32; 2];
    for order in 0..orders {
        let who = dice.below(2) as usize;
        numbers[who] += 1;
        let kind = if ordinals[who] < 4 { 0 } else { dice.below(10) };
        let price = 1_000_000 + (dice.below(40) as i64 - 20) as u64 as i64 * 100;
        let message = match kind {
            0..6 => {
                ordinals[who] += 1;
                bytes(&Inbound::EnterOrder(
                    entry(ordinals[who], price, &mut dice),
                    Appendage::EMPTY,
                ))
            }
            6..9 => {
                let target = ordinals[who] - dice.below(4) as u32;
                let cancel = CancelOrderRequest { user_ref_num: target, quantity: 0 };
                bytes(&Inbound::CancelOrderRequest(cancel, Appendage::ABSENT))
            }
            _ => {
                let target = ordinals[who];
                ordinals[who] += 1;
                let entry = entry(ordinals[who], price, &mut dice);
                let replace = ReplaceOrderRequest {
                    orig_user_ref_num: target,
                    user_ref_num: entry.user_ref_num,
                    quantity: entry.quantity,
                    price: entry.price,
                    time_in_force: entry.time_in_force,
                    display: entry.display,
                    intermarket_sweep: entry.intermarket_sweep,
                    cl_ord_id: entry.cl_ord_id,
                };
                bytes(&Inbound::ReplaceOrderRequest(replace, Appendage::EMPTY))
            }
        };
        let frame = frame(client(who as u8 + 1), u64::from(numbers[who]), &message);
        writer.write(Nanos(1_000 * u64::from(order)), &frame);
    }
    writer.flush();
    Ok(())
}

fn entry(user_ref_num: u32, price: i64, dice: &mut Dice) -> EnterOrder {
    EnterOrder {
        user_ref_num,
        side: if dice.percent(50) { b'B' } else { b'S' },
        quantity: 1 + dice.below(300) as u32,
        symbol: *b"ACME    ",
        price: price as u64,
        time_in_force: if dice.percent(20) { b'3' } else { b'0' },
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"example-order ",
    }
}

fn bytes(message: &Inbound<'_>) -> Vec<u8> {
    let mut space = [0; 256];
    let length = message.encode(&mut space).unwrap_or(0);
    space[..length].to_vec()
}

/// A frame from a client with one message.
fn frame(from: Station, number: u64, message: &[u8]) -> Vec<u8> {
    let mut payload = [0; 400];
    let mut token = *b"SESSION   ";
    token[8] = from.mac.0[5] + b'0';
    let length = PacketWriter::new(&mut payload, token, number)
        .map_or(0, |mut writer| if writer.push(message) { writer.finish() } else { 0 });
    let mut frame = vec![0; HEADERS + length];
    frame[HEADERS..].copy_from_slice(&payload[..length]);
    let (from_mac, to_mac) = (from.mac, DEVICE.mac);
    let route = Route { from_mac, to_mac, from: from.address, to: DEVICE.address };
    udp::seal(&mut frame, length, &route);
    frame
}

/// Runs the command.
///
/// # Errors
/// Files, and a picture that cannot be made.
pub(super) fn wave(arguments: &WaveArguments) -> Outcome {
    let orders = arguments.wave.with_extension("pcap");
    make(&orders, 6, arguments.seed)?;
    let frames = pcap::read(&orders).map_err(Failure::usage)?;
    play(&frames, Some(&arguments.wave.display().to_string()))?;
    let status = Process::new("python3")
        .args(["fpga/sim/picture.py"])
        .arg(&arguments.wave)
        .arg(arguments.wave.with_extension("png"))
        .status()
        .context("python3 (with matplotlib) makes the picture")?;
    if !status.success() {
        return Err(Failure::check("the picture was not made: fpga/sim/picture.py says why"));
    }
    println!("{}", arguments.wave.with_extension("png").display());
    Ok(())
}
