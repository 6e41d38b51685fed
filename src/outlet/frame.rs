//! What a client is told, as JSON or as bytes. The bytes are little-endian; every frame begins with
//! its type, the instrument's number (0: of none), the feed's message number and the time of the
//! event. A snapshot says which symbol has the number.

use std::fmt::Write;
use std::sync::Arc;

use crate::feed::Level;
use crate::model::{Nanos, Price};
use crate::outlet::hub::{Hub, Told, View};
use crate::wire::soupbintcp::padded;

/// How a client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text.
    #[default]
    Json,
    /// Bytes.
    Binary,
}

/// Something a client is told.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A book as it stands: what follows changes it.
    Snapshot {
        /// Whose.
        place: usize,
        /// The book.
        view: Arc<View>,
    },
    /// The best bid and offer.
    Top {
        /// Whose.
        place: usize,
        /// The book.
        view: Arc<View>,
    },
    /// Levels that changed; without shares they are gone.
    Depth {
        /// Whose.
        place: usize,
        /// What the client was told before.
        before: Arc<View>,
        /// The book.
        view: Arc<View>,
    },
    /// What is said of an instrument.
    Status {
        /// Whose.
        place: usize,
        /// The book.
        view: Arc<View>,
    },
    /// A trade.
    Trade {
        /// In what.
        place: usize,
        /// The trade.
        told: Told,
    },
    /// Trades that a client was too slow for.
    Missed {
        /// How many.
        trades: u64,
    },
}

impl Frame {
    /// When what it tells happened.
    pub fn at(&self) -> Option<Nanos> {
        match self {
            // A snapshot tells of the past.
            Self::Snapshot { .. } | Self::Missed { .. } => None,
            Self::Top { view, .. } | Self::Depth { view, .. } | Self::Status { view, .. } => {
                Some(view.at)
            }
            Self::Trade { told, .. } => Some(told.at),
        }
    }

    /// The instrument it tells of.
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::Missed { .. } => None,
            Self::Snapshot { place, .. }
            | Self::Top { place, .. }
            | Self::Depth { place, .. }
            | Self::Status { place, .. }
            | Self::Trade { place, .. } => Some(*place),
        }
    }

    /// Whether it surely tells the same of the same instrument: of the very same books.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Snapshot { view: a, .. }, Self::Snapshot { view: b, .. })
            | (Self::Top { view: a, .. }, Self::Top { view: b, .. })
            | (Self::Status { view: a, .. }, Self::Status { view: b, .. }) => Arc::ptr_eq(a, b),
            (Self::Depth { before: c, view: a, .. }, Self::Depth { before: d, view: b, .. }) => {
                Arc::ptr_eq(a, b) && Arc::ptr_eq(c, d)
            }
            (Self::Trade { told: a, .. }, Self::Trade { told: b, .. }) => a == b,
            _ => false,
        }
    }

    /// As text.
    pub fn json(&self, hub: &Hub) -> String {
        let mut text = String::with_capacity(256);
        let head = |kind: &str, place: &usize, number: u64, at: Nanos| {
            let symbol = hub.symbol(*place);
            format!("{{\"type\":\"{kind}\",\"symbol\":\"{symbol}\",\"number\":{number},\"at\":{at}")
        };
        match self {
            Self::Snapshot { place, view } => {
                text += &head("snapshot", place, view.number, view.at);
                levels(&mut text, "bids", view.bids.iter().copied());
                levels(&mut text, "asks", view.asks.iter().copied());
                status(&mut text, view);
                let (price, shares) = (Price(view.last.price.into()), view.last.shares);
                let _ = write!(text, ",\"last\":[\"{price}\",{shares}]}}");
            }
            Self::Top { place, view } => {
                text += &head("top", place, view.number, view.at);
                levels(&mut text, "bid", view.bids.first().copied().into_iter());
                levels(&mut text, "ask", view.asks.first().copied().into_iter());
                text.push('}');
            }
            Self::Depth { place, before, view } => {
                text += &head("depth", place, view.number, view.at);
                levels(&mut text, "bids", changes(&before.bids, &view.bids).into_iter());
                levels(&mut text, "asks", changes(&before.asks, &view.asks).into_iter());
                text.push('}');
            }
            Self::Status { place, view } => {
                text += &head("status", place, view.number, view.at);
                status(&mut text, view);
                text.push('}');
            }
            Self::Trade { place, told } => {
                text += &head("trade", place, told.number, told.at);
                let (price, last) = (Price(told.last.price.into()), told.last);
                let _ = write!(
                    text,
                    ",\"price\":\"{price}\",\"shares\":{},\"match\":\"{}\"}}",
                    last.shares, last.match_number
                );
            }
            Self::Missed { trades } => {
                let _ = write!(text, "{{\"type\":\"missed\",\"trades\":{trades}}}");
            }
        }
        text
    }

    /// As bytes.
    pub fn binary(&self, hub: &Hub) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let of = |place: &usize| (*place as u16).wrapping_add(1);
        let mut head = |kind: u8, instrument: u16, number: u64, at: Nanos| {
            bytes.push(kind);
            bytes.extend_from_slice(&instrument.to_le_bytes());
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&at.0.to_le_bytes());
        };
        match self {
            Self::Snapshot { place, view } => {
                head(b'S', of(place), view.number, view.at);
                bytes.extend_from_slice(&padded::<8>(&hub.symbol(*place)));
                packed(&mut bytes, &view.bids);
                packed(&mut bytes, &view.asks);
                bytes.push(view.status.trading_state);
            }
            Self::Top { place, view } => {
                head(b'T', of(place), view.number, view.at);
                packed(&mut bytes, &view.bids[..view.bids.len().min(1)]);
                packed(&mut bytes, &view.asks[..view.asks.len().min(1)]);
            }
            Self::Depth { place, before, view } => {
                head(b'D', of(place), view.number, view.at);
                packed(&mut bytes, &changes(&before.bids, &view.bids));
                packed(&mut bytes, &changes(&before.asks, &view.asks));
            }
            Self::Status { place, view } => {
                head(b'H', of(place), view.number, view.at);
                bytes.push(view.status.trading_state);
            }
            Self::Trade { place, told } => {
                head(b'P', of(place), told.number, told.at);
                bytes.extend_from_slice(&told.last.price.to_le_bytes());
                bytes.extend_from_slice(&told.last.shares.to_le_bytes());
                bytes.extend_from_slice(&told.last.match_number.to_le_bytes());
            }
            Self::Missed { trades } => head(b'M', 0, *trades, Nanos::ZERO),
        }
        bytes
    }
}

