//! Kernel TCP as a stream: no privilege, no device, slower by the system calls.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::model::Nanos;
use crate::port::stream::{Acceptor, Closed, Stream};
use crate::port::tcp_info::round_trip;

/// How long opening a line may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// One line.
#[derive(Debug)]
pub struct TcpLine {
    stream: TcpStream,
    is_ended: bool,
}

/// Why a line or a listener cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{step} {address} failed: {cause}{}", cure(cause))]
pub struct TcpError {
    step: &'static str,
    address: SocketAddr,
    cause: io::Error,
}

/// How to mend it.
fn cure(cause: &io::Error) -> &'static str {
    match cause.kind() {
        ErrorKind::AddrInUse => "; stop the other process (ss -tlpn) or choose another port",
        ErrorKind::AddrNotAvailable => "; take an address of this machine (ip -4 address)",
        ErrorKind::ConnectionRefused => "; nobody listens there: start the other side first",
        ErrorKind::PermissionDenied => "; take a port above 1023",
        _ => "",
    }
}

impl TcpLine {
    /// Opens a line.
    ///
    /// # Errors
    /// [`TcpError`] says why and how to mend it.
    pub fn connect(address: SocketAddr) -> Result<Self, TcpError> {
        let failed = |cause| TcpError { step: "connecting to", address, cause };
        let stream = TcpStream::connect_timeout(&address, CONNECT_PATIENCE).map_err(failed)?;
        Self::of(stream).map_err(failed)
    }

    /// Begins to open a line and does not wait: until it is open nothing comes and nothing goes;
    /// where it cannot be, it is found closed.
    ///
    /// # Errors
    /// [`TcpError`] says why and how to mend it.
    pub fn begin(address: SocketAddr) -> Result<Self, TcpError> {
        let failed = |cause| TcpError { step: "connecting to", address, cause };
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)
            .map_err(|error| failed(error.into()))?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Self::of(TcpStream::from(socket)).map_err(failed),
            Err(error) => Err(failed(error.into())),
        }
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // A message is sent when it is written, not when more has come together.
        stream.set_nodelay(true)?;
        Ok(Self { stream, is_ended: false })
    }
}

impl Stream for TcpLine {
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, Closed> {
        match self.stream.read(into) {
            Ok(0) if !into.is_empty() => {
                self.is_ended = true;
                Err(Closed)
            }
            other => waiting_is_nothing(other),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        waiting_is_nothing(self.stream.write(bytes))
    }

    fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn break_off(&mut self) {
        // Closed without lingering the kernel says that it was reset, not that it is at its end.
        let _ = set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    fn round_trip(&self) -> Nanos {
        round_trip(self.stream.as_fd())
    }

    fn handle(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stream.as_fd())
    }
}

fn waiting_is_nothing(result: io::Result<usize>) -> Result<usize, Closed> {
    match result {
        Ok(count) => Ok(count),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        Err(_) => Err(Closed),
    }
}

/// Where lines come in.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
    address: SocketAddr,
}

impl TcpAcceptor {
    /// Listens; port 0 lets the kernel choose one.
    ///
    /// # Errors
    /// [`TcpError`] says why and how to mend it.
    pub fn open(address: SocketAddr) -> Result<Self, TcpError> {
        let failed = |cause| TcpError { step: "listening at", address, cause };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line that came in, if one did; one that broke at once is passed over.
    pub fn accept(&mut self) -> Option<TcpLine> {
        let (stream, _) = self.listener.accept().ok()?;
        TcpLine::of(stream).ok()
    }
}

impl Acceptor for TcpAcceptor {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&mut self) -> Option<Box<dyn Stream>> {
        Some(Box::new(Self::accept(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn received(line: &mut TcpLine, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            let mut some = [0; 64];
            let length = line.receive(&mut some).expect("open");
            all.extend_from_slice(&some[..length]);
        }
        all
    }

    #[test]
    fn bytes_go_both_ways_and_the_end_is_told() {
        let mut acceptor = TcpAcceptor::open(here()).expect("a listener");
        assert!(acceptor.accept().is_none());
        let mut client = TcpLine::connect(acceptor.address()).expect("a line");
        let mut server = loop {
            if let Some(line) = acceptor.accept() {
                break line;
            }
        };
        assert_eq!(server.receive(&mut [0; 8]), Ok(0));
        assert_eq!(client.send(b"ping"), Ok(4));
        assert_eq!(received(&mut server, 4), b"ping");
        assert_eq!(server.send(b"pong"), Ok(4));
        assert_eq!(received(&mut client, 4), b"pong");
        let took = client.round_trip().0;
        assert!((1..1_000_000_000).contains(&took), "{took} ns over loopback");
        drop(client);
        let closed = (0..).find_map(|_| server.receive(&mut [0; 8]).err());
        assert_eq!((closed, server.is_ended()), (Some(Closed), true));
    }

    #[test]
    fn a_line_that_is_broken_off_does_not_look_like_an_end() {
        let mut acceptor = TcpAcceptor::open(here()).expect("a listener");
        let mut client = TcpLine::connect(acceptor.address()).expect("a line");
        let mut server = (0..).find_map(|_| acceptor.accept()).expect("it never gives up");
        client.break_off();
        drop(client);
        let closed = (0..).find_map(|_| server.receive(&mut [0; 8]).err());
        assert_eq!((closed, server.is_ended()), (Some(Closed), false));
    }

    #[test]
    fn errors_say_how_to_mend_them() {
        let taken = TcpAcceptor::open(here()).expect("a listener");
        let error = TcpAcceptor::open(taken.address()).expect_err("taken").to_string();
        assert!(error.contains("ss -tlpn"), "{error}");
        let free = taken.address();
        drop(taken);
        let error = TcpLine::connect(free).expect_err("nobody").to_string();
        assert!(error.contains("nobody listens"), "{error}");
    }
}
