//! One measured run of transaction files against a network: fire, wait for the commits, check the ledger, count.

use crate::chain::{self, Ledger, Occurrences};
use crate::error::LoadError;
use crate::fire::{ClientLog, Plan, Policy, fire};
use crate::live::LiveFigures;
use crate::network::{Member, Network};
use crate::progress::Progress;
use crate::report::schema::{BlockTime, ClientLoad, FailedNode, Load, Run, Throughput};
use crate::stats::{Latencies, block_interval, client_throughput, count_f64, mean, millis, per_second};
use crate::watch::BlockFeed;
use blockchat_client::api::TransactionStatus;
use blockchat_ledger::{Amount, Hash};
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

/// How often a node is asked whether a transaction is committed.
const COMMIT_POLL: Duration = Duration::from_millis(2);
/// How long a node may go without a new block while accepted transactions are pending.
const STALL_BOUND: Duration = Duration::from_secs(30);

/// A run with everything that later evaluations need.
#[derive(Debug)]
pub struct Fired {
    /// What the report says; fairness is not in it.
    pub run: Run,
    /// The chain after the run.
    pub ledger: Ledger,
    /// Height before the first send.
    pub start_height: u64,
}

/// Fires `plans`, waits until everything that was accepted is committed, and checks the ledger.
///
/// # Errors
/// A node does not answer any more. A ledger that is wrong is no error here: it is in [`Run::problems`].
pub async fn measure(
    network: &Network,
    plans: Vec<Plan>,
    policy: Policy,
    progress: &Progress,
) -> Result<Fired, LoadError> {
    let stakes = network.stakes().await?;
    let start_height = height(network.members.first()).await?;
    let feed = network
        .members
        .first()
        .map(|member| BlockFeed::start(member.client.clone(), start_height.saturating_add(1), progress.clone()));
    let figures = LiveFigures::start(network.members.iter().map(|member| member.client.clone()), progress);
    let logs = fire(plans, policy, progress).await?;
    let failed_nodes = failed_nodes(&logs);
    let network = &network.without(&failed_nodes)?;
    let logs = redirected(logs, network);
    progress.label("waiting until everything is committed");
    let last_commit = settle(&logs).await?;
    if let Some(feed) = feed {
        feed.tell_up_to(height(network.members.first()).await?).await;
    }
    drop(figures);
    progress.label("reading the chain of every node");
    let ledger = chain::read(network).await?;
    let mut load = evaluate(&logs, last_commit, &ledger, start_height);
    load.stakes = stakes;
    let missing = missing(&logs, &ledger);
    for (member, id) in missing {
        match dropped_reason(member, &id).await {
            Some(reason) => *load.dropped.entry(reason).or_default() += 1,
            None if failed_nodes.iter().any(|failed| failed.node == member.id) => {
                *load.dropped.entry("node_failed".to_owned()).or_default() += 1;
            }
            None => load.lost += 1,
        }
    }
    let problems = problems(&load, &ledger);
    let run = Run { load: Some(load), chain: Some(ledger.check.clone()), failed_nodes, problems, ..Run::default() };
    Ok(Fired { run, ledger, start_height })
}

fn failed_nodes(logs: &[ClientLog]) -> Vec<FailedNode> {
    let failed = |log: &ClientLog| Some(FailedNode { node: log.member.id, error: log.failed.clone()? });
    logs.iter().filter_map(failed).collect()
}

/// What a failed node had accepted is asked of another one, under the failed one's id.
fn redirected(mut logs: Vec<ClientLog>, network: &Network) -> Vec<ClientLog> {
    for log in logs.iter_mut().filter(|log| log.failed.is_some()) {
        if let Some(other) = network.members.first() {
            log.member.client = other.client.clone();
        }
    }
    logs
}

async fn height(member: Option<&Member>) -> Result<u64, LoadError> {
    let Some(member) = member else { return Ok(0) };
    let what = format!("asking node {} for its height", member.id);
    let status = member.client.status().await.map_err(crate::error::unreachable(what))?;
    Ok(status.height.unwrap_or_default())
}

/// Waits until the last transaction of each client is decided, and with it, since a sender's nonces are committed in
/// order, all of its transactions. Returns when the last was seen committed; late by at most the polling of one node.
async fn settle(logs: &[ClientLog]) -> Result<Instant, LoadError> {
    let mut last_commit = logs.iter().map(|log| log.last_answer).max().unwrap_or_else(Instant::now);
    for log in logs {
        let Some(id) = log.accepted.last() else { continue };
        if wait_for_decision(&log.member, id).await? {
            last_commit = Instant::now();
        }
    }
    Ok(last_commit)
}

/// `false` if the node makes no block any more and the transaction is still pending, or if it knows nothing of it.
async fn wait_for_decision(member: &Member, id: &Hash) -> Result<bool, LoadError> {
    let mut last_height = 0;
    let mut last_block = Instant::now();
    loop {
        match member.client.transaction(&id.to_string()).await {
            Ok(answer) if answer.status != TransactionStatus::Pending => return Ok(true),
            Err(error) if error.code().is_some() && error.retry_after().is_none() => return Ok(false),
            _ => {}
        }
        if last_block.elapsed() > STALL_BOUND {
            let height = height(Some(member)).await?;
            if height == last_height {
                return Ok(false);
            }
            last_height = height;
            last_block = Instant::now();
        }
        tokio::time::sleep(COMMIT_POLL).await;
    }
}

