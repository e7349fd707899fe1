//! The definitions of every figure in a report.
//!
//! *Committed throughput* is a property of the network: transactions that stand in committed blocks, divided by the time
//! from the first send to the moment the last of them was seen committed.
//!
//! *Client throughput* is the original tester's: a client's accepted requests divided by the sum of their response
//! times, and the clients' figures added up. It says how fast nodes *accept*, not how fast they commit: a request is
//! answered once its transaction is durable in the pool, long before a block holds it, and the time a client spends
//! between requests (waiting for money, say) is not in it.
//!
//! *Committed block interval*: the differences between the timestamps of consecutive blocks that hold transactions of
//! the run (the time at which each was minted, to the millisecond, on its validator's clock).
//!
//! *The original's block time*: the sum of a client's response times divided by the length of the chain (genesis
//! counted, as its `get_metrics` reports it) when that client is done; the mean over the clients.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Accepted requests for each second of response time; 0 without requests.
pub fn client_throughput(accepted: u64, response_time: Duration) -> f64 {
    per_second(accepted, response_time)
}

/// Transactions for each second.
pub fn per_second(count: u64, time: Duration) -> f64 {
    if count == 0 || time.is_zero() {
        return 0.0;
    }
    count_f64(count) / time.as_secs_f64()
}

/// A count as a float. Exact up to 2^53, far above any count here.
#[allow(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub fn count_f64(count: u64) -> f64 {
    count as f64
}

/// Milliseconds of a duration.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / count_f64(values.len() as u64)
}

/// The middle value, or the mean of the two middle ones; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Mean and spread of one figure over several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Runs that have this figure.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample (divisor n - 1); 0 for one run.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values; `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        let (first, count) = (*values.first()?, values.len() as u64);
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = if count > 1 { (squares / count_f64(count - 1)).sqrt() } else { 0.0 };
        let fold = |pick: fn(f64, f64) -> f64| values.iter().copied().fold(first, pick);
        Some(Self { count, mean, sd, min: fold(f64::min), max: fold(f64::max) })
    }

    /// Whether two ranges have a value in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// Committed block interval, milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockInterval {
    /// How many intervals: one less than blocks.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Half of the intervals are at most this long (nearest rank).
    pub p50_ms: f64,
    /// 95 % of the intervals are at most this long (nearest rank).
    pub p95_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The intervals between timestamps (milliseconds, ascending).
pub fn block_interval(timestamps_ms: &[u64]) -> BlockInterval {
    let mut intervals: Vec<u64> = timestamps_ms.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    intervals.sort_unstable();
    let floats: Vec<f64> = intervals.iter().map(|interval| count_f64(*interval)).collect();
    BlockInterval {
        count: intervals.len() as u64,
        mean_ms: mean(&floats),
        p50_ms: nearest_rank(&floats, 50),
        p95_ms: nearest_rank(&floats, 95),
        max_ms: floats.last().copied().unwrap_or_default(),
    }
}

/// The smallest value such that `percent` of the ascending values are at most that; 0 of nothing.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Latencies, recorded with three significant digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// The longest latency that is told apart from longer ones.
    const LONGEST: Duration = Duration::from_hours(1);

    /// None yet.
    ///
    /// # Panics
    /// Never: the bounds are constant and valid.
    pub fn new() -> Self {
        let highest = u64::try_from(Self::LONGEST.as_micros()).unwrap_or(u64::MAX);
        Self(Histogram::new_with_bounds(1, highest, 3).expect("constant bounds are valid"))
    }

    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be out of range.
        let _ = self.0.add(&other.0);
    }

    /// What the report says.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile: f64| count_f64(self.0.value_at_quantile(quantile)) / 1_000.0;
        if self.0.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            count: self.0.len(),
            mean_ms: self.0.mean() / 1_000.0,
            p50_ms: at(0.50),
            p90_ms: at(0.90),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        }
    }
}

/// A distribution of latencies, milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90 %.
    pub p90_ms: f64,
    /// 95 %.
    pub p95_ms: f64,
    /// 99 %.
    pub p99_ms: f64,
    /// 99.9 %.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The central interval that holds a Binomial(`trials`, `probability`) count with at least 95 %: at most 2.5 % of the
/// mass lies below `low`, at most 2.5 % above `high`.
pub fn binomial_interval(trials: u64, probability: f64) -> (u64, u64) {
    if trials == 0 || probability <= 0.0 {
        return (0, 0);
    }
    if probability >= 1.0 {
        return (trials, trials);
    }
    let mut mass = 0.0;
    let (mut low, mut high) = (None, trials);
    for (count, log_mass) in binomial_log_masses(trials, probability) {
        mass += log_mass.exp();
        if low.is_none() && mass > 0.025 {
            low = Some(count);
        }
        if mass >= 0.975 {
            high = count;
            break;
        }
    }
    (low.unwrap_or(0), high)
}

