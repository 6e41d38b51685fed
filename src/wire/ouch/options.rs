//! The optional appendage: tagged values after a message's fixed part.
//!
//! An element is `Length u8 | Tag u8 | Value`, and `Length` counts tag and value. Tags that are
//! unknown, repeated or out of place are refused: an instruction is never ignored in silence.

use crate::wire::DecodeError;
use crate::wire::field::Field;

/// Bytes before a value: its length and its tag.
const ELEMENT_HEADER: usize = 2;

/// Declares the tags: the set of values, their sizes, reading and writing.
macro_rules! options {
    ($($(#[doc = $doc:literal])* $tag:ident, $field:ident = $code:literal: $kind:ty;)+) => {
        /// An option's tag.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "a tag is named as in the specification")]
        pub enum OptionTag { $($tag = $code,)+ }

        impl OptionTag {
            /// Every tag.
            pub const ALL: &[Self] = &[$(Self::$tag,)+];

            /// The tag of a byte; `None` for a byte nobody assigned.
            #[inline]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$tag),)+ _ => None }
            }

            /// Bytes of its value.
            #[inline]
            pub const fn size(self) -> usize {
                match self { $(Self::$tag => <$kind as Field>::SIZE,)+ }
            }

            /// What its value is, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$tag => concat!($($doc,)*).trim_ascii(),)+ }
            }

            /// The type of its value.
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$tag => stringify!($kind),)+ }
            }
        }

        /// The values of an appendage; `None` is "not said".
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Options { $($(#[doc = $doc])* pub $field: Option<$kind>,)+ }

        impl Options {
            /// The values an appendage holds.
            pub fn of(appendage: &Appendage<'_>) -> Self {
                let mut options = Self::default();
                for (tag, mut value) in appendage.elements() {
                    match tag {
                        $(OptionTag::$tag => options.$field = Some(Field::take(&mut value)),)+
                    }
                }
                options
            }

            /// As an appendage, in the order of the tags.
            pub fn appendage<'a>(&self, space: &'a mut [u8; OPTIONS_MAX]) -> Appendage<'a> {
                let mut rest = space.as_mut_slice();
                $(if let Some(value) = self.$field {
                    (1 + <$kind as Field>::SIZE as u8).put(&mut rest);
                    (OptionTag::$tag as u8).put(&mut rest);
                    value.put(&mut rest);
                })+
                let length = OPTIONS_MAX - rest.len();
                Appendage { bytes: space.get(..length) }
            }
        }
    };
}

options! {
    /// Reference of the order's displayed part.
    SecondaryOrdRefNum, secondary_ord_ref_num = 1: u64;
    /// Firm (MPID).
    Firm, firm = 2: [u8; 4];
    /// Least quantity of one execution.
    MinQty, min_qty = 3: u32;
    /// R retail, N not.
    CustomerType, customer_type = 4: u8;
    /// Displayed part of an iceberg.
    MaxFloor, max_floor = 5: u32;
    /// L limit, P market peg, M midpoint peg, R primary peg, Q market-maker peg, m midpoint.
    PriceType, price_type = 6: u8;
    /// Signed, four decimals.
    PegOffset, peg_offset = 7: i32;
    /// Four decimals.
    DiscretionPrice, discretion_price = 9: u64;
    /// L, P, M or R, as for the price type.
    DiscretionPriceType, discretion_price_type = 10: u8;
    /// Signed, four decimals.
    DiscretionPegOffset, discretion_peg_offset = 11: i32;
    /// P post only, N not.
    PostOnly, post_only = 12: u8;
    /// How far a refreshed displayed size may vary.
    RandomReserves, random_reserves = 13: u32;
    /// Where to route.
    Route, route = 14: [u8; 4];
    /// Seconds, below 86400, for a good-till-time order.
    ExpireTime, expire_time = 15: u32;
    /// Y or N.
    TradeNow, trade_now = 16: u8;
    /// I, O, T, Q, B or D.
    HandleInst, handle_inst = 17: u8;
    /// How much of the book's best price the order is.
    BboWeightIndicator, bbo_weight_indicator = 18: u8;
    /// New displayed size of a restated order.
    DisplayQuantity, display_quantity = 22: u32;
    /// New displayed price of a restated order, four decimals.
    DisplayPrice, display_price = 23: u64;
    /// Client's group for mass cancel; 0 is none.
    GroupId, group_id = 24: u16;
    /// Y or N.
    SharesLocated, shares_located = 25: u8;
    /// Broker that located the shares.
    LocateBroker, locate_broker = 26: [u8; 4];
    /// B, S, T or E.
    Side, side = 27: u8;
    /// Client's channel within the port.
    UserRefIdx, user_ref_idx = 28: u8;
    /// This house's own: the price that wakes a stop, four decimals.
    StopPrice, stop_price = 48: u64;
    /// This house's own: S stop, L stop-limit, T trailing stop, M market-to-limit.
    OrderStyle, order_style = 49: u8;
    /// This house's own: a trailing stop's distance, four decimals.
    Trail, trail = 50: u32;
    /// This house's own: A all or none, S a post-only order slides.
    Wish, wish = 51: u8;
}

