//! The one module that touches malachite: feeds it inputs, answers its effects, returns plain outputs.
//!
//! The engine is a coroutine that yields effects (`process!`). All of them are answered here at once, from pure
//! data: signatures are made and checked inline, everything else becomes an [`EngineOutput`]. A guard of our own stands
//! between the engine and the key: at one height nothing is signed that conflicts with what was signed before, whether
//! in this run or in the log.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use futures::FutureExt;
use malachitebft_core_consensus::{
    ConsensusMsg, Effect, Error, Input, LivenessMsg, MisbehaviorEvidence, Params, Resumable, Resume,
    SignedConsensusMsg, State, ThresholdParams, process,
};
use malachitebft_core_types::{
    CertificateError as EngineCertificateError, NilOrVal, PolkaCertificate, Round, RoundCertificate, ThresholdParam,
    Timeout, ValuePayload, VoteExtensionPolicy, VoteType,
};
use malachitebft_signing::VerifierExt;

use crate::certificate::Certificate;
use crate::context::{BlockChat, BlockId, Height, MemberId, Proposal, SignedProposal, SignedVote, ValidatorSet, Vote};
use crate::io::{Evidence, EvidenceKind};
use crate::record::Entry;
use crate::signing::{ConsensusSigner, Verifier};

/// What the engine wants done, in order.
#[derive(Debug)]
pub(crate) enum EngineOutput {
    /// Append to the log before anything that follows is sent.
    Log(Entry),
    /// Send to all members.
    Publish(Published),
    SetTimeout(Timeout),
    CancelTimeout(Timeout),
    CancelAllTimeouts,
    /// This node is the proposer and should mint a block.
    GetValue {
        round: u32,
    },
    RoundStarted {
        round: u32,
        proposer: u16,
    },
    /// The block named by the certificate is final.
    Decided(Certificate),
    /// The height is over; conflicting messages seen during it.
    Finalized(Vec<Evidence>),
}

/// A message of agreement.
#[derive(Debug)]
pub(crate) enum Published {
    Proposal(SignedProposal),
    Vote(SignedVote),
    Polka(PolkaCertificate<BlockChat>),
    Round(RoundCertificate<BlockChat>),
}

/// The engine refused to go on; the node must stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A bug or a damaged log would have made this node say two things where it may say one.
    #[error("refused to sign a second {0} at height {1}, round {2}")]
    WouldEquivocate(&'static str, u64, i64),
    /// The engine's own error.
    #[error("the consensus engine failed: {0}")]
    Engine(String),
}

/// Key of the guard: what was said in which round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Proposal,
    Prevote,
    Precommit,
}

pub(crate) struct Engine {
    state: State<BlockChat>,
    members: ValidatorSet,
    thresholds: ThresholdParams,
    signer: ConsensusSigner,
    pub(crate) verifier: Verifier,
    /// What this node signed at the engine's height.
    said: BTreeMap<(u32, Said), Vec<u8>>,
    replaying: bool,
}

impl Engine {
    pub(crate) fn new(
        me: u16,
        key: SigningKey,
        chain_id: blockchat_ledger::Hash,
        members: ValidatorSet,
        height: u64,
    ) -> Self {
        let total = members.len() as u64;
        let thresholds = ThresholdParams {
            // weight · n > (q-1) · n, that is weight ≥ q
            quorum: ThresholdParam::new(members.quorum() as u64 - 1, total.max(1)),
            ..ThresholdParams::default()
        };
        let params = Params {
            address: MemberId(me),
            threshold_params: thresholds,
            value_payload: ValuePayload::ProposalAndParts,
            enabled: true,
        };
        // Inputs for other heights never reach the engine, so its queue stays empty.
        let state = State::new(BlockChat, Height(height), members.clone(), params, 1, 1);
        Self {
            state,
            members,
            thresholds,
            signer: ConsensusSigner::new(key, chain_id),
            verifier: Verifier::new(chain_id),
            said: BTreeMap::new(),
            replaying: false,
        }
    }

    pub(crate) fn members(&self) -> &ValidatorSet {
        &self.members
    }

    pub(crate) fn signer(&self) -> &ConsensusSigner {
        &self.signer
    }

    /// The round in progress; none before the first height has begun.
    pub(crate) fn round(&self) -> Option<u32> {
        self.state.round().as_u32()
    }

