//! What of all that is written a client's line took: who reads slowly is kept, and who reads
//! nothing is let go.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A client whose line takes nothing for so long is hopeless.
pub(super) const HOPELESS: Duration = Duration::from_secs(5);
/// Looks at the line in that time.
const LOOKS: u32 = 10;

/// Bytes that a client's line took since it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken(Arc<AtomicU64>);

impl Taken {
    /// Waits for something that a client must read first; `None` where its line takes nothing of
    /// it for [`HOPELESS`]. However long all of it takes: a little now and then is enough.
    pub(super) async fn wait<F: Future>(&self, done: F) -> Option<F::Output> {
        self.wait_while_moving(done, HOPELESS).await
    }

    async fn wait_while_moving<F: Future>(&self, done: F, idle_max: Duration) -> Option<F::Output> {
        let mut done = std::pin::pin!(done);
        let (mut before, mut idle) = (self.0.load(Ordering::Relaxed), 0);
        while idle < LOOKS {
            if let Ok(outcome) = tokio::time::timeout(idle_max / LOOKS, done.as_mut()).await {
                return Some(outcome);
            }
            let now = self.0.load(Ordering::Relaxed);
            idle = if now == before { idle + 1 } else { 0 };
            before = now;
        }
        None
    }
}

impl Connected<IncomingStream<'_, Door>> for Taken {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().taken.clone()
    }
}

/// Where clients come in.
pub(super) struct Door(pub(super) TcpListener);

impl Listener for Door {
    type Io = Line;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, from) = Listener::accept(&mut self.0).await;
        // What is small must not wait for a client to acknowledge what went before: that takes
        // 40 ms. A client that is gone without a word, and is told nothing, is asked for.
        let _ = stream.set_nodelay(true);
        let _ = sockopt::set_tcp_keepidle(&stream, ASKED_AFTER);
        let _ = sockopt::set_tcp_keepintvl(&stream, ASKED_AFTER);
        let _ = sockopt::set_tcp_keepcnt(&stream, 3);
        let _ = sockopt::set_socket_keepalive(&stream, true);
        (Line { stream, taken: Taken::default() }, from)
    }

    fn local_addr(&self) -> Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// After how long of silence the system asks whether a client is still there.
const ASKED_AFTER: Duration = Duration::from_secs(15);

/// A client's line, which counts what it took.
pub(super) struct Line {
    stream: TcpStream,
    taken: Taken,
}

impl Line {
    fn count(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            self.taken.0.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, room)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_takes_a_little_is_waited_for_and_who_takes_nothing_is_not() {
        let (taken, idle_max) = (Taken::default(), Duration::from_millis(500));
        let all = async {
            for _ in 0..8 {
                tokio::time::sleep(idle_max / 4).await;
                taken.0.fetch_add(1, Ordering::Relaxed);
            }
        };
        assert_eq!(taken.wait_while_moving(all, idle_max).await, Some(()));
        let begun = tokio::time::Instant::now();
        let never = std::future::pending::<()>();
        assert_eq!(taken.wait_while_moving(never, idle_max).await, None);
        assert!(begun.elapsed() >= idle_max);
    }
}