/// ln P(X = k) for k from 0 to `trials`, each from the one before it.
fn binomial_log_masses(trials: u64, probability: f64) -> impl Iterator<Item = (u64, f64)> {
    let odds = probability.ln() - (-probability).ln_1p();
    let mut log_mass = count_f64(trials) * (-probability).ln_1p();
    (0..=trials).map(move |count| {
        let current = log_mass;
        log_mass += count_f64(trials - count).ln() - count_f64(count + 1).ln() + odds;
        (count, current)
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the worked examples are exact in binary")]
mod tests {
    use super::*;

    #[test]
    fn spread_over_runs() {
        let spread = Spread::of(&[2.0, 4.0, 6.0]).unwrap();
        assert_eq!((spread.count, spread.mean, spread.sd, spread.min, spread.max), (3, 4.0, 2.0, 2.0, 6.0));
        assert_eq!(Spread::of(&[5.0]).unwrap().sd, 0.0);
        assert_eq!(Spread::of(&[]), None);
        let other = |values: &[f64]| Spread::of(values).unwrap();
        assert!(spread.overlaps(&other(&[6.0, 9.0])) && !spread.overlaps(&other(&[6.5])));
    }

    #[test]
    fn client_throughput_by_the_originals_definition() {
        // Four requests answered in 10, 20, 30 and 40 ms: 4 / 0.1 s, however long the client paused between them.
        let responses = [10, 20, 30, 40].map(Duration::from_millis);
        assert_eq!(client_throughput(4, responses.iter().sum()), 40.0);
        assert_eq!(client_throughput(0, Duration::ZERO), 0.0);
        assert_eq!(client_throughput(0, Duration::from_secs(1)), 0.0);
    }

    #[test]
    fn block_intervals_of_a_worked_example() {
        // Intervals 10, 20, 30, 40: mean 25; ranks ceil(4·0.5) = 2 and ceil(4·0.95) = 4.
        let interval = block_interval(&[1_000, 1_010, 1_030, 1_060, 1_100]);
        let expected = BlockInterval { count: 4, mean_ms: 25.0, p50_ms: 20.0, p95_ms: 40.0, max_ms: 40.0 };
        assert_eq!(interval, expected);
        assert_eq!(block_interval(&[5]), BlockInterval::default());
        assert_eq!(block_interval(&[]), BlockInterval::default());
    }

    #[test]
    fn nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(nearest_rank(&values, 50), 50.0);
        assert_eq!(nearest_rank(&values, 95), 95.0);
        assert_eq!(nearest_rank(&values, 100), 100.0);
        assert_eq!(nearest_rank(&[7.0], 50), 7.0);
    }

    #[test]
    fn medians_and_means() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(mean(&[]), 0.0);
    }

    #[test]
    fn latencies_keep_three_digits() {
        let mut latencies = Latencies::new();
        for milliseconds in 1..=100 {
            latencies.record(Duration::from_millis(milliseconds));
        }
        let found = latencies.percentiles();
        assert_eq!(found.count, 100);
        for (value, expected) in [
            (found.mean_ms, 50.5),
            (found.p50_ms, 50.0),
            (found.p90_ms, 90.0),
            (found.p99_ms, 99.0),
            (found.max_ms, 100.0),
        ] {
            assert!((value - expected).abs() <= expected * 0.001, "{value} for {expected}");
        }
        assert_eq!(Latencies::new().percentiles(), Percentiles::default());
    }

    #[test]
    fn latencies_add_up_and_saturate() {
        let mut sum = Latencies::new();
        let mut other = Latencies::new();
        other.record(Duration::from_hours(2));
        other.record(Duration::ZERO);
        sum.add(&other);
        assert_eq!(sum.percentiles().count, 2);
        assert!(sum.percentiles().max_ms >= 3_599_000.0);
    }

    #[test]
    fn binomial_intervals_against_tables() {
        // R: qbinom(c(.025, .975), n, p).
        assert_eq!(binomial_interval(100, 0.5), (40, 60));
        assert_eq!(binomial_interval(100, 100.0 / 140.0), (62, 80));
        assert_eq!(binomial_interval(10, 0.1), (0, 3));
        assert_eq!(binomial_interval(0, 0.5), (0, 0));
        assert_eq!(binomial_interval(7, 1.0), (7, 7));
        assert_eq!(binomial_interval(7, 0.0), (0, 0));
        // (1 - p)^n underflows when it is not kept as a logarithm; normal approximation: 50,000 ± 310.
        let (low, high) = binomial_interval(100_000, 0.5);
        assert!((49_685..=49_695).contains(&low) && (50_305..=50_315).contains(&high), "{low} {high}");
    }
}
