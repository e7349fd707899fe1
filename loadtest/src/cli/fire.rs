//! `fire`: each node's transaction file.

use std::path::PathBuf;

use clap::Args;

use super::targets::{GONE_AFTER_SECONDS, Targets, given, policy};
use crate::environment::Environment;
use crate::error::LoadError;
use crate::fire::{WhenBroke, plan};
use crate::network::StakePlan;
use crate::progress::Progress;
use crate::report::Reporter;
use crate::report::schema::Experiment;
use crate::{input, run};

#[derive(Debug, Args)]
pub struct FireArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Directory with the files.
    #[arg(long, value_name = "DIR")]
    pub input: PathBuf,
    /// Stakes to set first: `10` for all, `0=100,1=10` by node id, `10,0=100` both.
    #[arg(long, value_name = "STAKES")]
    pub stake: Option<StakePlan>,
    /// What to do when a node cannot pay for a line.
    #[arg(long, value_enum, default_value = "fail")]
    pub when_broke: WhenBroke,
    /// Seconds to wait for money without any new block before a line is given up.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub patience: u64,
    /// Seconds without any answer after which a node is taken for gone. Longer than a restart, for nodes that are restarted
    /// under load.
    #[arg(long, default_value_t = GONE_AFTER_SECONDS, value_name = "SECONDS")]
    pub gone_after: u64,
}

/// Sends the files, waits for the commits, checks the ledger.
pub async fn fire(arguments: FireArgs, progress: &Progress) -> Result<Reporter, LoadError> {
    let network = arguments.targets.connect(progress).await?;
    let ids: Vec<u16> = network.members.iter().map(|member| member.id).collect();
    // Every file is read before the first request that changes anything, stakes included.
    let lines = input::read_directory(&arguments.input, ids.iter().copied()).map_err(LoadError::Input)?;
    let mut reporter = arguments.targets.report.reporter("fire", Environment::detect())?;
    if let Some(stakes) = &arguments.stake {
        progress.label("setting stakes");
        network.set_stakes(&stakes.resolve(ids)).await?;
    }
    let policy = policy(arguments.when_broke, arguments.patience, arguments.gone_after);
    let plans = plan(&network, &lines);
    progress.begin("sending", plans.iter().map(|plan| plan.sends.len() as u64).sum());
    let fired = run::measure(&network, plans, policy, progress).await?;
    reporter.add(given(Experiment::Fire, &network, fired.run), &network.node_version)?;
    Ok(reporter)
}
