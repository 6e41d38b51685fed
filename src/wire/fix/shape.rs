//! The shape of a message seen before: which tags it had, in which order.
//!
//! A client's messages of one type look alike, so the layout that was found good once is compared
//! with eight bytes a field and not worked out again. Only values are looked at each time.

use crate::wire::fix::dictionary::{Dictionary, Kind};
use crate::wire::fix::message::{Entry, Message};
use crate::wire::fix::tag::{self, Places};

/// The most fields a shape has; longer messages are worked out each time.
const FIELDS_MAX: usize = 48;

/// Shapes a reader remembers.
const SHAPES: usize = 8;

/// How one field begins.
#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    /// Its first bytes: `tag=`, for a count of a group the count and its separator as well.
    bytes: u64,
    /// Which bits of them count.
    mask: u64,
    tag: u32,
    slot: u16,
    /// Bytes of `tag=`.
    skip: u16,
}

/// One shape.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    fields: [Beginning; FIELDS_MAX],
    count: usize,
    places: Places,
}

impl Shape {
    /// Fields of its messages.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where its messages have which field.
    #[inline]
    pub(super) fn places(&self) -> &Places {
        &self.places
    }
}

/// The shapes of one peer's messages, a few of them.
#[derive(Clone, Debug)]
pub(super) struct Shapes(Box<[Shape; SHAPES]>);

impl Shapes {
    pub(super) fn new() -> Self {
        let none = Shape {
            fields: [Beginning::default(); FIELDS_MAX],
            count: 0,
            places: Places::default(),
        };
        Self(Box::new(std::array::from_fn(|_| none.clone())))
    }

    /// By the type's first byte and the number of fields: limit and market orders differ in that.
    #[inline]
    const fn place(kind: u8, count: usize) -> usize {
        (kind as usize + count) % SHAPES
    }

    /// The shape of a place, which is below [`SHAPES`].
    #[inline]
    pub(super) fn get(&self, place: usize) -> &Shape {
        &self.0[place % SHAPES]
    }

    /// The place of a message's shape, if it is known; the fields are then noted in `entries`.
    ///
    /// `kind` is the type's first byte, `stops` are the separators.
    #[inline]
    pub(super) fn recognise(
        &self,
        kind: u8,
        bytes: &[u8],
        stops: &[u16],
        entries: &mut [Entry],
    ) -> Option<usize> {
        let known = Self::place(kind, stops.len());
        let shape = self.get(known);
        let fields = shape.fields.get(..shape.count)?;
        if fields.len() != stops.len() {
            return None;
        }
        let mut at = 0;
        for ((field, &stop), entry) in fields.iter().zip(stops).zip(entries) {
            let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
            let found = found.map_or(!field.bytes, |eight| u64::from_le_bytes(*eight));
            if (found ^ field.bytes) & field.mask != 0 {
                return None;
            }
            let start = at as u16 + field.skip;
            *entry = Entry { tag: field.tag, slot: field.slot, at: at as u16, start, end: stop };
            at = usize::from(stop) + 1;
        }
        Some(known)
    }

    /// Remembers the shape of a message that was found good.
    pub(super) fn learn(&mut self, message: &Message<'_>, dictionary: &Dictionary) {
        let entries = message.entries();
        let Some(&kind) = message.kind().first() else { return };
        let Some(shape) = self.0.get_mut(Self::place(kind, entries.len())) else { return };
        (shape.count, shape.places) = (0, Places::default());
        if entries.len() > FIELDS_MAX {
            return;
        }
        for (at, (place, entry)) in shape.fields.iter_mut().zip(entries).enumerate() {
            match beginning(message, entry, dictionary) {
                Some(beginning) => *place = beginning,
                None => return,
            }
            shape.places.note(entry.tag, at);
        }
        shape.count = entries.len();
    }
}

/// How a field begins; `None` where a shape cannot say that it is alike.
fn beginning(message: &Message<'_>, entry: &Entry, dictionary: &Dictionary) -> Option<Beginning> {
    let field = dictionary.field(entry.slot);
    // What follows a length may hold separators, and the type decides what may stand at all.
    if field.kind == Kind::Length {
        return None;
    }
    let is_whole = field.counts_group || entry.tag == tag::MSG_TYPE;
    let end = if is_whole { entry.end + 1 } else { entry.start };
    let written = message.bytes().get(usize::from(entry.at)..usize::from(end))?;
    let mut bytes = [0; 8];
    let mut mask = [0; 8];
    bytes.get_mut(..written.len())?.copy_from_slice(written);
    mask.get_mut(..written.len())?.fill(u8::MAX);
    Some(Beginning {
        bytes: u64::from_le_bytes(bytes),
        mask: u64::from_le_bytes(mask),
        tag: entry.tag,
        slot: entry.slot,
        skip: entry.start - entry.at,
    })
}
