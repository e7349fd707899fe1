//! `cost`: what observing costs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::local::LocalNodes;
use super::positive;
use crate::cluster::{ClusterSpec, START_BOUND};
use crate::cost::{self, Sample, Variant, table::Cost};
use crate::environment::Environment;
use crate::error::{LoadError, io_error};
use crate::progress::Progress;
use crate::report;
use crate::signed::SignedLoad;

#[derive(Debug, Args)]
pub struct CostArgs {
    /// Number of nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..), value_name = "NUMBER")]
    pub nodes: u16,
    /// Most transactions in a block.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), value_name = "NUMBER")]
    pub capacity: u32,
    /// How nodes observe that are compared with those that observe nothing [default: all]
    #[arg(long, value_delimiter = ',', value_enum, value_name = "VARIANT")]
    pub variants: Vec<Variant>,
    /// How often each variant runs.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..), value_name = "NUMBER")]
    pub rounds: u32,
    /// Transactions a second to offer to each of the two networks: more than both can do together.
    #[arg(long, value_parser = positive, default_value = "4000", value_name = "NUMBER")]
    pub rate: f64,
    /// Length of a run's load, seconds.
    #[arg(long, value_parser = positive, default_value = "4", value_name = "NUMBER")]
    pub seconds: f64,
    /// Transactions in a request.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
    pub batch: u16,
    #[command(flatten)]
    pub local: LocalNodes,
    /// Where `cost.json` and `cost.md` go, written anew after each round [default: results/cost-TIME].
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
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
        variants: if arguments.variants.is_empty() { Variant::ALL.to_vec() } else { arguments.variants },
        rounds: arguments.rounds,
        load: SignedLoad {
            rates: vec![arguments.rate],
            saturate: false,
            length: Duration::from_secs_f64(arguments.seconds),
            batch: usize::from(arguments.batch),
            wallets_per_node: 2,
            together: None,
        },
    };
    let folder = arguments.output.unwrap_or_else(|| report::default_folder("cost", jiff::Timestamp::now()));
    std::fs::create_dir_all(&folder).map_err(io_error(&folder))?;
    let environment =
        Environment::detect().with_data_in(&plan.cluster.folder.clone().unwrap_or_else(std::env::temp_dir));
    let write = |samples: &[Sample]| {
        let cost = Cost::of(&plan, &environment, samples);
        let json = serde_json::to_string_pretty(&cost).map_err(|error| LoadError::Report(error.to_string()))?;
        for (name, text) in [("cost.json", json + "\n"), ("cost.md", cost.text())] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(io_error(&path))?;
        }
        Ok(())
    };
    let samples = cost::run(&plan, write, progress).await?;
    println!("{}", Cost::of(&plan, &environment, &samples).text());
    println!("Figures: {}", folder.join("cost.json").display());
    Ok(())
}
