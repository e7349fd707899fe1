//! Commit certificates: the precommits of more than two thirds of the members for one block.
//!
//! A certificate makes a block final for anybody who knows the ring. It is stored and served beside the block.

use blockchat_ledger::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use malachitebft_core_types::{CommitCertificate, NilOrVal, Round, VoteType};

use crate::context::{BlockChat, BlockId, ConsensusSignature, Height, MemberId, ValidatorSet, Vote};
use crate::signing::Verifier;

/// The proof that a block is final.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// Height of the block.
    pub height: u64,
    /// Round in which it was decided; at least the round in which it was minted.
    pub round: u32,
    /// Hash of the block.
    pub block: Hash,
    /// The precommits: member id and Ed25519 signature over the vote, ids ascending.
    pub signatures: Vec<CommitSignature>,
}

/// One member's precommit in a [`Certificate`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitSignature {
    /// The member who precommitted.
    pub member: u16,
    /// Its signature, 64 bytes of Ed25519.
    pub signature: [u8; 64],
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Ids repeat or are not ascending.
    #[error("the signatures of a certificate must be in ascending order of member id, one each")]
    Order,
    /// A signer that is no member.
    #[error("member {0} does not exist")]
    UnknownMember(u16),
    /// Too few precommits.
    #[error("{found} precommits, but {needed} are needed")]
    NoQuorum {
        /// Valid signatures found.
        found: usize,
        /// Signatures needed.
        needed: usize,
    },
    /// A signature that does not verify.
    #[error("the precommit of member {0} is not signed by it")]
    BadSignature(u16),
}

impl Certificate {
    /// Checks quorum and signatures against the ring's members (Tendermint, arXiv:1807.04938, line 49).
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn verify(&self, members: &ValidatorSet, verifier: &Verifier) -> Result<(), CertificateError> {
        let needed = members.quorum();
        let ascending = self.signatures.windows(2).all(|pair| pair[0].member < pair[1].member);
        if !ascending {
            return Err(CertificateError::Order);
        }
        if self.signatures.len() < needed {
            return Err(CertificateError::NoQuorum { found: self.signatures.len(), needed });
        }
        for entry in &self.signatures {
            let key = members.key(MemberId(entry.member)).ok_or(CertificateError::UnknownMember(entry.member))?;
            let signature = ConsensusSignature(entry.signature);
            if !verifier.vote(&self.precommit(entry.member), &signature, key) {
                return Err(CertificateError::BadSignature(entry.member));
            }
        }
        Ok(())
    }

    /// The vote that a member's signature is under.
    pub(crate) fn precommit(&self, member: u16) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height: Height(self.height),
            round: Round::new(self.round),
            block: NilOrVal::Val(BlockId(self.block)),
            voter: MemberId(member),
        }
    }
}

impl From<&CommitCertificate<BlockChat>> for Certificate {
    fn from(certificate: &CommitCertificate<BlockChat>) -> Self {
        let mut signatures: Vec<CommitSignature> = certificate
            .commit_signatures
            .iter()
            .map(|entry| CommitSignature { member: entry.address.0, signature: entry.signature.0 })
            .collect();
        signatures.sort_by_key(|entry| entry.member);
        signatures.dedup_by_key(|entry| entry.member);
        Self {
            height: certificate.height.0,
            round: certificate.round.as_u32().unwrap_or(0),
            block: certificate.value_id.0,
            signatures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::vote_bytes;

    #[test]
    fn the_light_check_signs_the_same_bytes() {
        for (height, round, member) in [(1, 0, 0), (300, 7, 9), (u64::MAX, u32::MAX, u16::MAX)] {
            let (chain_id, block) = (Hash([7; 32]), Hash([9; 32]));
            let certificate = Certificate { height, round, block, signatures: Vec::new() };
            let commit = blockchat_ledger::Commit { height, round, block };
            assert_eq!(
                commit.precommit_bytes(&chain_id, member),
                vote_bytes(&chain_id, &certificate.precommit(member))
            );
        }
    }
}
