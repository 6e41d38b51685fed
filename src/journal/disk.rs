//! The seam to the disk: what the keeper and recovery ask of it, so that tests can make it fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::journal::map::{MapMut, PAGE};

/// A disk. Each call is as it would be with the system, errors included.
pub trait Disk: Send + Sync {
    /// Makes an empty file, in place of an old one.
    ///
    /// # Errors
    /// What the system said.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Writes bytes at an offset, all of them; a full disk is met here.
    ///
    /// # Errors
    /// What the system said.
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until a file's bytes and length are on the disk.
    ///
    /// # Errors
    /// What the system said.
    fn sync_file(&self, file: &File) -> io::Result<()>;

    /// Opens a file that others write, and waits until its folder's entry of it is on the disk.
    ///
    /// # Errors
    /// What the system said.
    fn open(&self, path: &Path) -> io::Result<File>;

    /// Waits until a file's length, and its bytes from an offset on, are on the disk; what is in
    /// front of that is there already.
    ///
    /// # Errors
    /// What the system said; final for that file.
    fn sync_from(&self, file: &File, from: u64) -> io::Result<()>;

    /// Gives a whole file its name, and waits until the folder is on the disk.
    ///
    /// # Errors
    /// What the system said.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until a range of the file at a path, which is mapped, is on the disk.
    ///
    /// # Errors
    /// What the system said; final for that file.
    fn sync(&self, path: &Path, map: &MapMut, range: Range<usize>) -> io::Result<()>;

    /// A number that nobody outside can guess.
    fn salt(&self) -> u64;

    /// A number of this running of the machine, during which no page that was written is forgotten;
    /// 0 where the system does not say.
    fn boot(&self) -> u64;
}

/// The system's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Disk for Files {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // Page by page, so that the system caches single pages: of a larger unit, a sync of one
        // page would send all to the disk, those that the writer is about to fill as well.
        (offset..)
            .step_by(PAGE)
            .zip(bytes.chunks(PAGE))
            .try_for_each(|(at, page)| file.write_all_at(page, at))
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        sync_folder(path).map(|()| file)
    }

    fn sync_from(&self, file: &File, _: u64) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder(to)
    }

    fn sync(&self, _: &Path, map: &MapMut, range: Range<usize>) -> io::Result<()> {
        map.sync(range)
    }

    fn salt(&self) -> u64 {
        // Where the system has no randomness yet, a checksum is still a checksum.
        getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15)
    }

    fn boot(&self) -> u64 {
        let Ok(text) = fs::read("/proc/sys/kernel/random/boot_id") else { return 0 };
        blake3::hash(&text).as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// Waits until the folder that a file is in is on the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
