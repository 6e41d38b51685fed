//! Opens a log for writing, after whatever happened to it: checks all of it, cuts a torn tail,
//! and lets a writer go on where the log ends.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::journal::cut::{cut_events, first_after};
use crate::journal::maker::Maker;
use crate::journal::map::{MapMut, PAGE};
use crate::journal::seal::Found;
use crate::journal::segment::{HEADER_LINES, Segment, SegmentFile, Stamp};
use crate::journal::syncer::{Ends, Syncer};
use crate::journal::writer::{Left, Supply};
use crate::journal::{
    Chain, Disk, Files, JournalError, Keeper, LogKind, Logged, Meaning, Progress, Scan, Settings,
    Torn, UtcMapping, Writer, check_pair, scan_from,
};
use crate::model::{Command, Event, Line};

/// A log open for writing.
#[derive(Debug)]
pub struct Opened<H: Logged> {
    /// Goes to the hot core.
    pub writer: Writer<H>,
    /// Goes to a thread ([`Keeper::spawn`]); it has filled the writer's supply once.
    pub keeper: Keeper,
    /// Id of the last message; 0 in an empty log.
    pub last: u64,
    /// Messages in the log.
    pub messages: u64,
    /// What was cut off the tail.
    pub torn: Vec<Torn>,
    /// Each epoch, and the id of its first message.
    pub epochs: Vec<(u32, u64)>,
}

/// Opens or creates the log of `H` in a folder.
///
/// # Errors
/// Damage, another version or meaning, a second writer, a disk that is full or refuses.
pub fn open<H: Logged>(
    folder: &Path,
    meaning: Meaning,
    utc: UtcMapping,
    settings: &Settings,
) -> Result<Opened<H>, JournalError> {
    open_with(folder, meaning, utc, settings, Arc::new(Files))
}

/// Opens or creates both logs of a journal. Where power went when events were on the disk and their
/// commands were not yet, those events are cut off.
///
/// # Errors
/// As [`open`], and [`JournalError::EventsAhead`].
pub fn open_both(
    journal: &Path,
    meaning: Meaning,
    utc: UtcMapping,
    settings: &Settings,
) -> Result<(Opened<Command>, Opened<Event>), JournalError> {
    open_both_from(journal, (0, 0), meaning, utc, settings, Arc::new(Files))
}

/// As [`open_both`] on a given disk, where both logs are known to be good up to a command and an
/// event of theirs: what comes before their segments is not read.
///
/// # Errors
/// As [`open_both`].
pub fn open_both_from(
    journal: &Path,
    (command, event): (u64, u64),
    meaning: Meaning,
    utc: UtcMapping,
    settings: &Settings,
    disk: Arc<dyn Disk>,
) -> Result<(Opened<Command>, Opened<Event>), JournalError> {
    let folder = |kind: LogKind| kind.folder(journal);
    let commands = Locked::<Command>::new(folder(Command::KIND), command, settings, disk.clone())?;
    let locked = || Locked::<Event>::new(folder(Event::KIND), event, settings, disk.clone());
    let (mut events, mut ahead) = (locked()?, None);
    if check_pair(journal, &commands.scan, &events.scan).is_err() {
        // Neither log waits for the other's syncs. That commands are gone which had been on the
        // disk for sure, the command log's own seal would have told.
        ahead = Some(Torn::ahead(&events.scan));
        drop(events);
        cut_events(journal, commands.scan.last)?;
        events = locked()?;
        check_pair(journal, &commands.scan, &events.scan)?;
    }
    let stamped = |kind| Stamp { kind, meaning, utc };
    let commands = commands.open(stamped(Command::KIND), settings)?;
    let mut events = events.open(stamped(Event::KIND), settings)?;
    events.torn.extend(ahead);
    Ok((commands, events))
}

/// As [`open`], on a given disk.
///
/// # Errors
/// As [`open`].
pub fn open_with<H: Logged>(
    folder: &Path,
    meaning: Meaning,
    utc: UtcMapping,
    settings: &Settings,
    disk: Arc<dyn Disk>,
) -> Result<Opened<H>, JournalError> {
    let stamp = Stamp { kind: H::KIND, meaning, utc };
    Locked::<H>::new(folder.to_owned(), 0, settings, disk)?.open(stamp, settings)
}

/// A log that is ours to write, as it was found.
struct Locked<H> {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    lock: File,
    scan: Scan,
    found: Found,
    chain: Chain,
    heads: PhantomData<H>,
}

