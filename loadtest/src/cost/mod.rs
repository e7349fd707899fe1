//! What observing costs: the same load on nodes that observe, and at the same time on as many that observe nothing.
//!
//! A shared machine is now fast and now slow, by a third within a minute, and two runs one after the other differ by more
//! than what is looked for. Two networks side by side have the same machine at every moment, so what they do
//! differs by what they are. Nodes that observe nothing against nodes that observe nothing say what is left of the noise.

pub mod collector;
pub mod table;

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::Barrier;

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
    /// How nodes observe.
    pub variants: Vec<Variant>,
    /// How often every variant runs.
    pub rounds: u32,
    /// What each of the two networks is offered.
    pub load: SignedLoad,
}

/// How nodes observe themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Nothing is measured: what all are compared with. Its own ratio is 1 but for noise.
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
    /// All of them.
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

/// What two networks side by side did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// How the nodes of one of them observe.
    pub variant: Variant,
    /// In which round, from 0.
    pub round: u32,
    /// Its figures.
    pub observing: Figures,
    /// Those of the other, whose nodes observe nothing.
    pub nothing: Figures,
}

/// What one network did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Committed transactions a second.
    pub committed_per_second: f64,
    /// Processor time of all nodes for a committed transaction, microseconds.
    pub cpu_microseconds: f64,
    /// Spans that nodes sent, for a committed transaction.
    pub spans_exported: f64,
    /// Spans that were dropped, for a committed transaction.
    pub spans_dropped: f64,
}

/// Runs all rounds. `after_round` is given all samples so far: an hour's rounds are worth keeping if the last one fails.
///
/// # Errors
/// Nodes do not start, or do not commit what they accepted; or `after_round` failed.
pub async fn run(
    plan: &Plan,
    after_round: impl Fn(&[Sample]) -> Result<(), LoadError>,
    progress: &Progress,
) -> Result<Vec<Sample>, LoadError> {
    let collector = Collector::start().await?;
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        let mut order = plan.variants.clone();
        order.rotate_left(round as usize % plan.variants.len().max(1));
        for variant in order {
            progress.begin(&format!("round {}/{}: {variant:?}", round + 1, plan.rounds), 0);
            let together = Arc::new(Barrier::new(2));
            let observing = one(plan, variant, &collector, together.clone(), progress.clone());
            // The other's progress is the same, and is not shown.
            let nothing = one(plan, Variant::Nothing, &collector, together, Progress::default());
            // Which one starts first must not matter: they take turns.
            let (observing, nothing) = if round % 2 == 0 {
                tokio::try_join!(observing, nothing)?
            } else {
                let (nothing, observing) = tokio::try_join!(nothing, observing)?;
                (observing, nothing)
            };
            samples.push(Sample { variant, round, observing, nothing });
        }
        after_round(&samples)?;
    }
    Ok(samples)
}

async fn one(
    plan: &Plan,
    variant: Variant,
    collector: &Collector,
    together: Arc<Barrier>,
    progress: Progress,
) -> Result<Figures, LoadError> {
    let mut spec = plan.cluster.clone();
    spec.settings.extend(variant.settings(collector).into_iter().map(|(name, value)| (name.to_owned(), value)));
    let since = Instant::now();
    let mut cluster = Cluster::start(&spec)?;
    let (network, _) = cluster.ready(since, spec.start_bound).await?;
    network.set_stakes(&usual_stake().resolve(0..spec.nodes)).await?;
    let scraper = if variant == Variant::Nothing { None } else { Some(Scraper::start(cluster.admin_addresses())?) };
    let load = SignedLoad { together: Some(together), ..plan.load.clone() };
    let before = cluster.cpu_time();
    let result = signed::run(&network, &load, &progress).await?;
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
    Ok(Figures {
        committed_per_second: saturation.most_committed_per_second,
        cpu_microseconds: each(spent.as_secs_f64() * 1e6),
        spans_exported: each(spans.exported),
        spans_dropped: each(spans.dropped),
    })
}
