//! Stops the making of spans while the collector takes none: making them is most of what traces cost.
//!
//! After a batch that was not taken no spans are made and no traces begun for [`PAUSE`]; then [`PROBE`] are, and what
//! becomes of them decides. Traces of others go on meanwhile: a node that makes no span passes on the context that it got.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::telemetry::TraceMetrics;

/// How long no spans are made.
const PAUSE: Duration = Duration::from_secs(30);
/// How many are made after that.
const PROBE: i64 = 64;

/// Whether spans are worth making.
#[derive(Debug)]
pub struct Breaker {
    began: Instant,
    /// Milliseconds from `began` until the pause ends; 0: the collector works, as far as anybody knows.
    until: AtomicU64,
    /// Spans of the probe that may still be made.
    left: AtomicI64,
    metrics: TraceMetrics,
}

impl Breaker {
    /// The collector works, until it is known not to.
    pub fn new(metrics: &TraceMetrics) -> Self {
        let (until, left, metrics) = (AtomicU64::new(0), AtomicI64::new(0), metrics.clone());
        Self { began: Instant::now(), until, left, metrics }
    }

    /// Whether a span may be made now. One that may not counts as dropped.
    pub fn allows(&self) -> bool {
        let allowed = match self.until.load(Relaxed) {
            0 => true,
            until => self.millis(Duration::ZERO) >= until && self.left.fetch_sub(1, Relaxed) > 0,
        };
        if !allowed {
            self.metrics.spans_dropped_total.inc();
        }
        allowed
    }

    /// The collector took a batch.
    pub fn taken(&self) {
        self.until.store(0, Relaxed);
    }

    /// The collector did not take a batch.
    pub fn refused(&self) {
        self.left.store(PROBE, Relaxed);
        self.until.store(self.millis(PAUSE).max(1), Relaxed);
    }

    fn millis(&self, later: Duration) -> u64 {
        u64::try_from((self.began.elapsed() + later).as_millis()).unwrap_or(u64::MAX)
    }

    /// What was counted.
    #[cfg(test)]
    pub(super) fn dropped(&self) -> u64 {
        self.metrics.spans_dropped_total.get()
    }

    /// The pause is over at once.
    #[cfg(test)]
    pub(super) fn pause_ends(&self) {
        self.until.store(1, Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::telemetry::Metrics;

    fn allowed(breaker: &Breaker, asked: usize) -> usize {
        (0..asked).filter(|_| breaker.allows()).count()
    }

    #[test]
    fn a_pause_then_a_probe_then_what_became_of_it() {
        let breaker = Breaker::new(&Metrics::register(&Registry::new()).unwrap().trace);
        assert_eq!(allowed(&breaker, 1_000), 1_000);
        breaker.refused();
        assert_eq!(allowed(&breaker, 1_000), 0);
        breaker.pause_ends();
        assert_eq!(allowed(&breaker, 1_000), 64, "a probe");
        breaker.refused();
        assert_eq!(allowed(&breaker, 1_000), 0);
        breaker.pause_ends();
        breaker.taken();
        assert_eq!(allowed(&breaker, 1_000), 1_000);
    }
}
