//! Devices as the configuration and the command line name them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::port::device::BypassDevice;

/// A device to send and receive frames by, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum DeviceName {
    /// Kernel UDP; needs no privilege.
    Socket,
    /// A TAP device opened directly, by name.
    Tun(String),
    /// The near end of a wire in memory, for tests and benchmarks.
    Memory,
    /// A capture file played in; what is sent goes nowhere.
    Capture(PathBuf),
    /// A device that DPDK drives.
    Bypass(BypassDevice),
}

impl std::str::FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "socket" => Ok(Self::Socket),
            None if text == "memory" => Ok(Self::Memory),
            Some(("tun", name)) if (1..=15).contains(&name.len()) => Ok(Self::Tun(name.into())),
            Some(("capture", path)) if !path.is_empty() => Ok(Self::Capture(path.into())),
            Some(("tun" | "capture", _)) => Err(not_a_device(text)),
            _ => text.parse().map(Self::Bypass).map_err(|why: String| {
                if why.contains("not a device") { not_a_device(text) } else { why }
            }),
        }
    }
}

fn not_a_device(text: &str) -> String {
    format!(
        "`{text}` is not a device: write `socket`, `tun:NAME` (at most 15 letters), \
         `capture:FILE` or `memory`; with DPDK `dpdk:ADDRESS` (a PCI card), `tap`, \
         `af_xdp:INTERFACE`, `af_packet:INTERFACE`, `memif:SOCKET`, `pcap:FILE`, `ring` or `null`"
    )
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket => f.write_str("socket"),
            Self::Memory => f.write_str("memory"),
            Self::Tun(name) => write!(f, "tun:{name}"),
            Self::Capture(path) => write!(f, "capture:{}", path.display()),
            Self::Bypass(device) => device.fmt(f),
        }
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.to_string()
    }
}

impl<'de> Deserialize<'de> for DeviceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
