//! Accepting connections, bounded in number and patience.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most connections at once; further ones wait in the listener's queue.
const MAX_CONNECTIONS: usize = 2048;
/// A connection that doesn't send the whole head of a request for this long is closed, idle ones included.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);
/// Read buffer of a connection, which bounds the head of a request.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// At shutdown, requests in flight get this long.
const DRAIN: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptors left), so that it doesn't spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets the requests in flight finish for a bounded time.
pub(super) async fn serve_router(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        if let Some((stream, slot)) = accepted {
            connections.spawn(serve_connection(stream, slot, router.clone(), shutdown.clone()));
        }
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "requests still in flight at the end of the drain are cut off");
    }
}

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "accepting a connection failed");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn serve_connection(stream: TcpStream, _slot: OwnedSemaphorePermit, router: Router, shutdown: CancellationToken) {
    // Answers are small: waiting to fill a segment would add 40 ms to them. Without the option it is only slower.
    let _ = stream.set_nodelay(true);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The caller went away or spoke no HTTP: its business, not the node's.
        tracing::debug!(%error, "connection ended");
    }
}
