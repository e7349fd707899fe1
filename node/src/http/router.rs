//! Every path of the API, and what all requests pass through.

use std::sync::OnceLock;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use axum::{Router, http::Uri};
use blockchat_api::{Code, MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES, paths};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::handlers::{accounts, blocks, events, network, transactions, wallet};
use super::origin::Origins;
use super::serve::serve_router;
use super::state::AppState;
use super::{auth, middleware, origin, original};

/// The API as a service, without a listener.
pub fn router(state: AppState) -> Router {
    let wallet = Router::new()
        .route(paths::WALLET, get(wallet::show))
        .route(paths::WALLET_TRANSACTIONS, post(wallet::send).get(wallet::history))
        .route(paths::WALLET_STAKE, put(wallet::stake))
        .route_layer(from_fn_with_state(state.clone(), auth::require_token));
    // The original knows no tokens: with one configured, its endpoints would be the way around it.
    let original = if state.token().is_none() { original::routes() } else { Router::new() };
    let cors = state.origins().and_then(Origins::layer);
    let router = Router::new()
        .merge(wallet)
        .merge(original)
        .route(paths::TRANSACTIONS, post(transactions::submit))
        .route(
            paths::TRANSACTIONS_BATCH,
            post(transactions::submit_batch).layer(DefaultBodyLimit::max(MAX_BATCH_BODY_BYTES)),
        )
        .route(paths::TRANSACTION, get(transactions::show))
        .route(paths::TRANSACTION_RECEIPT, get(transactions::receipt))
        .route(paths::ACCOUNT, get(accounts::show))
        .route(paths::ACCOUNT_TRANSACTIONS, get(accounts::history))
        .route(paths::BLOCKS, get(blocks::list))
        .route(paths::BLOCK, get(blocks::show))
        .route(paths::BLOCK_CERTIFICATE, get(blocks::certificate))
        .route(paths::BLOCK_LOTTERY, get(blocks::lottery))
        .route(paths::EVENTS, get(events::stream))
        .route(paths::EVIDENCE, get(network::evidence))
        .route(paths::NETWORK, get(network::show))
        .route(paths::OPENAPI, get(openapi))
        .route(paths::STATUS, get(network::status))
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(middleware::limit_time))
        .layer(from_fn_with_state(state.clone(), origin::guard))
        .layer(from_fn_with_state(state.clone(), middleware::measure))
        .with_state(state);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Serves the API until `shutdown`.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: CancellationToken) {
    let streams = state.clone();
    let stop = shutdown.clone();
    let ending = tokio::spawn(async move {
        stop.cancelled().await;
        streams.close();
    });
    serve_router(listener, router(state), shutdown).await;
    ending.abort();
}

async fn openapi() -> Json<serde_json::Value> {
    static DOCUMENT: OnceLock<serde_json::Value> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| serde_json::to_value(blockchat_api::openapi()).unwrap_or_default());
    Json(document.clone())
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::new(Code::UnknownPath, format!("there is no path {}", uri.path()))
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "this path does not take this method")
}
