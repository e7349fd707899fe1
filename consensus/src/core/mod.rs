//! One member of the network: the state, and what each input does to it.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | what the member holds; which part takes which input |
//! | `boot.rs` | how it starts from store and log |
//! | `heights.rs` | when a height starts, what the engine's outputs mean, what a commit does |
//! | `proposals.rs` | minting, judging proposals, votes |
//! | `transactions.rs` | submissions, gossip, signature checks, grants |
//! | `sync.rs` | catching up |
//! | `lost_log.rs` | getting the vote back after the log was lost |

mod boot;
mod heights;
mod lost_log;
mod proposals;
mod sync;
mod transactions;

#[cfg(test)]
mod member_tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use blockchat_ledger::{BlockHeader, Hash, Mempool, PublicKey, Ring, State, TransactionSigner};

use crate::candidates::Candidates;
use crate::certificate::Certificate;
use crate::config::Timing;
use crate::context::SignedVote;
use crate::engine::{Engine, EngineError};
use crate::io::{Action, Event, Input, Now, Outputs, TimerId, View};
use crate::message::PeerMessage;
use crate::record::Entry;

use lost_log::{Mute, Release};
use sync::Sync;
use transactions::Job;

/// Why a member must stop. Nothing it was about to do may be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// The engine refused to go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Store, log and configuration don't fit together.
    #[error("recovery failed: {0}")]
    Recovery(String),
    /// More than f members lie, or this node has a bug: a certified block is not valid here.
    #[error("block {height} has a commit certificate but is not valid here: {reason}")]
    CertifiedButInvalid {
        /// Its height.
        height: u64,
        /// Why it isn't valid.
        reason: String,
    },
    /// The engine decided a block that was never judged here; it must not.
    #[error("block {0} was decided without its body")]
    DecidedWithoutBody(u64),
}

/// Where a member is between two commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Started, but not enough peers have said what they know of this member's votes.
    Booting,
    /// The last height is over and there is nothing to agree on.
    Idle,
    /// The engine works on the next height.
    Running,
}

/// What this member knows of another one.
#[derive(Clone, Debug, Default)]
struct Peer {
    connected: bool,
    /// Its committed height as last heard.
    height: Option<u64>,
    /// It has said hello since this member started.
    greeted: bool,
    /// Its latest vote that was seen here, to be told to it when it connects again.
    latest_vote: Option<SignedVote>,
    /// When it was last told that it is behind.
    told: Option<Duration>,
    /// Signature checks under way for it.
    jobs: usize,
    /// When and up to which height blocks are minted for it because it lost its log.
    release: Option<Release>,
}

/// One member of the network, without I/O.
pub struct Core {
    me: u16,
    my_key: PublicKey,
    ring: Arc<Ring>,
    timing: Timing,
    grants_signer: Option<Arc<dyn TransactionSigner>>,
    engine: Engine,
    phase: Phase,
    now: Now,

    tip: BlockHeader,
    tip_hash: Hash,
    state: State,
    /// The order in which the lottery draws the members at the next height.
    draw_order: Vec<u16>,
    tip_certificate: Option<Certificate>,

    pool: Mempool,
    candidates: Candidates,
    /// Round for which the engine asked for a block that could not be minted yet.
    wanted: Option<u32>,
    peers: Vec<Peer>,
    /// Messages of agreement for the next height while it has not begun, and for the one after it.
    early: Vec<(u16, PeerMessage)>,
    /// Fresh proposals from the future, until this member's clock has caught up.
    held: Vec<(u16, PeerMessage)>,
    /// A valid fresh proposal for the next height has come.
    proposal_came: bool,
    /// Log entries of the height in progress, until the member may replay them.
    replay: Vec<(u64, Entry)>,
    /// Encoded blocks that the log holds beside them: they may be of a height that has to be fetched first.
    bodies: Vec<Vec<u8>>,

    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    /// Wire hashes whose signatures are being checked.
    verifying: HashSet<Hash>,
    timers: BTreeSet<TimerId>,
    pool_timer: Option<Duration>,
    status_at: Duration,
    /// When pending transactions may be told to everybody again, under the strict rule.
    tell_all_at: Duration,
    sync: Sync,
    /// What the others had committed when this member began; none before.
    catch_up_to: Option<u64>,
    caught_up: bool,
    mute: Mute,
    /// The operator's word: no sign of a lost log counts.
    accept_lost_log: bool,
    nonce_seed: [u8; 32],
}

