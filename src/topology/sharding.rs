//! `Sharding`: which shard of which appliance has which instrument.
//!
//! The table is the same on every appliance of a venue; each runs the shards that name it.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use crate::engine::{Routes, SHARDS_MAX};
use crate::model::{Instrument, InstrumentId};
use crate::topology::config::ShardEngine;
use crate::topology::{Config, ShardConfig};

/// Where an instrument is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// Here, in a shard.
    Here(u8),
    /// On another appliance.
    Appliance(String),
}

/// The table, resolved.
#[derive(Clone, Debug)]
pub struct Sharding {
    homes: BTreeMap<InstrumentId, Home>,
    /// By shard: its ladders' ticks, where they are its own.
    ladder_ticks: Vec<Option<u32>>,
    /// By shard: what matches.
    engines: Vec<ShardEngine>,
    /// The shard that has what no other has, and knows all instruments.
    rest: Option<u8>,
}

/// The shards that this appliance runs.
pub(super) fn own_shards(config: &Config) -> impl Iterator<Item = &Spanned<ShardConfig>> {
    let here = |shard: &&Spanned<ShardConfig>| {
        shard.get_ref().appliance.as_ref().is_none_or(|name| *name == config.appliance)
    };
    config.shard.iter().filter(here)
}

/// A mistake and its place.
type Wrong = (Range<usize>, String);

impl Sharding {
    /// Resolves the table.
    ///
    /// # Errors
    /// What does not fit together, with its place and the cure.
    pub(super) fn new(config: &Config, listed: &[Instrument]) -> Result<Self, Wrong> {
        let shards = own_shards(config).count();
        if config.shard.is_empty() {
            let homes = listed.iter().map(|listed| (listed.id, Home::Here(0)));
            let engines = vec![ShardEngine::Software];
            let ladder_ticks = vec![None];
            return Ok(Self { homes: homes.collect(), ladder_ticks, engines, rest: Some(0) });
        }
        if shards == 0 || shards > SHARDS_MAX {
            let name = &config.appliance;
            let message =
                format!("appliance `{name}` has {shards} shards: give it from 1 to {SHARDS_MAX}");
            return Err((config.shard[0].span(), message));
        }
        let by_symbol: BTreeMap<String, InstrumentId> =
            listed.iter().map(|listed| (listed.symbol.name(), listed.id)).collect();
        let (mut homes, mut rest, mut next) = (BTreeMap::new(), None, 0);
        for spanned in &config.shard {
            let shard = spanned.get_ref();
            let wrong = |message: String| (spanned.span(), message);
            if shard.engine == ShardEngine::FpgaSim && !cfg!(feature = "fpga-sim") {
                return Err(wrong(
                    "this build has no `fpga-sim`: cargo build --release --features fpga-sim"
                        .into(),
                ));
            }
            let home = match &shard.appliance {
                Some(name) if *name != config.appliance => Home::Appliance(name.clone()),
                _ => {
                    next += 1;
                    Home::Here(next - 1)
                }
            };
            if shard.instruments.is_empty() && rest.replace(home.clone()).is_some() {
                return Err(wrong("two shards have the rest: name the instruments of one".into()));
            }
            for symbol in &shard.instruments {
                let id = by_symbol.get(symbol).ok_or_else(|| {
                    wrong(format!("a shard has `{symbol}`, which is no [[instrument]]"))
                })?;
                if homes.insert(*id, home.clone()).is_some() {
                    return Err(wrong(format!("two shards have `{symbol}`: keep one")));
                }
            }
        }
        if let Some(rest) = &rest {
            for listed in listed {
                homes.entry(listed.id).or_insert_with(|| rest.clone());
            }
        }
        let is_here = matches!(rest, Some(Home::Here(_)));
        if !is_here && listed.iter().any(Instrument::is_spare) {
            let message = "`[risk] spare_instruments` are for the shard with the rest, and this \
                           appliance has none: add one without `instruments`";
            return Err((config.shard[0].span(), message.into()));
        }
        match listed.iter().find(|listed| !homes.contains_key(&listed.id)) {
            Some(lost) => {
                let message = format!(
                    "no shard has `{}`: add one without `instruments`, for the rest",
                    lost.symbol.name()
                );
                Err((config.shard[0].span(), message))
            }
            None => {
                let rest = match rest {
                    Some(Home::Here(shard)) => Some(shard),
                    // The one that shares most is the one others may move to.
                    _ => (0..own_shards(config).count() as u8).rev().max_by_key(|&shard| {
                        homes.values().filter(|home| **home == Home::Here(shard)).count()
                    }),
                };
                let own = own_shards(config).map(|shard| shard.get_ref().ladder_ticks);
                let engines = own_shards(config).map(|shard| shard.get_ref().engine).collect();
                Ok(Self { homes, ladder_ticks: own.collect(), engines, rest })
            }
        }
    }

