//! Blocks that were proposed at the height in progress, put together from the pool and from peers.
//!
//! A proposal names its transactions by hash. A candidate keeps hold of those it has found, so that the pool may drop
//! them meanwhile, and knows which are still missing. It is judged once, when complete; a bad signature among its
//! transactions ends it at once.

use std::collections::{BTreeMap, HashMap};

use blockchat_ledger::{Block, BlockHeader, Execution, Hash, VerifiedTransaction};
use malachitebft_core_types::Round;

/// Candidates kept per height: one a round is normal, more are the work of lying proposers.
const MAX_CANDIDATES: usize = 256;

/// What became of a candidate.
pub(crate) enum Verdict {
    /// Some transactions are not at hand yet.
    Incomplete,
    /// Complete and valid.
    Valid(Box<(Block, Execution)>),
    /// It can never be valid.
    Invalid,
}

/// A round in which the block was proposed, as the engine is told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProposedIn {
    pub(crate) round: Round,
    pub(crate) pol_round: Round,
    pub(crate) proposer: u16,
}

pub(crate) struct Candidate {
    pub(crate) header: BlockHeader,
    pub(crate) hashes: Vec<Hash>,
    pub(crate) verdict: Verdict,
    /// Rounds in which it was proposed and the engine has not been given the verdict yet.
    pub(crate) waiting: Vec<ProposedIn>,
    /// Who was asked for missing transactions, to ask somebody else next time.
    pub(crate) asked: Vec<u16>,
    found: HashMap<Hash, VerifiedTransaction>,
    missing: usize,
}

impl Candidate {
    fn new(header: BlockHeader, hashes: Vec<Hash>) -> Self {
        let missing = hashes.len();
        Self {
            header,
            hashes,
            verdict: Verdict::Incomplete,
            waiting: Vec::new(),
            asked: Vec::new(),
            found: HashMap::with_capacity(missing),
            missing,
        }
    }

    /// Hashes of the transactions that are not at hand.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Hash> {
        self.hashes.iter().filter(|hash| !self.found.contains_key(*hash))
    }

    fn is_incomplete(&self) -> bool {
        matches!(self.verdict, Verdict::Incomplete)
    }

    /// Takes what `lookup` has of the missing transactions; says whether the block is complete now.
    pub(crate) fn fill(&mut self, mut lookup: impl FnMut(&Hash) -> Option<VerifiedTransaction>) -> bool {
        if !self.is_incomplete() {
            return false;
        }
        for hash in &self.hashes {
            if !self.found.contains_key(hash)
                && let Some(transaction) = lookup(hash)
            {
                self.found.insert(*hash, transaction);
            }
        }
        self.missing = self.hashes.len().saturating_sub(self.found.len());
        self.missing == 0
    }

    /// The block, once every transaction is at hand.
    pub(crate) fn block(&self) -> Option<Block> {
        let transactions: Option<Vec<_>> = self.hashes.iter().map(|hash| self.found.get(hash).cloned()).collect();
        Some(Block { header: self.header.clone(), transactions: transactions? })
    }
}

/// All candidates of the height in progress, by block hash.
#[derive(Default)]
pub(crate) struct Candidates {
    map: BTreeMap<Hash, Candidate>,
}

impl Candidates {
    pub(crate) fn clear(&mut self) {
        self.map.clear();
    }

    pub(crate) fn get(&self, id: &Hash) -> Option<&Candidate> {
        self.map.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &Hash) -> Option<&mut Candidate> {
        self.map.get_mut(id)
    }

    /// The candidate of a proposal, new or known; none when there are too many.
    pub(crate) fn named(&mut self, id: Hash, header: &BlockHeader, hashes: &[Hash]) -> Option<&mut Candidate> {
        if self.map.len() >= MAX_CANDIDATES && !self.map.contains_key(&id) {
            return None;
        }
        Some(self.map.entry(id).or_insert_with(|| Candidate::new(header.clone(), hashes.to_vec())))
    }

    /// A block that is known to be valid: minted here, or read back from the log.
    pub(crate) fn insert_valid(&mut self, id: Hash, block: Block, execution: Execution) {
        let hashes = block.transactions.iter().map(|transaction| transaction.wire_hash()).collect();
        let mut candidate = Candidate::new(block.header.clone(), hashes);
        candidate.found =
            block.transactions.iter().map(|transaction| (transaction.wire_hash(), transaction.clone())).collect();
        candidate.missing = 0;
        candidate.verdict = Verdict::Valid(Box::new((block, execution)));
        self.map.insert(id, candidate);
    }

    /// Takes the valid block `id` out.
    pub(crate) fn take_valid(&mut self, id: &Hash) -> Option<(Block, Execution)> {
        match self.map.remove(id)?.verdict {
            Verdict::Valid(block) => Some(*block),
            Verdict::Incomplete | Verdict::Invalid => None,
        }
    }

    /// A transaction that some candidate holds.
    pub(crate) fn transaction(&self, hash: &Hash) -> Option<&VerifiedTransaction> {
        self.map.values().find_map(|candidate| candidate.found.get(hash))
    }

    /// Candidates that still lack transactions.
    pub(crate) fn incomplete(&self) -> Vec<Hash> {
        self.map.iter().filter(|(_, candidate)| candidate.is_incomplete()).map(|(id, _)| *id).collect()
    }

    /// Candidates that lack the transaction `hash`.
    pub(crate) fn lacking(&self, hash: &Hash) -> Vec<Hash> {
        self.map
            .iter()
            .filter(|(_, candidate)| candidate.is_incomplete() && candidate.missing().any(|missing| missing == hash))
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn any_incomplete(&self) -> bool {
        self.map.values().any(Candidate::is_incomplete)
    }
}
