//! What can be wrong with a journal, said so that a person knows the place and the cure.

use std::io;
use std::path::PathBuf;

use crate::journal::LogKind;

/// Where in a log: what an error or a report points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment file.
    pub file: PathBuf,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// The id (seq or event id) of the last good message before.
    pub after: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, offset, after } = self;
        write!(f, "{}, byte {offset} (last good message: {after})", file.display())
    }
}

/// Which rule a piece of a log breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Bytes where a frame should start, without a frame's mark.
    #[error("there is something here that is not a frame")]
    NotAFrame,
    /// A frame header that does not match its checksum.
    #[error("the frame header does not match its checksum")]
    HeaderChecksum,
    /// A frame body that does not match its checksum.
    #[error("the frame body does not match its checksum")]
    BodyChecksum,
    /// A frame that claims more lines than the segment or a frame can have.
    #[error("the frame is longer than what is left of the segment")]
    Length,
    /// A frame that does not name the frame before it.
    #[error("the frame does not follow the frame before it: frames were swapped or dropped")]
    Link,
    /// A number that does not follow the one before.
    #[error("message {found} does not follow message {after}")]
    Sequence {
        /// The last good number.
        after: u64,
        /// The number found.
        found: u64,
    },
    /// A frame of an epoch that was over.
    #[error("the frame is of epoch {found}, which was over when epoch {after} began")]
    Epoch {
        /// The epoch of the frame before.
        after: u32,
        /// The epoch found.
        found: u32,
    },
    /// A message with a length nobody writes, or a count that does not add up.
    #[error("the messages in the frame do not add up to its length")]
    Message,
    /// Bytes after the last frame, where only zeros should be.
    #[error("there are bytes after the last frame, where only zeros should be")]
    AfterEnd,
    /// A segment header that does not match its checksum.
    #[error("the segment header does not match its checksum")]
    SegmentHeader,
    /// A segment header whose number, size or link is not the one expected.
    #[error("the segment does not follow the segment before it")]
    SegmentOrder,
    /// A segment without an end mark, though a later one was begun.
    #[error("the segment has no end mark, though a later segment was begun")]
    Unfinished,
    /// Events without their commands.
    #[error(
        "the log ended here, with events of commands that are not on record; they were cut off"
    )]
    Ahead,
    /// A file that ends too early.
    #[error("the file is shorter than a segment")]
    Short,
}

