//! Reads a whole log and says what it is worth, changing nothing.
//!
//! A torn tail and a rotten middle must not look alike. Behind a torn tail nothing is good, or, as
//! the system sends pages to the disk in any order, only frames that were written before what is
//! missing was known to be there. Anything else good behind something bad is damage, an error, and
//! never cut off.

use std::path::Path;

use crate::journal::frame::{FrameHeader, check_body};
use crate::journal::map::{Map, PAGE};
use crate::journal::seal::Superblock;
use crate::journal::segment::{HEADER_LINES, SEGMENT_BYTES_MIN, SegmentFile, SegmentHeader};
use crate::journal::{Disk, Files, JournalError, LogKind, Place, Pruned, Wrong};
use crate::model::Line;

/// A piece of the tail that is not part of the log and can be cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where it starts.
    pub place: Place,
    /// Bytes up to the last that is not zero, or up to the end the file should have.
    pub bytes: u64,
    /// What is wrong with it.
    pub wrong: Wrong,
}

impl Torn {
    /// The end of an event log whose last events are of commands that the command log lacks.
    pub(crate) fn ahead(events: &Scan) -> Self {
        let last = events.segments.iter().rev().find(|segment| segment.header.is_some());
        let (file, line) = last.map_or((SegmentFile::new(Path::new(""), 1), 0), |segment| {
            (segment.file.clone(), segment.end)
        });
        Self { place: file.place(line, events.last), bytes: 0, wrong: Wrong::Ahead }
    }
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, wrong, bytes } = self;
        match wrong {
            Wrong::Ahead => write!(f, "{place}: {wrong}"),
            _ => write!(f, "{place}: {wrong}; {bytes} bytes are no part of the log"),
        }
    }
}

/// One segment, as found.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// Its file.
    pub file: SegmentFile,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its header; none where the segment waits to be used.
    pub header: Option<SegmentHeader>,
    /// Frames in it.
    pub frames: u64,
    /// Messages in it.
    pub messages: u64,
    /// Id of the last message in it, or before it.
    pub last: u64,
    /// The line after its last frame.
    pub end: usize,
    /// Whether an end mark says that the log goes on in the next segment.
    pub ended: bool,
}

/// A log, as found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Which log.
    pub kind: LogKind,
    /// Its segments, those that wait to be used included.
    pub segments: Vec<Scanned>,
    /// Id of the last message; 0 in an empty log.
    pub last: u64,
    /// What can be cut off the tail.
    pub torn: Vec<Torn>,
    /// Each epoch, and the id of its first message.
    pub epochs: Vec<(u32, u64)>,
    /// Header checksum of the last frame.
    pub(crate) link: u32,
    /// Where the log ends, once that is known, and why if not cleanly.
    over: Option<(Place, Option<Wrong>)>,
    /// The last message that was on the disk for sure.
    sealed: u64,
}

/// Reads and checks a whole log; calls `watch` with the bytes of each segment done.
///
/// # Errors
/// The first bad place, unless it is a torn tail (see [`Scan::torn`]).
pub fn scan(
    folder: &Path,
    kind: LogKind,
    watch: &mut dyn FnMut(u64),
) -> Result<Scan, JournalError> {
    scan_from(folder, kind, 0, Files.boot(), watch)
}

