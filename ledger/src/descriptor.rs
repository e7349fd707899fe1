//! The network descriptor: who the members are and what they agreed on, signed by the bootstrap node.
//! Its hash is the chain id.

use std::collections::BTreeSet;
use std::io::{Read, Result as IoResult};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::encoding::{DecodeError, append, decode, encode, read_bytes, read_length};
use crate::hash::Hash;
use crate::keys::{KeyError, MAX_SIGNATURE_BYTES, PublicKey, SignatureError};
use crate::params::{MAX_NODES, Parameters, ParametersError, founding_id};
use crate::wallet::TransactionSigner;

const DESCRIPTOR_DOMAIN: &str = "blockchat/descriptor/v1";
const CERTIFICATION_DOMAIN: &str = "blockchat/consensus-key/v1";

/// One member of the ring.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// Position in the ring; the bootstrap node is 0.
    pub id: u16,
    /// The wallet that pays for, earns from and stakes on this node.
    pub wallet: PublicKey,
    /// Ed25519 key that signs votes and proposals.
    pub consensus_key: [u8; 32],
    /// The wallet's signature over [`certification_bytes`].
    #[borsh(deserialize_with = "read_signature")]
    pub certification: Vec<u8>,
}

/// The identity of a network. URLs are not part of it, so that a node may move.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Descriptor {
    /// What the network was founded with.
    pub parameters: Parameters,
    /// Hash of block 0.
    pub genesis_hash: Hash,
    /// The members, in the order of their ids.
    #[borsh(deserialize_with = "read_members")]
    pub members: Vec<Member>,
}

/// A descriptor with the bootstrap node's signature. Not checked until [`SignedDescriptor::verify`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedDescriptor {
    /// What is signed.
    pub descriptor: Descriptor,
    /// By member 0's wallet, over [`Descriptor::signing_bytes`].
    #[borsh(deserialize_with = "read_signature")]
    pub signature: Vec<u8>,
}

/// Why a descriptor is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// The parameters make no network.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// Not as many members as the parameters say.
    #[error("the descriptor names {found} members, its parameters {expected}")]
    MemberCount {
        /// By the parameters.
        expected: usize,
        /// In the list.
        found: usize,
    },
    /// Ids are not 0, 1, 2, … in this order.
    #[error("the member at position {position} has another id")]
    MemberId {
        /// Position in the list.
        position: usize,
    },
    /// Two members have the same wallet or consensus key.
    #[error("the key of member {id} belongs to an earlier member too")]
    DuplicateKey {
        /// The later member.
        id: u16,
    },
    /// A consensus key that its wallet did not sign.
    #[error("the certification of member {id}'s consensus key: {error}")]
    Certification {
        /// Whose.
        id: u16,
        /// What is wrong with it.
        error: SignatureError,
    },
    /// The bootstrap node's signature.
    #[error("the descriptor's signature: {0}")]
    Signature(SignatureError),
}

/// What a member's wallet signs to certify its consensus key for the network being founded.
pub fn certification_bytes(founding_id: &Hash, consensus_key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = encode(CERTIFICATION_DOMAIN);
    append(&mut bytes, founding_id);
    append(&mut bytes, consensus_key);
    bytes
}

impl Member {
    /// Certifies a consensus key with the wallet that owns it.
    pub fn certify(
        id: u16,
        wallet: &dyn TransactionSigner,
        founding_id: &Hash,
        consensus_key: [u8; 32],
    ) -> Result<Self, KeyError> {
        let certification = wallet.sign(&certification_bytes(founding_id, &consensus_key))?;
        Ok(Self { id, wallet: wallet.public_key().clone(), consensus_key, certification })
    }
}

impl Descriptor {
    /// The chain id: the hash of everything that identifies the network.
    pub fn chain_id(&self) -> Hash {
        Hash::of_bytes(&self.signing_bytes())
    }

    /// What the bootstrap node signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = encode(DESCRIPTOR_DOMAIN);
        append(&mut bytes, self);
        bytes
    }

    /// Signs with the bootstrap node's wallet.
    pub fn sign(self, bootstrap: &dyn TransactionSigner) -> Result<SignedDescriptor, KeyError> {
        let signature = bootstrap.sign(&self.signing_bytes())?;
        Ok(SignedDescriptor { descriptor: self, signature })
    }
}

impl SignedDescriptor {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Accepts the canonical bytes only.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }

    /// Checks parameters, ids, distinct keys, each certification and the signature.
    pub fn verify(&self) -> Result<(), DescriptorError> {
        let Descriptor { parameters, members, .. } = &self.descriptor;
        parameters.validate()?;
        let expected = usize::from(parameters.nodes);
        let bootstrap = match members.first() {
            Some(bootstrap) if members.len() == expected => bootstrap,
            _ => {
                return Err(DescriptorError::MemberCount { expected, found: members.len() });
            }
        };
        let (mut wallets, mut consensus_keys) = (BTreeSet::new(), BTreeSet::new());
        for (position, member) in members.iter().enumerate() {
            if usize::from(member.id) != position {
                return Err(DescriptorError::MemberId { position });
            }
            if !wallets.insert(member.wallet.account_id()) || !consensus_keys.insert(member.consensus_key) {
                return Err(DescriptorError::DuplicateKey { id: member.id });
            }
        }
        let founding_id = founding_id(parameters, &bootstrap.wallet);
        for member in members {
            let certified = certification_bytes(&founding_id, &member.consensus_key);
            member
                .wallet
                .verify(&certified, &member.certification)
                .map_err(|error| DescriptorError::Certification { id: member.id, error })?;
        }
        bootstrap.wallet.verify(&self.descriptor.signing_bytes(), &self.signature).map_err(DescriptorError::Signature)
    }
}

fn read_signature<R: Read>(reader: &mut R) -> IoResult<Vec<u8>> {
    read_bytes(reader, MAX_SIGNATURE_BYTES)
}

fn read_members<R: Read>(reader: &mut R) -> IoResult<Vec<Member>> {
    let count = read_length(reader, usize::from(MAX_NODES))?;
    (0..count).map(|_| Member::deserialize_reader(reader)).collect()
}

#[cfg(test)]
mod tests;
