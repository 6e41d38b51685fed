//! A standby at the primary's door: its journal is closed until it knows what of it is another
//! history. Where nobody opens, it may be that there is no primary any more.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::journal::{Aside, JournalError, LogKind, PutAside, cut_back, scan};
use crate::model::{Nanos, SeqNo};
use crate::replica::{Follower, Heard, Wish};
use crate::topology::standby::error::StandbyError;
use crate::topology::standby::follow::Receiver;
use crate::topology::standby::line::{Lines, ToWitness};
use crate::topology::standby::to_primary::{ToPrimary, is_final};
use crate::topology::{BootError, Catalogue, Config, Recovered, identity, journal_folder};

/// Who opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The primary lets it in.
    In(Heard),
    /// Nobody is there, and the witness lets it be primary itself.
    Over,
}

/// A standby that asks to be let in, its journal still closed.
pub struct AtTheDoor {
    to_primary: ToPrimary,
    journal: PathBuf,
    last: u64,
    epochs: Vec<(u32, u64)>,
    heard: Option<Heard>,
    /// When it began to ask, and how long the primary has for an answer.
    since: Option<Nanos>,
    patience: Nanos,
}

impl AtTheDoor {
    /// Looks what the journal holds.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub fn new(
        config: &Config,
        catalogue: &Catalogue,
        primary: SocketAddr,
    ) -> Result<Self, StandbyError> {
        let journal = journal_folder(&config.data);
        let (last, epochs) = look(&journal).map_err(BootError::Journal)?;
        let key = config.standby.key.as_bytes();
        let to_primary = ToPrimary::new(primary, key, identity(config, catalogue));
        let patience = config.standby.silence();
        Ok(Self { to_primary, journal, last, epochs, heard: None, since: None, patience })
    }

    /// Asks, and hears whether it is let in. With a `witness` it may be primary itself, by what is
    /// on record, and asks for that where nobody answers.
    ///
    /// # Errors
    /// A primary that will never let it in.
    pub fn step(
        &mut self,
        now: Nanos,
        lines: &mut dyn Lines,
        witness: Option<&mut ToWitness>,
    ) -> Result<Option<Admission>, StandbyError> {
        self.to_primary.dial(now, lines, self.last, &self.epochs);
        if let Err(error) = self.to_primary.step(now, None)
            && is_final(&error)
        {
            let address = self.to_primary.address;
            return Err(StandbyError::Primary { address, source: error });
        }
        self.to_primary.push();
        self.heard = self.to_primary.follower.as_ref().and_then(Follower::welcome);
        let is_late = now.saturating_sub(*self.since.get_or_insert(now)) > self.patience;
        let is_over = witness.is_some_and(|witness| {
            let asks = self.heard.is_none() && is_late;
            witness.tenant.wish(if asks { Wish::Acquire } else { Wish::Nothing });
            witness.step(now, lines);
            witness.tenant.epoch() > 0
        });
        Ok(if is_over { Some(Admission::Over) } else { self.heard.map(Admission::In) })
    }

    /// Forgets that what is here may be another history: for a simulator that must notice.
    pub(crate) fn keep_all(&mut self) {
        self.last = 0;
    }

    /// Cuts off what is another history, opens the journal, and folds what it holds.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn enter(
        self,
        config: &Config,
        witness: Option<Box<ToWitness>>,
        open: impl FnOnce() -> Result<Recovered, BootError>,
    ) -> Result<(Recovered, Receiver), StandbyError> {
        let Self { mut to_primary, journal, last, heard, .. } = self;
        let keep = heard.map_or(0, |heard| heard.keep);
        if keep < last {
            cut_back(&journal, keep).map_err(BootError::Journal)?;
        }
        let aside = to_primary.follower.as_ref().map_or(&[][..], Follower::aside);
        note_aside(&journal, aside).map_err(BootError::Journal)?;
        let aside = aside.len();
        let mut recovered = open()?;
        recovered.fold_survived()?;
        if recovered.command_log.last() < keep {
            // What was cut with a whole frame is asked for again.
            to_primary = ToPrimary::new(to_primary.address, &to_primary.key, to_primary.own);
        }
        let receiver = Receiver::new(config, &mut recovered, to_primary, witness, aside);
        Ok((recovered, receiver))
    }
}

/// A log's last command, and each epoch with its first.
type Known = (u64, Vec<(u32, u64)>);

fn look(journal: &Path) -> Result<Known, JournalError> {
    let folder = LogKind::Commands.folder(journal);
    if !folder.is_dir() {
        return Ok((0, vec![]));
    }
    let found = scan(&folder, LogKind::Commands, &mut |_| ())?;
    Ok((found.last, found.epochs))
}

/// Puts aside what the primary has put aside.
fn note_aside(journal: &Path, aside: &[(u64, [u8; 32])]) -> Result<(), JournalError> {
    let (since, why) = (Timestamp::now(), "the primary has put it aside");
    let entry = |(seq, mark): &(u64, [u8; 32])| Aside {
        seq: SeqNo(*seq),
        mark: *mark,
        since,
        why: why.to_owned(),
    };
    PutAside::read(journal)?.add(&aside.iter().map(entry).collect::<Vec<_>>())
}