/// As [`scan`], of the segments from that of an id on; of those before only the headers are read,
/// and what links to them is taken on trust, as far as it is known to have been on the disk: what
/// power may have taken is read wherever it lies. `boot` says which running of the machine this is
/// ([`Disk::boot`](crate::journal::Disk::boot)).
///
/// # Errors
/// As [`scan`].
pub fn scan_from(
    folder: &Path,
    kind: LogKind,
    from: u64,
    boot: u64,
    watch: &mut dyn FnMut(u64),
) -> Result<Scan, JournalError> {
    let mut scan = Scan {
        kind,
        segments: vec![],
        last: 0,
        torn: vec![],
        epochs: vec![],
        link: 0,
        over: None,
        sealed: sealed(folder, kind, boot),
    };
    let files = SegmentFile::list(folder)?;
    let begin = segment_of(&files, from.min(scan.sealed.saturating_add(1)))?;
    if let Some(gone) = Pruned::read(folder)?.filter(|_| begin == 0) {
        (scan.link, scan.last, scan.epochs) = (gone.link, gone.seal.id, gone.epochs);
    }
    for (at, file) in files.into_iter().enumerate() {
        let scanned = match at < begin {
            true => scan.trusted(&file, &file.peek()?)?,
            false => scan.segment(&file, &file.map()?)?,
        };
        watch(scanned.bytes);
        scan.segments.push(scanned);
    }
    match scan.segments.last() {
        None if !folder.is_dir() => Err(JournalError::NoJournal { folder: folder.to_owned() }),
        Some(last) if last.ended => {
            let file = SegmentFile::new(folder, last.file.ordinal + 1).path;
            Err(JournalError::MissingSegment { file })
        }
        _ => Ok(scan),
    }
}

/// What was on the disk as the superblock has it. All, where it cannot be read, and where the
/// machine ran ever since: its memory then held what the disk had not yet.
fn sealed(folder: &Path, kind: LogKind, boot: u64) -> u64 {
    match Superblock::read(folder, kind) {
        Ok(Some(mark)) if boot != 0 && mark.boot == boot => u64::MAX,
        Ok(Some(mark)) if !mark.is_cut => mark.seal.id,
        Ok(_) => 0,
        Err(_) => u64::MAX,
    }
}

/// The place of the last segment that begins with an id or before it; the first where none does.
fn segment_of(files: &[SegmentFile], from: u64) -> Result<usize, JournalError> {
    if from == 0 {
        return Ok(0);
    }
    for (at, file) in files.iter().enumerate().skip(1).rev() {
        if let Ok(Some(header)) = SegmentHeader::read(&file.peek()?)
            && header.first <= from
        {
            return Ok(at);
        }
    }
    Ok(0)
}

/// Checks that the event log is no longer than the command log.
///
/// # Errors
/// [`JournalError::EventsAhead`].
pub fn check_pair(journal: &Path, commands: &Scan, events: &Scan) -> Result<(), JournalError> {
    let reached = LogKind::Events.seq(events.last);
    if reached <= commands.last {
        return Ok(());
    }
    let folder = LogKind::Events.folder(journal);
    Err(JournalError::EventsAhead { folder, events: reached, commands: commands.last })
}

impl Scan {
    /// Frames in the log.
    pub fn frames(&self) -> u64 {
        self.segments.iter().map(|segment| segment.frames).sum()
    }

    /// Messages in the log.
    pub fn messages(&self) -> u64 {
        self.segments.iter().map(|segment| segment.messages).sum()
    }

    /// A segment of which only the header is read.
    fn trusted(&mut self, file: &SegmentFile, map: &Map) -> Result<Scanned, JournalError> {
        let damaged = |wrong| JournalError::Damaged { place: file.place(0, 0), wrong };
        let header = SegmentHeader::read(map).map_err(damaged)?;
        let header = header.ok_or(damaged(Wrong::SegmentOrder))?;
        header.check(file, self.kind, map.bytes())?;
        let (file, bytes, header) = (file.clone(), map.bytes() as u64, Some(header));
        let (frames, messages, last, end, ended) = (0, 0, 0, 0, true);
        Ok(Scanned { file, bytes, header, frames, messages, last, end, ended })
    }

    fn segment(&mut self, file: &SegmentFile, map: &Map) -> Result<Scanned, JournalError> {
        let mut scanned = Scanned {
            file: file.clone(),
            bytes: map.bytes() as u64,
            header: None,
            frames: 0,
            messages: 0,
            last: self.last,
            end: 0,
            ended: false,
        };
        if let Some((place, wrong)) = self.over.clone() {
            let wrong = wrong.unwrap_or(Wrong::Unfinished);
            self.check_dead(file, map, 0, place, wrong)?;
            self.note_leftover(file, map, 0, Wrong::AfterEnd);
            return Ok(scanned);
        }
        match SegmentHeader::read(map) {
            Ok(Some(header)) => self.begun(file, map, header, &mut scanned)?,
            Ok(None) => {
                self.end_here(file, map, 0, Wrong::AfterEnd, None)?;
                self.note_short(
                    file,
                    map,
                    SEGMENT_BYTES_MIN.max(map.bytes().div_ceil(PAGE) * PAGE),
                );
            }
            Err(wrong) => self.end_here(file, map, 0, wrong, Some(wrong))?,
        }
        Ok(scanned)
    }

