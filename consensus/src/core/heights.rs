//! When a height starts, what the engine's outputs mean, and what a commit does.
//!
//! An idle chain is silent: after a commit the engine is left alone until there is something to agree on.

use std::sync::Arc;
use std::time::Duration;

use blockchat_ledger::{Block, Execution, Kind, lottery, validate_block};
use malachitebft_core_consensus::Input as EngineInput;
use malachitebft_core_types::{Timeout, TimeoutKind};

use super::{Core, CoreError, Phase};
use crate::candidates::Verdict;
use crate::certificate::Certificate;
use crate::context::{BlockChat, fault_tolerance};
use crate::engine::{EngineOutput, Published};
use crate::io::{Action, Committed, Event, Outputs, TimerId};
use crate::message::{PeerMessage, ProposalMessage};
use crate::record::{Entry, Record};

/// Peers hear of new blocks this soon, whatever the rate of blocks.
const STATUS_AFTER_COMMIT: Duration = Duration::from_millis(20);

impl Core {
    /// Starts the next height if there is a reason to.
    pub(super) fn try_start(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        // Committing may give a new reason at once, so look again until the chain is idle or at work.
        while self.phase == Phase::Idle && self.has_reason_to_start() {
            self.start_height(out)?;
        }
        Ok(())
    }

    fn has_reason_to_start(&self) -> bool {
        self.proposal_came
            || self.must_release()
            || (self.may_vote() && self.pool_is_ready())
            || self.early_members() > fault_tolerance(self.engine.members().len())
    }

    /// How many members have begun the next height already.
    fn early_members(&self) -> usize {
        let next = self.next_height();
        let mut members: Vec<u16> = self
            .early
            .iter()
            .filter(|(_, message)| agreement_height(message) == Some(next))
            .map(|(from, _)| *from)
            .collect();
        members.sort_unstable();
        members.dedup();
        members.len()
    }

    /// A full block is pending, or the oldest transaction has waited long enough, or one that never waits.
    pub(super) fn pool_is_ready(&self) -> bool {
        if self.pool.is_empty() {
            return false;
        }
        self.pool_is_full_or_urgent() || self.pool_wait().is_some_and(|wait| wait.is_zero())
    }

    /// The assignment's strict rule: full blocks only, grants and stakes excepted.
    pub(super) fn pool_is_full_or_urgent(&self) -> bool {
        let capacity = self.ring.parameters().capacity as usize;
        if self.pool.len() >= capacity {
            return true;
        }
        let strict = self.timing.max_block_wait.is_zero();
        self.pool.candidates().any(|transaction| {
            let kind = transaction.transaction().kind;
            kind == Kind::Grant || (strict && kind == Kind::Stake)
        })
    }

    /// How much longer the oldest pending transaction waits for a full block; none: for ever, or nothing is pending.
    fn pool_wait(&self) -> Option<Duration> {
        if self.timing.max_block_wait.is_zero() {
            return None;
        }
        let oldest = Duration::from_millis(self.pool.oldest_arrival_ms()?);
        let ready = oldest.saturating_add(self.timing.max_block_wait);
        Some(ready.saturating_sub(Duration::from_millis(self.now_ms())))
    }

    /// Wakes the chain when the oldest pending transaction has waited long enough.
    pub(super) fn arm_pool_timer(&mut self, out: &mut Outputs) {
        if self.phase != Phase::Idle {
            return;
        }
        let Some(wait) = self.pool_wait() else { return };
        let at = self.now.monotonic + wait;
        // A timer that fires early only sets itself again.
        if self.pool_timer.is_some_and(|armed| armed <= at) {
            return;
        }
        self.pool_timer = Some(at);
        out.actions.push(Action::SetTimer { id: TimerId::PoolReady, after: wait.max(Duration::from_millis(1)) });
    }

    fn start_height(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        self.begin(out);
        let mut outputs = Vec::new();
        let order = self.draw_order.clone();
        self.engine.start_height(self.next_height(), order, &mut outputs)?;
        self.perform(outputs, out)?;
        self.feed_early(out)
    }

    /// Like [`Core::start_height`], from what the log holds of the height.
    pub(super) fn replay_height(&mut self, entries: Vec<Entry>, out: &mut Outputs) -> Result<(), CoreError> {
        self.begin(out);
        let mut outputs = Vec::new();
        let order = self.draw_order.clone();
        self.engine.replay_height(self.next_height(), order, entries, &mut outputs)?;
        self.perform(outputs, out)?;
        // A round in which this node has proposed needs no second block.
        if self.wanted.is_some_and(|round| self.engine.has_proposed(round)) {
            self.wanted = None;
        }
        self.feed_early(out)
    }

