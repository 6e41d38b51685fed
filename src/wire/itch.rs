//! ITCH 5.0 market data, both ways. Names are the specification's; codes stay bytes.
//!
//! Prices have four implied decimals where nothing else is said; text is padded with spaces.

use crate::wire::DecodeError;

layout! {
    /// The day's course: O, S, Q, M, E, C, in this order.
    SystemEvent = b'S' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        event_code: u8,
    }
    /// An instrument that is traded today.
    StockDirectory = b'R' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        market_category: u8,
        financial_status_indicator: u8,
        round_lot_size: u32,
        round_lots_only: u8,
        issue_classification: u8,
        issue_sub_type: [u8; 2],
        authenticity: u8,
        short_sale_threshold_indicator: u8,
        ipo_flag: u8,
        luld_reference_price_tier: u8,
        etp_flag: u8,
        etp_leverage_factor: u32,
        inverse_indicator: u8,
    }
    /// An instrument's trading state: H halted, P paused, Q quotation only, T trading.
    StockTradingAction = b'H' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        trading_state: u8,
        reserved: u8,
        reason_code: [u8; 4],
    }
    /// Whether the short sale price test is on.
    RegShoRestriction = b'Y' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        reg_sho_action: u8,
    }
    /// A market maker's standing in an instrument.
    MarketParticipantPosition = b'L' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        mpid: [u8; 4],
        stock: [u8; 8],
        primary_market_maker: u8,
        market_maker_mode: u8,
        market_participant_state: u8,
    }
    /// Index levels at which the whole market halts; eight decimals.
    MwcbDeclineLevel = b'V' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        level1: u64,
        level2: u64,
        level3: u64,
    }
    /// A level that was breached.
    MwcbStatus = b'W' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        breached_level: u8,
    }
    /// When quoting begins in a new issue.
    IpoQuotingPeriodUpdate = b'K' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        ipo_quotation_release_time: u32,
        ipo_quotation_release_qualifier: u8,
        ipo_price: u32,
    }
    /// The collar of an auction after a volatility pause.
    LuldAuctionCollar = b'J' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        auction_collar_reference_price: u32,
        upper_auction_collar_price: u32,
        lower_auction_collar_price: u32,
        auction_collar_extension: u32,
    }
    /// One market's operational halt.
    OperationalHalt = b'h' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        market_code: u8,
        operational_halt_action: u8,
    }
    /// An order joined the book.
    AddOrder = b'A' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
        buy_sell_indicator: u8,
        shares: u32,
        stock: [u8; 8],
        price: u32,
    }
    /// An order joined the book, and whose it is.
    AddOrderWithMpid = b'F' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
        buy_sell_indicator: u8,
        shares: u32,
        stock: [u8; 8],
        price: u32,
        attribution: [u8; 4],
    }
    /// Part of an order traded at its own price.
    OrderExecuted = b'E' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
        executed_shares: u32,
        match_number: u64,
    }
    /// Part of an order traded at another price; `printable` N is volume told elsewhere.
    OrderExecutedWithPrice = b'C' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
        executed_shares: u32,
        match_number: u64,
        printable: u8,
        execution_price: u32,
    }
    /// Part of an order left the book.
    OrderCancel = b'X' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
        canceled_shares: u32,
    }
    /// An order left the book.
    OrderDelete = b'D' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
    }
    /// An order left the book and another took its side.
    OrderReplace = b'U' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        original_order_reference_number: u64,
        new_order_reference_number: u64,
        shares: u32,
        price: u32,
    }
    /// A trade with an order that is not shown.
    Trade = b'P' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        order_reference_number: u64,
        buy_sell_indicator: u8,
        shares: u32,
        stock: [u8; 8],
        price: u32,
        match_number: u64,
    }
    /// The trade of a whole cross.
    CrossTrade = b'Q' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        cross_shares: u64,
        stock: [u8; 8],
        cross_price: u32,
        match_number: u64,
        cross_type: u8,
    }
    /// A trade was undone.
    BrokenTrade = b'B' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        match_number: u64,
    }
    /// What a cross would do now.
    NetOrderImbalance = b'I' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        paired_shares: u64,
        imbalance_shares: u64,
        imbalance_direction: u8,
        stock: [u8; 8],
        far_price: u32,
        near_price: u32,
        current_reference_price: u32,
        cross_type: u8,
        price_variation_indicator: u8,
    }
    /// Retail interest inside the spread.
    RetailPriceImprovement = b'N' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        interest_flag: u8,
    }
    /// Price discovery of a direct listing.
    DirectListing = b'O' {
        stock_locate: u16,
        tracking_number: u16,
        timestamp: [u8; 6],
        stock: [u8; 8],
        open_eligibility_status: u8,
        minimum_allowable_price: u32,
        maximum_allowable_price: u32,
        near_execution_price: u32,
        near_execution_time: u64,
        lower_price_range_collar: u32,
        upper_price_range_collar: u32,
    }
}

/// A time as ITCH carries it: nanoseconds since midnight, in 48 bits.
#[inline]
pub const fn timestamp(since_midnight: u64) -> [u8; 6] {
    let [_, _, a, b, c, d, e, f] = since_midnight.to_be_bytes();
    [a, b, c, d, e, f]
}

