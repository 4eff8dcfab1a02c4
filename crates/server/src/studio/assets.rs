//! The studio's page: files that the build script has packed into the program, sent under a policy that lets them load nothing
//! from anywhere else. What the page asks for is the other modules'.

use crate::AppState;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file of the page.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    etag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// All of them; none when the studio was left out.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/studio_assets.rs"));

/// The file that is the page.
const INDEX: &str = "index.html";

/// Where files lie whose names change with their contents.
const HASHED: &str = "assets/";

/// No inline script or style, nothing from other servers, no frames, no forms; sound only from what the page itself holds.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      font-src 'self'; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Of what a browser guards, the page may ask for the microphone, for itself alone.
const PERMISSIONS: &str = "microphone=(self), camera=(), display-capture=(), geolocation=(), payment=(), usb=(), \
                           serial=(), hid=(), midi=()";

/// The routes of the page. Its own places (`/models` …) are routes here, so that an address can be opened and reloaded; `/`
/// is `pages`'.
pub(super) fn routes() -> Router<AppState> {
    let place = || get(|headers: HeaderMap| async move { page(&headers).unwrap_or_else(nothing) });
    Router::new()
        .route("/c/{id}", place())
        .route("/models", place())
        .route("/models/{name}", place())
        .route("/system", place())
        .route("/voices", place())
        .route("/usage", place())
        .route("/settings", place())
        .route("/studio/{*path}", get(file))
}

/// Whether a request is for the page or its files, which hold nothing that a key protects.
pub(crate) fn is_page(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let place = matches!(
        parts.as_slice(),
        [""] | ["models" | "system" | "usage" | "settings" | "voices"] | ["c" | "models", _] | ["studio", ..]
    );
    place && (method == Method::GET || method == Method::HEAD)
}

/// The page for a browser; `None` for programs, and without the studio.
pub(crate) fn page(headers: &HeaderMap) -> Option<Response> {
    let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html").then(|| find(ASSETS, INDEX).map(|asset| send(asset, headers))).flatten()
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    find(ASSETS, &path).map_or_else(nothing, |asset| send(asset, &headers))
}

/// What the door words as an error of its own.
fn nothing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

/// Only what is in the table is found: a path never reaches a disk.
fn find<'a>(assets: &'a [Asset], path: &str) -> Option<&'a Asset> {
    assets.iter().find(|asset| asset.path == path)
}

fn send(asset: &Asset, headers: &HeaderMap) -> Response {
    let (encoding, body) = if let (Some(body), true) = (asset.brotli, takes(headers, "br")) {
        (Some("br"), body)
    } else if let (Some(body), true) = (asset.gzip, takes(headers, "gzip")) {
        (Some("gzip"), body)
    } else {
        (None, asset.plain)
    };
    // The page itself is asked about each time, and then names files that never change.
    let caching =
        if asset.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if known(headers, asset.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.kind)], body).into_response()
    };
    let out = response.headers_mut();
    if let Some(encoding) = encoding.filter(|_| out.contains_key(header::CONTENT_TYPE)) {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let more: [(HeaderName, &'static str); 7] = [
        (header::CACHE_CONTROL, caching),
        (header::ETAG, asset.etag),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in more {
        out.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the client takes this encoding: named, and not with a weight of 0.
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused =
            parts.filter_map(|p| p.strip_prefix("q=")).any(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        named && !refused
    })
}

/// Whether the client has what bears this mark. A proxy that compresses may have made it weak.
fn known(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|mark| mark == "*" || mark.strip_prefix("W/").unwrap_or(mark) == etag)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAGE: Asset = Asset {
        path: "index.html",
        kind: "text/html; charset=utf-8",
        etag: "\"1\"",
        plain: b"<p>page</p>",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    };
    const FONT: Asset = Asset {
        path: "assets/a-1.woff2",
        kind: "font/woff2",
        etag: "\"2\"",
        plain: b"font",
        brotli: None,
        gzip: None,
    };

    fn headers(all: &[(HeaderName, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn of<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |v| v.to_str().unwrap())
    }

    #[test]
    fn the_best_encoding_that_the_client_takes_is_sent() {
        let encoded = |accepts: &'static str| {
            let response = send(&PAGE, &headers(&[(header::ACCEPT_ENCODING, accepts)]));
            of(&response, "content-encoding").to_owned()
        };
        assert_eq!(encoded("gzip, deflate, br"), "br");
        assert_eq!(encoded("gzip, br;q=0"), "gzip");
        assert_eq!(encoded("GZIP;q=0.5"), "gzip");
        assert_eq!(encoded("identity, gzip; q=0.0"), "");
        assert_eq!(encoded("brx"), "");
        let font = send(&FONT, &headers(&[(header::ACCEPT_ENCODING, "br, gzip")]));
        assert_eq!(of(&font, "content-encoding"), "");
    }

    #[test]
    fn the_page_is_asked_about_and_its_files_never_again() {
        let page = send(&PAGE, &HeaderMap::new());
        assert_eq!((page.status(), of(&page, "cache-control")), (StatusCode::OK, "no-cache"));
        assert!(of(&send(&FONT, &HeaderMap::new()), "cache-control").contains("immutable"));
        for (mark, status) in
            [("\"1\"", 304), ("W/\"1\"", 304), ("\"0\", \"1\"", 304), ("*", 304), ("\"2\"", 200)]
        {
            let response = send(&PAGE, &headers(&[(header::IF_NONE_MATCH, mark)]));
            assert_eq!(response.status().as_u16(), status, "{mark}");
            assert_eq!(of(&response, "etag"), "\"1\"");
        }
    }

    #[test]
    fn the_policy_lets_nothing_in() {
        let page = send(&PAGE, &HeaderMap::new());
        let policy = of(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
        assert_eq!(of(&page, "referrer-policy"), "no-referrer");
        let permissions = of(&page, "permissions-policy");
        assert!(permissions.starts_with("microphone=(self), camera=()") && !permissions.contains('*'));
    }

    #[test]
    fn only_what_was_packed_is_found_and_only_the_page_is_open() {
        let assets = [PAGE, FONT];
        assert!(find(&assets, "assets/a-1.woff2").is_some());
        for trick in ["../Cargo.toml", "assets/../index.html", "/index.html", "assets/", "", "INDEX.HTML"] {
            assert!(find(&assets, trick).is_none(), "{trick}");
        }
        for path in [
            "/",
            "/c/x",
            "/models",
            "/models/hf%3Aa%2Fb",
            "/system",
            "/usage",
            "/settings",
            "/voices",
            "/studio/assets/x.js",
        ] {
            assert!(is_page(&Method::GET, path) && !is_page(&Method::POST, path), "{path}");
        }
        for path in
            ["/api/parasol/models", "/metrics", "/c", "/models/a/b", "/c/x/y", "//", "/docs", "/studiox"]
        {
            assert!(!is_page(&Method::GET, path), "{path}");
        }
    }
}
