//! Frames to and from the verilated device, a word a clock, as a MAC gives and takes them.

use std::net::SocketAddrV4;

use crate::fpga::device::{Device, Setting};
use crate::fpga::simulated::{Simulated, Size};
use crate::model::{Event, Price, Symbol};
use crate::wire::ethernet::Mac;

/// Words between two frames: preamble, checksum and gap never take fewer.
const GAP: u64 = 3;

/// Where the device is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its hardware address.
    pub mac: Mac,
    /// Its address and port.
    pub address: SocketAddrV4,
}

/// A session that the host has let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its row: there are four.
    pub row: u16,
    /// What its packets begin with.
    pub token: [u8; 10],
    /// Where it is.
    pub station: Station,
    /// Its number, account and self-trade setting.
    pub session: u32,
    /// Its account.
    pub account: u16,
    /// As in a command's flags.
    pub self_trade: u8,
    /// The number of its first message.
    pub number: u64,
    /// What its orders may be worth in all, in ten-thousandths.
    pub credit: u64,
}

/// What risk lets through; the same for all sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one order.
    pub quantity: u32,
    /// Of one order, in ten-thousandths.
    pub notional: u64,
    /// Orders open at once.
    pub open_orders: u16,
    /// Orders that may come at once.
    pub burst: u8,
    /// Cycles until there is room for one more.
    pub period: u16,
    /// The lowest and the highest price.
    pub collar: (Price, Price),
}

/// What the device counts, by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it, and `name` says it to people")]
pub enum Counter {
    BadCheck = 0,
    TooShort = 1,
    TooLong = 2,
    NotOurs = 3,
    NotUdp = 4,
    IpChecksum = 5,
    UdpChecksum = 6,
    Lengths = 7,
    NotOneOrder = 8,
    Options = 9,
    Flood = 10,
    Stranger = 11,
    Duplicate = 12,
    Gap = 13,
    Taken = 14,
    Refused = 15,
    Reports = 16,
    Late = 17,
    Frames = 18,
}

impl Counter {
    /// All of them, with what they count.
    pub const ALL: [(Self, &str); 19] = [
        (Self::BadCheck, "frames whose checksum the MAC found wrong"),
        (Self::TooShort, "frames that end before an order could"),
        (Self::TooLong, "giants"),
        (Self::NotOurs, "frames for another station, address or port"),
        (Self::NotUdp, "frames that are no plain IPv4 with UDP"),
        (Self::IpChecksum, "wrong IPv4 checksums"),
        (Self::UdpChecksum, "wrong UDP checksums"),
        (Self::Lengths, "lengths that do not agree"),
        (Self::NotOneOrder, "packets for the host: not one order"),
        (Self::Options, "orders for the host: more than the device does"),
        (Self::Flood, "frames that came while an order waited"),
        (Self::Stranger, "orders of no session"),
        (Self::Duplicate, "numbers seen before"),
        (Self::Gap, "numbers after a gap"),
        (Self::Taken, "orders given a place in history"),
        (Self::Refused, "of these refused by risk"),
        (Self::Reports, "report frames"),
        (Self::Late, "orders judged too late"),
        (Self::Frames, "frames in all"),
    ];
}

/// The device behind frames.
#[derive(Debug)]
pub struct WirePort {
    /// The device.
    pub device: Simulated,
    /// Frames that came out.
    pub reports: Vec<Vec<u8>>,
    /// Events that the host was mirrored.
    pub events: Vec<Event>,
    /// By frame that was answered: cycles from its last word to the first of the answer.
    pub latencies: Vec<u64>,
    partial: Vec<u8>,
    /// When the last word of a frame went in that is not answered yet.
    asked_at: Option<u64>,
    /// Whether the MAC and the host take what is there, by the cycle.
    pub stalls: Option<crate::flow::Dice>,
}

impl WirePort {
    /// A device at a station, with one instrument.
    pub fn new(station: Station, symbol: Symbol, base: Price, wave: Option<&str>) -> Self {
        let mut device = Simulated::new(Size::Wire, wave);
        let capacity = device.capacity();
        device.set(Setting::FirstInstrument(1));
        device.set(Setting::SessionsMax(capacity.sessions));
        device.set(Setting::Base { symbol: 0, price: base.0 as u64 });
        device.set(Setting::Tick { symbol: 0, step: 100 });
        let (ip, port) = (u32::from(*station.address.ip()), station.address.port());
        set(&mut device, 0x7000, number_of(station.mac));
        set(&mut device, 0x7001, u64::from(port) << 32 | u64::from(ip));
        set(&mut device, 0x7002, 1);
        set(&mut device, 0x7003, 0);
        set(&mut device, 0x6000, u64::from_be_bytes(symbol.0));
        device.inputs.report_ready = 1;
        device.inputs.event_ready = 1;
        Self {
            device,
            reports: Vec::new(),
            events: Vec::new(),
            latencies: Vec::new(),
            partial: Vec::new(),
            asked_at: None,
            stalls: None,
        }
    }

