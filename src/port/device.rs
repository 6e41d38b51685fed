//! The names of devices that DPDK drives: what a configuration writes, what DPDK is asked for.
//!
//! `KIND:ARGUMENT`, then options after commas: `af_xdp:eth1,queues=2,vlan=7`. Names are read
//! without DPDK too, so that a binary built without it can say what it lacks.

use std::fmt;
use std::str::FromStr;

/// What drives a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BypassKind {
    /// A card, by its PCI address.
    Card,
    /// DPDK's own TAP driver: the kernel at the other end, and slower than `tun`.
    Tap,
    /// An interface of the kernel by AF_XDP.
    AfXdp,
    /// An interface of the kernel by AF_PACKET.
    AfPacket,
    /// Memory shared with another process.
    Memif,
    /// A capture file played in.
    Pcap,
    /// What is sent comes back.
    Ring,
    /// Empty frames come for ever; what is sent goes nowhere.
    Null,
}

/// A device that DPDK drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BypassDevice {
    /// What drives it.
    pub kind: BypassKind,
    /// A PCI address, an interface, a socket or a file, by the kind; empty for a ring.
    pub argument: String,
    /// Queues in each direction.
    pub queues: u16,
    /// The VLAN its frames are in.
    pub vlan: Option<u16>,
    /// For `memif`: whether this end connects to the other instead of waiting for it.
    pub is_client: bool,
    /// For `pcap`: where what is sent is kept.
    pub out: Option<String>,
}

/// Queues of a port, at most.
pub const QUEUES_MAX: u16 = 16;

/// What is asked for when a TAP device has no name.
const TAP_NAME: &str = "wirematch0";

impl BypassDevice {
    /// A device without options.
    pub fn new(kind: BypassKind, argument: &str) -> Self {
        let argument = argument.to_owned();
        Self { kind, argument, queues: 1, vlan: None, is_client: false, out: None }
    }

    /// The other end of it, where that is ours to open: the client's of a shared memory.
    #[must_use]
    pub fn as_client(mut self) -> Self {
        self.is_client = self.kind == BypassKind::Memif;
        self
    }

    /// What DPDK calls a device, and what it is asked for; `number` keeps virtual ones apart.
    pub fn asked(&self, number: u32) -> (String, String) {
        let Self { argument, queues, .. } = self;
        let (driver, options) = match self.kind {
            BypassKind::Card => return (argument.clone(), argument.clone()),
            BypassKind::Tap => ("net_tap", format!(",iface={argument}")),
            BypassKind::AfXdp => {
                ("net_af_xdp", format!(",iface={argument},busy_budget=0,queue_count={queues}"))
            }
            BypassKind::AfPacket => {
                ("net_af_packet", format!(",iface={argument},qdisc_bypass=1,qpairs={queues}"))
            }
            BypassKind::Memif => {
                let role = if self.is_client { "client" } else { "server" };
                ("net_memif", format!(",role={role},socket={argument},socket-abstract=no"))
            }
            BypassKind::Pcap => {
                let out = self.out.as_ref().map_or(String::new(), |out| format!(",tx_pcap={out}"));
                ("net_pcap", format!(",rx_pcap={argument}{out}"))
            }
            BypassKind::Ring => ("net_ring", String::new()),
            BypassKind::Null => ("net_null", ",size=64".into()),
        };
        let name = format!("{driver}_{number}");
        (name.clone(), format!("{name}{options}"))
    }
}

/// A PCI address in full, from one with or without its domain.
fn pci_address(text: &str) -> Option<String> {
    let full = if text.matches(':').count() == 1 { format!("0000:{text}") } else { text.into() };
    let (bus, function) = full.split_once('.')?;
    let parts: Vec<&str> = bus.split(':').collect();
    let is_hex = |part: &&str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let [domain, bus, device] = parts.as_slice() else { return None };
    let is_good = is_hex(domain, 4) && is_hex(bus, 2) && is_hex(device, 2) && is_hex(&function, 1);
    is_good.then(|| full.to_ascii_lowercase())
}

