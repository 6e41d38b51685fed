//! What is said between primary, standby and witness, as bytes and back. Bytes are believed in
//! nothing, though they come from somebody who has the key.

use crate::journal::LogKind;
use crate::model::{Command, Group, Line, Nanos, coded};
use crate::replica::LinkError;
use crate::replica::channel::BODY_MAX;

/// What a machine is called: up to sixteen bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub [u8; 16]);

impl Name {
    /// Of a text; what is longer is cut.
    pub fn new(text: &str) -> Self {
        let mut name = [0; 16];
        name.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Self(name)
    }

    /// Whether it is nobody's.
    pub fn is_nobody(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.0);
        f.write_str(text.trim_end_matches('\0'))
    }
}

/// Who somebody is, and what must be the same at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: Name,
    /// Which build it runs.
    pub build: [u8; 32],
    /// What of its configuration history depends on.
    pub config: [u8; 32],
}

coded! {
    /// Why somebody is refused.
    Refusal {
        /// Another build.
        OtherBuild = 1,
        /// Another configuration.
        OtherConfig = 2,
        /// Its name is ours.
        SameName = 3,
        /// It is not the primary, or not any more.
        NotPrimary = 4,
        /// There is a standby already.
        Occupied = 5,
        /// It was found to differ.
        Diverged = 6,
    }
}

impl Refusal {
    /// Why, in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::OtherBuild => "it runs another build: start the same one on both machines",
            Self::OtherConfig => {
                "its configuration differs in what history depends on (instruments, limits, \
                 rights): give both the same"
            }
            Self::SameName => "both have one name: give each its own `[standby] name`",
            Self::NotPrimary => "it is not the primary",
            Self::Occupied => "it has a standby already",
            Self::Diverged => {
                "the histories of both differ, by their digests: keep both journals and ask why"
            }
        }
    }
}

/// How one stage fares, in a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Grows as long as its core laps.
    pub laps: u64,
    /// Grows with what it does.
    pub done: u64,
    /// Lines that wait for it.
    pub waiting: u64,
}

/// What a machine asks of the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// To be primary, in a new epoch. `life` is one running of its machine: what was in memory then
    /// is there still.
    Acquire {
        /// Who asks.
        name: Name,
        /// The running of its machine.
        life: [u8; 16],
    },
    /// To stay primary.
    Renew {
        /// Who asks.
        name: Name,
        /// Its epoch.
        epoch: u32,
        /// Who may take over from it; nobody: none may.
        heir: Name,
    },
    /// To be primary no longer.
    Release {
        /// Who asks.
        name: Name,
        /// Its epoch.
        epoch: u32,
    },
}

/// A message of any conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A standby wants to join.
    Join {
        /// Who it is.
        identity: Identity,
        /// Its last command.
        last: u64,
        /// Each epoch in its journal and the first command of it.
        epochs: Vec<(u32, u64)>,
    },
    /// It may.
    Welcome {
        /// The primary's epoch.
        epoch: u32,
        /// What the standby has after this command is another history: it cuts that off first.
        keep: u64,
        /// Commands between two digests.
        digest_every: u64,
        /// Who the primary is.
        name: Name,
        /// Commands that are put aside, each with its mark.
        aside: Vec<(u64, [u8; 32])>,
    },
    /// Somebody is refused.
    Refuse(Refusal),
    /// Commands, as they lie in the journal.
    Commands {
        /// The epoch they were sequenced in.
        epoch: u32,
        /// Whole messages, heads with their lines.
        lines: Vec<Line>,
    },
    /// The primary lives.
    Beat {
        /// Its epoch.
        epoch: u32,
        /// Its last command.
        last: u64,
        /// Its time.
        time: Nanos,
        /// Its stages.
        stages: Vec<Beat>,
    },
    /// The primary came through its commands up to this one: their events are on record.
    Survived {
        /// That command.
        seq: u64,
    },
    /// What the primary's events up to a command come to.
    Digest {
        /// The last command of the block.
        seq: u64,
        /// The digest of the block's events.
        digest: u64,
    },
    /// How far the standby has come.
    Confirm {
        /// In its page cache.
        received: u64,
        /// On its disk.
        settled: u64,
        /// Folded.
        applied: u64,
        /// The first block whose digest differs; 0: none did.
        differs_at: u64,
        /// Pieces of annexed files that are there for good, of those that were said on this line.
        pieces: u64,
    },
    /// What a standby has of a file beside the journal.
    Holds {
        /// Its place in the annex.
        file: u32,
        /// Bytes it has.
        length: u64,
        /// Who wrote them, and from which byte on.
        hands: Vec<(u64, u64)>,
    },
    /// A piece of such a file. What the standby has behind where it begins is of another history.
    Piece {
        /// The file's place in the annex.
        file: u32,
        /// Where the piece begins.
        at: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A question to the witness, numbered by who asks.
    Ask {
        /// The question's number.
        number: u64,
        /// The question.
        question: Question,
    },
    /// The witness's answer.
    Answer {
        /// The question's number.
        number: u64,
        /// Whether it is granted.
        granted: bool,
        /// The epoch now.
        epoch: u32,
        /// Who is primary in it.
        holder: Name,
        /// For how long it is granted, from when it was asked.
        lease: Nanos,
    },
}

