//! The pure domain of BlockChat: money, keys, transactions, blocks, the lottery, the state and the
//! rules that lead from one block to the next.
//!
//! Nothing here reads a clock, the network, the environment or a source of randomness: time and random
//! numbers come in as arguments, so that every node that is given the same blocks computes the same
//! state, and so that a simulation can run the very code that runs in production. The byte layouts of
//! everything that is hashed, signed or sent are specified in `docs/encoding.md`.
// Tests count small numbers.
#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::cast_precision_loss))]
#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

pub mod amount;
pub mod block;
pub mod chain;
pub mod descriptor;
pub mod deterministic;
mod encoding;
pub mod execution;
pub mod finality;
pub mod hash;
pub mod keys;
pub mod lottery;
pub mod mempool;
pub mod merkle;
pub mod params;
pub mod ring;
pub mod state;
#[cfg(test)]
mod testing;
pub mod transaction;
mod trie;
mod validity;
pub mod wallet;

pub use amount::{Amount, AmountError};
pub use block::{Block, BlockHeader, UnverifiedBlock, genesis};
pub use chain::{ChainError, validate_chain};
pub use descriptor::{Descriptor, DescriptorError, Member, SignedDescriptor, certification_bytes};
pub use encoding::DecodeError;
pub use execution::{
    BlockError, Execution, Receipt, TransactionError, build, execute, validate_block, validate_header,
    validate_transaction,
};
pub use finality::{Commit, CommitError};
pub use hash::Hash;
pub use keys::{AccountId, KeyError, PublicKey, SignatureError};
pub use mempool::{DropReason, Dropped, Inserted, Mempool, Origin, PendingAccount, PoolError, PoolLimits};
pub use params::{Parameters, ParametersError, fault_tolerance, founding_id};
pub use ring::Ring;
pub use state::{Account, State};
pub use transaction::{
    Cost, Kind, MAX_MESSAGE_BYTES, Party, SignError, SignedTransaction, Terms, Transaction, VerifiedTransaction,
};
pub use wallet::{TransactionSigner, Wallet};
