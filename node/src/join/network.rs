//! A founded network: made by the bootstrap node, checked by everybody else, pinned on disk.

use std::sync::Arc;

use blockchat_ledger::{
    Block, ChainError, Descriptor, DescriptorError, Hash, KeyError, Member, Parameters, Ring, SignedDescriptor, State,
    TransactionSigner, UnverifiedBlock, founding_id, genesis, validate_chain,
};
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::SigningKey;
use thiserror::Error;

use super::desk::Registrations;
use super::wire::{NetworkPackage, first_difference, from_base64, to_base64};

const MAX_CHAIN_BLOCKS: usize = 1;

/// What this node is, whatever the network.
#[derive(Clone)]
pub struct Identity {
    /// Its wallet.
    pub wallet: Arc<dyn TransactionSigner>,
    /// Its key for votes.
    pub consensus_key: SigningKey,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Identity({})", self.wallet.public_key().account_id())
    }
}

impl Identity {
    /// The public half of the key for votes.
    pub fn consensus_public_key(&self) -> [u8; 32] {
        self.consensus_key.verifying_key().to_bytes()
    }
}

/// Why a network is not this node's, or cannot be founded.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// Bytes that are no descriptor or no chain.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The descriptor does not hold.
    #[error("the network's descriptor: {0}")]
    Descriptor(#[from] DescriptorError),
    /// The chain does not hold.
    #[error("the network's chain: {0}")]
    Chain(#[from] ChainError),
    /// Block 0 is not what the parameters make of it.
    #[error("the network's genesis block is not the one its descriptor names")]
    Genesis,
    /// This node's wallet is not in the ring.
    #[error("this node's wallet is not a member of the network {0}")]
    NotAMember(Hash),
    /// The ring names another key for votes.
    #[error("member {0} is this node's wallet, but with another consensus key: restore the consensus key file")]
    ConsensusKey(u16),
    /// The configuration differs.
    #[error("the configuration differs from the network's parameters: {0}")]
    Parameters(String),
    /// The bootstrap node is another one.
    #[error(
        "this node is member {0} of its network, and only member 0 is the bootstrap node: check BOOTSTRAP_URL and --bootstrap"
    )]
    NotBootstrap(u16),
    /// Member 0 is not configured as the bootstrap node.
    #[error(
        "this node is member 0, the bootstrap node of its network, but not configured as such: check BOOTSTRAP_URL and --bootstrap"
    )]
    IsBootstrap,
    /// Signing failed.
    #[error("signing the network's descriptor: {0}")]
    Signing(#[from] KeyError),
    /// No genesis block for these parameters.
    #[error("making the genesis block: {0}")]
    MakeGenesis(String),
}

/// What pins the network on disk.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub struct Pinned {
    /// The canonical bytes of the signed descriptor; its hash is the chain id.
    descriptor: Vec<u8>,
    /// The canonical bytes of the chain so far.
    chain: Vec<Vec<u8>>,
}

/// A network that has been checked, and this node's place in it.
#[derive(Debug, Clone)]
pub struct Network {
    /// The members.
    pub ring: Arc<Ring>,
    /// This node.
    pub me: u16,
    /// Block 0.
    pub genesis: Block,
    /// The state after it.
    pub state: State,
    pinned: Pinned,
}

impl Network {
    /// Founds the network from a complete set of registrations.
    pub fn found(
        identity: &Identity,
        parameters: &Parameters,
        registrations: &Registrations,
        timestamp_ms: u64,
    ) -> Result<Self, NetworkError> {
        let wallet = identity.wallet.as_ref();
        let founding_id = founding_id(parameters, wallet.public_key());
        let (block, _) = genesis(parameters, wallet.public_key(), timestamp_ms)
            .map_err(|error| NetworkError::MakeGenesis(error.to_string()))?;
        let mut members = vec![Member::certify(0, wallet, &founding_id, identity.consensus_public_key())?];
        members.extend(registrations.iter().map(|(id, registration)| Member {
            id: *id,
            wallet: registration.wallet.clone(),
            consensus_key: registration.consensus_key,
            certification: registration.certification.clone(),
        }));
        let descriptor = Descriptor { parameters: parameters.clone(), genesis_hash: block.hash(), members };
        let signed = descriptor.sign(wallet)?;
        let pinned = Pinned { descriptor: signed.encode(), chain: vec![block.encode()] };
        Self::check(pinned, identity, parameters, true)
    }

