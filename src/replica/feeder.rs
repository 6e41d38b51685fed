//! The primary's end: reads its own journal behind the recorder and says it to the standby. A
//! standby that comes late or falls behind is fed from older segments by the same few lines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::journal::{Annex, LogKind, Reader};
use crate::model::{Command, Event, Line, Nanos, SeqNo};
use crate::replica::copying::Copying;
use crate::replica::history::common;
use crate::replica::message::LINES_PER_MESSAGE;
use crate::replica::{Beat, BlockDigest, Channel, Identity, LinkError, Message, Name, Refusal};

/// How a standby stands, by its own word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last command in its page cache.
    pub received: u64,
    /// The last command on its disk.
    pub settled: u64,
    /// The last command it folded.
    pub applied: u64,
    /// The first block in which it differs; 0: none.
    pub differs_at: u64,
    /// When it said so.
    pub heard_at: Nanos,
}

/// How far a primary has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Its last command on record.
    pub recorded: u64,
    /// The last command whose events are on record: up to it, none brought it down.
    pub survived: u64,
}

/// What a primary is in its epoch.
#[derive(Clone, Debug)]
pub struct Reign {
    /// Who it is.
    pub identity: Identity,
    /// Its epoch.
    pub epoch: u32,
    /// Each epoch in its journal and the first command of it, its own included.
    pub epochs: Vec<(u32, u64)>,
    /// Commands between two digests.
    pub digest_every: u64,
    /// How often it says that it lives.
    pub beat_every: Nanos,
    /// Commands that are put aside, each with its mark.
    pub aside: Vec<(u64, [u8; 32])>,
}

/// The primary's end of a conversation with one standby.
#[derive(Debug)]
pub struct Feeder {
    channel: Channel,
    reign: Reign,
    journal: PathBuf,
    copying: Copying,
    fed: Option<Fed>,
    standing: Standing,
    peer: Name,
    beat_at: Nanos,
    /// The last command that it was told we came through.
    survived: u64,
    body: Vec<u8>,
}

/// What is fed from.
#[derive(Debug)]
struct Fed {
    commands: Reader<Command>,
    events: Reader<Event>,
    digest: BlockDigest,
}

/// Events looked at per step, at most.
const EVENTS_PER_STEP: usize = 4096;

impl Feeder {
    /// Over a new line.
    pub fn new(channel: Channel, reign: Reign, journal: &Path, annex: Arc<Annex>) -> Self {
        Self {
            channel,
            reign,
            journal: journal.to_owned(),
            copying: Copying::new(annex),
            fed: None,
            standing: Standing::default(),
            peer: Name::default(),
            beat_at: Nanos::ZERO,
            survived: 0,
            body: Vec::new(),
        }
    }

    /// The line.
    pub fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// Whether it is a standby that was let in.
    pub fn is_joined(&self) -> bool {
        self.fed.is_some()
    }

    /// Who it is; nobody before it joined.
    pub fn peer(&self) -> Name {
        self.peer
    }

    /// Whether it is fed all that stands beside the journal.
    pub fn is_copying(&self) -> bool {
        self.copying.is_begun()
    }

    /// How it stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Takes what the standby says; says what there is to say. `reached` is how far we are,
    /// `stages` says how our stages fare.
    ///
    /// # Errors
    /// A standby that is refused, and a conversation that cannot go on.
    pub fn step(
        &mut self,
        now: Nanos,
        reached: Reached,
        stages: &mut dyn FnMut() -> Vec<Beat>,
    ) -> Result<usize, LinkError> {
        let last = reached.recorded;
        let mut work = 0;
        let mut body = std::mem::take(&mut self.body);
        while self.channel.take(&mut body)? {
            self.hear(Message::decode(&body)?, last, now)?;
            work += 1;
        }
        self.body = body;
        if self.fed.is_none() {
            return Ok(work);
        }
        if now >= self.beat_at {
            self.beat_at = now.saturating_add(self.reign.beat_every);
            let epoch = self.reign.epoch;
            let beat = Message::Beat { epoch, last, time: now, stages: stages() };
            self.channel.send(&beat.encode());
        }
        // Who takes over must know what clients were told: that goes first.
        work += self.copying.feed(&mut self.channel)?;
        work += self.feed()?;
        if reached.survived > self.survived && !self.channel.is_full() {
            self.survived = reached.survived;
            self.channel.send(&Message::Survived { seq: reached.survived }.encode());
        }
        Ok(work)
    }

