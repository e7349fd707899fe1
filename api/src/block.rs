//! Blocks, what committed them, and the lottery that chose who minted them.

use crate::text::{AmountText, HashText};
use crate::{Amount, Hash, TransactionItem, printable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `GET /blocks/{index|latest|hash}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockAnswer {
    /// Height; genesis is 0.
    pub index: u64,
    /// When it was minted, milliseconds since 1970 (UTC).
    pub timestamp_ms: u64,
    /// Public key of the validator, base64 DER; `"0"` for genesis.
    pub validator: String,
    /// The validator's member id; missing for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_id: Option<u16>,
    /// Hash of the header, which covers everything below.
    #[schema(value_type = HashText)]
    pub current_hash: Hash,
    /// `current_hash` of the parent; 1 for genesis.
    #[schema(value_type = HashText)]
    pub previous_hash: Hash,
    /// Round of the lottery in which it was minted.
    pub round: u32,
    /// Round in which it was committed (≥ `round`); missing for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_round: Option<u32>,
    /// How many transactions it holds.
    pub transaction_count: u32,
    /// Root over the transactions' wire hashes, in order.
    #[schema(value_type = HashText)]
    pub transaction_root: Hash,
    /// Root of the accounts after this block.
    #[schema(value_type = HashText)]
    pub state_root: Hash,
    /// The chain (genesis: the founding id).
    #[schema(value_type = HashText)]
    pub chain_id: Hash,
    /// The transactions in order.
    pub transactions: Vec<TransactionItem>,
    /// One receipt for each transaction, in the same order.
    pub receipts: Vec<ReceiptItem>,
    /// Fees that the validator earned with it, BCC.
    #[schema(value_type = AmountText)]
    pub fees: Amount,
}

/// What a transaction cost beyond its amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptItem {
    /// The transaction.
    #[schema(value_type = HashText)]
    pub transaction_id: Hash,
    /// BCC.
    #[schema(value_type = AmountText)]
    pub fee: Amount,
}

/// The query of `GET /blocks`: ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BlockRange {
    /// First index; 0 if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Most blocks, 1 to [`crate::MAX_PAGE_ITEMS`]; [`crate::DEFAULT_PAGE_ITEMS`] if missing. A page also ends once it
    /// holds about 8 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /blocks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockPage {
    /// The blocks, ascending.
    pub blocks: Vec<BlockAnswer>,
    /// Give this as `from` for the next page; missing when this one reaches the tip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Index of the newest block.
    pub height: u64,
}

/// `GET /blocks/{index|latest|hash}/certificate`: more than 2/3 of the members signed this block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateAnswer {
    /// The block's index.
    pub height: u64,
    /// Round of the precommits.
    pub round: u32,
    /// The block's `current_hash`.
    #[schema(value_type = HashText)]
    pub block_hash: Hash,
    /// One for each member that signed.
    pub signatures: Vec<CertificateSignature>,
}

/// One precommit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateSignature {
    /// Member id.
    pub member: u16,
    /// Ed25519 by the member's consensus key, base64.
    pub signature: String,
}

/// `GET /blocks/{index|latest|hash}/lottery`: everything needed to draw again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotteryAnswer {
    /// The block's index.
    pub index: u64,
    /// The hash that seeds each round's generator, with the round.
    #[schema(value_type = HashText)]
    pub previous_hash: Hash,
    /// Each member's tickets when the block was minted: one for each 10^-6 BCC staked.
    pub tickets: Vec<LotteryTicket>,
    /// The draws of rounds 0 to n-1: a permutation of the members.
    pub draws: Vec<LotteryDraw>,
    /// Round in which the block was minted.
    pub round: u32,
    /// Member that this round draws: the block's validator.
    pub winner: u16,
}

/// A member's tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotteryTicket {
    /// Member id.
    pub member: u16,
    /// Decimal: it may not fit a double.
    pub tickets: String,
}

/// One round's draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotteryDraw {
    /// The round.
    pub round: u32,
    /// ChaCha20 seed: SHA-256 of previous hash and round, hex.
    #[schema(value_type = HashText)]
    pub seed: Hash,
    /// Tickets of the members not drawn in an earlier round; decimal.
    pub tickets_total: String,
    /// The ticket drawn, from 0; decimal.
    pub ticket: String,
    /// Who holds it.
    pub member: u16,
}

/// `GET /evidence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceAnswer {
    /// What this node has seen, oldest first.
    pub evidence: Vec<EvidenceItem>,
}

/// Two signed statements of one member that exclude each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceItem {
    /// `vote` or `proposal`.
    #[serde(deserialize_with = "printable::read")]
    pub kind: String,
    /// Member id of the signer.
    pub member: u16,
    /// The height.
    pub height: u64,
    /// The two statements with their signatures, encoded as sent, base64.
    pub statements: Vec<String>,
}
