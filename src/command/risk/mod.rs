//! `wirematch risk`: shows limits and states with who set them, and changes them.

mod call;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use call::{Calling, Target, call};

use crate::command::{Failure, Outcome};
use crate::topology::{Ask, Trade, Whom};

/// Shows and changes what risk allows: limits, states, the kill switch.
///
/// Changes go to a running appliance by the socket in its data folder and come into force in their
/// place in history; what is shown is read from the journal, whether the appliance runs or not.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done, 1 nobody answers, 2 wrong usage or refused.\n\n\
    Examples:\n  wirematch risk show --data run --json\n  \
    wirematch risk set exposure 2000000 --account 7 --actor ann --reason 'more business'\n  \
    wirematch risk load limits.toml --actor ann --reason 'new day'\n  \
    wirematch risk kill --everything --actor ann --reason 'a fire'\n  \
    wirematch risk resume --everything --actor bob --reason 'it is out'")]
pub struct RiskArguments {
    #[command(subcommand)]
    command: RiskCommand,
}

#[derive(Subcommand, Debug)]
enum RiskCommand {
    /// Limits, states and lists in force, with who, when and why; usage of accounts
    Show(show::ShowArguments),
    /// Sets a limit, as an absolute value; `none` takes it away
    Set {
        /// The limit, as `exposure` or `order-quantity`
        limit: String,
        /// Its value: money and prices in quotes, shares of 100 in percent, times in ms
        value: String,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        calling: Calling,
    },
    /// Sets all limits of a file, or none where one is wrong
    Load {
        /// The limits file
        file: PathBuf,
        #[command(flatten)]
        calling: Calling,
    },
    /// Stops trading of a scope and cancels its open orders
    Kill {
        /// Orders that reduce a position still enter
        #[arg(long)]
        reduce_only: bool,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        calling: Calling,
    },
    /// Lets a scope trade again
    Resume {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        calling: Calling,
    },
    /// Cancels a session's order, all its orders or an account's
    Cancel {
        /// The session's number of one order
        #[arg(long, default_value_t = 0)]
        order: u32,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        calling: Calling,
    },
    /// Undoes a trade
    Bust(TradeArguments),
    /// Gives a trade another price or quantity
    Correct(TradeArguments),
    /// Makes an account known with the limits of another, or (without) unknown
    Account {
        /// The account
        account: u32,
        /// Whose limits it gets
        #[arg(long, default_value_t = 0)]
        like: u32,
        #[command(flatten)]
        calling: Calling,
    },
    /// Lets a session trade for accounts as another may, or (without) for none
    Session {
        /// The session
        session: u32,
        /// The first account
        #[arg(long, default_value_t = 0)]
        first: u32,
        /// The last account
        #[arg(long, default_value_t = 0)]
        last: u32,
        /// Whose rate and hours it gets
        #[arg(long, default_value_t = 0)]
        like: u32,
        #[command(flatten)]
        calling: Calling,
    },
    /// Puts an account in a family whose accounts do not trade with each other; 0 is none
    Family {
        /// The account
        account: u32,
        /// The family
        family: u32,
        #[command(flatten)]
        calling: Calling,
    },
    /// How the running appliance stands: refusals by reason, alerts
    Status {
        #[command(flatten)]
        calling: Calling,
    },
}

#[derive(Args, Debug)]
struct TradeArguments {
    /// The number both sides share
    #[arg(long)]
    match_number: u64,
    #[arg(long)]
    symbol: String,
    #[arg(long)]
    price: String,
    #[arg(long)]
    quantity: u32,
    /// SESSION:ACCOUNT:ORDER
    #[arg(long, value_parser = side_of)]
    buyer: [u32; 3],
    /// SESSION:ACCOUNT:ORDER
    #[arg(long, value_parser = side_of)]
    seller: [u32; 3],
    /// With `correct`: the price it has
    #[arg(long, default_value = "")]
    new_price: String,
    /// With `correct`: the quantity it has
    #[arg(long, default_value_t = 0)]
    new_quantity: u32,
    #[command(flatten)]
    calling: Calling,
}

fn side_of(text: &str) -> Result<[u32; 3], String> {
    let wrong = || format!("`{text}` is not SESSION:ACCOUNT:ORDER");
    let numbers: Result<Vec<u32>, _> = text.split(':').map(str::parse).collect();
    numbers.map_err(|_| wrong())?.try_into().map_err(|_| wrong())
}

impl TradeArguments {
    fn ask(&self, is_corrected: bool) -> Ask {
        Ask::Undo {
            trade: Trade {
                match_number: self.match_number,
                symbol: self.symbol.clone(),
                price: self.price.clone(),
                quantity: self.quantity,
                buyer: self.buyer,
                seller: self.seller,
                new_price: self.new_price.clone(),
                new_quantity: self.new_quantity,
                is_corrected,
            },
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, a refusal (2), or nobody who answers (1).
pub fn run(arguments: &RiskArguments) -> Outcome {
    let whom = |target: &Target| -> Result<Whom, Failure> { target.whom() };
    match &arguments.command {
        RiskCommand::Show(arguments) => show::run(arguments),
        RiskCommand::Set { limit, value, target, calling } => {
            let (limit, value) = (limit.clone(), value.clone());
            call(calling, Ask::Set { whom: whom(target)?, limit, value })
        }
        RiskCommand::Load { file, calling } => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            call(calling, Ask::Load { file: file.display().to_string(), text })
        }
        RiskCommand::Kill { reduce_only, target, calling } => {
            call(calling, Ask::Kill { whom: whom(target)?, reduce_only: *reduce_only })
        }
        RiskCommand::Resume { target, calling } => {
            call(calling, Ask::Resume { whom: whom(target)? })
        }
        RiskCommand::Cancel { order, target, calling } => {
            call(calling, Ask::Cancel { whom: whom(target)?, order: *order })
        }
        RiskCommand::Bust(trade) => call(&trade.calling, trade.ask(false)),
        RiskCommand::Correct(trade) => call(&trade.calling, trade.ask(true)),
        RiskCommand::Account { account, like, calling } => {
            call(calling, Ask::Account { account: *account, like: *like })
        }
        RiskCommand::Session { session, first, last, like, calling } => {
            let (session, first, last, like) = (*session, *first, *last, *like);
            call(calling, Ask::Session { session, first, last, like })
        }
        RiskCommand::Family { account, family, calling } => {
            call(calling, Ask::Family { account: *account, family: *family })
        }
        RiskCommand::Status { calling } => call(calling, Ask::Status),
    }
}
