//! What observing costs: the same load on nodes that observe more or less, against nodes that observe nothing.
//!
//! Machines drift, so every round runs all variants, each on fresh nodes, in an order that turns from round to round, and
//! a variant is compared with the baseline of its own round. Throughput says what a user notices; the processor time of
//! the nodes for a transaction says the same with less noise, since it does not depend on what else the machine does.

pub mod collector;
pub mod table;

use std::time::Instant;

use serde::Serialize;

use crate::cluster::{Cluster, ClusterSpec};
use crate::error::LoadError;
use crate::network::describe;
use crate::progress::Progress;
use crate::reproduce::{conclude_signed, usual_stake};
use crate::signed::{self, SignedLoad};
use crate::stats::count_f64;
use collector::{Collector, Scraper};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes, but for how they observe.
    pub cluster: ClusterSpec,
    /// How nodes observe, the baseline first.
    pub variants: Vec<Variant>,
    /// How often every variant runs.
    pub rounds: u32,
    /// What each run offers.
    pub load: SignedLoad,
}

/// How nodes observe themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Nothing is measured: the baseline.
    Nothing,
    /// Metrics, scraped.
    Metrics,
    /// Metrics, and a trace for one submission in a hundred.
    TracesOnePercent,
    /// Metrics, and a trace for every submission.
    TracesAll,
    /// The same at one in a hundred, with a collector that takes connections and never answers.
    DeadCollectorOnePercent,
    /// The same for every submission.
    DeadCollectorAll,
}

impl Variant {
    /// All of them, the baseline first.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Metrics,
        Self::TracesOnePercent,
        Self::TracesAll,
        Self::DeadCollectorOnePercent,
        Self::DeadCollectorAll,
    ];

    /// What the nodes are told.
    fn settings(self, collector: &Collector) -> Vec<(&'static str, String)> {
        let traces = |url: String, ratio: &str| vec![("OTLP_ENDPOINT", url), ("TRACE_RATIO", ratio.to_owned())];
        match self {
            Self::Nothing => vec![("METRICS", "false".to_owned())],
            Self::Metrics => Vec::new(),
            Self::TracesOnePercent => traces(collector.url(), "0.01"),
            Self::TracesAll => traces(collector.url(), "1"),
            Self::DeadCollectorOnePercent => traces(collector.dead_url(), "0.01"),
            Self::DeadCollectorAll => traces(collector.dead_url(), "1"),
        }
    }
}

/// What a run of a variant measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Which variant.
    pub variant: Variant,
    /// In which round, from 0.
    pub round: u32,
    /// Committed transactions a second.
    pub committed_per_second: f64,
    /// Processor time of all nodes for a committed transaction, microseconds.
    pub cpu_microseconds: f64,
    /// Spans that nodes sent, for a committed transaction.
    pub spans_exported: f64,
    /// Spans that were dropped, for a committed transaction.
    pub spans_dropped: f64,
}

/// Runs all rounds.
///
/// # Errors
/// Nodes do not start, or do not commit what they accepted.
pub async fn run(plan: &Plan, progress: &Progress) -> Result<Vec<Sample>, LoadError> {
    let collector = Collector::start().await?;
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        let mut order = plan.variants.clone();
        order.rotate_left(round as usize % plan.variants.len().max(1));
        for variant in order {
            progress.begin(&format!("round {}/{}: {variant:?}", round + 1, plan.rounds), 0);
            samples.push(one(plan, variant, round, &collector, progress).await?);
        }
    }
    Ok(samples)
}

async fn one(
    plan: &Plan,
    variant: Variant,
    round: u32,
    collector: &Collector,
    progress: &Progress,
) -> Result<Sample, LoadError> {
    let mut spec = plan.cluster.clone();
    spec.settings.extend(variant.settings(collector).into_iter().map(|(name, value)| (name.to_owned(), value)));
    let since = Instant::now();
    let mut cluster = Cluster::start(&spec)?;
    let (network, _) = cluster.ready(since, spec.start_bound).await?;
    network.set_stakes(&usual_stake().resolve(0..spec.nodes)).await?;
    let scraper = if variant == Variant::Nothing { None } else { Some(Scraper::start(cluster.admin_addresses())?) };
    let before = cluster.cpu_time();
    let result = signed::run(&network, &plan.load, progress).await?;
    let spent = cluster.cpu_time().saturating_sub(before);
    let spans = match scraper {
        Some(scraper) => scraper.stop().await,
        None => collector::Spans::default(),
    };
    let run = conclude_signed(&network, result).await?;
    cluster.stop().await?;
    let saturation = run.saturation.unwrap_or_default();
    let committed: u64 = saturation.steps.iter().map(|step| step.committed).sum();
    let mut problems = run.problems;
    if !run.failed_nodes.is_empty() {
        problems.push(describe(&run.failed_nodes));
    }
    if committed == 0 {
        problems.push("nothing was committed".to_owned());
    }
    if !problems.is_empty() {
        return Err(LoadError::Failed(format!("{variant:?}: {}", problems.join("; "))));
    }
    let each = |count: f64| count / count_f64(committed);
    Ok(Sample {
        variant,
        round,
        committed_per_second: saturation.most_committed_per_second,
        cpu_microseconds: each(spent.as_secs_f64() * 1e6),
        spans_exported: each(spans.exported),
        spans_dropped: each(spans.dropped),
    })
}
