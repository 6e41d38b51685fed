//! A file, or a packed one's bytes, mapped into memory and seen as 64-byte lines that another
//! thread or process may write.
//!
//! The only unsafe of the journal. Every access is atomic by word, so a reader beside a writer is
//! a race of values, never undefined; the frame's checksum and write order make the values right.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::model::Line;

/// Bytes of a page: the unit of mapping and syncing.
pub(crate) const PAGE: usize = 4096;

/// Words of a line.
const WORDS: usize = size_of::<Line>() / size_of::<u64>();

/// A file mapped for reading.
#[derive(Debug)]
pub struct Map {
    base: NonNull<AtomicU64>,
    bytes: usize,
}

/// A file mapped for reading and writing.
#[derive(Debug)]
pub struct MapMut(Map);

#[allow(unsafe_code, reason = "a mapping is a raw address; this type is its safe door")]
mod door {
    use super::*;

    // SAFETY: the mapping is plain memory that lives until drop, and is only touched atomically.
    unsafe impl Send for Map {}
    // SAFETY: as above; shared access is atomic by word.
    unsafe impl Sync for Map {}

    impl Map {
        /// Maps the first `bytes` of `file`, of which the caller knows that they exist, or as many
        /// zeros.
        pub(super) fn new(file: Option<&File>, bytes: usize, protection: i32) -> io::Result<Self> {
            if bytes == 0 {
                return Ok(Self { base: NonNull::dangling(), bytes });
            }
            let null = std::ptr::null_mut();
            let (flags, file) = match file {
                Some(file) => (libc::MAP_SHARED, file.as_raw_fd()),
                None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
            };
            // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
            let base = unsafe { libc::mmap(null, bytes, protection, flags, file, 0) };
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { base, bytes })
        }

        /// The mapping's words.
        #[inline]
        pub(super) fn words(&self) -> &[AtomicU64] {
            // SAFETY: `base` is page aligned and valid for `bytes` until drop; words are atomic.
            unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.bytes / 8) }
        }

        /// Calls `madvise` or `msync` on the pages that hold `range`, as a shared mapping takes it.
        pub(super) fn advise(&self, range: Range<usize>, call: Call) -> io::Result<()> {
            let start = range.start / PAGE * PAGE;
            let end = range.end.min(self.bytes);
            if start >= end {
                return Ok(());
            }
            // SAFETY: `start..end` lies within the mapping, and neither call changes what it holds.
            let result = unsafe {
                let address = self.base.as_ptr().cast::<u8>().add(start).cast();
                match call {
                    Call::Populate => {
                        libc::madvise(address, end - start, libc::MADV_POPULATE_WRITE)
                    }
                    Call::LetGo => libc::madvise(address, end - start, libc::MADV_DONTNEED),
                    Call::Sync => libc::msync(address, end - start, libc::MS_SYNC),
                }
            };
            if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        }
    }

    impl Drop for Map {
        fn drop(&mut self) {
            if self.bytes > 0 {
                // SAFETY: the mapping was made by `new`, and nobody can hold a borrow of it now.
                unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
            }
        }
    }
}

/// What [`Map::advise`] asks of the kernel.
enum Call {
    Populate,
    LetGo,
    Sync,
}

impl Map {
    /// Maps a whole file for reading, as long as it is now.
    ///
    /// # Errors
    /// What the system said.
    pub fn readable(file: &File) -> io::Result<Self> {
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Self::new(Some(file), bytes, libc::PROT_READ)
    }

    /// Bytes of the mapping.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whole lines of the mapping.
    pub fn lines(&self) -> usize {
        self.bytes / size_of::<Line>()
    }

    /// The line at an index; zeros beyond the end. Its first word is read before the others, so a
    /// line that was published is seen whole.
    #[inline]
    pub fn line(&self, at: usize) -> Line {
        let mut line = Line([0; WORDS]);
        let Some(words) = self.words().get(at * WORDS..(at + 1) * WORDS) else { return line };
        // Relaxed with a fence: an acquire load is not promised to work on read-only memory.
        line.0[0] = words[0].load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        for (value, word) in line.0.iter_mut().zip(words).skip(1) {
            *value = word.load(Ordering::Relaxed);
        }
        line
    }

