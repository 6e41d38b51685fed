//! Packs closed segments: compressed, on another disk if one is named, read like any other. Nothing
//! is ever deleted here but what was read back whole from its packed form.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::journal::map::{Map, MapMut, PAGE};
use crate::journal::progress::Remark;
use crate::journal::segment::{SegmentFile, SegmentHeader};
use crate::journal::{Disk, JournalError, Progress};
use crate::model::Line;

/// The folder of packed segments, in the folder of their log.
pub(crate) const PACKED: &str = "packed";

/// What a packed segment's name ends with.
pub(crate) const SUFFIX: &str = ".log.zst";

/// How hard it is tried: beyond this a journal's lines get hardly smaller.
const LEVEL: i32 = 3;

/// The pause between looks for a segment to pack.
const LOOK: Duration = Duration::from_secs(1);

/// Packs the closed segments of one log.
pub(crate) struct Packer {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    progress: Arc<Progress>,
    /// Closed segments that are left plain.
    keep: u64,
    /// The lowest number that may still be plain.
    next: u64,
    until: Duration,
}

impl Packer {
    /// Of the log in a folder; packed segments go to `place`, if one is named.
    ///
    /// # Errors
    /// A place that cannot be made, or another than packed segments are in already.
    pub(crate) fn open(
        folder: &Path,
        place: Option<&Path>,
        keep: usize,
        disk: Arc<dyn Disk>,
        progress: Arc<Progress>,
    ) -> Result<Self, JournalError> {
        let packed = folder.join(PACKED);
        link(&packed, place.map(|place| place.join(folder.file_name().unwrap_or_default())))
            .map_err(JournalError::disk(&packed, "make the folder of packed segments"))?;
        let folder = folder.to_owned();
        Ok(Self { folder, disk, progress, keep: keep as u64, next: 1, until: LOOK })
    }

    /// Packs one segment, if it is time and one is closed, sealed up to `sealed` and old enough.
    pub(crate) fn step(&mut self, since_last: Duration, sealed: u64) {
        self.until = self.until.saturating_sub(since_last);
        if !self.until.is_zero() {
            return;
        }
        self.until = LOOK;
        let complaint = match self.pack_next(sealed) {
            Ok(true) => {
                // There may be many, after a long time without.
                self.until = Duration::ZERO;
                None
            }
            Ok(false) => None,
            Err(error) => Some(format!(
                "{}: a segment cannot be packed ({error}); it stays plain and is tried again",
                self.folder.display()
            )),
        };
        self.progress.remark(Remark::Packing, complaint);
    }

    fn pack_next(&mut self, sealed: u64) -> io::Result<bool> {
        let newest = self.progress.committed().ordinal;
        while self.next + self.keep < newest {
            let segment = SegmentFile::new(&self.folder, self.next);
            if segment.path.exists() {
                if !self.is_sealed(sealed)? {
                    return Ok(false);
                }
                pack(&segment, &*self.disk)?;
                self.next += 1;
                return Ok(true);
            }
            self.next += 1;
        }
        Ok(false)
    }

    /// Whether all of the next segment to pack was sealed: so says the start of the one after it.
    fn is_sealed(&self, sealed: u64) -> io::Result<bool> {
        let after = SegmentFile::new(&self.folder, self.next + 1);
        let map = after.map().map_err(io::Error::other)?;
        let header = SegmentHeader::read(&map).map_err(io::Error::other)?;
        Ok(header.is_some_and(|header| header.first <= sealed.saturating_add(1)))
    }
}

/// Makes the folder of packed segments, or a link with its name to a place elsewhere.
fn link(packed: &Path, place: Option<PathBuf>) -> io::Result<()> {
    let Some(place) = place else {
        return if packed.exists() { Ok(()) } else { fs::create_dir(packed) };
    };
    fs::create_dir_all(&place)?;
    let place = place.canonicalize()?;
    if packed.exists() {
        if packed.canonicalize()? == place {
            return Ok(());
        }
        // Removed only where it is empty.
        fs::remove_dir(packed).map_err(|_| {
            io::Error::other(format!(
                "packed segments are there already: move them to {} and make it a link to that",
                place.display()
            ))
        })?;
    }
    // Another journal's would be read as this one's.
    if fs::read_dir(&place)?.next().is_some() {
        let place = place.display();
        return Err(io::Error::other(format!("{place} is not empty: name another place")));
    }
    std::os::unix::fs::symlink(place, packed)
}

/// Packs a segment: writes it compressed, reads that back against the plain one, and only then
/// removes the plain one.
pub(crate) fn pack(segment: &SegmentFile, disk: &dyn Disk) -> io::Result<()> {
    let plain = fs::read(&segment.path)?;
    let packed = segment.packed();
    // A crash leaves it at both places; anything else there is another journal's, and stays.
    if packed.exists() && zstd::decode_all(File::open(&packed)?)? != plain {
        return Err(io::Error::other(format!("{} is of another journal", packed.display())));
    }
    let unfinished = packed.with_extension("new");
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(&plain)?;
    let bytes = encoder.finish()?;
    let file = disk.create(&unfinished)?;
    disk.write(&file, 0, &bytes)?;
    disk.sync_file(&file)?;
    if zstd::decode_all(File::open(&unfinished)?)? != plain {
        return Err(io::Error::other("what was packed is not what was there"));
    }
    disk.rename(&unfinished, &packed)?;
    fs::remove_file(&segment.path)?;
    segment.path.parent().map_or(Ok(()), |folder| disk.sync_file(&File::open(folder)?))
}

/// A packed segment as memory, all of it or its first page.
pub(crate) fn unpack(path: &Path, first_page: bool) -> io::Result<Map> {
    let mut decoder = zstd::Decoder::new(File::open(path)?)?;
    let mut plain = Vec::new();
    if first_page {
        decoder.take(PAGE as u64).read_to_end(&mut plain)?;
    } else {
        decoder.read_to_end(&mut plain)?;
    }
    let map = MapMut::anonymous(plain.len())?;
    for (at, line) in plain.chunks_exact(size_of::<Line>()).enumerate() {
        map.store(at, &bytemuck::pod_read_unaligned(line), &[]);
    }
    Ok(map.into_readable())
}

/// Gives a packed segment its plain file back, for whoever must change it.
pub(crate) fn restore(segment: &SegmentFile, disk: &dyn Disk) -> io::Result<SegmentFile> {
    let folder = segment.path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let plain = SegmentFile::new(folder, segment.ordinal);
    let file = disk.create(&plain.unfinished())?;
    disk.write(&file, 0, &zstd::decode_all(File::open(&segment.path)?)?)?;
    disk.sync_file(&file)?;
    disk.rename(&plain.unfinished(), &plain.path)?;
    fs::remove_file(&segment.path)?;
    Ok(plain)
}
