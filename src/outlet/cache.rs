//! The top of each book for those who only ask: an entry lives for a second and is renewed while
//! the books are followed, so that nobody is ever given what may be old. In the process; in Redis
//! too, where there are several.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::Nanos;
use crate::outlet::frame::Frame;
use crate::outlet::hub::{Hub, View};
use crate::runtime::log;

/// How long an entry lives.
const LIFE: Nanos = Nanos(1_000_000_000);

/// The tops, by place.
#[derive(Debug)]
pub struct TopCache {
    rows: Vec<Mutex<Kept>>,
}

/// A top, and when it was known to be so.
type Kept = Option<(Arc<View>, Nanos)>;

impl TopCache {
    /// Of so many instruments, without any.
    pub fn new(symbols: &[[u8; 8]]) -> Self {
        Self { rows: symbols.iter().map(|_| Mutex::default()).collect() }
    }

    /// Keeps a top for the next second.
    pub fn put(&self, place: usize, view: &View, now: Nanos) {
        let Some(row) = self.rows.get(place) else { return };
        let mut row = row.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *row {
            Some((kept, at)) if **kept == *view => *at = now,
            other => *other = Some((Arc::new(view.clone()), now)),
        }
    }

    /// The top, if it is not older than its life.
    pub fn get(&self, place: usize, now: Nanos) -> Option<Arc<View>> {
        self.entry(place, now).map(|(view, _)| view)
    }

    /// The same, with when it was known to be so.
    fn entry(&self, place: usize, now: Nanos) -> Option<(Arc<View>, Nanos)> {
        let row = self.rows.get(place)?.lock().unwrap_or_else(PoisonError::into_inner);
        let (view, at) = row.as_ref()?;
        (now.saturating_sub(*at) < LIFE).then(|| (Arc::clone(view), *at))
    }
}

/// Copies the tops into a Redis.
pub(super) struct Redis {
    address: SocketAddrV4,
    hub: Arc<Hub>,
}

/// Bytes of an answer, at most.
const ANSWER_MAX: usize = 1024;

/// How often they are copied: twice and more in the life of an entry.
const EVERY: Duration = Duration::from_millis(100);

impl Redis {
    pub(super) fn new(address: SocketAddrV4, hub: Arc<Hub>) -> Self {
        Self { address, hub }
    }

    /// Copies until told to stop; a Redis that is not there is tried again.
    pub(super) fn run(&self, now: &dyn Fn() -> Nanos, is_over: &dyn Fn() -> bool) {
        let mut was_good = true;
        while !is_over() {
            let outcome = self.copy(now, is_over);
            if was_good && let Err(error) = outcome {
                log::alert(&format!("Redis at {}: {error}; tried again", self.address));
                was_good = false;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn copy(&self, now: &dyn Fn() -> Nanos, is_over: &dyn Fn() -> bool) -> std::io::Result<()> {
        let patience = Duration::from_secs(1);
        let mut line = TcpStream::connect_timeout(&SocketAddr::V4(self.address), patience)?;
        line.set_read_timeout(Some(patience))?;
        line.set_write_timeout(Some(patience))?;
        let mut told: Vec<Kept> = vec![None; self.hub.cache.rows.len()];
        while !is_over() {
            let mut batch = Vec::new();
            let mut count = 0;
            for (place, told) in told.iter_mut().enumerate() {
                let Some((view, at)) = self.hub.cache.entry(place, now()) else { continue };
                let is_known = told.as_ref().is_some_and(|(known, at)| {
                    *known == view && now().saturating_sub(*at).0 < LIFE.0 / 2
                });
                if !is_known {
                    *told = Some((Arc::clone(&view), at));
                    let key = top_key(&self.hub.symbol(place));
                    let value = Frame::Top { place, view }.json(&self.hub);
                    command(&mut batch, &["SET", &key, &value, "PX", &left_ms(at, now())]);
                    count += 1;
                }
            }
            line.write_all(&batch)?;
            read_answers(&mut line, count)?;
            std::thread::sleep(EVERY);
        }
        Ok(())
    }
}

/// The key of a book's top, as everybody may see it.
fn top_key(symbol: &str) -> String {
    format!("wirematch:top:{symbol}")
}

/// What is left of the life of an entry that was known to be so at a time, in milliseconds: a copy
/// lives no longer than the entry.
fn left_ms(at: Nanos, now: Nanos) -> String {
    let left = LIFE.saturating_sub(now.saturating_sub(at));
    (left.0 / 1_000_000).max(1).to_string()
}

/// A command as Redis reads it.
fn command(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

/// A line of answer for each command; anything but `+OK` is an error.
fn read_answers(line: &mut TcpStream, count: usize) -> std::io::Result<()> {
    let (mut answers, mut room) = (Vec::new(), [0; 4096]);
    while answers.iter().filter(|byte| **byte == b'\n').count() < count {
        let read = line.read(&mut room)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answers.extend_from_slice(&room[..read]);
        if answers.len() > ANSWER_MAX * count {
            return Err(std::io::Error::other("its answers do not end"));
        }
    }
    let text = String::from_utf8_lossy(&answers);
    match text.lines().find(|line| *line != "+OK") {
        Some(bad) => Err(std::io::Error::other(bad.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_for_a_second_unless_it_is_renewed() {
        let cache = TopCache::new(&[*b"ACME    "]);
        assert!(cache.get(0, Nanos(0)).is_none());
        cache.put(0, &View::default(), Nanos(5));
        assert!(cache.get(0, Nanos(4 + LIFE.0)).is_some());
        assert!(cache.get(0, Nanos(5 + LIFE.0)).is_none());
        cache.put(0, &View::default(), Nanos(LIFE.0));
        assert!(cache.get(0, Nanos(5 + LIFE.0)).is_some());
    }

    #[test]
    fn a_copy_lives_no_longer_than_the_entry() {
        for age in [0, 1, 400_000_000, 999_999_999, 2_000_000_000u64] {
            let left: u64 = left_ms(Nanos(7), Nanos(7 + age)).parse().unwrap();
            assert!(left == 1 || age + left * 1_000_000 <= LIFE.0, "{age}: {left}");
        }
        assert_eq!(left_ms(Nanos(7), Nanos(400_000_007)), "600");
    }

    #[test]
    fn a_command_is_written_as_redis_reads_it() {
        let mut bytes = Vec::new();
        command(&mut bytes, &["SET", "key", "value"]);
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n");
    }
}