    /// A member that lost its log follows without speaking.
    pub(crate) fn set_voting(&mut self, voting: bool) {
        self.state.params.enabled = voting;
    }

    /// Starts a height with its draw order. What was said at the height before is forgotten.
    pub(crate) fn start_height(
        &mut self,
        height: u64,
        draw_order: Vec<u16>,
        out: &mut Vec<EngineOutput>,
    ) -> Result<(), EngineError> {
        self.said.clear();
        self.verifier.turn();
        self.begin(height, draw_order, out)
    }

    /// Starts a height and replays what the log holds of it, saying nothing and logging only what the log lacks.
    pub(crate) fn replay_height(
        &mut self,
        height: u64,
        draw_order: Vec<u16>,
        entries: Vec<Entry>,
        out: &mut Vec<EngineOutput>,
    ) -> Result<(), EngineError> {
        self.said.clear();
        let inputs: Vec<_> = entries.into_iter().map(Entry::into_input).collect();
        for input in &inputs {
            self.remember_own(input);
        }
        self.state.index_wal_entries(&inputs);
        self.replaying = true;
        let mut result = self.begin(height, draw_order, out);
        for input in inputs {
            if result.is_ok() {
                result = self.feed(input, out);
            }
        }
        self.replaying = false;
        self.state.reset_entries_index();
        result
    }

    fn begin(&mut self, height: u64, draw_order: Vec<u16>, out: &mut Vec<EngineOutput>) -> Result<(), EngineError> {
        self.members = self.members.with_draw_order(draw_order);
        self.feed(
            Input::StartHeight(
                Height(height),
                self.members.clone(),
                false,
                // No target time: it would read the clock.
                None,
                VoteExtensionPolicy::Disabled,
            ),
            out,
        )
    }

    /// Applies one input.
    pub(crate) fn feed(&mut self, input: Input<BlockChat>, out: &mut Vec<EngineOutput>) -> Result<(), EngineError> {
        let mut handler = Handler {
            signer: &self.signer,
            verifier: &self.verifier,
            thresholds: self.thresholds,
            said: &mut self.said,
            replaying: self.replaying,
            refused: None,
            out,
        };
        let result: Result<(), Error<BlockChat>> = process!(
            input: input,
            state: &mut self.state,
            metrics: &(),
            with: effect => handler.effect(effect)
        );
        if let Some(refused) = handler.refused {
            return Err(refused);
        }
        result.map_err(|error| EngineError::Engine(error.to_string()))
    }

    /// Whether this node's log or this run holds exactly this vote of its own.
    pub(crate) fn has_said(&self, vote: &Vote) -> bool {
        let Some(round) = vote.round.as_u32().filter(|_| vote.height == self.state.height()) else {
            return false;
        };
        self.said.get(&(round, said_kind(vote.kind))).is_some_and(|said| *said == said_vote(vote))
    }

    /// Whether this node has proposed in `round` of the height in progress.
    pub(crate) fn has_proposed(&self, round: u32) -> bool {
        self.said.contains_key(&(round, Said::Proposal))
    }

    /// Conflicting messages seen so far at this height; taken, so that they are reported once.
    pub(crate) fn take_evidence(&mut self) -> Vec<Evidence> {
        let evidence = MisbehaviorEvidence {
            proposals: self.state.driver.take_proposal_evidence(),
            votes: self.state.driver.take_vote_evidence(),
        };
        collect_evidence(&evidence)
    }

    fn remember_own(&mut self, input: &Input<BlockChat>) {
        let me = *self.state.address();
        match input {
            Input::Vote(vote) if vote.message.voter == me => {
                if let Some(round) = vote.message.round.as_u32() {
                    let key = (round, said_kind(vote.message.kind));
                    self.said.insert(key, said_vote(&vote.message));
                }
            }
            Input::Proposal(proposal) if proposal.message.proposer == me => {
                if let Some(round) = proposal.message.round.as_u32() {
                    let key = (round, Said::Proposal);
                    self.said.insert(key, said_proposal(&proposal.message));
                }
            }
            _ => {}
        }
    }
}

fn said_kind(kind: VoteType) -> Said {
    match kind {
        VoteType::Prevote => Said::Prevote,
        VoteType::Precommit => Said::Precommit,
    }
}

fn said_vote(vote: &Vote) -> Vec<u8> {
    match &vote.block {
        NilOrVal::Nil => Vec::new(),
        NilOrVal::Val(block) => block.0.0.to_vec(),
    }
}

