//! A segment of a journal, as found on a disk: a good one, with any bytes written over it from
//! any place on, is scanned, read, and opened for writing.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use wirematch::journal::{LogKind, Meaning, Opened, Reader, Settings, UtcMapping, open, scan};
use wirematch::model::{Command, CommandKind, Group, Nanos, SeqNo};

/// What the first segment is called.
const FIRST: &str = "0000000001.log";

/// Bytes in which the good segment has its header and frames.
const USED: usize = 4096;

const MEANING: Meaning = Meaning {
    fills_per_command_max: 16,
    feedback_window: 16,
    feedback_lag: Nanos(1),
    config_digest: [0; 32],
};

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

fn reopened(folder: &Path) -> Option<Opened<Command>> {
    let utc = UtcMapping { log_time: Nanos(1), utc: Nanos(1), uncertainty: Nanos(1) };
    let settings = Settings {
        segment_bytes: 64 * 1024,
        ready_segments: 1,
        reserve_lines: 64,
        ..Settings::default()
    };
    open::<Command>(folder, MEANING, utc, &settings).ok()
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = folder();
    let mut log = reopened(folder.path()).expect("an empty folder opens");
    for seq in 1..=20 {
        let command = Command { seq: SeqNo(seq), ..Command::new(CommandKind::Tick) };
        log.writer.append(&Group::new(command)).expect("there is room");
        if seq % 3 == 0 {
            log.writer.commit();
        }
    }
    drop(log);
    fs::read(folder.path().join(FIRST)).expect("the first segment")
});

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let mut segment = GOOD.clone();
    let at = usize::from(at) % USED;
    let length = bytes.len().min(segment.len() - at);
    segment[at..at + length].copy_from_slice(&bytes[..length]);
    let folder = folder();
    fs::write(folder.path().join(FIRST), &segment).expect("a file");
    let _ = scan(folder.path(), LogKind::Commands, &mut |_| ());
    if let Ok(mut reader) = Reader::<Command>::open(folder.path(), 0) {
        while let Ok(Some(_)) = reader.read() {}
    }
    let _ = reopened(folder.path());
});
