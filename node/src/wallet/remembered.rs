//! The transactions signed for Idempotency-Keys, most recent ones in memory, all in the store.

use std::collections::{HashMap, VecDeque};

use blockchat_ledger::SignedTransaction;

/// Keys kept in memory. A key is in the store, too, long before it is forgotten here.
const LIMIT: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Remembered {
    transactions: HashMap<String, SignedTransaction>,
    order: VecDeque<String>,
}

impl Remembered {
    pub(super) fn get(&self, key: &str) -> Option<&SignedTransaction> {
        self.transactions.get(key)
    }

    pub(super) fn insert(&mut self, key: String, signed: SignedTransaction) {
        if self.transactions.insert(key.clone(), signed).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > LIMIT {
            if let Some(oldest) = self.order.pop_front() {
                self.transactions.remove(&oldest);
            }
        }
    }
}
