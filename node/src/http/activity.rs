//! What happened to transactions lately: pending, just committed, or dropped and why.
//!
//! The runtime tells it everything in the order in which it happens; HTTP asks it for statuses and waits here for
//! commits. It is an index over what the state's task has already decided, never a source of truth, so a short lock
//! serves better than a queue: a waiter can look and register in one step and misses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use blockchat_api::{DroppedEvent, Event, EvidenceEvent, TransactionStatus};
use blockchat_consensus::{Committed, Evidence, EvidenceKind};
use blockchat_ledger::{AccountId, DropReason, Dropped, Hash, VerifiedTransaction};
use tokio::sync::{broadcast, oneshot};

use super::error::drop_code;

/// Committed transactions remembered, so that a status needs no disk while clients poll for it.
const RECENT_COMMITS: usize = 65_536;
/// Dropped transactions kept whole; with the largest messages, 16 MiB of them.
const RECENT_FAILURES: usize = 1_000;
/// Dropped transactions of which id and reason are remembered.
const RECENT_DROPS: usize = 10_000;

/// Notices that a slow event stream may lag behind by; beyond, it is told that it missed some.
const NOTICES: usize = 1_024;

/// The end of a transaction's time in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands in the block with this index.
    Committed(u64),
    /// It will not be committed by itself.
    Dropped(TransactionStatus, &'static str),
}

/// Something that event streams are told.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The chain has grown: the blocks are read from it.
    Committed,
    /// Something that is in no block.
    Other(Event),
}

/// Shared by the runtime, which reports, and HTTP, which asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Activity {
    inner: Arc<Mutex<Inner>>,
    notices: broadcast::Sender<Notice>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { inner: Arc::default(), notices: broadcast::channel(NOTICES).0 }
    }
}

#[derive(Debug, Default)]
struct Inner {
    pending: HashMap<Hash, Pending>,
    arrivals: u64,
    committed: Recent<u64>,
    dropped: Recent<(TransactionStatus, &'static str)>,
    failed: VecDeque<VerifiedTransaction>,
    waiters: HashMap<Hash, Vec<oneshot::Sender<Outcome>>>,
}

#[derive(Clone, Debug)]
struct Pending {
    transaction: VerifiedTransaction,
    since: Instant,
    arrival: u64,
}

impl Activity {
    /// A transaction entered the pool, which was first seen `since`.
    pub fn pooled(&self, transaction: &VerifiedTransaction, since: Instant) {
        let mut inner = self.lock();
        let id = transaction.id();
        inner.dropped.remove(&id);
        inner.arrivals += 1;
        let pending = Pending { transaction: transaction.clone(), since, arrival: inner.arrivals };
        inner.pending.entry(id).or_insert(pending);
    }

    /// A block was committed. Calls `seen` with the seconds since each of its transactions was first seen.
    pub fn committed(&self, committed: &Committed, mut seen: impl FnMut(f64)) {
        let mut inner = self.lock();
        let height = committed.block.header.index;
        for transaction in &committed.block.transactions {
            let id = transaction.id();
            if let Some(pending) = inner.pending.remove(&id) {
                seen(pending.since.elapsed().as_secs_f64());
            }
            inner.dropped.remove(&id);
            inner.committed.insert(id, height, RECENT_COMMITS);
            inner.wake(&id, Outcome::Committed(height));
        }
        drop(inner);
        self.notify(Notice::Committed);
    }

    /// Transactions left the pool without being committed.
    pub fn dropped(&self, dropped: &[Dropped]) {
        let mut inner = self.lock();
        for Dropped { transaction, reason } in dropped {
            let id = transaction.id();
            inner.pending.remove(&id);
            let status = match reason {
                DropReason::Expired => TransactionStatus::Expired,
                _ => TransactionStatus::Rejected,
            };
            let code = drop_code(reason);
            inner.dropped.insert(id, (status, code), RECENT_DROPS);
            inner.wake(&id, Outcome::Dropped(status, code));
            let event = DroppedEvent { transaction_id: id, status, reason: code.to_owned() };
            self.notify(Notice::Other(Event::Dropped(event)));
            inner.failed.push_back(transaction.clone());
        }
        let excess = inner.failed.len().saturating_sub(RECENT_FAILURES);
        inner.failed.drain(..excess);
    }

    /// A member contradicted itself.
    pub fn evidence(&self, evidence: &Evidence) {
        let kind = match evidence.kind {
            EvidenceKind::Vote => "vote",
            EvidenceKind::Proposal => "proposal",
        };
        let (member, height, evidence) = (evidence.member, evidence.height, kind.to_owned());
        self.notify(Notice::Other(Event::Evidence(EvidenceEvent { member, height, evidence })));
    }

