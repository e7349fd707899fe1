//! What must be durable before a node speaks: the records of the append-only log.
//!
//! The log spans heights. A block's body comes before anything that depends on it, the engine's inputs come in the
//! order in which they were applied, and a commit comes after its body. Replaying the records from the store's tip on
//! therefore puts the node where it was, and everything it ever sent is among them.

use blockchat_ledger::SignedTransaction;
use borsh::{BorshDeserialize, BorshSerialize};
use malachitebft_core_consensus::{Input, ProposedValue};
use malachitebft_core_types::{PolkaCertificate, Round, Timeout, TimeoutKind, Validity, ValueOrigin};

use crate::certificate::Certificate;
use crate::context::{BlockChat, BlockId, Height, MemberId, SignedProposal, SignedVote};

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// A complete, checked block that may be voted for.
    Body {
        /// Its height.
        height: u64,
        /// The encoded block.
        block: Vec<u8>,
    },
    /// An input that the engine applied at `height`.
    Consensus {
        /// The height.
        height: u64,
        /// The input.
        entry: Entry,
    },
    /// The block whose body came before is final.
    Commit(Certificate),
    /// A transaction that this node's wallet signed.
    Wallet {
        /// Height of the chain when it was signed.
        height: u64,
        /// The client's Idempotency-Key, if it gave one.
        key: Option<String>,
        /// The signed transaction.
        transaction: SignedTransaction,
    },
    /// This node lost its log: it must not vote below `from`, or at all while that is unknown. Repeated at every
    /// commit until it holds no more, so that it outlives the deletion of old segments.
    Muted {
        /// The height in progress when this was written.
        height: u64,
        /// First height at which the node may vote again.
        from: Option<u64>,
    },
}

impl Record {
    /// The height the record belongs to: it may be dropped once the store durably holds that height.
    pub fn height(&self) -> u64 {
        match self {
            Self::Body { height, .. }
            | Self::Consensus { height, .. }
            | Self::Wallet { height, .. }
            | Self::Muted { height, .. } => *height,
            Self::Commit(certificate) => certificate.height,
        }
    }

    /// The record's bytes; framing and checksum are the log's.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        // Writing into a Vec can't fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Reads what [`Record::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are not exactly one record.
    pub fn decode(bytes: &[u8]) -> std::io::Result<Self> {
        borsh::from_slice(bytes)
    }
}

/// The engine inputs that its equivocation guards depend on (see `Effect::WalAppend` of the engine).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Entry {
    /// A vote, own or received.
    Vote(SignedVote),
    /// A proposal, own or received.
    Proposal(SignedProposal),
    /// The verdict on a complete block.
    Value(ValueEntry),
    /// A polka certificate that was received.
    Polka(PolkaCertificate<BlockChat>),
    /// A timeout that elapsed.
    Timeout {
        /// Which step.
        step: TimeoutStep,
        /// In which round.
        round: u32,
    },
}

/// The engine's `ProposedValue`, flat.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ValueEntry {
    height: u64,
    round: Round,
    valid_round: Round,
    proposer: MemberId,
    block: BlockId,
    valid: bool,
}

/// The steps whose timeouts are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum TimeoutStep {
    /// Waiting for a proposal.
    Propose,
    /// Waiting for more prevotes.
    Prevote,
    /// Waiting for more precommits.
    Precommit,
}

impl Entry {
    /// The entry for an engine input, or nothing for inputs that need not survive a crash.
    pub fn from_input(input: &Input<BlockChat>) -> Option<Self> {
        Some(match input {
            Input::Vote(vote) => Self::Vote(vote.clone()),
            Input::Proposal(proposal) => Self::Proposal(proposal.clone()),
            Input::ProposedValue(value, _) => Self::Value(ValueEntry {
                height: value.height.0,
                round: value.round,
                valid_round: value.valid_round,
                proposer: value.proposer,
                block: value.value,
                valid: value.validity.is_valid(),
            }),
            Input::PolkaCertificate(certificate) => Self::Polka(certificate.clone()),
            Input::TimeoutElapsed(timeout) => Self::Timeout {
                step: match timeout.kind {
                    TimeoutKind::Propose => TimeoutStep::Propose,
                    TimeoutKind::Prevote => TimeoutStep::Prevote,
                    TimeoutKind::Precommit => TimeoutStep::Precommit,
                    TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => return None,
                },
                round: timeout.round.as_u32()?,
            },
            _ => return None,
        })
    }

    /// The engine input that the entry recorded.
    pub fn into_input(self) -> Input<BlockChat> {
        match self {
            Self::Vote(vote) => Input::Vote(vote),
            Self::Proposal(proposal) => Input::Proposal(proposal),
            Self::Value(value) => Input::ProposedValue(
                ProposedValue {
                    height: Height(value.height),
                    round: value.round,
                    valid_round: value.valid_round,
                    proposer: value.proposer,
                    value: value.block,
                    validity: Validity::from_bool(value.valid),
                },
                ValueOrigin::Consensus,
            ),
            Self::Polka(certificate) => Input::PolkaCertificate(certificate),
            Self::Timeout { step, round } => {
                let kind = match step {
                    TimeoutStep::Propose => TimeoutKind::Propose,
                    TimeoutStep::Prevote => TimeoutKind::Prevote,
                    TimeoutStep::Precommit => TimeoutKind::Precommit,
                };
                Input::TimeoutElapsed(Timeout::new(Round::new(round), kind))
            }
        }
    }
}
