//! Open load of transactions that the generator has signed ahead of time, in one step or in several.
//!
//! Latency counts from the moment a request *should* have left. A step keeps up if what was offered was sent, accepted
//! and committed at the offered rate; the first that does not is the point of saturation.

pub mod commits;
pub mod lane;
pub mod presign;
pub mod wallets;

use crate::error::{LoadError, unreachable};
use crate::live::LiveFigures;
use crate::network::Network;
use crate::progress::Progress;
use crate::rate::Offer;
use crate::report::schema::{Rate, Saturation};
use crate::stats::{Latencies, count_f64, per_second};
use commits::Commits;
use lane::{Batch, LaneLog, Runner, Waiting};
use presign::Order;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use wallets::Lane;

/// How long after its end a step may still send what is late.
const GRACE: Duration = Duration::from_secs(2);
/// How long nothing may be committed before what is still pending counts as undecided.
const STALL_BOUND: Duration = Duration::from_secs(15);
/// From one step to the next when looking for saturation.
const STEP_FACTOR: f64 = 1.5;
/// Most steps when looking for saturation.
const MAX_STEPS: usize = 20;
/// Part of the offered rate that must be sent and accepted for a step to keep up.
const KEEPS_UP_SENT: f64 = 0.95;
/// Part of the offered rate that must be committed, from the first send to the last commit.
const KEEPS_UP_COMMITTED: f64 = 0.90;

/// What to offer, and how.
#[derive(Clone, Debug)]
pub struct SignedLoad {
    /// Rates of the steps, transactions a second.
    pub rates: Vec<f64>,
    /// Go on past the last rate, half as much again each time, until a step does not keep up.
    pub saturate: bool,
    /// Length of a step.
    pub length: Duration,
    /// Transactions in a request.
    pub batch: usize,
    /// Wallets for each node.
    pub wallets_per_node: u16,
    /// Loads on other networks whose steps begin at the same moment.
    pub together: Option<Arc<Barrier>>,
}

/// What the steps did.
#[derive(Debug)]
pub struct SignedRun {
    /// The steps.
    pub saturation: Saturation,
    /// Nodes that answered nothing any more, with the error.
    pub gone: BTreeMap<u16, String>,
}

/// Prepares the wallets and runs the steps.
///
/// # Errors
/// The wallets cannot be paid, or a node does not answer before the load.
pub async fn run(network: &Network, load: &SignedLoad, progress: &Progress) -> Result<SignedRun, LoadError> {
    // Each transaction moves 10^-6 BCC and costs as much: 20 BCC pay for ten million.
    let purse = blockchat_ledger::Amount::from_bcc(20).unwrap_or_default();
    let lanes = wallets::prepare(network, load.wallets_per_node, purse, progress).await?;
    let mut result = SignedRun { saturation: Saturation::default(), gone: BTreeMap::new() };
    let mut rates = load.rates.clone();
    let mut step = 0;
    while let Some(rate) = rates.get(step).copied() {
        step += 1;
        let usable: Vec<Lane> =
            lanes.iter().filter(|lane| !result.gone.contains_key(&lane.member.id)).cloned().collect();
        if usable.is_empty() {
            break;
        }
        let offer = Offer { per_second: rate, length: load.length };
        let rate = one_step(network, &usable, offer, load, progress, &mut result.gone).await?;
        let kept_up = rate.kept_up;
        result.saturation.steps.push(rate);
        if load.saturate && !kept_up {
            break;
        }
        if load.saturate && step == rates.len() && step < MAX_STEPS {
            rates.push((rates[step - 1] * STEP_FACTOR).round());
        }
    }
    summarise(&mut result.saturation);
    Ok(result)
}

fn summarise(saturation: &mut Saturation) {
    let kept = saturation.steps.iter().filter(|step| step.kept_up);
    saturation.keeps_up_to = kept.map(|step| step.offered_per_second).reduce(f64::max);
    let behind = saturation.steps.iter().filter(|step| !step.kept_up);
    saturation.falls_behind_at = behind.map(|step| step.offered_per_second).reduce(f64::min);
    saturation.most_committed_per_second =
        saturation.steps.iter().map(|step| step.committed_per_second).fold(0.0, f64::max);
}

