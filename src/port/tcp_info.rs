//! What the kernel measured of a TCP line.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::model::Nanos;

/// How long the other side takes to acknowledge, as the kernel smooths it; zero where it says
/// nothing.
#[allow(unsafe_code, reason = "nobody wraps this option of a socket")]
pub(super) fn round_trip(line: BorrowedFd<'_>) -> Nanos {
    // SAFETY: `tcp_info` is integers alone, for which zeros are values.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `info`, which has them.
    let answer = unsafe {
        libc::getsockopt(
            line.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    match answer {
        0 => Nanos(u64::from(info.tcpi_rtt) * 1000),
        _ => Nanos::ZERO,
    }
}