/// The most bytes of a file that one message carries.
pub(crate) const PIECE_MAX: usize = BODY_MAX / 4;

/// The most lines that one message carries.
pub(crate) const LINES_PER_MESSAGE: usize = BODY_MAX / 64 - 1;

impl Message {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(64);
        match self {
            Self::Join { identity, last, epochs } => {
                to.push(1);
                to.extend_from_slice(&identity.name.0);
                to.extend_from_slice(&identity.build);
                to.extend_from_slice(&identity.config);
                to.extend_from_slice(&last.to_le_bytes());
                for (epoch, first) in epochs {
                    to.extend_from_slice(&epoch.to_le_bytes());
                    to.extend_from_slice(&first.to_le_bytes());
                }
            }
            Self::Welcome { epoch, keep, digest_every, name, aside } => {
                to.push(2);
                to.extend_from_slice(&epoch.to_le_bytes());
                to.extend_from_slice(&keep.to_le_bytes());
                to.extend_from_slice(&digest_every.to_le_bytes());
                to.extend_from_slice(&name.0);
                for (seq, mark) in aside {
                    to.extend_from_slice(&seq.to_le_bytes());
                    to.extend_from_slice(mark);
                }
            }
            Self::Refuse(refusal) => to.extend_from_slice(&[3, refusal.code()]),
            Self::Commands { epoch, lines } => {
                to.push(4);
                to.extend_from_slice(&epoch.to_le_bytes());
                to.extend_from_slice(bytemuck::cast_slice(lines));
            }
            Self::Beat { epoch, last, time, stages } => {
                to.push(5);
                to.extend_from_slice(&epoch.to_le_bytes());
                to.extend_from_slice(&last.to_le_bytes());
                to.extend_from_slice(&time.0.to_le_bytes());
                for number in stages.iter().flat_map(|beat| [beat.laps, beat.done, beat.waiting]) {
                    to.extend_from_slice(&number.to_le_bytes());
                }
            }
            Self::Survived { seq } => {
                to.push(12);
                to.extend_from_slice(&seq.to_le_bytes());
            }
            Self::Digest { seq, digest } => {
                to.push(6);
                to.extend_from_slice(&seq.to_le_bytes());
                to.extend_from_slice(&digest.to_le_bytes());
            }
            Self::Confirm { received, settled, applied, differs_at, pieces } => {
                to.push(7);
                for number in [received, settled, applied, differs_at, pieces] {
                    to.extend_from_slice(&number.to_le_bytes());
                }
            }
            Self::Holds { file, length, hands } => {
                to.push(10);
                to.extend_from_slice(&file.to_le_bytes());
                to.extend_from_slice(&length.to_le_bytes());
                for number in hands.iter().flat_map(|(hand, at)| [hand, at]) {
                    to.extend_from_slice(&number.to_le_bytes());
                }
            }
            Self::Piece { file, at, bytes } => {
                to.push(11);
                to.extend_from_slice(&file.to_le_bytes());
                to.extend_from_slice(&at.to_le_bytes());
                to.extend_from_slice(bytes);
            }
            Self::Ask { number, question } => {
                to.push(8);
                to.extend_from_slice(&number.to_le_bytes());
                question.encode(&mut to);
            }
            Self::Answer { number, granted, epoch, holder, lease } => {
                to.push(9);
                to.extend_from_slice(&number.to_le_bytes());
                to.push(u8::from(*granted));
                to.extend_from_slice(&epoch.to_le_bytes());
                to.extend_from_slice(&holder.0);
                to.extend_from_slice(&lease.0.to_le_bytes());
            }
        }
        to
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`LinkError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LinkError> {
        let mut from = From(bytes);
        from.message().filter(|_| from.0.is_empty()).ok_or(LinkError::Malformed)
    }
}

impl Question {
    fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Acquire { name, life } => {
                to.push(1);
                to.extend_from_slice(&name.0);
                to.extend_from_slice(life);
            }
            Self::Renew { name, epoch, heir } => {
                to.push(2);
                to.extend_from_slice(&name.0);
                to.extend_from_slice(&epoch.to_le_bytes());
                to.extend_from_slice(&heir.0);
            }
            Self::Release { name, epoch } => {
                to.push(3);
                to.extend_from_slice(&name.0);
                to.extend_from_slice(&epoch.to_le_bytes());
            }
        }
    }
}

/// Bytes still to be read.
struct From<'a>(&'a [u8]);

impl From<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn all<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(one(self)?);
        }
        Some(all)
    }

    fn name(&mut self) -> Option<Name> {
        self.take().map(Name)
    }

    fn message(&mut self) -> Option<Message> {
        Some(match self.byte()? {
            1 => Message::Join {
                identity: Identity {
                    name: self.name()?,
                    build: self.take()?,
                    config: self.take()?,
                },
                last: self.long()?,
                epochs: self.all(|from| Some((from.short()?, from.long()?)))?,
            },
            2 => Message::Welcome {
                epoch: self.short()?,
                keep: self.long()?,
                digest_every: self.long()?,
                name: self.name()?,
                aside: self.all(|from| Some((from.long()?, from.take()?)))?,
            },
            3 => Message::Refuse(Refusal::from_code(self.byte()?)?),
            4 => Message::Commands {
                epoch: self.short()?,
                lines: self.all(|from| from.take::<64>().map(bytemuck::cast))?,
            },
            5 => Message::Beat {
                epoch: self.short()?,
                last: self.long()?,
                time: Nanos(self.long()?),
                stages: self.all(|from| {
                    Some(Beat { laps: from.long()?, done: from.long()?, waiting: from.long()? })
                })?,
            },
            12 => Message::Survived { seq: self.long()? },
            6 => Message::Digest { seq: self.long()?, digest: self.long()? },
            7 => Message::Confirm {
                received: self.long()?,
                settled: self.long()?,
                applied: self.long()?,
                differs_at: self.long()?,
                pieces: self.long()?,
            },
            10 => Message::Holds {
                file: self.short()?,
                length: self.long()?,
                hands: self.all(|from| Some((from.long()?, from.long()?)))?,
            },
            11 => Message::Piece {
                file: self.short()?,
                at: self.long()?,
                bytes: std::mem::take(&mut self.0).to_vec(),
            },
            8 => Message::Ask { number: self.long()?, question: self.question()? },
            9 => Message::Answer {
                number: self.long()?,
                granted: match self.byte()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                },
                epoch: self.short()?,
                holder: self.name()?,
                lease: Nanos(self.long()?),
            },
            _ => return None,
        })
    }

    fn question(&mut self) -> Option<Question> {
        Some(match self.byte()? {
            1 => Question::Acquire { name: self.name()?, life: self.take()? },
            2 => Question::Renew { name: self.name()?, epoch: self.short()?, heir: self.name()? },
            3 => Question::Release { name: self.name()?, epoch: self.short()? },
            _ => return None,
        })
    }
}

/// The commands that lines hold, one after the other; an error ends them.
pub(crate) fn groups(lines: &[Line]) -> impl Iterator<Item = Result<Group<Command>, LinkError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = lines.get(at)?;
        let Some(count) = LogKind::Commands.lines(head) else {
            at = lines.len();
            return Some(Err(LinkError::Malformed));
        };
        let Some(further) = lines.get(at + 1..at + count) else {
            at = lines.len();
            return Some(Err(LinkError::Malformed));
        };
        at += count;
        let mut group = Group::new(bytemuck::cast::<Line, Command>(*head));
        group.rest_mut().iter_mut().zip(further).for_each(|(slot, line)| *slot = *line);
        Some(Ok(group))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = Name> {
        any::<[u8; 16]>().prop_map(Name)
    }

    fn question() -> impl Strategy<Value = Question> {
        prop_oneof![
            (name(), any::<[u8; 16]>()).prop_map(|(name, life)| Question::Acquire { name, life }),
            (name(), any::<u32>(), name()).prop_map(|(name, epoch, heir)| Question::Renew {
                name,
                epoch,
                heir
            }),
            (name(), any::<u32>()).prop_map(|(name, epoch)| Question::Release { name, epoch }),
        ]
    }

    fn message() -> impl Strategy<Value = Message> {
        let identity = (name(), any::<[u8; 32]>(), any::<[u8; 32]>())
            .prop_map(|(name, build, config)| Identity { name, build, config });
        let beat =
            any::<(u64, u64, u64)>().prop_map(|(laps, done, waiting)| Beat { laps, done, waiting });
        let line = any::<[u64; 8]>().prop_map(Line);
        prop_oneof![
            (identity, any::<u64>(), prop::collection::vec(any::<(u32, u64)>(), 0..9))
                .prop_map(|(identity, last, epochs)| Message::Join { identity, last, epochs }),
            (
                any::<(u32, u64, u64)>(),
                name(),
                prop::collection::vec(any::<(u64, [u8; 32])>(), 0..4)
            )
                .prop_map(|((epoch, keep, digest_every), name, aside)| {
                    Message::Welcome { epoch, keep, digest_every, name, aside }
                }),
            any::<u64>().prop_map(|seq| Message::Survived { seq }),
            (0..6usize).prop_map(|at| Message::Refuse(Refusal::ALL[at])),
            (any::<u32>(), prop::collection::vec(line, 0..9))
                .prop_map(|(epoch, lines)| Message::Commands { epoch, lines }),
            (any::<(u32, u64, u64)>(), prop::collection::vec(beat, 0..9)).prop_map(
                |((epoch, last, time), stages)| {
                    Message::Beat { epoch, last, time: Nanos(time), stages }
                }
            ),
            any::<(u64, u64)>().prop_map(|(seq, digest)| Message::Digest { seq, digest }),
            any::<[u64; 5]>().prop_map(|[received, settled, applied, differs_at, pieces]| {
                Message::Confirm { received, settled, applied, differs_at, pieces }
            }),
            (any::<(u32, u64)>(), prop::collection::vec(any::<(u64, u64)>(), 0..9))
                .prop_map(|((file, length), hands)| Message::Holds { file, length, hands }),
            any::<(u32, u64, Vec<u8>)>().prop_map(|(file, at, bytes)| Message::Piece {
                file,
                at,
                bytes
            }),
            (any::<u64>(), question())
                .prop_map(|(number, question)| Message::Ask { number, question }),
            (any::<(u64, bool, u32, u64)>(), name()).prop_map(
                |((number, granted, epoch, lease), holder)| {
                    let lease = Nanos(lease);
                    Message::Answer { number, granted, epoch, holder, lease }
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_message_comes_back_as_it_was(message in message()) {
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, lines: Vec<[u64; 8]>) {
            let _ = Message::decode(&bytes);
            let lines: Vec<Line> = lines.into_iter().map(Line).collect();
            groups(&lines).for_each(drop);
        }
    }
}
