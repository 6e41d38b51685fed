//! Capture files as Wireshark reads them, with nanoseconds. Not for a hot path: it writes to disk.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use pcap_file::pcap::{PcapHeader, PcapReader};
use pcap_file::{Endianness, PcapError, TsResolution};

use crate::model::Nanos;

/// What time it is, asked once per frame; ports have no clock of their own.
pub type Clock = Box<dyn FnMut() -> Nanos + Send>;

/// Bytes before each frame in a file.
const RECORD_HEADER: usize = 16;

/// Why a capture file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("capture file {}: {what}: {cause}", path.display())]
pub struct CaptureError {
    path: PathBuf,
    what: &'static str,
    cause: PcapError,
}

/// A frame of a file, and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When, by the clock of the machine that captured it.
    pub at: Nanos,
    /// The frame; shorter than it was where the file says so.
    pub bytes: Vec<u8>,
}

/// Reads all frames of a file.
///
/// # Errors
/// [`CaptureError`] says which file and what is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Captured>, CaptureError> {
    let failed = |what| move |cause| CaptureError { path: path.to_owned(), what, cause };
    let file = File::open(path).map_err(PcapError::IoError).map_err(failed("cannot be opened"))?;
    let mut reader =
        PcapReader::new(file).map_err(failed("is no pcap file (pcapng must be converted)"))?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.map_err(failed("is damaged or cut short"))?;
        let at = Nanos(u64::try_from(packet.timestamp.as_nanos()).unwrap_or(u64::MAX));
        frames.push(Captured { at, bytes: packet.data.into_owned() });
    }
    Ok(frames)
}

/// Writes frames to a file, up to a size.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    left: u64,
    left_out: u64,
}

impl Writer {
    /// Makes the file, or empties it; its frames will take `bytes_max` at most.
    ///
    /// # Errors
    /// [`CaptureError`] says which file and why.
    pub fn create(path: &Path, bytes_max: u64) -> Result<Self, CaptureError> {
        let failed = |what| move |cause| CaptureError { path: path.to_owned(), what, cause };
        let file = File::create(path).map_err(PcapError::IoError);
        let mut file = BufWriter::new(file.map_err(failed("cannot be made"))?);
        let header = PcapHeader {
            ts_resolution: TsResolution::NanoSecond,
            endianness: Endianness::Little,
            ..PcapHeader::default()
        };
        header.write_to(&mut file).map_err(failed("cannot be written"))?;
        Ok(Self { file, left: bytes_max, left_out: 0 })
    }

    /// Writes a frame; one that finds no room, or fails, is counted instead.
    pub fn write(&mut self, at: Nanos, frame: &[u8]) {
        let bytes = RECORD_HEADER as u64 + frame.len() as u64;
        if bytes > self.left || self.try_write(at, frame).is_err() {
            self.left_out += 1;
        } else {
            self.left -= bytes;
        }
    }

    fn try_write(&mut self, at: Nanos, frame: &[u8]) -> io::Result<()> {
        let length = frame.len() as u32;
        let (seconds, nanos) = (at.0 / 1_000_000_000, at.0 % 1_000_000_000);
        let fields = [seconds as u32, nanos as u32, length, length].map(u32::to_le_bytes);
        self.file.write_all(fields.as_flattened())?;
        self.file.write_all(frame)
    }

    /// Hands what was written so far to the kernel.
    pub fn flush(&mut self) {
        // What fails here fails again, and is counted, with the next frame.
        let _ = self.file.flush();
    }

    /// Frames that are not in the file.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_was_written_is_read(
            times in prop::collection::vec(0u64..1 << 61, 0..9),
            bytes in prop::collection::vec(any::<u8>(), 0..99),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("frames.pcap");
            let mut writer = Writer::create(&path, u64::MAX).expect("a file");
            let mut expected = Vec::new();
            for (cut, at) in times.into_iter().map(Nanos).enumerate() {
                let bytes = bytes[cut.min(bytes.len())..].to_vec();
                writer.write(at, &bytes);
                expected.push(Captured { at, bytes });
            }
            writer.flush();
            prop_assert_eq!(read(&path).expect("a good file"), expected);
        }
    }

    #[test]
    fn a_file_grows_no_further_than_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("frames.pcap");
        let mut writer = Writer::create(&path, 3 * 116).expect("a file");
        for _ in 0..5 {
            writer.write(Nanos(1), &[7; 100]);
        }
        assert_eq!(writer.left_out(), 2);
        drop(writer);
        assert_eq!(read(&path).expect("a good file").len(), 3);
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text.pcap");
        std::fs::write(&path, "this is no capture, but long enough to be one").expect("written");
        let error = read(&path).expect_err("no capture").to_string();
        assert!(error.contains("text.pcap: is no pcap file"), "{error}");
        let error = read(&folder.path().join("absent.pcap")).expect_err("absent").to_string();
        assert!(error.contains("absent.pcap: cannot be opened"), "{error}");
    }
}
