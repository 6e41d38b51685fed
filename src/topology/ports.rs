//! Opens the devices a configuration names.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::port::Port;
use crate::port::capture::{CapturePort, Pace};
use crate::port::device::BypassDevice;
#[cfg(feature = "dpdk")]
use crate::port::dpdk::{self, DpdkPort};
use crate::port::record::RecordPort;
use crate::port::socket::{SocketConfig, SocketPort};
use crate::port::tun::{TapConfig, TapPort};
#[cfg(feature = "dpdk")]
use crate::port::vlan::VlanPort;
use crate::runtime::{Clock, SystemClock};
use crate::topology::DeviceName;

/// Bytes of frames a recording keeps, at most.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// An address and the length of its network's prefix: `10.7.0.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet(pub Ipv4Addr, pub u8);

impl std::str::FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(address, length)| {
            let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
            Some(Self(address.parse().ok()?, length))
        });
        parts.ok_or_else(|| format!("`{text}` is not an address with a prefix: as 10.7.0.1/24"))
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Subnet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.0, self.1))
    }
}

/// A device and what it is opened for.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// The device.
    pub device: DeviceName,
    /// Our address and port on it.
    pub address: SocketAddrV4,
    /// The kernel's address at the other end of a TAP device.
    pub kernel_address: Option<Subnet>,
    /// Where a capture of what passes is kept.
    pub record: Option<PathBuf>,
}

/// Starts DPDK for the devices it drives, if there are any, before the first is opened: cards must
/// be named when it starts. Says where its memory is from.
///
/// # Errors
/// Why it does not start, with the cure.
#[cfg(feature = "dpdk")]
pub fn start_bypass(devices: &[&DeviceName]) -> Result<Option<String>, String> {
    let driven = devices.iter().filter_map(|device| match device {
        DeviceName::Bypass(device) => Some(device),
        _ => None,
    });
    let driven: Vec<&BypassDevice> = driven.collect();
    if driven.is_empty() {
        return Ok(None);
    }
    let eal = dpdk::start(&driven).map_err(|error| error.to_string())?;
    Ok(Some(format!("DPDK has its memory in {}", eal.pages)))
}

/// Nothing to start.
///
/// # Errors
/// None.
#[cfg(not(feature = "dpdk"))]
pub fn start_bypass(_devices: &[&DeviceName]) -> Result<Option<String>, String> {
    Ok(None)
}

/// Opens a device.
///
/// # Errors
/// Why it cannot be had, and how to mend it.
pub fn open_port(request: &DeviceRequest, clock: &SystemClock) -> Result<Box<dyn Port>, String> {
    open_port_hearing(request, Some(request.address.port()), &[], clock)
}

/// The same for one that hears groups; a socket is bound to `own_port` too, where there is one.
///
/// # Errors
/// As [`open_port`].
pub(super) fn open_port_hearing(
    request: &DeviceRequest,
    own_port: Option<u16>,
    groups: &[SocketAddrV4],
    clock: &SystemClock,
) -> Result<Box<dyn Port>, String> {
    let now = || {
        let clock = clock.clone();
        Box::new(move || clock.now())
    };
    let port: Box<dyn Port> = match &request.device {
        DeviceName::Socket => {
            let config = SocketConfig {
                address: *request.address.ip(),
                ports: own_port.into_iter().collect(),
                groups: groups.to_vec(),
            };
            Box::new(SocketPort::open(&config).map_err(|error| error.to_string())?)
        }
        DeviceName::Tun(name) => {
            let kernel_address =
                request.kernel_address.map(|Subnet(address, length)| (address, length));
            let config = TapConfig { name: name.clone(), kernel_address, mtu: None };
            Box::new(TapPort::open(&config).map_err(|error| error.to_string())?)
        }
        DeviceName::Capture(path) => {
            let port = CapturePort::open(path, Pace::AsCaptured, now());
            Box::new(port.map_err(|error| error.to_string())?)
        }
        DeviceName::Bypass(device) => open_bypass(device, clock)?,
        DeviceName::Memory => {
            return Err("`memory` is a port inside one process, for tests and benchmarks: \
                        name `socket`, `tun:NAME`, `memif:SOCKET` or `capture:FILE`"
                .into());
        }
    };
    match &request.record {
        None => Ok(port),
        Some(path) => {
            let recorded = RecordPort::new(port, path, RECORD_BYTES_MAX, now());
            Ok(Box::new(recorded.map_err(|error| error.to_string())?))
        }
    }
}

/// Opens a device that DPDK drives.
#[cfg(feature = "dpdk")]
fn open_bypass(device: &BypassDevice, clock: &SystemClock) -> Result<Box<dyn Port>, String> {
    let port = DpdkPort::open(device, &|| clock.now()).map_err(|error| error.to_string())?;
    match device.vlan.filter(|_| !port.offloads().vlan) {
        Some(vlan) => Ok(Box::new(VlanPort::new(port, vlan))),
        None => Ok(Box::new(port)),
    }
}

/// Says what is lacking.
#[cfg(not(feature = "dpdk"))]
fn open_bypass(device: &BypassDevice, _clock: &SystemClock) -> Result<Box<dyn Port>, String> {
    Err(format!(
        "`{device}` needs DPDK, and this binary was built without it: build it with \
         `cargo build --release --features dpdk` (Debian: libdpdk-dev), or name `tun:NAME` \
         or `socket`"
    ))
}
