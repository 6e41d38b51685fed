//! `wirematch deal`: deals instruments to shards and appliances by how busy they are.

use std::path::PathBuf;

use anyhow::Context;

use crate::command::{Failure, Outcome};
use crate::engine::{SHARDS_MAX, SoftwareMatcher};
use crate::topology::{Busy, DealtShard, deal, deal_table};

/// Deals instruments to the shards of several appliances: the busiest get a shard of their own, the
/// others share. Prints the `[[shard]]` tables, the same for every appliance, and what each has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 2 too few shards or a broken file.\n\nExamples:\n  \
    wirematch deal --example 10000 --appliances 16 --shards 64 --dedicated 1000 --summary\n  \
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
    if !arguments.summary {
        print!("{}", deal_table(&dealt, &names, arguments.shared_ticks));
        return Ok(());
    }
    let bytes = SoftwareMatcher::idle_bytes(arguments.shared_ticks);
    println!("appliance  dedicated  shared  instruments  share of all");
    let all = dealt.iter().map(DealtShard::volume).sum::<u64>().max(1);
    for (at, name) in names.iter().enumerate() {
        let own: Vec<&DealtShard> = dealt.iter().filter(|shard| shard.appliance == at).collect();
        let alone = own.iter().filter(|shard| shard.is_dedicated).count();
        let instruments: usize = own.iter().map(|shard| shard.instruments.len()).sum();
        let volume: u64 = own.iter().map(|shard| shard.volume()).sum();
        let share = volume as f64 / all as f64 * 100.0;
        println!(
            "{name:<10} {alone:>9} {:>7} {instruments:>12} {share:>11.1} %",
            own.len() - alone
        );
    }
    println!("an idle instrument of a shared shard takes {bytes} bytes");
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
