//! The state transition: what transactions and blocks do to the accounts, and which blocks may follow.

use std::collections::BTreeSet;

use crate::amount::Amount;
use crate::block::{Block, BlockHeader, MAX_BLOCK_BYTES, transaction_root};
use crate::hash::Hash;
use crate::keys::{AccountId, PublicKey};
use crate::lottery::drawn;
use crate::ring::Ring;
use crate::state::{Account, State};
use crate::transaction::{CostOverflow, Kind, Party, Transaction, VerifiedTransaction};
use crate::validity::{Standing, check_form, check_grants, check_window};

pub use crate::validity::TransactionError;

/// What a transaction cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which transaction.
    pub transaction_id: Hash,
    /// For the block's validator.
    pub fee: Amount,
}

/// What a block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The accounts afterwards.
    pub state: State,
    /// One per transaction, in order.
    pub receipts: Vec<Receipt>,
    /// The transactions, in order.
    pub accepted: Vec<VerifiedTransaction>,
    /// The accounts that changed, in order.
    pub touched: Vec<AccountId>,
}

/// Why a block is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not the parent's index plus one.
    #[error("the block's index is {found}, expected {expected}")]
    Index {
        /// The parent's plus one.
        expected: u64,
        /// The block's.
        found: u64,
    },
    /// Not the parent's hash.
    #[error("the block does not follow its parent")]
    PreviousHash,
    /// For another network.
    #[error("the block is for another network")]
    WrongChain,
    /// More transactions than fit.
    #[error("the block has {found} transactions, at most {capacity} are allowed")]
    Capacity {
        /// By the parameters.
        capacity: u32,
        /// In the block.
        found: usize,
    },
    /// More bytes than fit.
    #[error("the block's transactions have {found} bytes, at most {MAX_BLOCK_BYTES} are allowed")]
    Size {
        /// In the block.
        found: usize,
    },
    /// The header counts them wrong.
    #[error("the header's count of transactions is not the block's")]
    TransactionCount,
    /// Not later than the parent's.
    #[error("the timestamp is not later than the parent's")]
    Timestamp,
    /// Not the one drawn.
    #[error("the validator is not the one drawn for the round")]
    Validator,
    /// Not the root of the transactions.
    #[error("the transaction root is not that of the transactions")]
    TransactionRoot,
    /// Not the root of the state afterwards.
    #[error("the state root is not that of the accounts after the block")]
    StateRoot,
    /// A transaction is invalid.
    #[error("transaction {position}: {error}")]
    Transaction {
        /// Its position in the block.
        position: usize,
        /// What is wrong.
        error: TransactionError,
    },
    /// The fees do not fit, which a conserved supply rules out.
    #[error("the fees are larger than any balance can be")]
    FeeOverflow,
}

impl BlockError {
    /// A stable name for interfaces.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Index { .. } => "index",
            Self::PreviousHash => "previous_hash",
            Self::WrongChain => "wrong_chain",
            Self::Capacity { .. } => "capacity",
            Self::Size { .. } => "size",
            Self::TransactionCount => "transaction_count",
            Self::Timestamp => "timestamp",
            Self::Validator => "validator",
            Self::TransactionRoot => "transaction_root",
            Self::StateRoot => "state_root",
            Self::Transaction { .. } => "transaction",
            Self::FeeOverflow => "fee_overflow",
        }
    }
}

/// Checks a transaction as the next one of its sender in the block with index `height`.
pub fn validate_transaction(ring: &Ring, state: &State, height: u64, tx: &Transaction) -> Result<(), TransactionError> {
    effect(ring, state, height, tx).map(|_| ())
}

/// The accounts that a valid transaction changes, as they are afterwards, and its fee.
struct Effect {
    sender: Account,
    receiver: Option<Account>,
    fee: Amount,
}