    fn begin(&mut self, out: &mut Outputs) {
        self.phase = Phase::Running;
        self.proposal_came = false;
        self.engine.set_voting(self.may_vote());
        out.actions.push(Action::Event(Event::HeightStarted { height: self.next_height() }));
    }

    /// Messages for this height that came before it began.
    fn feed_early(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        let height = self.next_height();
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|(_, message)| agreement_height(message) == Some(height));
        self.early = later;
        for (from, message) in now {
            self.on_agreement(from, message, out)?;
        }
        Ok(())
    }

    /// Gives the engine one input and does what it wants.
    pub(super) fn feed(&mut self, input: EngineInput<BlockChat>, out: &mut Outputs) -> Result<(), CoreError> {
        let mut outputs = Vec::new();
        self.engine.feed(input, &mut outputs)?;
        self.perform(outputs, out)
    }

    fn perform(&mut self, outputs: Vec<EngineOutput>, out: &mut Outputs) -> Result<(), CoreError> {
        let mut decided = None;
        for output in outputs {
            match output {
                EngineOutput::Log(entry) => out.log.push(Record::Consensus { height: self.next_height(), entry }),
                EngineOutput::Publish(message) => self.publish(message, out),
                EngineOutput::SetTimeout(timeout) => {
                    if let Some(id) = TimerId::of(timeout) {
                        self.timers.insert(id);
                        out.actions.push(Action::SetTimer { id, after: self.wait(timeout) });
                    }
                }
                EngineOutput::CancelTimeout(timeout) => {
                    if let Some(id) = TimerId::of(timeout) {
                        self.cancel(id, out);
                    }
                }
                EngineOutput::CancelAllTimeouts => self.cancel_engine_timers(out),
                EngineOutput::GetValue { round } => self.wanted = Some(round),
                EngineOutput::RoundStarted { round, proposer } => {
                    self.on_round(round, proposer, out);
                }
                EngineOutput::Decided(certificate) => decided = Some(certificate),
                EngineOutput::Finalized(evidence) => {
                    out.actions.extend(evidence.into_iter().map(Action::Evidence));
                }
            }
        }
        match decided {
            Some(certificate) => self.commit_decided(certificate, out),
            None => Ok(()),
        }
    }

    /// How long one of the engine's timeouts takes. Nobody waits long for a proposer that is not connected: most likely
    /// it is down, and if not, the members that hear it outvote this one. Only time is at stake, never validity.
    fn wait(&self, timeout: Timeout) -> Duration {
        let capacity = self.ring.parameters().capacity;
        let full = self.timing.timeout(timeout, capacity);
        let proposer = self.proposer(timeout.round.as_u32().unwrap_or(0));
        let connected = proposer == self.me || self.connected().any(|id| id == proposer);
        if timeout.kind != TimeoutKind::Propose || connected {
            return full;
        }
        full.min(self.timing.timeout(Timeout::prevote(timeout.round), capacity))
    }

    fn publish(&mut self, message: Published, out: &mut Outputs) {
        let message = match message {
            Published::Vote(vote) => PeerMessage::Vote(vote),
            Published::Polka(certificate) => PeerMessage::Polka(certificate),
            Published::Round(certificate) => PeerMessage::Round(certificate),
            Published::Proposal(proposal) => {
                let Some(candidate) = self.candidates.get(&proposal.message.block.0) else {
                    return;
                };
                PeerMessage::Proposal(Box::new(ProposalMessage {
                    proposal,
                    header: candidate.header.clone(),
                    transactions: candidate.hashes.clone(),
                }))
            }
        };
        // Own votes and proposals, and all they rest on, are durable before they leave.
        out.sync = true;
        out.actions.push(Action::Broadcast(message));
    }

    fn on_round(&mut self, round: u32, proposer: u16, out: &mut Outputs) {
        self.wanted = None;
        out.actions.push(Action::Event(Event::RoundStarted { height: self.next_height(), round, proposer }));
        if proposer != self.me {
            self.tell_pending(Some(proposer), out);
        }
    }

    pub(super) fn on_engine_timer(&mut self, timer: TimerId, out: &mut Outputs) -> Result<(), CoreError> {
        if !self.timers.remove(&timer) {
            return Ok(());
        }
        let Some(timeout) = timer.timeout() else {
            return Ok(());
        };
        let step = match timer {
            TimerId::Propose(_) => Some("propose"),
            TimerId::Prevote(_) => Some("prevote"),
            TimerId::Precommit(_) => Some("precommit"),
            _ => None,
        };
        if let Some(step) = step {
            let round = timeout.round.as_u32().unwrap_or(0);
            out.actions.push(Action::Event(Event::RoundTimeout { step, round }));
        } else {
            self.tell_pending(None, out);
        }
        self.feed(EngineInput::TimeoutElapsed(timeout), out)
    }

    fn cancel(&mut self, id: TimerId, out: &mut Outputs) {
        if self.timers.remove(&id) {
            out.actions.push(Action::CancelTimer(id));
        }
    }

    fn cancel_engine_timers(&mut self, out: &mut Outputs) {
        for id in std::mem::take(&mut self.timers) {
            out.actions.push(Action::CancelTimer(id));
        }
    }

    /// The engine decided: the block was judged here before this node's first vote for it.
    fn commit_decided(&mut self, certificate: Certificate, out: &mut Outputs) -> Result<(), CoreError> {
        let (block, execution) =
            self.candidates.take_valid(&certificate.block).ok_or(CoreError::DecidedWithoutBody(certificate.height))?;
        self.commit(block, execution, certificate, out);
        Ok(())
    }

    /// Commits a block that came with its certificate, by sync or from the log.
    pub(super) fn commit_certified(
        &mut self,
        block: Block,
        certificate: Certificate,
        log_body: bool,
        out: &mut Outputs,
    ) -> Result<(), CoreError> {
        let known = match self.candidates.get(&certificate.block).map(|c| &c.verdict) {
            Some(Verdict::Valid(_)) => self.candidates.take_valid(&certificate.block),
            _ => None,
        };
        let (block, execution) = if let Some(known) = known {
            known
        } else {
            let execution = validate_block(&self.ring, &self.tip, &self.state, &block).map_err(|error| {
                CoreError::CertifiedButInvalid { height: block.header.index, reason: error.to_string() }
            })?;
            (block, execution)
        };
        if log_body {
            out.log.push(Record::Body { height: block.header.index, block: block.encode() });
        }
        if self.phase == Phase::Running {
            out.actions.extend(self.engine.take_evidence().into_iter().map(Action::Evidence));
        }
        self.commit(block, execution, certificate, out);
        Ok(())
    }

    /// Makes a valid, certified block the tip.
    fn commit(&mut self, block: Block, execution: Execution, certificate: Certificate, out: &mut Outputs) {
        self.cancel_engine_timers(out);
        self.tip = block.header.clone();
        self.tip_hash = certificate.block;
        self.state = execution.state.clone();
        self.draw_order = lottery::draw_order(&self.tip_hash, &self.state.stakes(&self.ring));
        self.tip_certificate = Some(certificate.clone());
        self.candidates.clear();
        self.wanted = None;
        self.proposal_came = false;
        self.held.clear();
        if self.phase == Phase::Running {
            self.phase = Phase::Idle;
        }
        let next = self.next_height();
        self.early.retain(|(_, message)| agreement_height(message).is_some_and(|at| at >= next));
        let dropped = self.pool.on_commit(&self.ring, &self.state, block.header.index, &block.transactions);
        out.log.push(Record::Commit(certificate.clone()));
        out.sync = true;
        out.actions.push(Action::Commit(Arc::new(Committed {
            block,
            certificate,
            receipts: execution.receipts,
            state: execution.state,
            touched: execution.touched,
        })));
        Self::drop_transactions(dropped, out);
        self.after_commit_muted(out);
        self.derive_grants(out);
        self.schedule_status(out);
        self.review_early(out);
    }

    /// Tells peers of new blocks soon, however fast they come.
    fn schedule_status(&mut self, out: &mut Outputs) {
        let at = self.now.monotonic + STATUS_AFTER_COMMIT;
        if self.status_at > at {
            self.status_at = at;
            out.actions.push(Action::SetTimer { id: TimerId::Status, after: STATUS_AFTER_COMMIT });
        }
    }
}

/// The height that a message of agreement is about.
pub(super) fn agreement_height(message: &PeerMessage) -> Option<u64> {
    match message {
        PeerMessage::Proposal(proposal) => Some(proposal.proposal.message.height.0),
        PeerMessage::Vote(vote) => Some(vote.message.height.0),
        PeerMessage::Polka(certificate) => Some(certificate.height.0),
        PeerMessage::Round(certificate) => Some(certificate.height.0),
        _ => None,
    }
}
