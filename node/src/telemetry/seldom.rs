//! Log lines that others can cause as often as they like.

use std::time::Duration;

use tokio::time::Instant;

/// One line of a kind in this time, if nobody says otherwise.
const EVERY: Duration = Duration::from_secs(10);

/// Says when the next line of a kind may be written: others must not fill a disk, nor make the node wait for it.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    last: Option<Instant>,
    left_out: u64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self::every(EVERY)
    }
}

impl Seldom {
    /// A line at once, and then one in this time.
    pub const fn every(every: Duration) -> Self {
        Self { every, last: None, left_out: 0 }
    }

    /// The next line is written.
    pub const fn reset(&mut self) {
        (self.last, self.left_out) = (None, 0);
    }

    /// How many were left out since the last one, if this one is to be written.
    pub fn due(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_written_and_tells_of_the_others() {
        let mut seldom = Seldom::default();
        assert_eq!(seldom.due(), Some(0));
        assert!((0..1_000).all(|_| seldom.due().is_none()));
        seldom.last = seldom.last.and_then(|last| last.checked_sub(EVERY));
        assert_eq!(seldom.due(), Some(1_000));
        assert_eq!(seldom.due(), None);
    }
}
