//! Seals and the files' layout: each entry is followed by a hash over it and the seal before, so
//! that nothing can be changed, taken out, put in or moved without every later seal being wrong.
//!
//! ```text
//! file    header, then records
//! header  magic, version, ordinal, day, journal, the last seal before, names, retention, seal
//! record  entry, seal
//! ```

use bytemuck::{Pod, Zeroable};
use sha2::{Digest, Sha256};

use crate::slow::audit::{ENTRY_BYTES, Entry};

/// A hash over everything before it (SHA-256).
pub(super) type Seal = [u8; 32];

/// What a file opens with.
const MAGIC: [u8; 8] = *b"WMAUDIT\0";

/// Version of these layouts.
const VERSION: u32 = 1;

/// Years that a file must be kept from its day on.
pub const RETENTION_YEARS: u32 = 7;

/// Why so long.
pub const RETENTION_REASON: &str = "orders, trades, operators' acts: SEC 17a-4(b) asks for 3 \
    years, MiFID II 16(7) for 5 and up to 7 on request, MAR 2016/957 for 5; 7 covers them all";

/// The head of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    magic: [u8; 8],
    version: u32,
    /// Years to be kept.
    pub retention_years: u32,
    /// The file's place among all, from 1.
    pub ordinal: u64,
    /// Days since 1970-01-01: all entries are of this day, in UTC.
    pub day: u64,
    /// Tells the event log that the entries were made from.
    pub journal: u64,
    /// The last seal of the file before; zeros in the first.
    pub before: Seal,
    /// Hash of the names that lie beside the file.
    pub names: Seal,
    /// Seal of all the above; the first record's chain begins with it.
    pub seal: Seal,
}

/// Bytes of a header.
pub const HEADER_BYTES: usize = size_of::<Header>();

/// Bytes of a record.
pub const RECORD_BYTES: usize = ENTRY_BYTES + size_of::<Seal>();

impl Header {
    /// A sealed header.
    pub fn new(ordinal: u64, day: u64, journal: u64, before: Seal, names: Seal) -> Self {
        let header = Self {
            magic: MAGIC,
            version: VERSION,
            retention_years: RETENTION_YEARS,
            ordinal,
            day,
            journal,
            before,
            names,
            seal: Seal::default(),
        };
        Self { seal: header.right_seal(), ..header }
    }

    fn right_seal(&self) -> Seal {
        let bytes = bytemuck::bytes_of(self);
        let sealed = bytes.get(..HEADER_BYTES - size_of::<Seal>()).unwrap_or(&[]);
        Sha256::digest(sealed).into()
    }

    /// Reads a header; says what is wrong with one that is not as it was written.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or("the header is cut short")?;
        let header: Self = bytemuck::pod_read_unaligned(bytes);
        if header.magic != MAGIC {
            return Err("this is no audit file");
        }
        if header.version != VERSION {
            return Err("the file is of another version");
        }
        if header.seal != header.right_seal() {
            return Err("the header was changed: its seal is wrong");
        }
        Ok(header)
    }
}

/// The seal of an entry that follows another seal.
pub(super) fn seal(before: &Seal, entry: &[u8]) -> Seal {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(entry);
    hash.finalize().into()
}

/// Appends a record; returns its seal.
pub(super) fn write(out: &mut Vec<u8>, before: &Seal, entry: &Entry) -> Seal {
    let bytes = bytemuck::bytes_of(entry);
    let seal = seal(before, bytes);
    out.extend_from_slice(bytes);
    out.extend_from_slice(&seal);
    seal
}