/// A set of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagSet(u64);

impl TagSet {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self::of(OptionTag::ALL);

    pub(crate) const fn of(tags: &[OptionTag]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < tags.len() {
            set |= 1_u64 << tags[at] as u8;
            at += 1;
        }
        Self(set)
    }

    pub(crate) const fn with(self, tags: &[OptionTag]) -> Self {
        Self(self.0 | Self::of(tags).0)
    }

    pub(crate) const fn without(self, tags: &[OptionTag]) -> Self {
        Self(self.0 & !Self::of(tags).0)
    }

    /// Whether a tag is in it.
    #[inline]
    pub const fn has(self, tag: OptionTag) -> bool {
        self.0 >> tag as u8 & 1 == 1
    }

    /// Bytes of an appendage that holds them all.
    pub(crate) const fn length(self) -> usize {
        let (mut length, mut at) = (0, 0);
        while at < OptionTag::ALL.len() {
            if self.has(OptionTag::ALL[at]) {
                length += ELEMENT_HEADER + OptionTag::ALL[at].size();
            }
            at += 1;
        }
        length
    }
}

/// Bytes of the longest appendage.
pub const OPTIONS_MAX: usize = TagSet::ALL.length();

/// A message's appendage, checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appendage<'a> {
    bytes: Option<&'a [u8]>,
}

impl<'a> Appendage<'a> {
    /// Neither an appendage nor, where the message may end before it, its length.
    pub const ABSENT: Self = Self { bytes: None };
    /// An appendage of length 0.
    pub const EMPTY: Self = Self { bytes: Some(&[]) };

    /// Checks that the bytes are elements with known tags of `allowed`, each once.
    #[inline]
    pub(crate) fn checked(bytes: &'a [u8], allowed: TagSet) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        let mut seen = TagSet::NONE;
        while !rest.is_empty() {
            let (tag, after) = check_element(rest)?;
            if seen.has(tag) {
                return Err(DecodeError::OptionRepeated);
            }
            if !allowed.has(tag) {
                return Err(DecodeError::OptionNotAllowed);
            }
            seen.0 |= 1_u64 << tag as u8;
            rest = after;
        }
        Ok(Self { bytes: Some(bytes) })
    }

    /// The bytes after the appendage's length; none where it is absent.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes.unwrap_or_default()
    }

    /// Whether not even its length was there.
    #[inline]
    pub fn is_absent(&self) -> bool {
        self.bytes.is_none()
    }

    /// Tags and the bytes of their values, in the order sent.
    pub fn elements(&self) -> impl Iterator<Item = (OptionTag, &'a [u8])> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let (tag, after) = check_element(rest).ok()?;
            let value = rest.get(ELEMENT_HEADER..rest.len() - after.len())?;
            rest = after;
            Some((tag, value))
        })
    }
}

/// The tag of the first element, and what follows the element.
#[inline]
fn check_element(bytes: &[u8]) -> Result<(OptionTag, &[u8]), DecodeError> {
    let Some((&[length, tag], rest)) = bytes.split_first_chunk::<ELEMENT_HEADER>() else {
        return Err(DecodeError::OptionLength);
    };
    let tag = OptionTag::from_code(tag).ok_or(DecodeError::OptionUnknown)?;
    if usize::from(length) != 1 + tag.size() {
        return Err(DecodeError::OptionLength);
    }
    let after = rest.get(tag.size()..).ok_or(DecodeError::OptionLength)?;
    Ok((tag, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let options = Options { post_only: Some(b'P'), ..Options::default() };
        let mut space = [0; OPTIONS_MAX];
        let appendage = options.appendage(&mut space);
        assert_eq!(appendage.bytes(), [0x02, 0x0c, 0x50]);
        assert_eq!(Options::of(&appendage), options);
    }

    #[test]
    fn every_refusal_has_its_name() {
        let refusal = |bytes: &[u8], allowed| Appendage::checked(bytes, allowed).err();
        let post_only = TagSet::of(&[OptionTag::PostOnly]);
        assert_eq!(refusal(&[2, 12, b'P'], post_only), None);
        assert_eq!(refusal(&[2, 8, 0], post_only), Some(DecodeError::OptionUnknown));
        assert_eq!(refusal(&[2, 19, 0], TagSet::ALL), Some(DecodeError::OptionUnknown));
        assert_eq!(refusal(&[3, 12, b'P', 0], post_only), Some(DecodeError::OptionLength));
        assert_eq!(refusal(&[2, 12], post_only), Some(DecodeError::OptionLength));
        assert_eq!(refusal(&[2], post_only), Some(DecodeError::OptionLength));
        assert_eq!(refusal(&[0, 12], post_only), Some(DecodeError::OptionLength));
        let twice = [2, 12, b'P', 2, 12, b'N'];
        assert_eq!(refusal(&twice, post_only), Some(DecodeError::OptionRepeated));
        assert_eq!(refusal(&[2, 12, b'P'], TagSet::NONE), Some(DecodeError::OptionNotAllowed));
    }
}
