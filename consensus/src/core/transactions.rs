//! Transactions on their way into the pool: from clients, from peers, and the bootstrap node's grants.
//!
//! Cheap checks come first; then one RSA verification, off this task; then the pool. A transaction goes from the member
//! that took it to all others once. Whatever got lost on the way is told again by hash while it is pending.

use std::collections::HashSet;

use blockchat_ledger::{
    Dropped, Hash, Origin, PoolError, SignedTransaction, Terms, Transaction, TransactionError, VerifiedTransaction,
};

use super::sync::SyncJob;
use super::{Core, CoreError};
use crate::io::{Action, Admitted, Outputs, Submission, SubmitError};
use crate::message::PeerMessage;
use crate::record::Record;

/// Signature checks under way for one peer; more is dropped and told again later.
const MAX_JOBS_PER_PEER: usize = 32;
/// Hashes told at the start of a round.
const MAX_TOLD: usize = 1024;
/// Transactions younger than this have surely been gossiped and are on their way.
const TELL_AFTER_MS: u64 = 50;
/// Transactions older than this are told to everybody, not only to the proposer.
const TELL_ALL_AFTER_MS: u64 = 1_000;
/// Bytes of transactions in one message.
const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes of transactions sent for one question.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What a signature check is for.
pub(super) enum Job {
    /// A client waits for the answer.
    Submit {
        ticket: u64,
        results: Vec<Option<Result<Admitted, SubmitError>>>,
        /// Position in `results` of each transaction that is checked.
        places: Vec<usize>,
    },
    /// From a peer, into the pool or into a candidate.
    Peer { from: u16, hashes: Vec<Hash> },
    /// Blocks fetched by sync.
    Sync(SyncJob),
}

impl Core {
    pub(super) fn verify(&mut self, job: Job, transactions: Vec<SignedTransaction>, out: &mut Outputs) {
        let id = self.next_job;
        self.next_job = self.next_job.wrapping_add(1);
        self.jobs.insert(id, job);
        // A known sender's key is prepared for verification once, not for each of its transactions.
        let known = |transaction: SignedTransaction| transaction.with_known_keys(&self.state);
        let transactions = transactions.into_iter().map(known).collect();
        out.actions.push(Action::Verify { job: id, transactions });
    }

    pub(super) fn on_submit(&mut self, ticket: u64, submissions: Vec<Submission>, out: &mut Outputs) {
        // In a batch, the one before may be the missing nonce; whether it came is seen when the transaction is admitted.
        let origin = if submissions.len() > 1 { Origin::Peer } else { Origin::Client };
        let mut results = Vec::with_capacity(submissions.len());
        let mut places = Vec::new();
        let mut unverified = Vec::new();
        let mut gossip = Vec::new();
        for (place, submission) in submissions.into_iter().enumerate() {
            match submission {
                Submission::Own { transaction, key } => {
                    let record =
                        Record::Wallet { height: self.next_height(), key, transaction: (*transaction).clone() };
                    let result = self.admit(transaction, Origin::Client, &mut gossip, out);
                    // One that is refused must leave no trace: its client is told so, and a later start would send it.
                    if result.is_ok() {
                        // Durable before it is gossiped or answered.
                        out.log.push(record);
                        out.sync = true;
                    }
                    results.push(Some(result));
                }
                Submission::Unverified(transaction) => {
                    let id = transaction.id();
                    if !self.caught_up {
                        results.push(Some(Err(SubmitError::CatchingUp)));
                        continue;
                    }
                    match self.pool.precheck(&self.ring, &self.state, self.tip.index, &transaction, origin) {
                        Ok(()) => {
                            places.push(place);
                            unverified.push(transaction);
                            results.push(None);
                        }
                        Err(PoolError::Duplicate) => results.push(Some(Ok(Admitted { id, duplicate: true }))),
                        Err(error) => results.push(Some(Err(self.refusal(error)))),
                    }
                }
            }
        }
        Self::gossip(gossip, out);
        if unverified.is_empty() {
            Self::answer(ticket, results, out);
        } else {
            let job = Job::Submit { ticket, results, places };
            self.verify(job, unverified, out);
        }
    }

    fn answer(ticket: u64, results: Vec<Option<Result<Admitted, SubmitError>>>, out: &mut Outputs) {
        let results = results.into_iter().map(|result| result.unwrap_or(Err(SubmitError::CatchingUp))).collect();
        out.actions.push(Action::Submitted { ticket, results });
    }

