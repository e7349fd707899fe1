//! Everything that goes into and comes out of the [`Core`](crate::Core).

use std::sync::Arc;
use std::time::Duration;

use blockchat_ledger::{
    AccountId, Block, BlockHeader, Dropped, Hash, PendingAccount, PoolError, PoolLimits, Receipt, SignedTransaction,
    State, VerifiedTransaction,
};
use malachitebft_core_types::{Timeout, TimeoutKind};

use crate::certificate::Certificate;
use crate::message::PeerMessage;
use crate::record::Record;

/// The caller's clocks at the moment of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; since the start of the process.
    pub monotonic: Duration,
    /// Wall clock, milliseconds since the Unix epoch; it may step either way.
    pub wall_ms: u64,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message of another member over its authenticated stream.
    Peer {
        /// Who sent it.
        from: u16,
        /// The message.
        message: PeerMessage,
    },
    /// A stream to a member is up.
    Connected(u16),
    /// The stream to a member is gone.
    Disconnected(u16),
    /// A timer set by [`Action::SetTimer`] has run out.
    Timer(TimerId),
    /// Transactions of a client or of the node's own wallet.
    Submit {
        /// Comes back in [`Action::Submitted`].
        ticket: u64,
        /// The transactions, in order.
        transactions: Vec<Submission>,
    },
    /// The answer to [`Action::Verify`], in the same order; an error is the wire hash of a bad one.
    Verified {
        /// Which job.
        job: u64,
        /// The results.
        results: Vec<Result<VerifiedTransaction, Hash>>,
    },
    /// Asks what an account can spend, counting its pending transactions.
    PendingAccount {
        /// Comes back in [`Action::PendingAccount`].
        ticket: u64,
        /// The account.
        account: AccountId,
    },
}

/// One submitted transaction.
#[derive(Clone, Debug)]
pub enum Submission {
    /// Signed by a client.
    Unverified(SignedTransaction),
    /// Signed by this node's wallet: made durable before it is sent on.
    Own {
        /// The transaction.
        transaction: VerifiedTransaction,
        /// The client's Idempotency-Key, if any.
        key: Option<String>,
    },
}

/// The timers a node uses; setting one replaces a running one of the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerId {
    /// Waiting for a proposal.
    Propose(u32),
    /// Waiting for more prevotes.
    Prevote(u32),
    /// Waiting for more precommits.
    Precommit(u32),
    /// Time to send votes again.
    Rebroadcast(u32),
    /// The oldest pending transaction has waited long enough.
    PoolReady,
    /// Time to tell peers the committed height.
    Status,
    /// Time to ask for a missing block, or to ask another peer.
    Sync,
    /// Time to ask again for the transactions of a candidate.
    Fetch,
    /// A block held back because of its timestamp may be looked at again.
    Held,
    /// A member without its log asks again.
    LostLog,
}

impl TimerId {
    /// The timer of an engine timeout.
    pub fn of(timeout: Timeout) -> Option<Self> {
        let round = timeout.round.as_u32()?;
        Some(match timeout.kind {
            TimeoutKind::Propose => Self::Propose(round),
            TimeoutKind::Prevote => Self::Prevote(round),
            TimeoutKind::Precommit => Self::Precommit(round),
            TimeoutKind::Rebroadcast => Self::Rebroadcast(round),
            TimeoutKind::FinalizeHeight(_) => return None,
        })
    }

    /// The engine timeout of a timer, if it is one of the engine's.
    pub fn timeout(self) -> Option<Timeout> {
        Some(match self {
            Self::Propose(round) => Timeout::propose(round.into()),
            Self::Prevote(round) => Timeout::prevote(round.into()),
            Self::Precommit(round) => Timeout::precommit(round.into()),
            Self::Rebroadcast(round) => Timeout::rebroadcast(round.into()),
            _ => return None,
        })
    }
}

