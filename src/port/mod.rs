//! Frames in and out of the machine. Every port speaks Ethernet frames, so that the same stage
//! and the same wrappers serve a card, a TAP device, a kernel socket, a capture and memory.

pub mod capture;
pub mod device;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod endpoint;
pub mod faulty;
pub mod host;
pub mod memory;
mod neighbours;
mod outgoing;
pub mod pcap;
pub mod record;
pub mod socket;
pub mod stream;
pub mod tcp;
mod tcp_info;
pub mod tun;
pub mod turns;
pub mod vlan;
pub mod watch;

use crate::model::Nanos;

/// Where a frame's time of receipt came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeSource {
    /// Not stamped: the reader's own `now` is as good as any.
    #[default]
    None,
    /// Stamped by software on this machine.
    Software,
    /// Stamped by the device.
    Hardware,
}

/// What a port knows of a frame besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// Time of receipt; 0 where `source` is `None`.
    pub received_at: Nanos,
    /// Where that time came from.
    pub source: TimeSource,
}

/// What a device did with frames since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounts {
    /// Frames that came in.
    pub received: u64,
    /// Frames that went out.
    pub sent: u64,
    /// Frames that came and found no room: we were too slow.
    pub missed: u64,
    /// Frames that were broken when they came.
    pub broken: u64,
    /// Frames of another VLAN.
    pub not_for_us: u64,
    /// Frames that the device could not send.
    pub not_sent: u64,
}

/// What a device does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It checks the checksums of what comes; broken frames do not get here.
    pub checksum_in: bool,
    /// It writes the checksums of what goes.
    pub checksum_out: bool,
    /// It takes VLAN tags off and puts them on.
    pub vlan: bool,
}

/// A port has no room for another frame now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Frames in and out. A received frame is lent for one call and never leaves it.
pub trait Port: Send {
    /// Shows up to `budget` received frames to `each`; returns how many.
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize;

    /// Builds one frame of `length` bytes in place.
    ///
    /// # Errors
    /// [`Full`] when the port takes no more for now; `fill` was not called.
    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full>;

    /// Rings the doorbell for everything transmitted since the last flush.
    fn flush(&mut self);

    /// What the device counted; `None` where it does not.
    fn counts(&self) -> Option<PortCounts> {
        None
    }

    /// What the device does by itself.
    fn offloads(&self) -> Offloads {
        Offloads::default()
    }
}

impl<P: Port + ?Sized> Port for Box<P> {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        (**self).receive(budget, each)
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        (**self).transmit(length, fill)
    }

    fn flush(&mut self) {
        (**self).flush();
    }

    fn counts(&self) -> Option<PortCounts> {
        (**self).counts()
    }

    fn offloads(&self) -> Offloads {
        (**self).offloads()
    }
}
