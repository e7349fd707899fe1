//! The experiments, on nodes that are started for each run and stopped after it.

mod fairness;
mod files;
mod matrix;
mod open;

use crate::cluster::{Cluster, ClusterSpec, START_BOUND};
use crate::environment::Environment;
use crate::error::LoadError;
use crate::fire::Policy;
use crate::network::{Network, StakePlan};
use crate::progress::Progress;
use crate::rate::{Offer, Offered};
use crate::report::Reporter;
use crate::report::schema::{Experiment, Money, Part, Run, Startup};
use crate::signed::SignedLoad;
use blockchat_ledger::Amount;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// BCC for each node as the assignment has it.
const ASSIGNMENT_BCC: u64 = 1_000;
/// BCC for each node when a run measures the protocol and not the purse: forty times what a file costs.
const FUNDED_BCC: u64 = 100_000;
/// The stake of every member, BCC; in the fairness experiment, of every member but one.
const STAKE_BCC: u64 = 10;

/// What to reproduce, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The node's program.
    pub binary: PathBuf,
    /// Where the nodes keep their data while they run.
    pub folder: Option<PathBuf>,
    /// Leave the nodes' folders behind.
    pub keep: bool,
    /// Which experiments, in order.
    pub experiments: Vec<Experiment>,
    /// Numbers of members, for the matrix.
    pub nodes: Vec<u16>,
    /// Capacities, for the matrix.
    pub capacities: Vec<u32>,
    /// Which purses.
    pub money: Vec<Money>,
    /// Repetitions of each cell.
    pub runs: u32,
    /// Transaction files instead of the built-in ones.
    pub input: Option<PathBuf>,
    /// Further settings of the nodes, by name without `BLOCKCHAT_`.
    pub settings: BTreeMap<String, String>,
    /// How clients behave.
    pub policy: Policy,
    /// Steps of the saturation experiment.
    pub signed: SignedLoad,
    /// Load of the experiments at a fixed rate.
    pub offer: Offer,
}

/// Parameters of one cell.
#[derive(Clone, Debug)]
struct Cell {
    experiment: Experiment,
    nodes: u16,
    capacity: u32,
    money: Money,
    settings: BTreeMap<String, String>,
}

/// Runs every cell, each run on nodes of its own; the report grows on disk.
///
/// # Errors
/// A node fails or does not start, or a file is malformed. A run whose ledger is wrong is no error here: its report
/// says so.
pub async fn reproduce(
    plan: &Plan,
    report: impl FnOnce(Environment) -> Result<Reporter, LoadError>,
    progress: &Progress,
) -> Result<Reporter, LoadError> {
    let cells = cells(plan);
    // All files are read before the first process is started.
    let files = files::read(plan.input.as_deref(), &cells)?;
    let folder = plan.folder.clone().unwrap_or_else(std::env::temp_dir);
    let environment = Environment::detect().with_data_in(&folder);
    let mut reporter = report(environment)?;
    let total = cells.len();
    for (number, cell) in cells.into_iter().enumerate() {
        let mut runs = Vec::new();
        let mut endowment = Amount::ZERO;
        let mut node_version = String::new();
        for run in 0..plan.runs {
            let name = cell_name(&cell);
            let label = format!("cell {}/{total}, run {}/{}: {name}", number + 1, run + 1, plan.runs);
            let started = Lab::start(plan, &cell, &label, progress).await?;
            endowment = started.network.parameters.endowment;
            node_version.clone_from(&started.network.node_version);
            runs.push(started.measure(plan, &cell, &files).await?);
        }
        let part = part(cell, endowment, runs);
        reporter.add(part, &node_version)?;
    }
    Ok(reporter)
}

/// The cells of all experiments, in the order in which they run.
fn cells(plan: &Plan) -> Vec<Cell> {
    let cell = |experiment, nodes, capacity, money| Cell {
        experiment,
        nodes,
        capacity,
        money,
        settings: plan.settings.clone(),
    };
    let mut cells = Vec::new();
    for experiment in &plan.experiments {
        match experiment {
            Experiment::Fairness => {
                cells.extend(plan.money.iter().map(|money| cell(Experiment::Fairness, 5, 5, *money)));
            }
            Experiment::Saturation => {
                let mut cell = cell(Experiment::Saturation, 5, open::SATURATION_CAPACITY, Money::Assignment);
                cell.settings.entry("MAX_BLOCK_WAIT".to_owned()).or_insert("100ms".to_owned());
                cells.push(cell);
            }
            Experiment::Finality | Experiment::KillValidator => {
                let mut cell = cell(*experiment, 5, open::capacity(*experiment), Money::Assignment);
                for (name, value) in open::settings(*experiment) {
                    cell.settings.entry(name).or_insert(value);
                }
                cells.push(cell);
            }
            _ => {
                for money in &plan.money {
                    for nodes in &plan.nodes {
                        let capacities = plan.capacities.iter();
                        cells.extend(capacities.map(|capacity| cell(Experiment::Matrix, *nodes, *capacity, *money)));
                    }
                }
            }
        }
    }
    cells
}

