//! `wirematch risk show`: limits of the configuration and of the journal, states, usage.

use anyhow::Context;
use serde_json::json;

use crate::command::configuration::{ConfigArguments, Loaded};
use crate::command::{Failure, Outcome};
use crate::engine::risk::AccountState;
use crate::journal::LogKind;
use crate::model::{AccountId, SeqNo};
use crate::topology::{
    Ledger, Replay, empty_feed, empty_fold, empty_gateway, instant, journal_folder, listed_by,
};

#[derive(clap::Args, Debug)]
pub(super) struct ShowArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Also what accounts use, which takes folding the whole journal
    #[arg(long)]
    usage: bool,
    /// One account only
    #[arg(long)]
    account: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ShowArguments) -> Outcome {
    let loaded = arguments.config.load()?;
    let journal = journal_folder(&loaded.config.data);
    if !LogKind::Commands.folder(&journal).is_dir() {
        return Err(Failure::usage(format!("{}: there is no journal here", journal.display())));
    }
    let listed = listed_by(&journal, &loaded.catalogue.instruments);
    let listed = listed.context("the event log cannot be read")?;
    let ledger = Ledger::read(&journal, &listed);
    let ledger = ledger.context("the command log cannot be read")?;
    let usage = if arguments.usage { usage(&loaded, arguments.account)? } else { Vec::new() };
    let own = arguments.account.map(|account| format!("account {account}"));
    let is_own = |whom: &str| {
        own.as_ref().is_none_or(|own| whom == own || whom.starts_with(&format!("{own} in ")))
    };
    let settings = ledger.settings().filter(|setting| is_own(&setting.whom));
    if arguments.json {
        let report = json!({
            "settings": settings.map(|setting| setting.json()).collect::<Vec<_>>(),
            "usage": usage.iter().map(Usage::json).collect::<Vec<_>>(),
        });
        println!("{report}");
        return Ok(());
    }
    println!("{:<24} {:<20} {:>18}  who, when and why", "whom", "what", "value");
    for setting in settings {
        let second = match setting.second.as_str() {
            "" => String::new(),
            second => format!(" and {second}"),
        };
        println!(
            "{:<24} {:<20} {:>18}  {}{second}, {}, command {}: {}",
            setting.whom,
            setting.what,
            setting.value,
            if setting.actor.is_empty() { "the appliance" } else { &setting.actor },
            instant(setting.at),
            setting.seq,
            setting.reason
        );
    }
    usage.iter().for_each(Usage::print);
    Ok(())
}

/// What an account uses of its limits.
struct Usage {
    account: AccountId,
    state: AccountState,
    means: (crate::model::Notional, crate::model::Notional),
}

impl Usage {
    fn json(&self) -> serde_json::Value {
        json!({
            "account": self.account,
            "exposure": self.state.exposure().to_string(),
            "exposure_max": self.means.1.to_string(),
            "net_exposure": self.state.net_exposure().to_string(),
            "held_buy": self.state.held_buy.to_string(),
            "held_sell": self.state.held_sell.to_string(),
            "cash_flow": self.state.cash_flow.to_string(),
            "buying_power": self.means.0.to_string(),
        })
    }

    fn print(&self) {
        println!(
            "account {:<16} exposure {} of {}, net {}; held for purchases {} of {}",
            self.account,
            self.state.exposure(),
            self.means.1,
            self.state.net_exposure(),
            self.state.held_buy,
            self.means.0
        );
    }
}

/// Folds the journal; accounts that use nothing are left out, unless one is asked for.
fn usage(loaded: &Loaded, account: Option<u32>) -> Result<Vec<Usage>, Failure> {
    let Loaded { config, catalogue, .. } = loaded;
    let fold = empty_fold(config, catalogue).context("the engine's limits")?;
    let gateway = empty_gateway(config, catalogue);
    let feed = empty_feed(config, catalogue);
    let mut replay = Replay::open(&journal_folder(&config.data), fold, gateway, feed)
        .context("the journal cannot be read")?;
    replay.run(SeqNo::MAX, &mut |_| (), &mut |_| ()).map_err(Failure::verification)?;
    let gate = &replay.fold.gate;
    let accounts = (0..catalogue.risk.accounts.len() as u32).map(AccountId);
    let wanted = accounts.filter(|id| account.is_none_or(|account| id.0 == account));
    let of = |id: AccountId| {
        let state = *gate.account(id)?;
        let is_idle = state == AccountState::default() && account.is_none();
        (!is_idle).then(|| Usage { account: id, state, means: gate.means(id).unwrap_or_default() })
    };
    Ok(wanted.filter_map(of).collect())
}
