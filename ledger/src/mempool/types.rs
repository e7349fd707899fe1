//! What goes into the pool and comes out of it.

use crate::amount::Amount;
use crate::execution::TransactionError;
use crate::transaction::VerifiedTransaction;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions, held ones included.
    pub max_transactions: usize,
    /// Encoded bytes, held ones included.
    pub max_bytes: usize,
    /// Transactions of one sender, held ones included.
    pub max_per_sender: usize,
    /// Transactions held because an earlier nonce is missing.
    pub max_held: usize,
    /// How long they are held, in milliseconds.
    pub hold_ms: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_transactions: 100_000,
            max_bytes: 256 * 1024 * 1024,
            max_per_sender: 20_000,
            max_held: 10_000,
            hold_ms: 60_000,
        }
    }
}

/// Who brought a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node: it is told at once that a nonce is missing.
    Client,
    /// Another member: what is missing may still be on its way.
    Peer,
}

/// An account with its own pending transactions replayed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingAccount {
    /// Spendable coins.
    pub balance: Amount,
    /// Staked coins.
    pub stake: Amount,
    /// The nonce of the account's next transaction.
    pub nonce: u64,
}

/// What became of a transaction that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inserted {
    /// This one and those held that it released, in nonce order.
    pub ready: Vec<VerifiedTransaction>,
    /// Whether this one is held until an earlier nonce comes.
    pub held: bool,
    /// Held ones that turned out to be invalid.
    pub dropped: Vec<Dropped>,
}

/// A transaction that left the pool without being committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Which.
    pub transaction: VerifiedTransaction,
    /// Why.
    pub reason: DropReason,
}

/// Why a transaction left the pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// Its last block has passed.
    #[error("expired")]
    Expired,
    /// Its sender can no longer pay for it.
    #[error("the sender cannot pay for it: {0}")]
    CantPay(TransactionError),
    /// Another transaction of the sender with the same nonce was committed.
    #[error("another transaction with the same nonce was committed")]
    NonceUsed,
    /// A rule of the ledger no longer allows it.
    #[error("no longer valid: {0}")]
    Invalid(TransactionError),
    /// An earlier transaction of the sender left the pool.
    #[error("the transaction with nonce {nonce} left the pool ({code})")]
    Predecessor {
        /// The earlier one's nonce.
        nonce: u64,
        /// Why that one left.
        code: &'static str,
    },
    /// The missing earlier nonce did not come in time.
    #[error("an earlier transaction of the sender did not come in time")]
    HeldTooLong,
}

/// Why a transaction is not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// This very transaction with this signature is here.
    #[error("the transaction is in the pool")]
    Duplicate,
    /// This transaction is here with another signature.
    #[error("the transaction is in the pool with another signature")]
    OtherSignature,
    /// Another transaction of the sender with this nonce is here.
    #[error("another transaction with nonce {nonce} is pending, the next free nonce is {expected}")]
    NonceTaken {
        /// The contested nonce.
        nonce: u64,
        /// The sender's next.
        expected: u64,
    },
    /// The pool is full.
    #[error("the pool is full")]
    Full,
    /// The sender has too many transactions here.
    #[error("the sender has too many pending transactions")]
    SenderFull,
    /// Too many transactions wait for an earlier nonce.
    #[error("too many transactions wait for an earlier nonce")]
    HeldFull,
    /// It would expire before its turn.
    #[error("more transactions are waiting than can be committed before this one expires")]
    TooDeep,
    /// A rule of the ledger forbids it.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
}

impl From<TransactionError> for DropReason {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::InsufficientBalance { .. } | TransactionError::CostOverflow(_) => Self::CantPay(error),
            TransactionError::Expired { .. } => Self::Expired,
            TransactionError::WrongNonce { .. } => Self::NonceUsed,
            error => Self::Invalid(error),
        }
    }
}

impl DropReason {
    /// A stable name for interfaces.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::CantPay(error) | Self::Invalid(error) => error.code(),
            Self::NonceUsed => "nonce_used",
            Self::Predecessor { .. } => "predecessor_dropped",
            Self::HeldTooLong => "predecessor_missing",
        }
    }
}

impl PoolError {
    /// A stable name for interfaces.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::OtherSignature => "other_signature",
            Self::NonceTaken { .. } => "nonce_taken",
            Self::Full | Self::HeldFull => "pool_full",
            Self::SenderFull => "sender_full",
            Self::TooDeep => "pool_too_deep",
            Self::Invalid(error) => error.code(),
        }
    }

    /// Whether the same transaction may be taken in later.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Full | Self::HeldFull | Self::SenderFull | Self::TooDeep)
    }
}
