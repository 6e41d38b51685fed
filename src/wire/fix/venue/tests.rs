//! What is written to an exchange and read from one.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_name_is_read_as_it_was_written(number: u32, is_order: bool) {
        let name = if is_order { Name::Order(number) } else { Name::Cancel(number) };
        let (text, length) = name.written();
        prop_assert_eq!(Name::read(&text[..length]), Some(name));
        prop_assert!(text[length..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn what_is_not_ours_has_no_name(text in "[ -~]{0,20}") {
        if let Some(name) = Name::read(text.as_bytes()) {
            let (written, length) = name.written();
            let digits = text.trim_start_matches(['W', 'C']).trim_start_matches('0');
            prop_assert!(written[..length].ends_with(digits.as_bytes()));
        }
    }
}