fn said_proposal(proposal: &Proposal) -> Vec<u8> {
    let mut said = proposal.block.0.0.to_vec();
    said.extend_from_slice(&proposal.pol_round.as_i64().to_be_bytes());
    said
}

fn collect_evidence(evidence: &MisbehaviorEvidence<BlockChat>) -> Vec<Evidence> {
    let bytes = |message: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut bytes = Vec::new();
        let _ = message(&mut bytes);
        bytes
    };
    let mut found = Vec::new();
    for (member, pairs) in evidence.votes.iter() {
        for (first, second) in pairs {
            found.push(Evidence {
                member: member.0,
                height: first.message.height.0,
                kind: EvidenceKind::Vote,
                first: bytes(&|out| borsh::BorshSerialize::serialize(first, out)),
                second: bytes(&|out| borsh::BorshSerialize::serialize(second, out)),
            });
        }
    }
    for (member, pairs) in evidence.proposals.iter() {
        for (first, second) in pairs {
            found.push(Evidence {
                member: member.0,
                height: first.message.height.0,
                kind: EvidenceKind::Proposal,
                first: bytes(&|out| borsh::BorshSerialize::serialize(first, out)),
                second: bytes(&|out| borsh::BorshSerialize::serialize(second, out)),
            });
        }
    }
    found
}

/// Answers the engine's effects.
struct Handler<'a> {
    signer: &'a ConsensusSigner,
    verifier: &'a Verifier,
    thresholds: ThresholdParams,
    said: &'a mut BTreeMap<(u32, Said), Vec<u8>>,
    replaying: bool,
    refused: Option<EngineError>,
    out: &'a mut Vec<EngineOutput>,
}

