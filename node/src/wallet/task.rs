//! The task: takes what has queued up, and turns it into transactions with one question to the state's task, signatures
//! in parallel, and one submission, so that many orders cost little more than their signatures.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use blockchat_consensus::{Submission, SubmitError};
use blockchat_ledger::{
    PendingAccount, PoolError, SignError, SignedTransaction, Terms, Transaction, TransactionSigner, VerifiedTransaction,
};
use futures::future::join_all;
use opentelemetry::trace::SpanContext;
use tokio::sync::mpsc;

use super::order::charge;
use super::plan::{self, Before, Step};
use super::remembered::Remembered;
use super::{Request, WalletError, WalletParts};
use crate::http::backend::{ChainError, Unavailable};
use crate::telemetry::{Traces, VerifyMetrics};

/// Orders taken at once. At 0.6 ms a signature, the last of a batch waits about 10 ms on two cores.
const BATCH: usize = 32;
/// How often the transactions from before a restart are submitted while the state's task takes none.
const RESUME_ATTEMPTS: u32 = 100;
/// Between two of these attempts.
const RESUME_PAUSE: Duration = Duration::from_millis(100);
/// How often an order is tried again because its nonce was gone by the time it was signed.
const ATTEMPTS: u8 = 5;

struct Task {
    parts: WalletParts,
    remembered: Remembered,
    /// Orders for the next batch: their nonce was gone, or their key is in the present batch.
    deferred: VecDeque<Request>,
}

/// An order with the transaction that shall execute it.
struct Planned {
    request: Request,
    transaction: Draft,
}

enum Draft {
    New(Transaction),
    Old(SignedTransaction),
}

/// Works until no handle is left.
pub(super) async fn run(
    parts: WalletParts,
    recovered: Vec<(Option<String>, SignedTransaction)>,
    mut inbox: mpsc::Receiver<Request>,
) {
    let mut task = Task { parts, remembered: Remembered::default(), deferred: VecDeque::new() };
    task.resume(recovered).await;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        batch.extend(task.deferred.drain(..));
        while batch.len() < BATCH {
            match inbox.try_recv() {
                Ok(request) => batch.push(request),
                Err(_) => break,
            }
        }
        if batch.is_empty() {
            match inbox.recv().await {
                Some(request) => batch.push(request),
                None => return,
            }
        }
        task.execute(&mut batch).await;
    }
}

impl Task {
    /// Submits what was signed before a restart and has not been committed: the same bytes, in the order of the nonces.
    async fn resume(&mut self, mut recovered: Vec<(Option<String>, SignedTransaction)>) {
        recovered.sort_by_key(|(_, signed)| signed.transaction().nonce);
        let mut submissions = Vec::new();
        for (key, signed) in recovered {
            if let Some(key) = &key {
                self.remembered.insert(key.clone(), signed.clone());
            }
            match signed.verify() {
                Ok(transaction) => submissions.push(Submission::Own { transaction, key }),
                Err(error) => tracing::error!(%error, "a recovered transaction of the wallet is damaged"),
            }
        }
        if submissions.is_empty() {
            return;
        }
        let count = submissions.len();
        for _ in 0..RESUME_ATTEMPTS {
            match self.parts.backend.submit(submissions.clone()).await {
                Ok(results) => {
                    let taken = results.iter().filter(|result| result.is_ok()).count();
                    tracing::info!(count, taken, "transactions of the wallet submitted again");
                    return;
                }
                // A node that has just started may have more to do than it can queue.
                Err(Unavailable) => tokio::time::sleep(RESUME_PAUSE).await,
            }
        }
        tracing::warn!(count, "transactions of the wallet could not be submitted again; clients that retry do it");
    }