    /// Walks the frames of a segment with a good header.
    fn begun(
        &mut self,
        file: &SegmentFile,
        map: &Map,
        header: SegmentHeader,
        scanned: &mut Scanned,
    ) -> Result<(), JournalError> {
        header.check(file, self.kind, map.bytes())?;
        let former = self.segments.last().and_then(|former| former.header);
        if former.is_some() && self.link == 0 {
            // What comes before was not read.
            (self.link, self.last) = (header.previous, header.first.saturating_sub(1));
        }
        let follows = header.previous == self.link
            && self.kind.follows(self.last, header.first)
            && former.is_none_or(|former| former.meaning() == header.meaning());
        if !follows {
            return Err(self.damaged(file, 0, Wrong::SegmentOrder));
        }
        self.link = header.crc;
        scanned.header = Some(header);
        let mut walk = Walk {
            at: HEADER_LINES,
            link: self.link,
            last: self.last,
            epoch: self.epochs.last().map_or(0, |(epoch, _)| *epoch),
            ..Walk::default()
        };
        let (wrong, bad) = loop {
            match walk.step(map, self.kind, &header) {
                Ok(Step::Frame(messages)) => {
                    scanned.frames += 1;
                    scanned.messages += messages;
                    if self.epochs.last().is_none_or(|(epoch, _)| *epoch != walk.epoch) {
                        self.epochs.push((walk.epoch, walk.first));
                    }
                }
                Ok(Step::End) => {
                    scanned.ended = true;
                    break (Wrong::AfterEnd, None);
                }
                Ok(Step::Nothing) => break (Wrong::AfterEnd, None),
                Err(wrong) => break (wrong, Some(wrong)),
            }
        };
        (self.link, self.last) = (walk.link, walk.last);
        (scanned.last, scanned.end) = (walk.last, walk.at);
        if scanned.ended {
            self.check_dead(file, map, walk.at, file.place(walk.at, self.last), wrong)?;
            self.note_leftover(file, map, walk.at, wrong);
        } else {
            self.end_here(file, map, walk.at, wrong, bad)?;
        }
        self.note_short(file, map, header.bytes as usize);
        Ok(())
    }

    /// The log ends at a line, cleanly (`bad` is none) or not; nothing behind it may be good.
    fn end_here(
        &mut self,
        file: &SegmentFile,
        map: &Map,
        at: usize,
        wrong: Wrong,
        bad: Option<Wrong>,
    ) -> Result<(), JournalError> {
        if matches!(
            bad,
            Some(Wrong::Link | Wrong::Epoch { .. } | Wrong::Sequence { .. } | Wrong::Message)
        ) {
            // Its checksum is right: it was written whole, but does not belong here.
            return Err(self.damaged(file, at, wrong));
        }
        let place = file.place(at, self.last);
        // The bad frame itself may have a good header, so look from the line after.
        self.check_dead(file, map, at + usize::from(bad.is_some()), place.clone(), wrong)?;
        self.note_leftover(file, map, at, wrong);
        self.over = Some((place, bad));
        Ok(())
    }