    /// Whether a line is all zeros; so are those beyond the end.
    pub fn is_blank(&self, at: usize) -> bool {
        let words = self.words().get(at * WORDS..(at + 1) * WORDS).unwrap_or(&[]);
        words.iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }
}

impl MapMut {
    /// Maps the first `bytes` of a file for writing; the caller allocated them on the disk.
    ///
    /// # Errors
    /// What the system said; `UnexpectedEof` for a file that is too short.
    pub fn writable(file: &File, bytes: usize) -> io::Result<Self> {
        if file.metadata()?.len() < bytes as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Map::new(Some(file), bytes, libc::PROT_READ | libc::PROT_WRITE).map(Self)
    }

    /// Zeros in memory, of no file.
    ///
    /// # Errors
    /// What the system said.
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        Map::new(None, bytes, libc::PROT_READ | libc::PROT_WRITE).map(Self)
    }

    /// The same, not to be written any more.
    pub fn into_readable(self) -> Map {
        self.0
    }

    /// Writes a message's lines that no reader looks at yet; where there is no room, none.
    #[inline]
    pub fn store(&self, at: usize, head: &Line, rest: &[Line]) {
        let (lines, _) = self.words().as_chunks::<WORDS>();
        let Some([first, further @ ..]) = lines.get(at..at.saturating_add(1 + rest.len())) else {
            return;
        };
        write(first, head, Ordering::Relaxed);
        for (words, line) in further.iter().zip(rest) {
            write(words, line, Ordering::Relaxed);
        }
    }

    /// Writes a line, its first word last: whoever sees that word sees all that was stored before.
    #[inline]
    pub fn publish(&self, at: usize, line: &Line) {
        let (lines, _) = self.words().as_chunks::<WORDS>();
        if let Some(words) = lines.get(at) {
            write(words, line, Ordering::Release);
        }
    }

    /// Makes the pages of a range present and writable, so that a store into them never faults.
    ///
    /// # Errors
    /// What the system said.
    pub fn populate(&self, range: Range<usize>) -> io::Result<()> {
        match self.advise(range.clone(), Call::Populate) {
            // Kernels before 5.14 do not know the call: touch each page without changing it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let words = self.words().get(range.start / 8..range.end.min(self.bytes()) / 8);
                for word in words.unwrap_or(&[]).iter().step_by(PAGE / 8) {
                    word.fetch_or(0, Ordering::Relaxed);
                }
                Ok(())
            }
            result => result,
        }
    }

    /// Waits until the pages of a range are on the disk.
    ///
    /// Whole pages leave the mapping first, all at once: the file keeps them. Otherwise the system
    /// would write-protect each by itself, and interrupt the writer's core for every one.
    ///
    /// # Errors
    /// What the system said; the pages' fate is then unknown, and asking again proves nothing.
    pub fn sync(&self, range: Range<usize>) -> io::Result<()> {
        self.advise(range.start..range.end / PAGE * PAGE, Call::LetGo)?;
        self.advise(range, Call::Sync)
    }
}

#[inline]
fn write(words: &[AtomicU64; WORDS], line: &Line, first: Ordering) {
    for (word, &value) in words.iter().zip(&line.0).skip(1) {
        word.store(value, Ordering::Relaxed);
    }
    words[0].store(line.0[0], first);
}

impl Deref for MapMut {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_line_is_in_the_file_and_in_other_mappings() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * PAGE as u64).unwrap();
        let written = MapMut::writable(&file, 2 * PAGE).unwrap();
        let read = Map::readable(&file).unwrap();
        written.populate(0..2 * PAGE).unwrap();
        written.publish(70, &Line([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(read.line(70), Line([1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(read.is_blank(69) && !read.is_blank(70));
        written.sync(0..2 * PAGE).unwrap();
    }

    #[test]
    fn lines_beyond_the_end_are_zeros_and_take_nothing() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Map::readable(&file).unwrap().lines(), 0);
        assert!(MapMut::writable(&file, PAGE).is_err());
        file.set_len(100).unwrap();
        let map = MapMut::writable(&file, 100).unwrap();
        map.store(1, &Line([9; 8]), &[]);
        map.store(usize::MAX / 64, &Line([9; 8]), &[]);
        map.store(0, &Line([9; 8]), &[Line([9; 8])]);
        assert_eq!((map.lines(), map.line(1)), (1, Line([0; 8])));
    }
}
