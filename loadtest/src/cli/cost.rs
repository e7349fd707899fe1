//! `cost`: what observing costs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::local::LocalNodes;
use super::positive;
use crate::cluster::{ClusterSpec, START_BOUND};
use crate::cost::{self, Variant, table::Cost};
use crate::environment::Environment;
use crate::error::{LoadError, io_error};
use crate::progress::Progress;
use crate::signed::SignedLoad;

#[derive(Debug, Args)]
pub struct CostArgs {
    /// Number of nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..), value_name = "NUMBER")]
    pub nodes: u16,
    /// Most transactions in a block.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), value_name = "NUMBER")]
    pub capacity: u32,
    /// How nodes observe, compared with those that observe nothing [default: all]
    #[arg(long, value_delimiter = ',', value_enum, value_name = "VARIANT")]
    pub variants: Vec<Variant>,
    /// How often each variant runs.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..), value_name = "NUMBER")]
    pub rounds: u32,
    /// Transactions a second to offer: more than the nodes can do, so that they show what they can.
    #[arg(long, value_parser = positive, default_value = "8000", value_name = "NUMBER")]
    pub rate: f64,
    /// Length of a run's load, seconds.
    #[arg(long, value_parser = positive, default_value = "2", value_name = "NUMBER")]
    pub seconds: f64,
    /// Transactions in a request.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
    pub batch: u16,
    #[command(flatten)]
    pub local: LocalNodes,
    /// Where `cost.json` and `cost.md` go.
    #[arg(long, value_name = "DIR", default_value = "results/cost")]
    pub output: PathBuf,
}

/// The baseline, and what was asked for.
fn variants(asked: Vec<Variant>) -> Vec<Variant> {
    let asked = if asked.is_empty() { Variant::ALL.to_vec() } else { asked };
    let others = asked.into_iter().filter(|variant| *variant != Variant::Nothing);
    [Variant::Nothing].into_iter().chain(others).collect()
}

/// Measures, prints the table and writes it.
pub async fn cost(arguments: CostArgs, progress: &Progress) -> Result<(), LoadError> {
    let plan = cost::Plan {
        cluster: ClusterSpec {
            binary: arguments.local.binary()?,
            folder: arguments.local.data_dir,
            nodes: arguments.nodes,
            capacity: arguments.capacity,
            endowment: None,
            settings: arguments.local.node_settings.into_iter().collect(),
            start_bound: START_BOUND,
            keep: false,
        },
        variants: variants(arguments.variants),
        rounds: arguments.rounds,
        load: SignedLoad {
            rates: vec![arguments.rate],
            saturate: false,
            length: Duration::from_secs_f64(arguments.seconds),
            batch: usize::from(arguments.batch),
            wallets_per_node: 2,
        },
    };
    let folder = arguments.output;
    std::fs::create_dir_all(&folder).map_err(io_error(&folder))?;
    let environment =
        Environment::detect().with_data_in(&plan.cluster.folder.clone().unwrap_or_else(std::env::temp_dir));
    let samples = cost::run(&plan, progress).await?;
    let cost = Cost::of(&plan, &environment, &samples);
    let json = serde_json::to_string_pretty(&cost).map_err(|error| LoadError::Report(error.to_string()))?;
    for (name, text) in [("cost.json", json + "\n"), ("cost.md", cost.text())] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(io_error(&path))?;
    }
    println!("{}", cost.text());
    println!("Figures: {}", folder.join("cost.json").display());
    Ok(())
}
