//! Which connection a segment is for: a table of fixed size by both ends' addresses. Its hash has
//! a secret, so that nobody can choose addresses that fall together.

use std::net::SocketAddrV4;

const EMPTY: u32 = u32::MAX;

/// Both ends of a connection to one address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuple(u64);

impl Tuple {
    pub(super) fn new(remote: SocketAddrV4, local_port: u16) -> Self {
        let address = u64::from(u32::from(*remote.ip()));
        Self(address << 32 | u64::from(remote.port()) << 16 | u64::from(local_port))
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    tuple: Tuple,
    slot: u32,
}

/// The table: open addressing, at most half full.
#[derive(Debug)]
pub(super) struct Table {
    places: Box<[Place]>,
    secret: u64,
}

impl Table {
    pub(super) fn new(slots: usize, secret: u64) -> Self {
        let count = (2 * slots.max(8)).next_power_of_two();
        let places = vec![Place { tuple: Tuple(0), slot: EMPTY }; count].into();
        Self { places, secret: secret | 1 }
    }

    fn home(&self, tuple: Tuple) -> usize {
        let mixed = (tuple.0 ^ self.secret).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29 ^ self.secret.rotate_left(17)).wrapping_mul(self.secret);
        (mixed >> 32) as usize & (self.places.len() - 1)
    }

    fn place(&self, tuple: Tuple) -> Option<usize> {
        let mask = self.places.len() - 1;
        let mut at = self.home(tuple);
        // A table half full has an empty place before one has gone round.
        loop {
            let place = self.places.get(at)?;
            if place.slot == EMPTY {
                return None;
            }
            if place.tuple == tuple {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    pub(super) fn find(&self, tuple: Tuple) -> Option<usize> {
        self.place(tuple).map(|at| self.places[at].slot as usize)
    }

    pub(super) fn insert(&mut self, tuple: Tuple, slot: usize) {
        let mask = self.places.len() - 1;
        let mut at = self.home(tuple);
        while self.places[at].slot != EMPTY && self.places[at].tuple != tuple {
            at = (at + 1) & mask;
        }
        self.places[at] = Place { tuple, slot: slot as u32 };
    }

    pub(super) fn remove(&mut self, tuple: Tuple) {
        let mask = self.places.len() - 1;
        let Some(mut hole) = self.place(tuple) else { return };
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place.slot == EMPTY {
                break;
            }
            // What could not be found any more behind the hole moves into it.
            let home = self.home(place.tuple);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = place;
                hole = at;
            }
        }
        self.places[hole].slot = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map(
            secret: u64,
            steps in prop::collection::vec((0u32..40, any::<bool>()), 1..300),
        ) {
            let mut table = Table::new(16, secret);
            let mut oracle = HashMap::new();
            for (at, (address, inserts)) in steps.into_iter().enumerate() {
                let tuple = Tuple::new(SocketAddrV4::new(address.into(), 7), 9);
                if inserts && (oracle.len() < 16 || oracle.contains_key(&address)) {
                    table.insert(tuple, at);
                    oracle.insert(address, at);
                } else {
                    table.remove(tuple);
                    oracle.remove(&address);
                }
                for address in 0..40 {
                    let tuple = Tuple::new(SocketAddrV4::new(address.into(), 7), 9);
                    prop_assert_eq!(table.find(tuple), oracle.get(&address).copied());
                }
            }
        }
    }
}
