//! A Linux TAP device opened directly and read without waiting: frames from and to the kernel.
//!
//! The kernel is the peer at the other end of the wire, with an address of its own; the appliance
//! has another one in the same subnet.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::port::outgoing::{FRAME_MAX, Outgoing};
use crate::port::{FrameMeta, Full, Port, PortCounts};

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapConfig {
    /// The interface's name, at most 15 bytes; it is made if it does not exist.
    pub name: String,
    /// The kernel's own address and prefix length; `None` leaves the interface as it is.
    pub kernel_address: Option<(Ipv4Addr, u8)>,
    /// The longest packet, where it is to be set.
    pub mtu: Option<u16>,
}

/// Why a TAP device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name is no interface name.
    #[error("interface name `{0}` is empty, longer than 15 bytes or not plain ASCII")]
    Name(String),
    /// The device file is not there.
    #[error(
        "/dev/net/tun is not there: load the kernel module (modprobe tun), or in a container \
             pass the device in"
    )]
    NoDevice,
    /// The process may not.
    #[error(
        "no permission for TAP interface `{name}`: give the process CAP_NET_ADMIN (setcap \
             cap_net_admin+ep), or run it under `unshare -Urn`, or make the interface for this \
             user (ip tuntap add)"
    )]
    NoPermission {
        /// The interface.
        name: String,
    },
    /// Somebody else has it open.
    #[error("TAP interface `{name}` is in use by another process")]
    InUse {
        /// The interface.
        name: String,
    },
    /// Another step failed.
    #[error("TAP interface `{name}`: {step} failed: {cause}")]
    Failed {
        /// The interface.
        name: String,
        /// The step.
        step: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// The port.
#[derive(Debug)]
pub struct TapPort {
    device: File,
    frame: Box<[u8]>,
    outgoing: Outgoing,
    failed_reads: u64,
    received: u64,
    taken: u64,
}

impl TapPort {
    /// Opens the device and, where asked, gives the kernel's side its address and brings it up.
    ///
    /// # Errors
    /// [`TapError`] says what is missing and how to get it.
    pub fn open(config: &TapConfig) -> Result<Self, TapError> {
        let interface = Interface::new(&config.name)?;
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .map_err(|cause| interface.failed("opening /dev/net/tun", cause))?;
        let flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        let mut request = interface.request();
        request.ifr_ifru.ifru_flags = flags;
        interface.ask("attaching", device.as_raw_fd(), libc::TUNSETIFF, &mut request)?;
        interface.configure(config)?;
        let (frame, outgoing) = (vec![0; FRAME_MAX].into(), Outgoing::new());
        Ok(Self { device, frame, outgoing, failed_reads: 0, received: 0, taken: 0 })
    }

    /// Reads that failed, say while the interface is down; frames the kernel refused.
    pub fn failures(&self) -> (u64, u64) {
        (self.failed_reads, self.outgoing.lost())
    }
}

impl Port for TapPort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        for seen in 0..budget {
            match self.device.read(&mut self.frame) {
                Ok(length) => {
                    self.received += 1;
                    each(&self.frame[..length], FrameMeta::default());
                }
                Err(error) => {
                    self.failed_reads += u64::from(error.kind() != ErrorKind::WouldBlock);
                    return seen;
                }
            }
        }
        budget
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let device = &mut self.device;
        self.outgoing.transmit(length, fill, &mut |frame| device.write(frame).map(drop))?;
        self.taken += 1;
        Ok(())
    }

    fn counts(&self) -> Option<PortCounts> {
        let not_sent = self.outgoing.lost();
        let sent = self.taken.saturating_sub(not_sent);
        Some(PortCounts { received: self.received, sent, not_sent, ..PortCounts::default() })
    }

    fn flush(&mut self) {
        let device = &mut self.device;
        // What still finds no room waits for the next transmit or flush.
        let _ = self.outgoing.retry(&mut |frame| device.write(frame).map(drop));
    }
}

/// An interface by name, and the requests the kernel takes about it.
struct Interface<'a> {
    name: &'a str,
    bytes: [libc::c_char; libc::IFNAMSIZ],
}

impl<'a> Interface<'a> {
    fn new(name: &'a str) -> Result<Self, TapError> {
        let is_good = (1..libc::IFNAMSIZ).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !is_good {
            return Err(TapError::Name(name.to_owned()));
        }
        let mut bytes = [0; libc::IFNAMSIZ];
        for (slot, byte) in bytes.iter_mut().zip(name.bytes()) {
            *slot = byte as libc::c_char;
        }
        Ok(Self { name, bytes })
    }

    fn failed(&self, step: &'static str, cause: io::Error) -> TapError {
        let name = self.name.to_owned();
        match cause.kind() {
            ErrorKind::NotFound if step.starts_with("opening") => TapError::NoDevice,
            ErrorKind::PermissionDenied => TapError::NoPermission { name },
            ErrorKind::ResourceBusy => TapError::InUse { name },
            _ => TapError::Failed { name, step, cause },
        }
    }

    fn request(&self) -> libc::ifreq {
        let ifr_ifru = libc::__c_anonymous_ifr_ifru { ifru_metric: 0 };
        libc::ifreq { ifr_name: self.bytes, ifr_ifru }
    }

    /// One `ioctl` about this interface.
    #[allow(unsafe_code, reason = "the kernel's interface requests have no safe door")]
    fn ask(
        &self,
        step: &'static str,
        on: RawFd,
        code: libc::Ioctl,
        request: &mut libc::ifreq,
    ) -> Result<(), TapError> {
        // SAFETY: `on` is open for the call and every code used here reads and writes one `ifreq`.
        match unsafe { libc::ioctl(on, code, std::ptr::from_mut(request)) } {
            -1 => Err(self.failed(step, io::Error::last_os_error())),
            _ => Ok(()),
        }
    }

    fn configure(&self, config: &TapConfig) -> Result<(), TapError> {
        // Any socket will do to ask the kernel about its interfaces.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
            .map_err(|cause| self.failed("opening a socket", cause))?;
        let on = socket.as_raw_fd();
        let mut request = self.request();
        if let Some(mtu) = config.mtu {
            request.ifr_ifru.ifru_mtu = libc::c_int::from(mtu);
            self.ask("setting the MTU", on, libc::SIOCSIFMTU, &mut request)?;
        }
        let Some((address, prefix)) = config.kernel_address else { return Ok(()) };
        request.ifr_ifru.ifru_addr = socket_address(address);
        self.ask("setting the address", on, libc::SIOCSIFADDR, &mut request)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
        request.ifr_ifru.ifru_netmask = socket_address(Ipv4Addr::from(mask));
        self.ask("setting the prefix", on, libc::SIOCSIFNETMASK, &mut request)?;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        self.ask("bringing it up", on, libc::SIOCSIFFLAGS, &mut request)
    }
}

/// An address as interface requests carry it: family, then port and address in network order.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut sa_data = [0; 14];
    for (slot, byte) in sa_data[2..6].iter_mut().zip(address.octets()) {
        *slot = byte as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data }
}

#[cfg(test)]
mod tests;
