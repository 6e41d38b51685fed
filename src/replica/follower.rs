//! The standby's end: puts on record what the primary says, confirms it, and notices when the
//! primary falls silent or stands still. Folding what is on record is somebody else's.

use std::collections::VecDeque;

use crate::journal::Writer;
use crate::model::{Command, Fault, Group, Nanos};
use crate::replica::message::groups;
use crate::replica::{Channel, FaultOf, Identity, LinkError, Message, Name, Vigil};

/// What a standby learned when it was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The primary's epoch.
    pub epoch: u32,
    /// What is here after this command is another history.
    pub keep: u64,
    /// Commands between two digests.
    pub digest_every: u64,
    /// Who the primary is.
    pub name: Name,
}

/// A piece of a file beside the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The file's place in the annex.
    pub file: u32,
    /// Where it begins; what is here behind that is of another history.
    pub at: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Digests of the primary that wait to be compared, at most.
const DIGESTS_MAX: usize = 1024;

/// The standby's end of a conversation with the primary.
#[derive(Debug)]
pub struct Follower {
    channel: Channel,
    /// The last command here when the line was opened.
    joined_at: u64,
    welcome: Option<Heard>,
    /// Commands that came and found no room in the log yet.
    waiting: VecDeque<(u32, Group<Command>)>,
    heard_at: Nanos,
    vigil: Vigil,
    digests: VecDeque<(u64, u64)>,
    /// Pieces of files beside the journal that nobody has taken yet, and how many count.
    pieces: VecDeque<Piece>,
    counted: u64,
    /// Whether the primary was told which of them are here.
    pub has_told: bool,
    /// The primary's last command, and the last it came through, as it said.
    last: u64,
    survived: u64,
    aside: Vec<(u64, [u8; 32])>,
    confirmed: [u64; 5],
    /// Each epoch on record and its first command.
    pub epochs: Vec<(u32, u64)>,
    body: Vec<u8>,
}

impl Follower {
    /// Over a new line, from a journal that ends with `last` and has these epochs.
    pub fn new(
        mut channel: Channel,
        identity: Identity,
        last: u64,
        epochs: Vec<(u32, u64)>,
        now: Nanos,
    ) -> Self {
        channel.send(&Message::Join { identity, last, epochs: epochs.clone() }.encode());
        Self {
            channel,
            joined_at: last,
            welcome: None,
            waiting: VecDeque::new(),
            heard_at: now,
            vigil: Vigil::default(),
            digests: VecDeque::new(),
            pieces: VecDeque::new(),
            counted: 0,
            has_told: false,
            last: 0,
            survived: 0,
            aside: Vec::new(),
            confirmed: [0; 5],
            epochs,
            body: Vec::new(),
        }
    }

    /// The line.
    pub fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// What it learned when it was let in, once it was.
    pub fn welcome(&self) -> Option<Heard> {
        self.welcome
    }

    /// The last command that was here when the line was opened.
    pub fn joined_at(&self) -> u64 {
        self.joined_at
    }

    /// When the primary was heard last.
    pub fn heard_at(&self) -> Nanos {
        self.heard_at
    }

    /// Whether nothing has come for longer than `bound`, though it would have been taken.
    pub fn is_left_alone(&self, now: Nanos, bound: Nanos) -> bool {
        self.waiting.is_empty() && now.saturating_sub(self.heard_at) > bound
    }

    /// The primary's last command, as it said.
    pub fn primary_last(&self) -> u64 {
        self.last
    }

    /// The last command that the primary came through, as it said.
    pub fn survived(&self) -> u64 {
        self.survived
    }

    /// Commands that the primary has put aside, each with its mark.
    pub fn aside(&self) -> &[(u64, [u8; 32])] {
        &self.aside
    }

    /// Whether a stage of the primary has stood still for longer than `bound`.
    pub fn is_stuck(&self, now: Nanos, bound: Nanos) -> bool {
        self.vigil.is_stuck(now, bound)
    }

    /// The oldest digest of the primary that was not compared yet.
    pub fn digest(&mut self) -> Option<(u64, u64)> {
        self.digests.pop_front()
    }

