//! Where snapshots lie: a file each, named after the last command in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::model::SeqNo;

/// A snapshot's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The last command in it, as its name says.
    pub seq: SeqNo,
    /// Where it is.
    pub path: PathBuf,
}

const EXTENSION: &str = "snapshot";
/// What a file is called until it was read back.
const PASSING: &str = "new";

/// Their folder below the data folder.
pub fn snapshots_folder(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// All of them, the newest first; none where there is no folder.
///
/// # Errors
/// A folder that cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<Kept>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(seq) = number.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
            kept.push(Kept { seq: SeqNo(seq), path });
        }
    }
    kept.sort_by_key(|kept| std::cmp::Reverse(kept.seq));
    Ok(kept)
}

/// Puts bytes on the disk under a passing name; where that fails the room is given back, for the
/// journal may need it.
pub(super) fn put(folder: &Path, seq: SeqNo, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{:020}.{}.{PASSING}", seq.0, std::process::id()));
    let mut file = File::create(&path)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

/// Gives a file its own name, on the disk too.
pub(super) fn establish(folder: &Path, seq: SeqNo, passing: &Path) -> io::Result<PathBuf> {
    let path = folder.join(format!("{:020}.{EXTENSION}", seq.0));
    fs::rename(passing, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}

/// Removes what a process that ended left unfinished.
pub(super) fn tidy(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == PASSING) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_what_is_unfinished_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = snapshots_folder(folder.path());
        assert_eq!(list(&path).expect("no folder is none"), []);
        for seq in [9, 120, 30].map(SeqNo) {
            let passing = put(&path, seq, b"bytes").expect("there is room");
            assert!(list(&path).expect("it is there").iter().all(|kept| kept.seq != seq));
            establish(&path, seq, &passing).expect("it can be renamed");
        }
        put(&path, SeqNo(500), b"half").expect("there is room");
        let seqs: Vec<_> = list(&path).expect("it is there").iter().map(|k| k.seq.0).collect();
        assert_eq!(seqs, [120, 30, 9]);
        tidy(&path).expect("it can be removed");
        assert_eq!(fs::read_dir(&path).expect("it is there").count(), 3);
    }
}
