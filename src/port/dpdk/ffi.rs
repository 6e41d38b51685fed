//! The functions of `shim.c`. Pointers to DPDK's own things are opaque here; only [`Seen`] is read.

use std::ffi::{c_char, c_int, c_uint};

/// A buffer of DPDK's.
#[repr(C)]
pub(super) struct Mbuf {
    _opaque: [u8; 0],
}

/// A pool of buffers.
#[repr(C)]
pub(super) struct Pool {
    _opaque: [u8; 0],
}

pub(super) const CHECKSUM_RX: u32 = 1 << 0;
pub(super) const CHECKSUM_TX: u32 = 1 << 1;
pub(super) const VLAN_STRIP: u32 = 1 << 2;
pub(super) const VLAN_INSERT: u32 = 1 << 3;
pub(super) const TIMESTAMP: u32 = 1 << 4;
pub(super) const RSS: u32 = 1 << 5;

pub(super) const SEEN_BAD_CHECKSUM: u16 = 1 << 0;
pub(super) const SEEN_STAMPED: u16 = 1 << 1;
pub(super) const SEEN_IN_PIECES: u16 = 1 << 2;
pub(super) const SEEN_VLAN: u16 = 1 << 3;

/// A received frame as the shim shows it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Seen {
    pub(super) data: *const u8,
    pub(super) mbuf: *mut Mbuf,
    pub(super) length: u32,
    pub(super) flags: u16,
    pub(super) vlan: u16,
    pub(super) stamp: u64,
}

impl Seen {
    /// A place for one.
    pub(super) const NONE: Self = Self {
        data: std::ptr::null(),
        mbuf: std::ptr::null_mut(),
        length: 0,
        flags: 0,
        vlan: 0,
        stamp: 0,
    };
}

#[allow(unsafe_code, reason = "functions of another language")]
unsafe extern "C" {
    pub(super) fn wm_start(argc: c_int, argv: *mut *mut c_char) -> c_int;
    pub(super) fn wm_probe(device: *const c_char) -> c_int;
    pub(super) fn wm_find(name: *const c_char, port: *mut u16) -> c_int;
    pub(super) fn wm_error(code: c_int) -> *const c_char;
    pub(super) fn wm_node(port: u16) -> c_int;
    pub(super) fn wm_pool(name: *const c_char, count: c_uint, node: c_int) -> *mut Pool;
    pub(super) fn wm_pool_free(pool: *mut Pool);
    pub(super) fn wm_pool_free_count(pool: *const Pool) -> c_uint;
    pub(super) fn wm_open(
        port: u16,
        pool: *mut Pool,
        queues: u16,
        wanted: u32,
        can: *mut u32,
        step: *mut *const c_char,
    ) -> c_int;
    pub(super) fn wm_close(port: u16);
    pub(super) fn wm_is_up(port: u16) -> c_int;
    pub(super) fn wm_listen_to_all(port: u16) -> c_int;
    pub(super) fn wm_clock(port: u16, ticks: *mut u64) -> c_int;
    pub(super) fn wm_steer(port: u16, is_tcp: u8, to: u16, queue: u16) -> c_int;
    pub(super) fn wm_enlist();
    pub(super) fn wm_receive(port: u16, queue: u16, views: *mut Seen, most: u16) -> u16;
    pub(super) fn wm_release(views: *const Seen, count: u16);
    pub(super) fn wm_take(pool: *mut Pool, length: u16, data: *mut *mut u8) -> *mut Mbuf;
    pub(super) fn wm_tag(mbuf: *mut Mbuf, vlan: u16);
    pub(super) fn wm_sum(mbuf: *mut Mbuf);
    pub(super) fn wm_send(port: u16, queue: u16, mbufs: *mut *mut Mbuf, count: u16) -> u16;
    pub(super) fn wm_drop(mbufs: *mut *mut Mbuf, count: u16);
    pub(super) fn wm_counts(port: u16, counts: *mut u64) -> c_int;
}
