//! `rate`: an open load.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::positive;
use super::targets::{Targets, given};
use crate::environment::Environment;
use crate::error::LoadError;
use crate::network::StakePlan;
use crate::progress::Progress;
use crate::rate::{Offer, offer};
use crate::report::Reporter;
use crate::report::schema::Experiment;
use crate::reproduce;
use crate::signed::{self, SignedLoad};

#[derive(Debug, Args)]
pub struct RateArgs {
    #[command(flatten)]
    pub targets: Targets,
    /// Transactions a second, over all nodes together.
    #[arg(long, value_parser = positive, value_name = "NUMBER", required_unless_present = "steps", conflicts_with = "steps")]
    pub rate: Option<f64>,
    /// Several rates, one after another.
    #[arg(long, value_delimiter = ',', value_parser = positive, value_name = "NUMBER")]
    pub steps: Vec<f64>,
    /// Go on, half as much again each time, until the network does not keep up.
    #[arg(long)]
    pub saturate: bool,
    /// Transactions in a request.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
    pub batch: u16,
    /// Wallets of the generator's own for each node.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "NUMBER")]
    pub wallets: u16,
    /// Who signs: the generator ahead of time, or the nodes as the requests come.
    #[arg(long, value_enum, default_value = "client")]
    pub signer: Signer,
    /// Length of the load (of each step), seconds.
    #[arg(long, value_parser = positive, default_value = "20")]
    pub seconds: f64,
    /// Stakes to set first, as with `fire`.
    #[arg(long, value_name = "STAKES")]
    pub stake: Option<StakePlan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Signer {
    /// Wallets of the generator's own, paid once by the nodes' wallets.
    Client,
    /// The nodes' wallets.
    Node,
}

/// Offers the load, step by step.
pub async fn rate(arguments: RateArgs, progress: &Progress) -> Result<Reporter, LoadError> {
    let stepped = !arguments.steps.is_empty() || arguments.saturate || arguments.batch != 1;
    if arguments.signer == Signer::Node && stepped {
        return Err(LoadError::Usage("--signer node takes one --rate: no --steps, --saturate or --batch".to_owned()));
    }
    let network = arguments.targets.connect(progress).await?;
    let mut reporter = arguments.targets.report.reporter("rate", Environment::detect())?;
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
            together: None,
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
