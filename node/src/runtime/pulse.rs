//! A sign of life of the thread that owns the state, for liveness probes: a thread that hangs ends nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the thread last came round. Clones share it.
#[derive(Debug, Clone)]
pub struct Pulse {
    start: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse that has just beaten.
    pub fn start() -> Self {
        Self { start: Instant::now(), last_ms: Arc::default() }
    }

    /// The thread has come round.
    pub fn beat(&self) {
        self.last_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Time since the last beat.
    pub fn silent_for(&self) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_grows_until_the_next_beat() {
        let pulse =
            Pulse { start: Instant::now().checked_sub(Duration::from_mins(1)).unwrap(), last_ms: Arc::default() };
        assert!(pulse.silent_for() >= Duration::from_mins(1));
        let other = pulse.clone();
        other.beat();
        assert!(pulse.silent_for() < Duration::from_mins(1));
    }
}
