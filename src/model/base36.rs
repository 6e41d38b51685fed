//! Numbers as four characters, 0 to 9 and A to Z: how accounts and sessions are named on the wire.

/// The digits.
pub const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The highest number four characters can say.
pub const HIGHEST: u32 = 36 * 36 * 36 * 36 - 1;

/// A number in four characters; of one above [`HIGHEST`] the last four.
pub const fn write(number: u32) -> [u8; 4] {
    let mut text = [b'0'; 4];
    let mut rest = number;
    let mut place = 4;
    while place > 0 {
        place -= 1;
        text[place] = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    text
}

/// The number that four characters say; `None` where one of them is no digit.
#[inline]
pub const fn read(text: [u8; 4]) -> Option<u32> {
    let mut number = 0;
    let mut place = 0;
    while place < 4 {
        let digit = match text[place] {
            byte @ b'0'..=b'9' => byte - b'0',
            byte @ b'A'..=b'Z' => byte - b'A' + 10,
            _ => return None,
        };
        number = number * 36 + digit as u32;
        place += 1;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number in 0..=HIGHEST) {
            prop_assert_eq!(read(write(number)), Some(number));
        }

        #[test]
        fn any_characters_are_a_number_written_so_or_none(text in any::<[u8; 4]>()) {
            prop_assert!(read(text).is_none_or(|number| write(number) == text));
        }
    }

    #[test]
    fn there_are_ends() {
        assert_eq!((write(0), write(1_000), write(HIGHEST)), (*b"0000", *b"00RS", *b"ZZZZ"));
        assert_eq!((read(*b"00 1"), read(*b"00rs")), (None, None));
    }
}
