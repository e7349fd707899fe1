//! The command line.

mod check;
mod cost;
mod fire;
mod local;
mod rate;
mod reports;
mod reproduce;
mod targets;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

use crate::error::LoadError;
use crate::meters::Meters;
use crate::progress::Progress;

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
    Fire(fire::FireArgs),
    /// Offer a rate of coin transfers, signed ahead of time by wallets of the generator's own, whether or not earlier ones
    /// were answered; latency counts from the moment a request should have left to the commit.
    #[command(after_help = EXIT_CODES)]
    Rate(rate::RateArgs),
    /// Run the experiments on nodes of its own, started and stopped here. Without a choice: the course's matrix and the
    /// fairness experiment.
    #[command(after_help = EXIT_CODES)]
    Reproduce(reproduce::ReproduceArgs),
    /// Send the smallest payment and see it committed in the same block by every node: a network's own test.
    #[command(after_help = EXIT_CODES)]
    Check(check::CheckArgs),
    /// Measure what metrics and traces cost: throughput and processor time of nodes that are started here, as ratios to
    /// nodes that observe nothing.
    #[command(after_help = EXIT_CODES)]
    Cost(cost::CostArgs),
    /// Put two reports side by side: ratios, and whether the ranges over the runs meet.
    #[command(after_help = EXIT_CODES)]
    Compare(reports::CompareArgs),
    /// Put several reports into one, for example those of networks that were started elsewhere.
    #[command(after_help = EXIT_CODES)]
    Merge(reports::MergeArgs),
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
            Command::Fire(arguments) => fire::fire(arguments, &progress).await?,
            Command::Rate(arguments) => rate::rate(arguments, &progress).await?,
            Command::Reproduce(arguments) => reproduce::reproduce_all(arguments, &progress).await?,
            Command::Check(arguments) => return check::check(arguments, &progress).await,
            Command::Cost(arguments) => return cost::cost(arguments, &progress).await,
            Command::Compare(arguments) => return reports::compare_reports(&arguments),
            Command::Merge(arguments) => reports::merge(arguments)?,
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
            Command::Check(_) | Command::Cost(_) | Command::Compare(_) | Command::Merge(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
