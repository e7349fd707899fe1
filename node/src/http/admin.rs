//! The listener for operators: metrics, liveness, readiness. Never exposed with the API.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve::serve_router;
use super::state::AppState;

/// The routes of the admin listener.
pub fn admin_router(state: AppState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(state)
}

/// Serves the admin listener until `shutdown`.
pub async fn serve_admin(listener: TcpListener, state: AppState, shutdown: CancellationToken) {
    serve_router(listener, admin_router(state), shutdown).await;
}

async fn metrics(State(state): State<AppState>) -> Response {
    match state.metrics().encode() {
        Ok(text) => {
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "encoding the metrics failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Ready: joined, synced, within one block of its peers. The body says why not.
async fn ready(State(state): State<AppState>) -> (StatusCode, String) {
    let reason = match state.joined() {
        None => Some(format!("not joined: waiting for {}", state.waiting_for())),
        Some(joined) => joined.not_ready(),
    };
    match reason {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