impl Core {
    /// Takes one input; what is to be done about it is appended to `out`.
    ///
    /// # Errors
    /// The member must stop, without performing what `out` holds.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outputs) -> Result<(), CoreError> {
        self.now = now;
        match input {
            Input::Peer { from, message } => self.on_message(from, message, out)?,
            Input::Connected(peer) => self.on_connected(peer, out),
            Input::Disconnected(peer) => self.on_disconnected(peer, out),
            Input::Timer(timer) => self.on_timer(timer, out)?,
            Input::Submit { ticket, transactions } => self.on_submit(ticket, transactions, out),
            Input::Verified { job, results } => self.on_verified(job, results, out)?,
            Input::PendingAccount { ticket, account } => {
                let account = self.pool.pending_account(&self.state, &account);
                out.actions.push(Action::PendingAccount { ticket, account });
            }
        }
        self.advance(out)
    }

    /// A snapshot for readers.
    pub fn view(&self) -> View {
        let blocks_behind = self.blocks_behind();
        View {
            height: self.tip.index,
            tip: self.tip.clone(),
            state: self.state.clone(),
            round: match self.phase {
                Phase::Running => self.engine.round(),
                Phase::Booting | Phase::Idle => None,
            },
            voting: self.phase != Phase::Booting && self.may_vote(),
            caught_up: self.caught_up,
            syncing: sync::lags(blocks_behind),
            pool_transactions: self.pool.len(),
            pool_bytes: self.pool.bytes(),
            pool_limits: self.pool.limits(),
            peer_heights: self.peers.iter().map(|peer| peer.height).collect(),
            connected: self.connected().count(),
            blocks_behind,
        }
    }

    /// The height to be agreed on next.
    fn next_height(&self) -> u64 {
        self.tip.index.saturating_add(1)
    }

    fn connected(&self) -> impl Iterator<Item = u16> {
        (0u16..).zip(&self.peers).filter(|(_, peer)| peer.connected).map(|(id, _)| id)
    }

    fn peer(&mut self, id: u16) -> Option<&mut Peer> {
        if id == self.me {
            return None;
        }
        self.peers.get_mut(usize::from(id))
    }

    fn on_message(&mut self, from: u16, message: PeerMessage, out: &mut Outputs) -> Result<(), CoreError> {
        if self.peer(from).is_none() {
            return Ok(());
        }
        match message {
            PeerMessage::Hello { height, your_latest_vote, answer } => {
                self.on_hello(from, height, your_latest_vote, out);
                if answer {
                    self.say_hello(from, out);
                }
            }
            PeerMessage::Status { height } => self.note_height(from, height),
            PeerMessage::Proposal(_) | PeerMessage::Vote(_) | PeerMessage::Polka(_) | PeerMessage::Round(_) => {
                self.on_agreement(from, message, out)?;
            }
            PeerMessage::Transactions(transactions) => {
                self.on_transactions(from, transactions, out);
            }
            PeerMessage::Have(hashes) => self.on_have(from, &hashes, out),
            PeerMessage::GetTransactions(hashes) => {
                self.on_get_transactions(from, &hashes, out);
            }
            PeerMessage::GetBlocks { from_height, max } => {
                out.actions.push(Action::ServeBlocks {
                    to: from,
                    from_height,
                    max: max.min(crate::message::MAX_BLOCKS),
                });
            }
            PeerMessage::Blocks(blocks) => self.on_blocks(from, blocks, out),
            PeerMessage::LostLog { nonce, until } => self.on_lost_log(from, nonce, until, out),
            PeerMessage::LostLogAnswer(answer) => self.on_lost_log_answer(from, &answer, out),
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: TimerId, out: &mut Outputs) -> Result<(), CoreError> {
        match timer {
            TimerId::Propose(_) | TimerId::Prevote(_) | TimerId::Precommit(_) | TimerId::Rebroadcast(_) => {
                self.on_engine_timer(timer, out)?;
            }
            TimerId::PoolReady => {
                self.pool_timer = None;
                let dropped = self.pool.expire_held(self.now_ms());
                Self::drop_transactions(dropped, out);
            }
            TimerId::Status => self.tell_status(out),
            TimerId::Sync => self.on_sync_timer(),
            TimerId::Fetch => self.fetch_missing(out),
            TimerId::Held => self.retry_held(out)?,
            TimerId::LostLog => self.ask_lost_log(out),
        }
        Ok(())
    }

    fn on_connected(&mut self, id: u16, out: &mut Outputs) {
        if let Some(peer) = self.peer(id) {
            peer.connected = true;
            self.say_hello(id, out);
            self.ask_lost_log(out);
        }
    }

    fn say_hello(&mut self, to: u16, out: &mut Outputs) {
        let height = self.tip.index;
        let Some(peer) = self.peer(to) else { return };
        let message = PeerMessage::Hello { height, your_latest_vote: peer.latest_vote.clone(), answer: !peer.greeted };
        out.actions.push(Action::Send { to, message });
    }

    fn on_disconnected(&mut self, id: u16, _out: &mut Outputs) {
        if let Some(peer) = self.peer(id) {
            peer.connected = false;
        }
        self.sync.forget_peer(id);
    }

    fn has_greeted(&self, id: u16) -> bool {
        self.peers.get(usize::from(id)).is_some_and(|peer| peer.greeted)
    }

    /// A member is known to have committed `height`.
    fn note_height(&mut self, from: u16, height: u64) {
        if let Some(peer) = self.peer(from) {
            peer.height = Some(peer.height.unwrap_or(0).max(height));
        }
    }

    /// Milliseconds of the monotonic clock, for the pool's waits.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.now.monotonic.as_millis()).unwrap_or(u64::MAX)
    }

    fn misbehaviour(member: u16, what: &'static str, out: &mut Outputs) {
        out.actions.push(Action::Event(Event::Misbehaviour { member, what }));
    }

    /// What became possible: start, mint, fetch, ask for blocks.
    fn advance(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        self.try_boot(out)?;
        self.note_caught_up();
        self.try_start(out)?;
        self.try_mint(out)?;
        self.arm_pool_timer(out);
        self.try_sync(out);
        Ok(())
    }

    fn tell_status(&mut self, out: &mut Outputs) {
        let silent: Vec<u16> = self.connected().filter(|id| !self.has_greeted(*id)).collect();
        for id in silent {
            self.say_hello(id, out);
        }
        out.actions.push(Action::Broadcast(PeerMessage::Status { height: self.tip.index }));
        // Under the strict rule nothing happens until one member has a full block, so gossip that got lost must be made
        // up for without a round.
        if self.timing.max_block_wait.is_zero() && self.phase == Phase::Idle && self.now.monotonic >= self.tell_all_at {
            self.tell_all_at = self.now.monotonic + self.timing.status;
            self.tell_pending(None, out);
        }
        self.status_at = self.now.monotonic + self.timing.status;
        out.actions.push(Action::SetTimer { id: TimerId::Status, after: self.timing.status });
    }
}
