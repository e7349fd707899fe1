//! What HTTP and the wallet need from the rest of the node, and nothing more.
//!
//! Two traits, because there are two sides: [`Backend`] asks the task that owns the state, [`Chain`] reads what is
//! final. The tests put a ledger behind them that has no network, no consensus and no disk.

use std::sync::Arc;
use std::time::Duration;

use blockchat_consensus::{Admitted, Certificate, Evidence, Submission, SubmitError, View};
use blockchat_ledger::{AccountId, Block, Hash, PendingAccount, SignedTransaction};
use futures::future::BoxFuture;
use thiserror::Error;

/// The task that owns the state does not answer: it is overloaded or stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node is too busy or shutting down")]
pub struct Unavailable;

/// The store can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ChainError(pub String);

/// The task that owns the state.
pub trait Backend: Send + Sync + 'static {
    /// Offers transactions to the pool; one result for each, in order. Own ones are durable when this answers.
    fn submit(&self, transactions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<SubmitResult>, Unavailable>>;

    /// What an account can spend after its own pending transactions.
    fn pending_account(&self, account: AccountId) -> BoxFuture<'_, Result<PendingAccount, Unavailable>>;

    /// The newest snapshot.
    fn view(&self) -> Arc<View>;

    /// How long ago the task last came round. An idle one does so every second.
    fn silent_for(&self) -> Duration;
}

/// What became of a submitted transaction.
pub type SubmitResult = Result<Admitted, SubmitError>;

/// A final block.
#[derive(Clone, Debug)]
pub struct FinalBlock {
    /// The block.
    pub block: Block,
    /// What committed it; genesis has none.
    pub certificate: Option<Certificate>,
}

/// Where a final transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The block's index.
    pub height: u64,
    /// Position in the block, from 0.
    pub position: u32,
}

/// Reads of what is final. Every block up to the height of [`Backend::view`] is there. The calls may read a disk: they
/// are made on threads that may block.
pub trait Chain: Send + Sync + 'static {
    /// The block at a height.
    fn block(&self, height: u64) -> Result<Option<Arc<FinalBlock>>, ChainError>;

    /// The height of the block with this hash.
    fn height_of(&self, block: &Hash) -> Result<Option<u64>, ChainError>;

    /// Where a transaction stands.
    fn locate(&self, transaction: &Hash) -> Result<Option<Location>, ChainError>;

    /// What an account sent or received, newest first, strictly before `before`; at most `limit`.
    fn history(&self, account: &AccountId, before: Option<Location>, limit: usize)
    -> Result<Vec<Location>, ChainError>;

    /// The members' tickets in the lottery of the block at `height`: their stakes in the state before it, by id.
    fn tickets(&self, height: u64) -> Result<Option<Vec<u64>>, ChainError>;

    /// The evidence this node has kept, oldest first.
    fn evidence(&self) -> Result<Vec<Evidence>, ChainError>;

    /// The transaction that the wallet signed last for an Idempotency-Key.
    fn wallet_transaction(&self, key: &str) -> Result<Option<SignedTransaction>, ChainError>;
}
