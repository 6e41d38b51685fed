//! Figures pushed to pages: the counters file is read once for all of them, five times a second.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use crate::console::Figures;
use crate::console::look::{book_of, limits_of};
use crate::console::server::{Console, cookie_of};
use crate::runtime::counters_file::Snapshot;

/// How often the file is read and pages are told.
const PERIOD: Duration = Duration::from_millis(200);

/// Readings that rates and percentiles look back: a second.
const LOOK_BACK: usize = 5;

/// A page that takes no frame for so long is let go.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// The last readings.
#[derive(Clone, Default)]
pub(super) struct Readings {
    pub(super) now: Option<Arc<Snapshot>>,
    /// A second ago.
    before: Option<Arc<Snapshot>>,
}

impl Readings {
    /// What is shown of them.
    pub(super) fn figures(&self) -> Option<Figures> {
        Some(Figures::of(self.now.as_ref()?, self.before.as_deref()))
    }
}

/// Reads the file for ever.
pub(super) async fn read_on(file: PathBuf, sender: watch::Sender<Readings>) {
    let mut past = std::collections::VecDeque::new();
    loop {
        let own = file.clone();
        // Reading may wait for a writer.
        let read = tokio::task::spawn_blocking(move || Snapshot::read(&own)).await;
        if let Ok(Ok(now)) = read {
            let now = Arc::new(now);
            past.push_back(Arc::clone(&now));
            if past.len() > LOOK_BACK + 1 {
                past.pop_front();
            }
            let before = past.front().filter(|one| one.written_at < now.written_at).cloned();
            let _ = sender.send(Readings { now: Some(now), before });
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Of what a page is told: it changes where a field goes or means something else, not where one
/// comes.
const VERSION: u32 = 1;

/// What a page says.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wish {
    /// Whose book it shows.
    Watch(String),
    /// It shows limits, those of this account among them (0: of none); null: no more.
    Limits(Option<u32>),
}

/// `GET /ws`.
pub(super) async fn socket(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let cookie = cookie_of(&headers);
    upgrade.max_message_size(1024).on_upgrade(move |socket| serve(socket, console, cookie))
}

/// Tells a page for as long as who opened it is let in; who watches is not silent, so that a kill
/// is not refused for having only looked before.
async fn serve(mut socket: WebSocket, console: Arc<Console>, cookie: Option<String>) {
    let mut readings = console.readings.clone();
    let mut watched = console.parts.roster.all().first().map(|one| one.symbol.name());
    let mut asked = None;
    loop {
        tokio::select! {
            changed = readings.changed() => {
                if changed.is_err() || console.users.person(cookie.as_deref()).is_none() {
                    return;
                }
                let figures = readings.borrow_and_update().figures();
                let book = watched.as_deref().map(|symbol| book_of(&console, symbol));
                let trades = console.read.lock().unwrap_or_else(|bad| bad.into_inner()).trades();
                let limits = asked.map(|account| limits_of(&console, account));
                let text = json!({
                    "version": VERSION, "figures": figures, "book": book, "trades": trades,
                    "limits": limits,
                });
                let sent = socket.send(Message::Text(text.to_string().into()));
                if !matches!(tokio::time::timeout(SEND_WITHIN, sent).await, Ok(Ok(()))) {
                    return;
                }
            }
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) => {
                    match serde_json::from_str::<Wish>(&text) {
                        Ok(Wish::Watch(symbol)) => watched = Some(symbol),
                        Ok(Wish::Limits(account)) => asked = account,
                        Err(_) => {}
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}
