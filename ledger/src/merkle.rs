//! The transaction root: a Merkle tree (the shape of RFC 6962), so that a receipt can prove that a
//! transaction stands in a block without the block's other transactions.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash;

const LEAF_DOMAIN: &str = "blockchat/transaction-leaf/v1";
const BRANCH_DOMAIN: &str = "blockchat/transaction-branch/v1";
const EMPTY_DOMAIN: &str = "blockchat/transaction-empty/v1";

/// The path from one leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InclusionProof {
    /// Position of the leaf.
    pub index: u32,
    /// Number of leaves.
    pub count: u32,
    /// The siblings on the way, the leaf's own first.
    pub siblings: Vec<Hash>,
}

/// The root over the hashes in their order.
pub fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of(EMPTY_DOMAIN, &[]),
        [hash] => leaf(hash),
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len()));
            branch(&root(left), &root(right))
        }
    }
}

/// The proof for the hash at `index`; `None` when there is none.
pub fn prove(hashes: &[Hash], index: usize) -> Option<InclusionProof> {
    hashes.get(index)?;
    let mut siblings = Vec::new();
    let (mut hashes, mut position) = (hashes, index);
    let count = u32::try_from(hashes.len()).ok()?;
    while hashes.len() > 1 {
        let (left, right) = hashes.split_at(split(hashes.len()));
        if position < left.len() {
            siblings.push(root(right));
            hashes = left;
        } else {
            siblings.push(root(left));
            position -= left.len();
            hashes = right;
        }
    }
    siblings.reverse();
    Some(InclusionProof { index: u32::try_from(index).ok()?, count, siblings })
}

impl InclusionProof {
    /// The root that the hash would have at its place; `None` when the proof is malformed.
    pub fn root_of(&self, hash: &Hash) -> Option<Hash> {
        // The way down: at each level, whether the leaf is on the left.
        let (mut count, mut position) = (usize::try_from(self.count).ok()?, usize::try_from(self.index).ok()?);
        if position >= count {
            return None;
        }
        let mut on_the_left = Vec::new();
        while count > 1 {
            let left = split(count);
            on_the_left.push(position < left);
            if position < left {
                count = left;
            } else {
                position -= left;
                count -= left;
            }
        }
        if on_the_left.len() != self.siblings.len() {
            return None;
        }
        let steps = on_the_left.into_iter().rev().zip(&self.siblings);
        Some(steps.fold(
            leaf(hash),
            |node, (left, sibling)| {
                if left { branch(&node, sibling) } else { branch(sibling, &node) }
            },
        ))
    }
}

/// The largest power of two below `count` (at least 2).
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn leaf(hash: &Hash) -> Hash {
    Hash::of(LEAF_DOMAIN, &[&hash.0])
}

fn branch(left: &Hash, right: &Hash) -> Hash {
    Hash::of(BRANCH_DOMAIN, &[&left.0, &right.0])
}

#[cfg(test)]
mod tests;
