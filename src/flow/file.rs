//! Flow files on disk, read strictly: a file that breaks a rule is refused with the place.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::flow::{Flow, FlowEvent, FlowKind, Summary};

/// The first bytes of every flow file.
const MAGIC: &[u8; 8] = b"MEV10001";

/// Bytes of the header, and of each event.
const HEADER: usize = 64;
const RECORD: usize = 32;

/// Where a flow file breaks which rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset} ({place}), field `{field}`: {rule}")]
pub struct Problem {
    /// Where the field stands in the file.
    pub offset: usize,
    /// The header, or which event.
    pub place: String,
    /// The field.
    pub field: &'static str,
    /// The rule, and what stands there instead.
    pub rule: String,
}

/// Why a flow file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The file system says no.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What it said.
        error: io::Error,
    },
    /// The file breaks a rule of the format.
    #[error("{path}: not a good flow file: {problem}")]
    Bad {
        /// The file.
        path: String,
        /// Where and which.
        problem: Problem,
    },
}

/// Reads and checks a flow file.
///
/// # Errors
/// [`FlowError`] when it cannot be read or breaks a rule of the format.
pub fn read(path: &Path) -> Result<Flow, FlowError> {
    let shown = || path.display().to_string();
    let bytes = fs::read(path).map_err(|error| FlowError::Unreadable { path: shown(), error })?;
    parse(&bytes).map_err(|problem| FlowError::Bad { path: shown(), problem })
}

/// Checks and takes apart the bytes of a flow file.
///
/// # Errors
/// The first [`Problem`], from the front.
pub fn parse(bytes: &[u8]) -> Result<Flow, Problem> {
    let header = Header::parse(bytes)?;
    let records = bytes.get(HEADER..).unwrap_or(&[]).chunks_exact(RECORD);
    let events = records.enumerate().map(|(number, record)| header.event(number, record));
    Ok(Flow {
        events: events.collect::<Result<_, _>>()?,
        prefill: header.prefill,
        expected: header.expected,
    })
}

/// Writes a flow file.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, flow: &Flow) -> io::Result<()> {
    let mut file = io::BufWriter::new(fs::File::create(path)?);
    file.write_all(&encode(flow))?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// The bytes of a flow file.
pub fn encode(flow: &Flow) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + flow.events.len() * RECORD);
    let prices = || flow.events.iter().map(|event| event.price).filter(|&price| price != 0);
    let id_max = flow.events.iter().map(|event| event.id.max(event.new_id)).max();
    let (prefill, timed) = flow.parts();
    bytes.extend(MAGIC);
    bytes.extend((prefill.len() as u64).to_le_bytes());
    bytes.extend((timed.len() as u64).to_le_bytes());
    bytes.extend(flow.expected.trades.to_le_bytes());
    bytes.extend(flow.expected.hash.to_le_bytes());
    bytes.extend(flow.expected.quantity.to_le_bytes());
    bytes.extend(prices().min().unwrap_or(0).to_le_bytes());
    bytes.extend(prices().max().unwrap_or(0).to_le_bytes());
    bytes.extend(id_max.unwrap_or(0).to_le_bytes());
    for event in &flow.events {
        bytes.extend(event.id.to_le_bytes());
        bytes.extend(event.new_id.to_le_bytes());
        bytes.extend(event.price.to_le_bytes());
        bytes.extend(event.quantity.to_le_bytes());
        bytes.extend([event.kind as u8, u8::from(!event.buy), 0, 0]);
        bytes.extend(event.account.to_le_bytes());
    }
    bytes
}

