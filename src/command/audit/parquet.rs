//! A table as a Parquet file: optional columns of text, plain pages, nothing compressed. The crate
//! of that name brings sixty others for what is two pages here.

use std::io::{self, Write};

/// Rows of a group: what is held in memory.
const GROUP_ROWS: usize = 1 << 16;

const MAGIC: &[u8; 4] = b"PAR1";

// Of the format: types, encodings.
const BYTE_ARRAY: i64 = 6;
const OPTIONAL: i64 = 1;
const UTF8: i64 = 0;
const PLAIN: i64 = 0;
const RLE: i64 = 3;

/// Writes a table, row by row.
pub(super) struct Table<'a, W: Write> {
    out: &'a mut W,
    offset: u64,
    names: Vec<&'static str>,
    columns: Vec<Vec<Option<String>>>,
    groups: Vec<Group>,
}

struct Group {
    rows: usize,
    bytes: u64,
    /// Where each column's page begins, and how long it is.
    chunks: Vec<(u64, u64)>,
}

impl<'a, W: Write> Table<'a, W> {
    pub(super) fn new(out: &'a mut W, names: Vec<&'static str>) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let columns = names.iter().map(|_| Vec::new()).collect();
        Ok(Self { out, offset: 4, names, columns, groups: Vec::new() })
    }

    /// Adds a row: a cell for each column.
    pub(super) fn row(&mut self, cells: impl Iterator<Item = Option<String>>) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        if self.columns.first().is_some_and(|column| column.len() >= GROUP_ROWS) {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> io::Result<()> {
        let rows = self.columns.first().map_or(0, Vec::len);
        let (begins, mut chunks) = (self.offset, Vec::new());
        for column in &mut self.columns {
            let page = page(column);
            let header = page_header(rows, page.len());
            self.out.write_all(&header)?;
            self.out.write_all(&page)?;
            let length = (header.len() + page.len()) as u64;
            chunks.push((self.offset, length));
            self.offset += length;
            column.clear();
        }
        self.groups.push(Group { rows, bytes: self.offset - begins, chunks });
        Ok(())
    }

    /// Writes what is left, and what the file is.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.columns.first().is_some_and(|column| !column.is_empty()) {
            self.write_group()?;
        }
        let footer = self.footer();
        self.out.write_all(&footer)?;
        self.out.write_all(&(footer.len() as u32).to_le_bytes())?;
        self.out.write_all(MAGIC)
    }

    fn footer(&self) -> Vec<u8> {
        let mut file = Struct::default();
        file.int(1, 1);
        file.list(2, 1 + self.names.len(), |out| {
            let mut root = Struct::default();
            root.text(4, "record");
            root.int(5, self.names.len() as i64);
            out.extend(root.end());
            for name in &self.names {
                let mut column = Struct::default();
                column.int(1, BYTE_ARRAY);
                column.int(3, OPTIONAL);
                column.text(4, name);
                column.int(6, UTF8);
                out.extend(column.end());
            }
        });
        let rows: usize = self.groups.iter().map(|group| group.rows).sum();
        file.long(3, rows as i64);
        file.list(4, self.groups.len(), |out| {
            self.groups.iter().for_each(|group| out.extend(self.group(group)));
        });
        file.text(6, "wirematch");
        file.end()
    }

    fn group(&self, group: &Group) -> Vec<u8> {
        let mut whole = Struct::default();
        whole.list(1, group.chunks.len(), |out| {
            for (name, (begins, length)) in self.names.iter().zip(&group.chunks) {
                let mut about = Struct::default();
                about.int(1, BYTE_ARRAY);
                about.ints(2, &[PLAIN, RLE]);
                about.texts(3, &[name]);
                about.int(4, 0);
                about.long(5, group.rows as i64);
                about.long(6, *length as i64);
                about.long(7, *length as i64);
                about.long(9, *begins as i64);
                let mut chunk = Struct::default();
                chunk.long(2, *begins as i64);
                chunk.inner(3, &about.end());
                out.extend(chunk.end());
            }
        });
        whole.long(2, group.bytes as i64);
        whole.long(3, group.rows as i64);
        whole.end()
    }
}