/// Nanoseconds since midnight.
#[inline]
pub const fn since_midnight(timestamp: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = timestamp;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Declares the enum of all messages.
macro_rules! messages {
    ($($message:ident)+) => {
        /// A message of the feed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "a message is described at its own type")]
        pub enum Message { $($message($message),)+ }

        impl Message {
            /// Bytes of the longest message.
            pub const LENGTH_MAX: usize = {
                let mut longest = 0;
                $(if $message::LENGTH > longest {
                    longest = $message::LENGTH;
                })+
                longest
            };

            /// Each type byte with its length and its fields.
            pub const TABLE: &'static [(u8, usize, &'static [(&'static str, usize, usize)])] =
                &[$(($message::TYPE, $message::LENGTH, $message::FIELDS),)+];

            /// Every message as a reference shows it.
            pub const DESCRIBED: &'static [$crate::wire::Described] =
                &[$($message::DESCRIBED,)+];

            /// Reads one message, which must end where the bytes do.
            ///
            /// # Errors
            /// The cause; nothing is guessed.
            #[inline]
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                match bytes.first() {
                    $(Some(&$message::TYPE) => {
                        let bytes = bytes.try_into().map_err(|_| DecodeError::MessageLength)?;
                        Ok(Self::$message($message::read(bytes)))
                    })+
                    Some(_) => Err(DecodeError::MessageUnknown),
                    None => Err(DecodeError::MessageEmpty),
                }
            }

            /// Writes the message and returns its length; `None` where it does not fit.
            #[inline]
            pub fn encode(&self, bytes: &mut [u8]) -> Option<usize> {
                match self {
                    $(Self::$message(message) => {
                        message.write(bytes.first_chunk_mut()?);
                        Some($message::LENGTH)
                    })+
                }
            }
        }
    };
}

messages! {
    SystemEvent
    StockDirectory
    StockTradingAction
    RegShoRestriction
    MarketParticipantPosition
    MwcbDeclineLevel
    MwcbStatus
    IpoQuotingPeriodUpdate
    LuldAuctionCollar
    OperationalHalt
    AddOrder
    AddOrderWithMpid
    OrderExecuted
    OrderExecutedWithPrice
    OrderCancel
    OrderDelete
    OrderReplace
    Trade
    CrossTrade
    BrokenTrade
    NetOrderImbalance
    RetailPriceImprovement
    DirectListing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::session::Packet;
    use crate::wire::shared;

    #[test]
    fn lengths_are_those_of_the_specification() {
        let lengths = [
            (b'S', 12),
            (b'R', 39),
            (b'H', 25),
            (b'Y', 20),
            (b'L', 26),
            (b'V', 35),
            (b'W', 12),
            (b'K', 28),
            (b'J', 35),
            (b'h', 21),
            (b'A', 36),
            (b'F', 40),
            (b'E', 31),
            (b'C', 36),
            (b'X', 23),
            (b'D', 19),
            (b'U', 35),
            (b'P', 44),
            (b'Q', 40),
            (b'B', 19),
            (b'I', 50),
            (b'N', 20),
            (b'O', 48),
        ];
        assert_eq!(Message::TABLE.len(), lengths.len());
        for (kind, length) in lengths {
            let row = Message::TABLE.iter().find(|row| row.0 == kind).expect("every type");
            assert_eq!(row.1, length, "type {}", kind as char);
            assert_eq!(row.2.iter().map(|field| field.2).sum::<usize>() + 1, length);
        }
    }

    #[test]
    fn offsets_are_those_of_the_sheet() {
        for sheet in shared::sheets("facts/itch50.md") {
            let kind = sheet.heading.as_bytes()[1];
            let row = Message::TABLE.iter().find(|row| row.0 == kind).expect("every type");
            let ours: Vec<_> = row.2.iter().map(|field| (field.1, field.2)).collect();
            let said: Vec<_> = sheet.fields[1..].iter().map(|field| (field.1, field.2)).collect();
            assert_eq!(ours, said, "{}", sheet.heading);
        }
    }

    #[test]
    fn real_packets_decode_and_encode_to_themselves() {
        let (mut kinds, mut count) = (std::collections::BTreeSet::new(), 0);
        for frame in shared::packets("captures/nasdaq-itch-5.0") {
            let datagram = shared::ip_payload(&frame);
            let packet = Packet::parse(&datagram[8..], Message::LENGTH_MAX);
            for bytes in packet.expect("a real packet").blocks() {
                let message = Message::decode(bytes).expect("a real message");
                let mut written = [0; Message::LENGTH_MAX];
                let length = message.encode(&mut written).expect("it fits");
                assert_eq!(written[..length], *bytes);
                count += 1;
                kinds.insert(bytes[0]);
            }
        }
        if shared::path("captures/nasdaq-itch-5.0").is_some() {
            assert!(kinds.len() >= 15, "{count} messages of the types {kinds:?}");
        }
    }

    #[test]
    fn times_keep_their_48_bits() {
        let last = 86_399_999_999_999;
        assert_eq!(since_midnight(timestamp(last)), last);
    }

    proptest! {
        #[test]
        fn what_decodes_is_written_back(
            row in 0..Message::TABLE.len(),
            bytes in prop::collection::vec(any::<u8>(), 60),
            change in -2isize..=2,
        ) {
            let (kind, length, _) = Message::TABLE[row];
            let mut bytes = bytes;
            bytes[0] = kind;
            bytes.truncate(length.saturating_add_signed(change));
            match Message::decode(&bytes) {
                Ok(message) => {
                    prop_assert_eq!(change, 0);
                    let mut written = [0; Message::LENGTH_MAX];
                    let written_length = message.encode(&mut written).expect("it fits");
                    prop_assert_eq!(&written[..written_length], &bytes[..]);
                }
                Err(cause) => {
                    prop_assert!(change != 0);
                    prop_assert_eq!(cause, DecodeError::MessageLength);
                }
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let _ = Message::decode(&bytes);
        }
    }
}
