//! Open load: requests leave at fixed times, whether or not earlier ones were answered.
//!
//! Latency counts from the moment a request *should* have left, so that a network (or a generator) that falls behind
//! cannot hide it.

use crate::error::LoadError;
use crate::fire::{reason, run_name};
use crate::live::LiveFigures;
use crate::network::Member;
use crate::progress::Progress;
use crate::report::schema::Rate;
use crate::stats::{Latencies, per_second};
use blockchat_client::api::TransactionStatus;
use blockchat_client::{Payment, Wait};
use blockchat_ledger::Hash;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Most requests without an answer. Beyond that, requests are counted as not sent.
const MAX_IN_FLIGHT: usize = 10_000;

/// What to offer.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Requests a second over all targets together.
    pub per_second: f64,
    /// For how long.
    pub length: Duration,
}

impl Offer {
    /// How many requests that makes.
    pub fn planned(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^53")]
        let planned = (self.per_second * self.length.as_secs_f64()).round() as u64;
        planned
    }

    /// When request `index` is meant to leave, after the start.
    pub fn due(&self, index: u64) -> Duration {
        Duration::from_secs_f64(crate::stats::count_f64(index) / self.per_second)
    }
}

/// What an open load did.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The figures.
    pub rate: Rate,
    /// Transactions that were answered as committed.
    pub committed: Vec<Hash>,
}

/// One request's fate.
struct Hit {
    outcome: Result<(Hash, TransactionStatus), String>,
    latency: Duration,
    send_delay: Duration,
}

/// Sends `offer` to `targets` in turn: each time 0.01 BCC from the target's wallet to the next of `recipients`, waiting for
/// the commit.
///
/// # Errors
/// None of the requests' fates is an error; only a defect of the generator is.
pub async fn offer(
    targets: &[Member],
    recipients: u16,
    offer: Offer,
    progress: &Progress,
) -> Result<Offered, LoadError> {
    let run = run_name();
    let _figures = LiveFigures::start(targets.iter().map(|member| member.client.clone()), progress);
    let mut flight = JoinSet::new();
    let mut hits = Vec::new();
    let mut not_sent = 0;
    let start = Instant::now();
    for index in 0..offer.planned() {
        let due = start + offer.due(index);
        tokio::time::sleep_until(due.into()).await;
        while let Some(finished) = flight.try_join_next() {
            hits.push(finished.map_err(defect)?);
        }
        progress.offered(1);
        if flight.len() >= MAX_IN_FLIGHT {
            not_sent += 1;
            continue;
        }
        let turn = usize::try_from(index).unwrap_or(0) % targets.len();
        let member = targets[turn].clone();
        let to = (member.id + 1) % recipients;
        let payment = Payment::coins(to.to_string(), "0.01").idempotency_key(format!("{run}-{index}"));
        flight.spawn(hit(member, payment, due, progress.clone()));
    }
    while let Some(finished) = flight.join_next().await {
        hits.push(finished.map_err(defect)?);
    }
    Ok(evaluate(offer, not_sent, hits, start.elapsed()))
}

#[allow(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn defect(error: tokio::task::JoinError) -> LoadError {
    LoadError::Failed(format!("a request of the load: {error}"))
}

async fn hit(member: Member, payment: Payment, due: Instant, progress: Progress) -> Hit {
    let send_delay = due.elapsed();
    let answer = member.client.pay(&payment, Wait::Committed).await;
    let latency = due.elapsed();
    let outcome = match answer {
        Ok(answer) => match answer.status {
            TransactionStatus::Rejected | TransactionStatus::Expired => {
                Err(answer.reason.unwrap_or_else(|| "dropped".to_owned()))
            }
            status => Ok((answer.transaction_id, status)),
        },
        Err(error) => Err(reason(&error).to_owned()),
    };
    match &outcome {
        Ok((_, status)) => {
            progress.accepted();
            if *status == TransactionStatus::Committed {
                progress.committed(1);
                progress.latency(latency);
            }
        }
        Err(reason) => progress.rejected(reason),
    }
    Hit { outcome, latency, send_delay }
}

fn evaluate(offer: Offer, not_sent: u64, hits: Vec<Hit>, elapsed: Duration) -> Offered {
    let mut finality = Latencies::new();
    let mut send_delay = Latencies::new();
    let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
    let mut committed = Vec::new();
    let mut undecided = 0;
    for hit in hits {
        send_delay.record(hit.send_delay);
        match hit.outcome {
            Ok((id, TransactionStatus::Committed)) => {
                finality.record(hit.latency);
                committed.push(id);
            }
            Ok(_) => undecided += 1,
            Err(reason) => *rejected.entry(reason).or_default() += 1,
        }
    }
    let accepted = committed.len() as u64 + undecided;
    let sent = offer.planned() - not_sent;
    let mut rate = Rate {
        batch: 1,
        signing_seconds: 0.0,
        sent,
        accepted,
        repeated: 0,
        sent_per_second: per_second(sent, offer.length),
        accepted_per_second: per_second(accepted, elapsed.max(offer.length)),
        admission: Latencies::new().percentiles(),
        kept_up: false,
        offered_per_second: offer.per_second,
        seconds: offer.length.as_secs_f64(),
        planned: offer.planned(),
        not_sent,
        committed: committed.len() as u64,
        undecided,
        rejected,
        committed_per_second: per_second(committed.len() as u64, elapsed.max(offer.length)),
        finality: finality.percentiles(),
        send_delay: send_delay.percentiles(),
    };
    rate.kept_up = crate::signed::keeps_up(&rate);
    Offered { rate, committed }
}

#[cfg(test)]
mod tests {
    use super::Offer;
    use std::time::Duration;

    #[test]
    fn requests_are_due_at_fixed_times() {
        let offer = Offer { per_second: 100.0, length: Duration::from_secs(2) };
        assert_eq!(offer.planned(), 200);
        assert_eq!(offer.due(0), Duration::ZERO);
        assert_eq!(offer.due(1), Duration::from_millis(10));
        assert_eq!(offer.due(199), Duration::from_millis(1_990));
        let slow = Offer { per_second: 0.5, length: Duration::from_secs(5) };
        assert_eq!(slow.planned(), 3, "2.5 rounds up");
        assert_eq!(slow.due(1), Duration::from_secs(2));
    }
}