    /// Tells what risk lets through.
    pub fn limit(&mut self, limits: &Limits) {
        let Limits { quantity, notional, open_orders, burst, period, collar } = *limits;
        let rates = u64::from(period) << 24 | u64::from(burst) << 16 | u64::from(open_orders);
        for (field, word) in [
            (0, u64::from(quantity)),
            (1, notional),
            (2, rates),
            (3, collar.0.0 as u64),
            (4, collar.1.0 as u64),
            (5, 0),
        ] {
            set(&mut self.device, 0x5000 | field, word);
        }
    }

    /// Kill switch of all sessions.
    pub fn kill(&mut self, on: bool) {
        set(&mut self.device, 0x5005, u64::from(on));
    }

    /// Lets a session in.
    pub fn admit(&mut self, admitted: &Admitted, own: Station) {
        let mut token = [0; 16];
        token[..10].copy_from_slice(&admitted.token);
        let token = u128::from_le_bytes(token);
        let (ip, port) = (*admitted.station.address.ip(), admitted.station.address.port());
        let source = u64::from(port) << 32 | u64::from(u32::from(ip));
        let who = u64::from(admitted.self_trade) << 48
            | u64::from(admitted.account) << 32
            | u64::from(admitted.session);
        let mut sum = 0x4500_u32 + 0x4000 + 0x4011;
        for address in [u32::from(ip), u32::from(*own.address.ip())] {
            sum += (address >> 16) + (address & 0xffff);
        }
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        for (field, word) in [
            (0, token as u64),
            (1, source << 16 | (token >> 64) as u64),
            (2, who),
            (3, admitted.number),
            (5, admitted.credit),
            (6, 0),
            (7, number_of(admitted.station.mac)),
            (8, u64::from(folded)),
            (9, 1),
            (4, 1),
        ] {
            set(&mut self.device, 0x4000 | admitted.row << 4 | field, word);
        }
    }

    /// One clock; what comes out is kept.
    fn cycle(&mut self) {
        if let Some(dice) = &mut self.stalls {
            self.device.inputs.report_ready = u8::from(dice.percent(60));
            self.device.inputs.event_ready = u8::from(dice.percent(60));
        }
        let now = self.device.cycles;
        self.device.cycle();
        let (inputs, outputs) = (&self.device.inputs, &self.device.outputs);
        if outputs.event_valid == 1 && inputs.event_ready == 1 {
            self.events.push(bytemuck::cast(outputs.event));
        }
        if outputs.report_valid == 1 {
            if let Some(asked) = self.asked_at.take_if(|_| self.partial.is_empty()) {
                self.latencies.push(now - asked);
            }
            if inputs.report_ready == 1 {
                let bytes = outputs.report_data.to_le_bytes();
                let count = outputs.report_keep.count_ones() as usize;
                self.partial.extend_from_slice(&bytes[..count]);
                if outputs.report_last == 1 {
                    self.reports.push(std::mem::take(&mut self.partial));
                }
            }
        }
    }

    /// Plays a frame; `bad`: its checksum is wrong, as the MAC says with the last word.
    pub fn play(&mut self, frame: &[u8], bad: bool) {
        let words = frame.len().div_ceil(8);
        for (at, chunk) in frame.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            let inputs = &mut self.device.inputs;
            inputs.frame_valid = 1;
            inputs.frame_data = u64::from_le_bytes(bytes);
            inputs.frame_keep = (0xff_u16 >> (8 - chunk.len())) as u8;
            inputs.frame_last = u8::from(at + 1 == words);
            inputs.frame_bad = u8::from(bad && at + 1 == words);
            if at + 1 == words {
                self.asked_at = Some(self.device.cycles);
            }
            self.cycle();
        }
        self.device.inputs.frame_valid = 0;
        self.device.inputs.frame_last = 0;
        self.wait(GAP);
    }

    /// Lets time pass.
    pub fn wait(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.cycle();
        }
    }

    /// Lets time pass until nothing moves.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..1_000_000 {
            self.cycle();
            let outputs = &self.device.outputs;
            let moves = outputs.report_valid | outputs.event_valid | (1 - outputs.idle);
            quiet = if moves == 0 { quiet + 1 } else { 0 };
            if quiet > 40 {
                break;
            }
        }
        self.asked_at = None;
    }

    /// What was counted.
    pub fn counted(&self, counter: Counter) -> u32 {
        self.device.outputs.counters[counter as usize]
    }
}

/// Writes a word of the device's settings.
fn set(device: &mut Simulated, address: u16, word: u64) {
    device.inputs.setting_address = address;
    device.inputs.setting_data = word;
    device.inputs.setting_write = 1;
    device.cycle();
    device.inputs.setting_write = 0;
}

fn number_of(mac: Mac) -> u64 {
    mac.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
