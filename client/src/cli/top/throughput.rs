//! Transactions of each second, as the blocks come.

use std::collections::VecDeque;
use std::time::Instant;

/// Seconds that are remembered: more than any terminal has columns.
const SECONDS: usize = 512;
/// The time that the throughput is of, where a node does not tell its own.
const WINDOW: u64 = 10;

/// Sums by the second.
#[derive(Debug)]
pub struct Throughput {
    began: Instant,
    /// The second, counted from the start, and the transactions in it; only those with any, oldest first.
    sums: VecDeque<(u64, u64)>,
}

impl Throughput {
    /// Nothing was seen yet.
    pub fn new(now: Instant) -> Self {
        Self { began: now, sums: VecDeque::new() }
    }

    /// A block came, with so many transactions.
    pub fn add(&mut self, now: Instant, transactions: u64) {
        let second = self.second(now);
        match self.sums.back_mut() {
            Some((last, sum)) if *last == second => *sum += transactions,
            _ => self.sums.push_back((second, transactions)),
        }
        if self.sums.len() > SECONDS {
            self.sums.pop_front();
        }
    }

    /// Transactions of each whole second, oldest first. The one in progress is not among them.
    pub fn per_second(&self, now: Instant) -> Vec<u64> {
        let end = self.second(now);
        let begin = end.saturating_sub(SECONDS as u64);
        let mut seconds = vec![0; usize::try_from(end - begin).unwrap_or(0)];
        for (second, sum) in &self.sums {
            let place = second.checked_sub(begin).and_then(|place| usize::try_from(place).ok());
            if let Some(slot) = place.and_then(|place| seconds.get_mut(place)) {
                *slot = *sum;
            }
        }
        seconds
    }

    /// Transactions of the last whole seconds, ten at most, and their milliseconds.
    pub fn recent(&self, now: Instant) -> (u64, u64) {
        let end = self.second(now);
        let begin = end.saturating_sub(WINDOW);
        let inside = self.sums.iter().filter(|(second, _)| (begin..end).contains(second));
        (inside.map(|(_, sum)| sum).sum(), (end - begin) * 1_000)
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whole_seconds_are_summed_and_old_ones_leave_the_window() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut throughput = Throughput::new(start);
        assert_eq!(throughput.recent(at(900)), (0, 0), "no second is over");
        for (when, transactions) in [(100, 5), (900, 6), (2_500, 7), (3_100, 1)] {
            throughput.add(at(when), transactions);
        }
        assert_eq!(throughput.per_second(at(3_200)), [11, 0, 7], "the one in progress does not count");
        assert_eq!(throughput.recent(at(3_200)), (18, 3_000));
        assert_eq!(throughput.recent(at(11_000)), (8, 10_000), "the first second is too old");
        assert_eq!(throughput.per_second(at(10_000_000)).len(), SECONDS);
    }
}
