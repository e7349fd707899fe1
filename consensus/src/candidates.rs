//! Blocks that were proposed at the height in progress, put together from the pool and from peers.
//!
//! A proposal names its transactions by hash. A candidate keeps hold of those it has found, so that the pool may drop
//! them meanwhile, and knows which are still missing. It is judged once, when complete; a bad signature among its
//! transactions ends it at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use blockchat_ledger::{Block, BlockHeader, Execution, Hash, VerifiedTransaction};
use malachitebft_core_types::Round;

/// New candidates taken from the proposals of one round: one is normal, a second is evidence, more are a liar's flood.
const MAX_PER_ROUND: usize = 2;

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
    /// The round whose proposal named it first; none if it was minted here or read from the log.
    named_in: Option<Round>,
    found: HashMap<Hash, VerifiedTransaction>,
    missing: HashSet<Hash>,
}

impl Candidate {
    fn new(header: BlockHeader, hashes: Vec<Hash>) -> Self {
        let missing: HashSet<Hash> = hashes.iter().copied().collect();
        Self {
            header,
            hashes,
            verdict: Verdict::Incomplete,
            waiting: Vec::new(),
            asked: Vec::new(),
            named_in: None,
            found: HashMap::with_capacity(missing.len()),
            missing,
        }
    }

    /// Hashes of the transactions that are not at hand, in the block's order.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Hash> {
        self.hashes.iter().filter(|hash| self.missing.contains(*hash))
    }

    fn is_incomplete(&self) -> bool {
        matches!(self.verdict, Verdict::Incomplete)
    }

    /// Takes what `lookup` has of the missing transactions; says whether the block is complete now.
    pub(crate) fn fill(&mut self, mut lookup: impl FnMut(&Hash) -> Option<VerifiedTransaction>) -> bool {
        if !self.is_incomplete() {
            return false;
        }
        let found = &mut self.found;
        self.missing.retain(|hash| match lookup(hash) {
            Some(transaction) => {
                found.insert(*hash, transaction);
                false
            }
            None => true,
        });
        self.missing.is_empty()
    }

    /// Takes a transaction if it lacks it.
    pub(crate) fn take(&mut self, transaction: &VerifiedTransaction) {
        let hash = transaction.wire_hash();
        if self.is_incomplete() && self.missing.remove(&hash) {
            self.found.insert(hash, transaction.clone());
        }
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

    /// The candidate of a proposal of `round`, new or known; none when there are too many.
    pub(crate) fn named(
        &mut self,
        round: Round,
        id: Hash,
        header: &BlockHeader,
        hashes: &[Hash],
    ) -> Option<&mut Candidate> {
        let of_round = self.map.values().filter(|candidate| candidate.named_in == Some(round)).count();
        if of_round >= MAX_PER_ROUND && !self.map.contains_key(&id) {
            return None;
        }
        let new = || Candidate { named_in: Some(round), ..Candidate::new(header.clone(), hashes.to_vec()) };
        Some(self.map.entry(id).or_insert_with(new))
    }

    /// A block that is known to be valid: minted here, or read back from the log.
    pub(crate) fn insert_valid(&mut self, id: Hash, block: Block, execution: Execution) {
        let hashes = block.transactions.iter().map(|transaction| transaction.wire_hash()).collect();
        let mut candidate = Candidate::new(block.header.clone(), hashes);
        candidate.found =
            block.transactions.iter().map(|transaction| (transaction.wire_hash(), transaction.clone())).collect();
        candidate.missing.clear();
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

    /// Gives a transaction to every candidate that lacks it.
    pub(crate) fn take(&mut self, transaction: &VerifiedTransaction) {
        for candidate in self.map.values_mut() {
            candidate.take(transaction);
        }
    }

    /// Candidates that lack the transaction `hash`.
    pub(crate) fn lacking(&self, hash: &Hash) -> Vec<Hash> {
        self.map
            .iter()
            .filter(|(_, candidate)| candidate.is_incomplete() && candidate.missing.contains(hash))
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn any_incomplete(&self) -> bool {
        self.map.values().any(Candidate::is_incomplete)
    }
}
