//! Kernel bypass: any device DPDK drives, as a port. Bursts in and out, one queue after the other.
//!
//! A device that is missing, or an interface without a link, is a refusal to open: DPDK itself
//! starts happily with no port at all. Shared memory has its link when the other end comes.

mod eal;
mod ffi;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, c_int};
use std::time::Duration;

use crate::model::Nanos;
use crate::port::device::{BypassDevice, BypassKind};
use crate::port::turns::Turns;
use crate::port::{FrameMeta, Full, Offloads, Port, PortCounts, TimeSource};

pub use eal::{Eal, Pages, start};

use ffi::{Mbuf, Pool, Seen};

/// Frames in a burst, both ways.
const BURST: usize = 32;

/// Buffers of a port for each of its queues: both rings full, and bursts on the way.
const BUFFERS_PER_QUEUE: u32 = 4096;

/// How long a card may take to find its link.
const LINK_PATIENCE: Duration = Duration::from_secs(9);

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DpdkError {
    /// DPDK itself does not start.
    #[error("DPDK does not start: {0}")]
    Start(String),
    /// DPDK runs already, without cards.
    #[error("DPDK was started without cards, and takes none afterwards: name the card first")]
    CardTooLate,
    /// The device is not there.
    #[error("`{device}` cannot be had: {cause}{}", cure(.device.kind))]
    Missing {
        /// The device.
        device: BypassDevice,
        /// What DPDK says.
        cause: String,
    },
    /// A step of opening it failed.
    #[error("`{device}`: {step} failed: {cause}")]
    Failed {
        /// The device.
        device: BypassDevice,
        /// The step.
        step: String,
        /// What DPDK says.
        cause: String,
    },
    /// It has no link.
    #[error("`{0}` has no link: plug the cable in, or bring the interface up (ip link set IF up)")]
    NoLink(BypassDevice),
}

/// What to look at when a device is not there.
fn cure(kind: BypassKind) -> &'static str {
    match kind {
        BypassKind::Card => {
            "; bind it to vfio-pci (wirematch host check --card ADDRESS says how), and look that \
             its driver is installed (librte-net-*)"
        }
        BypassKind::AfXdp | BypassKind::AfPacket | BypassKind::Tap => {
            "; look whether the interface is there (ip link), and give the process CAP_NET_ADMIN \
             and CAP_NET_RAW, or run it under `unshare -Urn`"
        }
        BypassKind::Memif => "; the socket's folder must be there, and the path below 108 bytes",
        BypassKind::Pcap => "; look whether the file is there and is a capture",
        BypassKind::Ring | BypassKind::Null => "",
    }
}

/// The device's clock against log time, from two readings at start.
#[derive(Clone, Copy, Debug)]
struct DeviceClock {
    ticks: u64,
    at: u64,
    nanos_per_tick: f64,
}

/// The port.
pub struct DpdkPort {
    id: u16,
    pool: *mut Pool,
    queues: u16,
    turns: Turns,
    seen: Box<[Seen; BURST]>,
    out: Box<[*mut Mbuf; BURST]>,
    waiting: usize,
    can: u32,
    vlan: Option<u16>,
    clock: Option<DeviceClock>,
    dropped: Dropped,
}

/// Frames the port itself dropped, by cause.
#[derive(Clone, Copy, Debug, Default)]
struct Dropped {
    bad_checksum: u64,
    in_pieces: u64,
    other_vlan: u64,
}

// SAFETY: the pointers are to DPDK's own memory, which any thread may use, one at a time.
#[allow(unsafe_code, reason = "a port is built on one thread and polled on another")]
unsafe impl Send for DpdkPort {}

impl std::fmt::Debug for DpdkPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DpdkPort({}, {} queues)", self.id, self.queues)
    }
}

fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

