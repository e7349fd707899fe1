//! What `GET /status` tells of the last seconds: how fast blocks come, and how soon a transaction is final.
//!
//! The metrics have the same as counters and histograms, for a server that collects them. Here are the figures of this
//! moment, for people and programs that look at one node. The thread that owns the state only adds samples, under a lock
//! that is held for as long as that takes; who asks copies them under that lock and computes without it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blockchat_api::FiguresAnswer;

/// Samples older than this don't count.
const WINDOW: Duration = Duration::from_secs(10);
/// Most blocks that are remembered: 400 a second.
const MAX_BLOCKS: usize = 4_096;
/// Most times to finality that are remembered; see [`Finality`].
const MAX_FINALITY: usize = 4_096;

/// The samples. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Figures {
    began: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    blocks: VecDeque<BlockSample>,
    finality: Finality,
}

#[derive(Clone, Copy, Debug)]
struct BlockSample {
    at: Instant,
    transactions: u32,
    extra_rounds: u32,
}

impl Default for Figures {
    fn default() -> Self {
        Self { began: Instant::now(), inner: Arc::default() }
    }
}

impl Figures {
    /// A block was made final, in this round (from 0).
    pub fn block(&self, transactions: u32, round: u32) {
        self.block_at(Instant::now(), transactions, round);
    }

    /// A transaction was final this long after this node saw it first.
    pub fn finality(&self, took: Duration) {
        self.lock().finality.add(Instant::now(), took);
    }

    /// The figures of the last ten seconds.
    pub fn answer(&self) -> FiguresAnswer {
        let samples = self.lock().clone();
        samples.answer(self.began, Instant::now())
    }

