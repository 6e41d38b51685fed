//! A snapshot as a file: what it is of, where in history it stands, the sections, and a digest over
//! all of it, without which nothing of it is believed.

use crate::model::{EventId, Nanos, SeqNo};
use crate::snapshot::{Bad, Part, Source, codes, part};

/// The layout's version: raised when any part is written otherwise. A snapshot of another version
/// is passed over, and history folded instead.
pub const FORMAT_VERSION: u32 = 4;

const MAGIC: [u8; 8] = *b"WMSTATE\n";
const DIGEST: usize = 32;
/// Changes of epoch that are kept: each is a start of a machine as primary.
const EPOCHS_MAX: usize = 1 << 20;

/// Where a snapshot stands, and what it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// The last command that is in it.
    pub seq: SeqNo,
    /// That command's time.
    pub timestamp: Nanos,
    /// The last event that is in it.
    pub last_event: EventId,
    /// A hash of that command as it lies in the journal: another history has another.
    pub mark: [u8; 32],
    /// A hash of the configuration that history depends on.
    pub config: [u8; 32],
    /// A hash of the sources that wrote it: for people, another build may read it.
    pub build: [u8; 32],
    /// Each epoch up to there, and its first command.
    pub epochs: Vec<(u32, u64)>,
}

part!(Head { seq, timestamp, last_event, mark, config, build });

/// A [`Stand`] without its list, which has no bound of its own.
#[derive(Clone, Debug, Default)]
struct Head {
    seq: SeqNo,
    timestamp: Nanos,
    last_event: EventId,
    mark: [u8; 32],
    config: [u8; 32],
    build: [u8; 32],
}

impl Part for Stand {
    fn write(&self, to: &mut Vec<u8>) {
        let Self { seq, timestamp, last_event, mark, config, build, epochs } = self.clone();
        Head { seq, timestamp, last_event, mark, config, build }.write(to);
        epochs.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let head = from.value::<Head>().map_err(|bad| bad.at("stand"))?;
        let Head { seq, timestamp, last_event, mark, config, build } = head;
        let count = from.count(EPOCHS_MAX).map_err(|bad| bad.at("epochs"))?;
        let epochs = (0..count).map(|_| from.value()).collect::<Result<_, _>>()?;
        *self = Self { seq, timestamp, last_event, mark, config, build, epochs };
        Ok(())
    }
}

/// Whose state a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// Risk, and events on their way back to it.
    Risk = 1,
    /// Clients' sessions.
    Gateway = 2,
    /// Clients' FIX sessions.
    Fix = 3,
    /// Our sessions at other appliances.
    Peers = 4,
    /// Our sessions at exchanges.
    Venues = 5,
    /// What was published.
    Feed = 6,
    /// Books, and what rests elsewhere.
    Books = 7,
}

impl Section {
    /// All of them, in the order of the file.
    pub const ALL: &[Self] =
        &[Self::Risk, Self::Books, Self::Gateway, Self::Fix, Self::Peers, Self::Venues, Self::Feed];

    /// Its byte.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The section of a byte.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|section| section.code() == code)
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Risk => "risk",
            Self::Books => "books",
            Self::Gateway => "gateway",
            Self::Fix => "fix",
            Self::Peers => "peers",
            Self::Venues => "venues",
            Self::Feed => "feed",
        }
    }
}

codes!(Section);

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// They are something else.
    #[error("it does not begin as a snapshot does")]
    Magic,
    /// They are of another layout.
    #[error("it is of version {0}, this build reads version {FORMAT_VERSION}")]
    Version(u32),
    /// They were changed or cut.
    #[error("its digest is another than the one written: it was changed or cut short")]
    Digest,
    /// They were written by something that writes otherwise.
    #[error(transparent)]
    Bad(#[from] Bad),
}

/// A snapshot being written.
#[derive(Debug)]
pub struct Composer {
    bytes: Vec<u8>,
    state: usize,
}

