//! Consensus signatures: Ed25519 over (domain tag, chain id, message), each checked at most once.
//!
//! The engine asks for the same signature again and again: its own votes, every vote when it builds a
//! certificate, every vote of a certificate it receives. [`Verifier`] remembers what it has verified, own
//! signatures included, for the current and the previous height.

use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use blockchat_ledger::Hash;
use borsh::BorshSerialize;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use malachitebft_core_types::{SignedMessage, ValidatorProof, VoteExtensionScope};
use malachitebft_signing::{Error, VerificationResult};
use sha2::{Digest, Sha256};

use crate::context::{BlockChat, ConsensusSignature, Proposal, SignedProposal, SignedVote, Vote};

const VOTE_DOMAIN: &[u8] = b"blockchat/consensus/vote/v1";
const PROPOSAL_DOMAIN: &[u8] = b"blockchat/consensus/proposal/v1";

/// The bytes a voter signs. Domain and chain id come first, so no signature is valid for anything else.
pub fn vote_bytes(chain_id: &Hash, vote: &Vote) -> Vec<u8> {
    signing_bytes(VOTE_DOMAIN, chain_id, vote)
}

/// The bytes a proposer signs.
pub fn proposal_bytes(chain_id: &Hash, proposal: &Proposal) -> Vec<u8> {
    signing_bytes(PROPOSAL_DOMAIN, chain_id, proposal)
}

fn signing_bytes(domain: &[u8], chain_id: &Hash, message: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    bytes.extend_from_slice(domain);
    bytes.extend_from_slice(&chain_id.0);
    // Writing into a Vec can't fail.
    let _ = message.serialize(&mut bytes);
    bytes
}

/// Two generations of verified (key, message, signature) digests; the older one is dropped at each turn.
#[derive(Debug, Default)]
struct Seen {
    current: HashSet<[u8; 32]>,
    previous: HashSet<[u8; 32]>,
}

/// Checks consensus signatures of one chain and remembers the valid ones.
#[derive(Debug)]
pub struct Verifier {
    chain_id: Hash,
    seen: Mutex<Seen>,
}

/// Digests kept per generation, so that a flood of valid signatures can't grow memory.
const MAX_SEEN: usize = 65_536;

impl Verifier {
    /// A verifier for one chain.
    pub fn new(chain_id: Hash) -> Self {
        Self { chain_id, seen: Mutex::default() }
    }

    /// Forgets what was verified before the previous call: called when a height ends.
    pub fn turn(&self) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.previous = std::mem::take(&mut seen.current);
        }
    }

    /// Whether `vote` carries its voter's signature.
    pub fn vote(&self, vote: &Vote, signature: &ConsensusSignature, key: &VerifyingKey) -> bool {
        self.check(&vote_bytes(&self.chain_id, vote), signature, key)
    }

    /// Whether `proposal` carries its proposer's signature.
    pub fn proposal(&self, proposal: &Proposal, signature: &ConsensusSignature, key: &VerifyingKey) -> bool {
        self.check(&proposal_bytes(&self.chain_id, proposal), signature, key)
    }

    fn check(&self, bytes: &[u8], signature: &ConsensusSignature, key: &VerifyingKey) -> bool {
        let digest = digest(bytes, signature, key);
        if self.remembers(&digest) {
            return true;
        }
        let valid = key.verify_strict(bytes, &Signature::from_bytes(&signature.0)).is_ok();
        if valid {
            self.remember(digest);
        }
        valid
    }

    fn remembers(&self, digest: &[u8; 32]) -> bool {
        self.seen.lock().is_ok_and(|seen| seen.current.contains(digest) || seen.previous.contains(digest))
    }

    fn remember(&self, digest: [u8; 32]) {
        if let Ok(mut seen) = self.seen.lock() {
            if seen.current.len() >= MAX_SEEN {
                seen.previous = std::mem::take(&mut seen.current);
            }
            seen.current.insert(digest);
        }
    }
}

fn digest(bytes: &[u8], signature: &ConsensusSignature, key: &VerifyingKey) -> [u8; 32] {
    Sha256::new().chain_update(key.as_bytes()).chain_update(signature.0).chain_update(bytes).finalize().into()
}

/// Signs this node's votes and proposals.
pub struct ConsensusSigner {
    key: SigningKey,
    chain_id: Hash,
}

impl ConsensusSigner {
    /// A signer for one chain.
    pub fn new(key: SigningKey, chain_id: Hash) -> Self {
        Self { key, chain_id }
    }

    /// Signs a vote; `verifier` will not check it again.
    pub fn vote(&self, vote: Vote, verifier: &Verifier) -> SignedVote {
        let bytes = vote_bytes(&self.chain_id, &vote);
        SignedMessage::new(vote, self.sign(&bytes, verifier))
    }

    /// Signs a proposal; `verifier` will not check it again.
    pub fn proposal(&self, proposal: Proposal, verifier: &Verifier) -> SignedProposal {
        let bytes = proposal_bytes(&self.chain_id, &proposal);
        SignedMessage::new(proposal, self.sign(&bytes, verifier))
    }

    fn sign(&self, bytes: &[u8], verifier: &Verifier) -> ConsensusSignature {
        let signature = ConsensusSignature(self.key.sign(bytes).to_bytes());
        verifier.remember(digest(bytes, &signature, &self.key.verifying_key()));
        signature
    }

    /// Signs bytes that are neither vote nor proposal (the caller separates domains).
    pub fn raw(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
}

/// Checks a signature made by [`ConsensusSigner::raw`].
pub fn verify_raw(key: &VerifyingKey, bytes: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
}

/// The engine's helper crate counts certificates for us; it asks for signatures through this trait.
#[async_trait]
impl malachitebft_signing::Verifier<BlockChat> for Verifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &ConsensusSignature,
        key: &VerifyingKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.vote(vote, signature, key)))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &ConsensusSignature,
        key: &VerifyingKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.proposal(proposal, signature, key)))
    }

    // Vote extensions and libp2p validator proofs are not used: nothing claiming to be one is valid.
    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<BlockChat>,
        _: &bytes::Bytes,
        _: &ConsensusSignature,
        _: &VerifyingKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(&self, _: &ValidatorProof<BlockChat>) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }
}
