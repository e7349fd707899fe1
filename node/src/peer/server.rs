//! The peer listener: HTTP/1.1 for joining and for the upgrade to a stream.
//!
//! Whoever can reach the port can open connections, so those that are not authenticated members are
//! bounded in number and in the time they may take for head, body and handshake.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::timeout::TimeoutLayer;
use tracing::{debug, warn};

/// Bounds on connections that are not authenticated streams.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// How many there may be. At the bound, new ones wait in the listener's backlog.
    pub unauthenticated: usize,
    /// How long the head of a request may take, also the first one on a silent connection.
    pub head: Duration,
    /// How long a request may take, its body included.
    pub request: Duration,
    /// How long a connection may live that does not become a stream.
    pub connection: Duration,
    /// The longest body.
    pub body_bytes: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            unauthenticated: 512,
            head: seconds(5),
            request: seconds(10),
            connection: seconds(60),
            body_bytes: 2 << 20,
        }
    }
}

/// A place among the unauthenticated connections, free again when the last clone is dropped.
#[derive(Clone)]
pub struct Unauthenticated {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Why there is no peer listener.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("PEER_LISTEN: cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A bound peer listener.
#[derive(Debug)]
pub struct PeerServer {
    listener: TcpListener,
    address: SocketAddr,
    limits: ServerLimits,
}

impl PeerServer {
    /// Binds `address` (the setting `PEER_LISTEN`).
    pub async fn bind(address: SocketAddr, limits: ServerLimits) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address: bound, limits })
    }

    /// The address in use, with the port the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown`.
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let router = router
            .layer(DefaultBodyLimit::max(self.limits.body_bytes))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, self.limits.request));
        let places = Arc::new(Semaphore::new(self.limits.unauthenticated));
        loop {
            let next = async {
                let Ok(permit) = Arc::clone(&places).acquire_owned().await else {
                    return std::future::pending().await;
                };
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = shutdown.cancelled() => return,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let serving = serve_one(stream, permit, router.clone(), self.limits);
                    let shutdown = shutdown.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = shutdown.cancelled() => {}
                            () = serving => {}
                        }
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: wait for connections to end.
                    warn!(%error, "accepting a peer connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn serve_one(stream: TcpStream, permit: OwnedSemaphorePermit, router: Router, limits: ServerLimits) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a peer connection is gone already");
        return;
    }
    let place = Unauthenticated { _permit: Arc::new(permit) };
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let (router, place) = (router.clone(), place.clone());
        async move {
            request.extensions_mut().insert(place);
            Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    match tokio::time::timeout(limits.connection, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a peer connection ended"),
        Err(_) => debug!("a peer connection was closed at its greatest age"),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
