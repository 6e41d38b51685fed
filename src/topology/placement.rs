//! Deals stages onto CPUs: every stage exactly once, never two spinning threads on one CPU, never
//! spinners on all CPUs of the machine. What cannot be as asked is fused, and said.

use std::collections::BTreeMap;

use crate::runtime::Idle;
use crate::topology::sharding::own_shards;
use crate::topology::{Config, ConfigError, StageName};

/// A core as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedCore {
    /// The CPU it is pinned to; none where the machine has just one.
    pub cpu: Option<usize>,
    /// What it does after a lap without work.
    pub idle: Idle,
    /// Its stages, in packet order.
    pub stages: Vec<StageName>,
}

/// All cores as they will be, and what was changed against the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The cores.
    pub cores: Vec<PlacedCore>,
    /// The slow thread's CPU.
    pub slow_cpu: Option<usize>,
    /// What is not as the configuration asked, and why.
    pub notes: Vec<String>,
}

impl Placement {
    /// CPUs that stages never leave.
    pub fn spinning_cpus(&self) -> Vec<usize> {
        let spinning = self.cores.iter().filter(|core| core.idle == Idle::Spin);
        spinning.filter_map(|core| core.cpu).collect()
    }
}

/// Places the stages on a machine with these CPUs, the quietest last.
///
/// # Errors
/// A stage missing or placed twice, a CPU the machine does not have or that two cores name.
pub fn place(
    config: &Config,
    cpus: &[usize],
    file: &str,
    text: &str,
) -> Result<Placement, ConfigError> {
    check_stages(config, file, text)?;
    check_cpus(config, cpus, file, text)?;
    let mut notes = Vec::new();
    let mut cores: Vec<PlacedCore> =
        config.core.iter().map(|core| placed(core.get_ref())).collect();
    place_fix(config, &mut cores);
    place_peers(config, &mut cores);
    place_prices(config, &mut cores);
    fuse_spinners(&mut cores, cpus, &mut notes);
    assign_cpus(&mut cores, cpus, config.slow.cpu);
    Ok(Placement { cores, slow_cpu: config.slow.cpu, notes })
}

fn placed(core: &crate::topology::CoreConfig) -> PlacedCore {
    let mut stages = core.stages.clone();
    stages.sort();
    PlacedCore { cpu: core.cpu, idle: core.idle, stages }
}

/// The FIX gateway, where no core names it, goes beside the binary one.
fn place_fix(config: &Config, cores: &mut [PlacedCore]) {
    if config.fix.session.is_empty() {
        cores.iter_mut().for_each(|core| core.stages.retain(|stage| *stage != StageName::Fix));
    } else if !cores.iter().any(|core| core.stages.contains(&StageName::Fix)) {
        let beside = |core: &&mut PlacedCore| core.stages.contains(&StageName::Gateway);
        if let Some(core) = cores.iter_mut().find(beside) {
            core.stages.push(StageName::Fix);
            core.stages.sort();
        }
    }
}

/// What speaks with other appliances and with exchanges, where no core names it, goes beside the
/// gateway; the shard of what rests there, and what deals to it, beside matching.
fn place_peers(config: &Config, cores: &mut [PlacedCore]) {
    let (with_peers, with_venues) = (!config.peers.appliance.is_empty(), !config.venue.is_empty());
    if !with_peers && !with_venues {
        return;
    }
    let matching = StageName::Matching(0);
    for (name, beside) in [
        (StageName::Peers, StageName::Gateway),
        (StageName::Venues, StageName::Gateway),
        (StageName::Dealer, matching),
        (StageName::Away, matching),
        (StageName::Collector, matching),
    ] {
        let is_there = match name {
            StageName::Peers => with_peers,
            StageName::Venues => with_venues,
            _ => true,
        };
        if is_there
            && !cores.iter().any(|core| core.stages.contains(&name))
            && let Some(core) = cores.iter_mut().find(|core| core.stages.contains(&beside))
        {
            core.stages.push(name);
            core.stages.sort();
        }
    }
}