/// A flow file's header, checked.
struct Header {
    prefill: usize,
    expected: Summary,
    price_min: u32,
    price_max: u32,
    id_max: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let bad = |offset, field, rule| Problem { offset, place: "header".into(), field, rule };
        if !bytes.starts_with(MAGIC) {
            let rule = "the file must begin with MEV10001; is it a flow file?".into();
            return Err(bad(0, "magic", rule));
        }
        if bytes.len() < HEADER {
            let rule = format!("the header has {HEADER} bytes, the file ends at {}", bytes.len());
            return Err(bad(bytes.len(), "length", rule));
        }
        let (prefill, timed) = (u64_at(bytes, 8), u64_at(bytes, 16));
        let body = (bytes.len() - HEADER) as u64;
        let promised = prefill.checked_add(timed).and_then(|count| count.checked_mul(32));
        if promised != Some(body) {
            let rule = format!(
                "{prefill} and {timed} events of {RECORD} bytes must fill the file; it has {body} \
                 bytes after the header (cut off, or something follows)"
            );
            return Err(bad(8, "prefill, timed", rule));
        }
        let (price_min, price_max) = (u32_at(bytes, 48), u32_at(bytes, 52));
        if price_min > price_max {
            let rule = format!("the lowest price, {price_min}, is above the highest, {price_max}");
            return Err(bad(48, "prices", rule));
        }
        let expected = Summary {
            trades: u64_at(bytes, 24),
            hash: u64_at(bytes, 32),
            quantity: u64_at(bytes, 40),
        };
        let prefill = prefill as usize;
        Ok(Self { prefill, expected, price_min, price_max, id_max: u64_at(bytes, 56) })
    }

    /// Takes one event's record apart; `record` has [`RECORD`] bytes.
    fn event(&self, number: usize, record: &[u8]) -> Result<FlowEvent, Problem> {
        let bad = |at: usize, field, rule| Problem {
            offset: HEADER + number * RECORD + at,
            place: format!("event {number}"),
            field,
            rule,
        };
        let tail: [u8; 4] = record.get(24..28).and_then(|b| b.try_into().ok()).unwrap_or_default();
        let [kind, side, ..] = tail;
        let Some(kind) = FlowKind::from_code(kind) else {
            return Err(bad(24, "type", format!("it must be 1 to 5, not {kind}")));
        };
        if side > 1 {
            return Err(bad(25, "side", format!("it must be 0 (buy) or 1 (sell), not {side}")));
        }
        if tail[2..] != [0, 0] {
            return Err(bad(26, "symbol", "it must be 0: a flow has one instrument".into()));
        }
        let event = FlowEvent {
            id: u64_at(record, 0),
            new_id: u64_at(record, 8),
            price: u32_at(record, 16),
            quantity: u32_at(record, 20),
            kind,
            buy: side == 0,
            account: u32_at(record, 28),
        };
        match self.broken_rule(&event) {
            Some((at, field, rule)) => Err(bad(at, field, rule)),
            None => Ok(event),
        }
    }

    /// The first rule that an event breaks: where its field stands, its name, and the rule.
    fn broken_rule(&self, event: &FlowEvent) -> Option<(usize, &'static str, String)> {
        let FlowEvent { id, new_id, price, quantity, kind, .. } = *event;
        let id_max = self.id_max;
        if id == 0 || id > id_max {
            return Some((0, "order id", format!("{id} is not from 1 to {id_max}, as promised")));
        }
        if kind == FlowKind::Replace && (new_id == 0 || new_id > id_max) {
            return Some((8, "new id", format!("{new_id} is not from 1 to {id_max}, as promised")));
        }
        if kind != FlowKind::Replace && new_id != 0 {
            return Some((8, "new id", format!("only a replacement (3) has one, not {new_id}")));
        }
        // Files carry a cancelled order's price, or 0; nothing reads it.
        let needs_price = !matches!(kind, FlowKind::Cancel | FlowKind::Market);
        let (low, high) = (self.price_min, self.price_max);
        if (price != 0 || needs_price) && !(low.max(1)..=high).contains(&price) {
            return Some((
                16,
                "price",
                format!("{price} is not from {low} to {high}, as promised"),
            ));
        }
        if kind == FlowKind::Market && price != 0 {
            return Some((16, "price", format!("a market order (5) has none, not {price}")));
        }
        if (kind == FlowKind::Cancel) != (quantity == 0) {
            let rule = format!("a cancel (2) has none and all others have one, not {quantity}");
            return Some((20, "quantity", rule));
        }
        None
    }
}

/// Eight bytes at an offset; 0 beyond the end, which is checked before.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..at + 8).and_then(|field| field.try_into().ok());
    u64::from_le_bytes(field.unwrap_or_default())
}

/// Four bytes at an offset; 0 beyond the end, which is checked before.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok());
    u32::from_le_bytes(field.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = FlowEvent> {
        let kinds = prop::sample::select(vec![
            FlowKind::Limit,
            FlowKind::Cancel,
            FlowKind::Replace,
            FlowKind::Immediate,
            FlowKind::Market,
        ]);
        let numbers = (1..u64::MAX, 1..u64::MAX, 1..u32::MAX, 1..u32::MAX);
        (kinds, numbers, any::<bool>(), any::<u32>()).prop_map(
            |(kind, (id, new_id, price, quantity), buy, account)| FlowEvent {
                id,
                new_id: if kind == FlowKind::Replace { new_id } else { 0 },
                price: if kind == FlowKind::Market { 0 } else { price },
                quantity: if kind == FlowKind::Cancel { 0 } else { quantity },
                kind,
                buy,
                account,
            },
        )
    }

    fn flow() -> impl Strategy<Value = Flow> {
        let summary = any::<(u64, u64, u64)>();
        (prop::collection::vec(event(), 0..20), any::<prop::sample::Index>(), summary).prop_map(
            |(events, prefill, (trades, hash, quantity))| Flow {
                prefill: prefill.index(events.len() + 1),
                events,
                expected: Summary { trades, hash, quantity },
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(flow in flow()) {
            prop_assert_eq!(parse(&encode(&flow)), Ok(flow));
        }

        #[test]
        fn a_file_cut_anywhere_is_refused(flow in flow(), cut: prop::sample::Index) {
            let bytes = encode(&flow);
            prop_assert!(parse(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            for (at, byte) in MAGIC.iter().enumerate().take(bytes.len()) {
                bytes[at] = *byte;
            }
            let _ = parse(&bytes);
        }

        #[test]
        fn a_changed_byte_is_refused_at_its_event_or_changes_the_flow(
            flow in flow(), at: prop::sample::Index, change in 1..=255_u8,
        ) {
            let mut bytes = encode(&flow);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            match parse(&bytes) {
                Ok(other) => prop_assert!(other != flow || (48..64).contains(&at)),
                Err(problem) if at >= HEADER => {
                    prop_assert_eq!((problem.offset - HEADER) / RECORD, (at - HEADER) / RECORD);
                }
                Err(_) => {}
            }
        }
    }
}