impl Composer {
    /// Of what stands there.
    pub fn new(stand: &Stand) -> Self {
        let mut bytes = MAGIC.to_vec();
        FORMAT_VERSION.write(&mut bytes);
        stand.write(&mut bytes);
        let state = bytes.len();
        Self { bytes, state }
    }

    /// Adds a section; each comes once, in the order of [`Section::ALL`].
    pub fn add(&mut self, section: Section, write: impl FnOnce(&mut Vec<u8>)) {
        section.write(&mut self.bytes);
        let at = self.bytes.len();
        0u64.write(&mut self.bytes);
        write(&mut self.bytes);
        let length = (self.bytes.len() - at - 8) as u64;
        if let Some(place) = self.bytes.get_mut(at..at + 8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// The state's digest: of the sections alone, so that the same state has the same wherever it
    /// comes from.
    pub fn digest(&self) -> [u8; 32] {
        blake3::hash(self.bytes.get(self.state..).unwrap_or(&[])).into()
    }

    /// The file's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        let digest = blake3::hash(&self.bytes);
        self.bytes.extend_from_slice(digest.as_bytes());
        self.bytes
    }
}

/// A snapshot that was looked at whole: its bytes are those that were written.
#[derive(Debug)]
pub struct Container<'a> {
    /// Where it stands.
    pub stand: Stand,
    state: &'a [u8],
    sections: Vec<(Section, &'a [u8])>,
}

impl<'a> Container<'a> {
    /// Looks at bytes.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        Self::check(bytes)?;
        Self::of_checked(bytes)
    }

    /// Whether bytes are those that were written.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn check(bytes: &[u8]) -> Result<(), ContainerError> {
        let (body, digest) = split(bytes)?;
        let mut from = Source::new(body);
        if from.take(MAGIC.len())? != MAGIC {
            return Err(ContainerError::Magic);
        }
        let version = from.value::<u32>()?;
        if version != FORMAT_VERSION {
            return Err(ContainerError::Version(version));
        }
        let is_same = blake3::hash(body).as_bytes() == digest;
        if is_same { Ok(()) } else { Err(ContainerError::Digest) }
    }

    /// The sections of bytes that [`Container::check`] has seen.
    ///
    /// # Errors
    /// [`ContainerError::Bad`].
    pub fn of_checked(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let mut from = Source::new(split(bytes)?.0);
        from.take(MAGIC.len())?;
        from.value::<u32>()?;
        let stand = from.value::<Stand>()?;
        let state = from.0;
        let mut sections = Vec::new();
        for &section in Section::ALL {
            let found = from.value::<Section>()?;
            if found != section {
                return Err(Bad::new("it is not there").at(section.name()).into());
            }
            let length = from.value::<usize>()?;
            sections.push((section, from.take(length).map_err(|bad| bad.at(section.name()))?));
        }
        from.end()?;
        Ok(Self { stand, state, sections })
    }

    /// The state's digest, as [`Composer::digest`]; a start does not need it.
    pub fn digest(&self) -> [u8; 32] {
        blake3::hash(self.state).into()
    }

    /// Fills a part from its section, which must be all used up.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn fill(&self, section: Section, part: &mut impl Part) -> Result<(), Bad> {
        self.read(section, |from| part.read(from))
    }

    /// Reads a section, which must be all used up.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn read(
        &self,
        section: Section,
        read: impl FnOnce(&mut Source<'_>) -> Result<(), Bad>,
    ) -> Result<(), Bad> {
        let found = self.sections.iter().find(|(found, _)| *found == section);
        let mut from = Source::new(found.map_or(&[][..], |(_, bytes)| bytes));
        let filled = read(&mut from).and_then(|()| from.end());
        filled.map_err(|bad| bad.at(section.name()))
    }

    /// Bytes of each section, for people.
    pub fn sizes(&self) -> impl Iterator<Item = (Section, usize)> + '_ {
        self.sections.iter().map(|(section, bytes)| (*section, bytes.len()))
    }
}

/// What was written, and its digest.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), ContainerError> {
    let at = bytes.len().checked_sub(DIGEST).ok_or(ContainerError::Magic)?;
    bytes.split_at_checked(at).ok_or(ContainerError::Magic)
}
