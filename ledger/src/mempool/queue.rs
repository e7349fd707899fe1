//! One sender's pending transactions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::amount::Amount;
use crate::execution::TransactionError;
use crate::keys::AccountId;
use crate::ring::Ring;
use crate::state::{Account, State};
use crate::transaction::{Cost, Kind, Transaction, VerifiedTransaction};
use crate::validity::{Standing, check_form, check_grants};

/// Transactions with consecutive nonces from the committed account's on, which that account can pay
/// for, and others further on that miss a predecessor.
#[derive(Debug, Default)]
pub(super) struct Queue {
    slots: VecDeque<Slot>,
    /// What all slots cost together.
    spent: Amount,
    /// Whom grants among the slots pay.
    grants: BTreeSet<AccountId>,
    /// By nonce.
    pub(super) held: BTreeMap<u64, Held>,
}

/// One ready transaction of the sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) arrival: u64,
    pub(super) nonce: u64,
    cost: Amount,
    /// The sender's stake after this one, if it or an earlier one in the queue sets it.
    stake: Option<Amount>,
    /// Whom it pays, if it is a grant.
    grant: Option<AccountId>,
}

/// A transaction that misses a predecessor.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) transaction: VerifiedTransaction,
    pub(super) arrival_ms: u64,
    pub(super) deadline_ms: u64,
}

impl Queue {
    /// Transactions, those held included.
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.held.len()
    }

    /// The ready ones.
    pub(super) fn slots(&self) -> &VecDeque<Slot> {
        &self.slots
    }

    /// The committed account with the slots replayed on it. Each was payable when it came and the
    /// account has only gained since, so the sum decides.
    pub(super) fn standing(&self, account: &Account) -> Standing {
        let stake = self.slots.back().and_then(|slot| slot.stake).unwrap_or(account.stake);
        let balance = account.balance.checked_add(account.stake);
        let balance = balance.and_then(|all| all.checked_sub(stake)).and_then(|left| left.checked_sub(self.spent));
        let nonce = account.nonce.saturating_add(self.slots.len() as u64);
        Standing { balance: balance.unwrap_or_default(), stake, nonce }
    }

    /// Whether the transaction can follow the slots, and its cost.
    pub(super) fn check(
        &self,
        ring: &Ring,
        state: &State,
        standing: &Standing,
        tx: &Transaction,
    ) -> Result<Cost, TransactionError> {
        let cost = check_form(ring, tx)?;
        standing.after(tx, cost)?;
        check_grants(ring, state, tx)?;
        if self.grants_to(tx) { Err(TransactionError::AlreadyGranted) } else { Ok(cost) }
    }

    /// Whether a slot grants to the one whom the transaction grants to.
    pub(super) fn grants_to(&self, tx: &Transaction) -> bool {
        granted_by(tx).is_some_and(|member| self.grants.contains(&member))
    }

    /// Appends a transaction that was checked.
    pub(super) fn push(&mut self, tx: &Transaction, cost: Cost, arrival: u64) {
        let stake = match tx.kind {
            Kind::Stake => Some(tx.amount),
            _ => self.slots.back().and_then(|slot| slot.stake),
        };
        let grant = granted_by(tx);
        self.grants.extend(grant);
        self.spent = self.spent.checked_add(cost.total).unwrap_or(Amount::from_micros(u64::MAX));
        self.slots.push_back(Slot { arrival, nonce: tx.nonce, cost: cost.total, stake, grant });
    }

    /// Takes the first slot.
    pub(super) fn pop_front(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.removed(&slot);
        Some(slot)
    }

    /// Takes the last slot.
    pub(super) fn pop_back(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_back()?;
        self.removed(&slot);
        Some(slot)
    }

    fn removed(&mut self, slot: &Slot) {
        self.spent = self.spent.checked_sub(slot.cost).unwrap_or_default();
        if let Some(member) = slot.grant {
            self.grants.remove(&member);
        }
    }
}

fn granted_by(tx: &Transaction) -> Option<AccountId> {
    tx.receiver.account_id().filter(|_| tx.kind == Kind::Grant)
}