/// Exchanges' prices, where no core names them, have a core of their own that sleeps between looks:
/// they are sampled, and orders do not wait for a burst of them.
fn place_prices(config: &Config, cores: &mut Vec<PlacedCore>) {
    let prices = StageName::Prices;
    if config.market_data.feed.is_empty() {
        cores.iter_mut().for_each(|core| core.stages.retain(|stage| *stage != prices));
        cores.retain(|core| !core.stages.is_empty());
    } else if !cores.iter().any(|core| core.stages.contains(&prices)) {
        cores.push(PlacedCore { cpu: None, idle: Idle::Sleep, stages: vec![prices] });
    }
}

fn check_stages(config: &Config, file: &str, text: &str) -> Result<(), ConfigError> {
    let mut homes = BTreeMap::new();
    for core in &config.core {
        if core.get_ref().stages.is_empty() {
            let message = "a core without stages: name some, or take the table away";
            return Err(ConfigError::at(file, text, core.span(), message));
        }
        for stage in &core.get_ref().stages {
            if homes.insert(*stage, core.span()).is_some() {
                let message = format!("stage `{}` is placed twice: keep one", stage.name());
                return Err(ConfigError::at(file, text, core.span(), &message));
            }
        }
    }
    let wanted = StageName::of(own_shards(config).count().max(1));
    let with_peers = !config.peers.appliance.is_empty() || !config.venue.is_empty();
    let for_peers = [
        StageName::Peers,
        StageName::Venues,
        StageName::Away,
        StageName::Dealer,
        StageName::Collector,
    ];
    let known = |stage: &StageName| {
        let is_for_peers = with_peers && for_peers.contains(stage);
        let is_optional = matches!(stage, StageName::Fix | StageName::Prices);
        wanted.contains(stage) || is_optional || is_for_peers
    };
    if let Some((stage, span)) = homes.iter().find(|(stage, _)| !known(stage)) {
        let message = format!("stage `{}` is for more shards than there are", stage.name());
        return Err(ConfigError::at(file, text, span.clone(), &message));
    }
    let missing = wanted
        .iter()
        .filter(|stage| !with_peers || !for_peers.contains(stage))
        .find(|stage| !homes.contains_key(stage));
    missing.map_or(Ok(()), |stage| {
        let message =
            format!("stage `{}` is on no core: add it to the `stages` of one", stage.name());
        let span = config.core.first().map_or(0..0, |core| core.span());
        Err(ConfigError::at(file, text, span, &message))
    })
}

fn check_cpus(config: &Config, cpus: &[usize], file: &str, text: &str) -> Result<(), ConfigError> {
    let mut seen = Vec::new();
    for core in &config.core {
        let Some(cpu) = core.get_ref().cpu else { continue };
        if !cpus.contains(&cpu) {
            let message = format!("there is no CPU {cpu} for us here: there are {cpus:?}");
            return Err(ConfigError::at(file, text, core.span(), &message));
        }
        if seen.contains(&cpu) {
            let message = format!(
                "two cores name CPU {cpu}, and two threads that spin on one CPU stall each other: \
                 put their stages into one list"
            );
            return Err(ConfigError::at(file, text, core.span(), &message));
        }
        seen.push(cpu);
    }
    Ok(())
}

/// Leaves one CPU of the machine to everybody else.
fn fuse_spinners(cores: &mut Vec<PlacedCore>, cpus: &[usize], notes: &mut Vec<String>) {
    if cpus.len() < 2 {
        for core in cores.iter_mut().filter(|core| core.idle.spins()) {
            core.idle = Idle::Yield;
            notes.push("the machine has one CPU: cores yield instead of spinning".into());
        }
    }
    loop {
        let spinners = cores.iter().filter(|core| core.idle.spins()).count();
        let others = cores.len() - spinners;
        let room = cpus.len().saturating_sub(1).max(1);
        if spinners <= room && (others == 0 || spinners < cpus.len()) {
            return;
        }
        let Some(last) = cores.iter().rposition(|core| core.idle.spins()) else { return };
        let Some(into) = cores[..last].iter().rposition(|core| core.idle.spins()) else { return };
        let moved = cores.remove(last);
        let names: Vec<String> = moved.stages.iter().map(|stage| stage.name()).collect();
        notes.push(format!(
            "{} fused into the core before it: {} spinning cores would leave none of the \
             machine's {} CPUs to anybody else",
            names.join(", "),
            spinners,
            cpus.len()
        ));
        cores[into].stages.extend(moved.stages);
        cores[into].stages.sort();
    }
}

