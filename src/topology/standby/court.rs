//! What the thread beside a primary's stages starts from, where there are two machines.

use std::path::PathBuf;
use std::sync::Arc;

use crate::journal::{Annex, Progress, PutAside};
use crate::port::tcp::TcpAcceptor;
use crate::replica::Reign;
use crate::runtime::log;
use crate::stage::{Release, Rule};
use crate::topology::standby::line::{Lines, TcpLines};
use crate::topology::{
    BootError, Catalogue, Config, Court, Crown, ReleaseGate, StandbyConfig, Vitals, identity,
};

/// What the thread beside the stages is made of, but for what comes of starting them.
pub(in crate::topology) struct CourtParts {
    config: StandbyConfig,
    crown: Crown,
    lines: Box<dyn Lines>,
    pub(in crate::topology) release: Arc<Release>,
    rule: Rule,
    reign: Reign,
    progress: [Arc<Progress>; 2],
    annex: Arc<Annex>,
}

impl CourtParts {
    /// Complete.
    pub(in crate::topology) fn court(self, journal: PathBuf, vitals: Vitals) -> Court {
        let Self { config, crown, lines, release, rule, reign, progress, annex } = self;
        let say = log::tell;
        Court { config, crown, lines, release, rule, reign, journal, progress, annex, vitals, say }
    }
}

/// What the thread beside the stages starts from, where there are two machines.
pub(in crate::topology) fn open_court(
    config: &Config,
    crown: Crown,
    reign: Reign,
    release: Option<Arc<Release>>,
    progress: [Arc<Progress>; 2],
    annex: Arc<Annex>,
) -> Result<Option<CourtParts>, BootError> {
    let Some(release) = release.filter(|_| config.standby.is_used()) else { return Ok(None) };
    let acceptor = config.standby.address.map(TcpAcceptor::open).transpose()?;
    if let Some(witness) = &crown.witness {
        release.set_lease(witness.tenant.lease_ends());
    }
    let rule = match config.gate() {
        ReleaseGate::Sequenced | ReleaseGate::Journaled => Rule::Journaled,
        ReleaseGate::Synced => Rule::Synced,
        ReleaseGate::Replicated => Rule::Replicated,
        ReleaseGate::SyncedReplicated => Rule::SyncedReplicated,
    };
    let (config, lines) = (config.standby.clone(), Box::new(TcpLines(acceptor)));
    Ok(Some(CourtParts { config, crown, lines, release, rule, reign, progress, annex }))
}

/// What a primary is in an epoch.
pub(crate) fn reign_of(
    config: &Config,
    catalogue: &Catalogue,
    epoch: u32,
    epochs: Vec<(u32, u64)>,
    aside: &PutAside,
) -> Reign {
    Reign {
        identity: identity(config, catalogue),
        epoch,
        epochs,
        digest_every: config.standby.digest_every,
        beat_every: config.standby.heartbeat(),
        aside: aside.list().iter().map(|aside| (aside.seq.0, aside.mark)).collect(),
    }
}