impl<H: Logged> Locked<H> {
    fn new(
        folder: PathBuf,
        from: u64,
        settings: &Settings,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, JournalError> {
        settings.check()?;
        let created = create_folder(&folder, &*disk);
        created.map_err(JournalError::disk(&folder, "make the folder"))?;
        let lock = lock(&folder)?;
        let found = Found::read::<H>(&folder, settings)?;
        // On another core, since it takes as long as the scan.
        let (scan, chain) = std::thread::scope(|scope| {
            let chain = scope.spawn(|| found.check::<H>(from));
            (scan_from(&folder, H::KIND, from, disk.boot(), &mut |_| ()), chain.join())
        });
        let scan = scan?;
        let chain = chain.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        found.seals.check_reach(scan.last)?;
        Ok(Self { folder, disk, lock, scan, found, chain, heads: PhantomData })
    }

    fn open(self, stamp: Stamp, settings: &Settings) -> Result<Opened<H>, JournalError> {
        let Self { folder, disk, lock, scan, found, chain, .. } = self;
        let begun = || scan.segments.iter().filter_map(|s| s.header.map(|header| (s, header)));
        if let Some((segment, header)) = begun().next_back() {
            header.check_current(&segment.file.path)?;
            stamp.meaning.check(&header.meaning(), &segment.file.path)?;
        }
        remove_unfinished(&folder).map_err(JournalError::disk(&folder, "tidy the folder"))?;
        for torn in &scan.torn {
            let file = &torn.place.file;
            mend(torn, &*disk).map_err(JournalError::disk(file, "cut the torn tail"))?;
        }
        let sealed = H::KIND.seq(found.sealed());
        for (segment, header) in begun() {
            let path = &segment.file.path;
            if H::KIND.seq(segment.last) >= sealed && !segment.file.is_packed() {
                let map = segment.file.map()?;
                let first = first_after(&map, H::KIND, &header, sealed).unwrap_or(segment.end);
                // The header goes with the first frame.
                let first = if first == HEADER_LINES { 0 } else { first };
                let again = write_again(path, first..segment.end, &*disk);
                again.map_err(JournalError::disk(path, "write the end of the log again"))?;
            }
            sync(path, &*disk).map_err(JournalError::disk(path, "sync the segment"))?;
        }
        let spare = spare(&scan, settings)?;
        let left = left(&scan, &*disk)?;
        let used = begun().next_back().map_or(0, |(segment, _)| segment.file.ordinal);
        let next = used + spare.len() as u64 + 1;
        let current = left.segment.as_ref().map(|(s, _)| (Arc::clone(s), left.at * 64));
        let kept = Kept { folder, lock, disk, spare, next, current, last: scan.last };
        let (supply, mut keeper) = kept.keeper::<H>(found, chain, settings)?;
        keeper.maker.fill()?;
        Ok(Opened {
            writer: Writer::new(stamp, left, settings.reserve_lines, supply),
            keeper,
            last: scan.last,
            messages: scan.messages(),
            torn: scan.torn,
            epochs: scan.epochs,
        })
    }
}

/// What a keeper starts from.
struct Kept {
    folder: PathBuf,
    lock: File,
    disk: Arc<dyn Disk>,
    /// Zeroed files that wait to be used.
    spare: VecDeque<SegmentFile>,
    /// The number of the next file to make.
    next: u64,
    /// The segment the writer goes on in, and up to which byte it is synced.
    current: Option<(Arc<Segment>, usize)>,
    /// Id of the last message.
    last: u64,
}

impl Kept {
    /// The keeper, and its writer's ends of what they share.
    fn keeper<H: Logged>(
        self,
        found: Found,
        chain: Chain,
        settings: &Settings,
    ) -> Result<(Supply, Keeper), JournalError> {
        // One segment being filled, those that are ready, and one being synced: so the ring that
        // takes them back never overflows, and a disk that syncs too slowly is met as lack of room.
        let out_max = settings.ready_segments + 2;
        let out = Arc::new(AtomicUsize::new(usize::from(self.current.is_some())));
        let (ready, writers_ready) = rtrb::RingBuffer::new(settings.ready_segments);
        let (writers_done, done) = rtrb::RingBuffer::new(out_max);
        let (handed, syncers_handed) = mpsc::channel();
        let progress = Arc::new(Progress::starting_at(self.last));
        let maker = Maker {
            disk: Arc::clone(&self.disk),
            folder: self.folder,
            segment_bytes: settings.segment_bytes,
            spare: self.spare,
            next: self.next,
            ready,
            handed,
            out: Arc::clone(&out),
            out_max,
            progress: Arc::clone(&progress),
            zeros: vec![],
            making: None,
            until_retry: Duration::ZERO,
        };
        let ends = Ends { handed: syncers_handed, done, out, progress: Arc::clone(&progress) };
        let interval = settings.sync_interval;
        let disk = Arc::clone(&self.disk);
        let sealer = found.sealer::<H>(chain, Arc::clone(&progress), disk, settings)?;
        let syncer = Syncer::new(self.disk, interval, ends, self.current);
        let supply = Supply { ready: writers_ready, done: writers_done, progress };
        let sealer = Box::new(sealer);
        Ok((supply, Keeper { maker, syncer, sealer, interval, lock: self.lock }))
    }
}

fn create_folder(folder: &Path, disk: &dyn Disk) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // A name without a folder before it has an empty parent.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    disk.sync_file(&File::open(parent.unwrap_or(Path::new(".")))?)
}

