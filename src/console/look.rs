//! What can be looked at: figures, books, trades, settings, the record, the host, metrics, health.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::console::figures::shown_price;
use crate::console::server::{Console, cookie_of, refusal};
use crate::console::{CONTENT_TYPE, open_metrics, record, unready, verdicts};
use crate::engine::risk::{EACH, FILLED};
use crate::model::AccountId;
use crate::slow::{AsOf, read_books};
use crate::stage::LimitRow;
use crate::topology::{journal_folder, shown};

type Shared = State<Arc<Console>>;
type Asked = Query<HashMap<String, String>>;

/// Before the first reading there is nothing to show.
fn nothing_yet() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "there are no numbers yet")
}

/// `GET /api/figures`.
pub(super) async fn figures(State(console): Shared) -> Response {
    let figures = console.readings.borrow().figures();
    figures.map_or_else(nothing_yet, |figures| Json(figures).into_response())
}

/// `GET /api/me`: who asks, and the token that changes need.
pub(super) async fn me(State(console): Shared, headers: HeaderMap) -> Json<Value> {
    let person = console.users.person(cookie_of(&headers).as_deref());
    let needs_login = console.users.are_needed();
    Json(match person {
        Some(one) => json!({
            "name": one.name, "role": one.role, "token": one.token, "needs_login": needs_login,
        }),
        None => json!({ "needs_login": needs_login }),
    })
}

/// A book's best prices.
pub(super) fn book_of(console: &Console, symbol: &str) -> Value {
    let listed = console.parts.roster.all();
    let Some(place) = listed.iter().position(|one| one.symbol.name() == symbol) else {
        return Value::Null;
    };
    let depth = &console.parts.board.depth;
    depth.watch(place);
    let level = |(price, quantity): &(i64, u64)| {
        let price = shown_price(*price);
        json!({ "price": price, "quantity": quantity })
    };
    let [bids, asks] = depth.book(place).map(|side| side.iter().map(level).collect::<Vec<_>>());
    json!({ "symbol": symbol, "bids": bids, "asks": asks })
}

/// `GET /api/book?symbol=ACME`.
pub(super) async fn book(State(console): Shared, Query(asked): Asked) -> Response {
    match book_of(&console, asked.get("symbol").map_or("", String::as_str)) {
        Value::Null => refusal(StatusCode::NOT_FOUND, "there is no such instrument"),
        book => Json(book).into_response(),
    }
}

/// `GET /api/trades`: the last ones, newest first.
pub(super) async fn trades(State(console): Shared) -> Json<Value> {
    Json(console.read.lock().unwrap_or_else(|bad| bad.into_inner()).trades())
}

/// `GET /api/settings`: what operators have set, by whom and why.
pub(super) async fn settings(State(console): Shared) -> Json<Value> {
    Json(console.read.lock().unwrap_or_else(|bad| bad.into_inner()).settings())
}

/// The limits that are used most, and those of an account that is asked for.
pub(super) fn limits_of(console: &Console, account: u32) -> Value {
    let board = &console.parts.limits;
    let mut rows = board.rows();
    if account != 0
        && let Some(asked) = board.ask(AccountId(account))
    {
        rows.retain(|row| (row.scope, row.id) != (asked.scope, asked.id));
        rows.insert(0, asked);
    }
    rows.iter().map(limit_row).collect()
}

fn limit_row(row: &LimitRow) -> Value {
    let used = FILLED.iter().zip(&row.usage.used).filter(|(_, used)| used.most >= 0);
    let used = used.map(|(kind, used)| {
        json!({
            "limit": kind.key(),
            "used": shown(*kind, used.used.max(0)),
            "most": shown(*kind, used.most),
            "percent": f64::from(used.share_bps()) / 100.0,
        })
    });
    let each = EACH.iter().zip(&row.usage.each).filter(|(_, most)| **most >= 0);
    let each = each.map(|(kind, most)| json!({ "limit": kind.key(), "most": shown(*kind, *most) }));
    json!({
        "whom": format!("{} {}", row.scope.name().to_lowercase(), row.id),
        "percent": f64::from(row.usage.share_bps()) / 100.0,
        "used": used.collect::<Vec<_>>(),
        "each": each.collect::<Vec<_>>(),
    })
}

