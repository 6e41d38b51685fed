//! `wirematch instrument`: shows instruments, lists and suspends them, halts and resumes them,
//! moves them between shards.

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::command::configuration::ConfigArguments;
use crate::command::risk::{Calling, call};
use crate::command::{Failure, Outcome};
use crate::topology::{Ask, Whom, journal_folder, listed_by};

/// Shows instruments, lists and suspends them, halts and resumes them, moves them between shards.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done, 1 nobody answers, 2 wrong usage or refused.\n\n\
    Examples:\n  wirematch instrument add NOVA --reference 25 --actor ann --reason 'new'\n  \
    wirematch instrument halt ACME --actor ann --reason 'news'\n  \
    wirematch instrument resume ACME --auction-s 300 --actor ann --reason 'news is out'\n  \
    wirematch instrument phase ACME pre-open --actor ann --reason 'a late open'")]
pub struct InstrumentArguments {
    #[command(subcommand)]
    command: InstrumentCommand,
}

#[derive(Subcommand, Debug)]
enum InstrumentCommand {
    /// What is traded here
    Show {
        #[command(flatten)]
        config: ConfigArguments,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Lists an instrument, in a place that `[risk] spare_instruments` keeps
    Add {
        symbol: String,
        /// The price its collar begins at
        #[arg(long)]
        reference: String,
        /// The smallest step of prices
        #[arg(long, default_value = "0.01")]
        tick: String,
        /// The smallest step of quantities
        #[arg(long, default_value_t = 1)]
        lot: u32,
        #[command(flatten)]
        calling: Calling,
    },
    /// Lists an instrument otherwise; another tick only while nobody waits in it
    Change {
        symbol: String,
        /// Its new symbol
        #[arg(long, default_value = "")]
        named: String,
        #[arg(long, default_value = "")]
        reference: String,
        #[arg(long, default_value = "")]
        tick: String,
        #[arg(long, default_value_t = 0)]
        lot: u32,
        #[command(flatten)]
        calling: Calling,
    },
    /// Stops trading in an instrument and cancels its orders; `risk kill --instrument`
    Suspend {
        symbol: String,
        #[command(flatten)]
        calling: Calling,
    },
    /// Lets an instrument that was suspended trade again; `risk resume --instrument`
    Reinstate {
        symbol: String,
        #[command(flatten)]
        calling: Calling,
    },
    /// Halts an instrument: cuts and cancels are taken
    Halt {
        symbol: String,
        #[command(flatten)]
        calling: Calling,
    },
    /// Resumes an instrument after a halt, as a rule by an auction
    Resume {
        symbol: String,
        /// How long orders gather before the auction; 0: it trades on at once
        #[arg(long, default_value_t = 60)]
        auction_s: u32,
        #[command(flatten)]
        calling: Calling,
    },
    /// Brings an instrument into a phase
    Phase {
        symbol: String,
        /// continuous, pre-open, opening-auction, halt, volatility-auction, closing-auction,
        /// closed or extended
        phase: String,
        /// How long it lasts; 0: until another is asked for
        #[arg(long, default_value_t = 0)]
        lasts_s: u32,
        /// The phase that follows
        #[arg(long, default_value = "continuous")]
        then: String,
        #[command(flatten)]
        calling: Calling,
    },
    /// Moves an instrument in which nobody waits to a shard
    Move {
        symbol: String,
        /// The shard, from 0
        shard: u32,
        /// The phase it is in
        #[arg(long, default_value = "continuous")]
        phase: String,
        /// Its last price
        #[arg(long, default_value = "")]
        last: String,
        #[command(flatten)]
        calling: Calling,
    },
    /// Sets an instrument's reference price
    Reference {
        symbol: String,
        price: String,
        #[command(flatten)]
        calling: Calling,
    },
    /// Sets the market's index, which the market-wide halt follows
    Index {
        price: String,
        #[command(flatten)]
        calling: Calling,
    },
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a refusal (2), or nobody who answers (1).
pub fn run(arguments: &InstrumentArguments) -> Outcome {
    let phase = |symbol: &String, phase: &str, lasts_s: u32, then: &str| Ask::Phase {
        symbol: symbol.clone(),
        phase: phase.into(),
        lasts_s,
        then: then.into(),
    };
    let whom = |symbol: &String| Whom {
        scope: "instrument".into(),
        symbol: symbol.clone(),
        ..Whom::default()
    };
    match &arguments.command {
        InstrumentCommand::Show { config, json } => show(config, *json),
        InstrumentCommand::Add { symbol, reference, tick, lot, calling } => {
            call(calling, list(symbol, None, [reference, tick], *lot))
        }
        InstrumentCommand::Change { symbol, named, reference, tick, lot, calling } => {
            call(calling, list(symbol, Some(named), [reference, tick], *lot))
        }
        InstrumentCommand::Suspend { symbol, calling } => {
            call(calling, Ask::Kill { whom: whom(symbol), reduce_only: false })
        }
        InstrumentCommand::Reinstate { symbol, calling } => {
            call(calling, Ask::Resume { whom: whom(symbol) })
        }
        InstrumentCommand::Halt { symbol, calling } => {
            call(calling, phase(symbol, "halt", 0, "continuous"))
        }
        InstrumentCommand::Resume { symbol, auction_s: 0, calling } => {
            call(calling, phase(symbol, "continuous", 0, "continuous"))
        }
        InstrumentCommand::Resume { symbol, auction_s, calling } => {
            call(calling, phase(symbol, "volatility-auction", *auction_s, "continuous"))
        }
        InstrumentCommand::Phase { symbol, phase: name, lasts_s, then, calling } => {
            call(calling, phase(symbol, name, *lasts_s, then))
        }
        InstrumentCommand::Move { symbol, shard, phase, last, calling } => {
            let (symbol, phase, last) = (symbol.clone(), phase.clone(), last.clone());
            call(calling, Ask::Move { symbol, shard: *shard, phase, last })
        }
        InstrumentCommand::Reference { symbol, price, calling } => {
            let (symbol, price) = (symbol.clone(), price.clone());
            call(calling, Ask::Reference { symbol, price })
        }
        InstrumentCommand::Index { price, calling } => {
            call(calling, Ask::Reference { symbol: String::new(), price: price.clone() })
        }
    }
}

fn list(symbol: &str, named: Option<&String>, [price, tick]: [&String; 2], lot: u32) -> Ask {
    Ask::List {
        symbol: symbol.into(),
        is_new: named.is_none(),
        named: named.cloned().unwrap_or_default(),
        tick: tick.clone(),
        lot,
        price: price.clone(),
    }
}

/// As configured, and as listed since: that stands in the journal.
fn show(config: &ConfigArguments, json: bool) -> Result<(), Failure> {
    let loaded = config.load()?;
    let dealt = loaded.catalogue.sharding.dealt();
    let journal = journal_folder(&loaded.config.data);
    let instruments =
        listed_by(&journal, &loaded.catalogue.instruments).context("the journal cannot be read")?;
    for listed in instruments.iter().filter(|listed| !listed.is_spare()) {
        let symbol = listed.symbol.name();
        let shard = dealt.iter().find(|(id, _)| *id == listed.id);
        let shard = shard.map_or(0, |(_, shard)| *shard);
        if json {
            let row = serde_json::json!({
                "id": listed.id, "symbol": symbol, "tick": listed.tick.to_string(),
                "lot": listed.lot.0, "reference": listed.reference_price.to_string(),
                "shard": shard,
            });
            println!("{row}");
        } else {
            println!(
                "{:>5} {symbol:<8} tick {} lot {} reference {} shard {shard}",
                listed.id, listed.tick, listed.lot.0, listed.reference_price
            );
        }
    }
    Ok(())
}