fn cell_name(cell: &Cell) -> String {
    let Cell { experiment, nodes, capacity, money, .. } = cell;
    format!("{experiment:?}, {nodes} nodes, capacity {capacity}, {money:?} money")
}

/// Runs one cell on a network that was there already, with its parameters and its money; its nodes are left as they are.
///
/// # Errors
/// A node does not answer, not every member was named, or a file is malformed. A run whose ledger is wrong is no error
/// here: its report says so.
pub async fn reproduce_at(
    plan: &Plan,
    network: &Network,
    report: impl FnOnce(Environment) -> Result<Reporter, LoadError>,
    progress: &Progress,
) -> Result<Reporter, LoadError> {
    let parameters = &network.parameters;
    let missing: Vec<String> = (0..parameters.nodes)
        .filter(|id| network.members.iter().all(|member| member.id != *id))
        .map(|id| id.to_string())
        .collect();
    if !missing.is_empty() {
        let (missing, nodes) = (missing.join(", "), parameters.nodes);
        return Err(LoadError::Usage(format!("--at needs every one of the {nodes} members; missing: {missing}")));
    }
    let cell = |experiment: &Experiment| Cell {
        experiment: *experiment,
        nodes: parameters.nodes,
        capacity: parameters.capacity,
        money: money_of(parameters.endowment),
        settings: BTreeMap::new(),
    };
    let cells: Vec<Cell> = plan.experiments.iter().map(cell).collect();
    let files = files::read(plan.input.as_deref(), &cells)?;
    let mut reporter = report(Environment::detect())?;
    for cell in cells {
        let mut runs = Vec::new();
        for run in 0..plan.runs {
            let label = format!("run {}/{}: {}", run + 1, plan.runs, cell_name(&cell));
            let lab = Lab { cluster: None, network: network.clone(), startup: None, label: &label, progress };
            runs.push(lab.measure(plan, &cell, &files).await?);
        }
        reporter.add(part(cell, parameters.endowment, runs), &network.node_version)?;
    }
    Ok(reporter)
}

/// What an endowment makes of a run.
fn money_of(endowment: Amount) -> Money {
    if Some(endowment) == Amount::from_bcc(ASSIGNMENT_BCC) {
        Money::Assignment
    } else if Some(endowment) >= Amount::from_bcc(FUNDED_BCC) {
        Money::Funded
    } else {
        Money::Given
    }
}

fn part(cell: Cell, endowment: Amount, runs: Vec<Run>) -> Part {
    Part {
        figures: BTreeMap::new(),
        experiment: cell.experiment,
        nodes: cell.nodes,
        capacity: cell.capacity,
        money: cell.money,
        endowment,
        node_settings: cell.settings,
        runs,
    }
}

/// Nodes that are ready for a run.
struct Lab<'a> {
    /// The processes, if they were started here.
    cluster: Option<Cluster>,
    network: Network,
    startup: Option<Startup>,
    label: &'a str,
    progress: &'a Progress,
}

impl<'a> Lab<'a> {
    async fn start(plan: &Plan, cell: &Cell, label: &'a str, progress: &'a Progress) -> Result<Self, LoadError> {
        progress.begin(&format!("{label}: starting nodes"), 0);
        let endowment = match cell.money {
            Money::Funded => Amount::from_bcc(FUNDED_BCC),
            Money::Assignment | Money::Given => None,
        };
        let spec = ClusterSpec {
            binary: plan.binary.clone(),
            folder: plan.folder.clone(),
            nodes: cell.nodes,
            capacity: cell.capacity,
            endowment,
            settings: cell.settings.clone(),
            start_bound: START_BOUND,
            keep: plan.keep,
        };
        let since = Instant::now();
        let mut cluster = Cluster::start(&spec)?;
        if plan.keep {
            eprintln!("{label}: data and logs stay in {}", cluster.folder().display());
        }
        let (network, startup) = cluster.ready(since, spec.start_bound).await?;
        Ok(Self { cluster: Some(cluster), network, startup: Some(startup), label, progress })
    }

