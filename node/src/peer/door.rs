//! Where other members' streams come in: the HTTP side of an upgrade, then the handshake.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::{debug, warn};

use super::dial::{STREAM_PATH, UPGRADE_NAME, VERSION_HEADER};
use super::handshake::{self, Credentials, HandshakeError, Refusal, STREAM_VERSION};
use super::problem::Problem;
use super::server::Unauthenticated;
use super::transport::{self, Raw};
use crate::telemetry::Seldom;

type Adopt = Box<dyn Fn(u16, Raw) + Send + Sync>;

struct Opened {
    credentials: Arc<Credentials>,
    adopt: Adopt,
}

/// The route of incoming streams. Closed until this node is a member.
#[derive(Clone, Default)]
pub struct StreamDoor {
    opened: Arc<OnceLock<Opened>>,
    /// Anybody may knock.
    strangers: Arc<Mutex<Seldom>>,
}

impl std::fmt::Debug for StreamDoor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StreamDoor").field("open", &self.opened.get().is_some()).finish_non_exhaustive()
    }
}

impl StreamDoor {
    /// A closed door.
    pub fn new() -> Self {
        Self::default()
    }

    /// The routes for the peer listener.
    pub fn router(&self) -> Router {
        Router::new().route(STREAM_PATH, get(upgrade)).with_state(self.clone())
    }

    /// Lets members in; `adopt` takes each authenticated stream. Only the first call counts.
    pub(super) fn open(&self, credentials: Arc<Credentials>, adopt: impl Fn(u16, Raw) + Send + Sync + 'static) {
        if self.opened.set(Opened { credentials, adopt: Box::new(adopt) }).is_err() {
            warn!("the peer streams were started twice; the second start takes none");
        }
    }
}

async fn upgrade(State(door): State<StreamDoor>, mut request: Request) -> Response {
    if door.opened.get().is_none() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_joined", "this node is not a member yet")
            .into_response();
    }
    if !names_this_protocol(request.headers()) {
        let detail = format!("expected the headers 'Upgrade: {UPGRADE_NAME}' and '{VERSION_HEADER}: {STREAM_VERSION}'");
        let mut refusal = Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail).into_response();
        refusal.headers_mut().insert(UPGRADE, HeaderValue::from_static(UPGRADE_NAME));
        return refusal;
    }
    let slot = request.extensions_mut().remove::<Unauthenticated>();
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let result = match upgraded.await {
            Ok(upgraded) => authenticate(&door, upgraded).await,
            Err(error) => Err(HandshakeError::Io(std::io::Error::other(error))),
        };
        drop(slot);
        match result {
            Ok((peer, raw)) => {
                if let Some(opened) = door.opened.get() {
                    (opened.adopt)(peer, raw);
                }
            }
            Err(HandshakeError::Refused(Refusal::Chain, detail)) => {
                let due = door.strangers.lock().unwrap_or_else(PoisonError::into_inner).due();
                if let Some(left_out) = due {
                    warn!(%detail, left_out, "refused a stream from a member of another network");
                }
            }
            Err(error) => debug!(%error, "a stream was not opened"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(UPGRADE_NAME));
    response
}

async fn authenticate(door: &StreamDoor, upgraded: hyper::upgrade::Upgraded) -> Result<(u16, Raw), HandshakeError> {
    let mut raw = transport::raw(upgraded)?;
    let Some(opened) = door.opened.get() else { return Err(HandshakeError::Malformed) };
    if !raw.early.is_empty() {
        // The dialling side waits for the answer before it says anything.
        return Err(HandshakeError::Malformed);
    }
    let peer = handshake::accept(&mut raw.stream, &opened.credentials).await?;
    Ok((peer, raw))
}

fn names_this_protocol(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| {
        headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.eq_ignore_ascii_case(value))
    };
    is(UPGRADE.as_str(), UPGRADE_NAME) && is(VERSION_HEADER, &STREAM_VERSION.to_string())
}