impl DpdkPort {
    /// Opens a device; DPDK is started if it was not. `now` anchors the device's own clock, where
    /// it stamps frames.
    ///
    /// # Errors
    /// [`DpdkError`] says what is missing and how to mend it.
    pub fn open(device: &BypassDevice, now: &dyn Fn() -> Nanos) -> Result<Self, DpdkError> {
        start(&[device])?;
        let (_guard, number) = eal::turn();
        let (name, asked) = device.asked(number);
        let missing =
            |cause| DpdkError::Missing { device: device.clone(), cause: eal::reason(cause) };
        let mut id = u16::MAX;
        let (name, asked) = (text(&name), text(&asked));
        // SAFETY: C strings that outlive the calls, and a place for the answer.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let found = unsafe {
            let is_there = ffi::wm_find(name.as_ptr(), &raw mut id) == 0;
            let probed = if is_there { 0 } else { ffi::wm_probe(asked.as_ptr()) };
            if probed != 0 { probed } else { ffi::wm_find(name.as_ptr(), &raw mut id) }
        };
        match found {
            0 => Self::set_up(device, id, number, now),
            cause => Err(missing(cause)),
        }
    }

    fn set_up(
        device: &BypassDevice,
        id: u16,
        number: u32,
        now: &dyn Fn() -> Nanos,
    ) -> Result<Self, DpdkError> {
        let failed = |step: &str, cause: c_int| DpdkError::Failed {
            device: device.clone(),
            step: step.into(),
            cause: eal::reason(cause),
        };
        let buffers = BUFFERS_PER_QUEUE * u32::from(device.queues);
        let name = text(&format!("wirematch_{number}"));
        // SAFETY: a C string that outlives the call; the port was found just now.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let pool = unsafe { ffi::wm_pool(name.as_ptr(), buffers, ffi::wm_node(id)) };
        if pool.is_null() {
            return Err(failed("making its buffers", libc::ENOMEM));
        }
        let vlan = device.vlan.map_or(0, |_| ffi::VLAN_STRIP | ffi::VLAN_INSERT);
        let wanted = ffi::CHECKSUM_RX | ffi::CHECKSUM_TX | ffi::TIMESTAMP | ffi::RSS | vlan;
        let (mut can, mut step) = (0, std::ptr::null());
        // SAFETY: the pool is alive, and there are places for both answers.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let (code, step) = unsafe {
            let code = ffi::wm_open(id, pool, device.queues, wanted, &raw mut can, &raw mut step);
            (code, CStr::from_ptr(step))
        };
        let mut port = Self {
            id,
            pool,
            queues: device.queues,
            turns: Turns::new(device.queues),
            seen: Box::new([Seen::NONE; BURST]),
            out: Box::new([std::ptr::null_mut(); BURST]),
            waiting: 0,
            can,
            vlan: device.vlan,
            clock: None,
            dropped: Dropped::default(),
        };
        if code != 0 {
            return Err(failed(&step.to_string_lossy(), code));
        }
        // SAFETY: the port is started.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        // Where the driver has no such mode it shows everything anyway.
        let _ = unsafe { ffi::wm_listen_to_all(id) };
        port.await_link(device)?;
        if can & ffi::TIMESTAMP != 0 {
            port.clock = port.read_clock(now);
        }
        Ok(port)
    }

    /// Whether the device has its link; that of shared memory comes with the other end.
    pub fn is_up(&self) -> bool {
        // SAFETY: the port is started.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        unsafe {
            ffi::wm_is_up(self.id) != 0
        }
    }

    fn await_link(&self, device: &BypassDevice) -> Result<(), DpdkError> {
        let pause = Duration::from_millis(100);
        let patience = match device.kind {
            BypassKind::Memif => return Ok(()),
            BypassKind::Card => LINK_PATIENCE,
            _ => Duration::from_secs(1),
        };
        for _ in 0..=patience.as_millis() / pause.as_millis() {
            if self.is_up() {
                return Ok(());
            }
            std::thread::sleep(pause);
        }
        Err(DpdkError::NoLink(device.clone()))
    }

    fn ticks(&self) -> Option<u64> {
        let mut ticks = 0;
        // SAFETY: the port is started, and there is a place for the answer.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let code = unsafe { ffi::wm_clock(self.id, &raw mut ticks) };
        (code == 0).then_some(ticks)
    }

    fn read_clock(&self, now: &dyn Fn() -> Nanos) -> Option<DeviceClock> {
        let (from, at) = (self.ticks()?, now());
        std::thread::sleep(Duration::from_millis(50));
        let (to, until) = (self.ticks()?, now());
        let ticks = to.checked_sub(from).filter(|ticks| *ticks > 0)?;
        let nanos_per_tick = until.saturating_sub(at).0 as f64 / ticks as f64;
        Some(DeviceClock { ticks: to, at: until.0, nanos_per_tick })
    }

    /// Sends what comes to one of our UDP or TCP ports to one of the device's queues.
    ///
    /// # Errors
    /// What DPDK says of a device that cannot.
    pub fn steer(&mut self, is_tcp: bool, to: u16, queue: u16) -> Result<(), String> {
        // SAFETY: the port is started.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let code = unsafe { ffi::wm_steer(self.id, is_tcp.into(), to, queue) };
        if code == 0 { Ok(()) } else { Err(eal::reason(code)) }
    }

    /// Whether the device spreads sessions over its queues by itself.
    pub fn spreads(&self) -> bool {
        self.queues > 1 && self.can & ffi::RSS != 0
    }

    /// Buffers nobody uses now.
    pub fn free_buffers(&self) -> u32 {
        // SAFETY: the pool is alive.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        unsafe {
            ffi::wm_pool_free_count(self.pool)
        }
    }

    fn meta(&self, seen: &Seen) -> FrameMeta {
        match self.clock {
            Some(clock) if seen.flags & ffi::SEEN_STAMPED != 0 => {
                // Frames before the anchor's reading were received before it.
                let since = seen.stamp.wrapping_sub(clock.ticks) as i64 as f64;
                let received_at =
                    clock.at.saturating_add_signed((since * clock.nanos_per_tick) as i64);
                FrameMeta { received_at: Nanos(received_at), source: TimeSource::Hardware }
            }
            _ => FrameMeta::default(),
        }
    }

    /// Shows one received frame, or counts why not.
    fn show(&mut self, at: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) {
        let seen = &self.seen[at];
        let strips = self.can & ffi::VLAN_STRIP != 0;
        let vlan = (seen.flags & ffi::SEEN_VLAN != 0).then_some(seen.vlan);
        if seen.flags & ffi::SEEN_IN_PIECES != 0 {
            self.dropped.in_pieces += 1;
        } else if seen.flags & ffi::SEEN_BAD_CHECKSUM != 0 {
            self.dropped.bad_checksum += 1;
        } else if strips && vlan != self.vlan {
            self.dropped.other_vlan += 1;
        } else {
            // SAFETY: the shim says where the frame's bytes are; they stay until they are released.
            #[allow(unsafe_code, reason = "a frame is read where the device put it")]
            let frame = unsafe { std::slice::from_raw_parts(seen.data, seen.length as usize) };
            each(frame, self.meta(seen));
        }
    }

    /// Shows what came in one queue, a burst at most.
    #[inline]
    fn receive_from(
        &mut self,
        queue: u16,
        most: usize,
        each: &mut dyn FnMut(&[u8], FrameMeta),
    ) -> usize {
        // SAFETY: there are places for a whole burst.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let count = unsafe {
            ffi::wm_enlist();
            ffi::wm_receive(self.id, queue, self.seen.as_mut_ptr(), most.min(BURST) as u16)
        };
        for at in 0..usize::from(count).min(BURST) {
            self.show(at, each);
        }
        // SAFETY: these were received just now and nobody holds them any more.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        unsafe {
            ffi::wm_release(self.seen.as_ptr(), count);
        }
        usize::from(count)
    }

    /// Hands frames over to the device; `false` when it took none though some wait.
    fn send(&mut self) -> bool {
        if self.waiting == 0 {
            return true;
        }
        // SAFETY: the first `waiting` places hold buffers of ours; those taken are forgotten.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let sent = unsafe { ffi::wm_send(self.id, 0, self.out.as_mut_ptr(), self.waiting as u16) };
        let sent = usize::from(sent).min(self.waiting);
        self.out.copy_within(sent..self.waiting, 0);
        self.waiting -= sent;
        sent > 0
    }
}