    /// Everything that happens from now on, for an event stream.
    pub fn listen(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn notify(&self, notice: Notice) {
        // Without a stream there is nobody to tell.
        let _ = self.notices.send(notice);
    }

    /// The pending transaction with this id.
    pub fn pending(&self, id: &Hash) -> Option<VerifiedTransaction> {
        self.lock().pending.get(id).map(|pending| pending.transaction.clone())
    }

    /// What an account has pending, sent or received, in order of arrival.
    pub fn pending_of(&self, account: &AccountId) -> Vec<VerifiedTransaction> {
        let inner = self.lock();
        let mut found: Vec<&Pending> =
            inner.pending.values().filter(|pending| touches(&pending.transaction, account)).collect();
        found.sort_by_key(|pending| pending.arrival);
        found.into_iter().map(|pending| pending.transaction.clone()).collect()
    }

    /// What an account sent or was to receive that left the pool lately, in order.
    pub fn failed_of(&self, account: &AccountId) -> Vec<VerifiedTransaction> {
        let inner = self.lock();
        let failed = inner.failed.iter().filter(|failed| {
            // One that came back is pending or committed now.
            touches(failed, account) && inner.dropped.get(&failed.id()).is_some()
        });
        failed.cloned().collect()
    }

    /// How a transaction ended, if that was lately.
    pub fn outcome(&self, id: &Hash) -> Option<Outcome> {
        self.lock().outcome(id)
    }

    /// Waits for the end of a transaction's time in the pool. It need not be there yet.
    pub fn wait(&self, id: Hash) -> Waiter {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        match inner.outcome(&id) {
            // The receiver is in our hands, so this can't fail.
            Some(outcome) => drop(sender.send(outcome)),
            None => inner.waiters.entry(id).or_default().push(sender),
        }
        Waiter { id, receiver, activity: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn outcome(&self, id: &Hash) -> Option<Outcome> {
        let committed = self.committed.get(id).map(|height| Outcome::Committed(*height));
        committed.or_else(|| self.dropped.get(id).map(|(status, code)| Outcome::Dropped(*status, code)))
    }

    fn wake(&mut self, id: &Hash, outcome: Outcome) {
        for waiter in self.waiters.remove(id).into_iter().flatten() {
            // A waiter that gave up is no loss.
            let _ = waiter.send(outcome);
        }
    }
}

fn touches(transaction: &VerifiedTransaction, account: &AccountId) -> bool {
    let transaction = transaction.transaction();
    [&transaction.sender, &transaction.receiver].iter().any(|party| party.account_id().as_ref() == Some(account))
}

/// Somebody who waits for one transaction. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Waiter {
    id: Hash,
    receiver: oneshot::Receiver<Outcome>,
    activity: Activity,
}

impl Waiter {
    /// The outcome; `None` if it can't come any more.
    pub async fn outcome(mut self) -> Option<Outcome> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.receiver.close();
        let mut inner = self.activity.lock();
        if let Some(waiters) = inner.waiters.get_mut(&self.id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                inner.waiters.remove(&self.id);
            }
        }
    }
}

/// A map that forgets the oldest insertion.
#[derive(Debug)]
struct Recent<T> {
    values: HashMap<Hash, (u64, T)>,
    order: VecDeque<(Hash, u64)>,
    counter: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), counter: 0 }
    }
}

impl<T> Recent<T> {
    fn insert(&mut self, id: Hash, value: T, limit: usize) {
        self.counter += 1;
        self.values.insert(id, (self.counter, value));
        self.order.push_back((id, self.counter));
        while self.order.len() > limit {
            let Some((oldest, inserted)) = self.order.pop_front() else { break };
            // A later insertion of the same id has its own place in the order.
            if self.values.get(&oldest).is_some_and(|(counter, _)| *counter == inserted) {
                self.values.remove(&oldest);
            }
        }
    }

    fn get(&self, id: &Hash) -> Option<&T> {
        self.values.get(id).map(|(_, value)| value)
    }

    fn remove(&mut self, id: &Hash) {
        self.values.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_a_repeated_one_counts_anew() {
        let mut recent = Recent::default();
        let id = |byte| Hash([byte; 32]);
        recent.insert(id(1), 'a', 2);
        recent.insert(id(2), 'b', 2);
        recent.insert(id(1), 'c', 2);
        assert_eq!(recent.get(&id(1)), Some(&'c'));
        recent.insert(id(3), 'd', 2);
        assert_eq!(recent.get(&id(2)), None);
        assert_eq!(recent.get(&id(1)), Some(&'c'));
        assert!(recent.order.len() <= 2 && recent.values.len() <= 2);
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_nothing_behind() {
        let activity = Activity::default();
        let first = activity.wait(Hash::ZERO);
        let second = activity.wait(Hash::ZERO);
        drop(first);
        assert_eq!(activity.lock().waiters.get(&Hash::ZERO).map(Vec::len), Some(1));
        drop(second);
        assert!(activity.lock().waiters.is_empty());
    }
}