/// Everything that can be counted from the clients' logs and the chain.
fn evaluate(logs: &[ClientLog], last_commit: Instant, ledger: &Ledger, start_height: u64) -> Load {
    let ours: HashSet<Hash> = logs.iter().flat_map(|log| log.accepted.iter().copied()).collect();
    let occurrences = Occurrences::of(&ledger.blocks);
    let mut responses = Latencies::new();
    let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
    for log in logs {
        responses.add(&log.responses);
        for (reason, count) in &log.rejected {
            *rejected.entry(reason.clone()).or_default() += count;
        }
    }
    let first_send = logs.iter().map(|log| log.first_send).min().unwrap_or(last_commit);
    let last_answer = logs.iter().map(|log| log.last_answer).max().unwrap_or(last_commit);
    let committing = last_commit.saturating_duration_since(first_send);
    let committed = ours.iter().filter(|id| occurrences.contains(id)).count() as u64;
    let clients: Vec<ClientLoad> = logs.iter().map(|log| client_load(log, ledger)).collect();
    let block_times: Vec<f64> = clients.iter().map(|client| client.block_time_ms).collect();
    let timestamps = block_timestamps(ledger, &ours, start_height);
    Load {
        attempted: logs.iter().map(|log| log.attempted).sum(),
        accepted: logs.iter().map(|log| log.accepted.len() as u64).sum(),
        rejected,
        committed,
        dropped: BTreeMap::new(),
        lost: 0,
        duplicated: occurrences.duplicated(),
        repeated: logs.iter().map(|log| log.repeated).sum(),
        waiting_for_money_seconds: logs.iter().map(|log| log.waiting_for_money).sum::<Duration>().as_secs_f64(),
        sending_seconds: last_answer.saturating_duration_since(first_send).as_secs_f64(),
        committing_seconds: committing.as_secs_f64(),
        throughput: Throughput {
            committed_per_second: per_second(committed, committing),
            client_per_second: clients.iter().map(|client| client.per_second).sum(),
        },
        block_time: BlockTime {
            blocks: timestamps.len() as u64,
            committed_interval: block_interval(&timestamps),
            client_ms: mean(&block_times),
        },
        response: responses.percentiles(),
        stakes: BTreeMap::new(),
        clients,
    }
}

fn client_load(log: &ClientLog, ledger: &Ledger) -> ClientLoad {
    let accepted = log.accepted.len() as u64;
    let blocks = count_f64(log.chain_length.max(1));
    ClientLoad {
        node: log.member.id,
        attempted: log.attempted,
        accepted,
        response_seconds: log.response_time.as_secs_f64(),
        waiting_for_money_seconds: log.waiting_for_money.as_secs_f64(),
        per_second: client_throughput(accepted, log.response_time),
        chain_length: log.chain_length,
        block_time_ms: millis(log.response_time) / blocks,
        balance: balance(ledger, log.member.id),
    }
}

/// A member's balance at the end, if it is known.
pub fn balance(ledger: &Ledger, id: u16) -> Option<Amount> {
    ledger.holdings.get(&id).map(|holding| holding.balance)
}

/// Timestamps of the blocks after `start_height` that hold any of `ours`.
fn block_timestamps(ledger: &Ledger, ours: &HashSet<Hash>, start_height: u64) -> Vec<u64> {
    let later = ledger.blocks.iter().filter(|block| block.index > start_height);
    later
        .filter(|block| block.transactions.iter().any(|item| ours.contains(&item.transaction_id)))
        .map(|block| block.timestamp_ms)
        .collect()
}

/// Accepted transactions that no block holds, and the node that accepted each. The same transaction accepted for two
/// lines also counts: one of them is missing.
fn missing<'a>(logs: &'a [ClientLog], ledger: &Ledger) -> Vec<(&'a Member, Hash)> {
    let mut left = Occurrences::of(&ledger.blocks);
    let accepted = logs.iter().flat_map(|log| log.accepted.iter().map(move |id| (&log.member, *id)));
    accepted.filter(|(_, id)| !left.take(id)).collect()
}

/// The reason with which a transaction left its node's pool, if the node gives one.
async fn dropped_reason(member: &Member, id: &Hash) -> Option<String> {
    let answer = member.client.transaction(&id.to_string()).await.ok()?;
    match answer.status {
        TransactionStatus::Rejected => Some(answer.reason.unwrap_or_else(|| "rejected".to_owned())),
        TransactionStatus::Expired => Some(answer.reason.unwrap_or_else(|| "expired".to_owned())),
        TransactionStatus::Pending | TransactionStatus::Committed => None,
    }
}

fn problems(load: &Load, ledger: &Ledger) -> Vec<String> {
    let mut problems = ledger.check.problems.clone();
    if load.lost > 0 {
        problems.push(format!("{} accepted transactions are in no block and in no pool with a reason", load.lost));
    }
    if load.duplicated > 0 {
        problems.push(format!("{} transactions stand in more than one block", load.duplicated));
    }
    problems
}
