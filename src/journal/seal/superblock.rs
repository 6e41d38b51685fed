//! The superblock: how far a log surely reached the disk, in a file beside its segments.
//!
//! Two slots are written in turn, so that a write cut short leaves the one before. What the log
//! lacks of what stands here is lost, not torn.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::journal::map::PAGE;
use crate::journal::seal::{Begun, Seal};
use crate::journal::{Disk, JournalError, LogKind};
use crate::model::Nanos;

/// Its name, in the folder of its log.
const NAME: &str = "superblock";

const MAGIC: [u8; 8] = *b"wmSuperB";

/// Version of a slot's layout.
const FORMAT: u16 = 1;

const SLOTS: usize = 2;

/// One slot. The newer of the two good ones counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Slot {
    magic: [u8; 8],
    format: u16,
    kind: u8,
    /// Whether the log was cut back since its anchors were written.
    cut: u8,
    pad: [u8; 4],
    /// Counts the writes; odd ones go to the second slot.
    generation: u64,
    id: u64,
    time: Nanos,
    head: [u8; 32],
    /// Where the chain's last block begins.
    block: u64,
    key: [u8; 32],
    /// The running of the machine in which this was written; 0 where that is not known.
    boot: u64,
    reserved: [u8; 4],
    crc: u32,
}
const _: () = assert!(size_of::<Slot>() == 128);

const CRC_AT: usize = std::mem::offset_of!(Slot, crc);

impl Slot {
    fn checksum(&self) -> u32 {
        crc32c::crc32c(&bytemuck::bytes_of(self)[..CRC_AT])
    }

    fn is_good(&self, kind: LogKind) -> bool {
        self.magic == MAGIC
            && self.format == FORMAT
            && self.kind == kind.code()
            && self.crc == self.checksum()
    }
}

/// What a superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The last message that surely was on the disk, and the chain's head there.
    pub(crate) seal: Seal,
    /// Where the chain can be carried on.
    pub(crate) begun: Begun,
    /// Whether the log was cut back on purpose, so that it may be shorter than its anchors.
    pub(crate) is_cut: bool,
    /// The running of the machine in which it was written; 0 where that is not known.
    pub(crate) boot: u64,
    generation: u64,
}

/// A log's superblock, open for writing.
pub(crate) struct Superblock {
    disk: Arc<dyn Disk>,
    kind: LogKind,
    path: PathBuf,
    file: File,
    generation: u64,
    boot: u64,
}

impl Superblock {
    /// Its file in a log's folder.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// Reads it; nothing where a log has none yet.
    ///
    /// # Errors
    /// A file of which no slot is good.
    pub(crate) fn read(folder: &Path, kind: LogKind) -> Result<Option<Mark>, JournalError> {
        let path = Self::path(folder);
        let read = || {
            let file = File::open(&path)?;
            let mut slots = [Slot::zeroed(); SLOTS];
            for (at, slot) in slots.iter_mut().enumerate() {
                file.read_exact_at(bytemuck::bytes_of_mut(slot), (at * PAGE) as u64)?;
            }
            Ok::<_, io::Error>(slots)
        };
        let slots = match read() {
            Ok(slots) => slots,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(JournalError::Superblock { file: path });
            }
            Err(error) => return Err(JournalError::disk(path, "read the superblock")(error)),
        };
        let good = slots.iter().filter(|slot| slot.is_good(kind));
        match good.max_by_key(|slot| slot.generation) {
            Some(slot) => Ok(Some(Mark {
                seal: Seal { id: slot.id, time: slot.time, head: slot.head },
                begun: Begun { block: slot.block, key: slot.key },
                is_cut: slot.cut != 0,
                boot: slot.boot,
                generation: slot.generation,
            })),
            None if slots.iter().all(|slot| *slot == Slot::zeroed()) => Ok(None),
            None => Err(JournalError::Superblock { file: path }),
        }
    }

    /// Opens it for writing, making it where there is none.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(
        folder: &Path,
        kind: LogKind,
        mark: Option<&Mark>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, JournalError> {
        let path = Self::path(folder);
        let make = || {
            // All its room is taken now, so that a full disk cannot keep it from being written.
            let unfinished = path.with_extension("new");
            let file = disk.create(&unfinished)?;
            disk.write(&file, 0, &[0; SLOTS * PAGE])?;
            disk.sync_file(&file)?;
            disk.rename(&unfinished, &path)?;
            Ok(file)
        };
        let opened = match mark {
            Some(_) => File::options().read(true).write(true).open(&path),
            None => make(),
        };
        let file = opened.map_err(JournalError::disk(&path, "make the superblock"))?;
        let (generation, boot) = (mark.map_or(0, |mark| mark.generation), disk.boot());
        Ok(Self { disk, kind, path, file, generation, boot })
    }

    /// Writes how far the log reaches, and waits for the disk.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn write(&mut self, seal: &Seal, begun: &Begun, is_cut: bool) -> io::Result<()> {
        self.generation += 1;
        let mut slot = Slot {
            magic: MAGIC,
            format: FORMAT,
            kind: self.kind.code(),
            cut: u8::from(is_cut),
            generation: self.generation,
            id: seal.id,
            time: seal.time,
            head: seal.head,
            block: begun.block,
            key: begun.key,
            boot: self.boot,
            ..Slot::zeroed()
        };
        slot.crc = slot.checksum();
        let at = self.generation as usize % SLOTS * PAGE;
        self.disk.write(&self.file, at as u64, bytemuck::bytes_of(&slot))?;
        self.disk.sync_file(&self.file)
    }

    /// The file, for a complaint.
    pub(crate) fn file(&self) -> &Path {
        &self.path
    }
}