    /// Puts a verified transaction into the pool.
    fn admit(
        &mut self,
        transaction: VerifiedTransaction,
        origin: Origin,
        gossip: &mut Vec<SignedTransaction>,
        out: &mut Outputs,
    ) -> Result<Admitted, SubmitError> {
        let id = transaction.id();
        let inserted =
            match self.pool.insert(&self.ring, &self.state, self.tip.index, self.now_ms(), transaction, origin) {
                Ok(inserted) => inserted,
                Err(PoolError::Duplicate) => {
                    return Ok(Admitted { id, duplicate: true });
                }
                Err(error) => return Err(self.refusal(error)),
            };
        for ready in inserted.ready {
            if origin == Origin::Client {
                gossip.push((*ready).clone());
            }
            out.actions.push(Action::Pooled(ready));
        }
        Self::drop_transactions(inserted.dropped, out);
        Ok(Admitted { id, duplicate: false })
    }

    /// What an old account can't pay for may be paid for by the present one: a member that is behind says that it can't
    /// tell, and the client asks again.
    fn refusal(&self, error: PoolError) -> SubmitError {
        let may_be_old = matches!(
            error,
            PoolError::Invalid(
                TransactionError::InsufficientBalance { .. }
                    | TransactionError::WrongNonce { .. }
                    | TransactionError::UnknownSender
                    | TransactionError::GrantsPending
            )
        );
        if may_be_old && self.is_behind() { SubmitError::CatchingUp } else { error.into() }
    }

    pub(super) fn drop_transactions(dropped: Vec<Dropped>, out: &mut Outputs) {
        if !dropped.is_empty() {
            out.actions.push(Action::Dropped(dropped));
        }
    }

    fn gossip(transactions: Vec<SignedTransaction>, out: &mut Outputs) {
        for chunk in chunks(transactions) {
            out.actions.push(Action::Broadcast(PeerMessage::Transactions(chunk)));
        }
    }

    /// Transactions from a peer: gossip, or the answer to a question of ours.
    pub(super) fn on_transactions(&mut self, from: u16, transactions: Vec<SignedTransaction>, out: &mut Outputs) {
        let mut wanted = Vec::new();
        let mut asked_for = false;
        for transaction in transactions {
            let hash = transaction.wire_hash();
            if self.pool.get(&hash).is_some() || self.verifying.contains(&hash) {
                continue;
            }
            let lacking = !self.candidates.lacking(&hash).is_empty();
            asked_for |= lacking;
            let welcome = lacking
                || self.pool.precheck(&self.ring, &self.state, self.tip.index, &transaction, Origin::Peer).is_ok();
            if welcome {
                wanted.push(transaction);
            }
        }
        if wanted.is_empty() {
            return;
        }
        let Some(peer) = self.peer(from) else { return };
        if peer.jobs >= MAX_JOBS_PER_PEER && !asked_for {
            return;
        }
        peer.jobs += 1;
        let hashes: Vec<Hash> = wanted.iter().map(blockchat_ledger::SignedTransaction::wire_hash).collect();
        self.verifying.extend(&hashes);
        self.verify(Job::Peer { from, hashes }, wanted, out);
    }

    pub(super) fn on_verified(
        &mut self,
        job: u64,
        results: Vec<Result<VerifiedTransaction, Hash>>,
        out: &mut Outputs,
    ) -> Result<(), CoreError> {
        match self.jobs.remove(&job) {
            Some(Job::Submit { ticket, results: mut answers, places }) => {
                let mut gossip = Vec::new();
                for (place, result) in places.into_iter().zip(results) {
                    let answer = match result {
                        Ok(transaction) => self.admit(transaction, Origin::Client, &mut gossip, out),
                        Err(_) => Err(SubmitError::BadSignature),
                    };
                    if let Some(slot) = answers.get_mut(place) {
                        *slot = Some(answer);
                    }
                }
                Self::gossip(gossip, out);
                Self::answer(ticket, answers, out);
                Ok(())
            }
            Some(Job::Peer { from, hashes }) => self.on_peer_verified(from, &hashes, results, out),
            Some(Job::Sync(job)) => self.on_sync_verified(job, results, out),
            None => Ok(()),
        }
    }

    fn on_peer_verified(
        &mut self,
        from: u16,
        hashes: &[Hash],
        results: Vec<Result<VerifiedTransaction, Hash>>,
        out: &mut Outputs,
    ) -> Result<(), CoreError> {
        if let Some(peer) = self.peer(from) {
            peer.jobs = peer.jobs.saturating_sub(1);
        }
        for hash in hashes {
            self.verifying.remove(hash);
        }
        let mut gossip = Vec::new();
        for result in results {
            match result {
                Ok(transaction) => {
                    self.candidates.take(&transaction);
                    // A peer's transaction that the pool refuses is no concern of anybody here.
                    let _ = self.admit(transaction, Origin::Peer, &mut gossip, out);
                }
                Err(hash) => {
                    Self::misbehaviour(from, "transaction_with_bad_signature", out);
                    for id in self.candidates.lacking(&hash) {
                        if let Some(candidate) = self.candidates.get_mut(&id) {
                            candidate.verdict = crate::candidates::Verdict::Invalid;
                        }
                        self.deliver(id, out)?;
                    }
                }
            }
        }
        for id in self.candidates.incomplete() {
            self.complete(id, out)?;
        }
        Ok(())
    }

