//! How much one peer may send before its stream is read more slowly.
//!
//! A token bucket over bytes and one over messages. Not reading fills the peer's socket, so the
//! sender waits instead of the other members' messages.

use std::time::Duration;

/// Bounds on what is read from one peer.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    /// Bytes per second; as many again may come at once.
    pub bytes_per_second: u64,
    /// Messages per second; as many again may come at once.
    pub messages_per_second: u64,
}

impl Default for RateLimits {
    /// Several times what one member sends at 10,000 transactions per second or while serving
    /// blocks, far below what a core can decode.
    fn default() -> Self {
        Self { bytes_per_second: 64 << 20, messages_per_second: 50_000 }
    }
}

/// The state of the two buckets, both full at first.
#[derive(Debug)]
pub struct RateBound {
    bytes: Bucket,
    messages: Bucket,
    refilled_at: Duration,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    level: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
impl Bucket {
    fn new(per_second: u64) -> Self {
        let per_second = per_second.max(1) as f64;
        Self { per_second, level: per_second }
    }

    fn refill(&mut self, elapsed: Duration) {
        self.level = (self.level + elapsed.as_secs_f64() * self.per_second).min(self.per_second);
    }

    fn take(&mut self, amount: usize) -> Duration {
        self.level -= amount as f64;
        Duration::from_secs_f64((-self.level / self.per_second).max(0.0))
    }
}

impl RateBound {
    /// Full buckets at time `now`.
    pub fn new(limits: RateLimits, now: Duration) -> Self {
        Self {
            bytes: Bucket::new(limits.bytes_per_second),
            messages: Bucket::new(limits.messages_per_second),
            refilled_at: now,
        }
    }

    /// Accounts for a frame; the time to wait before the next one is read, zero within the bounds.
    pub fn charge(&mut self, now: Duration, bytes: usize, messages: usize) -> Duration {
        let elapsed = now.saturating_sub(self.refilled_at);
        self.refilled_at = now;
        self.bytes.refill(elapsed);
        self.messages.refill(elapsed);
        self.bytes.take(bytes).max(self.messages.take(messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RateLimits = RateLimits { bytes_per_second: 1000, messages_per_second: 10 };

    #[test]
    fn a_burst_is_free_and_what_exceeds_it_waits() {
        let mut bound = RateBound::new(LIMITS, Duration::ZERO);
        assert_eq!(bound.charge(Duration::ZERO, 1000, 10), Duration::ZERO);
        assert_eq!(bound.charge(Duration::ZERO, 500, 0), Duration::from_millis(500));
        assert_eq!(bound.charge(Duration::from_millis(500), 0, 0), Duration::ZERO);
        assert_eq!(bound.charge(Duration::from_millis(500), 0, 20), Duration::from_millis(1500));
    }

    #[test]
    fn rest_fills_the_buckets_no_further_than_a_second() {
        let mut bound = RateBound::new(LIMITS, Duration::ZERO);
        bound.charge(Duration::ZERO, 1000, 10);
        let later = Duration::from_hours(1);
        assert_eq!(bound.charge(later, 1000, 0), Duration::ZERO);
        assert_eq!(bound.charge(later, 1, 0), Duration::from_millis(1));
    }

    #[test]
    fn a_sender_at_its_rate_never_waits() {
        let mut bound = RateBound::new(LIMITS, Duration::ZERO);
        for step in 1..100u64 {
            assert_eq!(bound.charge(Duration::from_millis(100 * step), 100, 1), Duration::ZERO);
        }
    }
}