async fn one_step(
    network: &Network,
    lanes: &[Lane],
    offer: Offer,
    load: &SignedLoad,
    progress: &Progress,
    gone: &mut BTreeMap<u16, String>,
) -> Result<Rate, LoadError> {
    let name = format!("{:.0} tx/s", offer.per_second);
    progress.label(&format!("{name}: signing {} transactions", offer.planned()));
    let (plans, signing) = plan(network, lanes, offer, load.batch).await?;
    if let Some(others) = &load.together {
        others.wait().await;
    }
    progress.begin(&name, offer.planned());
    let _figures = LiveFigures::start(lanes.iter().map(|lane| lane.member.client.clone()), progress);
    let start = Instant::now() + Duration::from_millis(50);
    let deadline = start + offer.length + GRACE;
    let lanes: Vec<(Lane, Waiting)> = lanes.iter().map(|lane| (lane.clone(), Waiting::default())).collect();
    let run = |((lane, waiting), batches): (&(Lane, Waiting), Vec<Batch>)| {
        Runner::new(lane.clone(), waiting.clone(), progress.clone(), start, deadline).run(batches)
    };
    let sending = futures::future::join_all(lanes.iter().zip(plans).map(run));
    let (logs, commits) = watch(sending, &lanes, progress).await;
    for ((lane, _), log) in lanes.iter().zip(&logs) {
        if let Some(error) = &log.gone {
            gone.insert(lane.member.id, error.clone());
        }
    }
    Ok(evaluate(offer, load.batch, signing, start, &logs, &commits))
}

/// Looks for commits while `sending` goes on, and after it until all are seen or none comes any more.
async fn watch(
    sending: impl Future<Output = Vec<LaneLog>>,
    lanes: &[(Lane, Waiting)],
    progress: &Progress,
) -> (Vec<LaneLog>, Commits) {
    let mut commits = Commits::default();
    let mut sending = std::pin::pin!(sending);
    let logs = loop {
        tokio::select! {
            logs = &mut sending => break logs,
            () = commits.look(lanes, progress) => {}
        }
    };
    let accepted: u64 = logs.iter().map(|log| log.accepted).sum();
    let quiet_since = Instant::now();
    while commits.count < accepted && commits.last.unwrap_or(quiet_since).max(quiet_since).elapsed() < STALL_BOUND {
        commits.look(lanes, progress).await;
    }
    (logs, commits)
}

/// Shares the batches out to the lanes in turn and signs them.
async fn plan(
    network: &Network,
    lanes: &[Lane],
    offer: Offer,
    batch: usize,
) -> Result<(Vec<Vec<Batch>>, Duration), LoadError> {
    let mut shapes: Vec<Vec<(Duration, usize)>> = vec![Vec::new(); lanes.len()];
    let planned = usize::try_from(offer.planned()).unwrap_or(usize::MAX);
    for (turn, first) in (0..planned).step_by(batch).enumerate() {
        let size = batch.min(planned - first);
        shapes[turn % lanes.len()].push((offer.due(first as u64), size));
    }
    let mut orders = Vec::new();
    for (index, lane) in lanes.iter().enumerate() {
        let account = lane.member.client.account(&lane.address).await;
        let account = account.map_err(unreachable(format!("reading a wallet at node {}", lane.member.id)))?;
        let count = shapes[index].iter().map(|(_, size)| size).sum();
        let receiver = lanes[(index + 1) % lanes.len()].clone();
        // With a single wallet there is nobody else to pay.
        let receiver = if lanes.len() == 1 { return Err(single()) } else { receiver };
        orders.push(Order { lane: lane.clone(), receiver, nonce: account.pending.nonce, count });
    }
    let status = lanes[0].member.client.status().await.map_err(unreachable("asking for the height"))?;
    let valid_until = status.height.unwrap_or_default() + network.parameters.ttl_blocks;
    let chain_id = status.chain_id.unwrap_or_default();
    let signing = tokio::task::spawn_blocking(move || presign::sign(&orders, valid_until, chain_id)).await;
    let (signed, took) = signing.map_err(|error| LoadError::Failed(format!("signing: {error}")))??;
    let batches = shapes.into_iter().zip(signed).map(|(shape, signed)| {
        let mut signed = signed.into_iter();
        let cut = |(due, size): (Duration, usize)| Batch { due, transactions: signed.by_ref().take(size).collect() };
        shape.into_iter().map(cut).collect()
    });
    Ok((batches.collect(), took))
}

