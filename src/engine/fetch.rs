//! `fetch`: asks the caches for what will be needed soon. It changes nothing that can be seen, so
//! it may stand in the deterministic core.

/// Asks for the cache line an entry begins in; nothing where there is no such entry.
#[inline(always)]
#[allow(unsafe_code, reason = "a hint to the processor that has no safe wrapper")]
pub(super) fn fetch<T>(table: &[T], at: usize) {
    if let Some(entry) = table.get(at) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the address is that of a live entry, and the hint reads and writes nothing.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch(std::ptr::from_ref(entry).cast::<i8>(), _MM_HINT_T0);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = entry;
    }
}
