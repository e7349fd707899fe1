//! The node as a wallet: the one task that allocates its nonces.
//!
//! An order becomes a transaction in four steps: look at the account with what it has pending, check that it can pay,
//! sign, submit. The state's task makes the signed bytes durable under the client's Idempotency-Key before anybody else
//! sees them, and only then is the client answered. So a client that got no answer asks again with the same key and
//! gets the same bytes: nothing is paid twice.

mod order;
mod plan;
mod remembered;
mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use blockchat_consensus::SubmitError;
use blockchat_ledger::{PublicKey, Ring, SignError, SignedTransaction, TransactionSigner};
use opentelemetry::trace::SpanContext;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use order::Order;

use crate::http::Activity;
use crate::http::backend::{Backend, Chain, ChainError, Unavailable};
use crate::telemetry::{Traces, VerifyMetrics, current_trace};

/// Orders that wait for the task; more are not lost, their callers wait.
const QUEUE: usize = 1024;

/// Why an order was not executed.
#[derive(Clone, Debug, Error)]
pub enum WalletError {
    /// The transaction is refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The state's task does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The store can't be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The Idempotency-Key belongs to another order.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// The transaction signed before for this key left the pool, but could still be committed, so that signing the order
    /// again under another nonce could pay twice.
    #[error("the transaction {id} of this key is not pending, but may still be committed until block {valid_until}")]
    Undecided {
        /// The transaction.
        id: blockchat_ledger::Hash,
        /// The last block in which it may stand.
        valid_until: u64,
    },
}

/// What the task works with.
pub struct WalletParts {
    /// The node's key.
    pub signer: Arc<dyn TransactionSigner>,
    /// The network.
    pub ring: Arc<Ring>,
    /// The task that owns the state.
    pub backend: Arc<dyn Backend>,
    /// What is final, and what was signed for which key.
    pub chain: Arc<dyn Chain>,
    /// What is pending.
    pub activity: Activity,
    /// Times each signature.
    pub metrics: VerifyMetrics,
    /// Traces.
    pub traces: Traces,
}

/// Hands orders to the task. Cheap to clone; the task ends when the last one is gone.
#[derive(Clone, Debug)]
pub struct WalletHandle {
    requests: mpsc::Sender<Request>,
    key: PublicKey,
}

/// An order on its way.
#[derive(Debug)]
struct Request {
    order: Order,
    key: Option<String>,
    attempts: u8,
    /// The trace of the request, if it is sampled.
    trace: Option<SpanContext>,
    answer: oneshot::Sender<Result<SignedTransaction, WalletError>>,
}

impl WalletHandle {
    /// The node's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Executes an order. Once this has answered, the transaction is in the pool and durable on this node.
    pub async fn execute(&self, order: Order, key: Option<String>) -> Result<SignedTransaction, WalletError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { order, key, attempts: 0, trace: current_trace(), answer };
        self.requests.send(request).await.map_err(|_| Unavailable)?;
        answered.await.map_err(|_| Unavailable)?
    }
}

/// Starts the task. `recovered` is what the wallet had signed before a restart, as far as the log and the store know of
/// it as not committed: it is submitted again, the same bytes, before any new order.
pub fn spawn(
    parts: WalletParts,
    recovered: Vec<(Option<String>, SignedTransaction)>,
) -> (WalletHandle, JoinHandle<()>) {
    let (requests, inbox) = mpsc::channel(QUEUE);
    let handle = WalletHandle { requests, key: parts.signer.public_key().clone() };
    let task = tokio::spawn(task::run(parts, recovered, inbox));
    (handle, task)
}
