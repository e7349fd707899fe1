//! Catching up: fetch blocks with certificates from a peer that has them, check everything, commit.
//!
//! One request at a time. An answer is taken only from the peer that was asked; certificates are checked before any
//! transaction signature, and nothing is taken on trust.

use std::collections::BTreeSet;
use std::time::Duration;

use blockchat_ledger::{Block, Hash, SignedTransaction, UnverifiedBlock, VerifiedTransaction};

use super::transactions::Job;
use super::{Core, CoreError, Phase};
use crate::certificate::Certificate;
use crate::context::fault_tolerance;
use crate::io::{Action, Outputs, TimerId};
use crate::message::{CertifiedBlock, PeerMessage};

/// Most blocks asked for at a time.
const MAX_BATCH: u32 = 64;
/// A member this far behind doesn't wait whether the missing blocks come by themselves.
const ASK_AT_ONCE: u64 = 3;

/// Where catching up stands.
#[derive(Default)]
pub(super) struct Sync {
    /// The peer that was asked, until it answers or the timer runs out.
    asked: Option<u16>,
    /// Peers that ran out of time. Their answers are still good: each is checked like any other.
    overdue: BTreeSet<u16>,
    /// Blocks asked for at a time: fewer after an answer that took too long, so that a slow link gets anywhere.
    batch: Batch,
    /// Signature checks of an answer are under way.
    verifying: bool,
    /// The grace for blocks that come by themselves has begun, or has passed.
    grace: Grace,
    /// Turns at each request, so that a peer that doesn't answer isn't asked for ever.
    turn: usize,
}

#[derive(Clone, Copy, Debug)]
struct Batch(u32);

impl Default for Batch {
    fn default() -> Self {
        Self(MAX_BATCH)
    }
}

impl Batch {
    fn shrink(&mut self) {
        self.0 = (self.0 / 2).max(1);
    }

