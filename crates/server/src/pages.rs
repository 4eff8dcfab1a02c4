//! Pages of the server's own: what it is, whether it works, what it measures.

use crate::AppState;
use crate::context::RequestContext;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

/// The routes of the pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(front))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready once the store of models can be read; models load on first use.
async fn ready(State(state): State<AppState>) -> Response {
    let models = state.models().clone();
    match tokio::task::spawn_blocking(move || models.cards().map(|_| ())).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn metrics(State(state): State<AppState>) -> Response {
    let answers = state.answers().load(std::sync::atomic::Ordering::Relaxed);
    match state.metrics().render(state.models(), answers) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The studio for a browser, or a page that says how to add it; one line for a program.
async fn front(State(state): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> Response {
    if let Some(page) = crate::studio::page(&headers) {
        return page;
    }
    let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !accepts.contains("text/html") {
        return "Parasol is running\n".into_response();
    }
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("127.0.0.1");
    let scheme = if state.options().tls.is_some() { "https" } else { "http" };
    let base = escape(&format!("{scheme}://{host}"));
    let required = state.keys().required();
    let names: String =
        state.models().loaded().iter().map(|m| format!("<li>{}</li>", escape(&m.name))).collect();
    let loaded = match names.as_str() {
        _ if required && ctx.key().is_none() => "<li>told to who sends an API key</li>",
        "" => "<li>none yet: a model loads when it is first asked for</li>",
        names => names,
    };
    let key = if required { "needs an API key" } else { "takes any API key" };
    let page = include_str!("front.html")
        .replace("{{base}}", &base)
        .replace("{{loaded}}", loaded)
        .replace("{{key}}", key)
        .replace("{{version}}", env!("CARGO_PKG_VERSION"));
    ([(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")], Html(page))
        .into_response()
}

/// Text that stands in HTML as it is.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