    /// Tells the primary what is here of a file beside the journal.
    pub fn hold(&mut self, file: u32, length: u64, hands: &[(u64, u64)]) {
        let hands = hands.to_vec();
        self.channel.send(&Message::Holds { file, length, hands }.encode());
    }

    /// The next piece of such a file.
    pub fn piece(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// So many pieces that came on this line are here for good.
    pub fn count(&mut self, pieces: u64) {
        self.counted = pieces;
    }

    /// Takes what came; puts commands on record while there is room; says how many. Without a log
    /// they wait.
    ///
    /// # Errors
    /// A primary that refuses us, and a conversation that cannot go on.
    pub fn step(
        &mut self,
        now: Nanos,
        mut log: Option<&mut Writer<Command>>,
    ) -> Result<usize, LinkError> {
        let mut work = 0;
        let mut body = std::mem::take(&mut self.body);
        loop {
            if let Some(log) = log.as_deref_mut() {
                work += self.record(log)?;
            }
            if !self.waiting.is_empty() || !self.channel.take(&mut body)? {
                break;
            }
            self.heard_at = now;
            self.hear(Message::decode(&body)?, now)?;
        }
        self.body = body;
        Ok(work)
    }

    /// Says how far this side has come, where that is something new.
    pub fn confirm(&mut self, received: u64, settled: u64, applied: u64, differs_at: u64) {
        let pieces = self.counted;
        let now = [received, settled, applied, differs_at, pieces];
        if self.welcome.is_some() && now != self.confirmed && !self.channel.is_full() {
            self.confirmed = now;
            let confirm = Message::Confirm { received, settled, applied, differs_at, pieces };
            self.channel.send(&confirm.encode());
        }
    }

    fn hear(&mut self, message: Message, now: Nanos) -> Result<(), LinkError> {
        match (message, self.welcome) {
            (Message::Welcome { epoch, keep, digest_every, name, aside }, None) => {
                self.aside = aside;
                self.welcome = Some(Heard { epoch, keep, digest_every, name });
            }
            (Message::Refuse(refusal), _) => return Err(LinkError::Refused(refusal)),
            (Message::Commands { epoch, lines }, Some(welcome)) => {
                if epoch > welcome.epoch {
                    return Err(LinkError::Malformed);
                }
                for group in groups(&lines) {
                    self.waiting.push_back((epoch, group?));
                }
            }
            (Message::Beat { epoch, last, stages, .. }, Some(welcome)) => {
                if epoch != welcome.epoch {
                    return Err(LinkError::OldEpoch(epoch));
                }
                self.last = last;
                self.vigil.watch(&stages, now);
                // Silence on our side would look like death.
                self.confirmed = [u64::MAX; 5];
            }
            (Message::Piece { file, at, bytes }, Some(_)) => {
                self.pieces.push_back(Piece { file, at, bytes });
            }
            (Message::Survived { seq }, Some(_)) => self.survived = seq,
            (Message::Digest { seq, digest }, Some(_)) => {
                if self.digests.len() == DIGESTS_MAX {
                    self.digests.pop_front();
                }
                self.digests.push_back((seq, digest));
            }
            _ => return Err(LinkError::Malformed),
        }
        Ok(())
    }

    /// Puts on record what waits, while there is room; the reserve is for when this is the primary.
    fn record(&mut self, log: &mut Writer<Command>) -> Result<usize, LinkError> {
        let mut count = 0;
        let mut outcome = Ok(());
        while let Some((epoch, group)) = self.waiting.front()
            && log.room_to_spare() > 2 * crate::model::LINES_MAX
        {
            if *epoch < log.epoch() {
                outcome = Err(LinkError::OldEpoch(*epoch));
                break;
            }
            log.set_epoch(*epoch);
            if let Err(fault) = log.append(group) {
                outcome = Err(LinkError::Fault(FaultOf(fault)));
                break;
            }
            if self.epochs.last().is_none_or(|(known, _)| known != epoch) {
                self.epochs.push((*epoch, group.head.seq.0));
            }
            self.waiting.pop_front();
            count += 1;
        }
        if count > 0 {
            log.commit();
        }
        outcome.map(|()| count)
    }
}

impl From<Fault> for LinkError {
    fn from(fault: Fault) -> Self {
        Self::Fault(FaultOf(fault))
    }
}