    async fn execute(&mut self, batch: &mut Vec<Request>) {
        let planned = match self.plan(batch).await {
            Ok(planned) => planned,
            Err(error) => return refuse_all(batch.drain(..), &error),
        };
        let signed = sign_all(&self.parts, planned).await;
        let (requests, transactions): (Vec<Request>, Vec<VerifiedTransaction>) = signed.into_iter().unzip();
        if requests.is_empty() {
            return;
        }
        for (request, transaction) in requests.iter().zip(&transactions) {
            if let Some(trace) = request.trace.clone() {
                self.parts.traces.submitting_within(&transaction.wire_hash(), trace);
            }
        }
        let submissions = requests
            .iter()
            .zip(&transactions)
            .map(|(request, transaction)| Submission::Own {
                transaction: transaction.clone(),
                key: request.key.clone(),
            })
            .collect();
        match self.parts.backend.submit(submissions).await {
            Err(error) => refuse_all(requests, &error.into()),
            Ok(results) => {
                for ((request, transaction), result) in requests.into_iter().zip(transactions).zip(results) {
                    self.conclude(request, transaction.into_signed(), result.map(drop));
                }
            }
        }
    }

    /// Allocates nonces, first come first served. Orders that need no signature are answered here.
    async fn plan(&mut self, batch: &mut Vec<Request>) -> Result<Vec<Planned>, WalletError> {
        let me = self.parts.signer.public_key().clone();
        // Before anything is looked up: see `plan::Chain`.
        let view = self.parts.backend.view();
        // The chain may hold transactions of this wallet that this node doesn't know yet: their nonces are used.
        if !view.caught_up {
            return Err(SubmitError::CatchingUp.into());
        }
        let nonce = view.state.account(&me.account_id()).map_or(0, |account| account.nonce);
        let chain = plan::Chain { height: view.height, nonce };
        let mut pending = self.parts.backend.pending_account(me.account_id()).await?;
        let terms = |nonce| Terms {
            nonce,
            valid_until: chain.height.saturating_add(self.parts.ring.parameters().ttl_blocks),
            chain_id: self.parts.ring.chain_id(),
        };
        let mut planned = Vec::with_capacity(batch.len());
        let mut keys = HashSet::new();
        let mut later = Vec::new();
        for request in batch.drain(..) {
            if request.key.as_ref().is_some_and(|key| !keys.insert(key.clone())) {
                later.push(request);
                continue;
            }
            let draft = match self.step(&request, chain, &pending).await {
                Ok(Step::Answer(signed)) => {
                    answer(request, Ok(signed));
                    continue;
                }
                Ok(Step::Resubmit(signed)) => Draft::Old(signed),
                Ok(Step::Sign) => match request.order.transaction(me.clone(), pending.stake, terms(pending.nonce)) {
                    Ok(transaction) => Draft::New(transaction),
                    Err(error) => {
                        answer(request, Err(SubmitError::from(PoolError::from(error)).into()));
                        continue;
                    }
                },
                Err(error) => {
                    answer(request, Err(error));
                    continue;
                }
            };
            match charge(&pending, draft.transaction(), self.parts.ring.parameters()) {
                Ok(charged) => {
                    pending = charged;
                    planned.push(Planned { request, transaction: draft });
                }
                // Coins may be in a block that this node lacks.
                Err(_) if view.syncing => answer(request, Err(SubmitError::CatchingUp.into())),
                Err(error) => answer(request, Err(SubmitError::from(PoolError::from(error)).into())),
            }
        }
        self.deferred.extend(later);
        Ok(planned)
    }

    async fn step(&self, request: &Request, chain: plan::Chain, pending: &PendingAccount) -> Result<Step, WalletError> {
        let Some(key) = request.key.clone() else { return Ok(Step::Sign) };
        let Some(before) = self.before(key).await? else { return Ok(Step::Sign) };
        if !request.order.is_executed_by(&before.signed) {
            return Err(WalletError::KeyReused);
        }
        plan::again(before, chain, pending)
    }