impl FromStr for BypassDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let (kind, argument) = name.split_once(':').unwrap_or((name, ""));
        let wants = |what: &str| format!("`{text}`: write `{kind}:{what}`");
        let interface = || {
            let is_good = (1..=15).contains(&argument.len());
            if is_good { Ok(argument) } else { Err(wants("INTERFACE, at most 15 letters")) }
        };
        let path = |what: &str| if argument.is_empty() { Err(wants(what)) } else { Ok(argument) };
        let mut device = match kind {
            "dpdk" => {
                let address = pci_address(argument)
                    .ok_or_else(|| wants("ADDRESS, as dpdk:0000:03:00.0 (see lspci -D)"))?;
                Self::new(BypassKind::Card, &address)
            }
            "tap" if argument.is_empty() => Self::new(BypassKind::Tap, TAP_NAME),
            "tap" => Self::new(BypassKind::Tap, interface()?),
            "af_xdp" => Self::new(BypassKind::AfXdp, interface()?),
            "af_packet" => Self::new(BypassKind::AfPacket, interface()?),
            "memif" => Self::new(BypassKind::Memif, path("SOCKET, a path")?),
            "pcap" => Self::new(BypassKind::Pcap, path("FILE")?),
            "ring" if argument.is_empty() => Self::new(BypassKind::Ring, ""),
            "null" if argument.is_empty() => Self::new(BypassKind::Null, ""),
            _ => return Err(format!("`{text}` is not a device that DPDK drives")),
        };
        for option in parts {
            device.set(option).map_err(|why| format!("`{text}`: {why}"))?;
        }
        Ok(device)
    }
}

impl BypassDevice {
    fn set(&mut self, option: &str) -> Result<(), String> {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let number = |range: std::ops::RangeInclusive<u16>| {
            let number = value.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("`{key}` is from {} to {}", range.start(), range.end()))
        };
        match key {
            "queues" => self.queues = number(1..=QUEUES_MAX)?,
            "vlan" => self.vlan = Some(number(1..=4094)?),
            "client" if value.is_empty() && self.kind == BypassKind::Memif => self.is_client = true,
            "out" if !value.is_empty() && self.kind == BypassKind::Pcap => {
                self.out = Some(value.into());
            }
            _ => {
                return Err(format!(
                    "`{option}` is not an option here: queues=N, vlan=N, for memif `client`, \
                     for pcap out=FILE"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for BypassDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argument = &self.argument;
        match self.kind {
            BypassKind::Card => write!(f, "dpdk:{argument}"),
            BypassKind::Tap if argument == TAP_NAME => f.write_str("tap"),
            BypassKind::Tap => write!(f, "tap:{argument}"),
            BypassKind::AfXdp => write!(f, "af_xdp:{argument}"),
            BypassKind::AfPacket => write!(f, "af_packet:{argument}"),
            BypassKind::Memif => write!(f, "memif:{argument}"),
            BypassKind::Pcap => write!(f, "pcap:{argument}"),
            BypassKind::Ring => f.write_str("ring"),
            BypassKind::Null => f.write_str("null"),
        }?;
        if self.queues > 1 {
            write!(f, ",queues={}", self.queues)?;
        }
        if let Some(vlan) = self.vlan {
            write!(f, ",vlan={vlan}")?;
        }
        if self.is_client {
            f.write_str(",client")?;
        }
        self.out.as_ref().map_or(Ok(()), |out| write!(f, ",out={out}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for name in [
            "dpdk:0000:03:00.0",
            "tap",
            "tap:fast0",
            "af_xdp:eth1,queues=2,vlan=7",
            "af_packet:veth0",
            "memif:/tmp/wire.sock",
            "memif:/tmp/wire.sock,client",
            "pcap:in.pcap,out=out.pcap",
            "ring",
            "null",
        ] {
            let device: BypassDevice = name.parse().expect(name);
            assert_eq!(device.to_string(), name);
        }
        let short: BypassDevice = "dpdk:03:00.1".parse().expect("a short address");
        assert_eq!(short.argument, "0000:03:00.1");
    }

    #[test]
    fn errors_say_what_to_write() {
        for (name, word) in [
            ("dpdk:eth0", "lspci"),
            ("af_xdp", "INTERFACE"),
            ("memif:", "SOCKET"),
            ("ring,queues=0", "from 1 to 16"),
            ("ring,client", "not an option"),
            ("e1000:x", "not a device"),
        ] {
            let error = name.parse::<BypassDevice>().expect_err(name);
            assert!(error.contains(word), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            if let Ok(device) = text.parse::<BypassDevice>() {
                let again: BypassDevice = device.to_string().parse().expect("what was written");
                proptest::prop_assert_eq!(again, device);
            }
        }
    }
}
