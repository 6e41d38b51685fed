//! A disk that is full or fails: met ahead of the hot path, survived on the reserve, told to all.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use crate::journal::{
    Annex, AnnexKeeper, Annexed, Disk, Files, Health, JournalError, MapMut, Meaning, Opened,
    Progress, Settings, UtcMapping, open_with,
};
use crate::model::{Command, Fault};

use super::{Quick, append, command, commands, reopen, small};

/// What a [`Faulty`] disk does; shared with the test.
#[derive(Clone, Default)]
struct Weather {
    /// What zeroing fails with.
    zero: Arc<Mutex<Option<i32>>>,
    /// What syncing fails with.
    sync: Arc<Mutex<Option<i32>>>,
    /// Syncs asked for.
    syncs: Arc<AtomicU64>,
}

struct Faulty(Weather);

fn weather(error: &Mutex<Option<i32>>) -> io::Result<()> {
    error.lock().unwrap().map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<File> {
        Files.create(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // A short write: half arrives, then the error.
        Files.write(file, offset, &bytes[..bytes.len() / 2])?;
        weather(&self.0.zero)?;
        Files.write(file, offset, bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        Quick.sync_file(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        Quick.open(path)
    }

    fn sync_from(&self, file: &File, from: u64) -> io::Result<()> {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
        weather(&self.0.sync)?;
        Quick.sync_from(file, from)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Quick.rename(from, to)
    }

    fn sync(&self, path: &Path, map: &MapMut, range: Range<usize>) -> io::Result<()> {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
        weather(&self.0.sync)?;
        Quick.sync(path, map, range)
    }

    fn salt(&self) -> u64 {
        7
    }

    fn boot(&self) -> u64 {
        Files.boot()
    }
}

fn open_in(weather: &Weather, folder: &Path) -> Opened<Command> {
    let disk = Arc::new(Faulty(weather.clone()));
    open_with(folder, Meaning::default(), UtcMapping::default(), &small(), disk).unwrap()
}

/// Appends single commands, each committed, while `go_on` says so; the keeper steps along.
fn fill(opened: &mut Opened<Command>, go_on: impl Fn(&Opened<Command>) -> bool) -> u64 {
    let mut count = 0;
    while go_on(opened) {
        let next = opened.writer.last() + 1;
        if opened.writer.append(&command(next, 1)).is_err() {
            break;
        }
        opened.writer.commit();
        opened.keeper.step(Duration::from_millis(1));
        count += 1;
    }
    count
}

#[test]
fn a_full_disk_leaves_the_reserve_for_cancels_and_recovers() {
    for code in [libc::ENOSPC, libc::EDQUOT, libc::EIO] {
        let folder = tempfile::tempdir().unwrap();
        let weather = Weather::default();
        let mut opened = open_in(&weather, folder.path());
        *weather.zero.lock().unwrap() = Some(code);
        fill(&mut opened, |opened| !opened.writer.is_low());
        let expected = if code == libc::EIO { Health::PrepareFailed } else { Health::DiskFull };
        assert_eq!(opened.writer.progress().health(), expected);
        let complaint = opened.writer.progress().complaint().unwrap();
        assert_eq!(complaint.contains("make room"), expected == Health::DiskFull, "{complaint}");

        let reserve = opened.writer.room();
        assert!(reserve + 1 >= small().reserve_lines && reserve > 0);
        let cancels = fill(&mut opened, |_| true) as usize;
        assert!((reserve..reserve + 5).contains(&cancels), "{cancels} of {reserve}");
        assert_eq!(opened.writer.room(), 0);
        let next = command(opened.writer.last() + 1, 1);
        assert_eq!(opened.writer.append(&next), Err(Fault::JournalFailed));

        *weather.zero.lock().unwrap() = None;
        for _ in 0..1_000 {
            opened.keeper.step(Duration::from_millis(1));
        }
        assert!(!opened.writer.is_low());
        assert_eq!(opened.writer.progress().health(), Health::Good);
        append(&mut opened, &[vec![1, 4]]);
        let last = opened.writer.last();
        drop(opened);
        assert_eq!(reopen::<Command>(folder.path()).unwrap().last, last);
    }
}

#[test]
fn a_failed_sync_is_final_and_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let weather = Weather::default();
    let mut opened = open_in(&weather, folder.path());
    append(&mut opened, &[vec![1], vec![1]]);
    assert_eq!(opened.writer.progress().synced(), 2);
    *weather.sync.lock().unwrap() = Some(libc::EIO);
    let before = weather.syncs.load(Ordering::Relaxed);
    append(&mut opened, &[vec![1]]);
    *weather.sync.lock().unwrap() = None;
    append(&mut opened, &vec![vec![1]; 1_000]);
    let progress = opened.writer.progress();
    assert_eq!(weather.syncs.load(Ordering::Relaxed), before + 1);
    assert_eq!((progress.health(), progress.synced()), (Health::SyncFailed, 2));
    assert_eq!(progress.appended(), 1_003);
    let complaint = progress.complaint().unwrap();
    assert!(complaint.contains("0000000001.log") && complaint.contains("standby"), "{complaint}");
}

#[test]
fn a_disk_full_at_the_start_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let weather = Weather::default();
    *weather.zero.lock().unwrap() = Some(libc::ENOSPC);
    let disk = Arc::new(Faulty(weather.clone()));
    let utc = UtcMapping::default();
    let refused =
        open_with::<Command>(folder.path(), Meaning::default(), utc, &small(), disk).unwrap_err();
    assert!(matches!(refused, JournalError::Disk { doing: "make the superblock", .. }));
    *weather.zero.lock().unwrap() = None;
    append(&mut open_in(&weather, folder.path()), &[vec![1]]);
    assert_eq!(commands(folder.path(), 0).len(), 1);
}

#[test]
fn a_real_full_disk_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str], path: &Path| {
        let command =
            std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(path).output();
        command.is_ok_and(|output| output.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs"], folder.path()) {
        println!("skipped: this user may not mount a small file system");
        return;
    }
    let log = folder.path().join("commands");
    let mut opened = reopen::<Command>(&log).unwrap();
    // Segments of 64 KiB: four fit, and the fifth is met by the keeper alone.
    let taken = fill(&mut opened, |opened| !opened.writer.is_low());
    let health = opened.writer.progress().health();
    let cancels = fill(&mut opened, |_| true);
    let last = opened.writer.last();
    drop(opened);
    let reopened = commands(&log, 0).len() as u64;
    assert!(mount(&["umount"], folder.path()));
    assert_eq!((health, reopened), (Health::DiskFull, last));
    assert!(taken > 1_000 && cancels >= small().reserve_lines as u64 - 1, "{taken} {cancels}");
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_rule() {
    let told = |settings: Settings| settings.check().unwrap_err().to_string();
    assert!(told(Settings { segment_bytes: 65_537, ..small() }).contains("a multiple of 4096"));
    assert!(told(Settings { ready_segments: 0, ..small() }).contains("from 1 to 64"));
    assert!(told(Settings { reserve_lines: 477, ..small() }).contains("below the 477 lines"));
    Settings { reserve_lines: 476, ..small() }.check().unwrap();
    Settings::default().check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_room_is_never_promised_in_vain(
        messages in prop::collection::vec((1u8..=4, any::<bool>()), 300..900),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let weather = Weather::default();
        let mut opened = open_in(&weather, folder.path());
        *weather.zero.lock().unwrap() = Some(libc::ENOSPC);
        for (seq, &(lines, commit)) in (1..).zip(messages.iter().cycle()) {
            let room = opened.writer.room();
            match opened.writer.append(&command(seq, lines)) {
                Ok(()) => prop_assert!(opened.writer.room() + lines as usize >= room),
                Err(_) => {
                    prop_assert!(room < lines as usize, "{lines} refused with room for {room}");
                    break;
                }
            }
            if commit {
                opened.writer.commit();
            }
        }
    }
}

/// After a sync that failed the system takes pages for clean: only what is written again is brought
/// to the disk by the next process.
#[test]
fn a_file_beside_the_journal_whose_sync_failed_is_written_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mark) = (folder.path().join("7.session"), folder.path().join("7.unsynced"));
    std::fs::write(&path, b"what was said").unwrap();
    let weather = Weather::default();
    let begin = || {
        let annexed = Annexed::new(path.clone(), vec![], Arc::new(AtomicU64::new(13)));
        let (annex, progress) = (Arc::new(Annex::new(vec![annexed])), Arc::<Progress>::default());
        let disk = Arc::new(Faulty(weather.clone()));
        let keeper =
            AnnexKeeper::new(Arc::clone(&annex), disk, Arc::clone(&progress), Duration::ZERO);
        (keeper, annex, progress)
    };
    *weather.sync.lock().unwrap() = Some(libc::EIO);
    let (mut keeper, annex, progress) = begin();
    keeper.step(Duration::ZERO);
    assert_eq!((progress.health(), annex.files()[0].settled()), (Health::SyncFailed, 0));
    *weather.sync.lock().unwrap() = None;
    keeper.step(Duration::from_secs(1));
    keeper.sync();
    assert_eq!(annex.files()[0].settled(), 0, "it is not tried again by this process");
    assert!(mark.exists());
    *weather.zero.lock().unwrap() = Some(libc::EIO);
    let (mut keeper, annex, progress) = begin();
    keeper.step(Duration::ZERO);
    assert_eq!((progress.health(), annex.files()[0].settled()), (Health::SyncFailed, 0));
    keeper.sync();
    assert!(mark.exists(), "it could not be written");
    *weather.zero.lock().unwrap() = None;
    let (mut keeper, annex, progress) = begin();
    keeper.step(Duration::ZERO);
    assert_eq!((progress.health(), annex.files()[0].settled()), (Health::Good, 13));
    assert!(!mark.exists() && std::fs::read(&path).unwrap() == b"what was said");
}
