//! Blocks and their headers, and the genesis block.

use std::io::{Read, Result as IoResult};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::encoding::{DecodeError, append, decode, encode, invalid, read_length};
use crate::hash::Hash;
use crate::keys::{PublicKey, SignatureError};
use crate::merkle;
use crate::params::{MAX_CAPACITY, Parameters, ParametersError, founding_id};
use crate::state::{Account, State};
use crate::transaction::{Kind, Party, SignedTransaction, Transaction, VerifiedTransaction};

const HEADER_DOMAIN: &str = "blockchat/header/v1";

/// The most bytes the transactions of a block may have together: room for a full block of ordinary
/// ones at any capacity, and a bound for whoever receives one.
pub const MAX_BLOCK_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes a block's encoding may have: its header and what frames the transactions included.
pub const MAX_ENCODED_BLOCK_BYTES: usize = MAX_BLOCK_BYTES + 1024;

/// The assignment's `previous_hash` of the genesis block: the number 1.
pub const GENESIS_PREVIOUS_HASH: Hash = {
    let mut bytes = [0; 32];
    bytes[31] = 1;
    Hash(bytes)
};

/// What a block says of itself; its hash is the block's identity.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockHeader {
    /// Height; genesis is 0.
    pub index: u64,
    /// Milliseconds since 1970-01-01 UTC, later than the parent's. For display only.
    pub timestamp_ms: u64,
    /// Who minted it and earns its fees; address 0 for genesis.
    pub validator: Party,
    /// Hash of the parent's header.
    pub previous_hash: Hash,
    /// Round of the height in which it was minted.
    pub round: u32,
    /// Number of transactions.
    pub transaction_count: u32,
    /// Merkle root over the transactions' wire hashes, in order.
    pub transaction_root: Hash,
    /// Root of the accounts after the block.
    pub state_root: Hash,
    /// The network; in genesis the founding id.
    pub chain_id: Hash,
}

impl BlockHeader {
    /// The assignment's `current_hash`.
    pub fn hash(&self) -> Hash {
        let mut bytes = encode(HEADER_DOMAIN);
        append(&mut bytes, self);
        Hash::of_bytes(&bytes)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Accepts the canonical bytes only.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

/// A block whose transactions' signatures have been verified; nothing else is known of it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Block {
    /// What the hash covers.
    pub header: BlockHeader,
    /// In the order in which they take effect.
    pub transactions: Vec<VerifiedTransaction>,
}

/// A block as it was received.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UnverifiedBlock {
    /// What the hash covers.
    pub header: BlockHeader,
    /// In the order in which they take effect.
    #[borsh(deserialize_with = "read_transactions")]
    pub transactions: Vec<SignedTransaction>,
}

/// Why there is no genesis block for the parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// They make no network.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The genesis transaction was not of the form.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Block {
    /// The header's hash.
    pub fn hash(&self) -> Hash {
        self.header.hash()
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

impl UnverifiedBlock {
    /// The header's hash.
    pub fn hash(&self) -> Hash {
        self.header.hash()
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Accepts the canonical bytes only, at most [`MAX_ENCODED_BLOCK_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_ENCODED_BLOCK_BYTES {
            return Err(DecodeError("length above the limit".into()));
        }
        decode(bytes)
    }

    /// Verifies every signature, up to the first that fails. The genesis transaction, which has none,
    /// passes in block 0 only.
    pub fn verify(self) -> Result<Block, SignatureError> {
        let genesis = self.header.index == 0;
        let verify = |transaction: SignedTransaction| match transaction.transaction() {
            Transaction { kind: Kind::Genesis, sender: Party::Network, .. } if genesis => {
                VerifiedTransaction::genesis(transaction.transaction().clone())
            }
            _ => transaction.verify(),
        };
        let transactions = self.transactions.into_iter().map(verify).collect::<Result<_, _>>()?;
        Ok(Block { header: self.header, transactions })
    }
}

/// The merkle root over the transactions' wire hashes.
pub fn transaction_root(transactions: &[VerifiedTransaction]) -> Hash {
    let hashes: Vec<Hash> = transactions.iter().map(|transaction| transaction.wire_hash()).collect();
    merkle::root(&hashes)
}

/// Block 0 and the state after it: all coins go to the bootstrap node.
pub fn genesis(
    parameters: &Parameters,
    bootstrap: &PublicKey,
    timestamp_ms: u64,
) -> Result<(Block, State), GenesisError> {
    parameters.validate()?;
    let supply = parameters.supply();
    let chain_id = founding_id(parameters, bootstrap);
    let transaction = Transaction {
        sender: Party::Network,
        receiver: Party::Key(bootstrap.clone()),
        kind: Kind::Genesis,
        amount: supply,
        message: String::new(),
        nonce: 0,
        valid_until: 0,
        chain_id,
    };
    let transactions = vec![VerifiedTransaction::genesis(transaction)?];
    let state = State::from_accounts([Account { balance: supply, ..Account::new(bootstrap.clone()) }]);
    let header = BlockHeader {
        index: 0,
        timestamp_ms,
        validator: Party::Network,
        previous_hash: GENESIS_PREVIOUS_HASH,
        round: 0,
        transaction_count: 1,
        transaction_root: transaction_root(&transactions),
        state_root: state.root(),
        chain_id,
    };
    Ok((Block { header, transactions }, state))
}

fn read_transactions<R: Read>(reader: &mut R) -> IoResult<Vec<SignedTransaction>> {
    let count = read_length(reader, usize::try_from(MAX_CAPACITY).map_err(invalid)?)?;
    (0..count).map(|_| SignedTransaction::deserialize_reader(reader)).collect()
}

#[cfg(test)]
mod tests;
