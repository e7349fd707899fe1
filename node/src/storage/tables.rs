//! The tables of the store. Values are borsh; `docs/storage.md` lists them.

use blockchat_consensus::{Certificate, Evidence};
use blockchat_ledger::{Block, SignedDescriptor, SignedTransaction, UnverifiedBlock};
use borsh::{BorshDeserialize, BorshSerialize};
use redb::TableDefinition;

use super::error::{StoreError, damaged};
use super::log::Anchor;

/// Height → encoded block.
pub const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// Block hash → height.
pub const HASHES: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("block_hashes");
/// Height → certificate; genesis has none.
pub const CERTIFICATES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("certificates");
/// Transaction id → height and position.
pub const TRANSACTIONS: TableDefinition<'_, [u8; 32], (u64, u32)> = TableDefinition::new("transactions");
/// Account id → account, at the tip.
pub const ACCOUNTS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("accounts");
/// Height → the members' tickets (stakes in micros, by id) in its lottery; heights at which they are as at the one
/// before are left out.
pub const TICKETS: TableDefinition<'_, u64, Vec<u64>> = TableDefinition::new("tickets");
/// Account id, height and position of each transaction that the account sent or received.
pub const HISTORY: TableDefinition<'_, ([u8; 32], u64, u32), ()> = TableDefinition::new("history");
/// Nonce → the last transaction that this node's wallet signed with it.
pub const OWN: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("own_transactions");
/// Idempotency-Key → the transaction signed for it.
pub const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("idempotency_keys");
/// Height, member and a hash of the evidence → evidence.
pub const EVIDENCE: TableDefinition<'_, (u64, u16, [u8; 32]), &[u8]> = TableDefinition::new("evidence");
/// Single values, see the constants below.
pub const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Version of this layout.
pub const META_FORMAT: &str = "format";
/// The signed descriptor of the network.
pub const META_DESCRIPTOR: &str = "descriptor";
/// What the store knows about the log.
pub const META_ANCHOR: &str = "log_anchor";
/// One byte: whether this log has been in use, so that all that was said since its beginning is in it, and a lost log
/// before it is remembered in it.
pub const META_IN_USE: &str = "log_in_use";

/// The layout described here.
pub const FORMAT: &[u8] = b"2";

/// A block as readers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block.
    pub block: Block,
    /// Its certificate; none for genesis.
    pub certificate: Option<Certificate>,
}

/// A transaction that this node's wallet signed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OwnTransaction {
    /// Height in progress when it was signed.
    pub height: u64,
    /// The client's Idempotency-Key, if it gave one.
    pub key: Option<String>,
    /// The signed transaction.
    pub transaction: SignedTransaction,
}

pub fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into a Vec can't fail.
    let _ = value.serialize(&mut bytes);
    bytes
}

pub fn decode_certificate(bytes: &[u8]) -> Result<Certificate, StoreError> {
    borsh::from_slice(bytes).map_err(damaged("a certificate"))
}

pub fn decode_descriptor(bytes: &[u8]) -> Result<SignedDescriptor, StoreError> {
    borsh::from_slice(bytes).map_err(damaged("the descriptor"))
}

pub fn decode_own(bytes: &[u8]) -> Result<OwnTransaction, StoreError> {
    borsh::from_slice(bytes).map_err(damaged("a transaction of the wallet"))
}

pub fn decode_evidence(bytes: &[u8]) -> Result<Evidence, StoreError> {
    borsh::from_slice(bytes).map_err(damaged("evidence"))
}

pub fn decode_block(bytes: &[u8]) -> Result<UnverifiedBlock, StoreError> {
    UnverifiedBlock::decode(bytes).map_err(|error| StoreError::Damaged(format!("a block: {error}")))
}

pub fn encode_anchor(anchor: &Anchor) -> Vec<u8> {
    encode(&(anchor.log_id, anchor.synced, anchor.taken))
}

pub fn decode_anchor(bytes: &[u8]) -> Result<Anchor, StoreError> {
    let (log_id, synced, taken) = borsh::from_slice(bytes).map_err(damaged("the anchor of the log"))?;
    Ok(Anchor { log_id, synced, taken })
}
