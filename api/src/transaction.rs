//! Transactions: submitting signed ones, their status, their receipt.

use crate::text::{AmountText, HashText};
use crate::{Amount, CertificateAnswer, Hash, Problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `type_of_transaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionType {
    /// Coins to an account; fee 3 %.
    Coins,
    /// Text to an account; 1 BCC per character.
    Message,
    /// Both in one; both charges.
    CoinsAndMessage,
    /// Sets the sender's stake; to address `0`; free.
    Stake,
    /// The bootstrap node's payment to a joining member; free.
    Grant,
    /// The first transaction of the chain; never accepted from a client.
    Genesis,
}

/// `POST /transactions`: a transaction that the client has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedTransactionRequest {
    /// Sender's public key, base64 DER.
    pub sender_address: String,
    /// Receiver's public key, base64 DER; `"0"` for a stake. No id or fingerprint: this is what was signed.
    pub receiver_address: String,
    /// What it moves.
    pub type_of_transaction: TransactionType,
    /// BCC, decimal; `"0"` if no coins are moved.
    pub amount: String,
    /// Text; empty if none.
    #[serde(default)]
    pub message: String,
    /// The sender's next nonce.
    pub nonce: u64,
    /// Last block index in which it may stand.
    pub valid_until: u64,
    /// The chain it is signed for, hex.
    pub chain_id: String,
    /// If given, it must be the id of these fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// RSA-PSS-SHA256 over the canonical bytes, base64.
    pub signature: String,
}

/// `POST /transactions/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionBatchRequest {
    /// In the order in which they shall be admitted; each is judged alone.
    pub transactions: Vec<SignedTransactionRequest>,
}

/// Until when an answer is withheld (`?wait=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Admitted to the pool (the default).
    #[default]
    Admitted,
    /// In a committed block, or dropped; at most the node's bound, then `pending` with 202.
    Committed,
}

/// The query of the endpoints that submit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// See [`Wait`].
    #[serde(default)]
    pub wait: Wait,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionStatus {
    /// In the pool.
    Pending,
    /// In a committed block; final.
    Committed,
    /// Left the pool: it can't be valid any more, see the reason.
    Rejected,
    /// Left the pool: `valid_until` has passed.
    Expired,
}

/// The answer of every endpoint that submits: 202 while pending, 200 once its fate is final (see `status`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmitAnswer {
    /// The transaction's id.
    #[schema(value_type = HashText)]
    pub transaction_id: Hash,
    /// Where it stands.
    pub status: TransactionStatus,
    /// The nonce it has.
    pub nonce: u64,
    /// Last block index in which it may stand.
    pub valid_until: u64,
    /// The block that holds it, once committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_index: Option<u64>,
    /// Why it was rejected or has expired: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /transactions/batch`: one result for each transaction, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer {
    /// How many were admitted (or were known already).
    pub accepted: u32,
    /// How many were refused.
    pub rejected: u32,
    /// One for each transaction.
    pub results: Vec<BatchItem>,
}

/// One result of a batch; told apart by their fields (`transaction_id`, or `code`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BatchItem {
    /// Admitted.
    Accepted(SubmitAnswer),
    /// Refused, as the single call would have been.
    Rejected(Problem),
}

/// A transaction as a node shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionItem {
    /// SHA-256 of the canonical bytes of all signed fields.
    #[schema(value_type = HashText)]
    pub transaction_id: Hash,
    /// Sender's public key, base64 DER; `"0"` for genesis.
    pub sender_address: String,
    /// The sender's member id, if it is a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<u16>,
    /// Receiver's public key, base64 DER; `"0"` for a stake.
    pub receiver_address: String,
    /// The receiver's member id, if it is a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_id: Option<u16>,
    /// What it moves.
    pub type_of_transaction: TransactionType,
    /// BCC.
    #[schema(value_type = AmountText)]
    pub amount: Amount,
    /// Text; empty if none.
    pub message: String,
    /// The sender's nonce.
    pub nonce: u64,
    /// Last block index in which it may stand.
    pub valid_until: u64,
    /// The chain it is signed for (genesis: the founding id).
    #[schema(value_type = HashText)]
    pub chain_id: Hash,
    /// RSA-PSS-SHA256, base64; empty for genesis.
    pub signature: String,
}

/// `GET /transactions/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionAnswer {
    /// Its fields. Missing when it was dropped: of those only id, status and reason are remembered, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionItem>,
    /// Its id.
    #[schema(value_type = HashText)]
    pub transaction_id: Hash,
    /// Where it stands.
    pub status: TransactionStatus,
    /// The block that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_index: Option<u64>,
    /// Public key of that block's validator, base64 DER (`"0"` for genesis).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<String>,
    /// Member id of that block's validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_id: Option<u16>,
    /// Why it was rejected or has expired: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `GET /transactions/{id}/receipt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptAnswer {
    /// The transaction.
    #[schema(value_type = HashText)]
    pub transaction_id: Hash,
    /// The block that holds it.
    pub block_index: u64,
    /// That block's `current_hash`.
    #[schema(value_type = HashText)]
    pub block_hash: Hash,
    /// Position in the block, from 0.
    pub position: u32,
    /// Fee the sender paid, BCC.
    #[schema(value_type = AmountText)]
    pub fee: Amount,
    /// Public key of the validator that earned the fee, base64 DER (`"0"` for genesis).
    pub validator: String,
    /// Its member id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_id: Option<u16>,
    /// The transaction itself, with its signature.
    pub transaction: TransactionItem,
    /// The block's header: `block_hash` is its hash.
    pub header: HeaderItem,
    /// The path from the transaction's wire hash to the header's `transaction_root`.
    pub inclusion: InclusionItem,
    /// The precommits that make the block final; missing for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateAnswer>,
    /// The network's signed descriptor, base64: it names the keys that sign certificates, and its hash is the chain id.
    pub descriptor: String,
}

/// The fields of a block's header, as they are hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeaderItem {
    /// Height; genesis is 0.
    pub index: u64,
    /// Milliseconds since 1970 (UTC).
    pub timestamp_ms: u64,
    /// Public key of the validator, base64 DER; `"0"` for genesis.
    pub validator: String,
    /// Hash of the parent.
    #[schema(value_type = HashText)]
    pub previous_hash: Hash,
    /// Round of the lottery in which it was minted.
    pub round: u32,
    /// Number of transactions.
    pub transaction_count: u32,
    /// Root over the transactions' wire hashes.
    #[schema(value_type = HashText)]
    pub transaction_root: Hash,
    /// Root of the accounts after the block.
    #[schema(value_type = HashText)]
    pub state_root: Hash,
    /// The chain (genesis: the founding id).
    #[schema(value_type = HashText)]
    pub chain_id: Hash,
}

/// A path in the tree of a block's transactions (the tree of RFC 6962).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InclusionItem {
    /// Position of the transaction.
    pub index: u32,
    /// Number of transactions.
    pub count: u32,
    /// The hashes beside the way up, the transaction's neighbour first.
    #[schema(value_type = Vec<HashText>)]
    pub siblings: Vec<Hash>,
}
