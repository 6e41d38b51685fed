//! WebSocket clients, a task each. One that does not read holds up nobody: what it is told is
//! conflated, and after a while it is let go.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::SinkExt;
use rustix::net::sockopt;
use serde::Deserialize;

use crate::outlet::asked::Asked;
use crate::outlet::frame::{Format, Frame};
use crate::outlet::hub::{Client, Hub};
use crate::outlet::renderings::Renderings;
use crate::outlet::taken::{Door, Taken};
use crate::runtime::{Clock, SystemClock, log};

/// Bytes of a client's own message, at most.
const ASK_MAX: usize = 64 * 1024;
/// Clients at a time, at most.
const CLIENTS_MAX: usize = 4096;
/// Bytes read at once: all of it is cleared before each look at a line, mostly for nothing.
const READ_MAX: usize = 4 * 1024;
/// Bytes that wait for a client in the process before it counts as not reading.
const BUFFER_MAX: usize = 256 * 1024;

/// Bytes the kernel holds for a client that does not read: more than a burst, and little enough
/// that a slow client is told the state of now, not of long ago.
const KERNEL_BUFFER: usize = 64 * 1024;

#[derive(Clone)]
struct Served {
    hub: Arc<Hub>,
    renderings: Arc<Renderings>,
    clock: SystemClock,
    seats: Arc<tokio::sync::Semaphore>,
}

/// Serves until the thread ends.
pub(super) async fn serve(listener: std::net::TcpListener, hub: Arc<Hub>, clock: SystemClock) {
    let seats = Arc::new(tokio::sync::Semaphore::new(CLIENTS_MAX));
    let renderings = Arc::new(Renderings::new(hub.instruments()));
    // Those it accepts have it from the listener; one that cannot is as the system makes it.
    let _ = sockopt::set_socket_send_buffer_size(&listener, KERNEL_BUFFER);
    let router = Router::new()
        .route("/ws", get(enter))
        .route("/lag", get(lag))
        .route("/top/{symbol}", get(top))
        .with_state(Served { hub, renderings, clock, seats });
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let service = router.into_make_service_with_connect_info::<Taken>();
    if let Err(error) = axum::serve(Door(listener), service).await {
        log::alert(&format!("WebSocket clients are not served: {error}"));
    }
}

async fn lag(State(served): State<Served>) -> Response {
    axum::Json(served.hub.lag.json()).into_response()
}

/// The top of a book, from the cache.
async fn top(State(served): State<Served>, Path(symbol): Path<String>) -> Response {
    let Some(place) = served.hub.place(&symbol) else {
        return (StatusCode::NOT_FOUND, "no such instrument").into_response();
    };
    let Some(view) = served.hub.cache.get(place, served.clock.now()) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "nothing newer than a second").into_response();
    };
    let json = [("content-type", "application/json")];
    (json, Frame::Top { place, view }.json(&served.hub)).into_response()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entrance {
    format: String,
}

async fn enter(
    State(served): State<Served>,
    Query(entrance): Query<Entrance>,
    ConnectInfo(taken): ConnectInfo<Taken>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let format = match entrance.format.as_str() {
        "" | "json" => Format::Json,
        "binary" => Format::Binary,
        _ => return (StatusCode::BAD_REQUEST, "format is json or binary").into_response(),
    };
    let Ok(seat) = Arc::clone(&served.seats).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "all seats are taken").into_response();
    };
    let upgrade = upgrade.read_buffer_size(READ_MAX);
    let upgrade = upgrade.max_message_size(ASK_MAX).max_write_buffer_size(BUFFER_MAX);
    upgrade.on_upgrade(move |socket| async move {
        let seated = Seated { client: served.hub.enter(format), hub: Arc::clone(&served.hub) };
        let end = converse(socket, &served, &seated.client, &taken).await;
        if end == End::Hopeless {
            served.hub.let_go();
        }
        drop((seated, seat));
    })
}

/// A client that leaves the hub however its conversation ends.
struct Seated {
    client: Arc<Client>,
    hub: Arc<Hub>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.hub.leave(&self.client);
    }
}

/// How a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client goes.
    Gone,
    /// It reads nothing.
    Hopeless,
}

async fn converse(
    mut socket: WebSocket,
    served: &Served,
    client: &Arc<Client>,
    taken: &Taken,
) -> End {
    loop {
        match race(client.bell.notified(), socket.recv()).await {
            Either::Left(()) => {
                let frames = served.hub.take(client);
                match taken.wait(send(&mut socket, served, client, &frames)).await {
                    Some(Ok(())) => {}
                    Some(Err(_)) => return End::Gone,
                    None => return End::Hopeless,
                }
            }
            Either::Right(Some(Ok(message))) => {
                let answer = match &message {
                    Message::Text(text) => ask(served, client, text.as_str()),
                    Message::Close(_) => return End::Gone,
                    _ => None,
                };
                if let Some(why) = answer {
                    let text = serde_json::json!({ "type": "error", "message": why }).to_string();
                    match taken.wait(socket.send(Message::text(text))).await {
                        Some(Ok(())) => {}
                        Some(Err(_)) => return End::Gone,
                        None => return End::Hopeless,
                    }
                }
            }
            Either::Right(_) => return End::Gone,
        }
    }
}

/// Writes frames, all at once.
async fn send(
    socket: &mut WebSocket,
    served: &Served,
    client: &Client,
    frames: &[Frame],
) -> Result<(), axum::Error> {
    let Served { hub, renderings, clock, .. } = served;
    for frame in frames {
        socket.feed(renderings.message(hub, client.format, frame)).await?;
    }
    socket.flush().await?;
    let now = clock.now();
    frames.iter().filter_map(Frame::at).for_each(|at| hub.lag.written(at, now));
    Ok(())
}

/// Does what a client asks; says what is wrong with it.
fn ask(served: &Served, client: &Arc<Client>, text: &str) -> Option<String> {
    let Asked { subscribe, unsubscribe, wants } = match Asked::parse(text) {
        Ok(asked) => asked,
        Err(why) => return Some(why),
    };
    let mut unknown = Vec::new();
    let mut each = |symbols: &[String], act: &dyn Fn(usize)| {
        for symbol in symbols {
            match served.hub.place(symbol) {
                Some(place) => act(place),
                None => unknown.push(symbol.clone()),
            }
        }
    };
    each(&subscribe, &|place| served.hub.subscribe(client, place, wants));
    each(&unsubscribe, &|place| served.hub.unsubscribe(client, place));
    (!unknown.is_empty()).then(|| format!("no such instrument: {}", unknown.join(", ")))
}

enum Either<A, B> {
    Left(A),
    Right(B),
}

/// Whichever comes first; the other is dropped.
async fn race<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> Either<A, B> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|context| {
        if let Poll::Ready(outcome) = a.as_mut().poll(context) {
            return Poll::Ready(Either::Left(outcome));
        }
        b.as_mut().poll(context).map(Either::Right)
    })
    .await
}
