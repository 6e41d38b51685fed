//! The Internet checksum (RFC 1071): a ones' complement sum, the same in either byte order.
//!
//! Sums are taken in the machine's own order and stored with `to_ne_bytes`, so nothing is swapped.

/// Adds up 16-bit words, a last odd byte padded with zero.
#[inline]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    sum_on(0, bytes)
}

/// Adds 16-bit words to the sum of a part before, whose length is even.
#[inline]
pub(crate) fn sum_on(start: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let (halves, rest) = rest.as_chunks::<4>();
    let (quarters, rest) = rest.as_chunks::<2>();
    let mut total = start;
    for word in words {
        total = carry(total, u64::from_ne_bytes(*word));
    }
    for half in halves {
        total = carry(total, u64::from(u32::from_ne_bytes(*half)));
    }
    for quarter in quarters {
        total = carry(total, u64::from(u16::from_ne_bytes(*quarter)));
    }
    match rest {
        [last] => carry(total, u64::from(u16::from_ne_bytes([*last, 0]))),
        _ => total,
    }
}

/// A ones' complement addition: what is carried out comes in again.
#[inline]
fn carry(total: u64, word: u64) -> u64 {
    let (total, carried) = total.overflowing_add(word);
    total.wrapping_add(u64::from(carried))
}

/// A sum brought down to 16 bits; `0xffff` where the parts, checksum included, agree.
#[inline]
pub(crate) fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071, word for word: big-endian words, carry added at once.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_sum(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(fold(sum(&bytes)).to_ne_bytes(), plain(&bytes).to_be_bytes());
        }
    }

    #[test]
    fn carries_are_added_back() {
        assert_eq!(fold(sum_on(u64::MAX, &[0xff; 64])), 0xffff);
        assert_eq!(fold(sum(&[0xff; 65_535])).to_ne_bytes(), plain(&[0xff; 65_535]).to_be_bytes());
    }
}