fn effect(ring: &Ring, state: &State, height: u64, tx: &Transaction) -> Result<Effect, TransactionError> {
    let cost = check_form(ring, tx)?;
    check_window(ring.parameters(), height, tx)?;
    let sender = tx.sender.account_id().ok_or(TransactionError::NetworkSender)?;
    let sender = state.account(&sender).ok_or(TransactionError::UnknownSender)?;
    let Standing { balance, stake, nonce } = Standing::of(sender).after(tx, cost)?;
    check_grants(ring, state, tx)?;
    let sender = Account { key: sender.key.clone(), balance, stake, nonce, granted: sender.granted };
    let receiver = match &tx.receiver {
        Party::Key(key) if !cost.amount.is_zero() => Some(paid(state, key, cost.amount, tx.kind == Kind::Grant)?),
        _ => None,
    };
    Ok(Effect { sender, receiver, fee: cost.fee })
}

/// The account with an amount added, created when this is the first.
fn paid(state: &State, key: &PublicKey, amount: Amount, grant: bool) -> Result<Account, CostOverflow> {
    let mut account = state.account(&key.account_id()).cloned().unwrap_or_else(|| Account::new(key.clone()));
    account.balance = account.balance.checked_add(amount).ok_or(CostOverflow)?;
    account.granted |= grant;
    Ok(account)
}

/// A block in the making: the transactions so far and what they led to.
struct Progress<'a> {
    ring: &'a Ring,
    height: u64,
    execution: Execution,
    touched: BTreeSet<AccountId>,
    fees: Amount,
    bytes: usize,
}

impl<'a> Progress<'a> {
    fn new(ring: &'a Ring, parent: &State, height: u64) -> Self {
        let execution =
            Execution { state: parent.clone(), receipts: Vec::new(), accepted: Vec::new(), touched: Vec::new() };
        Self { ring, height, execution, touched: BTreeSet::new(), fees: Amount::ZERO, bytes: 0 }
    }

    /// Executes one transaction; one that is invalid changes nothing.
    fn push(&mut self, tx: &VerifiedTransaction) -> Result<(), TransactionError> {
        let Effect { sender, receiver, fee } = effect(self.ring, &self.execution.state, self.height, tx.transaction())?;
        let fees = self.fees.checked_add(fee).ok_or(CostOverflow)?;
        for account in std::iter::once(sender).chain(receiver) {
            self.touched.insert(account.key.account_id());
            self.execution.state.put(account);
        }
        self.fees = fees;
        self.bytes += tx.size_bytes();
        self.execution.receipts.push(Receipt { transaction_id: tx.id(), fee });
        self.execution.accepted.push(tx.clone());
        Ok(())
    }

    /// Credits the fees, after the last transaction.
    fn finish(mut self, validator: &PublicKey) -> Result<Execution, BlockError> {
        if !self.fees.is_zero() {
            let state = &mut self.execution.state;
            let account = paid(state, validator, self.fees, false).map_err(|CostOverflow| BlockError::FeeOverflow)?;
            self.touched.insert(account.key.account_id());
            state.put(account);
        }
        self.execution.touched = self.touched.into_iter().collect();
        Ok(self.execution)
    }
}

/// Executes the transactions of the block with index `height`, one after the other; each must be valid.
pub fn execute(
    ring: &Ring,
    parent: &State,
    height: u64,
    validator: &PublicKey,
    txs: &[VerifiedTransaction],
) -> Result<Execution, BlockError> {
    let mut progress = Progress::new(ring, parent, height);
    for (position, tx) in txs.iter().enumerate() {
        progress.push(tx).map_err(|error| BlockError::Transaction { position, error })?;
    }
    progress.finish(validator)
}

