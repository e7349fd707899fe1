//! How transactions leave: committed, overtaken, expired, no longer payable.

use super::queue::Slot;
use super::{DropReason, Dropped, Location, Mempool};
use crate::keys::AccountId;
use crate::ring::Ring;
use crate::state::State;
use crate::transaction::VerifiedTransaction;
use crate::validity::Standing;

impl Mempool {
    /// Takes a committed transaction out. Returns whether another one of the sender was expected, so
    /// that what follows has to be looked at again.
    pub(super) fn take_committed(
        &mut self,
        sender: AccountId,
        tx: &VerifiedTransaction,
        dropped: &mut Vec<Dropped>,
    ) -> bool {
        let nonce = tx.transaction().nonce;
        let mut surprised = false;
        while let Some(slot) = self.pop_front_up_to(sender, nonce) {
            let Some(pooled) = self.take_slot(sender, &slot) else { continue };
            if pooled.id() != tx.id() {
                surprised = true;
                dropped.push(Dropped { transaction: pooled, reason: DropReason::NonceUsed });
            }
        }
        if let Some(held) = self.take_held(sender, nonce)
            && held.id() != tx.id()
        {
            dropped.push(Dropped { transaction: held, reason: DropReason::NonceUsed });
        }
        surprised
    }

    /// Replays the sender's queue on its committed account; from the first that fails on, all leave.
    pub(super) fn recheck(&mut self, ring: &Ring, state: &State, sender: AccountId, dropped: &mut Vec<Dropped>) {
        let Some(queue) = self.senders.remove(&sender) else { return };
        let slots: Vec<Slot> = queue.slots().iter().copied().collect();
        let fresh = self.senders.entry(sender).or_default();
        fresh.held = queue.held;
        let mut standing = state.account(&sender).map(Standing::of).unwrap_or_default();
        let mut failed = None;
        for (position, slot) in slots.iter().enumerate() {
            let Some(entry) = self.ready.get(&slot.arrival) else { continue };
            let tx = entry.transaction.transaction();
            let checked = fresh
                .check(ring, state, &standing, tx)
                .and_then(|cost| standing.after(tx, cost).map(|after| (cost, after)));
            match checked {
                Ok((cost, after)) => {
                    fresh.push(tx, cost, slot.arrival);
                    standing = after;
                }
                Err(error) => {
                    failed = Some((position, error));
                    break;
                }
            }
        }
        if let Some((position, error)) = failed {
            self.drop_slots(sender, slots.get(position..).unwrap_or_default(), error.into(), dropped);
        }
    }

    /// Drops what can no longer stand in the block after `height`, with all that follow it.
    pub(super) fn expire(&mut self, height: u64, dropped: &mut Vec<Dropped>) {
        while let Some(&(valid_until, sender, nonce)) = self.expiry.first() {
            if valid_until > height {
                break;
            }
            self.expiry.pop_first();
            let Some(queue) = self.senders.get_mut(&sender) else { continue };
            let mut slots = Vec::new();
            while queue.slots().back().is_some_and(|slot| slot.nonce >= nonce) {
                slots.extend(queue.pop_back());
            }
            slots.reverse();
            self.drop_slots(sender, &slots, DropReason::Expired, dropped);
            dropped.extend(self.drop_held(sender, nonce, DropReason::Expired));
            self.forget_if_empty(&sender);
        }
    }

    /// Drops slots that were taken out of the queue: the first for the reason, the others for the first.
    fn drop_slots(&mut self, sender: AccountId, slots: &[Slot], reason: DropReason, dropped: &mut Vec<Dropped>) {
        let Some(first) = slots.first() else { return };
        let follow = DropReason::Predecessor { nonce: first.nonce, code: reason.code() };
        let reasons = std::iter::once(reason).chain(std::iter::repeat(follow));
        for (slot, reason) in slots.iter().zip(reasons) {
            if let Some(transaction) = self.take_slot(sender, slot) {
                dropped.push(Dropped { transaction, reason });
            }
        }
    }

    /// Drops one that is held, if there is one.
    pub(super) fn drop_held(&mut self, sender: AccountId, nonce: u64, reason: DropReason) -> Option<Dropped> {
        let transaction = self.take_held(sender, nonce)?;
        Some(Dropped { transaction, reason })
    }

    fn pop_front_up_to(&mut self, sender: AccountId, nonce: u64) -> Option<Slot> {
        let queue = self.senders.get_mut(&sender)?;
        queue.slots().front().filter(|slot| slot.nonce <= nonce)?;
        queue.pop_front()
    }

    fn take_slot(&mut self, sender: AccountId, slot: &Slot) -> Option<VerifiedTransaction> {
        let transaction = self.ready.remove(&slot.arrival)?.transaction;
        self.forget(sender, &transaction);
        Some(transaction)
    }

    fn take_held(&mut self, sender: AccountId, nonce: u64) -> Option<VerifiedTransaction> {
        let held = self.senders.get_mut(&sender)?.held.remove(&nonce)?;
        self.held.remove(&(held.deadline_ms, sender, nonce));
        self.forget(sender, &held.transaction);
        Some(held.transaction)
    }

    /// Removes a transaction from the indices, once it is out of `ready` or its queue.
    pub(super) fn forget(&mut self, sender: AccountId, tx: &VerifiedTransaction) {
        self.ids.remove(&tx.id());
        let location: Option<Location> = self.by_wire_hash.remove(&tx.wire_hash());
        debug_assert!(location.is_some());
        self.expiry.remove(&(tx.transaction().valid_until, sender, tx.transaction().nonce));
        self.bytes -= tx.size_bytes();
    }

    /// Removes the queue of a sender that has nothing here any more.
    pub(super) fn forget_if_empty(&mut self, sender: &AccountId) {
        if self.senders.get(sender).is_some_and(|queue| queue.len() == 0) {
            self.senders.remove(sender);
        }
    }
}