/// What a node wants done. The caller appends all of `log`, syncs it if `sync`, and only then performs `actions` in
/// order. It may collect the outputs of several inputs first: one sync serves them all.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Records to append to the log.
    pub log: Vec<Record>,
    /// Whether the log must be durable before the actions.
    pub sync: bool,
    /// What to do then.
    pub actions: Vec<Action>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send to one member; lost messages are not this caller's concern.
    Send {
        /// To whom.
        to: u16,
        /// What.
        message: PeerMessage,
    },
    /// Send to every other member.
    Broadcast(PeerMessage),
    /// Start a timer.
    SetTimer {
        /// Which.
        id: TimerId,
        /// How long it runs.
        after: Duration,
    },
    /// Stop a timer.
    CancelTimer(TimerId),
    /// Check signatures off the state's task and answer with [`Input::Verified`].
    Verify {
        /// Comes back with the answer.
        job: u64,
        /// What to check.
        transactions: Vec<SignedTransaction>,
    },
    /// Read committed blocks and send them as [`PeerMessage::Blocks`].
    ServeBlocks {
        /// To whom.
        to: u16,
        /// First height.
        from_height: u64,
        /// How many at most.
        max: u32,
    },
    /// A block is final: index it, show it, tell waiting clients.
    Commit(Arc<Committed>),
    /// The answer to [`Input::Submit`], in order.
    Submitted {
        /// The caller's ticket.
        ticket: u64,
        /// The results.
        results: Vec<Result<Admitted, SubmitError>>,
    },
    /// The answer to [`Input::PendingAccount`].
    PendingAccount {
        /// The caller's ticket.
        ticket: u64,
        /// The account.
        account: PendingAccount,
    },
    /// A transaction entered the pool.
    Pooled(VerifiedTransaction),
    /// Transactions left the pool without being committed.
    Dropped(Vec<Dropped>),
    /// Two conflicting messages of one member.
    Evidence(Evidence),
    /// For metrics and logs.
    Event(Event),
}

/// A transaction that is in the pool (or was there already).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its id.
    pub id: Hash,
    /// Whether it had been submitted before.
    pub duplicate: bool,
}

/// Why a submitted transaction is not in the pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The pool refused it.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Its signature is not the sender's.
    #[error("the signature is not the sender's")]
    BadSignature,
    /// The member is behind the others, so that its accounts may be old ones.
    #[error("the node is catching up with the others and can't judge transactions yet")]
    CatchingUp,
}

/// A final block and what it did.
#[derive(Debug)]
pub struct Committed {
    /// The block.
    pub block: Block,
    /// Its certificate.
    pub certificate: Certificate,
    /// One receipt per transaction, in order.
    pub receipts: Vec<Receipt>,
    /// State after the block.
    pub state: State,
    /// Accounts the block changed.
    pub touched: Vec<AccountId>,
}

/// Proof that a member said two things where it may say one.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Evidence {
    /// Who.
    pub member: u16,
    /// At which height.
    pub height: u64,
    /// What.
    pub kind: EvidenceKind,
    /// The two signed messages, borsh-encoded.
    pub first: Vec<u8>,
    /// See `first`.
    pub second: Vec<u8>,
}

/// What was said twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub enum EvidenceKind {
    /// Two votes of one kind in one round.
    Vote,
    /// Two proposals in one round.
    Proposal,
}

/// What metrics and logs are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A height began at this node.
    HeightStarted {
        /// The height.
        height: u64,
    },
    /// A round began.
    RoundStarted {
        /// The height.
        height: u64,
        /// The round.
        round: u32,
        /// Who proposes.
        proposer: u16,
    },
    /// A step's wait ran out.
    RoundTimeout {
        /// `propose`, `prevote` or `precommit`.
        step: &'static str,
        /// The round.
        round: u32,
    },
    /// A proposal was received and judged.
    ProposalReceived {
        /// Who proposed it; who sent it, if it was refused.
        proposer: u16,
        /// The block that was proposed.
        block: Hash,
        /// `accepted`, or why not.
        result: &'static str,
    },
    /// A vote was received.
    VoteReceived {
        /// `prevote` or `precommit`.
        kind: &'static str,
        /// `accepted` (for the height in progress, its signature unchecked), `stale` or `early`.
        result: &'static str,
    },
    /// The node runs without voting because its log is lost.
    Muted {
        /// Why.
        reason: String,
    },
    /// The node will vote again.
    Unmuted {
        /// From this height on.
        from: u64,
    },
    /// A peer sent something that a correct one wouldn't.
    Misbehaviour {
        /// Who.
        member: u16,
        /// What.
        what: &'static str,
    },
}

/// A snapshot for readers.
#[derive(Clone, Debug)]
pub struct View {
    /// Committed height.
    pub height: u64,
    /// Header of the last block.
    pub tip: BlockHeader,
    /// State after it.
    pub state: State,
    /// Round in progress, none while the chain is idle.
    pub round: Option<u32>,
    /// Whether this node may vote.
    pub voting: bool,
    /// Whether it has had what the others had committed when it started: until then its account may be an old one.
    pub caught_up: bool,
    /// Whether it is fetching blocks.
    pub syncing: bool,
    /// Pending transactions.
    pub pool_transactions: usize,
    /// Their size in bytes.
    pub pool_bytes: usize,
    /// How many the pool takes, and of which size.
    pub pool_limits: PoolLimits,
    /// Committed height of each member as last heard, by id; none: never heard.
    pub peer_heights: Vec<Option<u64>>,
    /// Members connected, this one not counted.
    pub connected: usize,
    /// How many blocks it lacks, as more of the connected members say than may lie.
    pub blocks_behind: u64,
}
