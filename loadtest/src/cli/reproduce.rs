//! `reproduce`: the experiments, on nodes of its own or on a network that runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use blockchat_client::Options;
use clap::{Args, ValueEnum};

use super::local::LocalNodes;
use super::positive;
use super::reports::ReportArgs;
use super::targets::{ANSWER_BOUND, GONE_AFTER_SECONDS, connect, policy, read_token};
use crate::error::LoadError;
use crate::fire::WhenBroke;
use crate::progress::Progress;
use crate::rate::Offer;
use crate::report::Reporter;
use crate::report::schema::{Experiment, Money};
use crate::reproduce;
use crate::signed::SignedLoad;

/// How long a client waits for money without any new block: nobody else makes blocks there.
const PATIENCE_SECONDS: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purse {
    /// 1000 BCC for each node.
    Assignment,
    /// Enough for every line.
    Funded,
    /// Each cell twice.
    Both,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ReproduceArgs {
    /// The matrix: nodes × capacity, stakes of 10.
    #[arg(long)]
    pub matrix: bool,
    /// Fairness: 5 nodes, capacity 5, one stake of 100.
    #[arg(long)]
    pub fairness: bool,
    /// Finality at `--rate`: 5 nodes, `MAX_BLOCK_WAIT` 1 ms.
    #[arg(long)]
    pub finality: bool,
    /// Saturation: 5 nodes, capacity 5000, client-signed batches, from `--saturation-from` on until they do not keep up.
    #[arg(long)]
    pub saturation: bool,
    /// First rate of `--saturation`, transactions a second.
    #[arg(long, value_parser = positive, default_value = "2000", value_name = "NUMBER")]
    pub saturation_from: f64,
    /// Transactions in a request of `--saturation`.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
    pub batch: u16,
    /// Length of a step of `--saturation`, seconds.
    #[arg(long, value_parser = positive, default_value = "5", value_name = "SECONDS")]
    pub step_seconds: f64,
    /// A validator killed under `--rate`: 5 nodes, capacity 5.
    #[arg(long)]
    pub kill_validator: bool,
    /// A network that runs, instead of nodes started here: the API URLs of all its members. One cell, with the network's
    /// own number of nodes, capacity and endowment; with --fairness that experiment, without a choice the matrix' cell.
    #[arg(long, value_delimiter = ',', value_name = "URL",
        conflicts_with_all = ["nodes", "capacity", "money", "quick", "kill_validator", "node_binary", "node_settings", "data_dir", "keep"])]
    pub at: Vec<String>,
    /// With --at: file with the bearer token of the nodes' wallets.
    #[arg(long, value_name = "FILE", requires = "at")]
    pub token_file: Option<PathBuf>,
    /// With --at: seconds to wait until every node answers and has joined.
    #[arg(long, value_name = "SECONDS", requires = "at")]
    pub wait: Option<u64>,
    /// Numbers of nodes of the matrix.
    #[arg(long, value_delimiter = ',', default_value = "5,10", value_parser = clap::value_parser!(u16).range(2..))]
    pub nodes: Vec<u16>,
    /// Capacities of the matrix.
    #[arg(long, value_delimiter = ',', default_value = "5,10,20", value_parser = clap::value_parser!(u32).range(1..))]
    pub capacity: Vec<u32>,
    /// Whose money.
    #[arg(long, value_enum, default_value = "both")]
    pub money: Purse,
    /// What to do when a node cannot pay for a line.
    #[arg(long, value_enum, default_value = "wait")]
    pub when_broke: WhenBroke,
    /// Seconds to wait for money without any new block before a line is given up.
    #[arg(long, default_value_t = PATIENCE_SECONDS, value_name = "SECONDS")]
    pub patience: u64,
    /// Seconds without any answer after which a node is taken for gone. Longer than a restart, for nodes that are restarted
    /// under load.
    #[arg(long, default_value_t = GONE_AFTER_SECONDS, value_name = "SECONDS")]
    pub gone_after: u64,
    /// Repetitions of each cell, each on fresh nodes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Only the first number of nodes and the first capacity.
    #[arg(long)]
    pub quick: bool,
    /// Rate of the experiments at a fixed rate, transactions a second.
    #[arg(long, value_parser = positive, default_value = "100", value_name = "NUMBER")]
    pub rate: f64,
    /// Length of their load, seconds (after the kill: of what is watched).
    #[arg(long, value_parser = positive, default_value = "20")]
    pub seconds: f64,
    /// Transaction files instead of the built-in ones: DIR/NODES/transN.txt or DIR/transN.txt.
    #[arg(long, value_name = "DIR")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub local: LocalNodes,
    /// Leave the nodes' data and logs behind.
    #[arg(long)]
    pub keep: bool,
    /// Where to serve the generator's own figures as Prometheus text.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Runs the experiments.
