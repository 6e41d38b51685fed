//! Wraps a port and keeps a capture file of what passed, both ways, for people to look at.

use std::path::Path;

use crate::port::pcap::{CaptureError, Clock, Writer};
use crate::port::{FrameMeta, Full, Offloads, Port, PortCounts};

/// The wrapper.
pub struct RecordPort<P> {
    inner: P,
    file: Writer,
    clock: Clock,
}

impl<P: Port> RecordPort<P> {
    /// Records `inner` into a file whose frames take `bytes_max` at most.
    ///
    /// # Errors
    /// [`CaptureError`] says which file and why.
    pub fn new(inner: P, path: &Path, bytes_max: u64, clock: Clock) -> Result<Self, CaptureError> {
        Ok(Self { inner, file: Writer::create(path, bytes_max)?, clock })
    }

    /// Frames that passed and are not in the file.
    pub fn left_out(&self) -> u64 {
        self.file.left_out()
    }
}

impl<P: Port> Port for RecordPort<P> {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let (file, clock) = (&mut self.file, &mut self.clock);
        self.inner.receive(budget, &mut |frame, meta| {
            file.write(clock(), frame);
            each(frame, meta);
        })
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let (file, clock) = (&mut self.file, &mut self.clock);
        self.inner.transmit(length, &mut |frame| {
            fill(frame);
            file.write(clock(), frame);
        })
    }

    fn flush(&mut self) {
        self.inner.flush();
        self.file.flush();
    }

    fn counts(&self) -> Option<PortCounts> {
        self.inner.counts()
    }

    fn offloads(&self) -> Offloads {
        self.inner.offloads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Nanos;
    use crate::port::memory::wire;
    use crate::port::pcap::{Captured, read};

    #[test]
    fn both_ways_are_in_the_file_in_the_order_in_which_they_passed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("both.pcap");
        let (near, mut far) = wire(4);
        let mut now = 0;
        let clock = move || {
            now += 5;
            Nanos(now)
        };
        let mut near = RecordPort::new(near, &path, 1 << 20, Box::new(clock)).expect("a file");
        near.transmit(60, &mut |frame| frame.fill(1)).expect("room");
        far.transmit(61, &mut |frame| frame.fill(2)).expect("room");
        assert_eq!(near.receive(9, &mut |frame, _| assert_eq!(frame, [2; 61])), 1);
        assert_eq!(far.receive(9, &mut |frame, _| assert_eq!(frame, [1; 60])), 1);
        near.flush();
        let expected = [
            Captured { at: Nanos(5), bytes: vec![1; 60] },
            Captured { at: Nanos(10), bytes: vec![2; 61] },
        ];
        assert_eq!(read(&path).expect("a good file"), expected);
    }
}
