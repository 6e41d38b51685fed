//! The web console's server: a thread with a runtime of its own, off the stages' CPUs. Whatever
//! takes long goes to other threads, so a kill never waits behind it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::console::users::{Person, Users};
use crate::console::{act, assets, follow, look, push, tls};
use crate::runtime::StopFlag;
use crate::runtime::counters_file::Snapshot;
use crate::slow::Roster;
use crate::stage::{Board, LimitBoard};
use crate::topology::{ConsoleConfig, KillSwitch};

/// Long work at once: searches, verifications, logins.
const LONG_AT_ONCE: usize = 2;

/// A request's body is no longer.
const BODY_MAX: usize = 64 * 1024;

/// What the console is made of.
pub struct ConsoleParts {
    /// Its keys.
    pub config: ConsoleConfig,
    /// The data folder.
    pub data: PathBuf,
    /// What is traded.
    pub roster: Roster,
    /// The best prices of each book.
    pub board: Arc<Board>,
    /// The limits that are used most.
    pub limits: Arc<LimitBoard>,
    /// Stops trading past all that may be busy.
    pub kill: KillSwitch,
    /// What the machine is fit for; may take long.
    pub host: fn() -> Value,
    /// Instruments that hardware matches, and how.
    pub hardware: Value,
}

/// What all requests share.
pub(super) struct Console {
    pub(super) parts: ConsoleParts,
    pub(super) users: Users,
    pub(super) read: follow::Shared,
    pub(super) long: Semaphore,
    /// The last two readings of the counters file.
    pub(super) readings: watch::Receiver<push::Readings>,
    port: u16,
}

/// A console that serves; it ends when this is dropped.
pub struct ConsoleServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether by TLS.
    pub is_tls: bool,
    console: Arc<Console>,
    stop: StopFlag,
}

impl std::fmt::Debug for ConsoleServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConsoleServer({})", self.address)
    }
}

impl Drop for ConsoleServer {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

impl ConsoleServer {
    /// Reads the files of users and of the scraper's token again, where there are some.
    ///
    /// # Errors
    /// What is wrong with them; users and token stay as they were.
    pub fn reload(&self, config: &ConsoleConfig) -> Result<(), String> {
        self.console.users.reload(config)
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// What stands in the way, in a sentence.
    pub fn start(parts: ConsoleParts) -> Result<Self, String> {
        let users = Users::open(&parts.config)?;
        let acceptor = tls::acceptor(&parts.config)?;
        let is_tls = acceptor.is_some();
        let failed = |error: std::io::Error| format!("{}: {error}", parts.config.address);
        let listener = std::net::TcpListener::bind(parts.config.address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = StopFlag::default();
        let journal = crate::topology::journal_folder(&parts.data);
        let read = follow::spawn(journal, parts.roster.clone(), stop.clone()).map_err(failed)?;
        let (sender, readings) = watch::channel(push::Readings::default());
        let long = Semaphore::new(LONG_AT_ONCE);
        let file = parts.data.join(crate::runtime::counters_file::COUNTERS_NAME);
        let console =
            Arc::new(Console { users, read, long, readings, port: address.port(), parts });
        let own = stop.clone();
        let served = Arc::clone(&console);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(8)
            .build()
            .map_err(|error| error.to_string())?;
        let body = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::spawn(push::read_on(file, sender));
                let app = routes(served);
                match acceptor {
                    None => drop(tokio::spawn(async move { axum::serve(listener, app).await })),
                    Some(acceptor) => {
                        let listener = tls::Listener::new(listener, acceptor);
                        tokio::spawn(async move { axum::serve(listener, app).await });
                    }
                }
                while !own.is_raised() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("console".into()).spawn(body);
        thread.map_err(|error| error.to_string())?;
        Ok(Self { address, is_tls, console, stop })
    }
}

fn routes(console: Arc<Console>) -> Router {
    let guarded = Router::new()
        .route("/api/figures", get(look::figures))
        .route("/api/book", get(look::book))
        .route("/api/trades", get(look::trades))
        .route("/api/settings", get(look::settings))
        .route("/api/limits", get(look::limits))
        .route("/api/positions", get(look::positions))
        .route("/api/audit", get(look::audit))
        .route("/api/audit/verify", get(look::verify))
        .route("/api/host", get(look::host))
        .route("/api/hardware", get(look::hardware))
        .route("/api/kill", post(act::kill))
        .route("/api/ask", post(act::ask))
        .route("/api/logout", post(act::log_out))
        .route("/ws", get(push::socket))
        .route(METRICS, get(look::metrics))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), guard));
    Router::new()
        .route("/", get(assets::page))
        .route("/{name}", get(assets::file))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(look::ready))
        .route("/api/me", get(look::me))
        .route("/api/login", post(act::log_in))
        .merge(guarded)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), dress))
        .with_state(console)
}

/// What a scraper may read besides who is logged in.
const METRICS: &str = "/metrics";

/// Whether `Authorization` bears the scraper's token.
fn is_scraper(console: &Console, headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let word = value.and_then(|value| value.strip_prefix("Bearer "));
    word.is_some_and(|word| console.users.is_scraper(word.trim()))
}

/// Who asks, put beside the request.
#[derive(Clone)]
pub(super) struct Asker(pub(super) Person);

/// Lets in who is known; what changes something must come from our own page.
async fn guard(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    if request.uri().path() == METRICS && is_scraper(&console, request.headers()) {
        return next.run(request).await;
    }
    let cookie = cookie_of(request.headers());
    let Some(person) = console.users.person(cookie.as_deref()) else {
        return refusal(StatusCode::UNAUTHORIZED, "log in first");
    };
    if request.method() == Method::POST {
        let token = request.headers().get("x-token").and_then(|value| value.to_str().ok());
        if person.token.is_empty() || token != Some(&person.token) {
            return refusal(StatusCode::FORBIDDEN, "the token of /api/me is missing");
        }
    }
    request.extensions_mut().insert(Asker(person));
    next.run(request).await
}

/// Refuses other pages' requests, and other names for this machine; puts on every answer what keeps
/// a browser from doing anything but this page's work.
async fn dress(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let origin = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let mut response = if !console.is_our_name(host) {
        refusal(StatusCode::MISDIRECTED_REQUEST, "this machine has another name")
    } else if origin.is_some_and(|origin| !is_same(origin, host)) {
        refusal(StatusCode::FORBIDDEN, "another site's page may not ask")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; \
            img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; \
            frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Console {
    /// On loopback only loopback's names are ours: else a page elsewhere could give our address
    /// its own name.
    fn is_our_name(&self, host: Option<&str>) -> bool {
        if !self.parts.config.address.ip().is_loopback() {
            return true;
        }
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let ours = |host: &str| {
            let address = self.parts.config.address.ip();
            names.iter().any(|name| host == format!("{name}:{}", self.port))
                || host == format!("{address}:{}", self.port)
        };
        host.is_some_and(ours)
    }

    /// The last reading.
    pub(super) fn reading(&self) -> Option<Arc<Snapshot>> {
        self.readings.borrow().now.clone()
    }
}

fn is_same(origin: &str, host: Option<&str>) -> bool {
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some() && own == host
}

/// The name of the session's cookie.
pub(super) const COOKIE: &str = "wirematch";

/// The session's cookie.
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('=').map(str::to_owned))
}

/// A refusal as the page reads it.
pub(super) fn refusal(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "ok": false, "message": message });
    (status, axum::Json(body)).into_response()
}