impl Port for DpdkPort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let mut turns = self.turns;
        let total = turns.take(budget, &mut |queue, most| self.receive_from(queue, most, each));
        self.turns = turns;
        total
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        if self.waiting == BURST && !self.send() {
            return Err(Full);
        }
        let length = u16::try_from(length).map_err(|_| Full)?;
        let mut data = std::ptr::null_mut();
        // SAFETY: the pool is alive, and there is a place for the answer.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let mbuf = unsafe { ffi::wm_take(self.pool, length, &raw mut data) };
        if mbuf.is_null() {
            return Err(Full);
        }
        // SAFETY: the shim made room for that many bytes, which nobody else has. A buffer used
        // before holds old bytes, so there are no uninitialised ones.
        #[allow(unsafe_code, reason = "a frame is written where the device takes it from")]
        let frame = unsafe { std::slice::from_raw_parts_mut(data, usize::from(length)) };
        fill(frame);
        // SAFETY: the buffer is ours until it is sent.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        unsafe {
            if self.can & ffi::CHECKSUM_TX != 0 {
                ffi::wm_sum(mbuf);
            }
            if let Some(vlan) = self.vlan.filter(|_| self.can & ffi::VLAN_INSERT != 0) {
                ffi::wm_tag(mbuf, vlan);
            }
        }
        self.out[self.waiting] = mbuf;
        self.waiting += 1;
        Ok(())
    }

    fn flush(&mut self) {
        while self.waiting > 0 && self.send() {}
    }

    fn counts(&self) -> Option<PortCounts> {
        let mut counts = [0; 6];
        // SAFETY: there is a place for six numbers.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        let code = unsafe { ffi::wm_counts(self.id, counts.as_mut_ptr()) };
        let [received, sent, missed, broken, without_buffer, not_sent] = counts;
        let Dropped { bad_checksum, in_pieces, other_vlan } = self.dropped;
        (code == 0).then_some(PortCounts {
            received,
            sent,
            missed: missed + without_buffer,
            broken: broken + bad_checksum + in_pieces,
            not_for_us: other_vlan,
            not_sent,
        })
    }

    fn offloads(&self) -> Offloads {
        let both = ffi::VLAN_STRIP | ffi::VLAN_INSERT;
        Offloads {
            checksum_in: self.can & ffi::CHECKSUM_RX != 0,
            checksum_out: self.can & ffi::CHECKSUM_TX != 0,
            vlan: self.can & both == both,
        }
    }
}

impl Drop for DpdkPort {
    fn drop(&mut self) {
        let (_guard, _) = eal::turn();
        // SAFETY: nobody uses the port any more; frames that wait are given back before the pool.
        #[allow(unsafe_code, reason = "DPDK has no other door")]
        unsafe {
            ffi::wm_drop(self.out.as_mut_ptr(), self.waiting as u16);
            ffi::wm_close(self.id);
            ffi::wm_pool_free(self.pool);
        }
    }
}
