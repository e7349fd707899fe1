//! What to do about one order: answer with what was signed before, submit that again, or sign.

use blockchat_consensus::SubmitError;
use blockchat_ledger::{PendingAccount, PoolError, SignedTransaction, TransactionError};

use super::WalletError;

/// What is known about the transaction that was signed before for the same key.
#[derive(Clone, Debug)]
pub(super) struct Before {
    pub(super) signed: SignedTransaction,
    /// In the pool.
    pub(super) pending: bool,
    /// In a block.
    pub(super) committed: bool,
}

/// Where the chain was before [`Before`] was looked up: what was not found then can't be in a block up to this height.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    pub(super) height: u64,
    /// The account's next nonce on the chain.
    pub(super) nonce: u64,
}

/// The step to take.
#[derive(Debug)]
pub(super) enum Step {
    /// The order is executed or about to be.
    Answer(SignedTransaction),
    /// The same bytes once more.
    Resubmit(SignedTransaction),
    /// A new transaction with the account's next nonce.
    Sign,
}

/// Decides about an order whose key is known. It is signed anew only if the transaction signed before can never be
/// committed: its nonce is used up by another one, or its last block has passed.
pub(super) fn again(before: Before, chain: Chain, pending: &PendingAccount) -> Result<Step, WalletError> {
    let transaction = before.signed.transaction();
    if before.pending || before.committed {
        return Ok(Step::Answer(before.signed));
    }
    if transaction.nonce < chain.nonce || transaction.valid_until <= chain.height {
        return Ok(Step::Sign);
    }
    if transaction.nonce == pending.nonce {
        return Ok(Step::Resubmit(before.signed));
    }
    Err(WalletError::Undecided { id: before.signed.id(), valid_until: transaction.valid_until })
}

/// Whether the pool's refusal only means that the nonce was allocated on an account that had changed meanwhile.
pub(super) fn is_stale(error: &SubmitError) -> bool {
    let SubmitError::Pool(error) = error else { return false };
    matches!(error, PoolError::NonceTaken { .. } | PoolError::Invalid(TransactionError::WrongNonce { .. }))
}