fn status(text: &mut String, view: &View) {
    let state = char::from(view.status.trading_state);
    let _ = write!(text, ",\"state\":\"{state}\"");
}

fn levels(text: &mut String, name: &str, levels: impl Iterator<Item = Level>) {
    let _ = write!(text, ",\"{name}\":[");
    for (at, level) in levels.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let Level { price, shares, orders } = level;
        let _ = write!(text, "{comma}[\"{}\",{shares},{orders}]", Price(price.into()));
    }
    text.push(']');
}

/// A count, then each level's price and shares.
fn packed(bytes: &mut Vec<u8>, levels: &[Level]) {
    bytes.push(levels.len() as u8);
    for level in levels {
        bytes.extend_from_slice(&level.price.to_le_bytes());
        bytes.extend_from_slice(&level.shares.to_le_bytes());
    }
}

/// Levels that are new or other than before, and those that are gone, without shares.
pub(super) fn changes(before: &[Level], now: &[Level]) -> Vec<Level> {
    let is_gone = |level: &&Level| !now.iter().any(|other| other.price == level.price);
    let gone = before.iter().filter(is_gone).map(|level| Level { shares: 0, orders: 0, ..*level });
    let is_new = |level: &&Level| !before.contains(level);
    gone.chain(now.iter().filter(is_new).copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn of(map: &BTreeMap<u32, u64>) -> Vec<Level> {
        map.iter()
            .map(|(price, shares)| Level { price: *price, orders: 1, shares: *shares })
            .collect()
    }

    #[test]
    fn every_kind_is_written_both_ways_and_a_snapshot_names_its_symbol() {
        let (hub, view) = (Hub::new(&[]), Arc::<View>::default());
        let before = Arc::clone(&view);
        let told = Told { last: crate::feed::LastTrade::default(), number: 1, at: Nanos(1) };
        let frames = [
            Frame::Snapshot { place: 0, view: Arc::clone(&view) },
            Frame::Top { place: 0, view: Arc::clone(&view) },
            Frame::Depth { place: 0, before, view: Arc::clone(&view) },
            Frame::Status { place: 0, view },
            Frame::Trade { place: 0, told },
            Frame::Missed { trades: 3 },
        ];
        let kinds: Vec<u8> = frames.iter().map(|frame| frame.binary(&hub)[0]).collect();
        assert_eq!(kinds, *b"STDHPM");
        assert_eq!(frames[5].binary(&hub)[..11], [b'M', 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(frames[0].binary(&hub)[19..27], *b"        ");
        for frame in &frames {
            serde_json::from_str::<serde_json::Value>(&frame.json(&hub)).unwrap();
        }
    }

    proptest! {
        #[test]
        fn changes_lead_from_one_book_to_the_next(
            before in prop::collection::btree_map(0u32..20, 1u64..9, 0..10),
            now in prop::collection::btree_map(0u32..20, 1u64..9, 0..10),
        ) {
            let mut book = before.clone();
            for level in changes(&of(&before), &of(&now)) {
                match level.shares {
                    0 => _ = book.remove(&level.price),
                    shares => _ = book.insert(level.price, shares),
                }
            }
            prop_assert_eq!(book, now);
        }
    }
}
