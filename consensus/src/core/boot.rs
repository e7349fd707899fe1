//! How a member starts: apply the commits that the store has not seen, hear what peers remember of its votes, then
//! replay the height in progress.

use std::collections::HashMap;

use blockchat_ledger::{Block, Hash, Mempool, UnverifiedBlock, lottery, validate_block};
use ed25519_dalek::VerifyingKey;

use super::lost_log::Mute;
use super::sync::Sync;
use super::{Core, CoreError, Peer, Phase};
use crate::candidates::Candidates;
use crate::certificate::Certificate;
use crate::config::{CoreConfig, LogStatus, Recovered};
use crate::context::{SignedVote, ValidatorSet, Vote};
use crate::engine::Engine;
use crate::io::{Now, Outputs};
use crate::record::{Entry, Record};

impl Core {
    /// Puts a member together from its identity and what store and log gave back.
    ///
    /// # Errors
    /// If these don't fit together, or the ring has no such member.
    pub fn new(config: CoreConfig, recovered: Recovered, now: Now, out: &mut Outputs) -> Result<Self, CoreError> {
        let ring = config.ring;
        let member = ring
            .member(config.me)
            .ok_or_else(|| CoreError::Recovery(format!("the ring has no member {}", config.me)))?;
        let keys: Result<Vec<VerifyingKey>, _> =
            ring.members().iter().map(|member| VerifyingKey::from_bytes(&member.consensus_key)).collect();
        let keys = keys.map_err(|error| CoreError::Recovery(error.to_string()))?;
        let members = ValidatorSet::new(keys);
        #[cfg(test)]
        let members = match config.planted_quorum {
            Some(quorum) => members.with_quorum(quorum),
            None => members,
        };
        let height = recovered.tip.index.saturating_add(1);
        let mut core = Self {
            me: config.me,
            my_key: member.wallet.clone(),
            timing: config.timing,
            grants_signer: config.grants_signer,
            engine: Engine::new(config.me, config.consensus_key, ring.chain_id(), members, height),
            phase: Phase::Booting,
            now,
            tip_hash: recovered.tip.hash(),
            draw_order: lottery::draw_order(&recovered.tip.hash(), &recovered.state.stakes(&ring)),
            tip: recovered.tip,
            state: recovered.state,
            tip_certificate: recovered.tip_certificate,
            pool: Mempool::new(config.pool),
            candidates: Candidates::default(),
            wanted: None,
            peers: vec![Peer::default(); ring.members().len()],
            early: Vec::new(),
            held: Vec::new(),
            proposal_came: false,
            replay: Vec::new(),
            bodies: Vec::new(),
            jobs: std::collections::BTreeMap::new(),
            next_job: 0,
            verifying: std::collections::HashSet::new(),
            timers: std::collections::BTreeSet::new(),
            pool_timer: None,
            status_at: now.monotonic,
            tell_all_at: now.monotonic,
            sync: Sync::default(),
            catch_up_to: None,
            caught_up: false,
            mute: Mute::No,
            accept_lost_log: config.accept_lost_log,
            nonce_seed: config.nonce_seed,
            ring,
        };
        core.check_tip()?;
        core.read_log(recovered.records, out)?;
        core.judge_log(&recovered.log, out);
        core.tell_status(out);
        core.derive_grants(out);
        core.advance(out)?;
        Ok(core)
    }

    fn check_tip(&self) -> Result<(), CoreError> {
        if self.tip.state_root == self.state.root() {
            return Ok(());
        }
        Err(CoreError::Recovery(format!(
            "the accounts in the store don't have the state root of block {}",
            self.tip.index
        )))
    }

    /// Applies commits above the store's tip and keeps what belongs to the height after them.
    fn read_log(&mut self, records: Vec<Record>, out: &mut Outputs) -> Result<(), CoreError> {
        let mut bodies: HashMap<Hash, Vec<u8>> = HashMap::new();
        let mut certificates: Vec<Certificate> = Vec::new();
        for record in records {
            match record {
                Record::Body { height, block } if height > self.tip.index => {
                    let block_hash =
                        UnverifiedBlock::decode(&block).map_err(|error| CoreError::Recovery(error.to_string()))?.hash();
                    bodies.insert(block_hash, block);
                }
                Record::Consensus { height, entry } if height > self.tip.index => {
                    self.remember_votes(&entry);
                    self.replay.push((height, entry));
                }
                Record::Commit(certificate) => certificates.push(certificate),
                Record::Muted { from, .. } => self.mute = Mute::recovered(from),
                Record::Body { .. } | Record::Consensus { .. } | Record::Wallet { .. } => {}
            }
        }
        for certificate in certificates {
            if certificate.height != self.next_height() {
                continue;
            }
            let encoded = bodies.remove(&certificate.block).ok_or_else(|| {
                CoreError::Recovery(format!("the log commits block {} without its body", certificate.height))
            })?;
            let block = read_block(&encoded)?;
            self.commit_certified(block, certificate, false, out)?;
        }
        let tip = self.tip.index;
        self.replay.retain(|(height, _)| *height > tip);
        self.bodies = bodies.into_values().collect();
        Ok(())
    }

