//! Big-endian numbers in byte arrays. Offsets are constants of ours, never numbers off a wire.

/// Reads `N` bytes at a constant offset of a header whose length is in its type.
#[inline(always)]
pub(crate) fn get<const N: usize, const L: usize>(header: &[u8; L], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

/// Writes bytes at a constant offset of a header whose length is in its type.
#[inline(always)]
pub(crate) fn put<const N: usize, const L: usize>(header: &mut [u8; L], at: usize, bytes: [u8; N]) {
    header[at..at + N].copy_from_slice(&bytes);
}
