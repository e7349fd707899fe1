//! What `GET /events` sends: server-sent events, each with a name, JSON data and, for blocks, the height as its id.

use crate::text::{AmountText, HashText};
use crate::{Amount, Hash, TransactionStatus, printable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query of `GET /events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventRange {
    /// First block; the next one to be committed if missing. `Last-Event-ID`, which a reconnecting client sends, takes
    /// precedence and means the block after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// One event; the name is the one in the comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Event {
    /// `block`: a block is final. Every block from the first one on comes, in order, exactly once; its id is the height.
    Block(BlockEvent),
    /// `dropped`: a transaction left this node's pool and will not be committed by itself.
    Dropped(DroppedEvent),
    /// `evidence`: a member said two things that exclude each other.
    Evidence(EvidenceEvent),
    /// `gap`: events other than blocks were lost, because the reader was too slow or was away.
    Gap(GapEvent),
}

/// A final block, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockEvent {
    /// Height.
    pub index: u64,
    /// Its hash.
    #[schema(value_type = HashText)]
    pub current_hash: Hash,
    /// When it was minted, milliseconds since 1970 (UTC).
    pub timestamp_ms: u64,
    /// The validator's member id; missing for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_id: Option<u16>,
    /// Round of the lottery in which it was minted.
    pub round: u32,
    /// Fees that the validator earned, BCC.
    #[schema(value_type = AmountText)]
    pub fees: Amount,
    /// Ids of its transactions, in order.
    #[schema(value_type = Vec<HashText>)]
    pub transactions: Vec<Hash>,
}

/// A transaction that left the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedEvent {
    /// Its id.
    #[schema(value_type = HashText)]
    pub transaction_id: Hash,
    /// `rejected` or `expired`.
    pub status: TransactionStatus,
    /// Why: a stable code.
    pub reason: String,
}

/// A contradiction; `GET /evidence` has the statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceEvent {
    /// Member id of the signer.
    pub member: u16,
    /// The height of the statements.
    pub height: u64,
    /// `vote` or `proposal`.
    #[serde(deserialize_with = "printable::read")]
    pub evidence: String,
}

/// What is missing before the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapEvent {
    /// How many events at most, blocks not counted; missing if nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
    /// First block that the following events are about.
    pub next: u64,
}

impl Event {
    /// The name of a block event.
    pub const BLOCK: &str = "block";
    /// The name of a dropped transaction's event.
    pub const DROPPED: &str = "dropped";
    /// The name of an evidence event.
    pub const EVIDENCE: &str = "evidence";
    /// The name of a gap event.
    pub const GAP: &str = "gap";

    /// Reads an event; none for a name that this version doesn't know.
    ///
    /// # Errors
    /// If the data is not of the form that the name promises.
    pub fn parse(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match name {
            Self::BLOCK => Self::Block(serde_json::from_str(data)?),
            Self::DROPPED => Self::Dropped(serde_json::from_str(data)?),
            Self::EVIDENCE => Self::Evidence(serde_json::from_str(data)?),
            Self::GAP => Self::Gap(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}
