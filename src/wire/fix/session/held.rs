//! Messages that came before their turn, until those before them have come.
//!
//! What finds no room is dropped: the request for what is missing brings it again.

/// Messages held at most.
const HELD_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Place {
    seq: u64,
    start: usize,
    length: usize,
    answered: bool,
}

/// The messages held, in bytes taken at construction.
#[derive(Clone, Debug)]
pub(super) struct Held {
    bytes: Box<[u8]>,
    used: usize,
    places: Vec<Place>,
}

impl Held {
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes].into(), used: 0, places: Vec::with_capacity(HELD_MAX) }
    }

    /// Keeps a message, unless there is no room or its number is held already.
    pub(super) fn keep(&mut self, seq: u64, message: &[u8], answered: bool) {
        let end = self.used + message.len();
        let known = self.places.iter().any(|place| place.seq == seq);
        if known || self.places.len() == HELD_MAX {
            return;
        }
        let Some(room) = self.bytes.get_mut(self.used..end) else { return };
        room.copy_from_slice(message);
        self.places.push(Place { seq, start: self.used, length: message.len(), answered });
        self.used = end;
    }

    /// Takes the message of a number out, if it is held, and says whether it was answered before.
    pub(super) fn take(&mut self, seq: u64) -> Option<(&[u8], bool)> {
        let at = self.places.iter().position(|place| place.seq == seq)?;
        let place = self.places.swap_remove(at);
        if self.places.is_empty() {
            self.used = 0;
        }
        let bytes = self.bytes.get(place.start..place.start + place.length)?;
        Some((bytes, place.answered))
    }

    /// Forgets what will never have its turn.
    pub(super) fn drop_below(&mut self, seq: u64) {
        self.places.retain(|place| place.seq >= seq);
        if self.places.is_empty() {
            self.used = 0;
        }
    }

    pub(super) fn clear(&mut self) {
        self.drop_below(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back_once_in_any_order() {
        let mut held = Held::new(10);
        held.keep(5, b"five", false);
        held.keep(3, b"three", true);
        held.keep(3, b"x", false);
        held.keep(6, b"no room", false);
        assert_eq!(held.take(3), Some((&b"three"[..], true)));
        assert_eq!(held.take(3), None);
        assert_eq!(held.take(6), None);
        assert_eq!(held.take(5), Some((&b"five"[..], false)));
        held.keep(7, b"room again", false);
        held.drop_below(8);
        assert_eq!(held.take(7), None);
    }
}