/// Why a journal could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Something bad with something good behind it: not a torn tail, and never cut.
    #[error(
        "{place}: {wrong}. Good frames follow, so this is damage and not an interrupted write; \
         nothing was changed. Restore this file from the standby or from a backup."
    )]
    Damaged {
        /// The first bad place.
        place: Place,
        /// The rule it breaks.
        wrong: Wrong,
    },
    /// A bad place met by a reader, which does not look at what follows.
    #[error(
        "{place}: {wrong}. `wirematch journal verify` says whether it is an interrupted write, \
         which the next start cuts off, or damage."
    )]
    Bad {
        /// The bad place.
        place: Place,
        /// The rule it breaks.
        wrong: Wrong,
    },
    /// A segment file that should be there is not.
    #[error(
        "{}: the segment is missing. Restore it from the standby or from a backup.",
        file.display()
    )]
    MissingSegment {
        /// The file that is not there.
        file: PathBuf,
    },
    /// A segment of the other log.
    #[error(
        "{}: this is a segment of the {found} log, in the folder of the {wanted} log. \
         Move it back where it belongs.", file.display()
    )]
    WrongKind {
        /// The segment file.
        file: PathBuf,
        /// What the folder holds.
        wanted: LogKind,
        /// What the file says.
        found: LogKind,
    },
    /// Written by another version of wirematch.
    #[error(
        "{}: written in format {format} with messages of version {model}; this build reads format \
         {} and version {}. Use the build that wrote it.", file.display(),
        crate::journal::FORMAT_VERSION, crate::model::MODEL_VERSION
    )]
    WrongVersion {
        /// The segment file.
        file: PathBuf,
        /// The file's format version.
        format: u16,
        /// The file's model version.
        model: u8,
    },
    /// Written by a build of before, in a layout that nobody writes any more.
    #[error(
        "{}: written in format {format}, which is read, and not written on: `replay`, `journal` \
         and `audit` read it. Begin in a new folder for `data`, or use the build that wrote it.",
        file.display()
    )]
    OldVersion {
        /// The segment file.
        file: PathBuf,
        /// Its format version.
        format: u16,
    },
    /// The configuration changed a value that history depends on.
    #[error(
        "{}: the journal was written with {name} = {journal}, the configuration says {configured}. \
         Replay would differ: set it back, or start in a new folder.", file.display()
    )]
    WrongMeaning {
        /// The segment file.
        file: PathBuf,
        /// The value's name.
        name: &'static str,
        /// What the journal says.
        journal: String,
        /// What the configuration says.
        configured: String,
    },
    /// The event log knows more than the command log.
    #[error(
        "{}: the event log reaches command {events}, the command log only {commands}. Events are \
         derived from commands: move this folder away, and replay writes it again.",
        folder.display()
    )]
    EventsAhead {
        /// The folder of the event log.
        folder: PathBuf,
        /// The last command with an event.
        events: u64,
        /// The last command.
        commands: u64,
    },
    /// Something that was on the disk is there no more.
    #[error(
        "{}: the log ends with message {last}, but message {sealed} was on the disk ({}). This is \
         a loss and not an interrupted write: restore the log from the standby or from a backup.",
        folder.display(), seals.display()
    )]
    Lost {
        /// The folder of the log.
        folder: PathBuf,
        /// The last message there is.
        last: u64,
        /// A message that was there.
        sealed: u64,
        /// The file that says so.
        seals: PathBuf,
    },
    /// Another history than the one that was sealed.
    #[error(
        "{}: something after message {after} and up to message {sealed} is not what was sealed \
         in {}: the log was changed, or these are the seals of another one.",
        folder.display(), seals.display()
    )]
    Changed {
        /// The folder of the log.
        folder: PathBuf,
        /// The last seal that it agrees with; 0 for none.
        after: u64,
        /// The first seal that it does not agree with.
        sealed: u64,
        /// The file with that seal.
        seals: PathBuf,
    },
    /// A superblock that cannot be read.
    #[error(
        "{}: no part of the superblock is good. `wirematch journal verify` says whether the log \
         is; if so, remove this file, and the next start makes it again.", file.display()
    )]
    Superblock {
        /// The file.
        file: PathBuf,
    },
    /// A file of anchors with a line that is none.
    #[error("{}, line {line}: {what}", file.display())]
    Anchors {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The list of commands that are put aside has a line that is none.
    #[error("{}, line {line}: {what}", file.display())]
    PutAside {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has the log open for writing.
    #[error("{}: another process writes this log. Stop it first.", folder.display())]
    Locked {
        /// The folder of the log.
        folder: PathBuf,
    },
    /// No log where one was to be read.
    #[error(
        "{}: there is no journal here. Name a folder that holds `commands` and `events`.",
        folder.display()
    )]
    NoJournal {
        /// The folder.
        folder: PathBuf,
    },
    /// What is asked for was kept for its time, and is gone.
    #[error(
        "{}: the log begins after message {last}: what was before, up to {until}, was kept for its \
         time and pruned. Begin from a snapshot, or put archived segments back and remove the file \
         `pruned`.", folder.display()
    )]
    Pruned {
        /// The folder of the log.
        folder: PathBuf,
        /// The last message that is gone.
        last: u64,
        /// Its time.
        until: String,
    },
    /// Settings that cannot work.
    #[error("{0}")]
    Settings(String),
    /// The operating system refused.
    #[error("{}: cannot {doing}", file.display())]
    Disk {
        /// The file or folder.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl JournalError {
    /// Wraps what the system said when `doing` something with `file`.
    pub(crate) fn disk(
        file: impl Into<PathBuf>,
        doing: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Disk { file, doing, source }
    }
}
