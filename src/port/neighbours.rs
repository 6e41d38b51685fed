//! Which station has which address: a table of fixed size that forgets, never grows.
//!
//! Buckets of four; a full bucket gives up its oldest entry, so a flood of made-up neighbours
//! costs a repeated ARP request and no more. What only a datagram claimed is used, so that a reply
//! need not wait, and asked about, so that a lie does not last.

use std::net::Ipv4Addr;

use crate::wire::ethernet::Mac;

const BUCKETS: usize = 256;
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    addresses: [u32; WAYS],
    stations: [Mac; WAYS],
    /// Sends until the next question about an entry that a datagram claimed; 0 where the station
    /// said so itself.
    doubts: [u8; WAYS],
    /// The entry that a newcomer replaces next.
    oldest: u8,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Neighbours {
    buckets: Box<[Bucket; BUCKETS]>,
}

impl Neighbours {
    /// Knows nobody.
    pub(crate) fn new() -> Self {
        Self { buckets: Box::new([Bucket::default(); BUCKETS]) }
    }

    /// The station of an address.
    #[inline]
    pub(crate) fn find(&self, address: Ipv4Addr) -> Option<Mac> {
        let wanted = u32::from(address);
        let bucket = &self.buckets[place(wanted)];
        let at = bucket.addresses.iter().position(|&known| known == wanted)?;
        // 0.0.0.0 is nobody's address: an empty entry is not an answer.
        (wanted != 0).then(|| bucket.stations[at])
    }

    /// The station of an address somebody sends to, and whether to ask that address about it.
    #[inline]
    pub(crate) fn reach(&mut self, address: Ipv4Addr) -> Option<(Mac, bool)> {
        let wanted = u32::from(address);
        let bucket = &mut self.buckets[place(wanted)];
        let at = bucket.addresses.iter().position(|&known| known == wanted)?;
        let doubt = &mut bucket.doubts[at];
        let asks = *doubt == 1;
        *doubt = if asks { u8::MAX } else { doubt.saturating_sub(1) };
        (wanted != 0).then(|| (bucket.stations[at], asks))
    }

    /// Notes a station that said so itself (ARP); replaces what was known.
    pub(crate) fn learn(&mut self, address: Ipv4Addr, station: Mac) {
        self.note(address, station, 0);
    }

    fn note(&mut self, address: Ipv4Addr, station: Mac, doubt: u8) {
        let wanted = u32::from(address);
        if wanted == 0 || station.is_group() {
            return;
        }
        let bucket = &mut self.buckets[place(wanted)];
        let known = bucket.addresses.iter().position(|&known| known == wanted);
        let at = known.unwrap_or_else(|| {
            let oldest = usize::from(bucket.oldest) % WAYS;
            bucket.oldest = (bucket.oldest + 1) % WAYS as u8;
            oldest
        });
        bucket.addresses[at] = wanted;
        bucket.stations[at] = station;
        bucket.doubts[at] = doubt;
    }

    /// Notes a station seen as a datagram's sender, unless something is known already: a
    /// datagram with a made-up source must not turn a neighbour's replies away.
    #[inline]
    pub(crate) fn notice(&mut self, address: Ipv4Addr, station: Mac) {
        if self.find(address).is_none() {
            self.note(address, station, 1);
        }
    }
}

/// The bucket of an address: the top bits of a product mix all of its bits (Fibonacci hashing).
#[inline]
fn place(address: u32) -> usize {
    (address.wrapping_mul(0x9e37_79b1) >> 24) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An answer is always the last thing said; the table may only forget.
        #[test]
        fn never_answers_wrongly(said in prop::collection::vec((0u32..3000, 0u8..9), 1..400)) {
            let mut table = Neighbours::new();
            let mut oracle = HashMap::new();
            for (address, station) in said {
                let (address, station) = (Ipv4Addr::from(address), Mac([2, 0, 0, 0, 0, station]));
                table.learn(address, station);
                oracle.insert(address, station);
                if address != Ipv4Addr::UNSPECIFIED {
                    prop_assert_eq!(table.find(address), Some(station));
                }
            }
            for (address, station) in oracle {
                let found = table.find(address);
                prop_assert!(found.is_none() || found == Some(station));
            }
        }
    }

    #[test]
    fn a_datagram_teaches_only_what_is_not_known() {
        let mut table = Neighbours::new();
        let address = Ipv4Addr::new(10, 0, 0, 9);
        table.notice(address, Mac([2; 6]));
        table.notice(address, Mac([4; 6]));
        assert_eq!(table.find(address), Some(Mac([2; 6])));
        table.learn(address, Mac([4; 6]));
        assert_eq!(table.find(address), Some(Mac([4; 6])));
    }

    #[test]
    fn what_a_datagram_claims_is_asked_about_until_the_station_says_so() {
        let mut table = Neighbours::new();
        let address = Ipv4Addr::new(10, 0, 0, 9);
        table.notice(address, Mac([2; 6]));
        let asked = |table: &mut Neighbours, times: u32| {
            (0..times).filter(|_| table.reach(address).is_some_and(|(_, asks)| asks)).count()
        };
        assert_eq!(table.reach(address), Some((Mac([2; 6]), true)));
        assert_eq!(asked(&mut table, 2_550), 10);
        table.learn(address, Mac([4; 6]));
        assert_eq!(table.reach(address), Some((Mac([4; 6]), false)));
        table.notice(address, Mac([2; 6]));
        assert_eq!((asked(&mut table, 1_000), table.find(address)), (0, Some(Mac([4; 6]))));
    }

    #[test]
    fn nobody_and_groups_are_not_learnt() {
        let mut table = Neighbours::new();
        table.learn(Ipv4Addr::UNSPECIFIED, Mac([2; 6]));
        table.learn(Ipv4Addr::new(10, 0, 0, 1), Mac::BROADCAST);
        assert_eq!(table.find(Ipv4Addr::UNSPECIFIED), None);
        assert_eq!(table.find(Ipv4Addr::new(10, 0, 0, 1)), None);
    }
}
