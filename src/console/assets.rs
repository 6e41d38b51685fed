//! The page's files, within the binary.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// `GET /`.
pub(super) async fn page() -> Html<&'static str> {
    Html(include_str!("pages/index.html"))
}

/// `GET /app.js` and the others.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "app.css" => ("text/css; charset=utf-8", include_str!("pages/app.css")),
        "app.js" => ("text/javascript; charset=utf-8", include_str!("pages/app.js")),
        "plot.js" => ("text/javascript; charset=utf-8", include_str!("pages/plot.js")),
        "uplot.css" => ("text/css; charset=utf-8", include_str!("pages/uplot.css")),
        "uplot.js" => ("text/javascript; charset=utf-8", include_str!("pages/uplot.js")),
        "favicon.svg" => ("image/svg+xml", include_str!("pages/favicon.svg")),
        _ => return (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    #[test]
    fn the_chart_library_is_the_one_that_was_taken_in() {
        let sums = include_str!("pages/uplot.sha256");
        for (name, text) in [
            ("uplot.js", include_str!("pages/uplot.js")),
            ("uplot.css", include_str!("pages/uplot.css")),
        ] {
            let sum: String =
                Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(sums.contains(&format!("{sum}  {name}")), "{name} is {sum}");
        }
    }

    #[test]
    fn the_page_asks_nobody_else_for_anything() {
        let pages = [
            include_str!("pages/index.html"),
            include_str!("pages/app.css"),
            include_str!("pages/app.js"),
            include_str!("pages/plot.js"),
        ];
        for page in pages {
            assert!(!page.contains("http://") && !page.contains("https://"));
            assert!(!page.contains("innerHTML") && !page.contains(" style=\""));
        }
    }
}
