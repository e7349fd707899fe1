//! What the rounds say together.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{Figures, Plan, Sample, Variant};
use crate::environment::Environment;
use crate::stats::{count_f64, median};

/// The ratios of the rounds.
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
    /// The medians of the nodes that observe.
    pub observing: Figures,
    /// The medians of those beside them that do not.
    pub nothing: Figures,
    /// Committed transactions a second, those against these: below 1 is slower.
    pub throughput: Ratio,
    /// Processor time for a committed transaction, those against these: above 1 is more.
    pub cpu: Ratio,
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
    /// How often every variant ran; fewer than asked for if the run was cut short.
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
            rounds: samples.last().map_or(0, |sample| sample.round + 1),
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
            "throughput",
            "CPU per tx",
            "tx/s",
            "without",
            "CPU µs per tx",
            "without",
            "spans per tx: sent",
            "dropped",
        ]);
        let ratio = |Ratio { median, interval: (low, high) }| format!("{median:.3} ({low:.3} to {high:.3})");
        for Row { variant, observing, nothing, throughput, cpu } in &self.rows {
            table.add_row([
                name(*variant).to_owned(),
                ratio(*throughput),
                ratio(*cpu),
                format!("{:.0}", observing.committed_per_second),
                format!("{:.0}", nothing.committed_per_second),
                format!("{:.0}", observing.cpu_microseconds),
                format!("{:.0}", nothing.cpu_microseconds),
                format!("{:.2}", observing.spans_exported),
                format!("{:.2}", observing.spans_dropped),
            ]);
        }
        let Self { nodes, capacity, rounds, offered_per_second, seconds, batch, .. } = self;
        format!(
            "{nodes} nodes that observe beside {nodes} that observe nothing, capacity {capacity}; each {nodes} are offered \
             {offered_per_second} tx/s for {seconds} s in batches of {batch}; {rounds} rounds: medians, and ratios with the \
             95 % interval of their median\n\n{table}\n"
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

/// A row for each variant.
pub fn rows(variants: &[Variant], samples: &[Sample]) -> Vec<Row> {
    let row = |variant: Variant| {
        let own: Vec<&Sample> = samples.iter().filter(|sample| sample.variant == variant).collect();
        let middle = |network: fn(&Sample) -> &Figures| {
            let of = |figure: fn(&Figures) -> f64| {
                median(&own.iter().map(|sample| figure(network(sample))).collect::<Vec<_>>())
            };
            Figures {
                committed_per_second: of(|figures| figures.committed_per_second),
                cpu_microseconds: of(|figures| figures.cpu_microseconds),
                spans_exported: of(|figures| figures.spans_exported),
                spans_dropped: of(|figures| figures.spans_dropped),
            }
        };
        let ratio = |figure: fn(&Figures) -> f64| {
            let each = own.iter().map(|sample| figure(&sample.observing) / figure(&sample.nothing));
            Ratio::of(&each.collect::<Vec<_>>())
        };
        Row {
            variant,
            observing: middle(|sample| &sample.observing),
            nothing: middle(|sample| &sample.nothing),
            throughput: ratio(|figures| figures.committed_per_second),
            cpu: ratio(|figures| figures.cpu_microseconds),
        }
    };
    variants.iter().copied().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(committed_per_second: f64, cpu_microseconds: f64) -> Figures {
        Figures { committed_per_second, cpu_microseconds, spans_exported: 0.0, spans_dropped: 0.0 }
    }

    #[test]
    fn a_network_is_compared_with_the_one_beside_it() {
        let sample = |variant, round, observing, nothing| Sample { variant, round, observing, nothing };
        // The second round ran on a machine of half the speed.
        let samples = [
            sample(Variant::Metrics, 0, figures(990.0, 101.0), figures(1_000.0, 100.0)),
            sample(Variant::TracesAll, 0, figures(800.0, 125.0), figures(1_000.0, 100.0)),
            sample(Variant::TracesAll, 1, figures(400.0, 250.0), figures(500.0, 200.0)),
            sample(Variant::Metrics, 1, figures(490.0, 204.0), figures(500.0, 200.0)),
        ];
        let rows = rows(&[Variant::Metrics, Variant::TracesAll], &samples);
        let [metrics, traces] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((metrics.variant, traces.variant), (Variant::Metrics, Variant::TracesAll));
        let (low, high) = metrics.throughput.interval;
        assert!((low - 0.98).abs() < 1e-9 && (high - 0.99).abs() < 1e-9);
        assert!((metrics.cpu.median - 1.015).abs() < 1e-9, "{:?}", metrics.cpu);
        assert!((metrics.observing.committed_per_second - 740.0).abs() < 1e-9);
        assert!((metrics.nothing.cpu_microseconds - 150.0).abs() < 1e-9);
        assert!((traces.throughput.median - 0.8).abs() < 1e-9 && (traces.cpu.median - 1.25).abs() < 1e-9);
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
