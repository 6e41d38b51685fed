//! `wirematch region`: the regions that are known, and who is behind the codes of one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::json;

use crate::command::{Failure, Outcome};
use crate::slow::people::{People, PeopleError, Person};
use crate::slow::rules::Rules;

/// Shows regions, and keeps who is behind the codes of one.
///
/// Journal and record carry codes; people are kept apart, by region, on the appliance of that
/// region alone, and can be erased while the record stays whole.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done, 2 wrong usage, nobody, or another region's.\n\n\
    Examples:\n  wirematch region show --data run\n  \
    wirematch region settles US 2026-11-25 --data run\n  \
    wirematch region person put 7 --region EU --name 'Ada Example' --identity FR1915 --data run\n  \
    wirematch region person erase 7 --region EU --data run")]
pub struct RegionArguments {
    #[command(subcommand)]
    command: RegionCommand,
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "run", global = true)]
    data: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum RegionCommand {
    /// The regions by whose rules the books are kept
    Show,
    /// When a trade of a date settles
    Settles {
        /// The region
        region: String,
        /// The trade date
        date: Date,
    },
    /// Who is behind a code
    #[command(subcommand)]
    Person(PersonCommand),
}

#[derive(Subcommand, Debug)]
enum PersonCommand {
    /// Writes what is known of a person
    Put {
        /// Their code
        code: u64,
        #[arg(long)]
        region: String,
        #[arg(long)]
        name: String,
        /// How the regulator knows them
        #[arg(long)]
        identity: String,
    },
    /// Shows what is known of a person
    Show {
        /// Their code
        code: u64,
        #[arg(long)]
        region: String,
    },
    /// Erases a person, for good
    Erase {
        /// Their code
        code: u64,
        #[arg(long)]
        region: String,
    },
}

/// Runs `wirematch region`.
///
/// # Errors
/// Wrong usage, a person nobody knows, another region's people (2).
pub fn run(arguments: &RegionArguments) -> Outcome {
    let rules = Rules::beside(&arguments.data).map_err(Failure::usage)?;
    match &arguments.command {
        RegionCommand::Show => {
            for region in &rules.regions {
                match arguments.json {
                    true => println!("{}", json!(region)),
                    false => {
                        let here = if region.name == rules.region { " (here)" } else { "" };
                        let days = region.settlement.last().map_or(1, |row| row.days);
                        println!(
                            "{}{here}: {}, day ends at midnight of {}, settles after {days} \
                             business days, {} holidays",
                            region.name,
                            region.currency,
                            region.zone,
                            region.holidays.len()
                        );
                    }
                }
            }
            Ok(())
        }
        RegionCommand::Settles { region, date } => {
            let found = rules.regions.iter().find(|known| known.name == *region);
            let found = found.ok_or_else(|| Failure::usage(format!("`{region}` is no region")))?;
            println!("{}", found.settlement_date(*date));
            Ok(())
        }
        RegionCommand::Person(command) => person(arguments, command, &rules),
    }
}

fn person(arguments: &RegionArguments, command: &PersonCommand, rules: &Rules) -> Outcome {
    let people = |region: &str| People::of(&arguments.data, region, &rules.region).map_err(of);
    match command {
        PersonCommand::Put { code, region, name, identity } => {
            let (name, identity) = (name.clone(), identity.clone());
            people(region)?.put(&Person { code: *code, name, identity }).map_err(of)
        }
        PersonCommand::Show { code, region } => {
            let person = people(region)?.get(*code).map_err(of)?;
            match arguments.json {
                true => println!("{}", json!(person)),
                false => println!("{}: {}, {}", person.code, person.name, person.identity),
            }
            Ok(())
        }
        PersonCommand::Erase { code, region } => {
            people(region)?.erase(*code).map_err(of)?;
            println!("{code} is erased; the record keeps the code");
            Ok(())
        }
    }
}

fn of(error: PeopleError) -> Failure {
    Failure::usage(error)
}
