//! Lines in memory: what a session says at one end is heard at the other.

#![allow(unreachable_pub, reason = "every test takes what it needs of this")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use wirematch::port::stream::{Closed, Stream};

type Bytes = Arc<Mutex<VecDeque<u8>>>;

/// One end of a line in memory.
pub struct Pipe {
    inward: Bytes,
    outward: Bytes,
}

impl Stream for Pipe {
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, Closed> {
        let mut bytes = self.inward.lock().expect("nobody panics with it");
        let count = bytes.len().min(into.len());
        for (place, byte) in into.iter_mut().zip(bytes.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        self.outward.lock().expect("nobody panics with it").extend(bytes);
        Ok(bytes.len())
    }
}

/// Both ends, with room enough.
pub fn pipes() -> (Pipe, Pipe) {
    let bytes = || Arc::new(Mutex::new(VecDeque::with_capacity(1 << 20)));
    let (there, back) = (bytes(), bytes());
    let near = Pipe { inward: Arc::clone(&back), outward: Arc::clone(&there) };
    (near, Pipe { inward: there, outward: back })
}
