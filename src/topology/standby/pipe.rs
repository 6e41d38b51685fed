//! A line between two threads of one process.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::port::stream::{Closed, Stream};

type Bytes = Arc<Mutex<VecDeque<u8>>>;

/// One end. When it is dropped the other one is at its end.
#[derive(Debug)]
pub(super) struct Pipe {
    inward: Bytes,
    outward: Bytes,
    is_gone: Arc<AtomicBool>,
}

/// Both ends.
pub(super) fn pipe() -> (Pipe, Pipe) {
    let (one, other, is_gone) = (Bytes::default(), Bytes::default(), Arc::default());
    let end = |inward: &Bytes, outward: &Bytes| Pipe {
        inward: Arc::clone(inward),
        outward: Arc::clone(outward),
        is_gone: Arc::clone(&is_gone),
    };
    (end(&one, &other), end(&other, &one))
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

impl Stream for Pipe {
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, Closed> {
        // Asked before: what was sent before the end still comes.
        let is_gone = self.is_gone.load(Ordering::Acquire);
        let mut bytes = self.inward.lock().unwrap_or_else(PoisonError::into_inner);
        let count = bytes.len().min(into.len());
        into.iter_mut().zip(bytes.drain(..count)).for_each(|(to, byte)| *to = byte);
        if count == 0 && is_gone { Err(Closed) } else { Ok(count) }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        if self.is_gone.load(Ordering::Acquire) {
            return Err(Closed);
        }
        self.outward.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_and_then_the_end() {
        let (mut one, mut other) = pipe();
        assert_eq!(one.send(b"hello"), Ok(5));
        let mut room = [0; 3];
        assert_eq!((other.receive(&mut room), &room), (Ok(3), b"hel"));
        drop(one);
        assert_eq!(other.receive(&mut room), Ok(2));
        assert_eq!((other.receive(&mut room), other.send(b"x")), (Err(Closed), Err(Closed)));
    }
}