fn single() -> LoadError {
    LoadError::Usage("one wallet has nobody to pay: use --wallets 2 or more nodes".to_owned())
}

fn evaluate(
    offer: Offer,
    batch: usize,
    signing: Duration,
    start: Instant,
    logs: &[LaneLog],
    commits: &Commits,
) -> Rate {
    let sum = |figure: fn(&LaneLog) -> u64| logs.iter().map(figure).sum::<u64>();
    let (mut admission, mut send_delay) = (Latencies::new(), Latencies::new());
    let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
    for log in logs {
        admission.add(&log.admission);
        send_delay.add(&log.send_delay);
        for (reason, count) in &log.rejected {
            *rejected.entry(reason.clone()).or_default() += count;
        }
    }
    let last_send = logs.iter().map(|log| log.last_send).max().unwrap_or_default();
    let sending = last_send.max(offer.length);
    let committing = commits.last.map_or(offer.length, |last| last.saturating_duration_since(start)).max(offer.length);
    let (sent, accepted) = (sum(|log| log.sent), sum(|log| log.accepted));
    let mut rate = Rate {
        offered_per_second: offer.per_second,
        seconds: offer.length.as_secs_f64(),
        batch: batch as u64,
        signing_seconds: signing.as_secs_f64(),
        planned: offer.planned(),
        sent,
        not_sent: sum(|log| log.not_sent),
        accepted,
        committed: commits.count,
        undecided: accepted.saturating_sub(commits.count),
        rejected,
        repeated: sum(|log| log.repeated),
        sent_per_second: per_second(sent, sending),
        accepted_per_second: per_second(accepted, sending),
        committed_per_second: per_second(commits.count, committing),
        admission: admission.percentiles(),
        finality: commits.finality.percentiles(),
        send_delay: send_delay.percentiles(),
        kept_up: false,
    };
    rate.kept_up = keeps_up(&rate);
    rate
}

/// Whether the network did what was offered, at the rate at which it was offered.
pub fn keeps_up(rate: &Rate) -> bool {
    let whole = count_f64(rate.planned) / rate.seconds;
    rate.sent_per_second >= KEEPS_UP_SENT * whole
        && rate.accepted_per_second >= KEEPS_UP_SENT * whole
        && rate.committed_per_second >= KEEPS_UP_COMMITTED * whole
}

#[cfg(test)]
mod tests {
    use super::{keeps_up, summarise};
    use crate::report::schema::{Rate, Saturation};

    fn rate(offered: f64, committed: f64) -> Rate {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small test value")]
        let planned = (offered * 2.0) as u64;
        let mut rate = Rate {
            offered_per_second: offered,
            seconds: 2.0,
            planned,
            sent_per_second: offered,
            accepted_per_second: offered,
            committed_per_second: committed,
            ..Rate::default()
        };
        rate.kept_up = keeps_up(&rate);
        rate
    }

    #[test]
    fn a_step_keeps_up_if_all_three_rates_do() {
        assert!(rate(1000.0, 950.0).kept_up);
        assert!(!rate(1000.0, 850.0).kept_up, "committed too slowly");
        assert!(!keeps_up(&Rate { sent_per_second: 900.0, ..rate(1000.0, 1000.0) }), "sent too slowly");
        assert!(!keeps_up(&Rate { accepted_per_second: 900.0, ..rate(1000.0, 1000.0) }), "accepted too slowly");
    }

    #[test]
    fn the_point_of_saturation() {
        let steps = vec![rate(1000.0, 1000.0), rate(1500.0, 1490.0), rate(2250.0, 1600.0)];
        let mut found = Saturation { steps, ..Saturation::default() };
        summarise(&mut found);
        assert_eq!((found.keeps_up_to, found.falls_behind_at), (Some(1500.0), Some(2250.0)));
        assert!((found.most_committed_per_second - 1600.0).abs() < 1e-9);
    }
}