    /// What was signed before for this key, and what became of it.
    async fn before(&self, key: String) -> Result<Option<Before>, WalletError> {
        let in_memory = self.remembered.get(&key).cloned();
        if let Some(signed) = in_memory.as_ref().filter(|signed| self.parts.activity.pending(&signed.id()).is_some()) {
            return Ok(Some(Before { signed: signed.clone(), pending: true, committed: false }));
        }
        let chain = Arc::clone(&self.parts.chain);
        let looked_up = tokio::task::spawn_blocking(move || {
            let signed = match in_memory {
                Some(signed) => Some(signed),
                None => chain.wallet_transaction(&key)?,
            };
            let Some(signed) = signed else { return Ok(None) };
            let committed = chain.locate(&signed.id())?.is_some();
            Ok(Some((signed, committed)))
        });
        let found = looked_up.await.map_err(|error| ChainError(error.to_string()))?;
        let before = found.map(|found| {
            found.map(|(signed, committed)| {
                let pending = !committed && self.parts.activity.pending(&signed.id()).is_some();
                Before { signed, pending, committed }
            })
        });
        before.map_err(|error: ChainError| error.into())
    }

    fn conclude(&mut self, mut request: Request, signed: SignedTransaction, result: Result<(), SubmitError>) {
        match result {
            Ok(()) | Err(SubmitError::Pool(PoolError::Duplicate | PoolError::OtherSignature)) => {
                if let Some(key) = request.key.clone() {
                    self.remembered.insert(key, signed.clone());
                }
                answer(request, Ok(signed));
            }
            // Nobody has seen the bytes the pool refused, so that signing once more is safe.
            Err(error) if plan::is_stale(&error) && request.attempts < ATTEMPTS => {
                request.attempts += 1;
                self.deferred.push_back(request);
            }
            Err(error) => answer(request, Err(error.into())),
        }
    }
}

impl Draft {
    fn transaction(&self) -> &Transaction {
        match self {
            Self::New(transaction) => transaction,
            Self::Old(signed) => signed.transaction(),
        }
    }

    fn into_verified(
        self,
        signer: &dyn TransactionSigner,
        metrics: &VerifyMetrics,
        trace: Option<(&Traces, &SpanContext)>,
    ) -> Result<VerifiedTransaction, SignError> {
        match self {
            Self::Old(signed) => Ok(signed.verify()?),
            Self::New(transaction) => {
                let (started, began) = (Instant::now(), SystemTime::now());
                let signed = transaction.sign(signer);
                metrics.signature_sign_seconds.observe(started.elapsed().as_secs_f64());
                if let Some((traces, parent)) = trace {
                    traces.signed(parent, began);
                }
                signed
            }
        }
    }
}

/// Signs on the threads that may block, all at once. An order whose signature fails is answered here; the later ones
/// find that their nonce has a gap before it, and are tried again.
async fn sign_all(parts: &WalletParts, planned: Vec<Planned>) -> Vec<(Request, VerifiedTransaction)> {
    let jobs = planned.into_iter().map(|Planned { request, transaction }| {
        let (signer, metrics) = (Arc::clone(&parts.signer), parts.metrics.clone());
        let (traces, trace) = (parts.traces.clone(), request.trace.clone());
        let job = tokio::task::spawn_blocking(move || {
            transaction.into_verified(&*signer, &metrics, trace.as_ref().map(|parent| (&traces, parent)))
        });
        async move { (request, job.await) }
    });
    let mut signed = Vec::new();
    for (request, ended) in join_all(jobs).await {
        match ended {
            Ok(Ok(transaction)) => signed.push((request, transaction)),
            Ok(Err(error)) => answer(request, Err(error.into())),
            Err(error) => answer(request, Err(ChainError(error.to_string()).into())),
        }
    }
    signed
}

fn refuse_all(requests: impl IntoIterator<Item = Request>, error: &WalletError) {
    for request in requests {
        answer(request, Err(error.clone()));
    }
}

fn answer(request: Request, result: Result<SignedTransaction, WalletError>) {
    // A client that has gone asks again with its key.
    let _ = request.answer.send(result);
}