    fn grow(&mut self) {
        self.0 = (self.0 * 2).min(MAX_BATCH);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Grace {
    #[default]
    None,
    Running,
    Over,
}

impl Sync {
    pub(super) fn forget_peer(&mut self, peer: u16) {
        if self.asked == Some(peer) {
            self.asked = None;
        }
        self.overdue.remove(&peer);
    }
}

/// Blocks whose transaction signatures are being checked.
pub(super) struct SyncJob {
    blocks: Vec<(UnverifiedBlock, Certificate)>,
    from: u16,
}

/// The block after the tip is on its way to everybody.
pub(super) const fn lags(blocks_behind: u64) -> bool {
    blocks_behind > 1
}

impl Core {
    /// The highest block that some connected peer is known to have.
    fn best_height(&self) -> u64 {
        self.peers.iter().filter(|peer| peer.connected).filter_map(|peer| peer.height).max().unwrap_or(0)
    }

    /// A member that has just started may lack blocks with transactions of its own. It knows its account once it has
    /// what the others had committed when it began.
    pub(super) fn note_caught_up(&mut self) {
        if self.caught_up || self.phase == Phase::Booting {
            return;
        }
        let best = self.best_height();
        let goal = *self.catch_up_to.get_or_insert(best);
        // A member that claimed more than it has is not waited for.
        self.caught_up = self.tip.index >= goal.min(best);
    }

    /// Whether more members than may lie are more than a block ahead.
    pub(super) fn is_behind(&self) -> bool {
        lags(self.blocks_behind())
    }

    /// How far more members than may lie are ahead.
    pub(super) fn blocks_behind(&self) -> u64 {
        let connected = self.peers.iter().filter(|peer| peer.connected);
        let mut heights: Vec<u64> = connected.filter_map(|peer| peer.height).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let believed = heights.get(fault_tolerance(self.peers.len())).copied().unwrap_or(0);
        believed.saturating_sub(self.tip.index)
    }

    /// A member that claims blocks and doesn't send them is not believed until it claims again.
    fn disbelieve(&mut self, id: u16) {
        let tip = self.tip.index;
        if let Some(peer) = self.peer(id) {
            peer.height = Some(tip);
        }
    }

    /// Asks for blocks if somebody has them and they don't come by themselves.
    pub(super) fn try_sync(&mut self, out: &mut Outputs) {
        let lag = self.best_height().saturating_sub(self.tip.index);
        if lag == 0 {
            self.sync.grace = Grace::None;
            return;
        }
        if self.sync.asked.is_some() || self.sync.verifying {
            return;
        }
        let at_once = lag >= ASK_AT_ONCE || self.phase == Phase::Booting;
        match self.sync.grace {
            Grace::Over => {}
            _ if at_once => {}
            Grace::Running => return,
            Grace::None => {
                self.sync.grace = Grace::Running;
                Self::set_sync_timer(self.timing.sync_grace, out);
                return;
            }
        }
        self.request_blocks(out);
    }

    fn set_sync_timer(after: Duration, out: &mut Outputs) {
        out.actions.push(Action::SetTimer { id: TimerId::Sync, after });
    }

    fn request_blocks(&mut self, out: &mut Outputs) {
        let tip = self.tip.index;
        let able: Vec<u16> = self
            .connected()
            .filter(|id| {
                self.peers.get(usize::from(*id)).and_then(|peer| peer.height).is_some_and(|height| height > tip)
            })
            .collect();
        if able.is_empty() {
            return;
        }
        let to = able[self.sync.turn % able.len()];
        self.sync.turn = self.sync.turn.wrapping_add(1);
        self.sync.asked = Some(to);
        out.actions.push(Action::Send {
            to,
            message: PeerMessage::GetBlocks { from_height: self.next_height(), max: self.sync.batch.0 },
        });
        Self::set_sync_timer(self.timing.status, out);
    }

    pub(super) fn on_sync_timer(&mut self) {
        if self.sync.grace == Grace::Running {
            self.sync.grace = Grace::Over;
        }
        // Either the grace is over, or the peer has had its time: it hasn't what it claimed. Ask another.
        if let Some(asked) = self.sync.asked.take() {
            self.disbelieve(asked);
            self.sync.overdue.insert(asked);
            self.sync.batch.shrink();
        }
    }

    pub(super) fn on_blocks(&mut self, from: u16, blocks: Vec<CertifiedBlock>, out: &mut Outputs) {
        if self.sync.asked == Some(from) {
            self.sync.asked = None;
            self.sync.batch.grow();
        } else if !self.sync.overdue.remove(&from) || self.sync.verifying {
            return;
        }
        if blocks.is_empty() {
            self.disbelieve(from);
        }
        if let Some(what) = self.check_blocks(from, blocks, out) {
            Self::misbehaviour(from, what, out);
        }
    }

    /// Keeps the longest prefix that is certified and has its signatures checked; says what is wrong with the rest.
    fn check_blocks(&mut self, from: u16, blocks: Vec<CertifiedBlock>, out: &mut Outputs) -> Option<&'static str> {
        let mut wrong = None;
        let mut good: Vec<(UnverifiedBlock, Certificate)> = Vec::new();
        let mut previous = self.tip_hash;
        let mut next = self.next_height();
        for certified in blocks {
            if certified.certificate.height < next {
                // Committed here while the answer was on its way.
                continue;
            }
            match self.check_block(&certified, next, previous) {
                Ok(block) => {
                    previous = certified.certificate.block;
                    next = next.saturating_add(1);
                    good.push((block, certified.certificate));
                }
                Err(what) => {
                    wrong = Some(what);
                    break;
                }
            }
        }
        if !good.is_empty() {
            let unknown: Vec<SignedTransaction> = good
                .iter()
                .flat_map(|(block, _)| &block.transactions)
                .filter(|transaction| !self.is_known(&transaction.wire_hash()))
                .cloned()
                .collect();
            self.sync.verifying = true;
            let job = Job::Sync(SyncJob { blocks: good, from });
            self.verify(job, unknown, out);
        }
        wrong
    }

    fn is_known(&self, hash: &Hash) -> bool {
        self.known(hash).is_some()
    }

    fn known(&self, hash: &Hash) -> Option<&VerifiedTransaction> {
        self.pool.get(hash).or_else(|| self.candidates.transaction(hash))
    }

    fn check_block(
        &self,
        certified: &CertifiedBlock,
        height: u64,
        previous: Hash,
    ) -> Result<UnverifiedBlock, &'static str> {
        let block = UnverifiedBlock::decode(&certified.block).map_err(|_| "malformed_block_in_sync")?;
        let certificate = &certified.certificate;
        if block.header.index != height
            || certificate.height != height
            || certificate.block != block.hash()
            || block.header.previous_hash != previous
            || block.header.round > certificate.round
        {
            return Err("blocks_that_do_not_follow");
        }
        certificate.verify(self.engine.members(), &self.engine.verifier).map_err(|_| "bad_certificate")?;
        Ok(block)
    }

    /// Commits fetched blocks whose signatures have been checked, up to the first bad one.
    pub(super) fn on_sync_verified(
        &mut self,
        job: SyncJob,
        results: Vec<Result<VerifiedTransaction, Hash>>,
        out: &mut Outputs,
    ) -> Result<(), CoreError> {
        self.sync.verifying = false;
        self.sync.grace = Grace::None;
        let mut verified = std::collections::HashMap::new();
        let mut bad = false;
        for result in results {
            match result {
                Ok(transaction) => {
                    verified.insert(transaction.wire_hash(), transaction);
                }
                Err(_) => bad = true,
            }
        }
        if bad {
            Self::misbehaviour(job.from, "block_with_bad_signature", out);
        }
        for (block, certificate) in job.blocks {
            if certificate.height != self.next_height() {
                continue;
            }
            let transactions: Option<Vec<VerifiedTransaction>> = block
                .transactions
                .iter()
                .map(|transaction| {
                    let hash = transaction.wire_hash();
                    verified.get(&hash).or_else(|| self.known(&hash)).cloned()
                })
                .collect();
            // What was pending when the check began may have left the pool; the block is fetched again then.
            let Some(transactions) = transactions else {
                break;
            };
            let block = Block { header: block.header, transactions };
            self.judge_log_by(&certificate, out);
            self.commit_certified(block, certificate, true, out)?;
        }
        Ok(())
    }
}
