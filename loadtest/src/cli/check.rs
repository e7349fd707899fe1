//! `check`: does a network do what it is for?

use std::path::PathBuf;
use std::time::Duration;

use blockchat_client::api::TransactionStatus;
use blockchat_client::{Options, Payment, Wait};
use blockchat_ledger::Hash;
use clap::Args;
use tokio::time::Instant;

use super::targets::{ANSWER_BOUND, connect, read_token};
use crate::error::{LoadError, unreachable};
use crate::fire::run_name;
use crate::network::{Member, Network};
use crate::progress::Progress;

/// The smallest amount there is; its fee is as small.
const SMALLEST_BCC: &str = "0.000001";

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The API URLs of the nodes.
    #[arg(long, value_delimiter = ',', required = true, value_name = "URL")]
    pub nodes: Vec<String>,
    /// File with the bearer token of the nodes' wallets.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Seconds to wait until every node answers and has joined, and again until every node has the block.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub wait: u64,
}

/// Pays, and asks every node for the block.
pub async fn check(arguments: CheckArgs, progress: &Progress) -> Result<(), LoadError> {
    let bound = Duration::from_secs(arguments.wait);
    let token = arguments.token_file.as_deref().map(read_token).transpose()?;
    let options = Options { token, timeout: ANSWER_BOUND, ..Options::default() };
    let network = connect(&arguments.nodes, &options, bound, progress).await?;
    let started = Instant::now();
    let (from, to, id) = pay(&network).await?;
    let mut seen = Vec::new();
    for member in &network.members {
        seen.push(block_of(member, &id, started + bound).await?);
    }
    let elapsed = started.elapsed();
    let (index, hash) = seen[0];
    for (member, found) in network.members.iter().zip(&seen) {
        if *found != (index, hash) {
            let (other, node) = (found.0, member.id);
            return Err(LoadError::Failed(format!(
                "{id} stands in block {index} ({hash}) on node {}, and in block {other} ({}) on node {node}",
                network.members[0].id, found.1
            )));
        }
    }
    println!(
        "node {from} paid node {to} {SMALLEST_BCC} BCC: {id}\nblock {index} ({hash}) has it on each of {} nodes, {:.0} ms after it was sent",
        seen.len(),
        elapsed.as_secs_f64() * 1e3
    );
    Ok(())
}

/// The first node that can, pays the next one.
async fn pay(network: &Network) -> Result<(u16, u16, Hash), LoadError> {
    let mut refused = None;
    for member in &network.members {
        let to = (member.id + 1) % network.parameters.nodes;
        let payment = Payment::coins(to.to_string(), SMALLEST_BCC).idempotency_key(run_name());
        match member.client.pay(&payment, Wait::Committed).await {
            Ok(answer) if matches!(answer.status, TransactionStatus::Pending | TransactionStatus::Committed) => {
                return Ok((member.id, to, answer.transaction_id));
            }
            Ok(answer) => refused = Some(LoadError::Failed(answer.reason.unwrap_or_default())),
            Err(error) => refused = Some(unreachable(format!("paying from node {}", member.id))(error)),
        }
    }
    Err(refused.unwrap_or_else(|| LoadError::Usage("no node was named".to_owned())))
}

/// Index and hash of the block in which a node has the transaction.
async fn block_of(member: &Member, id: &Hash, give_up: Instant) -> Result<(u64, Hash), LoadError> {
    let asking = || format!("asking node {} for {id}", member.id);
    loop {
        match member.client.transaction(&id.to_string()).await {
            Ok(answer) if answer.status == TransactionStatus::Committed => {
                let index = answer.block_index.unwrap_or_default();
                let block = member.client.block(index).await.map_err(unreachable(asking()))?;
                return Ok((index, block.current_hash));
            }
            Err(error) if Instant::now() > give_up => return Err(unreachable(asking())(error)),
            Ok(answer) if Instant::now() > give_up => {
                let (node, status) = (member.id, answer.status);
                return Err(LoadError::Failed(format!("node {node} says that {id} is {status:?}")));
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
