//! The light check that a block is final: more than two thirds of the members signed a precommit for it.
//!
//! A member checks certificates through the engine's types; this is for everybody else who holds the ring's descriptor
//! and wants to believe no node. The bytes are those of `docs/encoding.md`, section *Votes*.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use crate::hash::Hash;
use crate::ring::Ring;

const VOTE_DOMAIN: &[u8] = b"blockchat/consensus/vote/v1";
/// Tags of the encoding: a precommit, a round that is one, a vote for a block.
const PRECOMMIT: u8 = 1;
const ROUND: u8 = 1;
const BLOCK: u8 = 1;

/// What the members of a commit certificate agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The block's index.
    pub height: u64,
    /// Round of the precommits.
    pub round: u32,
    /// The block's hash.
    pub block: Hash,
}

/// Why precommits don't make a block final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Too few.
    #[error("{found} members signed, {needed} are needed")]
    NoQuorum {
        /// How many signed.
        found: usize,
        /// ⌊2n/3⌋ + 1.
        needed: usize,
    },
    /// Not in ascending order, or one member twice.
    #[error("the signatures are not in ascending order of their members")]
    Order,
    /// A member that the ring doesn't have.
    #[error("there is no member {0}")]
    UnknownMember(u16),
    /// A signature that does not verify.
    #[error("the precommit of member {0} is not signed by it")]
    BadSignature(u16),
}

impl Commit {
    /// The bytes that member `member` signs.
    pub fn precommit_bytes(&self, chain_id: &Hash, member: u16) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(VOTE_DOMAIN);
        bytes.extend_from_slice(&chain_id.0);
        bytes.push(PRECOMMIT);
        bytes.extend_from_slice(&self.height.to_le_bytes());
        bytes.push(ROUND);
        bytes.extend_from_slice(&self.round.to_le_bytes());
        bytes.push(BLOCK);
        bytes.extend_from_slice(&self.block.0);
        bytes.extend_from_slice(&member.to_le_bytes());
        bytes
    }

    /// Checks the signatures (member, Ed25519) against the ring (Tendermint, arXiv:1807.04938, line 49).
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn verify(&self, ring: &Ring, signatures: &[(u16, [u8; 64])]) -> Result<(), CommitError> {
        let needed = ring.members().len() * 2 / 3 + 1;
        if !signatures.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(CommitError::Order);
        }
        if signatures.len() < needed {
            return Err(CommitError::NoQuorum { found: signatures.len(), needed });
        }
        for (member, signature) in signatures {
            let key = ring.member(*member).ok_or(CommitError::UnknownMember(*member))?.consensus_key;
            let bytes = self.precommit_bytes(&ring.chain_id(), *member);
            UnparsedPublicKey::new(&ED25519, key)
                .verify(&bytes, signature)
                .map_err(|_| CommitError::BadSignature(*member))?;
        }
        Ok(())
    }
}
