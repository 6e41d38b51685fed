//! CRC-32C line by line: eight instructions where the processor has them.
//!
//! The `crc32c` crate is made for long buffers and takes five times as long for 64 bytes; it is
//! what other processors use, and what the tests hold this against.

use crate::model::Line;

/// The checksum of what `crc` covers and then `line`.
#[inline]
pub(super) fn add(crc: u32, line: &Line) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sse4.2") {
        #[allow(unsafe_code, reason = "an instruction that not every processor has")]
        // SAFETY: the processor has it, as was just asked.
        return unsafe { add_by_instruction(crc, line) };
    }
    crc32c::crc32c_append(crc, bytemuck::bytes_of(line))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
#[inline]
fn add_by_instruction(crc: u32, line: &Line) -> u32 {
    use std::arch::x86_64::_mm_crc32_u64;
    let start = u64::from(!crc);
    !(line.0.iter().fold(start, |crc, word| _mm_crc32_u64(crc, *word)) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_crate(start: u32, words: [u64; 8]) {
            let line = Line(words);
            let expected = crc32c::crc32c_append(start, bytemuck::bytes_of(&line));
            prop_assert_eq!(add(start, &line), expected);
        }
    }
}
