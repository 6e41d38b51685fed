//! How much is sent again: by all together, and by each client, so that one who asks without end
//! leaves something for the others.

use std::net::Ipv4Addr;

use crate::model::Nanos;
use crate::stage::BURST;

/// Packets a second, at most, all clients together.
const ALL_PER_SECOND: u64 = 20_000;
/// Packets a second, at most, for one client.
const EACH_PER_SECOND: u64 = 5_000;
/// Packets at once for one client, and for all together: several who ask at once are answered.
const EACH_AT_ONCE: u64 = BURST as u64;
const ALL_AT_ONCE: u64 = 4 * EACH_AT_ONCE;
/// Addresses that are told apart: any network of 251 neighbours. Others share what they may.
const CLIENTS: usize = 251;

/// Packets that may be sent.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// In nanoseconds of its pace.
    credit: u64,
    seen: Nanos,
}

impl Bucket {
    /// Whether there is enough for another packet at this pace, with so many at once.
    fn has(&mut self, per_second: u64, at_once: u64, now: Nanos) -> bool {
        let cost = 1_000_000_000 / per_second;
        let earned = now.saturating_sub(self.seen).0;
        self.credit = self.credit.saturating_add(earned).min(cost * at_once);
        self.seen = now;
        self.credit >= cost
    }

    fn spend(&mut self, per_second: u64) {
        self.credit = self.credit.saturating_sub(1_000_000_000 / per_second);
    }
}

/// What may be sent again.
#[derive(Debug)]
pub(super) struct Allowance {
    all: Bucket,
    clients: [Bucket; CLIENTS],
}

impl Default for Allowance {
    fn default() -> Self {
        Self { all: Bucket::default(), clients: [Bucket::default(); CLIENTS] }
    }
}

impl Allowance {
    /// Whether a client may be sent a packet now.
    pub(super) fn has(&mut self, client: Ipv4Addr, now: Nanos) -> bool {
        let of_client = self.client(client).has(EACH_PER_SECOND, EACH_AT_ONCE, now);
        self.all.has(ALL_PER_SECOND, ALL_AT_ONCE, now) && of_client
    }

    /// It was sent one.
    pub(super) fn spend(&mut self, client: Ipv4Addr) {
        self.client(client).spend(EACH_PER_SECOND);
        self.all.spend(ALL_PER_SECOND);
    }

    fn client(&mut self, client: Ipv4Addr) -> &mut Bucket {
        &mut self.clients[client.to_bits() as usize % CLIENTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_asks_without_end_leaves_enough_for_the_others() {
        let mut allowance = Allowance::default();
        let [greedy, modest] = [7, 8].map(|host| Ipv4Addr::new(10, 0, 0, host));
        let (mut given, mut refused) = (0, 0);
        let mut ask = |client, now| {
            let may = allowance.has(client, Nanos(now));
            if may {
                allowance.spend(client);
            }
            may
        };
        for millisecond in 1_000..2_000u64 {
            let now = millisecond * 1_000_000;
            given += (0..100).filter(|_| ask(greedy, now)).count() as u64;
            refused += u64::from(!ask(modest, now));
        }
        assert_eq!(refused, 0);
        let most = EACH_PER_SECOND + EACH_AT_ONCE;
        assert!((EACH_PER_SECOND - 10..=most).contains(&given), "{given}");
        // All together are bounded too.
        let mut allowance = Allowance::default();
        let hosts = (0..200).map(|host| Ipv4Addr::new(10, 0, 1, host));
        let given = hosts.filter(|host| {
            let may = allowance.has(*host, Nanos(1_000_000_000));
            if may {
                allowance.spend(*host);
            }
            may
        });
        assert_eq!(given.count() as u64, ALL_AT_ONCE);
    }
}
