//! Where this node is, for log lines and spans: which member, at which height and round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Stands for no member: ids are 16 bits.
const NOBODY: u32 = u32::MAX;

/// Member, height and round. Told by the thread that owns the state, read by whoever logs. Clones share it.
#[derive(Clone, Debug)]
pub struct Place(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    member: AtomicU32,
    height: AtomicU64,
    round: AtomicU32,
}

/// What a log line says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// This member's id.
    pub member: u16,
    /// Index of the newest committed block.
    pub height: u64,
    /// Round of the height in progress; 0 while there is none.
    pub round: u32,
}

impl Default for Place {
    fn default() -> Self {
        Self(Arc::new(Inner { member: NOBODY.into(), height: 0.into(), round: 0.into() }))
    }
}

impl Place {
    /// The node is this member.
    pub fn joined(&self, member: u16) {
        self.0.member.store(member.into(), Relaxed);
    }

    /// The node has come this far.
    pub fn at(&self, height: u64, round: u32) {
        self.0.height.store(height, Relaxed);
        self.0.round.store(round, Relaxed);
    }

    /// Where it is; none before it has joined.
    pub fn standing(&self) -> Option<Standing> {
        let member = u16::try_from(self.0.member.load(Relaxed)).ok()?;
        Some(Standing { member, height: self.0.height.load(Relaxed), round: self.0.round.load(Relaxed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_before_joining_then_what_was_told_last() {
        let place = Place::default();
        assert_eq!(place.standing(), None);
        place.joined(3);
        place.clone().at(7, 1);
        assert_eq!(place.standing(), Some(Standing { member: 3, height: 7, round: 1 }));
    }
}
