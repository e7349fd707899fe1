//! The network and this node's place in it.

use crate::text::{AmountText, HashText};
use crate::{Amount, Hash, printable};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /network`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkAnswer {
    /// Hash of the signed descriptor; part of every signature.
    #[schema(value_type = HashText)]
    pub chain_id: Hash,
    /// Hash of block 0.
    #[schema(value_type = HashText)]
    pub genesis_hash: Hash,
    /// What all members agreed on.
    pub parameters: ParametersAnswer,
    /// All members, by id.
    pub members: Vec<MemberItem>,
    /// The signed descriptor that all of this comes from, base64: its hash is the chain id.
    pub descriptor: String,
}

/// The parameters of the descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParametersAnswer {
    /// Number of members, n.
    pub nodes: u16,
    /// Most transactions in a block.
    pub capacity: u32,
    /// BCC each member starts with.
    #[schema(value_type = AmountText)]
    pub endowment: Amount,
    /// Blocks for which a transaction may be valid.
    pub ttl_blocks: u64,
    /// Fee on coins, percent.
    pub coin_fee_percent: u8,
    /// Fee on a message, BCC per Unicode scalar value.
    #[schema(value_type = AmountText)]
    pub message_fee: Amount,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberItem {
    /// Member id, from 0 (the bootstrap node).
    pub id: u16,
    /// Wallet key, base64 DER.
    pub address: String,
    /// First 16 hex digits of SHA-256 of the DER.
    pub fingerprint: String,
    /// Ed25519 key for votes, hex.
    pub consensus_key: String,
    /// Where the other members reach it, if known: its own word, no part of the descriptor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not a member yet.
    Joining,
    /// A member that is behind its peers.
    Syncing,
    /// Takes part.
    Ready,
}

/// `GET /status`: answered from the first moment. What needs the ledger is missing until the node has joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusAnswer {
    /// What the node is doing.
    pub phase: Phase,
    /// What it waits for, for people, if it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "printable::read_option")]
    pub waiting_for: Option<String>,
    /// Version of the program.
    #[serde(deserialize_with = "printable::read")]
    pub version: String,
    /// Member id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// The chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashText>)]
    pub chain_id: Option<Hash>,
    /// Index of the newest block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashText>)]
    pub tip_hash: Option<Hash>,
    /// Whether this node votes: not after it lost its log, until it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voting: Option<bool>,
    /// Round of the height in progress; missing while the chain is idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// The pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolAnswer>,
    /// What the node measured lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<FiguresAnswer>,
    /// The other members as this node sees them.
    #[serde(default)]
    pub peers: Vec<PeerItem>,
}

/// The pool of pending transactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolAnswer {
    /// How many.
    pub transactions: u64,
    /// Their size.
    pub bytes: u64,
    /// Most transactions that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_transactions: Option<u64>,
}

/// What one node measured over the last ten seconds. A time is missing where there is nothing to take it from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FiguresAnswer {
    /// The time that the figures are of, milliseconds: less than 10,000 if the node has just started, or if more blocks came
    /// than it remembers.
    pub window_ms: u64,
    /// Blocks that became final here in this time.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Rounds that they took beyond the first one of each.
    pub extra_rounds: u64,
    /// From one of these blocks to the next, mean, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_interval_mean_us: Option<u64>,
    /// The same, 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_interval_p95_us: Option<u64>,
    /// From this node's first sight of a transaction to its commit, median, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_finality_p50_us: Option<u64>,
    /// The same, 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_finality_p95_us: Option<u64>,
}

/// Another member as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerItem {
    /// Member id.
    pub id: u16,
    /// Whether a stream to it is up.
    pub connected: bool,
    /// The height it told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
}
