//! What must hold at every step, whatever the faults.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use blockchat_ledger::Hash;
use ed25519_dalek::VerifyingKey;
use malachitebft_core_types::VoteType;

use super::fixture::Network;
use crate::context::{ValidatorSet, quorum};
use crate::io::Committed;
use crate::message::PeerMessage;
use crate::signing::Verifier;

pub(super) struct Invariants {
    network: Arc<Network>,
    members: ValidatorSet,
    verifier: Verifier,
    /// The one block of each height.
    agreed: BTreeMap<u64, Hash>,
    /// What each member said: (member, height, round, kind).
    said: HashMap<(u16, u64, i64, u8), Vec<u8>>,
}

impl Invariants {
    pub(super) fn new(network: Arc<Network>) -> Self {
        let ring = &network.ring;
        let keys = ring.members().iter().map(|member| VerifyingKey::from_bytes(&member.consensus_key).unwrap());
        Self {
            members: ValidatorSet::new(keys),
            verifier: Verifier::new(ring.chain_id()),
            agreed: BTreeMap::new(),
            said: HashMap::new(),
            network,
        }
    }

    /// One block per height, certified by enough members, money neither made nor lost.
    pub(super) fn on_commit(&mut self, member: u16, committed: &Committed) {
        let header = &committed.block.header;
        let agreed = *self.agreed.entry(header.index).or_insert_with(|| header.hash());
        assert_eq!(agreed, header.hash(), "members disagree about block {} (member {member})", header.index);
        let signatures = committed.certificate.signatures.len();
        let needed = quorum(self.members.len());
        assert!(signatures >= needed, "block {} has {signatures} votes, {needed} votes are needed", header.index);
        if let Err(error) = committed.certificate.verify(&self.members, &self.verifier) {
            panic!("the certificate of block {} does not verify: {error}", header.index);
        }
        assert_eq!(committed.certificate.block, header.hash(), "a certificate for another block");
        let supply = self.network.ring.parameters().supply();
        assert_eq!(committed.state.total_supply(), supply, "supply changed in block {}", header.index);
        assert_eq!(committed.state.root(), header.state_root, "state root of block {}", header.index);
    }

    /// A correct member says one thing per height, round and kind, across all its restarts.
    pub(super) fn on_broadcast(&mut self, message: &PeerMessage) {
        let (key, bytes) = match message {
            PeerMessage::Vote(vote) => {
                let vote = &vote.message;
                let kind = match vote.kind {
                    VoteType::Prevote => 0,
                    VoteType::Precommit => 1,
                };
                ((vote.voter.0, vote.height.0, vote.round.as_i64(), kind), borsh::to_vec(vote).unwrap())
            }
            PeerMessage::Proposal(proposal) => {
                let proposal = &proposal.proposal.message;
                ((proposal.proposer.0, proposal.height.0, proposal.round.as_i64(), 2), borsh::to_vec(proposal).unwrap())
            }
            _ => return,
        };
        let said = self.said.entry(key).or_insert_with(|| bytes.clone());
        assert_eq!(*said, bytes, "a member said two things at (member, height, round, kind) {key:?}");
    }

    pub(super) fn height(&self) -> u64 {
        self.agreed.last_key_value().map_or(0, |(height, _)| *height)
    }
}