    /// Bodies in the log were complete and valid when they were written.
    fn recover_candidates(&mut self) -> Result<(), CoreError> {
        for encoded in std::mem::take(&mut self.bodies) {
            self.recover_candidate(&encoded)?;
        }
        Ok(())
    }

    fn recover_candidate(&mut self, encoded: &[u8]) -> Result<(), CoreError> {
        let block = read_block(encoded)?;
        if block.header.index != self.next_height() {
            return Ok(());
        }
        // A body of the next height may also belong to a chain this node left behind; then it is not valid here.
        if let Ok(execution) = validate_block(&self.ring, &self.tip, &self.state, &block) {
            self.candidates.insert_valid(block.hash(), block, execution);
        }
        Ok(())
    }

    fn remember_votes(&mut self, entry: &Entry) {
        if let Entry::Vote(vote) = entry {
            self.note_vote(vote);
        }
    }

    /// Keeps the latest vote of each member.
    pub(super) fn note_vote(&mut self, vote: &SignedVote) {
        if let Some(peer) = self.peer(vote.message.voter.0)
            && peer.latest_vote.as_ref().is_none_or(|known| vote_order(known) < vote_order(vote))
        {
            peer.latest_vote = Some(vote.clone());
        }
    }

    fn judge_log(&mut self, log: &LogStatus, out: &mut Outputs) {
        if self.accept_lost_log {
            self.accept_mute(out);
            return;
        }
        if let LogStatus::Lost { reason } = log {
            self.lose_log(reason.clone(), out);
        } else if self.mute != Mute::No {
            self.resume_mute(out);
        }
    }

    /// Peers say hello with the latest vote of this member that they hold. One that this member's log lacks means that
    /// the log is not the one it voted with (an old snapshot of the volume, say).
    pub(super) fn on_hello(&mut self, from: u16, height: u64, my_latest_vote: Option<SignedVote>, out: &mut Outputs) {
        self.note_height(from, height);
        if let Some(peer) = self.peer(from) {
            peer.greeted = true;
        }
        if let Some(vote) = my_latest_vote
            && self.is_my_forgotten_vote(&vote)
        {
            self.lose_log(
                format!(
                    "member {from} holds a vote of this node at height {}, round {}, that the log lacks",
                    vote.message.height, vote.message.round
                ),
                out,
            );
        }
    }

    fn is_my_forgotten_vote(&self, vote: &SignedVote) -> bool {
        let message = &vote.message;
        if message.voter.0 != self.me || self.mute != Mute::No || self.accept_lost_log {
            return false;
        }
        let Some(key) = self.engine.members().key(message.voter) else {
            return false;
        };
        if !self.engine.verifier.vote(message, &vote.signature, key) {
            return false;
        }
        let next = self.next_height();
        if message.height.0 != next {
            return message.height.0 > next;
        }
        !self.knows_own_vote(message)
    }

    /// Whether a vote of this node for the height in progress is in its log or was said since the start.
    fn knows_own_vote(&self, vote: &Vote) -> bool {
        let in_log = self.replay.iter().any(|entry| matches!(entry, (_, Entry::Vote(known)) if known.message == *vote));
        in_log || self.engine.has_said(vote)
    }

    /// A certificate of the next height with a precommit of this node that its log lacks says the same as a peer's hello:
    /// it is what is left of its votes when all members were started anew.
    pub(super) fn judge_log_by(&mut self, certificate: &Certificate, out: &mut Outputs) {
        let signed = certificate.signatures.iter().any(|entry| entry.member == self.me);
        if !signed || self.mute != Mute::No || self.accept_lost_log {
            return;
        }
        let vote = certificate.precommit(self.me);
        if !self.knows_own_vote(&vote) {
            let height = certificate.height;
            self.lose_log(format!("block {height} is certified with a vote of this node that the log lacks"), out);
        }
    }

    /// Begins once a quorum, this member counted, has said hello: without one nothing could be decided anyway.
    pub(super) fn try_boot(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        if self.phase != Phase::Booting {
            return Ok(());
        }
        let greeted = self.peers.iter().filter(|peer| peer.greeted).count();
        if greeted + 1 < self.engine.members().quorum() {
            return Ok(());
        }
        let next = self.next_height();
        if self.replay.iter().any(|(height, _)| *height > next) {
            // The store lost what the log goes beyond: sync first.
            return Ok(());
        }
        self.phase = Phase::Idle;
        self.recover_candidates()?;
        let entries: Vec<Entry> = std::mem::take(&mut self.replay)
            .into_iter()
            .filter(|(height, _)| *height == next)
            .map(|(_, entry)| entry)
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.replay_height(entries, out)
    }
}

fn read_block(encoded: &[u8]) -> Result<Block, CoreError> {
    UnverifiedBlock::decode(encoded)
        .map_err(|error| CoreError::Recovery(error.to_string()))?
        .verify()
        .map_err(|error| CoreError::Recovery(error.to_string()))
}

fn vote_order(vote: &SignedVote) -> (u64, i64, u8) {
    let kind = match vote.message.kind {
        malachitebft_core_types::VoteType::Prevote => 0,
        malachitebft_core_types::VoteType::Precommit => 1,
    };
    (vote.message.height.0, vote.message.round.as_i64(), kind)
}
