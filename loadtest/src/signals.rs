//! Signals that ask the program to stop.

use crate::error::LoadError;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Runs `work` until it is done or a signal (SIGINT, SIGTERM, SIGHUP) comes.
///
/// Then `work` is dropped where it stands: whatever it holds (processes, folders) must clean up when dropped. That is
/// also what happens on an error or a panic, so there is one way to leave nothing behind.
///
/// # Errors
/// Those of `work`, and [`LoadError::Interrupted`].
pub async fn until_interrupted<T>(work: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
    let listen = |kind| signal(kind).map_err(crate::error::io_error("signal handler"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Err(LoadError::Interrupted),
        _ = terminate.recv() => Err(LoadError::Interrupted),
        _ = hang_up.recv() => Err(LoadError::Interrupted),
    }
}