pub async fn reproduce_all(mut arguments: ReproduceArgs, progress: &Progress) -> Result<Reporter, LoadError> {
    let report = std::mem::take(&mut arguments.report);
    if arguments.at.is_empty() {
        let plan = reproduce_plan(arguments)?;
        return reproduce::reproduce(&plan, |environment| report.reporter("reproduce", environment), progress).await;
    }
    let token = arguments.token_file.as_deref().map(read_token).transpose()?;
    let options = Options { token, timeout: ANSWER_BOUND, ..Options::default() };
    let network =
        connect(&arguments.at, &options, Duration::from_secs(arguments.wait.unwrap_or_default()), progress).await?;
    let plan = reproduce_plan(arguments)?;
    reproduce::reproduce_at(&plan, &network, |environment| report.reporter("reproduce", environment), progress).await
}

/// What the arguments ask for.
pub fn reproduce_plan(arguments: ReproduceArgs) -> Result<reproduce::Plan, LoadError> {
    let chosen = [
        (arguments.matrix, Experiment::Matrix),
        (arguments.fairness, Experiment::Fairness),
        (arguments.finality, Experiment::Finality),
        (arguments.saturation, Experiment::Saturation),
        (arguments.kill_validator, Experiment::KillValidator),
    ];
    let mut experiments: Vec<Experiment> =
        chosen.into_iter().filter(|(wanted, _)| *wanted).map(|(_, experiment)| experiment).collect();
    let elsewhere = !arguments.at.is_empty();
    if experiments.is_empty() && elsewhere {
        experiments = vec![Experiment::Matrix];
    } else if experiments.is_empty() {
        experiments = vec![Experiment::Matrix, Experiment::Fairness];
    }
    let (mut nodes, mut capacities) = (arguments.nodes, arguments.capacity);
    if arguments.quick {
        nodes.truncate(1);
        capacities.truncate(1);
    }
    let money = match arguments.money {
        Purse::Assignment => vec![Money::Assignment],
        Purse::Funded => vec![Money::Funded],
        Purse::Both => vec![Money::Assignment, Money::Funded],
    };
    Ok(reproduce::Plan {
        binary: if elsewhere { PathBuf::new() } else { arguments.local.binary()? },
        folder: arguments.local.data_dir,
        keep: arguments.keep,
        experiments,
        nodes,
        capacities,
        money,
        runs: arguments.runs,
        input: arguments.input,
        settings: arguments.local.node_settings.into_iter().collect(),
        policy: policy(arguments.when_broke, arguments.patience, arguments.gone_after),
        signed: SignedLoad {
            rates: vec![arguments.saturation_from],
            saturate: true,
            length: Duration::from_secs_f64(arguments.step_seconds),
            batch: usize::from(arguments.batch),
            wallets_per_node: 2,
            together: None,
        },
        offer: Offer { per_second: arguments.rate, length: Duration::from_secs_f64(arguments.seconds) },
    })
}
