//! What a [`Core`](crate::Core) is told once: who it is, whom it knows, and its local waits.

use std::sync::Arc;
use std::time::Duration;

use blockchat_ledger::{BlockHeader, PoolLimits, Ring, State, TransactionSigner};
use ed25519_dalek::SigningKey;
use malachitebft_core_types::{Timeout, TimeoutKind};

use crate::certificate::Certificate;
use crate::record::Record;

/// Identity and settings of one member.
pub struct CoreConfig {
    /// This member's id.
    pub me: u16,
    /// The founded network.
    pub ring: Arc<Ring>,
    /// Signs votes and proposals.
    pub consensus_key: SigningKey,
    /// Signs the grants; only the bootstrap node has it.
    pub grants_signer: Option<Arc<dyn TransactionSigner>>,
    /// Local waits. They affect liveness and latency, never validity.
    pub timing: Timing,
    /// Bounds of the mempool.
    pub pool: PoolLimits,
    /// The operator's word that a lost log may be ignored.
    pub accept_lost_log: bool,
    /// Unpredictable bytes, for the nonces of questions to peers.
    pub nonce_seed: [u8; 32],
    /// A wrong number of votes to decide, planted by the simulation.
    #[cfg(test)]
    pub(crate) planted_quorum: Option<usize>,
}

/// What the store and the log gave back.
pub struct Recovered {
    /// Header of the store's last block.
    pub tip: BlockHeader,
    /// State after that block.
    pub state: State,
    /// Certificate of that block; none at genesis.
    pub tip_certificate: Option<Certificate>,
    /// All records of the log, in order.
    pub records: Vec<Record>,
    /// Whether the log can be trusted to hold everything this node ever said.
    pub log: LogStatus,
}

/// The condition of the log at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogStatus {
    /// First start of a member that has never voted.
    New,
    /// Nothing synced is missing.
    Intact,
    /// Missing, replaced or damaged: the node may have said things it no longer knows.
    Lost {
        /// For the operator.
        reason: String,
    },
}

/// Local waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long the oldest pending transaction waits for a full block; zero: for ever.
    pub max_block_wait: Duration,
    /// Wait for a proposal in round 0, besides [`Timing::propose_per_transaction`].
    pub propose: Duration,
    /// Added to the wait for a proposal for each transaction of a full block.
    pub propose_per_transaction: Duration,
    /// Wait for more votes in round 0, once two thirds have voted.
    pub vote: Duration,
    /// What each further round adds to the waits.
    pub round_delta: Duration,
    /// Unanswered votes are sent again after this.
    pub rebroadcast: Duration,
    /// Committed heights are told at least this often, and this is how long an answer of a peer may take.
    pub status: Duration,
    /// A member behind by one block asks for it after this, a further one at once.
    pub sync_grace: Duration,
    /// A fresh block further ahead of this member's clock is held back until its time has come.
    pub max_clock_drift: Duration,
    /// How often one member may make the others mint empty blocks because it lost its log.
    pub release_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            max_block_wait: Duration::from_millis(500),
            propose: Duration::from_millis(250),
            propose_per_transaction: Duration::from_micros(60),
            vote: Duration::from_millis(40),
            round_delta: Duration::from_millis(100),
            rebroadcast: Duration::from_millis(400),
            status: Duration::from_secs(1),
            sync_grace: Duration::from_millis(60),
            max_clock_drift: Duration::from_secs(10),
            release_interval: Duration::from_secs(10),
        }
    }
}

impl Timing {
    /// The duration of one of the engine's timeouts in a network whose blocks hold `capacity` transactions.
    pub fn timeout(&self, timeout: Timeout, capacity: u32) -> Duration {
        let round = timeout.round.as_u32().unwrap_or(0).min(100);
        let grown = |base: Duration, delta: Duration| base.saturating_add(delta * round);
        match timeout.kind {
            TimeoutKind::Propose => grown(self.propose + self.propose_per_transaction * capacity, self.round_delta),
            TimeoutKind::Prevote | TimeoutKind::Precommit => grown(self.vote, self.round_delta / 2),
            TimeoutKind::Rebroadcast => self.rebroadcast,
            TimeoutKind::FinalizeHeight(wait) => wait,
        }
    }
}
