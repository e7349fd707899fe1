//! Closed load: one client for each node sends that node's lines, one request in flight, all clients at once.

use crate::error::LoadError;
use crate::input::{Line, fold};
use crate::meters::OTHER;
use crate::network::{Member, Network};
use crate::progress::Progress;
use crate::stats::Latencies;
use blockchat_client::api::{Code, Problem, TransactionStatus};
use blockchat_client::{Error, Payment, Wait};
use blockchat_ledger::Hash;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// How often a client that waits for a block asks its node for the height.
const BLOCK_POLL: Duration = Duration::from_millis(5);
/// Pause before the first repetition of a request that got no answer; it doubles each time.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// The longest pause before a repetition.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// What a client does when its node cannot pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WhenBroke {
    /// Count the refusal and go on with the next line, as the original's tester.
    Fail,
    /// Send the line again after the next block, until no block comes for a while.
    Wait,
}

/// How clients behave when a request does not succeed at once.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What to do without money.
    pub when_broke: WhenBroke,
    /// How long a client without money waits without any new block before it gives the line up.
    pub patience: Duration,
    /// How long a request is repeated that the node asks to send later.
    pub retry_bound: Duration,
    /// How long a request without an answer is repeated before the node is taken for gone, which ends its client.
    pub gone_bound: Duration,
}

/// What one client does: its lines, recipients folded.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The node it talks to.
    pub member: Member,
    /// Line number, recipient and text.
    pub sends: Vec<(usize, u16, String)>,
}

/// One plan for each member of `network` that has lines.
pub fn plan(network: &Network, lines: &BTreeMap<u16, Vec<Line>>) -> Vec<Plan> {
    let nodes = network.parameters.nodes;
    let members = network.members.iter().filter_map(|member| Some((member, lines.get(&member.id)?)));
    members
        .map(|(member, lines)| {
            let send = |line: &Line| (line.number, fold(line.recipient, member.id, nodes), line.message.clone());
            Plan { member: member.clone(), sends: lines.iter().map(send).collect() }
        })
        .collect()
}

/// What one client saw.
#[derive(Clone, Debug)]
pub struct ClientLog {
    /// The node it talked to.
    pub member: Member,
    /// Lines it tried to send.
    pub attempted: u64,
    /// Ids of the transactions that were accepted, in order.
    pub accepted: Vec<Hash>,
    /// Lines given up, by the code of the last refusal, or `unexpected_answer`.
    pub rejected: BTreeMap<String, u64>,
    /// Response times of the accepted requests. Repetitions of an unanswered request are one long request; time spent
    /// waiting for money is not in it.
    pub responses: Latencies,
    /// Their sum, exactly.
    pub response_time: Duration,
    /// From a refusal for lack of money to the last attempt at the same line.
    pub waiting_for_money: Duration,
    /// Repetitions after a broken connection or a request to come later.
    pub repeated: u64,
    /// When the first request was sent.
    pub first_send: Instant,
    /// When the last answer came.
    pub last_answer: Instant,
    /// Blocks of the node's chain, genesis counted, when the client was done.
    pub chain_length: u64,
    /// The node answered nothing any more: its further lines were not sent.
    pub failed: Option<String>,
}

/// Runs all plans at once, and returns when every client is done. The client of a node that answers no request any more
/// ends there ([`ClientLog::failed`]); the others go on.
///
/// # Errors
/// Only a defect of the generator.
pub async fn fire(plans: Vec<Plan>, policy: Policy, progress: &Progress) -> Result<Vec<ClientLog>, LoadError> {
    let run = run_name();
    let mut clients = JoinSet::new();
    for plan in plans {
        let name = format!("{run}-{}", plan.member.id);
        clients.spawn(Sender::new(plan.member, name, policy, progress.clone()).send_all(plan.sends));
    }
    let mut logs = Vec::new();
    while let Some(finished) = clients.join_next().await {
        logs.push(finished.map_err(|error| LoadError::Failed(format!("a client of the load: {error}")))?);
    }
    logs.sort_by_key(|log| log.member.id);
    Ok(logs)
}

/// Distinguishes the Idempotency-Keys of two runs against the same nodes.
pub fn run_name() -> String {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("load-{:x}-{nanos:x}", std::process::id())
}

/// Why a line was not accepted.
enum Failure {
    /// By code; the next line may do better.
    Refused(String),
    /// There is nobody to send the next line to.
    Gone(Error),
}

/// One client at work.
struct Sender {
    log: ClientLog,
    name: String,
    policy: Policy,
    progress: Progress,
    /// The height read last.
    height: u64,
    /// The height at which waiting for money was given up: until another block comes, nobody gets richer.
    hopeless_at: Option<u64>,
}

impl Sender {
    fn new(member: Member, name: String, policy: Policy, progress: Progress) -> Self {
        let now = Instant::now();
        let log = ClientLog {
            member,
            attempted: 0,
            accepted: Vec::new(),
            rejected: BTreeMap::new(),
            responses: Latencies::new(),
            response_time: Duration::ZERO,
            waiting_for_money: Duration::ZERO,
            repeated: 0,
            first_send: now,
            last_answer: now,
            chain_length: 0,
            failed: None,
        };
        Self { log, name, policy, progress, height: 0, hopeless_at: None }
    }

