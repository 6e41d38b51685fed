//! One frame on its way to the kernel. What the kernel has no room for waits here, so that a
//! frame is never built and then lost: the port is full until it is gone.

use std::io::{self, ErrorKind};

use crate::port::Full;

/// The longest frame that goes to the kernel: a datagram of any length with its headers.
pub(crate) const FRAME_MAX: usize = 65_536 + 64;

/// The frame and what became of those before it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    bytes: Box<[u8]>,
    waiting: Option<usize>,
    lost: u64,
}

impl Outgoing {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; FRAME_MAX].into(), waiting: None, lost: 0 }
    }

    /// Frames the kernel refused for good: its queue is not full, it has no way for them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Builds a frame and sends it with `send`, after the one that waits.
    pub(crate) fn transmit(
        &mut self,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Full> {
        self.retry(send)?;
        fill(self.bytes.get_mut(..length).ok_or(Full)?);
        self.waiting = Some(length);
        // The frame is taken, sent or not: it waits for the next call.
        let _ = self.retry(send);
        Ok(())
    }

    /// Sends the frame that waits, if one does.
    pub(crate) fn retry(
        &mut self,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Full> {
        let Some(frame) = self.waiting.and_then(|length| self.bytes.get(..length)) else {
            return Ok(());
        };
        match send(frame) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Full),
            Err(_) => self.lost += 1,
            Ok(()) => {}
        }
        self.waiting = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_waits_and_the_port_is_full_meanwhile() {
        let mut outgoing = Outgoing::new();
        let mut sent = Vec::new();
        let mut blocked = |_: &[u8]| Err(ErrorKind::WouldBlock.into());
        assert_eq!(outgoing.transmit(3, &mut |frame| frame.fill(1), &mut blocked), Ok(()));
        let refused = outgoing.transmit(3, &mut |_| panic!("nothing to fill"), &mut blocked);
        assert_eq!(refused, Err(Full));
        let mut open = |frame: &[u8]| {
            sent.push(frame.to_vec());
            Ok(())
        };
        assert_eq!(outgoing.transmit(2, &mut |frame| frame.fill(2), &mut open), Ok(()));
        assert_eq!(sent, [vec![1; 3], vec![2; 2]]);
        let mut broken = |_: &[u8]| Err(ErrorKind::NetworkUnreachable.into());
        assert_eq!(outgoing.transmit(2, &mut |frame| frame.fill(2), &mut broken), Ok(()));
        assert_eq!(outgoing.lost(), 1);
        assert_eq!(outgoing.transmit(FRAME_MAX + 1, &mut |_| (), &mut broken), Err(Full));
    }
}
