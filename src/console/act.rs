//! What can be done: log in and out, stop trading, and whatever else an operator asks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;

use crate::console::server::{Asker, COOKIE, Console, cookie_of, refusal};
use crate::console::users::{Person, Refusal};
use crate::runtime::{Clock, SystemClock, log};
use crate::topology::{Ask, Message, Role, Whom, ask_admin};

type Shared = State<Arc<Console>>;

/// How long the slow thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The word that somebody must type to stop trading.
const KILL_WORD: &str = "KILL";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    name: String,
    password: String,
}

/// `POST /api/login`.
pub(super) async fn log_in(State(console): Shared, Json(login): Json<Login>) -> Response {
    let _permit = console.long.acquire().await;
    let own = Arc::clone(&console);
    let check = move || own.users.log_in(&login.name, &login.password);
    match tokio::task::spawn_blocking(check).await {
        Ok(Ok(cookie)) => {
            let secure = if console.parts.config.has_tls() { "; Secure" } else { "" };
            let cookie = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}");
            ([(header::SET_COOKIE, cookie)], Json(json!({ "ok": true }))).into_response()
        }
        Ok(Err(Refusal::TooOften)) => {
            refusal(StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords: wait 30 seconds")
        }
        _ => refusal(StatusCode::UNAUTHORIZED, "the name or the password is wrong"),
    }
}

/// `POST /api/logout`.
pub(super) async fn log_out(State(console): Shared, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie_of(&headers) {
        console.users.log_out(&cookie);
    }
    Json(json!({ "ok": true })).into_response()
}

impl Person {
    /// What it asks, in its name, if its role may.
    fn asks(self, ask: Ask, reason: String) -> Result<Message, &'static str> {
        let needed = match &ask {
            Ask::Status => Role::Viewer,
            Ask::Cancel { .. } | Ask::Kill { .. } => Role::Operator,
            _ => Role::Risk,
        };
        match self.role < needed {
            true => Err("your role may not ask for this"),
            false => Ok(Message { actor: self.name, reason, ask }),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    whom: Whom,
    #[serde(default)]
    reduce_only: bool,
    reason: String,
    /// What was typed.
    word: String,
}

/// `POST /api/kill`: straight to the kill file's own link; it waits for nobody.
pub(super) async fn kill(
    State(console): Shared,
    Extension(Asker(person)): Extension<Asker>,
    Json(kill): Json<Kill>,
) -> Response {
    let Kill { whom, reduce_only, reason, word } = kill;
    let scope = format!("{} {} {}", whom.scope, whom.id, whom.symbol);
    let message = match person.asks(Ask::Kill { whom, reduce_only }, reason) {
        Ok(message) => message,
        Err(why) => return refusal(StatusCode::FORBIDDEN, why),
    };
    if word != KILL_WORD {
        return refusal(StatusCode::BAD_REQUEST, "type KILL to stop trading");
    }
    let now = SystemClock::new().now();
    match console.parts.kill.kill(&message, now) {
        Ok(()) => {
            log::alert(&format!("{} stops trading for {}", message.actor, scope.trim()));
            Json(json!({ "ok": true, "received_at": now.0.to_string() })).into_response()
        }
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.0),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    reason: String,
    ask: Ask,
}

/// `POST /api/ask`: whatever the operator's socket takes, in the name of who is logged in.
pub(super) async fn ask(
    State(console): Shared,
    Extension(Asker(person)): Extension<Asker>,
    Json(wish): Json<Wish>,
) -> Response {
    let message = match person.asks(wish.ask, wish.reason) {
        Ok(message) => message,
        Err(why) => return refusal(StatusCode::FORBIDDEN, why),
    };
    let data = console.parts.data.clone();
    let asked = tokio::task::spawn_blocking(move || ask_admin(&data, &message, PATIENCE)).await;
    match asked {
        Ok(Ok(answer)) if answer.ok => Json(json!(answer)).into_response(),
        Ok(Ok(answer)) => refusal(StatusCode::BAD_REQUEST, &answer.message),
        Ok(Err(error)) => refusal(
            StatusCode::GATEWAY_TIMEOUT,
            &format!("the slow thread does not answer: {error}"),
        ),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "it failed"),
    }
}