    /// Checks that no good frame from line `at` on could belong to the log. One that was written
    /// when nothing of what is missing was known to be on the disk may stand there: the system
    /// sends pages in any order, and the power went before their turn came.
    fn check_dead(
        &self,
        file: &SegmentFile,
        map: &Map,
        at: usize,
        place: Place,
        wrong: Wrong,
    ) -> Result<(), JournalError> {
        let is_sealed = self.sealed > self.last;
        let begun = at == 0 && matches!(SegmentHeader::read(map), Ok(Some(_)));
        let seeds = SegmentHeader::seeds(map);
        let belongs = |line: &Line| {
            seeds.iter().any(|&seed| match FrameHeader::read(line, self.kind, seed) {
                Ok(Some(frame)) => is_sealed || frame.known == 0 || frame.known - 1 > self.last,
                Ok(None) => false,
                // The checksum was right.
                Err(wrong) => wrong == Wrong::Message,
            })
        };
        let is_damaged =
            begun && is_sealed || (at.max(1)..map.lines()).any(|at| belongs(&map.line(at)));
        if !is_damaged {
            return Ok(());
        }
        debug_assert!(place.file <= file.path, "what follows comes later");
        Err(JournalError::Damaged { place, wrong })
    }

    /// Notes what is not zero from a line on.
    fn note_leftover(&mut self, file: &SegmentFile, map: &Map, at: usize, wrong: Wrong) {
        let Some(last) = (at..map.lines()).rev().find(|&at| !map.is_blank(at)) else { return };
        let bytes = ((last + 1 - at) * size_of::<Line>()) as u64;
        self.torn.push(Torn { place: file.place(at, self.last), bytes, wrong });
    }

    /// Notes the bytes that a file should have at its end and has not.
    fn note_short(&mut self, file: &SegmentFile, map: &Map, wanted: usize) {
        if map.bytes() < wanted {
            // From a whole line on, so that no part of one stays behind.
            let place = file.place(map.lines(), self.last);
            let bytes = wanted as u64 - place.offset;
            self.torn.push(Torn { place, bytes, wrong: Wrong::Short });
        }
    }

    fn damaged(&self, file: &SegmentFile, at: usize, wrong: Wrong) -> JournalError {
        JournalError::Damaged { place: file.place(at, self.last), wrong }
    }
}

/// A walk over the frames of one segment.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The line of the next frame's header.
    pub(crate) at: usize,
    /// Header checksum of the frame before.
    pub(crate) link: u32,
    /// Id of the last message.
    pub(crate) last: u64,
    /// Id of the last frame's first message.
    pub(crate) first: u64,
    /// Epoch of the last frame.
    pub(crate) epoch: u32,
    /// The body of the last frame.
    pub(crate) body: Vec<Line>,
}

/// What a step of a walk found.
pub(crate) enum Step {
    /// A good frame of so many messages, now in `body`.
    Frame(u64),
    /// The end mark: the log goes on in the next segment.
    End,
    /// No frame was written here yet.
    Nothing,
}

impl Walk {
    /// At the first frame of a segment; what comes before is taken on trust.
    pub(crate) fn begin(header: &SegmentHeader) -> Self {
        let last = header.first.saturating_sub(1);
        Self { at: HEADER_LINES, link: header.crc, last, ..Self::default() }
    }

    /// Takes the next frame, after checking it; on an error and on nothing it stays where it is.
    pub(crate) fn step(
        &mut self,
        map: &Map,
        kind: LogKind,
        segment: &SegmentHeader,
    ) -> Result<Step, Wrong> {
        let Some(header) = FrameHeader::read(&map.line(self.at), kind, segment.crc)? else {
            return Ok(Step::Nothing);
        };
        if header.previous != self.link {
            return Err(Wrong::Link);
        }
        if header.epoch < self.epoch {
            return Err(Wrong::Epoch { after: self.epoch, found: header.epoch });
        }
        let lines = header.lines as usize;
        if self.at + 1 + lines > map.lines() {
            return Err(Wrong::Length);
        }
        if header.is_end() {
            let after = self.last;
            if header.first != after.saturating_add(1) {
                return Err(Wrong::Sequence { after, found: header.first });
            }
        } else {
            self.body.clear();
            self.body.extend((0..lines).map(|line| map.line(self.at + 1 + line)));
            self.last = check_body(&header, kind, &self.body, self.last)?;
            self.first = header.first;
        }
        self.at += 1 + lines;
        self.link = header.crc;
        self.epoch = header.epoch;
        Ok(if header.is_end() { Step::End } else { Step::Frame(header.count as u64) })
    }
}
