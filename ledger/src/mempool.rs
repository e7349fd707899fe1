//! The pool of transactions that wait for a block.
//!
//! Each sender's transactions form a queue of consecutive nonces that its *committed* account can pay
//! for; what others owe it does not count. Blocks only add to what such a queue can rely on, unless one
//! holds another transaction of the same sender, so the pool keeps one sum per sender and looks at a
//! whole queue only in that case. `height` is always the index of the last committed block and `state`
//! the state after it; both must be those of the last [`Mempool::on_commit`].

mod admission;
mod queue;
mod removal;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::hash::Hash;
use crate::keys::AccountId;
use crate::ring::Ring;
use crate::state::State;
use crate::transaction::{Cost, SignedTransaction, VerifiedTransaction};
use crate::validity::Standing;

use admission::Place;
use queue::{Held, Queue};
pub use types::{DropReason, Dropped, Inserted, Origin, PendingAccount, PoolError, PoolLimits};

/// A transaction that a block may take.
#[derive(Debug)]
struct Entry {
    transaction: VerifiedTransaction,
    arrival_ms: u64,
}

/// Where a transaction is kept.
#[derive(Clone, Copy, Debug)]
enum Location {
    /// By arrival number.
    Ready(u64),
    /// In its sender's queue, by nonce.
    Held(AccountId, u64),
}

/// Transactions that may stand in one of the next blocks, and those that miss a predecessor.
#[derive(Debug)]
pub struct Mempool {
    limits: PoolLimits,
    /// Arrival numbers, never used twice.
    next_arrival: u64,
    /// Those that a block may take, in order of arrival.
    ready: BTreeMap<u64, Entry>,
    /// Queues by sender. Looked up, never iterated, so its order cannot reach a block.
    senders: HashMap<AccountId, Queue>,
    /// Where each is, those held included, by wire hash.
    by_wire_hash: HashMap<Hash, Location>,
    /// Wire hashes by id, those held included.
    ids: HashMap<Hash, Hash>,
    /// The last block in which each may stand, those held included.
    expiry: BTreeSet<(u64, AccountId, u64)>,
    /// When each of those held is given up, in milliseconds.
    held: BTreeSet<(u64, AccountId, u64)>,
    bytes: usize,
}

