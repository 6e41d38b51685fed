//! Finds every separator of a message and adds up its bytes, in one pass.
//!
//! With AVX2 where the CPU has it, asked once when the scanner is made; the plain way else. Both
//! give the same, which the tests hold them to.

/// The separator of fields.
pub(super) const SOH: u8 = 1;

/// The most fields a message may have; what has more is refused.
pub(super) const FIELDS_MAX: usize = 1024;

/// Where the separators of a message are; there is room to write a few too many.
#[derive(Clone, Debug)]
pub(super) struct Stops {
    at: Box<[u16; FIELDS_MAX + 40]>,
    count: usize,
}

impl Stops {
    pub(super) fn new() -> Self {
        Self { at: Box::new([0; FIELDS_MAX + 40]), count: 0 }
    }

    /// The separators, in order.
    #[inline]
    pub(super) fn all(&self) -> &[u16] {
        self.at.get(..self.count).unwrap_or(&[])
    }

    #[inline]
    fn push(&mut self, at: usize) -> bool {
        let Some(place) = self.at.get_mut(self.count) else { return false };
        *place = at as u16;
        self.count += 1;
        self.count <= FIELDS_MAX
    }

    /// Notes a separator for each bit of `mask`, bit 0 being at `base`; false when there are more
    /// than a message may have.
    #[inline]
    fn push_bits(&mut self, base: usize, mut mask: u32) -> bool {
        // Eight at a time without asking whether there are so many: nearly always one turn.
        while mask != 0 {
            let found = mask.count_ones() as usize;
            let Some(places) = self.at.get_mut(self.count..self.count + 8) else { return false };
            for place in places {
                *place = (base + mask.trailing_zeros() as usize) as u16;
                mask &= mask.wrapping_sub(1);
            }
            self.count += found.min(8);
        }
        self.count <= FIELDS_MAX
    }
}

/// How this machine scans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner {
    scan: fn(&[u8], &mut Stops) -> Option<u8>,
}

impl Scanner {
    /// The fastest way this machine has.
    pub(super) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("popcnt")
        {
            return Self { scan: with_avx2::scan };
        }
        Self::plain()
    }

    /// The way every machine has.
    pub(super) fn plain() -> Self {
        Self { scan: scan_plain }
    }

    /// The sum of all bytes, modulo 256; `None` for more separators than a message may have.
    ///
    /// At most 65,535 bytes are looked at; callers hold messages below that.
    #[inline]
    pub(super) fn scan(&self, bytes: &[u8], stops: &mut Stops) -> Option<u8> {
        stops.count = 0;
        (self.scan)(bytes.get(..u16::MAX as usize).unwrap_or(bytes), stops)
    }
}

fn scan_plain(bytes: &[u8], stops: &mut Stops) -> Option<u8> {
    let mut sum = 0u8;
    for (at, &byte) in bytes.iter().enumerate() {
        sum = sum.wrapping_add(byte);
        if byte == SOH && !stops.push(at) {
            return None;
        }
    }
    Some(sum)
}

#[cfg(target_arch = "x86_64")]
mod with_avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi64, _mm256_cmpeq_epi8, _mm256_extract_epi64, _mm256_loadu_si256,
        _mm256_movemask_epi8, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setzero_si256,
    };

    use super::{SOH, Stops};

    const WIDTH: usize = 32;

    /// Only to be named after AVX2 and its companions were found.
    #[allow(unsafe_code, reason = "vector instructions behind a check made once")]
    pub(super) fn scan(bytes: &[u8], stops: &mut Stops) -> Option<u8> {
        // SAFETY: `Scanner::new` hands this function out only on a CPU with all three.
        unsafe { vectors(bytes, stops) }
    }

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    #[allow(unsafe_code, reason = "loads of whole vectors")]
    fn vectors(bytes: &[u8], stops: &mut Stops) -> Option<u8> {
        let separator = _mm256_set1_epi8(SOH as i8);
        let mut sums = _mm256_setzero_si256();
        let mut base = 0;
        let (chunks, rest) = bytes.as_chunks::<WIDTH>();
        // What does not fill a vector is padded with zeros: no separator, nothing to add.
        let mut tail = [0; WIDTH];
        if let Some(place) = tail.get_mut(..rest.len()) {
            place.copy_from_slice(rest);
        }
        for chunk in chunks.iter().chain(std::iter::once(&tail)) {
            // SAFETY: `chunk` is 32 readable bytes and the load asks for no alignment.
            let vector = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast::<__m256i>()) };
            sums = _mm256_add_epi64(sums, _mm256_sad_epu8(vector, _mm256_setzero_si256()));
            let mask = _mm256_movemask_epi8(_mm256_cmpeq_epi8(vector, separator)) as u32;
            if !stops.push_bits(base, mask) {
                return None;
            }
            base += WIDTH;
        }
        let lanes = [
            _mm256_extract_epi64::<0>(sums),
            _mm256_extract_epi64::<1>(sums),
            _mm256_extract_epi64::<2>(sums),
            _mm256_extract_epi64::<3>(sums),
        ];
        Some(lanes.iter().fold(0i64, |sum, &lane| sum.wrapping_add(lane)) as u8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_see_the_same(bytes in vec(prop_oneof![Just(SOH), any::<u8>()], 0..400)) {
            let (mut plain, mut fast) = (Stops::new(), Stops::new());
            let sums = (
                Scanner::plain().scan(&bytes, &mut plain),
                Scanner::new().scan(&bytes, &mut fast),
            );
            prop_assert_eq!(sums.0, sums.1);
            prop_assert_eq!(plain.all(), fast.all());
            let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
            prop_assert_eq!(sums.0, Some(sum));
        }
    }

    #[test]
    fn too_many_separators_are_refused_by_both() {
        for (count, whole) in [(FIELDS_MAX, true), (FIELDS_MAX + 1, false)] {
            for scanner in [Scanner::plain(), Scanner::new()] {
                let bytes = vec![SOH; count];
                assert_eq!(scanner.scan(&bytes, &mut Stops::new()).is_some(), whole, "{count}");
            }
        }
    }
}
