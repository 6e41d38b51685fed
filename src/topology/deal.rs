//! Deals instruments to the shards of several appliances by how busy they are: the busiest get a
//! shard of their own, the others share what is left, so that each appliance has as much to do.

use std::cmp::Reverse;

/// An instrument and how busy it is: messages, or volume; only the order and the sums count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Its symbol.
    pub symbol: String,
    /// How busy.
    pub volume: u64,
}

/// A shard as dealt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealtShard {
    /// The appliance's place in the list.
    pub appliance: usize,
    /// Its instruments, the busiest first; one for a dedicated shard.
    pub instruments: Vec<Busy>,
    /// Whether it is for one instrument alone.
    pub is_dedicated: bool,
}

impl DealtShard {
    /// How busy it is.
    pub fn volume(&self) -> u64 {
        self.instruments.iter().fold(0, |sum, busy| sum.saturating_add(busy.volume))
    }
}

/// Deals: the `dedicated` busiest get a shard of their own, the rest share the last shard of each
/// of the `appliances`, which have `shards` shards each.
///
/// # Errors
/// A sentence where there are too few shards.
pub fn deal(
    mut busy: Vec<Busy>,
    appliances: usize,
    shards: usize,
    dedicated: usize,
) -> Result<Vec<DealtShard>, String> {
    let dedicated = dedicated.min(busy.len());
    let room = appliances * shards.saturating_sub(1);
    if appliances == 0 || dedicated > room {
        return Err(format!(
            "{dedicated} instruments want a shard of their own, and {appliances} appliances of \
             {shards} shards have {room} besides the shared ones: add appliances or shards"
        ));
    }
    // Of those as busy as each other the name decides, so the deal is the same every time.
    busy.sort_by(|a, b| (Reverse(a.volume), &a.symbol).cmp(&(Reverse(b.volume), &b.symbol)));
    let mut load = vec![0_u64; appliances];
    let mut taken = vec![0_usize; appliances];
    let mut dealt: Vec<DealtShard> = Vec::new();
    let mut shared: Vec<Vec<Busy>> = vec![Vec::new(); appliances];
    for (rank, busy) in busy.into_iter().enumerate() {
        let is_dedicated = rank < dedicated;
        let open = (0..appliances).filter(|&at| !is_dedicated || taken[at] < shards - 1);
        let Some(appliance) = open.min_by_key(|&at| (load[at], at)) else { break };
        load[appliance] = load[appliance].saturating_add(busy.volume);
        if is_dedicated {
            taken[appliance] += 1;
            dealt.push(DealtShard { appliance, instruments: vec![busy], is_dedicated });
        } else {
            shared[appliance].push(busy);
        }
    }
    let shared = shared.into_iter().enumerate().filter(|(_, instruments)| !instruments.is_empty());
    dealt.extend(shared.map(|(appliance, instruments)| DealtShard {
        appliance,
        instruments,
        is_dedicated: false,
    }));
    dealt.sort_by_key(|shard| (shard.appliance, !shard.is_dedicated));
    Ok(dealt)
}

/// The deal as `[[shard]]` tables of a configuration.
pub fn table(dealt: &[DealtShard], appliances: &[String], shared_ticks: u32) -> String {
    let mut text = String::new();
    for shard in dealt {
        let name = appliances.get(shard.appliance).map_or("?", String::as_str);
        let symbols: Vec<String> =
            shard.instruments.iter().map(|busy| format!("{:?}", busy.symbol)).collect();
        text +=
            &format!("[[shard]]\nappliance = {name:?}\ninstruments = [{}]\n", symbols.join(", "));
        if !shard.is_dedicated {
            text += &format!("ladder_ticks = {shared_ticks}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Config, Home, check, parse};
    use std::collections::BTreeMap;

    /// As busy as instruments are: the `n`-th a `n`-th as much as the first.
    fn market(count: u64) -> Vec<Busy> {
        let busy = |rank: u64| Busy { symbol: format!("S{rank}"), volume: 1_000_000_000 / rank };
        (1..=count).map(busy).collect()
    }

    #[test]
    fn the_busiest_thousand_of_ten_thousand_have_a_shard_of_their_own_over_appliances() {
        let dealt = deal(market(10_000), 16, 64, 1_000).expect("there are shards enough");
        let mut homes = BTreeMap::new();
        let (mut load, mut used) = ([0_u64; 16], [0_usize; 16]);
        for shard in &dealt {
            load[shard.appliance] += shard.volume();
            used[shard.appliance] += 1;
            assert!(!shard.is_dedicated || shard.instruments.len() == 1);
            for busy in &shard.instruments {
                assert_eq!(homes.insert(busy.symbol.clone(), shard.is_dedicated), None, "once");
            }
        }
        assert_eq!(homes.len(), 10_000);
        for rank in 1..=10_000 {
            assert_eq!(homes[&format!("S{rank}")], rank <= 1_000, "S{rank}");
        }
        assert!(used.iter().all(|used| *used <= 64), "{used:?}");
        // No appliance has more to do than the busiest instrument makes it.
        let mean = load.iter().sum::<u64>() / 16;
        assert!(load.iter().all(|load| *load < mean * 2), "{load:?}");
        assert_eq!(dealt, deal(market(10_000), 16, 64, 1_000).expect("it is the same again"));
    }

    #[test]
    fn too_few_shards_are_told() {
        assert!(deal(market(10), 2, 3, 5).expect_err("four are free").contains("add appliances"));
        assert!(deal(market(10), 0, 3, 0).is_err());
        assert!(deal(market(10), 1, 1, 0).is_ok_and(|dealt| dealt.len() == 1));
    }

    /// The table that the command writes is one that every appliance of it can run.
    #[test]
    fn a_deal_is_a_table_that_each_appliance_takes() {
        let dealt = deal(market(60), 3, 5, 12).expect("there are shards enough");
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let table = table(&dealt, &names, 64);
        let mut matched = 0;
        for name in &names {
            let mut text = format!("appliance = \"{name}\"\n{table}");
            for busy in market(60) {
                let symbol = busy.symbol;
                text +=
                    &format!("[[instrument]]\nsymbol = \"{symbol}\"\nreference_price = \"9\"\n");
            }
            let config: Config = parse("deal", &text).expect("it parses");
            let sharding = check(&config, "deal", &text).expect("it is good").sharding;
            assert_eq!(sharding.shards(), 5);
            let ids = (1..=60).map(crate::model::InstrumentId);
            matched += ids.filter(|id| matches!(sharding.home(*id), Some(Home::Here(_)))).count();
        }
        assert_eq!(matched, 60, "each instrument has one home");
    }
}
