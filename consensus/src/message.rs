//! What members say to each other over their authenticated streams.
//!
//! Borsh, one leading kind byte, no trailing bytes. Sizes are bounded before anything is allocated or verified:
//! the frame by the transport, list lengths here.

use blockchat_ledger::{BlockHeader, Hash, SignedTransaction};
use borsh::{BorshDeserialize, BorshSerialize};
use malachitebft_core_types::{PolkaCertificate, RoundCertificate, VoteType};

use crate::certificate::Certificate;
use crate::context::{BlockChat, SignedProposal, SignedVote};

/// Largest encoded message, in bytes. A body of transactions is split to stay below it.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// Most hashes in one message.
pub const MAX_HASHES: usize = 65_536;
/// Most blocks in one [`PeerMessage::Blocks`].
pub const MAX_BLOCKS: u32 = 256;

/// A message from one member to another.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PeerMessage {
    /// First message on each connection, repeated until it is answered: where the sender stands, and the latest vote of the *receiver* it holds.
    Hello {
        /// The sender's committed height.
        height: u64,
        /// The receiver's latest vote that the sender has seen; if the receiver's log lacks it, the log is lost.
        your_latest_vote: Option<SignedVote>,
        /// Whether the sender has not heard the receiver's hello yet and asks for it.
        answer: bool,
    },
    /// The sender's committed height: sent after commits and every second.
    Status {
        /// Committed height.
        height: u64,
    },
    /// A proposal with its block's header and the wire hashes of its transactions.
    Proposal(Box<ProposalMessage>),
    /// A prevote or precommit of the sender.
    Vote(SignedVote),
    /// Prevotes of more than two thirds for one block.
    Polka(PolkaCertificate<BlockChat>),
    /// Votes that justify entering a round.
    Round(RoundCertificate<BlockChat>),
    /// New transactions, or ones that were asked for.
    Transactions(Vec<SignedTransaction>),
    /// Wire hashes of transactions that have been pending at the sender for a while.
    Have(Vec<Hash>),
    /// Asks for transactions by wire hash, from the pool or from a candidate block.
    GetTransactions(Vec<Hash>),
    /// Asks for committed blocks.
    GetBlocks {
        /// First height.
        from_height: u64,
        /// How many at most; the answer may hold fewer.
        max: u32,
    },
    /// Committed blocks (encoded) with their certificates, heights ascending without gaps.
    Blocks(Vec<CertifiedBlock>),
    /// A member that lost its log asks how far it may have voted.
    LostLog {
        /// Fresh; each answer is signed over it.
        nonce: [u8; 32],
        /// Once it knows: the height that must be committed before it may vote. The others mint up to there.
        until: Option<u64>,
    },
    /// The answer to [`PeerMessage::LostLog`].
    LostLogAnswer(Box<LostLogAnswer>),
}

/// A signed proposal and what is needed to put its block together.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposalMessage {
    /// The signed consensus message; its value is the hash of `header`.
    pub proposal: SignedProposal,
    /// The block's header.
    pub header: BlockHeader,
    /// Wire hashes of the block's transactions, in order.
    pub transactions: Vec<Hash>,
}

/// A block as stored, with the certificate that makes it final.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CertifiedBlock {
    /// The encoded block.
    pub block: Vec<u8>,
    /// Its certificate.
    pub certificate: Certificate,
}

/// How far a member has got, for one that lost its log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LostLogAnswer {
    /// The nonce of the question.
    pub nonce: [u8; 32],
    /// The answering member's highest commit certificate; none at genesis.
    pub certificate: Option<Certificate>,
    /// Whether the answering member is without its log too: then its answer doesn't count.
    pub lost: bool,
    /// Ed25519 signature of the answering member over all of this, see `lost_log.rs`.
    pub signature: [u8; 64],
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Larger than [`MAX_MESSAGE_BYTES`].
    #[error("a message may have {MAX_MESSAGE_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// Not the encoding of a message.
    #[error("not a peer message: {0}")]
    Malformed(String),
    /// A list that is longer than its bound.
    #[error("{0} entries are too many")]
    TooMany(usize),
}

impl PeerMessage {
    /// What kinds there are, as [`PeerMessage::kind`] names them.
    pub const KINDS: [&str; 13] = [
        "hello",
        "status",
        "proposal",
        "vote",
        "polka",
        "round",
        "transactions",
        "have",
        "get_transactions",
        "get_blocks",
        "blocks",
        "lost_log",
        "lost_log_answer",
    ];

    /// What the sender says about the height in progress, if the message says something: `proposal`, `prevote` or
    /// `precommit`.
    pub fn statement(&self) -> Option<&'static str> {
        match self {
            Self::Proposal(_) => Some("proposal"),
            Self::Vote(vote) => Some(match vote.message.kind {
                VoteType::Prevote => "prevote",
                VoteType::Precommit => "precommit",
            }),
            _ => None,
        }
    }

    /// The encoding that [`PeerMessage::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        // Writing into a Vec can't fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Reads a message; refuses trailing bytes and lists above their bounds.
    ///
    /// # Errors
    /// Says what is wrong; the caller drops the connection.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(MessageError::TooLarge(bytes.len()));
        }
        let message: Self = borsh::from_slice(bytes).map_err(|error| MessageError::Malformed(error.to_string()))?;
        let entries = match &message {
            Self::Have(list) | Self::GetTransactions(list) => list.len(),
            Self::Proposal(proposal) => proposal.transactions.len(),
            Self::Polka(certificate) => certificate.polka_signatures.len(),
            Self::Round(certificate) => certificate.round_signatures.len(),
            _ => 0,
        };
        if entries > MAX_HASHES {
            return Err(MessageError::TooMany(entries));
        }
        Ok(message)
    }

    /// Whether agreement waits for this message: such messages overtake bulk in queues.
    pub fn is_urgent(&self) -> bool {
        !matches!(self, Self::Transactions(_) | Self::Have(_) | Self::Blocks(_) | Self::GetBlocks { .. })
    }

    /// A short name, for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Status { .. } => "status",
            Self::Proposal(_) => "proposal",
            Self::Vote(_) => "vote",
            Self::Polka(_) => "polka",
            Self::Round(_) => "round",
            Self::Transactions(_) => "transactions",
            Self::Have(_) => "have",
            Self::GetTransactions(_) => "get_transactions",
            Self::GetBlocks { .. } => "get_blocks",
            Self::Blocks(_) => "blocks",
            Self::LostLog { .. } => "lost_log",
            Self::LostLogAnswer(_) => "lost_log_answer",
        }
    }
}
