//! What the rounds say together.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{Plan, Sample, Variant};
use crate::environment::Environment;
use crate::stats::{count_f64, median};

/// The ratios of one variant, round by round, to the baseline of the same round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The middle one.
    pub median: f64,
    /// Where the true median is with at least 95 % probability; the whole range with fewer than six rounds.
    pub interval: (f64, f64),
}

impl Ratio {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let skipped = skipped(sorted.len());
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        Self { median: median(values), interval: (at(skipped), at(sorted.len().wrapping_sub(1 + skipped))) }
    }
}

/// How many of `count` sorted values lie on each side of the interval of the median: each value is above the true median
/// with probability 1/2, so this is a matter of the binomial distribution alone.
fn skipped(count: usize) -> usize {
    let mut probability = 0.5_f64.powf(count_f64(count as u64));
    let (mut below, mut place) = (probability, 0);
    while below <= 0.025 {
        probability *= count_f64((count - place) as u64) / count_f64(place as u64 + 1);
        below += probability;
        place += 1;
    }
    place.saturating_sub(1)
}

/// One variant over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which.
    pub variant: Variant,
    /// Committed transactions a second, the median.
    pub committed_per_second: f64,
    /// The same against the baseline: below 1 is slower.
    pub throughput: Ratio,
    /// Processor time of all nodes for a committed transaction, the median, microseconds.
    pub cpu_microseconds: f64,
    /// The same against the baseline: above 1 is more.
    pub cpu: Ratio,
    /// Spans sent for a committed transaction, the median.
    pub spans_exported: f64,
    /// Spans dropped for a committed transaction, the median.
    pub spans_dropped: f64,
}

/// Everything, for `cost.json`.
#[derive(Debug, Serialize)]
pub struct Cost<'a> {
    /// On what it was measured.
    pub environment: &'a Environment,
    /// Number of nodes.
    pub nodes: u16,
    /// Most transactions in a block.
    pub capacity: u32,
    /// Offered transactions a second.
    pub offered_per_second: f64,
    /// Length of the load, seconds.
    pub seconds: f64,
    /// Transactions in a request.
    pub batch: usize,
    /// How often every variant ran.
    pub rounds: u32,
    /// What the rounds say together.
    pub rows: Vec<Row>,
    /// Each run.
    pub samples: &'a [Sample],
}

impl<'a> Cost<'a> {
    /// Of these runs.
    pub fn of(plan: &Plan, environment: &'a Environment, samples: &'a [Sample]) -> Self {
        Self {
            environment,
            nodes: plan.cluster.nodes,
            capacity: plan.cluster.capacity,
            offered_per_second: plan.load.rates.first().copied().unwrap_or_default(),
            seconds: plan.load.length.as_secs_f64(),
            batch: plan.load.batch,
            rounds: plan.rounds,
            rows: rows(&plan.variants, samples),
            samples,
        }
    }

    /// A table for people, in Markdown.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header([
            "nodes observe",
            "committed tx/s",
            "throughput, ratio",
            "CPU per tx, µs",
            "CPU, ratio",
            "spans per tx: sent",
            "dropped",
        ]);
        let ratio = |Ratio { median, interval: (low, high) }| format!("{median:.3} ({low:.3} to {high:.3})");
        for row in &self.rows {
            table.add_row([
                name(row.variant).to_owned(),
                format!("{:.0}", row.committed_per_second),
                ratio(row.throughput),
                format!("{:.0}", row.cpu_microseconds),
                ratio(row.cpu),
                format!("{:.2}", row.spans_exported),
                format!("{:.2}", row.spans_dropped),
            ]);
        }
        let Self { nodes, capacity, rounds, offered_per_second, seconds, batch, .. } = self;
        format!(
            "{nodes} nodes, capacity {capacity}, {offered_per_second} tx/s offered for {seconds} s in batches of {batch}; \
             {rounds} rounds: medians, and ratios to the same round's first line, median (95 % interval of the median)\n\n{table}\n"
        )
    }
}

fn name(variant: Variant) -> &'static str {
    match variant {
        Variant::Nothing => "nothing",
        Variant::Metrics => "metrics",
        Variant::TracesOnePercent => "metrics, traces of 1 %",
        Variant::TracesAll => "metrics, traces of 100 %",
        Variant::DeadCollectorOnePercent => "1 %, collector never answers",
        Variant::DeadCollectorAll => "100 %, collector never answers",
    }
}

/// A row for each variant, the baseline first.
pub fn rows(variants: &[Variant], samples: &[Sample]) -> Vec<Row> {
    let baseline: BTreeMap<u32, &Sample> = samples
        .iter()
        .filter(|sample| sample.variant == Variant::Nothing)
        .map(|sample| (sample.round, sample))
        .collect();
    let row = |variant: Variant| {
        let own: Vec<&Sample> = samples.iter().filter(|sample| sample.variant == variant).collect();
        let ratios = |figure: fn(&Sample) -> f64| {
            let each = own.iter().filter_map(|sample| Some(figure(sample) / figure(baseline.get(&sample.round)?)));
            Ratio::of(&each.collect::<Vec<_>>())
        };
        let middle = |figure: fn(&Sample) -> f64| median(&own.iter().map(|sample| figure(sample)).collect::<Vec<_>>());
        Row {
            variant,
            committed_per_second: middle(|sample| sample.committed_per_second),
            throughput: ratios(|sample| sample.committed_per_second),
            cpu_microseconds: middle(|sample| sample.cpu_microseconds),
            cpu: ratios(|sample| sample.cpu_microseconds),
            spans_exported: middle(|sample| sample.spans_exported),
            spans_dropped: middle(|sample| sample.spans_dropped),
        }
    };
    variants.iter().copied().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(variant: Variant, round: u32, committed_per_second: f64, cpu_microseconds: f64) -> Sample {
        Sample { variant, round, committed_per_second, cpu_microseconds, spans_exported: 0.0, spans_dropped: 0.0 }
    }

    #[test]
    fn a_variant_is_compared_with_its_own_round() {
        // The second round ran on a machine of half the speed.
        let mut samples = vec![
            sample(Variant::Nothing, 0, 1_000.0, 100.0),
            sample(Variant::Metrics, 0, 990.0, 101.0),
            sample(Variant::Metrics, 1, 490.0, 204.0),
            sample(Variant::Nothing, 1, 500.0, 200.0),
        ];
        for variant in &Variant::ALL[2..] {
            samples.extend([sample(*variant, 0, 900.0, 110.0), sample(*variant, 1, 400.0, 230.0)]);
        }
        let rows = rows(&Variant::ALL, &samples);
        assert_eq!(rows.iter().map(|row| row.variant).collect::<Vec<_>>(), Variant::ALL);
        assert!((rows[0].throughput.median - 1.0).abs() < 1e-9 && (rows[0].cpu.interval.1 - 1.0).abs() < 1e-9);
        let metrics = &rows[1];
        let (low, high) = metrics.throughput.interval;
        assert!((low - 0.98).abs() < 1e-9 && (high - 0.99).abs() < 1e-9);
        assert!((metrics.cpu.median - 1.015).abs() < 1e-9, "{:?}", metrics.cpu);
        assert!((metrics.committed_per_second - 740.0).abs() < 1e-9);
    }

    #[test]
    fn the_interval_of_the_median_is_that_of_the_sign_test() {
        // From tables of the sign test, two-sided at 5 %.
        let known = [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (16, 3), (20, 5), (25, 7), (40, 13)];
        for (count, expected) in known {
            assert_eq!(skipped(count), expected, "{count}");
        }
    }
}
