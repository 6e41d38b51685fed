//! A port that plays a capture file back and writes what is transmitted into another.

use std::path::Path;

use crate::model::Nanos;
use crate::port::pcap::{CaptureError, Captured, Clock, Writer, read};
use crate::port::{FrameMeta, Full, Port, TimeSource};

/// The longest frame that may be transmitted.
const FRAME_MAX: usize = 9216;

/// How fast a file is played back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as frames are asked for.
    FlatOut,
    /// With the gaps that lay between the frames.
    AsCaptured,
}

/// The port.
pub struct CapturePort {
    frames: Vec<Captured>,
    next: usize,
    pace: Pace,
    clock: Clock,
    /// When the first frame was asked for; gaps count from there.
    began: Option<Nanos>,
    out: Option<Writer>,
    scratch: Vec<u8>,
}

impl CapturePort {
    /// Reads the whole file, so that playing it back touches no disk.
    ///
    /// # Errors
    /// [`CaptureError`] says which file and what is wrong with it.
    pub fn open(path: &Path, pace: Pace, clock: Clock) -> Result<Self, CaptureError> {
        let frames = read(path)?;
        let scratch = vec![0; FRAME_MAX];
        Ok(Self { frames, next: 0, pace, clock, began: None, out: None, scratch })
    }

    /// Keeps what is transmitted in a file whose frames take `bytes_max` at most.
    ///
    /// # Errors
    /// [`CaptureError`] says which file and why.
    pub fn writing(mut self, path: &Path, bytes_max: u64) -> Result<Self, CaptureError> {
        self.out = Some(Writer::create(path, bytes_max)?);
        Ok(self)
    }

    /// Whether every frame was played.
    pub fn is_done(&self) -> bool {
        self.next == self.frames.len()
    }

    /// How far into the capture it may be by now.
    fn until(&mut self) -> Nanos {
        match (self.pace, self.frames.first()) {
            (Pace::AsCaptured, Some(first)) => {
                let now = (self.clock)();
                let began = *self.began.get_or_insert(now);
                first.at.saturating_add(now.saturating_sub(began))
            }
            _ => Nanos::MAX,
        }
    }
}

impl Port for CapturePort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let until = self.until();
        let left = self.frames.get(self.next..).unwrap_or_default();
        let due = left.iter().take(budget).take_while(|frame| frame.at <= until);
        let mut seen = 0;
        for frame in due {
            let meta = FrameMeta { received_at: frame.at, source: TimeSource::Software };
            each(&frame.bytes, meta);
            seen += 1;
        }
        self.next += seen;
        seen
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let frame = self.scratch.get_mut(..length).ok_or(Full)?;
        fill(frame);
        if let Some(out) = &mut self.out {
            out.write((self.clock)(), frame);
        }
        Ok(())
    }

    fn flush(&mut self) {
        if let Some(out) = &mut self.out {
            out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A capture of three frames, seen at 100, 150 and 400, and a clock set by hand.
    fn capture(pace: Pace) -> (tempfile::TempDir, CapturePort, Arc<AtomicU64>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("in.pcap");
        let mut writer = Writer::create(&path, 1 << 20).expect("a file");
        for at in [100, 150, 400] {
            writer.write(Nanos(at), &[at as u8; 60]);
        }
        drop(writer);
        let hand = Arc::new(AtomicU64::new(7_000));
        let clock = hand.clone();
        let clock: Clock = Box::new(move || Nanos(clock.load(Ordering::Relaxed)));
        let port = CapturePort::open(&path, pace, clock).expect("a good file");
        (folder, port, hand)
    }

    fn played(port: &mut CapturePort, budget: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        let count = port.receive(budget, &mut |frame, meta| {
            assert_eq!(frame, [meta.received_at.0 as u8; 60]);
            seen.push(meta.received_at.0);
        });
        assert_eq!(count, seen.len());
        seen
    }

    #[test]
    fn flat_out_knows_only_the_budget() {
        let (_folder, mut port, _) = capture(Pace::FlatOut);
        assert_eq!(played(&mut port, 2), [100, 150]);
        assert!(!port.is_done());
        assert_eq!(played(&mut port, 2), [400]);
        assert!(port.is_done());
    }

    #[test]
    fn gaps_are_those_of_the_capture() {
        let (_folder, mut port, hand) = capture(Pace::AsCaptured);
        assert_eq!(played(&mut port, 9), [100]);
        hand.store(7_049, Ordering::Relaxed);
        assert_eq!(played(&mut port, 9), [0; 0]);
        hand.store(7_300, Ordering::Relaxed);
        assert_eq!(played(&mut port, 9), [150, 400]);
    }

    #[test]
    fn what_is_transmitted_is_written() {
        let (folder, port, _) = capture(Pace::FlatOut);
        let out = folder.path().join("out.pcap");
        let mut port = port.writing(&out, 1 << 20).expect("a file");
        port.transmit(60, &mut |frame| frame.fill(9)).expect("room");
        assert_eq!(port.transmit(FRAME_MAX + 1, &mut |_| panic!("nothing to fill")), Err(Full));
        port.flush();
        let expected = [Captured { at: Nanos(7_000), bytes: vec![9; 60] }];
        assert_eq!(read(&out).expect("a good file"), expected);
    }
}
