//! The nodes under load, and what all commands that send share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use blockchat_client::Options;
use blockchat_ledger::Amount;
use clap::Args;

use super::reports::ReportArgs;
use crate::error::{LoadError, io_error, unreachable};
use crate::fire::{Policy, WhenBroke};
use crate::network::Network;
use crate::progress::Progress;
use crate::report::schema::{Experiment, Money, Part, Run};

/// How long a request is repeated that a node asks to send later.
const RETRY_BOUND: Duration = Duration::from_secs(30);
/// How long a request without an answer is repeated before the node is taken for gone, unless something else is asked for.
pub const GONE_AFTER_SECONDS: u64 = 10;

#[derive(Debug, Args)]
pub struct Targets {
    /// The nodes' API URLs, for example `http://127.0.0.1:5000,http://127.0.0.1:5001`.
    #[arg(long, value_delimiter = ',', required = true, value_name = "URL")]
    pub nodes: Vec<String>,
    /// File with the bearer token of the nodes' wallets.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Where to serve the generator's own figures as Prometheus text, for example `127.0.0.1:9464`.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    /// Seconds to wait until every node answers and has joined its network.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub wait: u64,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// How long a node may take for one answer: longer than it waits for a commit, short enough to notice one that hangs.
pub const ANSWER_BOUND: Duration = Duration::from_secs(20);

impl Targets {
    /// Asks every node who it is; with `--wait`, again until all of them know.
    pub async fn connect(&self, progress: &Progress) -> Result<Network, LoadError> {
        let token = match &self.token_file {
            None => None,
            Some(path) => Some(read_token(path)?),
        };
        let options = Options { token, timeout: ANSWER_BOUND, ..Options::default() };
        connect(&self.nodes, &options, Duration::from_secs(self.wait), progress).await
    }
}

/// Connects, and tries again until `bound` has passed; then every member also has its first coins.
pub async fn connect(
    urls: &[String],
    options: &Options,
    bound: Duration,
    progress: &Progress,
) -> Result<Network, LoadError> {
    let give_up = tokio::time::Instant::now() + bound;
    loop {
        match Network::connect(urls, options).await {
            Err(LoadError::Unreachable { .. } | LoadError::Failed(_)) if tokio::time::Instant::now() < give_up => {
                progress.label("waiting for the nodes");
            }
            Ok(network) if bound.is_zero() || granted(&network).await? => return Ok(network),
            Ok(network) if tokio::time::Instant::now() >= give_up => return Ok(network),
            Ok(_) => progress.label("waiting for the members' first coins"),
            result => return result,
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Whether every member has had its endowment: a network is ready before that, and nobody could pay yet.
async fn granted(network: &Network) -> Result<bool, LoadError> {
    for member in &network.members {
        let account = member.client.account(&member.id.to_string()).await;
        let state = account.map_err(unreachable(format!("asking node {} for its account", member.id)))?.final_state;
        if state.nonce == 0 && state.balance == Amount::ZERO && state.stake == Amount::ZERO {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The bearer token in a file.
pub fn read_token(path: &Path) -> Result<String, LoadError> {
    let text = std::fs::read_to_string(path).map_err(io_error(path))?;
    Ok(text.trim().to_owned())
}

/// How clients behave.
pub fn policy(when_broke: WhenBroke, patience_seconds: u64, gone_after_seconds: u64) -> Policy {
    Policy {
        when_broke,
        patience: Duration::from_secs(patience_seconds),
        retry_bound: RETRY_BOUND.max(Duration::from_secs(gone_after_seconds)),
        gone_bound: Duration::from_secs(gone_after_seconds),
    }
}

/// A part about a network that was there already.
pub fn given(experiment: Experiment, network: &Network, run: Run) -> Part {
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
