//! Waiting for something to become true, with a deadline and a reason when it does not.

use std::time::{Duration, Instant};

/// A bound for what takes moments: an answer, a block, a process that ends.
pub const SHORT: Duration = Duration::from_secs(30);
/// A bound for what takes a while on a busy machine: founding, catching up.
pub const LONG: Duration = Duration::from_mins(2);

const PAUSE: Duration = Duration::from_millis(50);

/// Calls `check` until it answers `Ok`, and returns that.
pub async fn eventually<T>(what: &str, within: Duration, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        let reason = match check().await {
            Ok(value) => return value,
            Err(reason) => reason,
        };
        assert!(started.elapsed() < within, "waited {within:?} in vain for {what}; last: {reason}");
        tokio::time::sleep(PAUSE).await;
    }
}
