//! The reading end: all values of one moment, from the file alone.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Nanos;
use crate::runtime::counters_file::{
    COUNTERS_VERSION, FILE_MAX, HEADER_BYTES, MAGIC, Series, SeriesKind, Spans, Unit, Word,
};

/// Why a counters file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// What the system said.
    #[error("{}: {source}; --data names the appliance's folder", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It is something else, or damaged.
    #[error("{}: {what}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A counter's.
    Count(u64),
    /// A gauge's.
    Level(i64),
    /// A histogram's.
    Spans(Spans),
    /// Words.
    Text(String),
}

/// A series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// A sentence.
    pub text: String,
    /// How it behaves.
    pub kind: SeriesKind,
    /// What it counts.
    pub unit: Unit,
    /// What tells it from others of its name.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: Value,
}

impl Sample {
    /// The value of a label; empty where it has none of that name.
    pub fn label(&self, key: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }

    /// Its number; a histogram's is its count.
    pub fn number(&self) -> i64 {
        match &self.value {
            Value::Count(count) => i64::try_from(*count).unwrap_or(i64::MAX),
            Value::Level(level) => *level,
            Value::Spans(spans) => i64::try_from(spans.count).unwrap_or(i64::MAX),
            Value::Text(_) => 0,
        }
    }

    /// Its words; empty for a number.
    pub fn words(&self) -> &str {
        if let Value::Text(text) = &self.value { text } else { "" }
    }

    /// Its spans.
    pub fn spans(&self) -> Option<&Spans> {
        if let Value::Spans(spans) = &self.value { Some(spans) } else { None }
    }
}

/// All values of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The process that writes, or wrote.
    pub pid: u32,
    /// When it started.
    pub started_at: Nanos,
    /// When it wrote last.
    pub written_at: Nanos,
    /// It stopped in order.
    pub is_ended: bool,
    /// The change number was odd for too long: the process died while it wrote.
    pub is_torn: bool,
    /// The series, as the file has them.
    pub samples: Vec<Sample>,
}

/// How often a read that met a write is tried again before the writer is taken for dead.
const ATTEMPTS: u32 = 50;

impl Snapshot {
    /// Reads a file, while its process runs or not.
    ///
    /// # Errors
    /// No file, or one that is no counters file of this version.
    pub fn read(path: &Path) -> Result<Self, CountersError> {
        let failed = |source| CountersError::Io { file: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > FILE_MAX {
            let what = "far too long for a counters file".to_owned();
            return Err(CountersError::Foreign { file: path.to_owned(), what });
        }
        let foreign = |what| CountersError::Foreign { file: path.to_owned(), what };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let head = Head::of(&bytes).map_err(foreign)?;
        let values = head.values.clone();
        let mut is_torn = false;
        for attempt in 0.. {
            let before = change(&file).map_err(failed)?;
            let into = bytes.get_mut(values.clone()).unwrap_or_default();
            file.read_exact_at(into, values.start as u64).map_err(failed)?;
            let after = change(&file).map_err(failed)?;
            if before == after && before.is_multiple_of(2) {
                break;
            }
            if attempt == ATTEMPTS {
                is_torn = true;
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        bytes.get_mut(..HEADER_BYTES).unwrap_or_default().copy_from_slice(&header);
        Self::of(&bytes, is_torn).map_err(foreign)
    }

    /// Reads the bytes of a file; any bytes may come.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(bytes: &[u8], is_torn: bool) -> Result<Self, String> {
        let head = Head::of(bytes)?;
        let values = bytes.get(head.values).unwrap_or_default();
        let (words, _) = values.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let sample = |series: Series| {
            let end = series.at.checked_add(series.words)?;
            let own = words.get(series.at..end)?;
            let value = value_of(series.kind, own)?;
            let Series { name, text, kind, unit, labels, .. } = series;
            Some(Sample { name, text, kind, unit, labels, value })
        };
        let samples: Option<Vec<Sample>> = head.series.into_iter().map(sample).collect();
        Ok(Self {
            pid: word(bytes, Word::Pid) as u32,
            started_at: Nanos(word(bytes, Word::StartedAt)),
            written_at: Nanos(word(bytes, Word::WrittenAt)),
            is_ended: word(bytes, Word::Ended) != 0,
            is_torn,
            samples: samples.ok_or("a series lies outside the file")?,
        })
    }

    /// All series of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The first series of a name.
    pub fn one(&self, name: &str) -> Option<&Sample> {
        self.samples.iter().find(|sample| sample.name == name)
    }

    /// The number of the first series of a name; 0 where there is none.
    pub fn number(&self, name: &str) -> i64 {
        self.one(name).map_or(0, Sample::number)
    }

    /// The words of the first series of a name.
    pub fn words(&self, name: &str) -> &str {
        self.one(name).map_or("", Sample::words)
    }

    /// Whether the process that wrote it is there still.
    pub fn is_alive(&self) -> bool {
        !self.is_ended && Path::new(&format!("/proc/{}", self.pid)).exists()
    }
}

/// A header that was found good.
struct Head {
    values: std::ops::Range<usize>,
    series: Vec<Series>,
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < HEADER_BYTES || word(bytes, Word::Magic) != MAGIC {
            return Err("this is no counters file".into());
        }
        let version = word(bytes, Word::Version);
        if version != COUNTERS_VERSION {
            return Err(format!(
                "its layout is version {version}, and this binary reads {COUNTERS_VERSION}: use \
                 the binary that wrote it"
            ));
        }
        let place = |at: u64, length: u64| {
            let (start, length) = (usize::try_from(at).ok()?, usize::try_from(length).ok()?);
            let end = start.checked_add(length)?;
            (end <= bytes.len()).then_some(start..end)
        };
        let short = || "it is cut short".to_owned();
        let description = place(HEADER_BYTES as u64, word(bytes, Word::DescriptionBytes));
        let description = bytes.get(description.ok_or_else(short)?).unwrap_or_default();
        let series = serde_json::from_slice(description).map_err(|error| error.to_string())?;
        let length = word(bytes, Word::ValuesWords).saturating_mul(8);
        let values = place(word(bytes, Word::ValuesAt), length).ok_or_else(short)?;
        Ok(Self { values, series })
    }
}

fn word(bytes: &[u8], word: Word) -> u64 {
    let at = word as usize * 8;
    let found = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    found.map_or(0, u64::from_le_bytes)
}

fn change(file: &File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, Word::Change as u64 * 8)?;
    Ok(u64::from_le_bytes(bytes))
}

fn value_of(kind: SeriesKind, words: &[u64]) -> Option<Value> {
    Some(match kind {
        SeriesKind::Counter => Value::Count(*words.first()?),
        SeriesKind::Gauge => Value::Level(*words.first()? as i64),
        SeriesKind::Histogram => {
            let (&[count, sum, max], buckets) = words.split_first_chunk::<3>()?;
            Value::Spans(Spans { count, sum, max, buckets: buckets.to_vec() })
        }
        SeriesKind::Text => {
            let (length, rest) = words.split_first()?;
            let bytes: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
            let length = usize::try_from(*length).ok()?.min(bytes.len());
            Value::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
        }
    })
}