/// Gives cores without a CPU the last ones that are free, so that the first, where interrupts
/// land, stay with everybody else.
fn assign_cpus(cores: &mut [PlacedCore], cpus: &[usize], slow: Option<usize>) {
    if cpus.len() < 2 {
        return;
    }
    let mut taken: Vec<usize> = cores.iter().filter_map(|core| core.cpu).collect();
    taken.extend(slow);
    for core in cores.iter_mut().filter(|core| core.cpu.is_none() && core.idle.spins()) {
        core.cpu = cpus.iter().rev().find(|cpu| !taken.contains(cpu)).copied();
        taken.extend(core.cpu);
    }
}

impl std::fmt::Display for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for core in &self.cores {
            let cpu = core.cpu.map_or("any".to_string(), |cpu| cpu.to_string());
            let idle = format!("{:?}", core.idle).to_lowercase();
            let stages: Vec<String> = core.stages.iter().map(|stage| stage.name()).collect();
            writeln!(f, "cpu {cpu:<4} {idle:<6} {}", stages.join(" ▸ "))?;
        }
        let slow = self.slow_cpu.map_or("any".to_string(), |cpu| cpu.to_string());
        writeln!(f, "cpu {slow:<4} sleep  slow")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::parse;

    const SPLIT: &str = "
        [[core]]
        stages = [\"gateway\", \"sequencer\", \"risk\"]
        [[core]]
        stages = [\"matching\", \"recorder\", \"feed\"]
    ";

    fn placed(text: &str, cpus: &[usize]) -> Result<Placement, ConfigError> {
        place(&parse("f", text).unwrap(), cpus, "f", text)
    }

    #[test]
    fn spinners_never_take_the_whole_machine() {
        let two = placed(SPLIT, &[0, 1]).unwrap();
        assert_eq!(two.cores.len(), 1, "{two}");
        assert_eq!(two.cores[0].stages, StageName::ALL);
        assert_eq!(two.cores[0].cpu, Some(1));
        assert_eq!(two.notes.len(), 1);
        let four = placed(SPLIT, &[0, 1, 2, 3]).unwrap();
        assert_eq!(four.cores.len(), 2);
        assert_eq!((four.cores[0].cpu, four.cores[1].cpu), (Some(3), Some(2)));
        assert!(four.notes.is_empty());
        let one = placed(SPLIT, &[0]).unwrap();
        assert!(one.cores.iter().all(|core| core.idle == Idle::Yield), "{one}");
    }

    #[test]
    fn what_cannot_be_placed_is_refused_with_the_cure() {
        let twice = "[[core]]\nstages = [\"gateway\", \"gateway\"]";
        assert!(placed(twice, &[0, 1]).unwrap_err().0.contains("placed twice"));
        let missing = "[[core]]\nstages = [\"gateway\"]";
        assert!(placed(missing, &[0, 1]).unwrap_err().0.contains("`sequencer` is on no core"));
        let same = SPLIT.replace("stages", "cpu = 1\nstages");
        assert!(placed(&same, &[0, 1]).unwrap_err().0.contains("two cores name CPU 1"));
        let fix = "[[fix.session]]\nid = 9\nversion = \"FIX.4.4\"\ntarget = \"C\"\n\
                   first_account = 1\nlast_account = 2\nrate = \"standard\"\n";
        let with_fix = placed(&format!("{SPLIT}\n{fix}"), &[0, 1, 2, 3]).unwrap();
        assert_eq!(with_fix.cores[0].stages[..2], [StageName::Gateway, StageName::Fix]);
        let far = SPLIT.replacen("stages", "cpu = 9\nstages", 1);
        assert!(placed(&far, &[0, 1]).unwrap_err().0.contains("no CPU 9"));
    }
}