    async fn send_all(mut self, sends: Vec<(usize, u16, String)>) -> ClientLog {
        self.log.first_send = Instant::now();
        for (line, to, message) in sends {
            let key = format!("{}-{line}", self.name);
            let payment = Payment::message(to.to_string(), message).idempotency_key(key);
            self.log.attempted += 1;
            self.progress.offered(1);
            match self.send(&payment).await {
                Ok((id, status)) => {
                    self.log.accepted.push(id);
                    self.progress.accepted_as(id, status == TransactionStatus::Committed);
                }
                Err(Failure::Refused(reason)) => {
                    self.progress.rejected(&reason);
                    *self.log.rejected.entry(reason).or_default() += 1;
                }
                Err(Failure::Gone(error)) => {
                    self.log.failed = Some(format!("sending line {line}: {error}"));
                    self.log.last_answer = Instant::now();
                    return self.log;
                }
            }
            self.log.last_answer = Instant::now();
        }
        match self.log.member.client.status().await {
            Ok(status) => self.log.chain_length = status.height.map_or(0, |height| height + 1),
            Err(error) => self.log.failed = Some(format!("reading the height: {error}")),
        }
        self.log
    }

    /// Sends one line until it is accepted or given up.
    async fn send(&mut self, payment: &Payment) -> Result<(Hash, TransactionStatus), Failure> {
        let mut broke_since = None;
        let result = loop {
            let started = Instant::now();
            match self.request(payment, started).await {
                Ok(taken) => {
                    let response = started.elapsed();
                    self.log.responses.record(response);
                    self.progress.latency(response);
                    self.log.response_time += response;
                    if let Some(since) = broke_since {
                        self.log.waiting_for_money += started.saturating_duration_since(since);
                    }
                    return Ok(taken);
                }
                Err(Failure::Refused(reason)) if reason == Code::InsufficientBalance.as_str() => {
                    broke_since.get_or_insert_with(Instant::now);
                    if self.policy.when_broke == WhenBroke::Fail || !self.next_block().await {
                        break Err(Failure::Refused(reason));
                    }
                }
                Err(failure) => break Err(failure),
            }
        };
        if let (Some(since), WhenBroke::Wait) = (broke_since, self.policy.when_broke) {
            self.log.waiting_for_money += since.elapsed();
        }
        result
    }

    /// One request, repeated under the same Idempotency-Key while no answer comes or the node asks to come later.
    async fn request(&mut self, payment: &Payment, started: Instant) -> Result<(Hash, TransactionStatus), Failure> {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let error = match self.log.member.client.pay(payment, Wait::Admitted).await {
                Ok(answer) => {
                    return match answer.status {
                        TransactionStatus::Pending | TransactionStatus::Committed => {
                            Ok((answer.transaction_id, answer.status))
                        }
                        TransactionStatus::Rejected | TransactionStatus::Expired => {
                            Err(Failure::Refused(answer.reason.unwrap_or_else(|| "dropped".to_owned())))
                        }
                    };
                }
                Err(error) => error,
            };
            let pause = error.retry_after().unwrap_or(backoff).min(LONGEST_BACKOFF);
            let past = |bound| started.elapsed() + pause > bound;
            if error.is_transport() && past(self.policy.gone_bound) {
                return Err(Failure::Gone(error));
            }
            if !error.is_transport() && (error.retry_after().is_none() || past(self.policy.retry_bound)) {
                return Err(Failure::Refused(reason(&error).to_owned()));
            }
            self.log.repeated += 1;
            backoff *= 2;
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until there is a block that was not there when the height was last read; `false` if none comes.
    ///
    /// The height is compared with the one read *before* the refused request, so that a block that came meanwhile is
    /// not waited for twice.
    async fn next_block(&mut self) -> bool {
        let _waiting = self.progress.wait_for_money();
        let started = Instant::now();
        loop {
            if let Ok(status) = self.log.member.client.status().await
                && let Some(height) = status.height
                && height > self.height
            {
                self.height = height;
                return true;
            }
            if self.hopeless_at == Some(self.height) {
                return false;
            }
            if started.elapsed() > self.policy.patience {
                self.hopeless_at = Some(self.height);
                return false;
            }
            tokio::time::sleep(BLOCK_POLL).await;
        }
    }
}

/// The code, or `other` for one that this version does not know: a node must not invent as many metrics as it likes.
pub fn code(problem: &Problem) -> &'static str {
    problem.known_code().map_or(OTHER, Code::as_str)
}

/// The name under which a failure is counted.
pub fn reason(error: &Error) -> &'static str {
    match error {
        Error::Problem { problem, .. } => code(problem),
        Error::Connection { .. } => "connection",
        Error::Timeout { .. } => "timeout",
        _ => "unexpected_answer",
    }
}
