//! The command line.

use crate::environment::Environment;
use crate::error::{LoadError, io_error};
use crate::fire::{Policy, WhenBroke, plan};
use crate::meters::Meters;
use crate::network::{Network, StakePlan};
use crate::progress::Progress;
use crate::rate::{Offer, offer};
use crate::report::schema::{Experiment, Money, Part, Run};
use crate::report::{Reporter, compare, schema_file};
use crate::signed::{self, SignedLoad};
use crate::{input, reproduce, run};
use blockchat_client::Options;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a request is repeated that a node asks to send later.
const RETRY_BOUND: Duration = Duration::from_secs(30);
/// How long a request without an answer is repeated before the node is taken for gone.
const GONE_BOUND: Duration = Duration::from_secs(10);
/// How long a client of `reproduce` waits for money without any new block: nobody else makes blocks there.
const REPRODUCE_PATIENCE_SECONDS: u64 = 3;

const EXIT_CODES: &str = "\
Exit codes: 0 done and the ledger is right; 1 the run failed (forked, lost a transaction, a node ended; the report says \
what); 64 usage; 65 a transaction file or report cannot be used (nothing was sent); 69 a node cannot be reached, or failed in the middle; 130 interrupted.";

/// Load generator of BlockChat.
#[derive(Debug, Parser)]
#[command(name = "blockchat-loadtest", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send each node's transaction file (`transN.txt`, lines `idN message`), one request in flight for each node.
    #[command(after_help = EXIT_CODES)]
    Fire(FireArgs),
    /// Offer a rate of coin transfers, signed ahead of time by wallets of the generator's own, whether or not earlier ones
    /// were answered; latency counts from the moment a request should have left to the commit.
    #[command(after_help = EXIT_CODES)]
    Rate(RateArgs),
    /// Run the experiments on nodes of its own, started and stopped here. Without a choice: the course's matrix and the
    /// fairness experiment.
    #[command(after_help = EXIT_CODES)]
    Reproduce(ReproduceArgs),
    /// Put two reports side by side: ratios, and whether the ranges over the runs meet.
    #[command(after_help = EXIT_CODES)]
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
struct CompareArgs {
    /// A `report.json`, or the directory that holds one.
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another.
    #[arg(value_name = "B")]
    second: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Targets {
    /// The nodes' API URLs, for example `http://127.0.0.1:5000,http://127.0.0.1:5001`.
    #[arg(long, value_delimiter = ',', required = true, value_name = "URL")]
    nodes: Vec<String>,
    /// File with the bearer token of the nodes' wallets.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where to serve the generator's own figures as Prometheus text, for example `127.0.0.1:9464`.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// Where the report goes [default: results/COMMAND-TIME].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FireArgs {
    #[command(flatten)]
    targets: Targets,
    /// Directory with the files.
    #[arg(long, value_name = "DIR")]
    input: PathBuf,
    /// Stakes to set first: `10` for all, `0=100,1=10` by node id, `10,0=100` both.
    #[arg(long, value_name = "STAKES")]
    stake: Option<StakePlan>,
    /// What to do when a node cannot pay for a line.
    #[arg(long, value_enum, default_value = "fail")]
    when_broke: WhenBroke,
    /// Seconds to wait for money without any new block before a line is given up.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    patience: u64,
}

#[derive(Debug, Args)]
struct RateArgs {
    #[command(flatten)]
    targets: Targets,
    /// Transactions a second, over all nodes together.
    #[arg(long, value_parser = positive, value_name = "NUMBER", required_unless_present = "steps", conflicts_with = "steps")]
    rate: Option<f64>,
    /// Several rates, one after another.
    #[arg(long, value_delimiter = ',', value_parser = positive, value_name = "NUMBER")]
    steps: Vec<f64>,
    /// Go on, half as much again each time, until the network does not keep up.
    #[arg(long)]
    saturate: bool,
    /// Transactions in a request.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
    batch: u16,
    /// Wallets of the generator's own for each node.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "NUMBER")]
    wallets: u16,
    /// Who signs: the generator ahead of time, or the nodes as the requests come.
    #[arg(long, value_enum, default_value = "client")]
    signer: Signer,
    /// Length of the load (of each step), seconds.
    #[arg(long, value_parser = positive, default_value = "20")]
    seconds: f64,
    /// Stakes to set first, as with `fire`.
    #[arg(long, value_name = "STAKES")]
    stake: Option<StakePlan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Signer {
    /// Wallets of the generator's own, paid once by the nodes' wallets.
    Client,
    /// The nodes' wallets.
    Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Purse {
    /// 1000 BCC for each node.
    Assignment,
    /// Enough for every line.
    Funded,
    /// Each cell twice.
    Both,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct ReproduceArgs {
    /// The matrix: nodes × capacity, stakes of 10.
    #[arg(long)]
    matrix: bool,
    /// Fairness: 5 nodes, capacity 5, one stake of 100.
    #[arg(long)]
    fairness: bool,
    /// Finality at `--rate`: 5 nodes, `MAX_BLOCK_WAIT` 1 ms.
    #[arg(long)]
    finality: bool,
    /// Saturation: 5 nodes, capacity 5000, client-signed batches, from `--saturation-from` on until they do not keep up.
    #[arg(long)]
    saturation: bool,
    /// First rate of `--saturation`, transactions a second.
    #[arg(long, value_parser = positive, default_value = "2000", value_name = "NUMBER")]
    saturation_from: f64,
    /// Transactions in a request of `--saturation`.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
    batch: u16,
    /// Length of a step of `--saturation`, seconds.
    #[arg(long, value_parser = positive, default_value = "5", value_name = "SECONDS")]
    step_seconds: f64,
    /// A validator killed under `--rate`: 5 nodes, capacity 5.
    #[arg(long)]
    kill_validator: bool,
    /// Numbers of nodes of the matrix.
    #[arg(long, value_delimiter = ',', default_value = "5,10", value_parser = clap::value_parser!(u16).range(2..))]
    nodes: Vec<u16>,
    /// Capacities of the matrix.
    #[arg(long, value_delimiter = ',', default_value = "5,10,20", value_parser = clap::value_parser!(u32).range(1..))]
    capacity: Vec<u32>,
    /// Whose money.
    #[arg(long, value_enum, default_value = "both")]
    money: Purse,
    /// What to do when a node cannot pay for a line.
    #[arg(long, value_enum, default_value = "wait")]
    when_broke: WhenBroke,
    /// Seconds to wait for money without any new block before a line is given up.
    #[arg(long, default_value_t = REPRODUCE_PATIENCE_SECONDS, value_name = "SECONDS")]
    patience: u64,
    /// Repetitions of each cell, each on fresh nodes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only the first number of nodes and the first capacity.
    #[arg(long)]
    quick: bool,
    /// Rate of the experiments at a fixed rate, transactions a second.
    #[arg(long, value_parser = positive, default_value = "100", value_name = "NUMBER")]
    rate: f64,
    /// Length of their load, seconds (after the kill: of what is watched).
    #[arg(long, value_parser = positive, default_value = "20")]
    seconds: f64,
    /// Transaction files instead of the built-in ones: DIR/NODES/transN.txt or DIR/transN.txt.
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// The node's program [default: blockchat-node beside this one].
    #[arg(long, value_name = "PATH")]
    node_binary: Option<PathBuf>,
    /// A further setting of every node, without `BLOCKCHAT_`; may be repeated.
    #[arg(long = "node-setting", value_name = "NAME=VALUE", value_parser = setting)]
    node_settings: Vec<(String, String)>,
    /// Where nodes keep their data while they run [default: the system's directory for temporary files].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Leave the nodes' data and logs behind.
    #[arg(long)]
    keep: bool,
    /// Where to serve the generator's own figures as Prometheus text.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// Where the report goes [default: results/reproduce-TIME].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value.is_finite() && value > 0.0 && value <= 1e6 { Ok(value) } else { Err("not between 0 and 10^6".to_owned()) }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let name = name.strip_prefix("BLOCKCHAT_").unwrap_or(name);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
        return Err("a setting's name has capital letters and underscores only".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

impl Cli {
    /// Does what the command line asks.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn run(self) -> Result<(), LoadError> {
        let meters = Meters::new().map_err(|error| LoadError::Failed(error.to_string()))?;
        let _server = match self.metrics_listen() {
            Some(address) => Some(meters.serve(address).await?),
            None => None,
        };
        let (progress, line) = Progress::start(Some(meters));
        let reporter = match self.command {
            Command::Fire(arguments) => fire(arguments, &progress).await?,
            Command::Rate(arguments) => rate(arguments, &progress).await?,
            Command::Reproduce(arguments) => reproduce_all(arguments, &progress).await?,
            Command::Compare(arguments) => return compare_reports(&arguments),
        };
        drop(line);
        reporter.finish()
    }
}

impl Cli {
    fn metrics_listen(&self) -> Option<SocketAddr> {
        match &self.command {
            Command::Fire(arguments) => arguments.targets.metrics_listen,
            Command::Rate(arguments) => arguments.targets.metrics_listen,
            Command::Reproduce(arguments) => arguments.metrics_listen,
            Command::Compare(_) => None,
        }
    }
}

/// How long a node may take for one answer: longer than it waits for a commit, short enough to notice one that hangs.
const ANSWER_BOUND: Duration = Duration::from_secs(20);

impl Targets {
    async fn connect(&self) -> Result<Network, LoadError> {
        let token = match &self.token_file {
            None => None,
            Some(path) => Some(read_token(path)?),
        };
        Network::connect(&self.nodes, &Options { token, timeout: ANSWER_BOUND, ..Options::default() }).await
    }
}

fn compare_reports(arguments: &CompareArgs) -> Result<(), LoadError> {
    let first = schema_file::read(&arguments.first)?;
    let second = schema_file::read(&arguments.second)?;
    let rows = compare::compare(&first, &second)?;
    if arguments.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|error| LoadError::Report(error.to_string()))?;
        println!("{json}");
    } else {
        print!("{}", compare::text(&rows));
    }
    Ok(())
}

fn read_token(path: &Path) -> Result<String, LoadError> {
    let text = std::fs::read_to_string(path).map_err(io_error(path))?;
    Ok(text.trim().to_owned())
}

async fn fire(arguments: FireArgs, progress: &Progress) -> Result<Reporter, LoadError> {
    let network = arguments.targets.connect().await?;
    let ids: Vec<u16> = network.members.iter().map(|member| member.id).collect();
    // Every file is read before the first request that changes anything, stakes included.
    let lines = input::read_directory(&arguments.input, ids.iter().copied()).map_err(LoadError::Input)?;
    let mut reporter = Reporter::create("fire", arguments.targets.output, Environment::detect())?;
    if let Some(stakes) = &arguments.stake {
        progress.label("setting stakes");
        network.set_stakes(&stakes.resolve(ids)).await?;
    }
    let policy = Policy {
        when_broke: arguments.when_broke,
        patience: Duration::from_secs(arguments.patience),
        retry_bound: RETRY_BOUND,
        gone_bound: GONE_BOUND,
    };
    let plans = plan(&network, &lines);
    progress.begin("sending", plans.iter().map(|plan| plan.sends.len() as u64).sum());
    let fired = run::measure(&network, plans, policy, progress).await?;
    reporter.add(given(Experiment::Fire, &network, fired.run), &network.node_version)?;
    Ok(reporter)
}

async fn rate(arguments: RateArgs, progress: &Progress) -> Result<Reporter, LoadError> {
    let stepped = !arguments.steps.is_empty() || arguments.saturate || arguments.batch != 1;
    if arguments.signer == Signer::Node && stepped {
        return Err(LoadError::Usage("--signer node takes one --rate: no --steps, --saturate or --batch".to_owned()));
    }
    let network = arguments.targets.connect().await?;
    let mut reporter = Reporter::create("rate", arguments.targets.output, Environment::detect())?;
    if let Some(stakes) = &arguments.stake {
        progress.label("setting stakes");
        network.set_stakes(&stakes.resolve(network.members.iter().map(|member| member.id))).await?;
    }
    if arguments.signer == Signer::Client {
        let rates = arguments.rate.map_or(arguments.steps, |rate| vec![rate]);
        let load = SignedLoad {
            rates,
            saturate: arguments.saturate,
            length: Duration::from_secs_f64(arguments.seconds),
            batch: usize::from(arguments.batch),
            wallets_per_node: arguments.wallets,
        };
        let result = signed::run(&network, &load, progress).await?;
        let run = reproduce::conclude_signed(&network, result).await?;
        reporter.add(given(Experiment::Rate, &network, run), &network.node_version)?;
        return Ok(reporter);
    }
    let per_second = arguments.rate.unwrap_or_default();
    let load = Offer { per_second, length: Duration::from_secs_f64(arguments.seconds) };
    progress.begin("sending", load.planned());
    let offered = offer(&network.members, network.parameters.nodes, load, progress).await?;
    let run = reproduce::conclude(&network, offered).await?;
    reporter.add(given(Experiment::Rate, &network, run), &network.node_version)?;
    Ok(reporter)
}

/// A part about a network that was there already.
fn given(experiment: Experiment, network: &Network, run: Run) -> Part {
    Part {
        figures: BTreeMap::new(),
        experiment,
        nodes: network.parameters.nodes,
        capacity: network.parameters.capacity,
        money: Money::Given,
        endowment: network.parameters.endowment,
        node_settings: BTreeMap::new(),
        runs: vec![run],
    }
}

async fn reproduce_all(arguments: ReproduceArgs, progress: &Progress) -> Result<Reporter, LoadError> {
    let output = arguments.output.clone();
    let plan = reproduce_plan(arguments)?;
    reproduce::reproduce(&plan, output, progress).await
}

fn reproduce_plan(arguments: ReproduceArgs) -> Result<reproduce::Plan, LoadError> {
    let chosen = [
        (arguments.matrix, Experiment::Matrix),
        (arguments.fairness, Experiment::Fairness),
        (arguments.finality, Experiment::Finality),
        (arguments.saturation, Experiment::Saturation),
        (arguments.kill_validator, Experiment::KillValidator),
    ];
    let mut experiments: Vec<Experiment> =
        chosen.into_iter().filter(|(wanted, _)| *wanted).map(|(_, experiment)| experiment).collect();
    if experiments.is_empty() {
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
        binary: node_binary(arguments.node_binary)?,
        folder: arguments.data_dir,
        keep: arguments.keep,
        experiments,
        nodes,
        capacities,
        money,
        runs: arguments.runs,
        input: arguments.input,
        settings: arguments.node_settings.into_iter().collect(),
        policy: Policy {
            when_broke: arguments.when_broke,
            patience: Duration::from_secs(arguments.patience),
            retry_bound: RETRY_BOUND,
            gone_bound: GONE_BOUND,
        },
        signed: SignedLoad {
            rates: vec![arguments.saturation_from],
            saturate: true,
            length: Duration::from_secs_f64(arguments.step_seconds),
            batch: usize::from(arguments.batch),
            wallets_per_node: 2,
        },
        offer: Offer { per_second: arguments.rate, length: Duration::from_secs_f64(arguments.seconds) },
    })
}

fn node_binary(given: Option<PathBuf>) -> Result<PathBuf, LoadError> {
    let path = match given {
        Some(path) => path,
        None => std::env::current_exe().map_err(io_error("this program"))?.with_file_name("blockchat-node"),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(LoadError::Usage(format!("{} is no program; name the node's with --node-binary", path.display())))
}

#[cfg(test)]
mod tests;