impl Handler<'_> {
    fn effect(&mut self, effect: Effect<BlockChat>) -> Result<Resume<BlockChat>, EngineError> {
        Ok(match effect {
            Effect::CancelAllTimeouts(resume) => {
                self.out.push(EngineOutput::CancelAllTimeouts);
                resume.resume_with(())
            }
            Effect::CancelTimeout(timeout, resume) => {
                self.out.push(EngineOutput::CancelTimeout(timeout));
                resume.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, resume) => {
                self.out.push(EngineOutput::SetTimeout(timeout));
                resume.resume_with(())
            }
            Effect::StartRound(_, round, proposer, _, resume) => {
                self.out.push(EngineOutput::RoundStarted { round: round.as_u32().unwrap_or(0), proposer: proposer.0 });
                resume.resume_with(())
            }
            Effect::PublishConsensusMsg(message, resume) => {
                self.publish(match message {
                    SignedConsensusMsg::Vote(vote) => Published::Vote(vote),
                    SignedConsensusMsg::Proposal(proposal) => Published::Proposal(proposal),
                });
                resume.resume_with(())
            }
            Effect::PublishLivenessMsg(message, resume) => {
                self.publish(match message {
                    LivenessMsg::Vote(vote) => Published::Vote(vote),
                    LivenessMsg::PolkaCertificate(polka) => Published::Polka(polka),
                    LivenessMsg::SkipRoundCertificate(round) => Published::Round(round),
                });
                resume.resume_with(())
            }
            Effect::RepublishVote(vote, resume) => {
                self.publish(Published::Vote(vote));
                resume.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, resume) => {
                self.publish(Published::Round(certificate));
                resume.resume_with(())
            }
            Effect::GetValue(_, round, _, resume) => {
                self.out.push(EngineOutput::GetValue { round: round.as_u32().unwrap_or(0) });
                resume.resume_with(())
            }
            // The block goes out with the proposal that the engine publishes next to this.
            Effect::RestreamProposal(_, _, _, _, _, resume) => resume.resume_with(()),
            Effect::SignVote(vote, resume) => resume.resume_with(self.sign_vote(vote)?),
            Effect::SignProposal(proposal, resume) => resume.resume_with(self.sign_proposal(proposal)?),
            Effect::VerifySignature(message, key, resume) => {
                let valid = match &message.message {
                    ConsensusMsg::Vote(vote) => self.verifier.vote(vote, &message.signature, &key),
                    ConsensusMsg::Proposal(proposal) => self.verifier.proposal(proposal, &message.signature, &key),
                };
                resume.resume_with(valid)
            }
            Effect::WalAppend(_, input, resume) => {
                if !self.replaying
                    && let Some(entry) = Entry::from_input(&input)
                {
                    self.out.push(EngineOutput::Log(entry));
                }
                resume.resume_with(())
            }
            Effect::Decide(certificate, _, resume) => {
                self.out.push(EngineOutput::Decided(Certificate::from(&certificate)));
                resume.resume_with(())
            }
            Effect::Finalize(_, _, evidence, resume) => {
                self.out.push(EngineOutput::Finalized(collect_evidence(&evidence)));
                resume.resume_with(())
            }
            other => self.certificate_effect(other),
        })
    }

    /// Effects about certificates; those of features that are not used get the answer that changes nothing.
    fn certificate_effect(&mut self, effect: Effect<BlockChat>) -> Resume<BlockChat> {
        match effect {
            Effect::VerifyCommitCertificate(certificate, set, thresholds, resume) => {
                let check = self.verifier.verify_commit_certificate(&BlockChat, &certificate, &set, thresholds);
                resume.resume_with(now(check))
            }
            Effect::VerifyPolkaCertificate(certificate, set, thresholds, resume) => {
                let check = self.verifier.verify_polka_certificate(&BlockChat, &certificate, &set, thresholds);
                resume.resume_with(now(check))
            }
            Effect::VerifyRoundCertificate(certificate, set, thresholds, resume) => {
                let check = self.verifier.verify_round_certificate(&BlockChat, &certificate, &set, thresholds);
                resume.resume_with(now(check))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, set, _, policy, resume) => {
                let check = self.verifier.verify_extended_commit_certificate(
                    &BlockChat,
                    &certificate,
                    &set,
                    self.thresholds,
                    policy,
                );
                resume.resume_with(now(check))
            }
            Effect::ExtendVote(_, _, _, _, resume) => resume.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, resume) => resume.resume_with(Ok(())),
            Effect::CertVerifiedSyncValue(_, _, resume) | Effect::CertRejectedSyncValue(_, _, _, resume) => {
                resume.resume_with(())
            }
            // All others are answered by `effect`.
            _ => Resume::Continue,
        }
    }

    fn publish(&mut self, message: Published) {
        if !self.replaying {
            self.out.push(EngineOutput::Publish(message));
        }
    }

    fn sign_vote(&mut self, vote: Vote) -> Result<SignedVote, EngineError> {
        let kind = match vote.kind {
            VoteType::Prevote => "prevote",
            VoteType::Precommit => "precommit",
        };
        self.guard(kind, vote.height, vote.round, said_kind(vote.kind), &said_vote(&vote))?;
        let vote = self.signer.vote(vote, self.verifier);
        if self.replaying {
            self.log_derived(Entry::Vote(vote.clone()));
        }
        Ok(vote)
    }

    fn sign_proposal(&mut self, proposal: Proposal) -> Result<SignedProposal, EngineError> {
        self.guard("proposal", proposal.height, proposal.round, Said::Proposal, &said_proposal(&proposal))?;
        let proposal = self.signer.proposal(proposal, self.verifier);
        if self.replaying {
            self.log_derived(Entry::Proposal(proposal.clone()));
        }
        Ok(proposal)
    }

    /// What replay signs anew went with the torn end of the log. It may be sent from now on (votes are sent again), so
    /// it is logged like everything else that this node says.
    fn log_derived(&mut self, entry: Entry) {
        self.out.push(EngineOutput::Log(entry));
    }

    fn guard(
        &mut self,
        name: &'static str,
        height: Height,
        round: Round,
        kind: Said,
        what: &[u8],
    ) -> Result<(), EngineError> {
        let key = (round.as_u32().unwrap_or(u32::MAX), kind);
        let said = self.said.entry(key).or_insert_with(|| what.to_vec());
        if said.as_slice() == what {
            return Ok(());
        }
        let refused = EngineError::WouldEquivocate(name, height.0, round.as_i64());
        self.refused = Some(refused.clone());
        Err(refused)
    }
}

/// The helper crate's checks are async in form only: our verifier never waits.
fn now(
    check: impl Future<Output = Result<(), EngineCertificateError<BlockChat>>>,
) -> Result<(), EngineCertificateError<BlockChat>> {
    check.now_or_never().unwrap_or(Err(EngineCertificateError::VerificationError(None)))
}

/// The engine's value type is only named here.
pub(crate) fn block_id(hash: blockchat_ledger::Hash) -> BlockId {
    BlockId(hash)
}
