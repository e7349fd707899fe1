//! The main figures of a part over its runs: what tables, plots and comparisons show.

use super::schema::Run;
use crate::stats::Spread;
use std::collections::BTreeMap;

type Figure = fn(&Run) -> Option<f64>;

/// Name (unit last), and where it comes from. A run that failed early has none of them.
const FIGURES: &[(&str, Figure)] = &[
    ("committed_per_second", |run| Some(run.load.as_ref()?.throughput.committed_per_second)),
    ("client_per_second", |run| Some(run.load.as_ref()?.throughput.client_per_second)),
    ("block_interval_mean_ms", |run| Some(run.load.as_ref()?.block_time.committed_interval.mean_ms)),
    ("block_interval_p50_ms", |run| Some(run.load.as_ref()?.block_time.committed_interval.p50_ms)),
    ("block_interval_p95_ms", |run| Some(run.load.as_ref()?.block_time.committed_interval.p95_ms)),
    ("client_block_ms", |run| Some(run.load.as_ref()?.block_time.client_ms)),
    ("response_p50_ms", |run| Some(run.load.as_ref()?.response.p50_ms)),
    ("response_p99_ms", |run| Some(run.load.as_ref()?.response.p99_ms)),
    ("waiting_for_money_seconds", |run| Some(run.load.as_ref()?.waiting_for_money_seconds)),
    ("rate_committed_per_second", |run| Some(run.rate.as_ref()?.committed_per_second)),
    ("finality_p50_ms", |run| Some(run.rate.as_ref()?.finality.p50_ms)),
    ("finality_p99_ms", |run| Some(run.rate.as_ref()?.finality.p99_ms)),
    ("saturation_committed_per_second", |run| Some(run.saturation.as_ref()?.most_committed_per_second)),
    ("saturation_keeps_up_to_per_second", |run| run.saturation.as_ref()?.keeps_up_to),
    ("first_commit_after_kill_ms", |run| run.kill.as_ref()?.first_commit_after_ms),
    ("start_first_commit_ms", |run| Some(run.startup.as_ref()?.first_commit_ms)),
];

/// Mean and spread of each figure that any run has.
pub fn figures(runs: &[Run]) -> BTreeMap<String, Spread> {
    let spread = |(name, figure): &(&str, Figure)| {
        let values: Vec<f64> = runs.iter().filter_map(figure).collect();
        Some(((*name).to_owned(), Spread::of(&values)?))
    };
    FIGURES.iter().filter_map(spread).collect()
}
