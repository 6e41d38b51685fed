//! Says which of many lines have something to be read; never waits. The kernel is asked once about
//! its lines, lines of a host in user space ring bells.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::port::host::Signals;
use crate::port::stream::Stream;

/// Lines told of at once, at most; the others are told of the next time.
const AT_ONCE: usize = 64;

/// The watch. A line that is closed leaves it by itself.
#[derive(Debug)]
pub struct Watch {
    epoll: OwnedFd,
    hosted: Option<Hosted>,
}

/// Lines of a host: its bells, and what each line is called.
#[derive(Debug)]
struct Hosted {
    signals: Arc<Signals>,
    names: Vec<Option<u64>>,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, hosted: None })
    }

    /// Watches a line from now on; `name` is what it is called. A line that neither the kernel nor
    /// a host knows is not watched: `false`.
    pub fn add(&mut self, line: &dyn Stream, name: u64) -> bool {
        if let Some(line) = line.host_line() {
            let (slot, signals) = line.bell();
            let hosted = self.hosted.get_or_insert_with(|| Hosted {
                signals: Arc::clone(signals),
                names: vec![None; signals.ready.lines()],
            });
            let Some(place) = hosted.names.get_mut(slot) else { return false };
            *place = Some(name);
            return true;
        }
        line.handle().is_some_and(|handle| {
            epoll::add(&self.epoll, handle, EventData::new_u64(name), EventFlags::IN).is_ok()
        })
    }

    /// Shows the names of lines that have something to be read, or have ended.
    pub fn ready(&mut self, each: &mut dyn FnMut(u64)) {
        if let Some(Hosted { signals, names }) = &self.hosted {
            signals.ready.ringing(&mut |slot| {
                if let Some(name) = names.get(slot).copied().flatten() {
                    each(name);
                }
            });
            // The lines of one gateway are all of one kind.
            return;
        }
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut room = [const { MaybeUninit::uninit() }; AT_ONCE];
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut room, Some(&now)) {
            events.iter().for_each(|event| each(event.data.u64()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::port::tcp::{TcpAcceptor, TcpLine};

    #[test]
    fn lines_with_bytes_and_lines_that_ended_are_named_and_no_others() {
        let mut acceptor =
            TcpAcceptor::open(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a listener");
        let mut watch = Watch::new().expect("a watch");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for name in 0..3u64 {
            theirs.push(TcpLine::connect(acceptor.address()).expect("a line"));
            let line = std::iter::repeat_with(|| acceptor.accept()).find_map(|line| line);
            let line = line.expect("it comes");
            assert!(watch.add(&line, name));
            ours.push(line);
        }
        let mut ready = |wanted: &[u64]| {
            let mut named = Vec::new();
            for _ in 0..10_000 {
                named.clear();
                watch.ready(&mut |name| named.push(name));
                named.sort_unstable();
                if named == wanted {
                    return;
                }
            }
            panic!("{named:?} instead of {wanted:?}");
        };
        ready(&[]);
        theirs[1].send(b"x").expect("open");
        ready(&[1]);
        assert_eq!(ours[1].receive(&mut [0; 8]), Ok(1));
        ready(&[]);
        drop(theirs.remove(2));
        ready(&[2]);
        drop(ours.remove(2));
        ready(&[]);
    }
}
