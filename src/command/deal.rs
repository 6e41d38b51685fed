//! `wirematch deal`: deals instruments to shards and appliances by how busy they are.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use crate::command::{Failure, Outcome};
use crate::engine::{SHARDS_MAX, SoftwareMatcher};
use crate::topology::{Busy, DealtShard, deal, deal_table};

/// Deals instruments to the shards of several appliances: the busiest get a shard of their own, the
/// others share. Prints the `[[shard]]` tables, the same for every appliance, and what each has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 2 too few shards or a broken file.\n\nExamples:\n  \
    wirematch deal --example 10000 --appliances 16 --shards 64 --dedicated 1000 --summary\n  \
    wirematch deal --example 100 --json\n  \
    wirematch deal --volumes yesterday.txt --appliances 2 --shards 8 --dedicated 14 > shards.toml")]
pub struct DealArguments {
    /// A line for each instrument: symbol, blank, how busy it is
    #[arg(long, value_name = "FILE", required_unless_present = "example")]
    volumes: Option<PathBuf>,
    /// So many made instruments instead, the n-th an n-th as busy as the first
    #[arg(long, value_name = "COUNT")]
    example: Option<u32>,
    /// How many appliances, named a1, a2 and so on
    #[arg(long, default_value_t = 1)]
    appliances: usize,
    /// Shards of each, the shared one included
    #[arg(long, default_value_t = 8)]
    shards: usize,
    /// Instruments that get a shard of their own
    #[arg(long, default_value_t = 7)]
    dedicated: usize,
    /// Ticks of a shared shard's ladders: few, for most instruments are idle
    #[arg(long, default_value_t = 64)]
    shared_ticks: u32,
    /// Print only what each appliance has
    #[arg(long)]
    summary: bool,
    /// Print one JSON object: every shard, and what each appliance has
    #[arg(long, conflicts_with = "summary")]
    json: bool,
}

/// What one appliance has.
struct Had {
    name: String,
    dedicated: usize,
    shared: usize,
    instruments: usize,
    percent: f64,
}

/// Runs the command.
///
/// # Errors
/// Too few shards, or a file that is no table of volumes; exit code 2.
pub fn run(arguments: &DealArguments) -> Outcome {
    let DealArguments { appliances, shards, dedicated, .. } = *arguments;
    if shards == 0 || shards > SHARDS_MAX {
        return Err(Failure::usage(format!("an appliance has from 1 to {SHARDS_MAX} shards")));
    }
    let busy = match (&arguments.volumes, arguments.example) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            read(&text).map_err(Failure::usage)?
        }
        (None, count) => example(count.unwrap_or(0)),
    };
    let dealt = deal(busy, appliances, shards, dedicated).map_err(Failure::usage)?;
    let names: Vec<String> = (1..=appliances).map(|number| format!("a{number}")).collect();
    if arguments.json {
        return print_json(&dealt, &names, arguments.shared_ticks);
    }
    if !arguments.summary {
        print!("{}", deal_table(&dealt, &names, arguments.shared_ticks));
        return Ok(());
    }
    println!("appliance  dedicated  shared  instruments  share of all");
    for Had { name, dedicated, shared, instruments, percent } in had(&dealt, &names) {
        println!("{name:<10} {dedicated:>9} {shared:>7} {instruments:>12} {percent:>11.1} %");
    }
    let bytes = SoftwareMatcher::idle_bytes(arguments.shared_ticks);
    println!("an idle instrument of a shared shard takes {bytes} bytes");
    Ok(())
}

/// What each appliance has, in the order of their names.
fn had(dealt: &[DealtShard], names: &[String]) -> Vec<Had> {
    let all = dealt.iter().map(DealtShard::volume).sum::<u64>().max(1);
    let of = |(at, name): (usize, &String)| {
        let own: Vec<&DealtShard> = dealt.iter().filter(|shard| shard.appliance == at).collect();
        let dedicated = own.iter().filter(|shard| shard.is_dedicated).count();
        let volume: u64 = own.iter().map(|shard| shard.volume()).sum();
        Had {
            name: name.clone(),
            dedicated,
            shared: own.len() - dedicated,
            instruments: own.iter().map(|shard| shard.instruments.len()).sum(),
            percent: volume as f64 / all as f64 * 100.0,
        }
    };
    names.iter().enumerate().map(of).collect()
}

fn print_json(dealt: &[DealtShard], names: &[String], shared_ticks: u32) -> Outcome {
    let shard = |shard: &DealtShard| {
        let symbols: Vec<_> = shard.instruments.iter().map(|busy| &busy.symbol).collect();
        json!({
            "appliance": names.get(shard.appliance),
            "instruments": symbols,
            "is_dedicated": shard.is_dedicated,
            "ladder_ticks": (!shard.is_dedicated).then_some(shared_ticks),
            "volume": shard.volume(),
        })
    };
    let appliance = |had: &Had| {
        json!({
            "name": had.name, "dedicated": had.dedicated, "shared": had.shared,
            "instruments": had.instruments, "percent": had.percent,
        })
    };
    let report = json!({
        "shards": dealt.iter().map(shard).collect::<Vec<_>>(),
        "appliances": had(dealt, names).iter().map(appliance).collect::<Vec<_>>(),
        "idle_instrument_bytes": SoftwareMatcher::idle_bytes(shared_ticks),
    });
    println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
    Ok(())
}

fn example(count: u32) -> Vec<Busy> {
    let busy =
        |rank: u32| Busy { symbol: format!("S{rank}"), volume: 1_000_000_000 / u64::from(rank) };
    (1..=count).map(busy).collect()
}

fn read(text: &str) -> Result<Vec<Busy>, String> {
    let busy = |(at, line): (usize, &str)| {
        let mut words = line.split_whitespace();
        let symbol = words.next()?.to_owned();
        let volume = words.next().and_then(|volume| volume.parse().ok());
        Some(match (volume, words.next()) {
            (Some(volume), None) => Ok(Busy { symbol, volume }),
            _ => Err(format!("line {}: write a symbol and a number", at + 1)),
        })
    };
    text.lines().enumerate().filter_map(busy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_volumes_is_read_or_its_line_is_named() {
        let busy = |symbol: &str, volume| Busy { symbol: symbol.into(), volume };
        assert_eq!(read("ACME 7\n\nBOLT\t9\n"), Ok(vec![busy("ACME", 7), busy("BOLT", 9)]));
        assert!(read("ACME 7\nBOLT x\n").is_err_and(|wrong| wrong.starts_with("line 2")));
        assert!(read("ACME\n").is_err());
    }
}
