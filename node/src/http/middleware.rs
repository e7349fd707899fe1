//! What happens to every request: it is timed, counted, and bounded in time.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use blockchat_api::Code;

use tracing::Instrument as _;

use super::error::ApiError;
use super::state::AppState;
use super::trace;

/// Longest a request may take, its body included. Longer than [`super::MAX_WAIT`], which is an answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Records each request's duration by its matched route, never by its path: a path may name a wallet. Submissions begin
/// traces, and the line about a request names its trace.
pub async fn measure(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let matched = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = trace::submission(matched, &method, request.headers());
    let mut response = next.run(request).instrument(span.clone()).await;
    trace::answered(&span, &mut response);
    // A made-up method would be a label chosen by the caller.
    let method = if is_known(&method) { method.as_str() } else { "other" };
    let (status, seconds) = (response.status(), started.elapsed().as_secs_f64());
    let durations = &state.metrics().http.http_request_seconds;
    durations.with_label_values(&[matched, method, status.as_str()]).observe(seconds);
    span.in_scope(|| tracing::debug!(route = matched, method, status = status.as_u16(), seconds, "answered"));
    response
}

fn is_known(method: &axum::http::Method) -> bool {
    use axum::http::Method;
    [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS, Method::PATCH]
        .contains(method)
}

/// Ends a request that takes too long, most likely one whose body never comes.
pub async fn limit_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        ApiError::new(Code::RequestTimeout, format!("not answered within {} s", REQUEST_TIMEOUT.as_secs()))
            .into_response()
    })
}