    fn block_at(&self, at: Instant, transactions: u32, extra_rounds: u32) {
        let mut inner = self.lock();
        inner.blocks.push_back(BlockSample { at, transactions, extra_rounds });
        if inner.blocks.len() > MAX_BLOCKS {
            inner.blocks.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn answer(&self, began: Instant, now: Instant) -> FiguresAnswer {
        let mut window = now.saturating_duration_since(began).min(WINDOW);
        let recent = |at: Instant| now.saturating_duration_since(at) <= WINDOW;
        if let Some(oldest) = self.blocks.front().filter(|_| self.blocks.len() == MAX_BLOCKS) {
            // Older ones may have been forgotten: the figures are of the time that is remembered.
            window = window.min(now.saturating_duration_since(oldest.at));
        }
        let blocks: Vec<&BlockSample> = self.blocks.iter().filter(|block| recent(block.at)).collect();
        let mut intervals: Vec<u64> =
            blocks.windows(2).map(|pair| micros(pair[1].at.saturating_duration_since(pair[0].at))).collect();
        let sum: u64 = intervals.iter().sum();
        let count = u64::try_from(intervals.len()).unwrap_or(u64::MAX);
        intervals.sort_unstable();
        let mut finality: Vec<u64> =
            self.finality.samples.iter().filter(|(at, _)| recent(*at)).map(|(_, took)| micros(*took)).collect();
        finality.sort_unstable();
        FiguresAnswer {
            window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
            blocks: u64::try_from(blocks.len()).unwrap_or(u64::MAX),
            transactions: blocks.iter().map(|block| u64::from(block.transactions)).sum(),
            extra_rounds: blocks.iter().map(|block| u64::from(block.extra_rounds)).sum(),
            block_interval_mean_us: sum.checked_div(count),
            block_interval_p95_us: percentile(&intervals, 95),
            transaction_finality_p50_us: percentile(&finality, 50),
            transaction_finality_p95_us: percentile(&finality, 95),
        }
    }
}

/// Times to finality. When there are more than are remembered, every second, fourth, … transaction is a sample, so that the
/// percentiles are of the whole window and not of its end.
#[derive(Clone, Debug)]
struct Finality {
    samples: VecDeque<(Instant, Duration)>,
    /// One in so many is kept.
    stride: u32,
    skipped: u32,
}

impl Default for Finality {
    fn default() -> Self {
        Self { samples: VecDeque::new(), stride: 1, skipped: 0 }
    }
}

impl Finality {
    fn add(&mut self, at: Instant, took: Duration) {
        self.skipped += 1;
        if self.skipped < self.stride {
            return;
        }
        self.skipped = 0;
        while self.samples.front().is_some_and(|(oldest, _)| at.saturating_duration_since(*oldest) > WINDOW) {
            self.samples.pop_front();
        }
        if self.samples.len() >= MAX_FINALITY {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride = self.stride.saturating_mul(2);
        } else if self.samples.len() < MAX_FINALITY / 4 && self.stride > 1 {
            self.stride /= 2;
        }
        self.samples.push_back((at, took));
    }
}

/// The smallest value that at least `percent` of all are not above (nearest rank); of sorted values.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures with a block at each of these milliseconds, asked at `now`.
    fn asked(blocks: &[u64], now: u64) -> FiguresAnswer {
        let figures = Figures::default();
        let start = figures.began;
        for at in blocks {
            figures.block_at(start + Duration::from_millis(*at), 5, u32::from(*at == 30));
        }
        let samples = figures.lock().clone();
        samples.answer(start, start + Duration::from_millis(now))
    }

    #[test]
    fn blocks_are_counted_and_their_intervals_measured() {
        let answer = asked(&[0, 10, 30, 40], 2_000);
        assert_eq!((answer.window_ms, answer.blocks, answer.transactions, answer.extra_rounds), (2_000, 4, 20, 1));
        assert_eq!((answer.block_interval_mean_us, answer.block_interval_p95_us), (Some(13_333), Some(20_000)));
        assert_eq!(answer.transaction_finality_p50_us, None);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let answer = asked(&[0, 1_000, 9_500, 10_500], 11_200);
        assert_eq!((answer.window_ms, answer.blocks, answer.transactions), (10_000, 2, 10));
        assert_eq!(answer.block_interval_mean_us, Some(1_000_000), "no interval reaches back beyond the window");
        let silent = asked(&[0, 10], 60_000);
        assert_eq!((silent.blocks, silent.block_interval_mean_us, silent.block_interval_p95_us), (0, None, None));
        assert_eq!(asked(&[50], 60).block_interval_mean_us, None, "one block has no interval");
    }

    #[test]
    fn more_blocks_than_are_remembered_shorten_the_window() {
        let times: Vec<u64> = (0..MAX_BLOCKS as u64 + 1_000).collect();
        let answer = asked(&times, MAX_BLOCKS as u64 + 999);
        assert_eq!((answer.blocks, answer.window_ms), (MAX_BLOCKS as u64, MAX_BLOCKS as u64 - 1));
        assert_eq!(answer.block_interval_mean_us, Some(1_000));
    }

    #[test]
    fn percentiles_are_of_the_whole_window_however_many_samples() {
        let figures = Figures::default();
        for number in 1..=100 {
            figures.finality(Duration::from_micros(number));
        }
        let answer = figures.answer();
        assert_eq!((answer.transaction_finality_p50_us, answer.transaction_finality_p95_us), (Some(50), Some(95)));

        let mut finality = Finality::default();
        let start = Instant::now();
        for number in 0..100_000_u64 {
            finality.add(start + Duration::from_micros(50 * number), Duration::from_micros(number));
            assert!(finality.samples.len() <= MAX_FINALITY);
        }
        let inner = Inner { blocks: VecDeque::new(), finality: finality.clone() };
        let p50 = inner.answer(start, start + Duration::from_secs(5)).transaction_finality_p50_us.unwrap();
        assert!(p50.abs_diff(50_000) < 1_000, "half of them were faster: {p50}");
        // Later, with few of them, each counts again.
        for number in 0..200 {
            finality.add(start + Duration::from_secs(20 + number), Duration::ZERO);
        }
        assert_eq!((finality.stride, finality.samples.len()), (1, 11));
    }
}