/// A column's page: which cells there are, by runs, then those cells.
fn page(cells: &[Option<String>]) -> Vec<u8> {
    let mut levels = Vec::new();
    for run in cells.chunk_by(|one, next| one.is_some() == next.is_some()) {
        varint(&mut levels, (run.len() as u64) << 1);
        levels.push(u8::from(run.first().is_some_and(Option::is_some)));
    }
    let mut page = (levels.len() as u32).to_le_bytes().to_vec();
    page.extend(levels);
    for cell in cells.iter().flatten() {
        page.extend((cell.len() as u32).to_le_bytes());
        page.extend(cell.as_bytes());
    }
    page
}

fn page_header(rows: usize, bytes: usize) -> Vec<u8> {
    let mut data = Struct::default();
    data.int(1, rows as i64);
    data.int(2, PLAIN);
    data.int(3, RLE);
    data.int(4, RLE);
    let mut header = Struct::default();
    header.int(1, 0);
    header.int(2, bytes as i64);
    header.int(3, bytes as i64);
    header.inner(5, &data.end());
    header.end()
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(out: &mut Vec<u8>, value: i64) {
    varint(out, (value << 1 ^ value >> 63) as u64);
}

/// A struct in Thrift's compact protocol; fields come in rising order, never 15 apart.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn int(&mut self, id: u8, value: i64) {
        self.field(id, 5);
        zigzag(&mut self.bytes, value);
    }

    fn long(&mut self, id: u8, value: i64) {
        self.field(id, 6);
        zigzag(&mut self.bytes, value);
    }

    fn text(&mut self, id: u8, text: &str) {
        self.field(id, 8);
        put_text(&mut self.bytes, text);
    }

    fn inner(&mut self, id: u8, inner: &[u8]) {
        self.field(id, 12);
        self.bytes.extend(inner);
    }

    fn head(&mut self, id: u8, count: usize, kind: u8) {
        self.field(id, 9);
        match count {
            0..=14 => self.bytes.push((count as u8) << 4 | kind),
            _ => {
                self.bytes.push(0xf0 | kind);
                varint(&mut self.bytes, count as u64);
            }
        }
    }

    fn list(&mut self, id: u8, count: usize, fill: impl FnOnce(&mut Vec<u8>)) {
        self.head(id, count, 12);
        fill(&mut self.bytes);
    }

    fn ints(&mut self, id: u8, values: &[i64]) {
        self.head(id, values.len(), 5);
        values.iter().for_each(|value| zigzag(&mut self.bytes, *value));
    }

    fn texts(&mut self, id: u8, values: &[&str]) {
        self.head(id, values.len(), 8);
        values.iter().for_each(|value| put_text(&mut self.bytes, value));
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint(out, text.len() as u64);
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_framed_and_its_pages_hold_its_cells() {
        let mut file = Vec::new();
        let mut table = Table::new(&mut file, vec!["a", "b"]).expect("memory takes it");
        let rows = [[Some("x"), None], [Some("yy"), Some("")]];
        for row in rows {
            table.row(row.iter().map(|cell| cell.map(str::to_owned))).expect("memory takes it");
        }
        table.finish().expect("memory takes it");
        assert!(file.starts_with(MAGIC) && file.ends_with(MAGIC));
        let end = file.len() - 8;
        let length = u32::from_le_bytes(file[end..end + 4].try_into().expect("four bytes"));
        assert!((length as usize) < end);
        // Two cells in one run; then one that is not there and one that is empty.
        assert_eq!(
            page(&[Some("x".into()), Some("yy".into())]),
            *b"\x02\0\0\0\x04\x01\x01\0\0\0x\x02\0\0\0yy"
        );
        assert_eq!(page(&[None, Some(String::new())]), *b"\x04\0\0\0\x02\0\x02\x01\0\0\0\0");
    }

    #[test]
    fn numbers_are_as_thrift_writes_them() {
        let mut out = Vec::new();
        [0, -1, 1, 63, 64, i64::MIN].iter().for_each(|value| zigzag(&mut out, *value));
        let longest = [0xff; 9];
        assert_eq!(out[..6], [0, 1, 2, 126, 128, 1]);
        assert_eq!(out[6..15], longest);
    }
}
