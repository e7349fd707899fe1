//! What the handlers share.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use blockchat_api::Code;
use blockchat_consensus::View;
use blockchat_ledger::Ring;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::auth::ApiToken;
use super::backend::{Backend, Chain, ChainError};
use super::error::ApiError;
use super::origin::Origins;
use crate::telemetry::{Metrics, Traces};
use crate::wallet::WalletHandle;

/// Most event streams at once; each is a connection that stays.
pub(super) const MAX_EVENT_STREAMS: usize = 256;

/// The state of the API. It exists before the node has joined; [`AppState::join`] completes it. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    token: Option<ApiToken>,
    waiting_for: RwLock<String>,
    joined: OnceLock<Arc<Joined>>,
    origins: OnceLock<Origins>,
    event_slots: Arc<Semaphore>,
    closing: CancellationToken,
}

/// What exists once the node is a member.
pub struct Joined {
    /// This member's id.
    pub me: u16,
    /// The network.
    pub ring: Arc<Ring>,
    /// The task that owns the state.
    pub backend: Arc<dyn Backend>,
    /// What is final.
    pub chain: Arc<dyn Chain>,
    /// What happened lately.
    pub activity: Activity,
    /// The node's own wallet.
    pub wallet: WalletHandle,
    /// Where a member's API is, as far as this node knows.
    pub urls: Arc<dyn Fn(u16) -> Option<String> + Send + Sync>,
    /// Whether a stream to a member is up.
    pub connected: Arc<dyn Fn(u16) -> bool + Send + Sync>,
    /// Traces.
    pub traces: Traces,
}

impl AppState {
    /// The state of a node that has not joined yet.
    pub fn new(metrics: Metrics, token: Option<ApiToken>) -> Self {
        Self(Arc::new(Inner {
            metrics,
            token,
            waiting_for: RwLock::new("start".to_owned()),
            joined: OnceLock::new(),
            origins: OnceLock::new(),
            event_slots: Arc::new(Semaphore::new(MAX_EVENT_STREAMS)),
            closing: CancellationToken::new(),
        }))
    }

    /// Lets pages of these origins use the API. Before the router is made; only the first call counts.
    pub fn set_origins(&self, origins: Origins) {
        let _ = self.0.origins.set(origins);
    }

    /// Whose pages may use the API; none: nobody's.
    pub(super) fn origins(&self) -> Option<&Origins> {
        self.0.origins.get()
    }

    /// Says what the node waits for, until it has joined.
    pub fn set_waiting_for(&self, what: impl Into<String>) {
        *self.0.waiting_for.write().unwrap_or_else(PoisonError::into_inner) = what.into();
    }

    /// Opens the endpoints that need a ledger. Only the first call counts.
    pub fn join(&self, joined: Joined) {
        if self.0.joined.set(Arc::new(joined)).is_err() {
            tracing::error!("the API was told twice that the node has joined");
        }
    }

    /// The node, once it is a member.
    pub fn joined(&self) -> Option<&Arc<Joined>> {
        self.0.joined.get()
    }

    /// Leave to open an event stream, if there are not too many.
    pub(super) fn event_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.event_slots).try_acquire_owned().ok()
    }

    /// Cancelled when the node stops: an event stream has no other end.
    pub(super) fn closing(&self) -> CancellationToken {
        self.0.closing.clone()
    }

    /// Ends the event streams.
    pub(super) fn close(&self) {
        self.0.closing.cancel();
    }

    pub(super) fn waiting_for(&self) -> String {
        self.0.waiting_for.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn token(&self) -> Option<&ApiToken> {
        self.0.token.as_ref()
    }
}

impl Joined {
    /// The newest snapshot.
    pub fn view(&self) -> Arc<View> {
        self.backend.view()
    }

    /// Runs a read of the chain where it may block.
    pub(super) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    {
        let this = Arc::clone(self);
        let ended = tokio::task::spawn_blocking(move || work(&this)).await;
        ended.unwrap_or_else(|error| Err(ChainError(error.to_string()).into()))
    }

    /// Why the node should get no requests, if so: behind its peers by more than a block.
    pub fn not_ready(&self) -> Option<String> {
        let view = self.view();
        if view.syncing {
            return Some(format!("syncing, {} blocks behind", view.blocks_behind));
        }
        (!view.caught_up).then(|| {
            "starting: not enough of the other members have answered, or it lacks blocks that they have".to_owned()
        })
    }
}

/// The joined node; a request that needs it is refused before.
pub(super) struct Node(pub Arc<Joined>);

impl FromRequestParts<AppState> for Node {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let not_joined = || {
            ApiError::new(
                Code::NotJoined,
                format!("the node has not joined the network: waiting for {}", state.waiting_for()),
            )
        };
        state.joined().cloned().map(Self).ok_or_else(not_joined)
    }
}
