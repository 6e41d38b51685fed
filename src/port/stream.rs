//! Ordered bytes both ways, as TCP gives them. Never blocks: what does not go now goes later.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use crate::model::Nanos;
use crate::port::host::HostLine;

/// The other side is gone, or the line broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// A line of ordered bytes.
pub trait Stream: Send {
    /// Takes what has come, at most `into.len()` bytes; 0 when nothing has.
    ///
    /// # Errors
    /// [`Closed`] when nothing will come any more.
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, Closed>;

    /// Hands bytes over for sending; returns how many were taken.
    ///
    /// # Errors
    /// [`Closed`] when nothing can be sent any more.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Closed>;

    /// Itself, where it is a line of TCP in user space.
    fn host_line(&self) -> Option<&HostLine> {
        None
    }

    /// Whether the other side's machine said that the line is at its end: its process closed it, or
    /// is gone. A line that broke says nothing.
    fn is_ended(&self) -> bool {
        false
    }

    /// From here on it ends, when it is dropped, as a line that broke: a process that goes on must
    /// not look like one that is gone.
    fn break_off(&mut self) {}

    /// How long the other side's machine takes to acknowledge bytes, smoothed; zero where nobody
    /// measures it. One system call.
    fn round_trip(&self) -> Nanos {
        Nanos::ZERO
    }

    /// What the kernel knows it by, if it does.
    fn handle(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Where lines come in.
pub trait Acceptor: Send {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// The next line that came in, if one did. Never blocks.
    fn accept(&mut self) -> Option<Box<dyn Stream>>;
}
