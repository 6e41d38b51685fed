//! Reads a log message by message, from any id on, also while a writer in another thread or
//! process goes on: "no more" then means "not yet".

use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::journal::map::Map;
use crate::journal::scan::{Step, Walk};
use crate::journal::segment::{HEADER_LINES, SegmentFile, SegmentHeader};
use crate::journal::{JournalError, Logged, Place, Pruned, Wrong};
use crate::model::{Event, Group, Line};

/// Reads one log.
#[derive(Debug)]
pub struct Reader<H: Logged> {
    folder: PathBuf,
    current: Option<Current>,
    /// The segment to open next; only meant while there is no current one.
    next: u64,
    walk: Walk,
    /// The first line of `walk.body` not yet handed out.
    handed: usize,
    /// Messages with smaller ids are passed over.
    from: u64,
    /// What is gone of the log's beginning.
    gone: Option<Pruned>,
    heads: PhantomData<H>,
}

/// The segment being read.
#[derive(Debug)]
struct Current {
    file: SegmentFile,
    map: Map,
    header: SegmentHeader,
}

impl<H: Logged> Reader<H> {
    /// Reads the log in a folder from the first message whose id is not below `from`.
    ///
    /// An empty folder, or none yet, is a log without messages so far. Of a log whose beginning was
    /// pruned and asked for, the first read says so.
    ///
    /// # Errors
    /// A folder that cannot be read, and a bad segment header.
    pub fn open(folder: &Path, from: u64) -> Result<Self, JournalError> {
        let mut reader = Self {
            folder: folder.to_owned(),
            current: None,
            next: 1,
            walk: Walk::default(),
            handed: 0,
            from,
            gone: None,
            heads: PhantomData,
        };
        if !folder.exists() {
            return Ok(reader);
        }
        reader.gone = Pruned::read(folder)?;
        // Reading on says what is missing.
        if from <= reader.gone.as_ref().map_or(1, |gone| gone.seal.id) {
            return Ok(reader);
        }
        let oldest = reader.gone.as_ref().map_or(1, |gone| gone.segments + 1);
        // From the newest backwards: whoever seeks most often wants the end.
        for file in SegmentFile::list(folder)?.into_iter().rev() {
            reader.next = file.ordinal;
            let Some(header) = header::<H>(&file, &file.peek()?)? else { continue };
            if header.first <= from || file.ordinal == oldest {
                // What comes before is not read, so the link to it is taken on trust.
                reader.walk.link = header.previous;
                reader.walk.last = header.first.saturating_sub(1);
                reader.enter(Current { map: file.map()?, file, header });
                break;
            }
        }
        Ok(reader)
    }

    /// Reads a log from the first message that is there.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_oldest(folder: &Path) -> Result<Self, JournalError> {
        let gone = Pruned::read(folder)?;
        Self::open(folder, gone.map_or(0, |gone| gone.seal.id.saturating_add(1)))
    }

    /// The next message; nothing where the log has no more for now.
    ///
    /// # Errors
    /// [`JournalError::Pruned`], and a bad place, named. A frame that is being written is never
    /// seen, whole or in part.
    pub fn read(&mut self) -> Result<Option<Group<H>>, JournalError> {
        let [head, rest @ ..] = self.read_lines()? else { return Ok(None) };
        Ok(Some(Group::of_parts(bytemuck::cast_ref(head), rest)))
    }

    /// The lines of the next message where they lie, its head first; none where the log has no more
    /// for now.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_lines(&mut self) -> Result<&[Line], JournalError> {
        loop {
            while let Some(lines) = self.take() {
                let head = self.walk.body.get(lines.start).map(bytemuck::cast_ref::<Line, H>);
                if head.is_some_and(|head| head.id() >= self.from) {
                    return Ok(self.walk.body.get(lines).unwrap_or(&[]));
                }
            }
            if !self.load()? {
                return Ok(&[]);
            }
        }
    }

    /// The epoch of the message read last.
    pub fn epoch(&self) -> u32 {
        self.walk.epoch
    }

    /// Where the next frame is read.
    pub fn place(&self) -> Place {
        let at = self.walk.at;
        match &self.current {
            Some(current) => current.file.place(at, self.walk.last),
            None => SegmentFile::new(&self.folder, self.next).place(0, self.walk.last),
        }
    }

    /// Hands out the next message of the frame in hand: where its lines are.
    #[inline]
    fn take(&mut self) -> Option<Range<usize>> {
        let begin = self.handed;
        let head = bytemuck::cast_ref::<Line, H>(self.walk.body.get(begin)?);
        self.handed = (begin + head.lines()).min(self.walk.body.len());
        Some(begin..self.handed)
    }

    /// Loads the next frame, from the next segment if need be; `false` where there is none yet.
    fn load(&mut self) -> Result<bool, JournalError> {
        self.walk.body.clear();
        self.handed = 0;
        loop {
            let Some(current) = &self.current else {
                if let Some(gone) = self.gone.as_ref().filter(|gone| self.next <= gone.segments) {
                    return Err(gone.error(&self.folder));
                }
                let Some(file) = SegmentFile::find(&self.folder, self.next) else {
                    // An end mark is written only when the next segment stands ready.
                    let file = SegmentFile::new(&self.folder, self.next).path;
                    let missing = JournalError::MissingSegment { file };
                    return if self.next == 1 { Ok(false) } else { Err(missing) };
                };
                let map = file.map()?;
                let Some(header) = header::<H>(&file, &map)? else { return Ok(false) };
                let current = Current { file, map, header };
                self.follow(&current)?;
                self.enter(current);
                continue;
            };
            match self.walk.step(&current.map, H::KIND, &current.header) {
                Ok(Step::Frame(_)) => return Ok(true),
                Ok(Step::Nothing) => return Ok(false),
                Ok(Step::End) => {
                    self.next = current.file.ordinal + 1;
                    self.current = None;
                }
                Err(wrong) => return Err(JournalError::Bad { place: self.place(), wrong }),
            }
        }
    }

    fn enter(&mut self, current: Current) {
        self.walk.at = HEADER_LINES;
        self.walk.link = current.header.crc;
        self.current = Some(current);
    }

    /// Checks that a segment follows the one before it.
    fn follow(&self, next: &Current) -> Result<(), JournalError> {
        let header = &next.header;
        if header.previous == self.walk.link && H::KIND.follows(self.walk.last, header.first) {
            return Ok(());
        }
        let place = next.file.place(0, self.walk.last);
        Err(JournalError::Bad { place, wrong: Wrong::SegmentOrder })
    }
}

impl Reader<Event> {
    /// The next event; nothing where the log has no more for now.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_event(&mut self) -> Result<Option<Event>, JournalError> {
        Ok(self.read_lines()?.first().map(|head| bytemuck::cast(*head)))
    }
}

/// The header of a segment; nothing where it was not begun.
fn header<H: Logged>(file: &SegmentFile, map: &Map) -> Result<Option<SegmentHeader>, JournalError> {
    match SegmentHeader::read(map) {
        Ok(Some(header)) => header.check(file, H::KIND, map.bytes()).map(|()| Some(header)),
        Ok(None) => Ok(None),
        Err(wrong) => Err(JournalError::Bad { place: file.place(0, 0), wrong }),
    }
}