/// `GET /api/limits?account=7`: limits in force and how much of them is used, the fullest first;
/// the account that is asked for comes before them, as soon as risk has shown it.
pub(super) async fn limits(State(console): Shared, Query(asked): Asked) -> Json<Value> {
    let account = asked.get("account").and_then(|number| number.parse().ok()).unwrap_or(0);
    Json(json!({ "limits": limits_of(&console, account) }))
}

/// Long work on a thread of its own, a little of it at a time.
pub(super) async fn long(
    console: &Arc<Console>,
    work: impl FnOnce(&Console) -> Value + Send + 'static,
) -> Json<Value> {
    let _permit = console.long.acquire().await;
    let own = Arc::clone(console);
    let done = tokio::task::spawn_blocking(move || work(&own)).await;
    Json(done.unwrap_or_else(|_| json!({ "ok": false, "message": "it failed" })))
}

/// `GET /api/audit?query=3:17`.
pub(super) async fn audit(State(console): Shared, Query(asked): Asked) -> Json<Value> {
    let wanted = asked.get("query").cloned().unwrap_or_default();
    let work = move |console: &Console| {
        record::search(&console.parts.data, wanted.trim(), &console.parts.roster.all())
    };
    long(&console, work).await
}

/// `GET /api/audit/verify`.
pub(super) async fn verify(State(console): Shared) -> Json<Value> {
    long(&console, |console| record::verify(&console.parts.data)).await
}

/// Holdings that a page shows.
const HOLDINGS_MAX: usize = 200;

/// `GET /api/positions?account=7`: what accounts hold, the largest first.
pub(super) async fn positions(State(console): Shared, Query(asked): Asked) -> Json<Value> {
    let account = asked.get("account").and_then(|number| number.parse().ok()).map(AccountId);
    long(&console, move |console| holdings(console, account)).await
}

fn holdings(console: &Console, account: Option<AccountId>) -> Value {
    let data = &console.parts.data;
    let books = match read_books(&journal_folder(data), data, AsOf::Now) {
        Ok(found) => found.books,
        Err(error) => return json!({ "ok": false, "message": error.to_string() }),
    };
    let snapshot = books.positions.snapshot(account);
    let mut holdings = snapshot.holdings;
    holdings.sort_by_key(|holding| std::cmp::Reverse(holding.position.quantity.unsigned_abs()));
    let rows = holdings.iter().take(HOLDINGS_MAX).map(|holding| {
        json!({
            "account": holding.account.0,
            "symbol": books.rules().symbol(holding.instrument),
            "quantity": holding.position.quantity.to_string(),
            "average": holding.position.average().to_string(),
            "last_price": holding.mark.to_string(),
            "realised": holding.position.realised.to_string(),
            "unrealised": holding.unrealised.to_string(),
        })
    });
    json!({ "ok": true, "holdings": rows.collect::<Vec<_>>(), "all": holdings.len() })
}

/// `GET /api/host`.
pub(super) async fn host(State(console): Shared) -> Json<Value> {
    long(&console, |console| (console.parts.host)()).await
}

/// `GET /api/hardware`.
pub(super) async fn hardware(State(console): Shared) -> Json<Value> {
    Json(console.parts.hardware.clone())
}

/// `GET /metrics`.
pub(super) async fn metrics(State(console): Shared) -> Response {
    let Some(reading) = console.reading() else { return nothing_yet() };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], open_metrics(&reading)).into_response()
}

/// `GET /readyz`.
pub(super) async fn ready(State(console): Shared) -> Response {
    let Some(reading) = console.reading() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "process: no numbers yet\n").into_response();
    };
    match unready(&verdicts(&reading)) {
        None => "ready\n".into_response(),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, what + "\n").into_response(),
    }
}