/// Mints the block after the parent: the first `capacity` candidates that are valid one after the
/// other. Those that are not are passed over. The timestamp is `now_ms`, moved past the parent's.
pub fn build<'a>(
    ring: &Ring,
    parent: &State,
    parent_header: &BlockHeader,
    validator: &PublicKey,
    round: u32,
    now_ms: u64,
    candidates: impl Iterator<Item = &'a VerifiedTransaction>,
) -> Result<(Block, Execution), BlockError> {
    let index = next_index(parent_header)?;
    let earliest = parent_header.timestamp_ms.checked_add(1).ok_or(BlockError::Timestamp)?;
    let capacity = usize::try_from(ring.parameters().capacity).unwrap_or(usize::MAX);
    let mut progress = Progress::new(ring, parent, index);
    for tx in candidates {
        if progress.execution.accepted.len() >= capacity || progress.bytes + tx.size_bytes() > MAX_BLOCK_BYTES {
            break;
        }
        // A candidate may have become invalid since it was pooled, or not be valid yet.
        let _passed_over = progress.push(tx);
    }
    let execution = progress.finish(validator)?;
    let transactions = execution.accepted.clone();
    let header = BlockHeader {
        index,
        timestamp_ms: now_ms.max(earliest),
        validator: Party::Key(validator.clone()),
        previous_hash: parent_header.hash(),
        round,
        transaction_count: count(ring, &transactions)?,
        transaction_root: transaction_root(&transactions),
        state_root: execution.state.root(),
        chain_id: ring.chain_id(),
    };
    Ok((Block { header, transactions }, execution))
}

/// Checks everything that needs no transactions: index, parent, network, number of transactions,
/// timestamp, and that the validator is the one drawn for the block's round.
pub fn validate_header(
    ring: &Ring,
    parent_header: &BlockHeader,
    parent_state: &State,
    header: &BlockHeader,
) -> Result<(), BlockError> {
    let expected = next_index(parent_header)?;
    if header.index != expected {
        return Err(BlockError::Index { expected, found: header.index });
    }
    if header.previous_hash != parent_header.hash() {
        return Err(BlockError::PreviousHash);
    }
    if header.chain_id != ring.chain_id() {
        return Err(BlockError::WrongChain);
    }
    let capacity = ring.parameters().capacity;
    if header.transaction_count > capacity {
        let found = usize::try_from(header.transaction_count).unwrap_or(usize::MAX);
        return Err(BlockError::Capacity { capacity, found });
    }
    if header.timestamp_ms <= parent_header.timestamp_ms {
        return Err(BlockError::Timestamp);
    }
    let drawn = drawn(&header.previous_hash, &parent_state.stakes(ring), header.round);
    let drawn = drawn.and_then(|id| ring.member(id)).map(|member| &member.wallet);
    if drawn.is_none() || drawn != header.validator.key() {
        return Err(BlockError::Validator);
    }
    Ok(())
}

/// Checks a block against its parent, whatever the clock says and whatever is at hand. A block without
/// transactions can be valid.
pub fn validate_block(
    ring: &Ring,
    parent_header: &BlockHeader,
    parent_state: &State,
    block: &Block,
) -> Result<Execution, BlockError> {
    let Block { header, transactions } = block;
    validate_header(ring, parent_header, parent_state, header)?;
    if count(ring, transactions)? != header.transaction_count {
        return Err(BlockError::TransactionCount);
    }
    let found = transactions.iter().map(|tx| tx.size_bytes()).sum();
    if found > MAX_BLOCK_BYTES {
        return Err(BlockError::Size { found });
    }
    if transaction_root(transactions) != header.transaction_root {
        return Err(BlockError::TransactionRoot);
    }
    let validator = header.validator.key().ok_or(BlockError::Validator)?;
    let execution = execute(ring, parent_state, header.index, validator, transactions)?;
    if execution.state.root() != header.state_root {
        return Err(BlockError::StateRoot);
    }
    Ok(execution)
}

fn next_index(parent_header: &BlockHeader) -> Result<u64, BlockError> {
    let index = parent_header.index;
    index.checked_add(1).ok_or(BlockError::Index { expected: index, found: index })
}

fn count(ring: &Ring, transactions: &[VerifiedTransaction]) -> Result<u32, BlockError> {
    let (capacity, found) = (ring.parameters().capacity, transactions.len());
    u32::try_from(found).ok().filter(|count| *count <= capacity).ok_or(BlockError::Capacity { capacity, found })
}

#[cfg(test)]
mod tests;
