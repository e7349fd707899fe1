//! The experiments at a fixed rate: finality, and a validator that is killed.

use super::{Lab, Plan, usual_stake};
use crate::chain;
use crate::error::LoadError;
use crate::network::{Member, Network};
use crate::rate::{Offer, Offered, offer};
use crate::report::schema::{Experiment, FailedNode, Kill, Run};
use crate::signed::SignedRun;
use crate::stats::millis;
use crate::watch::{HeightWatch, longest_gap};
use blockchat_client::Client;
use blockchat_ledger::Hash;
use std::time::{Duration, Instant};

/// Load before anything is measured: connections are made, and the first blocks are on their way.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the load goes on before the validator is killed.
const BEFORE_KILL: Duration = Duration::from_secs(5);
/// The member that is killed: neither the bootstrap node nor a target of requests.
const VICTIM: u16 = 2;

/// Most transactions in a block. With 100 transactions a second: ten fill up in 100 ms, so that in the finality
/// experiment `MAX_BLOCK_WAIT` decides when a block is made; five fill up in 50 ms, so that blocks come steadily.
pub fn capacity(experiment: Experiment) -> u32 {
    if experiment == Experiment::Finality { 10 } else { 5 }
}

/// Settings of the nodes that belong to the experiment.
pub fn settings(experiment: Experiment) -> Vec<(String, String)> {
    match experiment {
        Experiment::Finality => vec![("MAX_BLOCK_WAIT".to_owned(), "1ms".to_owned())],
        _ => Vec::new(),
    }
}

/// Latency from the intended send to the commit, over all nodes.
pub async fn finality(lab: &mut Lab<'_>, plan: &Plan) -> Result<Run, LoadError> {
    lab.stake(&usual_stake()).await?;
    let nodes = lab.network.parameters.nodes;
    let warm_up = Offer { length: WARM_UP, ..plan.offer };
    lab.progress.begin(&format!("{}: warming up", lab.label), warm_up.planned());
    let warm = offer(&lab.network.members, nodes, warm_up, lab.progress).await?;
    lab.progress.begin(lab.label, plan.offer.planned());
    let offered = offer(&lab.network.members, nodes, plan.offer, lab.progress).await?;
    let committed = [warm.committed.as_slice(), &offered.committed].concat();
    conclude(&lab.network, offered, &committed).await
}

/// Capacity of the saturation experiment: blocks hold what a tenth of a second brings.
pub const SATURATION_CAPACITY: u32 = 5_000;

/// Steps of a client-signed load until the network does not keep up.
pub async fn saturation(lab: &Lab<'_>, plan: &Plan) -> Result<Run, LoadError> {
    lab.stake(&usual_stake()).await?;
    let result = crate::signed::run(&lab.network, &plan.signed, lab.progress).await?;
    conclude_signed(&lab.network, result).await
}

/// Checks that the nodes that are left agree, and that what they accepted was committed.
pub async fn conclude_signed(network: &Network, result: SignedRun) -> Result<Run, LoadError> {
    let failed = |(node, error): (&u16, &String)| FailedNode { node: *node, error: error.clone() };
    let failed_nodes: Vec<FailedNode> = result.gone.iter().map(failed).collect();
    let check = chain::read_tips(&network.without(&failed_nodes)?).await?;
    let mut problems = check.problems.clone();
    let undecided: u64 = result.saturation.steps.iter().map(|step| step.undecided).sum();
    if undecided > 0 && failed_nodes.is_empty() {
        problems.push(format!("{undecided} accepted transactions were not committed"));
    }
    let saturation = Some(result.saturation);
    Ok(Run { saturation, chain: Some(check), failed_nodes, problems, ..Run::default() })
}

/// The chain's pauses when a validator dies under load.
pub async fn kill_validator(lab: &mut Lab<'_>, plan: &Plan) -> Result<Run, LoadError> {
    lab.stake(&usual_stake()).await?;
    let Some(cluster) = &mut lab.cluster else {
        return Err(LoadError::Usage("only nodes that were started here can be killed".to_owned()));
    };
    let network = lab.network.clone();
    let survivors: Vec<Member> = network.members.iter().filter(|member| member.id != VICTIM).cloned().collect();
    let url = survivors[0].client.url();
    let client = Client::new(url).map_err(|error| LoadError::Usage(error.to_string()))?;
    let watch = HeightWatch::start(client);
    let load = Offer { length: WARM_UP + BEFORE_KILL + plan.offer.length, ..plan.offer };
    lab.progress.begin(lab.label, load.planned());
    let start = Instant::now();
    let kill = async {
        tokio::time::sleep(WARM_UP + BEFORE_KILL).await;
        cluster.kill(VICTIM)
    };
    let (offered, killed_at) = tokio::join!(offer(&survivors, network.parameters.nodes, load, lab.progress), kill);
    let (offered, killed_at) = (offered?, killed_at?);
    let end = start + load.length;
    let seen = watch.sightings();
    drop(watch);
    let after: Vec<_> = seen.iter().filter(|seen| (killed_at..=end).contains(&seen.at)).collect();
    let before = seen.iter().take_while(|seen| seen.at < killed_at).last();
    let height_at_kill = before.map_or(0, |seen| seen.height);
    let kill = Kill {
        victim: VICTIM,
        height_at_kill,
        longest_gap_before_ms: millis(longest_gap(&seen, start + WARM_UP, killed_at)),
        first_commit_after_ms: after.first().map(|seen| millis(seen.at - killed_at)),
        longest_gap_after_ms: millis(longest_gap(&seen, killed_at, end)),
        blocks_after: after.last().map_or(0, |seen| seen.height - height_at_kill),
        observed_seconds: end.saturating_duration_since(killed_at).as_secs_f64(),
    };
    let committed = offered.committed.clone();
    let left = Network { members: survivors, ..network };
    let mut run = conclude(&left, offered, &committed).await?;
    if kill.first_commit_after_ms.is_none() {
        run.problems.push(format!("no block was committed after node {VICTIM} had been killed"));
    }
    run.kill = Some(kill);
    Ok(run)
}

/// Checks the ledger, and that everything answered as committed stands in it, once.
pub async fn conclude(network: &Network, offered: Offered, committed: &[Hash]) -> Result<Run, LoadError> {
    let ledger = chain::read(network).await?;
    let occurrences = chain::Occurrences::of(&ledger.blocks);
    let mut problems = ledger.check.problems.clone();
    let lost = committed.iter().filter(|id| !occurrences.contains(id)).count();
    if lost > 0 {
        problems.push(format!("{lost} transactions that were answered as committed are in no block"));
    }
    let duplicated = occurrences.duplicated();
    if duplicated > 0 {
        problems.push(format!("{duplicated} transactions stand in more than one block"));
    }
    Ok(Run { rate: Some(offered.rate), chain: Some(ledger.check), problems, ..Run::default() })
}
