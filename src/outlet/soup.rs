//! Snapshots and the day again, over SoupBinTCP. A snapshot is a book as messages that add its
//! orders, and the number to go on from; the rewinder folds the event log anew from where the
//! client wants to begin, so nothing of the day is too old.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::journal::Reader;
use crate::model::Event;
use crate::outlet::OutletOptions;
use crate::outlet::tail::{Asks, Entry, Index, folding};
use crate::runtime::{Clock, SystemClock};
use crate::stage::{FeedState, Gate};
use crate::wire::soupbintcp::{Login, Packet};

/// How long a client may take to say who it is, to take what it is sent, and to say anything at all
/// (it owes a heartbeat each second).
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes that a client must take within that time.
const PART: usize = 64 * 1024;
/// Silence after which a heartbeat is sent.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The pause when there was nothing new.
const PAUSE: Duration = Duration::from_millis(5);
/// Events folded at once, between two turns of other clients.
const SLICE: usize = 1024;
/// Clients at a time.
const CLIENTS_MAX: usize = 64;

/// What a port gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Books as they stand.
    Snapshot,
    /// The stream from a number on.
    Rewinder,
}

/// What serving takes.
pub(super) struct Servers {
    pub(super) options: OutletOptions,
    pub(super) gate: Gate,
    pub(super) clock: SystemClock,
    pub(super) asks: Asks,
    pub(super) index: Index,
}

/// Lets clients in until the thread ends.
pub(super) async fn serve(listener: std::net::TcpListener, of: Arc<Servers>, service: Service) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let seats = Arc::new(tokio::sync::Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let of = Arc::clone(&of);
        tokio::spawn(async move {
            // A client that goes, or is broken, is only let go.
            let _ = converse(stream, &of, service).await;
            drop(seat);
        });
    }
}

async fn converse(mut stream: TcpStream, of: &Servers, service: Service) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let mut arrived = Vec::new();
    let login = timeout(PATIENCE, login_of(&mut stream, &mut arrived)).await.ok()??;
    let session = of.index.lock().ok()?.days.session(of.options.feed.session);
    let mut bytes = Vec::new();
    let blank = [b' '; 10];
    if login.session != blank && login.session != session {
        Packet::Rejected(b'S').write(&mut bytes);
        return write(&mut stream, &bytes).await;
    }
    match service {
        Service::Snapshot => {
            let (ask, answer) = tokio::sync::oneshot::channel();
            of.asks.send(ask).ok()?;
            let (session, packets) = timeout(PATIENCE, answer).await.ok()?.ok()?;
            Packet::Accepted { session, next: 1 }.write(&mut bytes);
            write(&mut stream, &bytes).await?;
            write(&mut stream, &packets).await
        }
        Service::Rewinder => {
            let (mut from, to) = stream.split();
            tokio::select! {
                sent = rewind(to, of, &login) => sent,
                () = until_gone(&mut from, arrived, PATIENCE) => None,
            }
        }
    }
}

