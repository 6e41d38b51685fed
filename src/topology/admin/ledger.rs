//! What is set, by whom, when and why: found in the command log alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::journal::{JournalError, LogKind, Reader};
use crate::model::{
    Command, CommandKind, Event, EventKind, Group, Instrument, LimitKind, Nanos, Phase, Scope,
    SeqNo, TradingState,
};
use crate::slow::put;
use crate::topology::admin::ask::shown;

/// One thing that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As the command log has it.
    pub whom: String,
    /// As the command log has it.
    pub what: String,
    /// As the command log has it.
    pub value: String,
    /// As the command log has it.
    pub actor: String,
    /// As the command log has it.
    pub second: String,
    /// As the command log has it.
    pub reason: String,
    /// As the command log has it.
    pub at: Nanos,
    /// As the command log has it.
    pub seq: SeqNo,
}

/// All that is set: the last of its kind counts.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<(String, String), Setting>);

impl Ledger {
    /// Reads a journal's command log from its beginning.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub fn read(journal: &Path, listed: &[Instrument]) -> Result<Self, JournalError> {
        let mut ledger = Self::default();
        let mut reader = Reader::<Command>::open(&LogKind::Commands.folder(journal), 0)?;
        while let Some(group) = reader.read()? {
            if is_operators(&group.head) {
                ledger.take(&group, listed);
            }
        }
        Ok(ledger)
    }

    /// Takes a command of the log.
    pub fn take(&mut self, group: &Group<Command>, listed: &[Instrument]) {
        let command = &group.head;
        let Some((whom, what, value)) = described(command, listed) else { return };
        let note = group.note().copied().unwrap_or_default();
        let key = (whom.clone(), what.clone());
        self.0.insert(
            key,
            Setting {
                whom,
                what,
                value,
                actor: text(&note.actor),
                second: text(&note.second),
                reason: text(&note.reason),
                at: command.timestamp,
                seq: command.seq,
            },
        );
    }

    /// All settings.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.0.values()
    }
}

impl Setting {
    /// As scripts read it.
    pub fn json(&self) -> Value {
        json!({
            "whom": self.whom, "what": self.what, "value": self.value, "actor": self.actor,
            "second": self.second, "reason": self.reason, "at": instant(self.at),
            "command": self.seq,
        })
    }
}

/// An instant as people and scripts read it.
pub fn instant(at: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Whom a command is about, what it sets and to which value.
fn described(command: &Command, listed: &[Instrument]) -> Option<(String, String, String)> {
    let symbol = |id| {
        let found = listed.iter().find(|listed| listed.id == id);
        found.map_or_else(|| format!("instrument {id}"), |listed| listed.symbol.name())
    };
    let kind = command.kind()?;
    let whom = match Scope::from_code(command.side) {
        Some(Scope::Session) => format!("session {}", command.session),
        Some(Scope::Account) => format!("account {}", command.account),
        Some(Scope::Firm) => format!("firm {}", command.target),
        Some(Scope::Venue) => format!("venue {}", command.target),
        Some(Scope::Instrument) => symbol(command.instrument),
        _ if command.target > 0 => format!("level {}", command.target),
        _ => "everything".into(),
    };
    let account = || format!("account {}", command.account);
    Some(match kind {
        CommandKind::SetLimit => {
            let limit = LimitKind::from_code(command.order_type)?;
            let is_pair = command.instrument.0 != 0 && command.side != Scope::Instrument.code();
            let whom =
                if is_pair { format!("{whom} in {}", symbol(command.instrument)) } else { whom };
            (whom, limit.key(), shown(limit, command.price.0))
        }
        CommandKind::Kill | CommandKind::Revive => {
            let whom = if whom.starts_with("level") { "everything".into() } else { whom };
            let state = match kind {
                CommandKind::Kill => TradingState::from_code(command.order_type)?,
                _ => TradingState::Active,
            };
            (whom, "state".into(), state.name().to_ascii_lowercase())
        }
        CommandKind::SetBuyingPower => {
            (account(), "buying-power".into(), command.price.to_string())
        }
        CommandKind::SetExposureLimit => (account(), "exposure".into(), command.price.to_string()),
        CommandKind::SetAccount => (account(), "known".into(), format!("like {}", command.target)),
        CommandKind::SetSession => {
            let accounts = format!("accounts {} to {}", command.target, command.ordinal);
            (format!("session {}", command.session), "may trade".into(), accounts)
        }
        CommandKind::SetFamily => (account(), "family".into(), command.target.to_string()),
        CommandKind::SetPhase if command.order_type != 1 => (
            symbol(command.instrument),
            "phase".into(),
            Phase::from_code(command.side)?.to_string(),
        ),
        CommandKind::MoveInstrument => {
            (symbol(command.instrument), "shard".into(), command.target.to_string())
        }
        CommandKind::SetInstrument => {
            let known = Instrument::of_command(command)?;
            let Instrument { id, symbol, tick, lot, .. } = known;
            let value = format!("{symbol}, tick {tick}, lot {lot}, reference {}", command.price);
            (format!("instrument {id}"), "listed".into(), value)
        }
        CommandKind::SetReferencePrice => {
            let whom =
                if command.instrument.0 == 0 { "index".into() } else { symbol(command.instrument) };
            (whom, "reference".into(), command.price.to_string())
        }
        CommandKind::StartOfDay => ("everything".into(), "day".into(), "started".into()),
        CommandKind::EndOfDay => ("everything".into(), "day".into(), "ended".into()),
        CommandKind::BustTrade | CommandKind::CorrectTrade => {
            (format!("command {}", command.seq), kind.name().to_owned(), String::new())
        }
        _ => return None,
    })
}

/// What a journal has listed, over what is configured.
///
/// # Errors
/// A log that cannot be read.
pub fn listed_by(
    journal: &Path,
    configured: &[Instrument],
) -> Result<Vec<Instrument>, JournalError> {
    let mut listed = configured.to_vec();
    let folder = LogKind::Events.folder(journal);
    // Without places for others the configuration says it all.
    if !folder.is_dir() || !configured.iter().any(Instrument::is_spare) {
        return Ok(listed);
    }
    let mut reader = Reader::<Event>::open(&folder, 0)?;
    while let Some(event) = reader.read_event()? {
        if event.kind == EventKind::InstrumentSet.code()
            && let Some(one) = Instrument::of_event(&event)
        {
            put(&mut listed, one);
        }
    }
    Ok(listed)
}

/// Whether a command is an operator's.
pub fn is_operators(command: &Command) -> bool {
    use CommandKind as K;
    let is_day = matches!(command.kind(), Some(K::StartOfDay | K::EndOfDay));
    matches!(
        command.kind(),
        Some(
            K::SetLimit
                | K::Kill
                | K::Revive
                | K::SetAccount
                | K::SetSession
                | K::SetFamily
                | K::SetBuyingPower
                | K::SetExposureLimit
                | K::BustTrade
                | K::CorrectTrade
                | K::SetPhase
                | K::MoveInstrument
                | K::SetInstrument
                | K::SetReferencePrice
                | K::Cash
        )
    ) || is_day && command.order_type != Command::BY_HOUSE
}
