//! When transactions were first seen: a node begins with their signatures, and the core knows of no clock like this one.

use std::collections::HashMap;
use std::time::Instant;

use blockchat_consensus::Input;
use blockchat_ledger::Hash;

/// From the start of a check to the end of the turn that has its result. The core bounds the checks under way.
#[derive(Debug, Default)]
pub struct Arrivals {
    checks: HashMap<u64, Instant>,
    checked: HashMap<Hash, Instant>,
}

impl Arrivals {
    /// The check of some transactions begins.
    pub fn check(&mut self, job: u64) {
        self.checks.insert(job, Instant::now());
    }

    /// An input that the core is about to handle.
    pub fn input(&mut self, input: &Input) {
        if let Input::Verified { job, results } = input
            && let Some(began) = self.checks.remove(job)
        {
            self.checked.extend(results.iter().flatten().map(|transaction| (transaction.id(), began)));
        }
    }

    /// When this transaction, which enters the pool, was first seen. One that had to wait for an earlier one of its sender
    /// counts from now on.
    pub fn take(&mut self, id: &Hash) -> Instant {
        self.checked.remove(id).unwrap_or_else(Instant::now)
    }

    /// What is left did not enter the pool.
    pub fn turn_ends(&mut self) {
        self.checked.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::storage::fixture::Chain;

    #[test]
    fn a_transaction_is_seen_when_its_check_begins() {
        let mut chain = Chain::found();
        let transactions = chain.next(Some(1)).block.transactions.clone();
        let (first, second) = (&transactions[0], &transactions[1]);
        let mut arrivals = Arrivals::default();
        arrivals.check(7);
        let before = Instant::now();
        std::thread::sleep(Duration::from_millis(2));
        let results = vec![Ok(first.clone()), Err(second.wire_hash())];
        arrivals.input(&Input::Verified { job: 7, results });
        assert!(arrivals.take(&first.id()) <= before);
        assert!(arrivals.take(&second.id()) > before, "its signature is wrong");
        arrivals.input(&Input::Verified { job: 7, results: vec![Ok(second.clone())] });
        assert!(arrivals.take(&second.id()) > before, "the job was answered");
        arrivals.check(8);
        arrivals.input(&Input::Verified { job: 8, results: vec![Ok(first.clone())] });
        arrivals.turn_ends();
        assert_eq!((arrivals.checks.len(), arrivals.checked.len()), (0, 0));
    }
}
