//! The parameters that all members of a network share and that its descriptor fixes.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::encoding::encode;
use crate::hash::Hash;
use crate::keys::PublicKey;

/// The most members a network may have.
pub const MAX_NODES: u16 = 256;
/// The most transactions a block may have.
pub const MAX_CAPACITY: u32 = 10_000;

const FOUNDING_DOMAIN: &str = "blockchat/founding/v1";

/// What a network is founded with. The defaults are the assignment's, but for the time to live.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Parameters {
    /// Members, the bootstrap node counted.
    pub nodes: u16,
    /// Transactions in a full block.
    pub capacity: u32,
    /// What each member starts with.
    pub endowment: Amount,
    /// How many blocks ahead of the next one `valid_until` may lie.
    pub ttl_blocks: u64,
    /// Fee on transferred coins, in hundredths, rounded up to 10^-6 BCC.
    pub coin_fee_percent: u8,
    /// Fee per Unicode scalar value of a message.
    pub message_fee: Amount,
}

/// Why parameters make no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// No node or too many.
    #[error("the number of nodes must be between 1 and {MAX_NODES}")]
    Nodes,
    /// Empty blocks or too large ones.
    #[error("the capacity must be between 1 and {MAX_CAPACITY}")]
    Capacity,
    /// Nothing to start with, or a supply that does not fit.
    #[error("the endowment must be positive, and that of all nodes together below 2^64 millionths")]
    Endowment,
    /// Transactions would never be valid.
    #[error("the time to live must be at least 1 block")]
    Ttl,
    /// More than the whole amount.
    #[error("the fee on coins must be at most 100 percent")]
    CoinFee,
}

impl Parameters {
    /// The assignment's money and fees for a network of this size.
    pub const fn assignment(nodes: u16, capacity: u32) -> Self {
        Self {
            nodes,
            capacity,
            endowment: Amount::from_micros(1000 * Amount::MICROS_PER_BCC),
            ttl_blocks: 10_000,
            coin_fee_percent: 3,
            message_fee: Amount::from_micros(Amount::MICROS_PER_BCC),
        }
    }

    /// Checks every bound.
    pub fn validate(&self) -> Result<(), ParametersError> {
        if self.nodes == 0 || self.nodes > MAX_NODES {
            return Err(ParametersError::Nodes);
        }
        if self.capacity == 0 || self.capacity > MAX_CAPACITY {
            return Err(ParametersError::Capacity);
        }
        if self.endowment.is_zero() || self.checked_supply().is_none() {
            return Err(ParametersError::Endowment);
        }
        if self.ttl_blocks == 0 {
            return Err(ParametersError::Ttl);
        }
        if self.coin_fee_percent > 100 {
            return Err(ParametersError::CoinFee);
        }
        Ok(())
    }

    /// All coins there are and ever will be: endowment times nodes. Zero when that does not fit, which
    /// [`Parameters::validate`] refuses.
    pub fn supply(&self) -> Amount {
        self.checked_supply().unwrap_or_default()
    }

    fn checked_supply(&self) -> Option<Amount> {
        self.endowment.checked_mul(u64::from(self.nodes))
    }
}

/// How many of `nodes` members may fail or lie without a fork: ⌊(n-1)/3⌋.
pub const fn fault_tolerance(nodes: usize) -> usize {
    nodes.saturating_sub(1) / 3
}

/// What genesis and join messages are bound to before there is a descriptor.
pub fn founding_id(parameters: &Parameters, bootstrap: &PublicKey) -> Hash {
    Hash::of(FOUNDING_DOMAIN, &[&encode(parameters), bootstrap.der()])
}
