//! Minting a block, judging proposed ones, and messages of agreement in general.

use std::time::Duration;

use blockchat_ledger::{BlockHeader, Hash, build, merkle, validate_block, validate_header};
use malachitebft_core_consensus::{
    Input as EngineInput, LocallyProposedValue, MAX_FUTURE_ROUND_LOOKAHEAD, ProposedValue,
};
use malachitebft_core_types::{Round, Validity, ValueOrigin, VoteType};

use super::heights::agreement_height;
use super::{Core, CoreError, Phase};
use crate::candidates::{ProposedIn, Verdict};
use crate::context::{Height, MemberId};
use crate::engine::block_id;
use crate::io::{Action, Event, Outputs, TimerId};
use crate::message::{PeerMessage, ProposalMessage};
use crate::record::Record;

/// Missing transactions are asked for again after this, from somebody else.
const FETCH_AGAIN: Duration = Duration::from_millis(100);
/// Messages kept for a height that has not begun here, per sender.
const MAX_EARLY_PER_PEER: usize = 64;
/// Proposals among them; each may name thousands of transactions.
const MAX_EARLY_PROPOSALS_PER_PEER: usize = 4;
/// Proposals from the future that are kept, per sender.
const MAX_HELD_PER_PEER: usize = 2;
/// A member that talks about finished heights is told that it is behind at most this often.
const TELL_BEHIND: Duration = Duration::from_millis(50);

impl Core {
    /// A proposal, vote or certificate: for the height in progress, for a later one, or too late.
    pub(super) fn on_agreement(&mut self, from: u16, message: PeerMessage, out: &mut Outputs) -> Result<(), CoreError> {
        if let Some(what) = malformed(from, &message, self.engine.members().len()) {
            Self::misbehaviour(from, what, out);
            return Ok(());
        }
        let Some(height) = agreement_height(&message) else {
            return Ok(());
        };
        // Whoever speaks about a height has committed the one before.
        self.note_height(from, height.saturating_sub(1));
        let next = self.next_height();
        let current = height == next && self.phase == Phase::Running;
        if let PeerMessage::Vote(vote) = &message {
            let kind = match vote.message.kind {
                VoteType::Prevote => "prevote",
                VoteType::Precommit => "precommit",
            };
            let result = if height < next {
                "stale"
            } else if current {
                "accepted"
            } else {
                "early"
            };
            out.actions.push(Action::Event(Event::VoteReceived { kind, result }));
        }
        if height < next {
            self.tell_behind(from, out);
            return Ok(());
        }
        if !current {
            self.keep_early(from, message, height, out);
            return Ok(());
        }
        match message {
            PeerMessage::Proposal(proposal) => self.on_proposal(from, *proposal, out),
            PeerMessage::Vote(vote) => {
                self.note_vote(&vote);
                self.feed(EngineInput::Vote(vote), out)
            }
            PeerMessage::Polka(certificate) => self.feed(EngineInput::PolkaCertificate(certificate), out),
            PeerMessage::Round(certificate) => self.feed(EngineInput::RoundCertificate(certificate), out),
            _ => Ok(()),
        }
    }

    /// Keeps a message for a height that has not begun here: the next one, or the one after it.
    fn keep_early(&mut self, from: u16, message: PeerMessage, height: u64, out: &mut Outputs) {
        let next = self.next_height();
        if height > next.saturating_add(1) {
            return;
        }
        let (mut kept, mut proposals) = (0, 0);
        for (_, known) in self.early.iter().filter(|(peer, _)| *peer == from) {
            if *known == message {
                return;
            }
            kept += 1;
            proposals += usize::from(matches!(known, PeerMessage::Proposal(_)));
        }
        let is_proposal = matches!(message, PeerMessage::Proposal(_));
        if kept >= MAX_EARLY_PER_PEER || (is_proposal && proposals >= MAX_EARLY_PROPOSALS_PER_PEER) {
            return;
        }
        self.early.push((from, message));
        if height == next {
            self.review_early(out);
        }
    }

    /// Whether a valid fresh proposal for the next height waits: a reason to start it.
    pub(super) fn review_early(&mut self, _out: &mut Outputs) {
        if self.phase != Phase::Idle || self.proposal_came {
            return;
        }
        let next = self.next_height();
        self.proposal_came = self.early.iter().any(|(_, message)| {
            matches!(message, PeerMessage::Proposal(proposal)
                if proposal.proposal.message.height.0 == next
                    && self.check_proposal(proposal).is_ok())
        });
    }

    fn tell_behind(&mut self, from: u16, out: &mut Outputs) {
        let now = self.now.monotonic;
        let height = self.tip.index;
        let Some(peer) = self.peer(from) else { return };
        if peer.told.is_some_and(|told| now < told + TELL_BEHIND) {
            return;
        }
        peer.told = Some(now);
        out.actions.push(Action::Send { to: from, message: PeerMessage::Status { height } });
    }