    /// Runs the experiment and stops the nodes. If it fails because a node has ended, the error says that instead.
    async fn measure(mut self, plan: &Plan, cell: &Cell, files: &files::Files) -> Result<Run, LoadError> {
        let result = match cell.experiment {
            Experiment::Fairness => fairness::run(&mut self, plan, cell, files).await,
            Experiment::Finality => open::finality(&mut self, plan).await,
            Experiment::Saturation => open::saturation(&self, plan).await,
            Experiment::KillValidator => open::kill_validator(&mut self, plan).await,
            _ => matrix::run(&mut self, plan, cell, files).await,
        };
        let mut run = match result {
            Ok(run) => run,
            Err(error) => {
                // A node that has ended explains the error better than the error itself.
                let ended = self.cluster.as_mut().and_then(|cluster| cluster.check().err());
                let problem = ended.unwrap_or(error);
                return Ok(failed(&problem));
            }
        };
        run.startup = self.startup;
        if let Some(cluster) = self.cluster {
            self.progress.label(&format!("{}: stopping nodes", self.label));
            if let Err(error) = cluster.stop().await {
                run.problems.push(error.to_string());
            }
        }
        Ok(run)
    }

    async fn stake(&self, plan: &StakePlan) -> Result<(), LoadError> {
        self.progress.label(&format!("{}: setting stakes", self.label));
        self.network.set_stakes(&plan.resolve(0..self.network.parameters.nodes)).await
    }
}

/// A run that measured nothing; the other cells go on.
fn failed(error: &LoadError) -> Run {
    Run { problems: vec![error.to_string()], ..Run::default() }
}

/// Ends a load at a fixed rate: checks the ledger, and that everything answered as committed stands in it, once.
///
/// # Errors
/// A node does not answer.
pub async fn conclude(network: &Network, offered: Offered) -> Result<Run, LoadError> {
    let committed = offered.committed.clone();
    open::conclude(network, offered, &committed).await
}

/// Ends a load that was signed ahead.
///
/// # Errors
/// A node does not answer.
pub async fn conclude_signed(network: &Network, result: crate::signed::SignedRun) -> Result<Run, LoadError> {
    open::conclude_signed(network, result).await
}

/// The stake that members have who have no other.
pub fn usual_stake() -> StakePlan {
    StakePlan::equal(Amount::from_bcc(STAKE_BCC).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Plan, cell_name, cells, money_of};
    use crate::fire::{Policy, WhenBroke};
    use crate::rate::Offer;
    use crate::report::schema::{Experiment, Money};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn plan(experiments: &[Experiment]) -> Plan {
        Plan {
            binary: "blockchat-node".into(),
            folder: None,
            keep: false,
            experiments: experiments.to_vec(),
            nodes: vec![5, 10],
            capacities: vec![5, 10, 20],
            money: vec![Money::Assignment, Money::Funded],
            runs: 1,
            input: None,
            settings: BTreeMap::from([("LOG".to_owned(), "warn".to_owned())]),
            policy: Policy {
                when_broke: WhenBroke::Wait,
                patience: Duration::from_secs(1),
                retry_bound: Duration::from_secs(1),
                gone_bound: Duration::from_secs(1),
            },
            signed: crate::signed::SignedLoad {
                rates: vec![100.0],
                saturate: false,
                length: Duration::from_secs(1),
                batch: 1,
                wallets_per_node: 1,
                together: None,
            },
            offer: Offer { per_second: 100.0, length: Duration::from_secs(1) },
        }
    }

    #[test]
    fn the_courses_matrix_twice_and_fairness_twice() {
        let cells = cells(&plan(&[Experiment::Matrix, Experiment::Fairness]));
        assert_eq!(cells.len(), 14);
        assert_eq!(cell_name(&cells[0]), "Matrix, 5 nodes, capacity 5, Assignment money");
        assert_eq!(cell_name(&cells[11]), "Matrix, 10 nodes, capacity 20, Funded money");
        assert_eq!(cell_name(&cells[13]), "Fairness, 5 nodes, capacity 5, Funded money");
    }

    #[test]
    fn the_endowment_tells_whose_money_a_running_network_has() {
        let money = |bcc: &str| money_of(bcc.parse().unwrap());
        assert_eq!(money("1000"), Money::Assignment);
        assert_eq!(
            (money("99999.999999"), money("100000"), money("5000000")),
            (Money::Given, Money::Funded, Money::Funded)
        );
    }

    #[test]
    fn given_settings_win_over_an_experiments_own() {
        let mut plan = plan(&[Experiment::Finality]);
        let settings = |plan: &Plan| cells(plan)[0].settings.clone();
        assert_eq!(settings(&plan)["MAX_BLOCK_WAIT"], "1ms");
        assert_eq!(settings(&plan)["LOG"], "warn");
        plan.settings.insert("MAX_BLOCK_WAIT".to_owned(), "5ms".to_owned());
        assert_eq!(settings(&plan)["MAX_BLOCK_WAIT"], "5ms");
    }
}
