//! Blocks at which nodes tell what they have, so that an alert can find two that differ.
//!
//! Nodes are scraped at different moments, between which many blocks are made; they are compared at blocks that stay the
//! newest checkpoint for longer than that. The distance grows with the chain, up to [`LONGEST_STEP`]. A block's hash
//! covers its state root and, by its predecessor, all blocks before it; a member commits a block only if its own state
//! after it has that root.

use blockchat_ledger::Hash;

use crate::storage::{Reader, StoreError};
use crate::telemetry::ConsensusMetrics;

/// Most blocks between two checkpoints.
const LONGEST_STEP: u64 = 4_096;

/// Blocks between checkpoints around this height: a power of two, an eighth of the height at most.
fn step(height: u64) -> u64 {
    let eighth = (height / 8).max(1);
    (1 << eighth.ilog2()).min(LONGEST_STEP)
}

/// The newest checkpoint at or below this height.
fn before(height: u64) -> u64 {
    height - height % step(height)
}

/// Whether this height is a checkpoint.
pub fn is_at(height: u64) -> bool {
    before(height) == height
}

/// Tells the block at a checkpoint.
pub fn passed(metrics: &ConsensusMetrics, height: u64, block: &Hash) {
    metrics.checkpoint_height.set(i64::try_from(height).unwrap_or(i64::MAX));
    metrics.checkpoint_fingerprint.set(fingerprint(block));
}

/// Tells the last checkpoint of a chain that is there already.
pub fn found(metrics: &ConsensusMetrics, reader: &Reader, height: u64) -> Result<(), StoreError> {
    let height = before(height);
    if let Some(stored) = reader.block(height)? {
        passed(metrics, height, &stored.block.hash());
    }
    Ok(())
}

/// A sample is a float of 64 bits, which holds integers of up to 53.
fn fingerprint(block: &Hash) -> i64 {
    block.0.iter().take(6).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_stays_for_an_eighth_of_the_chain_or_so_many_blocks() {
        assert!((0..16).all(is_at));
        let from = |low: u64, high: u64| (low..=high).filter(|height| is_at(*height)).collect::<Vec<_>>();
        assert_eq!(from(1_000, 1_300), [1_024, 1_152, 1_280]);
        assert_eq!(from(1_000_000, 1_010_000), [1_003_520, 1_007_616]);
        for height in (0..100_000).chain([u64::MAX - 1, u64::MAX]) {
            assert!(before(height) <= height && height - before(height) < LONGEST_STEP);
            assert!(is_at(before(height)), "{height}");
        }
    }

    #[test]
    fn a_fingerprint_is_exact_as_a_float() {
        assert_eq!(fingerprint(&Hash([0xff; 32])), (1 << 48) - 1);
        assert_eq!(fingerprint(&Hash([1; 32])), 0x0101_0101_0101);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        let exact = |value: i64| value as f64 as i64 == value;
        assert!(exact(fingerprint(&Hash([0xff; 32]))));
    }
}