    /// Refuses whoever is at the other end.
    pub fn refuse(&mut self, refusal: Refusal) -> LinkError {
        self.channel.send(&Message::Refuse(refusal).encode());
        LinkError::Refused(refusal)
    }

    fn hear(&mut self, message: Message, last: u64, now: Nanos) -> Result<(), LinkError> {
        match message {
            Message::Join { identity, last: theirs, epochs } if self.fed.is_none() => {
                self.join(&identity, last, theirs, &epochs)?;
                self.standing.heard_at = now;
                Ok(())
            }
            Message::Confirm { received, settled, applied, differs_at, pieces }
                if self.fed.is_some() =>
            {
                self.copying.confirm(pieces);
                let heard_at = now;
                self.standing = Standing { received, settled, applied, differs_at, heard_at };
                if received > last || differs_at > 0 {
                    Err(self.refuse(Refusal::Diverged))
                } else {
                    Ok(())
                }
            }
            Message::Holds { file, length, hands } if self.fed.is_some() => {
                self.copying.begin(file, length, &hands)
            }
            Message::Refuse(refusal) => Err(LinkError::Refused(refusal)),
            _ => Err(LinkError::Malformed),
        }
    }

    fn join(
        &mut self,
        identity: &Identity,
        last: u64,
        theirs: u64,
        epochs: &[(u32, u64)],
    ) -> Result<(), LinkError> {
        let own = self.reign.identity;
        for (is_wrong, refusal) in [
            (identity.build != own.build, Refusal::OtherBuild),
            (identity.config != own.config, Refusal::OtherConfig),
            (identity.name == own.name, Refusal::SameName),
        ] {
            if is_wrong {
                return Err(self.refuse(refusal));
            }
        }
        let keep = common(&self.reign.epochs, last, epochs, theirs);
        let Reign { epoch, digest_every, .. } = self.reign;
        let events = (keep + 1) << 16;
        self.fed = Some(Fed {
            commands: Reader::open(&LogKind::Commands.folder(&self.journal), keep + 1)?,
            events: Reader::open(&LogKind::Events.folder(&self.journal), events)?,
            digest: BlockDigest::new(digest_every, SeqNo(keep)),
        });
        self.peer = identity.name;
        self.copying.meet();
        let (name, aside) = (own.name, self.reign.aside.clone());
        self.channel.send(&Message::Welcome { epoch, keep, digest_every, name, aside }.encode());
        Ok(())
    }

    /// Says what the journal has more; what is to be said again waits for room.
    fn feed(&mut self) -> Result<usize, LinkError> {
        let Some(Fed { commands, events, digest }) = &mut self.fed else { return Ok(0) };
        let mut work = 0;
        let mut lines: Vec<Line> = Vec::new();
        let mut epoch = commands.epoch();
        while !self.channel.is_full()
            && lines.len() < LINES_PER_MESSAGE - 4
            && let Some(group) = commands.read()?
        {
            if commands.epoch() != epoch && !lines.is_empty() {
                let lines = std::mem::take(&mut lines);
                self.channel.send(&Message::Commands { epoch, lines }.encode());
            }
            epoch = commands.epoch();
            lines.push(bytemuck::cast(group.head));
            lines.extend_from_slice(group.rest());
            work += 1;
        }
        if !lines.is_empty() {
            self.channel.send(&Message::Commands { epoch, lines }.encode());
        }
        // Digests are in no hurry.
        let mut most = if work == 0 { EVENTS_PER_STEP } else { EVENTS_PER_STEP / 8 };
        while most > 0
            && let Some(event) = events.read_event()?
        {
            most -= 1;
            if let Some((seq, digest)) = digest.add(&event) {
                self.channel.send(&Message::Digest { seq, digest }.encode());
            }
        }
        Ok(work)
    }
}
