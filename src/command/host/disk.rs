//! The disk below the journal: how much is free, whether it outlives the machine, and how long a
//! page takes to be on it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::command::host::checks::{Check, Finding, Verdict};
use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};

/// Pages that are written and waited for.
const PAGES: usize = 200;
const PAGE: usize = 4096;

/// What should be free: a busy day's journal, and its snapshots.
const FREE_GIB: f64 = 10.0;

/// A disk on which a page takes longer than this, once in a hundred times, holds up every reply
/// that waits for it.
const SYNC_MAX: Nanos = Nanos(10_000_000);

/// What a file system that is kept in memory calls itself.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What is known of a folder's disk.
struct Disk {
    free_gib: f64,
    is_in_memory: bool,
    /// Of writing a page and waiting for it, in order.
    syncs: Vec<Nanos>,
}

/// Looks at the disk of a folder, or of the nearest above it that is there; writes a file there and
/// takes it away again.
pub(super) fn finding(data: &Path) -> Finding {
    let check = Check(
        "journal's disk",
        "10 GiB free, not in memory, a page on it within 10 ms 99 times of 100",
        "name another folder with --data (and `data` in the configuration), on a disk with power \
         loss protection; [journal] packed and prune make room",
    );
    let folder = nearest(data);
    match measured(&folder) {
        Ok(disk) => judged(&check, &folder, &disk),
        Err(error) => check.found(Verdict::Fail, format!("{}: {error}", folder.display())),
    }
}

/// The folder, or the nearest one above it that is there.
fn nearest(data: &Path) -> PathBuf {
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let found = whole.ancestors().find(|folder| folder.is_dir());
    found.unwrap_or_else(|| Path::new("/")).to_owned()
}

fn measured(folder: &Path) -> std::io::Result<Disk> {
    let room = rustix::fs::statvfs(folder)?;
    let kind = rustix::fs::statfs(folder)?.f_type;
    let file = tempfile_in(folder)?;
    let clock = SystemClock::new();
    let mut syncs = Vec::with_capacity(PAGES);
    for at in 0..PAGES {
        let begin = clock.now();
        file.write_all_at(&[0x5a; PAGE], (at * PAGE) as u64)?;
        file.sync_data()?;
        syncs.push(clock.now().saturating_sub(begin));
    }
    syncs.sort_unstable();
    Ok(Disk {
        free_gib: (room.f_bavail as f64) * (room.f_frsize as f64) / f64::from(1 << 30),
        is_in_memory: IN_MEMORY.contains(&(kind as u64)),
        syncs,
    })
}

/// A file without a name, which is gone with us.
fn tempfile_in(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(format!(".wirematch-host-check.{}", std::process::id()));
    let file = File::options().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn judged(check: &Check, folder: &Path, disk: &Disk) -> Finding {
    // The longest of so many of a hundred.
    let of_hundred = |part: usize| {
        let place = (disk.syncs.len() * part).div_ceil(100).saturating_sub(1);
        disk.syncs.get(place).copied().unwrap_or_default()
    };
    let (half, high) = (of_hundred(50), of_hundred(99));
    let found = format!(
        "{}: {:.1} GiB free{}, a page on it within {} µs, 99 of 100 within {} µs",
        folder.display(),
        disk.free_gib,
        if disk.is_in_memory { ", in memory: nothing outlives the machine" } else { "" },
        half.0 / 1_000,
        high.0 / 1_000
    );
    let is_good = disk.free_gib >= FREE_GIB && !disk.is_in_memory && high <= SYNC_MAX;
    check.rather(is_good, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_good_with_room_and_speed_and_where_it_lasts() {
        let check = Check("disk", "", "");
        let good = |free_gib, is_in_memory, slow: usize| {
            let mut syncs = vec![Nanos(80_000); PAGES - slow];
            syncs.extend(vec![Nanos(20_000_000); slow]);
            judged(&check, Path::new("/x"), &Disk { free_gib, is_in_memory, syncs }).verdict
        };
        assert_eq!(good(11.0, false, 0), Verdict::Good);
        assert_eq!(good(11.0, false, 2), Verdict::Good, "one of a hundred may be slow");
        assert_eq!(good(11.0, false, 3), Verdict::Warn);
        assert_eq!(good(9.0, false, 0), Verdict::Warn);
        assert_eq!(good(11.0, true, 0), Verdict::Warn);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above_and_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let found = finding(&folder.path().join("not/there/yet"));
        assert!(found.found.starts_with(&folder.path().display().to_string()), "{}", found.found);
        assert_ne!(found.verdict, Verdict::Fail, "{}", found.found);
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
        let bad = finding(Path::new("/proc/self"));
        assert_eq!(bad.verdict, Verdict::Fail, "{}", bad.found);
    }
}
