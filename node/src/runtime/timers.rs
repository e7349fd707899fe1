//! The core's timers: a handful, so a map that is scanned serves better than a heap with stale entries.

use std::collections::BTreeMap;
use std::time::Duration;

use blockchat_consensus::TimerId;

/// Deadlines by timer, as time since the start of the process.
#[derive(Debug, Default)]
pub struct Timers(BTreeMap<TimerId, Duration>);

impl Timers {
    /// Starts a timer, in place of a running one of this id.
    pub fn set(&mut self, id: TimerId, deadline: Duration) {
        self.0.insert(id, deadline);
    }

    /// Stops a timer, if it runs.
    pub fn cancel(&mut self, id: TimerId) {
        self.0.remove(&id);
    }

    /// When the next one runs out.
    pub fn next(&self) -> Option<Duration> {
        self.0.values().min().copied()
    }

    /// Takes those that have run out, the earliest first.
    pub fn due(&mut self, now: Duration) -> Vec<TimerId> {
        let mut due: Vec<(Duration, TimerId)> =
            self.0.iter().filter(|(_, deadline)| **deadline <= now).map(|(id, deadline)| (*deadline, *id)).collect();
        due.sort_unstable();
        for (_, id) in &due {
            self.0.remove(id);
        }
        due.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_out_in_order_once_and_can_be_replaced_and_stopped() {
        let ms = Duration::from_millis;
        let mut timers = Timers::default();
        timers.set(TimerId::Sync, ms(30));
        timers.set(TimerId::Status, ms(20));
        timers.set(TimerId::Fetch, ms(10));
        timers.set(TimerId::Held, ms(5));
        timers.cancel(TimerId::Held);
        timers.set(TimerId::Sync, ms(15));
        assert_eq!(timers.next(), Some(ms(10)));
        assert_eq!(timers.due(ms(9)), []);
        assert_eq!(timers.due(ms(15)), [TimerId::Fetch, TimerId::Sync]);
        assert_eq!(timers.due(ms(15)), []);
        assert_eq!(timers.due(ms(99)), [TimerId::Status]);
        assert_eq!(timers.next(), None);
    }
}
