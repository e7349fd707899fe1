//! One wallet's requests: in order, at their times, each repeated until it is decided.

use super::wallets::Lane;
use crate::fire::{code, reason};
use crate::progress::Progress;
use crate::stats::Latencies;
use blockchat_client::api::{BatchItem, Code, Problem};
use blockchat_client::{Client, Error, Wait};
use blockchat_ledger::SignedTransaction;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pause before a request is repeated that a node asked to send later.
const REPEAT_PAUSE: Duration = Duration::from_millis(10);
/// How long a node may answer nothing before it is taken for gone.
const GONE_BOUND: Duration = Duration::from_secs(10);

/// Transactions of one request, and when it is meant to leave.
#[derive(Clone, Debug)]
pub struct Batch {
    /// After the start.
    pub due: Duration,
    /// In the order of their nonces.
    pub transactions: Vec<SignedTransaction>,
}

/// Accepted transactions whose commit was not seen yet: nonce and intended send.
pub type Waiting = Arc<Mutex<VecDeque<(u64, Instant)>>>;

/// What one lane saw.
#[derive(Debug, Default)]
pub struct LaneLog {
    /// Transactions sent at least once.
    pub sent: u64,
    /// Transactions not sent: the time was over, or an earlier one of the wallet was refused.
    pub not_sent: u64,
    /// Transactions accepted.
    pub accepted: u64,
    /// Refused for good, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Requests repeated.
    pub repeated: u64,
    /// From the intended send to the answer, each accepted transaction.
    pub admission: Latencies,
    /// From the intended send to the first attempt, each transaction.
    pub send_delay: Latencies,
    /// When the last first attempt was made, after the start.
    pub last_send: Duration,
    /// The node answered nothing any more.
    pub gone: Option<String>,
}

/// A lane at work.
pub struct Runner {
    lane: Lane,
    waiting: Waiting,
    progress: Progress,
    start: Instant,
    deadline: Instant,
    log: LaneLog,
}

/// The answer to one request.
enum Verdict {
    /// How many from the front were decided; the rest is to be sent again.
    Again(usize, &'static str),
    /// Everything is decided.
    Done,
    /// No answer.
    Silent(Error),
}

impl Runner {
    /// Sends nothing before `start` and nothing for the first time after `deadline`.
    pub fn new(lane: Lane, waiting: Waiting, progress: Progress, start: Instant, deadline: Instant) -> Self {
        Self { lane, waiting, progress, start, deadline, log: LaneLog::default() }
    }

    /// Sends all batches.
    pub async fn run(mut self, batches: Vec<Batch>) -> LaneLog {
        let mut open = true;
        for batch in batches {
            let count = batch.transactions.len() as u64;
            let due = self.start + batch.due;
            tokio::time::sleep_until(due.into()).await;
            self.progress.offered(count);
            let now = Instant::now();
            if !open || now > self.deadline {
                self.log.not_sent += count;
                continue;
            }
            self.log.sent += count;
            self.log.last_send = now - self.start;
            for _ in 0..count {
                self.log.send_delay.record(now - due);
            }
            open = self.send(batch.transactions, due).await;
        }
        self.log
    }

    /// `false` if a transaction was not accepted: later nonces of this wallet cannot be.
    async fn send(&mut self, transactions: Vec<SignedTransaction>, due: Instant) -> bool {
        let mut request = transactions;
        let mut silent_since = None;
        let rejected_before: u64 = self.log.rejected.values().sum();
        loop {
            let code = match self.once(&request, due).await {
                Verdict::Done => return self.log.rejected.values().sum::<u64>() == rejected_before,
                Verdict::Again(decided, code) => {
                    request.drain(..decided);
                    silent_since = None;
                    code
                }
                Verdict::Silent(error) => {
                    if silent_since.get_or_insert_with(Instant::now).elapsed() > GONE_BOUND {
                        self.log.gone = Some(error.to_string());
                    }
                    reason(&error)
                }
            };
            if self.log.gone.is_some() || Instant::now() > self.deadline + GONE_BOUND {
                self.reject(code, request.len());
                return false;
            }
            self.log.repeated += 1;
            tokio::time::sleep(REPEAT_PAUSE).await;
        }
    }

    async fn once(&mut self, request: &[SignedTransaction], due: Instant) -> Verdict {
        let results = match submit(&self.lane.member.client, request).await {
            Ok(results) => results,
            Err(error) if error.is_transport() => return Verdict::Silent(error),
            Err(error) if error.retry_after().is_some() => return Verdict::Again(0, reason(&error)),
            Err(error) => {
                self.reject(reason(&error), request.len());
                return Verdict::Done;
            }
        };
        let answered = due.elapsed();
        for (index, (transaction, item)) in request.iter().zip(results).enumerate() {
            match item {
                BatchItem::Accepted(_) => {
                    self.log.accepted += 1;
                    self.log.admission.record(answered);
                    self.progress.accepted();
                    let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.push_back((transaction.transaction().nonce, due));
                }
                BatchItem::Rejected(problem) if comes_later(&problem) => return Verdict::Again(index, code(&problem)),
                BatchItem::Rejected(problem) => self.reject(code(&problem), 1),
            }
        }
        Verdict::Done
    }

    fn reject(&mut self, code: &str, count: usize) {
        *self.log.rejected.entry(code.to_owned()).or_default() += count as u64;
        for _ in 0..count {
            self.progress.rejected(code);
        }
    }
}

/// One transaction alone goes to `POST /transactions`, several to `POST /transactions/batch`.
async fn submit(client: &Client, request: &[SignedTransaction]) -> Result<Vec<BatchItem>, Error> {
    match request {
        [one] => client.submit(one, Wait::Admitted).await.map(|answer| vec![BatchItem::Accepted(answer)]),
        _ => client.submit_batch(request).await.map(|answer| answer.results),
    }
}

/// Whether the node would take the same transaction a little later.
fn comes_later(problem: &Problem) -> bool {
    [Code::PoolFull, Code::SenderLimit, Code::Unavailable, Code::GrantsPending, Code::NotJoined]
        .iter()
        .any(|code| code.as_str() == problem.code)
}
