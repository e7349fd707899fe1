//! The way to the core for HTTP and the wallet: questions with answers, and the newest snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use blockchat_consensus::{Input, Submission, View};
use blockchat_ledger::{AccountId, PendingAccount};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::inbox::Senders;
use super::pulse::Pulse;
use crate::http::backend::{Backend, SubmitResult, Unavailable};

/// Questions under way at once; more are refused.
const MAX_TICKETS: usize = 2_048;

/// Who waits for an answer.
#[derive(Debug)]
enum Waiting {
    Submission(oneshot::Sender<Vec<SubmitResult>>),
    Account(oneshot::Sender<PendingAccount>),
}

/// The questions that were asked and not answered. The lock is held for one look.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<HashMap<u64, Waiting>>);

impl Tickets {
    fn put(&self, ticket: u64, waiting: Waiting) -> bool {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() >= MAX_TICKETS {
            return false;
        }
        tickets.insert(ticket, waiting);
        true
    }

    fn take(&self, ticket: u64) -> Option<Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket)
    }

    /// Answers a submission. A client that gave up is no loss.
    pub fn submitted(&self, ticket: u64, results: Vec<SubmitResult>) {
        if let Some(Waiting::Submission(sender)) = self.take(ticket) {
            let _ = sender.send(results);
        }
    }

    /// Answers a question about an account.
    pub fn account(&self, ticket: u64, account: PendingAccount) {
        if let Some(Waiting::Account(sender)) = self.take(ticket) {
            let _ = sender.send(account);
        }
    }

    /// Nobody will answer any more.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) senders: Senders,
    pub(super) view: Arc<ArcSwap<View>>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) next: Arc<AtomicU64>,
    pub(super) pulse: Pulse,
}

impl Handle {
    /// Asks the thread to stop after its present batch.
    pub fn stop(&self) {
        self.senders.stop();
    }

    async fn ask<T>(
        &self,
        waiting: impl FnOnce(oneshot::Sender<T>) -> Waiting,
        input: impl FnOnce(u64) -> Input,
    ) -> Result<T, Unavailable> {
        let (sender, answer) = oneshot::channel();
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        if !self.tickets.put(ticket, waiting(sender)) {
            return Err(Unavailable);
        }
        if !self.senders.client(input(ticket)) {
            self.tickets.take(ticket);
            return Err(Unavailable);
        }
        answer.await.map_err(|_| Unavailable)
    }
}

impl Backend for Handle {
    fn submit(&self, transactions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<SubmitResult>, Unavailable>> {
        Box::pin(self.ask(Waiting::Submission, |ticket| Input::Submit { ticket, transactions }))
    }

    fn pending_account(&self, account: AccountId) -> BoxFuture<'_, Result<PendingAccount, Unavailable>> {
        Box::pin(self.ask(Waiting::Account, move |ticket| Input::PendingAccount { ticket, account }))
    }

    fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    fn silent_for(&self) -> Duration {
        self.pulse.silent_for()
    }
}