/// Takes the locks of both logs, for whoever changes a journal that no appliance has open. They are
/// given back when this is dropped.
///
/// # Errors
/// Somebody has it open, or a folder that is none.
pub fn hold(journal: &Path) -> Result<[File; 2], JournalError> {
    Ok([lock(&LogKind::Commands.folder(journal))?, lock(&LogKind::Events.folder(journal))?])
}

/// How often, every 10 ms, a lock is asked for: the one who had it may be about to end.
const LOCK_TRIES: usize = 50;

/// Takes the folder's lock, which the system gives back when this process ends, however it ends.
pub(super) fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(JournalError::disk(&path, "open the lock"))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(fs::TryLockError::Error(error)) => {
                return Err(JournalError::disk(&path, "take the lock")(error));
            }
        }
    }
    Err(JournalError::Locked { folder: folder.to_owned() })
}

/// Removes files that were being zeroed when the process ended.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Zeroes a torn piece, lengthening the file where it was cut short.
fn mend(torn: &Torn, disk: &dyn Disk) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(&torn.place.file)?;
    let zeros = vec![0; 1 << 20];
    let end = torn.place.offset + torn.bytes;
    let mut at = torn.place.offset;
    while at < end {
        let piece = (end - at).min(zeros.len() as u64);
        disk.write(&file, at, zeros.get(..piece as usize).unwrap_or(&zeros))?;
        at += piece;
    }
    disk.sync_file(&file)
}

/// Writes lines of a segment again, as they are, with all of their pages. After a sync that failed
/// the system may take pages for clean that never reached the disk, and would not send them at the
/// next sync.
fn write_again(path: &Path, lines: Range<usize>, disk: &dyn Disk) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let first = lines.start * size_of::<Line>() / PAGE * PAGE;
    let mut bytes = vec![0; lines.end * size_of::<Line>() - first];
    file.read_exact_at(&mut bytes, first as u64)?;
    disk.write(&file, first as u64, &bytes)
}

fn sync(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    disk.sync_file(&File::open(path)?)
}

/// The zeroed files that wait to be used. Where one has another size, all are removed, the last
/// first, so that no number is ever missing.
fn spare(scan: &Scan, settings: &Settings) -> Result<VecDeque<SegmentFile>, JournalError> {
    let waiting = || scan.segments.iter().filter(|segment| segment.header.is_none());
    if waiting().all(|segment| segment.bytes == settings.segment_bytes as u64) {
        return Ok(waiting().map(|segment| segment.file.clone()).collect());
    }
    for segment in waiting().rev() {
        let path = &segment.file.path;
        fs::remove_file(path).map_err(JournalError::disk(path, "remove the unused segment"))?;
    }
    Ok(VecDeque::new())
}

/// Where the writer goes on: in the last segment, unless that has its end mark.
fn left(scan: &Scan, disk: &dyn Disk) -> Result<Left, JournalError> {
    let epoch = scan.epochs.last().map_or(0, |(epoch, _)| *epoch);
    let (link, last) = (scan.link, scan.last);
    let mut left = Left { segment: None, at: HEADER_LINES, link, last, epoch };
    let begun = scan.segments.iter().rev().find_map(|s| s.header.map(|header| (s, header)));
    let Some((scanned, header)) = begun.filter(|(scanned, _)| !scanned.ended) else {
        return Ok(left);
    };
    let path = &scanned.file.path;
    let open = || {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let map = MapMut::writable(&file, header.bytes as usize)?;
        map.populate(0..map.bytes())?;
        Ok(map)
    };
    let map = open().map_err(JournalError::disk(path, "map the segment"))?;
    let segment = Segment { map, file: scanned.file.clone(), salt: disk.salt() };
    left.segment = Some((Arc::new(segment), header.crc));
    left.at = scanned.end;
    Ok(left)
}
