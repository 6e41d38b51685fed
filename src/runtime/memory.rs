//! Memory of the hot path: counted, locked.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator, counting each thread's allocations, so that "after boot nothing
/// allocates" is a number and not a hope.
#[derive(Debug)]
pub struct CountingAllocator;

fn count(bytes: usize) {
    // A thread that is ending has no counter any more; its allocations are nobody's concern.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes as u64));
}

#[allow(unsafe_code, reason = "an allocator cannot be written without it")]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations the calling thread has made; 0 for ever where another allocator is installed.
pub fn allocations_of_this_thread() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Bytes the calling thread has ever allocated, given back or not.
pub fn bytes_of_this_thread() -> u64 {
    BYTES.with(Cell::get)
}

/// Keeps every page of the process in memory.
///
/// # Errors
/// The kernel's reason: usually the limit `RLIMIT_MEMLOCK` (raise it with `ulimit -l`).
#[allow(unsafe_code, reason = "a system call without a safe wrapper among our crates")]
pub fn lock_memory() -> std::io::Result<()> {
    // SAFETY: the call takes two flags and touches no memory of ours.
    match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