impl Mempool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            next_arrival: 0,
            ready: BTreeMap::new(),
            senders: HashMap::new(),
            by_wire_hash: HashMap::new(),
            ids: HashMap::new(),
            expiry: BTreeSet::new(),
            held: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// What it takes at most.
    pub fn limits(&self) -> PoolLimits {
        self.limits
    }

    /// Everything that is cheaper than verifying the signature, in the order of cost.
    pub fn precheck(
        &self,
        ring: &Ring,
        state: &State,
        height: u64,
        tx: &SignedTransaction,
        origin: Origin,
    ) -> Result<(), PoolError> {
        self.admit(ring, state, height, tx, origin).map(|_| ())
    }

    /// Takes a transaction in. One from a client must be its sender's next; one from a peer that is
    /// ahead of its sender's queue is held until the queue reaches it.
    pub fn insert(
        &mut self,
        ring: &Ring,
        state: &State,
        height: u64,
        now_ms: u64,
        tx: VerifiedTransaction,
        origin: Origin,
    ) -> Result<Inserted, PoolError> {
        let (sender, cost, place) = self.admit(ring, state, height, &tx, origin)?;
        self.ids.insert(tx.id(), tx.wire_hash());
        self.expiry.insert((tx.transaction().valid_until, sender, tx.transaction().nonce));
        self.bytes += tx.size_bytes();
        let mut inserted = Inserted::default();
        match place {
            Place::Gap => {
                self.hold(sender, tx, now_ms);
                inserted.held = true;
            }
            Place::Next => {
                inserted.ready.push(tx.clone());
                self.enqueue(sender, tx, cost, now_ms);
                self.release(ring, state, sender, &mut inserted);
            }
        }
        Ok(inserted)
    }

    /// Those that a block may take, in order of arrival and each sender's in nonce order.
    pub fn candidates(&self) -> impl Iterator<Item = &VerifiedTransaction> {
        self.ready.values().map(|entry| &entry.transaction)
    }

    /// The one with this wire hash, ready or held.
    pub fn get(&self, wire_hash: &Hash) -> Option<&VerifiedTransaction> {
        match self.by_wire_hash.get(wire_hash)? {
            Location::Ready(arrival) => self.ready.get(arrival).map(|entry| &entry.transaction),
            Location::Held(sender, nonce) => self.senders.get(sender)?.held.get(nonce).map(|held| &held.transaction),
        }
    }

    /// Whether the transaction is here, with whatever signature, ready or held.
    pub fn contains_id(&self, id: &Hash) -> bool {
        self.ids.contains_key(id)
    }

    /// How many a block may take.
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether there is nothing that a block may take.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// How many are held because an earlier nonce is missing.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Encoded bytes of all, those held included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many more there is room for.
    pub fn capacity_left(&self) -> usize {
        self.limits.max_transactions.saturating_sub(self.ids.len())
    }

    /// When the oldest that a block may take became ready, in milliseconds of the caller's clock.
    pub fn oldest_arrival_ms(&self) -> Option<u64> {
        self.ready.first_key_value().map(|(_, entry)| entry.arrival_ms)
    }

    /// The account as it will be when its own pending transactions are committed, whatever it earns.
    pub fn pending_account(&self, state: &State, id: &AccountId) -> PendingAccount {
        let Standing { balance, stake, nonce } = self.standing(state, id).unwrap_or_default();
        PendingAccount { balance, stake, nonce }
    }

    /// A block was committed: takes out its transactions and every one that can no longer be committed.
    /// Each sender's later ones leave with it.
    pub fn on_commit(
        &mut self,
        ring: &Ring,
        state: &State,
        height: u64,
        committed: &[VerifiedTransaction],
    ) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        let mut senders = BTreeSet::new();
        let mut surprised = BTreeSet::new();
        for tx in committed {
            let sender = tx.transaction().sender.account_id();
            let Some(sender) = sender.filter(|sender| self.senders.contains_key(sender)) else {
                continue;
            };
            senders.insert(sender);
            if self.take_committed(sender, tx, &mut dropped) {
                surprised.insert(sender);
            }
        }
        for sender in surprised {
            self.recheck(ring, state, sender, &mut dropped);
        }
        self.expire(height, &mut dropped);
        for sender in senders {
            let mut released = Inserted::default();
            self.release(ring, state, sender, &mut released);
            dropped.append(&mut released.dropped);
            self.forget_if_empty(&sender);
        }
        dropped
    }

    /// Gives up those held whose predecessor did not come in time.
    pub fn expire_held(&mut self, now_ms: u64) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        while let Some(&(deadline_ms, sender, nonce)) = self.held.first() {
            if deadline_ms > now_ms {
                break;
            }
            self.held.pop_first();
            dropped.extend(self.drop_held(sender, nonce, DropReason::HeldTooLong));
            self.forget_if_empty(&sender);
        }
        dropped
    }
}

impl Mempool {
    /// Keeps a transaction until its predecessor comes.
    fn hold(&mut self, sender: AccountId, tx: VerifiedTransaction, now_ms: u64) {
        let nonce = tx.transaction().nonce;
        let deadline_ms = now_ms.saturating_add(self.limits.hold_ms);
        self.held.insert((deadline_ms, sender, nonce));
        self.by_wire_hash.insert(tx.wire_hash(), Location::Held(sender, nonce));
        let held = Held { transaction: tx, arrival_ms: now_ms, deadline_ms };
        self.senders.entry(sender).or_default().held.insert(nonce, held);
    }

    /// Puts the sender's next transaction behind its queue.
    fn enqueue(&mut self, sender: AccountId, tx: VerifiedTransaction, cost: Cost, arrival_ms: u64) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.by_wire_hash.insert(tx.wire_hash(), Location::Ready(arrival));
        self.senders.entry(sender).or_default().push(tx.transaction(), cost, arrival);
        self.ready.insert(arrival, Entry { transaction: tx, arrival_ms });
    }

    /// Moves those held whose turn has come behind the sender's queue.
    fn release(&mut self, ring: &Ring, state: &State, sender: AccountId, inserted: &mut Inserted) {
        while let Some(account) = state.account(&sender) {
            let Some(queue) = self.senders.get_mut(&sender) else { return };
            let standing = queue.standing(account);
            let Some(first) = queue.held.first_entry().filter(|first| *first.key() <= standing.nonce) else {
                return;
            };
            let (nonce, held) = first.remove_entry();
            self.held.remove(&(held.deadline_ms, sender, nonce));
            let Held { transaction: tx, arrival_ms, .. } = held;
            let checked = queue.check(ring, state, &standing, tx.transaction());
            match checked {
                Ok(cost) => {
                    inserted.ready.push(tx.clone());
                    self.enqueue(sender, tx, cost, arrival_ms);
                }
                Err(error) => {
                    self.forget(sender, &tx);
                    inserted.dropped.push(Dropped { transaction: tx, reason: error.into() });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
