//! Bytes of messages to and from other members, by kind.

use crate::telemetry::IntCounterVec;

/// The counters `peer_bytes_total{direction,kind}`. Frames and handshakes are not counted: they are a few bytes.
#[derive(Clone, Debug)]
pub struct PeerBytes(IntCounterVec);

impl PeerBytes {
    /// The labels of the counters.
    pub const LABELS: &[&str] = &["direction", "kind"];

    /// Counts into registered counters.
    pub fn new(counters: IntCounterVec) -> Self {
        Self(counters)
    }

    /// Counters that nobody reads.
    pub fn unread() -> Self {
        Self(IntCounterVec::default())
    }

    /// So many bytes were queued for a member.
    pub fn sent(&self, kind: &str, bytes: usize) {
        self.0.with_label_values(&["sent", kind]).inc_by(bytes as u64);
    }

    /// So many bytes came from a member.
    pub fn received(&self, kind: &str, bytes: usize) {
        self.0.with_label_values(&["received", kind]).inc_by(bytes as u64);
    }
}
