//! The listener for operators: metrics, liveness, readiness. Never exposed with the API.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve::serve_router;
use super::state::AppState;

/// A thread that owns the state and is silent for this long hangs: the slowest disks stall for less.
const STUCK: Duration = Duration::from_mins(1);

/// The routes of the admin listener.
pub fn admin_router(state: AppState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(alive))
        .route("/startupz", get(started))
        .route("/readyz", get(ready))
        .with_state(state)
}

/// Serves the admin listener until `shutdown`.
pub async fn serve_admin(listener: TcpListener, state: AppState, shutdown: CancellationToken) {
    serve_router(listener, admin_router(state), shutdown).await;
}

async fn metrics(State(state): State<AppState>) -> Response {
    match state.metrics().encode() {
        Ok(None) => (StatusCode::NOT_FOUND, "METRICS=false: this node does not measure itself\n").into_response(),
        Ok(Some(text)) => {
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "encoding the metrics failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Alive, as long as a restart would not help: a node that waits for others or that syncs is alive.
async fn alive(State(state): State<AppState>) -> (StatusCode, String) {
    let silent = state.joined().map(|joined| joined.backend.silent_for()).filter(|silent| *silent > STUCK);
    match silent {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(silent) => {
            let reason = format!("stuck: the state's thread has not come round for {} s\n", silent.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    }
}

/// Started: a member. Until then it waits for others, for as long as they take.
async fn started(State(state): State<AppState>) -> (StatusCode, String) {
    match state.joined() {
        Some(_) => (StatusCode::OK, "joined\n".to_owned()),
        None => (StatusCode::SERVICE_UNAVAILABLE, joining(&state)),
    }
}

fn joining(state: &AppState) -> String {
    format!("joining: waiting for {}\n", state.waiting_for())
}

/// Ready: joined, synced, within one block of its peers. The body says why not.
async fn ready(State(state): State<AppState>) -> (StatusCode, String) {
    let Some(joined) = state.joined() else { return (StatusCode::SERVICE_UNAVAILABLE, joining(&state)) };
    match joined.not_ready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
