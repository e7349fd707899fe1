//! Validation of a whole chain, as a joiner does it with what the bootstrap node hands over.

use crate::block::{Block, genesis};
use crate::execution::{BlockError, validate_block};
use crate::ring::Ring;
use crate::state::State;

/// Why a chain is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is not even a genesis block.
    #[error("the chain is empty")]
    Empty,
    /// Block 0 is not the network's.
    #[error("block 0 is not the genesis block of the network")]
    Genesis,
    /// A later block is invalid.
    #[error("block {index}: {error}")]
    Block {
        /// Its place in the chain.
        index: u64,
        /// What is wrong.
        error: BlockError,
    },
}

/// The state after the network's genesis block. That block is not validated by the rules of the others:
/// it must be, bit for bit, the one that the descriptor names.
pub fn genesis_state(ring: &Ring, block: &Block) -> Result<State, ChainError> {
    let (expected, state) =
        genesis(ring.parameters(), ring.bootstrap(), block.header.timestamp_ms).map_err(|_| ChainError::Genesis)?;
    let named = ring.descriptor().descriptor.genesis_hash;
    if *block == expected && block.hash() == named { Ok(state) } else { Err(ChainError::Genesis) }
}

/// Validates every block from genesis on and returns the state after the last.
pub fn validate_chain<'a>(ring: &Ring, blocks: impl IntoIterator<Item = &'a Block>) -> Result<State, ChainError> {
    let mut blocks = blocks.into_iter();
    let mut parent = blocks.next().ok_or(ChainError::Empty)?;
    let mut state = genesis_state(ring, parent)?;
    for (index, block) in (1..).zip(blocks) {
        let execution = validate_block(ring, &parent.header, &state, block);
        state = execution.map_err(|error| ChainError::Block { index, error })?.state;
        parent = block;
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