    /// A peer tells what has been pending there: ask for what is new here.
    pub(super) fn on_have(&mut self, from: u16, hashes: &[Hash], out: &mut Outputs) {
        let unknown: Vec<Hash> = hashes
            .iter()
            .take(MAX_TOLD)
            .filter(|hash| self.pool.get(hash).is_none() && !self.verifying.contains(*hash))
            .copied()
            .collect();
        if !unknown.is_empty() {
            out.actions.push(Action::Send { to: from, message: PeerMessage::GetTransactions(unknown) });
        }
    }

    pub(super) fn on_get_transactions(&mut self, from: u16, hashes: &[Hash], out: &mut Outputs) {
        let limit = MAX_TOLD.max(self.ring.parameters().capacity as usize);
        let mut asked = HashSet::new();
        let mut bytes = 0;
        let mut found = Vec::new();
        for hash in hashes.iter().take(limit) {
            if !asked.insert(*hash) {
                continue;
            }
            let Some(transaction) = self.pool.get(hash).or_else(|| self.candidates.transaction(hash)) else {
                continue;
            };
            bytes += transaction.size_bytes();
            if bytes > MAX_ANSWER_BYTES {
                // The rest is asked for again, from somebody else.
                break;
            }
            found.push((**transaction).clone());
        }
        for chunk in chunks(found) {
            out.actions.push(Action::Send { to: from, message: PeerMessage::Transactions(chunk) });
        }
    }

    /// Tells the proposer (or, after a while, everybody) by hash what has been pending here for some time.
    pub(super) fn tell_pending(&mut self, proposer: Option<u16>, out: &mut Outputs) {
        let Some(oldest) = self.pool.oldest_arrival_ms() else {
            return;
        };
        let age = self.now_ms().saturating_sub(oldest);
        if age < TELL_AFTER_MS {
            return;
        }
        let limit = MAX_TOLD.min(self.ring.parameters().capacity.max(16) as usize);
        let hashes: Vec<Hash> = self.pool.candidates().take(limit).map(|transaction| transaction.wire_hash()).collect();
        let message = PeerMessage::Have(hashes);
        match proposer {
            Some(to) => out.actions.push(Action::Send { to, message }),
            None if age >= TELL_ALL_AFTER_MS => out.actions.push(Action::Broadcast(message)),
            None => {}
        }
    }

    /// The bootstrap node pays each member its endowment, derived from the state, so that a restart changes nothing.
    pub(super) fn derive_grants(&mut self, out: &mut Outputs) {
        let Some(signer) = self.grants_signer.clone() else {
            return;
        };
        let missing = self.state.grants_missing(&self.ring);
        if missing.is_empty() {
            return;
        }
        let account = self.my_key.account_id();
        let mut nonce = self.pool.pending_account(&self.state, &account).nonce;
        let committed = self.state.account(&account).map_or(0, |known| known.nonce);
        // Grants are the bootstrap node's first transactions: those in the pool already are the first missing ones.
        let pooled = usize::try_from(nonce.saturating_sub(committed)).unwrap_or(usize::MAX);
        let ttl = self.ring.parameters().ttl_blocks;
        let mut gossip = Vec::new();
        for id in missing.into_iter().skip(pooled) {
            let Some(member) = self.ring.member(id) else {
                continue;
            };
            let grant = Transaction::grant(
                self.my_key.clone(),
                member.wallet.clone(),
                self.ring.parameters().endowment,
                Terms { nonce, valid_until: self.tip.index.saturating_add(ttl), chain_id: self.ring.chain_id() },
            );
            let Ok(grant) = grant.sign(signer.as_ref()) else {
                return;
            };
            if self.admit(grant, Origin::Client, &mut gossip, out).is_err() {
                break;
            }
            nonce = nonce.saturating_add(1);
        }
        Self::gossip(gossip, out);
    }
}

/// Splits transactions into messages of bounded size.
fn chunks(transactions: Vec<SignedTransaction>) -> Vec<Vec<SignedTransaction>> {
    let mut chunks: Vec<Vec<SignedTransaction>> = Vec::new();
    let mut bytes = 0;
    for transaction in transactions {
        let size = transaction.size_bytes();
        match chunks.last_mut() {
            Some(chunk) if bytes + size <= MAX_CHUNK_BYTES => {
                bytes += size;
                chunk.push(transaction);
            }
            _ => {
                bytes = size;
                chunks.push(vec![transaction]);
            }
        }
    }
    chunks
}
