//! The writing end: makes the file, then sets values, all of a round together.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use hdrhistogram::Histogram;

use crate::model::Nanos;
use crate::runtime::counters_file::map::Map;
use crate::runtime::counters_file::{
    COUNTERS_VERSION, HEADER_BYTES, MAGIC, Plan, SPAN_BUCKETS, Slot, Word, bucket_of_span,
};

/// A counters file that this process writes.
#[derive(Debug)]
pub struct CountersFile {
    map: Map,
    values_at: usize,
    values: usize,
}

impl CountersFile {
    /// Makes the file, in place of one that a process before left: who still reads that keeps it.
    ///
    /// # Errors
    /// What the system said.
    pub fn create(path: &Path, plan: &Plan, now: Nanos) -> io::Result<Self> {
        let description = serde_json::to_vec(&plan.series).map_err(io::Error::other)?;
        let values_at = (HEADER_BYTES + description.len()).next_multiple_of(HEADER_BYTES);
        let bytes = (values_at + plan.words * 8).next_multiple_of(HEADER_BYTES);
        let fresh = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o644);
        let file = options.open(&fresh)?;
        let map = Map::new(&file, bytes)?;
        for (at, chunk) in description.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            map.words()[HEADER_BYTES / 8 + at].store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
        let file = Self { map, values_at: values_at / 8, values: plan.words };
        file.set(Word::Version, COUNTERS_VERSION);
        file.set(Word::DescriptionBytes, description.len() as u64);
        file.set(Word::ValuesAt, values_at as u64);
        file.set(Word::ValuesWords, plan.words as u64);
        file.set(Word::Pid, u64::from(std::process::id()));
        file.set(Word::StartedAt, now.0);
        file.set(Word::WrittenAt, now.0);
        file.set(Word::Magic, MAGIC);
        fs::rename(&fresh, path)?;
        Ok(file)
    }

    fn set(&self, word: Word, value: u64) {
        self.map.words()[word as usize].store(value, Ordering::Release);
    }

    /// Sets values; a reader sees all of them or none.
    pub fn write(&mut self, now: Nanos, fill: impl FnOnce(&mut Values<'_>)) {
        let change = &self.map.words()[Word::Change as usize];
        let begun = change.load(Ordering::Relaxed) | 1;
        change.store(begun, Ordering::Relaxed);
        fence(Ordering::Release);
        let words = &self.map.words()[self.values_at..self.values_at + self.values];
        fill(&mut Values { words });
        self.set(Word::WrittenAt, now.0);
        change.store(begun.wrapping_add(1), Ordering::Release);
    }

    #[cfg(test)]
    pub(super) fn map_for_test(&self) -> &AtomicU64 {
        &self.map.words()[Word::Change as usize]
    }

    /// Says that the process stopped in order.
    pub fn end(&mut self) {
        self.set(Word::Ended, 1);
    }
}

/// The values of a file while they are written.
pub struct Values<'a> {
    words: &'a [AtomicU64],
}

impl Values<'_> {
    fn put(&mut self, at: usize, value: u64) {
        if let Some(word) = self.words.get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Sets a counter or a gauge.
    pub fn set(&mut self, slot: Slot, value: u64) {
        self.put(slot.at, value);
    }

    /// Sets a gauge that may be negative.
    pub fn set_signed(&mut self, slot: Slot, value: i64) {
        self.put(slot.at, value as u64);
    }

    /// Sets words, cut to what there is room for.
    pub fn set_text(&mut self, slot: Slot, text: &str) {
        let room = slot.words.saturating_sub(1) * 8;
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.put(slot.at, end as u64);
        for (at, chunk) in text.as_bytes()[..end].chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.put(slot.at + 1 + at, u64::from_le_bytes(word));
        }
    }

    /// Sets a histogram.
    pub fn set_histogram(&mut self, slot: Slot, histogram: &Histogram<u64>) {
        let mut buckets = [0u64; SPAN_BUCKETS];
        let mut sum = 0u64;
        for step in histogram.iter_recorded() {
            let (span, count) = (step.value_iterated_to(), step.count_at_value());
            buckets[bucket_of_span(span)] += count;
            sum = sum.saturating_add(span.saturating_mul(count));
        }
        self.put(slot.at, histogram.len());
        self.put(slot.at + 1, sum);
        self.put(slot.at + 2, histogram.max());
        for (at, count) in buckets.iter().enumerate() {
            self.put(slot.at + 3 + at, *count);
        }
    }
}
