//! Which transactions come in.

use super::queue::Queue;
use super::{Mempool, Origin, PoolError};
use crate::execution::TransactionError;
use crate::keys::AccountId;
use crate::ring::Ring;
use crate::state::State;
use crate::transaction::{Cost, SignedTransaction};
use crate::validity::{Standing, check_form, check_grants, check_window};

/// How many blocks a member may be behind the one whose client sent a transaction: that far a peer's
/// `valid_until` may lie beyond what is allowed in the next block. Such a transaction waits.
const EARLY_BLOCKS: u64 = 1_000;

/// Where a nonce stands relative to its sender's queue.
pub(super) enum Place {
    /// Right behind it.
    Next,
    /// Further on.
    Gap,
}

impl Mempool {
    /// Whether the transaction may come in, what it costs and where it goes.
    pub(super) fn admit(
        &self,
        ring: &Ring,
        state: &State,
        height: u64,
        tx: &SignedTransaction,
        origin: Origin,
    ) -> Result<(AccountId, Cost, Place), PoolError> {
        match self.ids.get(&tx.id()) {
            Some(wire_hash) if *wire_hash == tx.wire_hash() => return Err(PoolError::Duplicate),
            Some(_) => return Err(PoolError::OtherSignature),
            None => {}
        }
        let full = self.capacity_left() == 0;
        if full || self.bytes.saturating_add(tx.size_bytes()) > self.limits.max_bytes {
            return Err(PoolError::Full);
        }
        let transaction = tx.transaction();
        let cost = check_form(ring, transaction)?;
        self.check_turn(ring, height, tx, origin)?;
        let sender = transaction.sender.account_id().ok_or(TransactionError::NetworkSender)?;
        let account = state.account(&sender).ok_or(TransactionError::UnknownSender)?;
        let queue = self.senders.get(&sender);
        if queue.is_some_and(|queue| queue.len() >= self.limits.max_per_sender) {
            return Err(PoolError::SenderFull);
        }
        let standing = queue.map_or(Standing::of(account), |queue| queue.standing(account));
        let place = self.place(account.nonce, &standing, transaction.nonce, queue, origin)?;
        check_grants(ring, state, transaction)?;
        match place {
            Place::Next => {
                standing.after(transaction, cost)?;
                if queue.is_some_and(|queue| queue.grants_to(transaction)) {
                    return Err(TransactionError::AlreadyGranted.into());
                }
            }
            // Whether it can be paid is seen when its turn comes; that it never can be, is seen now.
            Place::Gap => {
                Standing { nonce: transaction.nonce, ..Standing::of(account) }.after(transaction, cost)?;
            }
        }
        Ok((sender, cost, place))
    }

    /// Whether a block will take it while it is valid.
    fn check_turn(&self, ring: &Ring, height: u64, tx: &SignedTransaction, origin: Origin) -> Result<(), PoolError> {
        let next = height.saturating_add(1);
        let valid_until = tx.transaction().valid_until;
        match check_window(ring.parameters(), next, tx.transaction()) {
            Err(TransactionError::ValidUntilTooFar { ttl_blocks, .. })
                if origin == Origin::Peer && valid_until - next - ttl_blocks <= EARLY_BLOCKS => {}
            checked => checked?,
        }
        let blocks_before = (self.ready.len() as u64) / u64::from(ring.parameters().capacity.max(1));
        if valid_until - next < blocks_before { Err(PoolError::TooDeep) } else { Ok(()) }
    }

    fn place(
        &self,
        committed_nonce: u64,
        standing: &Standing,
        nonce: u64,
        queue: Option<&Queue>,
        origin: Origin,
    ) -> Result<Place, PoolError> {
        if nonce == standing.nonce {
            return Ok(Place::Next);
        }
        let taken = (committed_nonce..standing.nonce).contains(&nonce)
            || queue.is_some_and(|queue| queue.held.contains_key(&nonce));
        if taken {
            return Err(PoolError::NonceTaken { nonce, expected: standing.nonce });
        }
        let ahead = nonce.checked_sub(standing.nonce);
        let near = ahead.is_some_and(|ahead| ahead < self.limits.max_per_sender as u64);
        if origin == Origin::Client || !near {
            return Err(TransactionError::WrongNonce { expected: standing.nonce, found: nonce }.into());
        }
        if self.held.len() >= self.limits.max_held {
            return Err(PoolError::HeldFull);
        }
        Ok(Place::Gap)
    }

    /// The committed account with the sender's queue replayed on it.
    pub(super) fn standing(&self, state: &State, id: &AccountId) -> Option<Standing> {
        let account = state.account(id)?;
        Some(self.senders.get(id).map_or(Standing::of(account), |queue| queue.standing(account)))
    }
}
