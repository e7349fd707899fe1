//! Browsers: which web pages may use this node.
//!
//! A page from anywhere can make its visitor's browser send a form to a node on the visitor's machine. Programs send no
//! `Origin`; a browser always does with such a request, so one that is not expected is refused before anything happens.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use blockchat_api::{Code, IDEMPOTENCY_KEY_HEADER};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::error::ApiError;
use super::state::AppState;

/// Whose pages may call the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Reads a list such as `https://a.example, http://localhost:3000`; none if an entry is no origin.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').map(str::trim).map(origin).collect::<Option<Vec<_>>>().map(Self)
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        self.0.contains(origin)
    }

    /// What lets these pages read answers; none without any.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let headers =
            [header::CONTENT_TYPE, header::AUTHORIZATION, header::HeaderName::from_static(IDEMPOTENCY_KEY_HEADER)];
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.0.iter().cloned()))
            .allow_methods([Method::GET, Method::POST, Method::PUT])
            .allow_headers(headers)
            .expose_headers([header::RETRY_AFTER]);
        Some(layer)
    }
}

/// An origin is scheme, host and port, and nothing behind; a wildcard is not one.
fn origin(text: &str) -> Option<HeaderValue> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
    if plain { HeaderValue::from_str(text).ok() } else { None }
}

/// Refuses what changes something for a page of an origin that is not configured.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    match request.headers().get(header::ORIGIN) {
        Some(origin) if !reads && !state.origins().is_some_and(|origins| origins.allow(origin)) => {
            let detail = "pages of this origin may not use the node; CORS_ORIGINS lists those that may";
            ApiError::new(Code::OriginNotAllowed, detail).into_response()
        }
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["http://localhost:3000", "https://a.example", "https://a.example, http://[::1]:8080"] {
            assert!(Origins::parse(good).is_some(), "{good}");
        }
        for bad in [
            "*",
            "",
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "ftp://a.example",
            "https://a.example,",
            "https://u@a.example",
            "http://a.example:80",
            "null",
        ] {
            assert_eq!(Origins::parse(bad), None, "{bad}");
        }
    }
}
