//! A file mapped for writing, seen as words that other processes may read.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// Words of a mapped file.
#[derive(Debug)]
pub(super) struct Map {
    base: NonNull<AtomicU64>,
    bytes: usize,
}

#[allow(unsafe_code, reason = "a mapping is a raw address; this type is its safe door")]
mod door {
    use super::*;

    // SAFETY: the mapping is plain memory that lives until drop, and is only touched atomically.
    unsafe impl Send for Map {}

    impl Map {
        /// Makes room for `bytes` on the disk, so that no write ever lacks it, and maps them.
        pub(in crate::runtime::counters_file) fn new(
            file: &File,
            bytes: usize,
        ) -> io::Result<Self> {
            let length = libc::off_t::try_from(bytes).map_err(io::Error::other)?;
            // SAFETY: the call takes a descriptor that lives and two numbers.
            let outcome = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) };
            if outcome != 0 {
                return Err(io::Error::from_raw_os_error(outcome));
            }
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let null = std::ptr::null_mut();
            // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
            let base = unsafe {
                libc::mmap(null, bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
            };
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { base, bytes })
        }

        /// The mapping's words.
        pub(in crate::runtime::counters_file) fn words(&self) -> &[AtomicU64] {
            // SAFETY: `base` is page aligned and valid for `bytes` until drop; words are atomic.
            unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.bytes / 8) }
        }
    }

    impl Drop for Map {
        fn drop(&mut self) {
            // SAFETY: the mapping was made by `new`, and nobody can hold a borrow of it now.
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
        }
    }
}
