//! `fetch`: asks the caches for what will be needed soon. It changes nothing that can be seen, so
//! it may stand in the deterministic core.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the cache lines of an entry; nothing where there is no such entry.
#[inline(always)]
#[allow(unsafe_code, reason = "a hint to the processor that has no safe wrapper")]
pub(crate) fn fetch<T>(table: &[T], at: usize) {
    let Some(entry) = table.get(at) else { return };
    let start = std::ptr::from_ref(entry).cast::<i8>();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        let _at = start.wrapping_add(line * LINE);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the hint reads and writes nothing, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch(_at, _MM_HINT_T0);
        }
    }
}