    /// Checks everything about a network that is read from disk or told by another node.
    pub fn check(
        pinned: Pinned,
        identity: &Identity,
        parameters: &Parameters,
        is_bootstrap: bool,
    ) -> Result<Self, NetworkError> {
        let ring = pinned.ring()?;
        let Some(me) = ring.id_of(&identity.wallet.public_key().account_id()) else {
            return Err(NetworkError::NotAMember(ring.chain_id()));
        };
        let key = ring.member(me).map(|member| member.consensus_key);
        if key != Some(identity.consensus_public_key()) {
            return Err(NetworkError::ConsensusKey(me));
        }
        if let Some(difference) = first_difference(parameters, ring.parameters()) {
            return Err(NetworkError::Parameters(difference));
        }
        match (me, is_bootstrap) {
            (0, false) => return Err(NetworkError::IsBootstrap),
            (1.., true) => return Err(NetworkError::NotBootstrap(me)),
            _ => {}
        }
        let (genesis, state) = pinned.validate_chain(&ring)?;
        Ok(Self { ring: Arc::new(ring), me, genesis, state, pinned })
    }

    /// What is to be stored.
    pub fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    /// Descriptor and chain as they are told to others, without URLs.
    pub fn package(&self) -> NetworkPackage {
        NetworkPackage {
            descriptor: to_base64(&self.pinned.descriptor),
            chain: self.pinned.chain.iter().map(|block| to_base64(block)).collect(),
            records: String::new(),
            hints: Vec::new(),
        }
    }
}

impl Pinned {
    /// Out of what another node told; nothing is checked yet but the form.
    pub fn from_package(package: &NetworkPackage) -> Result<Self, NetworkError> {
        let descriptor = from_base64(&package.descriptor).ok_or(NetworkError::Malformed("descriptor"))?;
        if package.chain.len() > MAX_CHAIN_BLOCKS {
            return Err(NetworkError::Malformed("chain"));
        }
        let chain = package.chain.iter().map(|block| from_base64(block));
        let chain = chain.collect::<Option<_>>().ok_or(NetworkError::Malformed("chain"))?;
        Ok(Self { descriptor, chain })
    }

    /// The ring, its descriptor verified.
    pub fn ring(&self) -> Result<Ring, NetworkError> {
        let signed = SignedDescriptor::decode(&self.descriptor).map_err(|_| NetworkError::Malformed("descriptor"))?;
        Ok(Ring::new(signed)?)
    }

    fn validate_chain(&self, ring: &Ring) -> Result<(Block, State), NetworkError> {
        let mut blocks = Vec::with_capacity(self.chain.len());
        for bytes in &self.chain {
            let block = UnverifiedBlock::decode(bytes).map_err(|_| NetworkError::Malformed("chain"))?;
            blocks.push(block.verify().map_err(|_| NetworkError::Malformed("chain"))?);
        }
        let state = validate_chain(ring, &blocks)?;
        let first = blocks.into_iter().next().ok_or(NetworkError::Genesis)?;
        let (expected, _) = genesis(ring.parameters(), ring.bootstrap(), first.header.timestamp_ms)
            .map_err(|error| NetworkError::MakeGenesis(error.to_string()))?;
        if first != expected || first.hash() != ring.descriptor().descriptor.genesis_hash {
            return Err(NetworkError::Genesis);
        }
        Ok((first, state))
    }
}