/// Sends the day's stream from where the client wants it, and goes on with what is new until the
/// session ends.
async fn rewind(mut stream: impl AsyncWrite + Unpin, of: &Servers, login: &Login) -> Option<()> {
    let (today, name) = (of.index.lock().ok()?.days, of.options.feed.session);
    let session = today.session(name);
    let (start, wanted) = {
        let index = of.index.lock().ok()?;
        let last = index.entries.last().map_or(1, |entry| entry.place);
        let newest = today.numbered(name, last).filter(|newest| newest.session == session);
        let wanted = if login.next == 0 { newest.map_or(1, |of| of.number) } else { login.next };
        let place = today.place(name, session, wanted)?;
        let start = index.entries.iter().rfind(|entry| entry.place <= place).copied();
        (start.unwrap_or(Entry { place: 1, ..Entry::default() }), wanted)
    };
    let mut state = FeedState::before(&folding(&of.options.feed), start.place, start.days);
    let mut reader = Reader::<Event>::open(&of.options.events, start.event.0).ok()?;
    let mut bytes = Vec::new();
    Packet::Accepted { session, next: wanted }.write(&mut bytes);
    write(&mut stream, &bytes).await?;
    let (mut waiting, mut said_at) = (None, Instant::now());
    loop {
        bytes.clear();
        let released = of.gate.released(of.clock.now());
        for _ in 0..SLICE {
            let event = match waiting.take() {
                Some(event) => event,
                None => match reader.read_event().ok()? {
                    Some(event) => event,
                    None => break,
                },
            };
            if event.id.seq() > released {
                waiting = Some(event);
                break;
            }
            let before = state.next_place();
            state.apply(&event);
            for place in before..state.next_place() {
                let message = state.numbered(place).filter(|of| of.session == session);
                if message.is_some_and(|of| of.number >= wanted) {
                    Packet::Sequenced(state.message(place)?).write(&mut bytes);
                }
            }
            if state.days().number > today.number {
                Packet::EndOfSession.write(&mut bytes);
                return write(&mut stream, &bytes).await;
            }
        }
        if bytes.is_empty() && said_at.elapsed() >= HEARTBEAT {
            Packet::ServerHeartbeat.write(&mut bytes);
        }
        if bytes.is_empty() {
            tokio::time::sleep(PAUSE).await;
        } else {
            said_at = Instant::now();
            write(&mut stream, &bytes).await?;
        }
        tokio::task::yield_now().await;
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Option<()> {
    write_by_parts(stream, bytes, PATIENCE).await
}

/// Writes all of it, however long that takes a client, while it takes each part in time.
async fn write_by_parts(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    patience: Duration,
) -> Option<()> {
    for part in bytes.chunks(PART) {
        timeout(patience, stream.write_all(part)).await.ok()?.ok()?;
    }
    Some(())
}

/// Adds what a client says next; `None` where it has gone.
async fn read(stream: &mut (impl AsyncRead + Unpin), arrived: &mut Vec<u8>) -> Option<()> {
    let mut room = [0; 256];
    let count = stream.read(&mut room).await.ok().filter(|count| *count > 0)?;
    arrived.extend_from_slice(&room[..count]);
    Some(())
}

/// What a client says first; `None` where it is no login. What came behind it stays.
async fn login_of(stream: &mut TcpStream, arrived: &mut Vec<u8>) -> Option<Login> {
    loop {
        read(stream, arrived).await?;
        match Packet::parse(arrived) {
            Ok(Some((Packet::Login(login), length))) => {
                arrived.drain(..length);
                return Some(login);
            }
            Ok(None) => {}
            _ => return None,
        }
    }
}

/// Waits until a client logs out, goes, says what is no packet, or says nothing for too long.
async fn until_gone(
    stream: &mut (impl AsyncRead + Unpin),
    mut arrived: Vec<u8>,
    patience: Duration,
) {
    loop {
        match Packet::parse(&arrived) {
            Ok(Some((Packet::Logout, _))) | Err(_) => return,
            Ok(Some((_, length))) => _ = arrived.drain(..length),
            Ok(None) => {
                if !matches!(timeout(patience, read(stream, &mut arrived)).await, Ok(Some(()))) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    /// How long a client was kept who says these bytes, one each so often, and then nothing.
    fn kept(bytes: &[u8], pause: Duration, stays: bool) -> Duration {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = tokio::io::duplex(64);
            let begun = Instant::now();
            let talk = async {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    let _ = client.write_all(&[*byte]).await;
                }
                if stays {
                    std::future::pending::<()>().await;
                }
                drop(client);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = talk => {}
                () = until_gone(&mut server, Vec::new(), SHORT) => {}
            }
            begun.elapsed()
        })
    }

    #[test]
    fn who_takes_much_slowly_is_given_all_of_it_and_who_takes_nothing_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = tokio::io::duplex(PART);
            let bytes = vec![7; 8 * PART];
            // Each part in time, and all of it far too late.
            let take = async {
                let mut room = vec![0; PART];
                for _ in 0..8 {
                    tokio::time::sleep(SHORT / 4).await;
                    client.read_exact(&mut room).await.unwrap();
                }
            };
            let (written, ()) = tokio::join!(write_by_parts(&mut server, &bytes, SHORT), take);
            assert_eq!(written, Some(()));
            assert_eq!(write_by_parts(&mut server, &bytes, SHORT).await, None);
        });
    }

    #[test]
    fn a_client_is_kept_while_it_says_something_and_goes_when_it_says_so() {
        let (mut beats, mut logout) = (Vec::new(), Vec::new());
        (0..8).for_each(|_| Packet::ClientHeartbeat.write(&mut beats));
        Packet::Logout.write(&mut logout);
        let pause = SHORT / 5;
        assert!(kept(&[], pause, true) >= SHORT, "silent from the start");
        // A byte now and then is something, for as long as it makes packets.
        assert!(kept(&beats, pause, true) >= pause * beats.len() as u32 + SHORT);
        let both = [&beats[..], &logout, &beats].concat();
        let until = pause * (beats.len() + logout.len()) as u32;
        for (bytes, until) in [(&both, until), (&vec![0, 0], pause * 2)] {
            let kept = kept(bytes, pause, true);
            assert!((until..until + SHORT).contains(&kept), "{kept:?}, and not {until:?}");
        }
        assert!(kept(&[], pause, false) < SHORT, "it hung up");
    }
}
