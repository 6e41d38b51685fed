//! `Entries`: the record read back, every seal checked on the way.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::EventId;
use crate::slow::audit::seal::{HEADER_BYTES, Header, RECORD_BYTES, Seal, seal};
use crate::slow::audit::trail::{hex, read_head};
use crate::slow::audit::{AuditError, ENTRY_BYTES, Entry};

/// The files of a record, oldest first, with their ordinals.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(AuditError::io(folder))? {
        let path = entry.map_err(AuditError::io(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let ordinal = name.as_deref().and_then(|name| name.strip_suffix(".audit"));
        let ordinal = ordinal.and_then(|name| name.split('-').next()?.parse().ok());
        if let Some(ordinal) = ordinal {
            found.push((ordinal, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The entries of one file, in order.
#[derive(Debug)]
pub struct Entries {
    path: PathBuf,
    input: BufReader<File>,
    header: Header,
    last_seal: Seal,
    last: EventId,
    /// Records handed out, and how many are asked for.
    read: u64,
    wanted: u64,
}

impl Entries {
    /// Opens a file whose first `wanted` records are meant.
    ///
    /// # Errors
    /// A file that cannot be read, and a header that was changed.
    pub fn of_file(path: &Path, wanted: u64) -> Result<Self, AuditError> {
        let mut input = BufReader::with_capacity(
            RECORD_BYTES * 1024,
            File::open(path).map_err(AuditError::io(path))?,
        );
        let mut bytes = [0; HEADER_BYTES];
        let bad = |what: &str| AuditError::Bad {
            file: path.to_owned(),
            record: 0,
            what: what.to_owned(),
        };
        input.read_exact(&mut bytes).map_err(|_| bad("the header is cut short"))?;
        let header = Header::read(&bytes).map_err(bad)?;
        Ok(Self {
            path: path.to_owned(),
            input,
            header,
            last_seal: header.seal,
            last: EventId(0),
            read: 0,
            wanted,
        })
    }

    /// The file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The last seal read.
    pub fn last_seal(&self) -> &Seal {
        &self.last_seal
    }

    /// Records read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// The next entry; nothing at the end.
    ///
    /// # Errors
    /// The first record that is not as it was written, named.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, AuditError> {
        if self.read >= self.wanted {
            return Ok(None);
        }
        let mut bytes = [0; RECORD_BYTES];
        match fill(&mut self.input, &mut bytes).map_err(AuditError::io(&self.path))? {
            0 => return Ok(None),
            RECORD_BYTES => {}
            _ => return Err(self.bad("it is cut short")),
        }
        let (entry, sealed) = bytes.split_at(ENTRY_BYTES);
        let right = seal(&self.last_seal, entry);
        if right != *sealed {
            return Err(self.bad(
                "its seal is wrong: it was changed, moved or put in, or one before it taken out",
            ));
        }
        let entry: Entry = bytemuck::pod_read_unaligned(entry);
        if entry.event.id <= self.last {
            return Err(self.bad("it is not later than the one before"));
        }
        (self.last_seal, self.last) = (right, entry.event.id);
        self.read += 1;
        Ok(Some(entry))
    }

    fn bad(&self, what: &str) -> AuditError {
        AuditError::Bad { file: self.path.clone(), record: self.read + 1, what: what.to_owned() }
    }
}

/// Reads until the space is full or the file ends.
fn fill(input: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = space.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What a whole record was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files.
    pub files: u64,
    /// Records in all of them.
    pub records: u64,
    /// The last event.
    pub last: EventId,
    /// The last seal, in hexadecimal.
    pub seal: String,
}

/// Reads a whole record and checks every seal; shows each entry with the path of its file.
///
/// # Errors
/// The first thing that is not as it was written, and whatever `each` says.
pub fn read_all<E: From<AuditError>>(
    folder: &Path,
    mut each: impl FnMut(&Path, &Entry) -> Result<(), E>,
) -> Result<Verified, E> {
    let mut verified = Verified::default();
    let mut before = Seal::default();
    let head = read_head(folder)?;
    let files = files(folder)?;
    for (place, (ordinal, path)) in files.iter().enumerate() {
        let mut entries = Entries::of_file(path, u64::MAX)?;
        follows(path, *ordinal, place as u64 + 1, entries.header(), &before)?;
        while let Some(entry) = entries.next_entry()? {
            verified.last = entry.event.id;
            each(path, &entry)?;
        }
        before = *entries.last_seal();
        verified.records += entries.read();
        if place + 1 == files.len()
            && let Some(head) = &head
        {
            head.check(path, entries.read(), folder)?;
        }
    }
    if files.is_empty()
        && let Some(head) = &head
    {
        head.check(Path::new(""), 0, folder)?;
    }
    verified.files = files.len() as u64;
    verified.seal = hex(&before);
    Ok(verified)
}

/// Whether a file comes after the one before, with the names that lay beside it.
fn follows(
    path: &Path,
    ordinal: u64,
    place: u64,
    header: &Header,
    before: &Seal,
) -> Result<(), AuditError> {
    let bad = |what: &str| {
        let what = what.to_owned();
        Err(AuditError::Bad { file: path.to_owned(), record: 0, what })
    };
    if ordinal != place || header.ordinal != place {
        return bad("the file before it is missing");
    }
    if header.before != *before {
        return bad("it does not follow the file before: that was changed or cut");
    }
    let beside = path.with_extension("names.json");
    let names = fs::read(&beside).map_err(AuditError::io(&beside))?;
    if header.names != Seal::from(Sha256::digest(&names)) {
        return bad("the names beside it were changed");
    }
    Ok(())
}