    /// How many shards this appliance runs.
    pub fn shards(&self) -> usize {
        self.ladder_ticks.len()
    }

    /// The shard that knows all instruments.
    pub const fn rest(&self) -> Option<u8> {
        self.rest
    }

    /// The ticks of a shard's ladders.
    pub fn ladder_ticks(&self, shard: usize) -> Option<u32> {
        self.ladder_ticks.get(shard).copied().flatten()
    }

    /// By shard: the instruments that hardware matches, none where it is software.
    pub fn hardware(&self, listed: &[Instrument]) -> Vec<Vec<Instrument>> {
        let of_shard = |(shard, engine): (u8, &ShardEngine)| match engine {
            ShardEngine::Software => Vec::new(),
            ShardEngine::FpgaSim => {
                let is_here = |listed: &Instrument| {
                    !listed.is_spare() && self.home(listed.id) == Some(&Home::Here(shard))
                };
                let own = |listed: &&Instrument| is_here(listed);
                listed.iter().filter(own).copied().collect()
            }
        };
        (0..).zip(&self.engines).map(of_shard).collect()
    }

    /// The instruments that a shard's matcher knows: its own, or all.
    pub fn known_to(&self, shard: usize, listed: &[Instrument]) -> Vec<Instrument> {
        let knows = |listed: &&Instrument| {
            self.rest.is_some_and(|rest| rest as usize == shard)
                || self.home(listed.id) == Some(&Home::Here(shard as u8))
        };
        listed.iter().filter(knows).copied().collect()
    }

    /// Each instrument's shard here.
    pub fn dealt(&self) -> Vec<(InstrumentId, u8)> {
        let dealt = self.homes.iter().filter_map(|(id, home)| match home {
            Home::Here(shard) => Some((*id, *shard)),
            Home::Appliance(_) => None,
        });
        dealt.collect()
    }

    /// Where an instrument is matched.
    pub fn home(&self, instrument: InstrumentId) -> Option<&Home> {
        self.homes.get(&instrument)
    }

    /// Every instrument and where it is matched.
    pub fn homes(&self) -> impl Iterator<Item = (InstrumentId, &Home)> {
        self.homes.iter().map(|(id, home)| (*id, home))
    }

    /// The instruments that other appliances match.
    pub fn elsewhere(&self) -> Vec<InstrumentId> {
        let away = self.homes.iter().filter(|(_, home)| matches!(home, Home::Appliance(_)));
        away.map(|(id, _)| *id).collect()
    }

    /// The table the dealer begins with.
    pub fn routes(&self) -> Routes {
        Routes::new(&self.dealt(), self.shards())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{check, parse};

    fn resolve(table: &str) -> Result<Sharding, String> {
        let config = parse("test", table).map_err(|error| error.to_string())?;
        let catalogue = check(&config, "test", table).map_err(|error| error.to_string())?;
        Ok(catalogue.sharding)
    }

    #[test]
    fn the_rest_goes_where_it_is_said_and_other_appliances_keep_theirs() {
        let table = "appliance = \"one\"\n\
            [[shard]]\ninstruments = [\"BOLT\"]\n\
            [[shard]]\nappliance = \"two\"\ninstruments = [\"CRUX\"]\n\
            [[shard]]\nappliance = \"one\"\n";
        let sharding = resolve(table).expect("a good table");
        let homes: Vec<_> = (1..=4).map(|id| sharding.home(InstrumentId(id)).cloned()).collect();
        let (first, second) = (Some(Home::Here(0)), Some(Home::Here(1)));
        let away = Some(Home::Appliance("two".into()));
        assert_eq!(homes, [second.clone(), first, away, second]);
        assert_eq!(sharding.elsewhere(), [InstrumentId(3)]);
        let routes = sharding.routes();
        assert_eq!((routes.shards(), routes.shard_of(InstrumentId(2))), (2, 0));
        assert_eq!(resolve("").expect("the defaults").shards(), 1);
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused_with_the_cure() {
        let refusal = |table: &str| resolve(table).expect_err("it makes no sense");
        let acme = "[[shard]]\ninstruments = [\"ACME\"]\n";
        assert!(refusal(acme).contains("for the rest"));
        assert!(refusal(&format!("{acme}{acme}[[shard]]\n")).contains("keep one"));
        assert!(refusal("[[shard]]\n[[shard]]\n").contains("name the instruments"));
        assert!(refusal("[[shard]]\ninstruments = [\"NONE\"]\n").contains("no [[instrument]]"));
        assert!(refusal("[[shard]]\nappliance = \"two\"\n").contains("0 shards"));
        assert!(refusal(&acme.repeat(65)).contains("1 to 64"));
    }
}