    /// Everything about a proposal that needs no transactions. The block's validity depends on its parent and itself
    /// alone; here it is also compared with the proposal it came in.
    fn check_proposal(&self, message: &ProposalMessage) -> Result<(), &'static str> {
        let proposal = &message.proposal.message;
        let round = proposal.round.as_u32().ok_or("bad_round")?;
        if message.transactions.len() > self.ring.parameters().capacity as usize {
            return Err("above_capacity");
        }
        if message.header.hash() != proposal.block.0 {
            return Err("other_header");
        }
        if self.proposer(round) != proposal.proposer.0 {
            return Err("not_the_proposer");
        }
        let key = self.engine.members().key(proposal.proposer).ok_or("not_a_member")?;
        if !self.engine.verifier.proposal(proposal, &message.proposal.signature, key) {
            return Err("bad_signature");
        }
        let minted = message.header.round;
        match proposal.pol_round.as_u32() {
            None if minted != round => return Err("minted_in_another_round"),
            Some(polka) if minted > polka => return Err("minted_after_its_polka"),
            _ => {}
        }
        if message.header.transaction_count as usize != message.transactions.len() {
            return Err("other_count");
        }
        if merkle::root(&message.transactions) != message.header.transaction_root {
            return Err("other_transaction_root");
        }
        validate_header(&self.ring, &self.tip, &self.state, &message.header).map_err(|_| "invalid_header")
    }

    pub(super) fn proposer(&self, round: u32) -> u16 {
        let place = round as usize % self.draw_order.len().max(1);
        self.draw_order.get(place).copied().unwrap_or(0)
    }

    /// A fresh block from the future is not invalid, only early: its time will come.
    fn is_from_the_future(&self, header: &BlockHeader) -> Option<Duration> {
        let drift = u64::try_from(self.timing.max_clock_drift.as_millis()).unwrap_or(u64::MAX);
        let latest = self.now.wall_ms.saturating_add(drift);
        (header.timestamp_ms > latest).then(|| Duration::from_millis(header.timestamp_ms.saturating_sub(latest)))
    }

    pub(super) fn on_proposal(
        &mut self,
        from: u16,
        message: ProposalMessage,
        out: &mut Outputs,
    ) -> Result<(), CoreError> {
        let proposal = message.proposal.message.clone();
        let proposer = proposal.proposer.0;
        let block = proposal.block.0;
        // Until its signature is checked a proposal says nothing about anybody but whoever sent it.
        let judged = |proposer, result, out: &mut Outputs| {
            out.actions.push(Action::Event(Event::ProposalReceived { proposer, block, result }));
        };
        let round = proposal.round.as_i64();
        let ours = self.engine.round().map_or(-1, i64::from);
        if round > ours + i64::from(MAX_FUTURE_ROUND_LOOKAHEAD) {
            judged(from, "too_far_ahead", out);
            return Ok(());
        }
        if let Err(reason) = self.check_proposal(&message) {
            judged(from, reason, out);
            return Ok(());
        }
        let fresh = proposal.pol_round.is_nil();
        if fresh && let Some(wait) = self.is_from_the_future(&message.header) {
            judged(proposer, "from_the_future", out);
            if self.held.iter().filter(|(peer, _)| *peer == from).count() < MAX_HELD_PER_PEER {
                self.held.push((from, PeerMessage::Proposal(Box::new(message))));
                out.actions.push(Action::SetTimer { id: TimerId::Held, after: wait });
            }
            return Ok(());
        }
        let id = proposal.block.0;
        let proposed = ProposedIn { round: proposal.round, pol_round: proposal.pol_round, proposer };
        let Some(candidate) = self.candidates.named(proposal.round, id, &message.header, &message.transactions) else {
            judged(proposer, "too_many", out);
            return Ok(());
        };
        if !candidate.waiting.contains(&proposed) {
            candidate.waiting.push(proposed);
        }
        judged(proposer, "accepted", out);
        self.feed(EngineInput::Proposal(message.proposal), out)?;
        self.complete(id, out)?;
        if self.candidates.any_incomplete() {
            self.fetch(from, out);
        }
        Ok(())
    }

    pub(super) fn retry_held(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        for (from, message) in std::mem::take(&mut self.held) {
            self.on_agreement(from, message, out)?;
        }
        Ok(())
    }

    /// Judges candidate `id` if all its transactions are at hand, and gives the engine the verdict for every round in
    /// which it was proposed.
    pub(super) fn complete(&mut self, id: Hash, out: &mut Outputs) -> Result<(), CoreError> {
        let pool = &self.pool;
        let Some(candidate) = self.candidates.get_mut(&id) else {
            return Ok(());
        };
        if candidate.fill(|hash| pool.get(hash).cloned())
            && let Some(block) = candidate.block()
        {
            match validate_block(&self.ring, &self.tip, &self.state, &block) {
                Ok(execution) => {
                    out.log.push(Record::Body { height: block.header.index, block: block.encode() });
                    candidate.verdict = Verdict::Valid(Box::new((block, execution)));
                }
                Err(_) => candidate.verdict = Verdict::Invalid,
            }
        }
        self.deliver(id, out)
    }

    /// Tells the engine what became of a candidate.
    pub(super) fn deliver(&mut self, id: Hash, out: &mut Outputs) -> Result<(), CoreError> {
        let height = self.next_height();
        let Some(candidate) = self.candidates.get_mut(&id) else {
            return Ok(());
        };
        let validity = match candidate.verdict {
            Verdict::Incomplete => return Ok(()),
            Verdict::Valid(_) => Validity::Valid,
            Verdict::Invalid => Validity::Invalid,
        };
        for proposed in std::mem::take(&mut candidate.waiting) {
            let value = ProposedValue {
                height: Height(height),
                round: proposed.round,
                valid_round: proposed.pol_round,
                proposer: MemberId(proposed.proposer),
                value: block_id(id),
                validity,
            };
            self.feed(EngineInput::ProposedValue(value, ValueOrigin::Consensus), out)?;
            if self.next_height() != height {
                break;
            }
        }
        Ok(())
    }

    /// Asks `first` (the proposer) for what candidates lack; the timer asks others.
    fn fetch(&mut self, first: u16, out: &mut Outputs) {
        for id in self.candidates.incomplete() {
            let Some(candidate) = self.candidates.get_mut(&id) else {
                continue;
            };
            let wanted: Vec<Hash> =
                candidate.missing().filter(|hash| !self.verifying.contains(*hash)).copied().collect();
            if wanted.is_empty() || candidate.asked.contains(&first) {
                continue;
            }
            candidate.asked.push(first);
            out.actions.push(Action::Send { to: first, message: PeerMessage::GetTransactions(wanted) });
        }
        out.actions.push(Action::SetTimer { id: TimerId::Fetch, after: FETCH_AGAIN });
    }

    /// Asks somebody who has not been asked yet for what candidates still lack.
    pub(super) fn fetch_missing(&mut self, out: &mut Outputs) {
        if !self.candidates.any_incomplete() {
            return;
        }
        let connected: Vec<u16> = self.connected().collect();
        for id in self.candidates.incomplete() {
            let Some(candidate) = self.candidates.get_mut(&id) else {
                continue;
            };
            let next = connected.iter().find(|peer| !candidate.asked.contains(*peer)).copied();
            let Some(peer) = next else {
                // Everybody was asked: start over.
                candidate.asked.clear();
                continue;
            };
            candidate.asked.push(peer);
            let message = PeerMessage::GetTransactions(candidate.missing().copied().collect());
            out.actions.push(Action::Send { to: peer, message });
        }
        out.actions.push(Action::SetTimer { id: TimerId::Fetch, after: FETCH_AGAIN });
    }

    /// Mints the block the engine asked for, as soon as there is something to put into it.
    pub(super) fn try_mint(&mut self, out: &mut Outputs) -> Result<(), CoreError> {
        let Some(round) = self.wanted else {
            return Ok(());
        };
        if self.phase != Phase::Running || !self.may_vote() {
            return Ok(());
        }
        let release = self.must_release();
        let strict = self.timing.max_block_wait.is_zero();
        if !release && (self.pool.is_empty() || (strict && !self.pool_is_full_or_urgent())) {
            return Ok(());
        }
        let built =
            build(&self.ring, &self.state, &self.tip, &self.my_key, round, self.now.wall_ms, self.pool.candidates());
        let Ok((block, execution)) = built else {
            return Ok(());
        };
        if block.transactions.is_empty() && !release {
            return Ok(());
        }
        self.wanted = None;
        let id = block.hash();
        let height = block.header.index;
        out.log.push(Record::Body { height, block: block.encode() });
        self.candidates.insert_valid(id, block, execution);
        let value = LocallyProposedValue::new(Height(height), Round::new(round), block_id(id));
        self.feed(EngineInput::Propose(value), out)?;
        self.try_start(out)
    }
}

/// What no correct member sends, whatever its state: others' votes, nil rounds, certificates of too many.
fn malformed(from: u16, message: &PeerMessage, members: usize) -> Option<&'static str> {
    match message {
        PeerMessage::Vote(vote) => {
            if vote.message.voter.0 != from {
                return Some("vote_of_another");
            }
            vote.message.round.is_nil().then_some("vote_without_round")
        }
        PeerMessage::Proposal(proposal) => proposal.proposal.message.round.is_nil().then_some("proposal_without_round"),
        PeerMessage::Polka(polka) => {
            (polka.round.is_nil() || polka.polka_signatures.len() > members).then_some("malformed_polka")
        }
        PeerMessage::Round(round) => (round.round.is_nil() || round.round_signatures.len() > 2 * members)
            .then_some("malformed_round_certificate"),
        _ => None,
    }
}
