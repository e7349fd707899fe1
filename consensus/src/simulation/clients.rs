//! The members' owners: they send coins, messages and stakes, and learn the next nonce from refusals.

use std::sync::Arc;

use blockchat_ledger::{PoolError, Terms, Transaction, TransactionError, TransactionSigner};

use super::fixture::{bcc, sign};
use super::world::{Event, FAULTS_END, MS, World};
use crate::core::Core;
use crate::io::{Admitted, Input, Submission, SubmitError};

impl World {
    /// Some member's owner sends coins, a message or a stake through some node.
    pub(super) fn client(&mut self) {
        if !self.clients_on {
            return;
        }
        let wait = if self.now < FAULTS_END { 20 + self.rng.below(200) } else { 50 + self.rng.below(300) };
        self.push(self.now + wait * MS, Event::Client);
        let sender = self.rng.index(usize::from(self.members));
        let through = self.rng.index(usize::from(self.members));
        let Some(view) = self.slots[through].core.as_ref().map(Core::view) else { return };
        let ring = &self.network.ring;
        let nonce = self.nonces[sender];
        let terms = Terms { nonce, valid_until: (view.height / 50 + 2) * 50, chain_id: ring.chain_id() };
        let wallet = Arc::clone(&self.network.wallets[sender]);
        let from = wallet.public_key().clone();
        let to = ring.members()[(sender + 1 + usize::from(nonce % 2 == 1)) % usize::from(self.members)].wallet.clone();
        let transaction = match self.rng.below(4) {
            0 => Transaction::stake(from, bcc([0, 10, 50, 100][self.rng.index(4)]), terms),
            1 => Transaction::message(from, to, "hello".to_owned(), terms),
            _ => Transaction::coins(from, to, bcc(1 + self.rng.below(2)), terms),
        };
        let signed = sign(transaction, wallet.as_ref());
        self.next_ticket += 1;
        self.tickets.insert(self.next_ticket, (sender, nonce));
        let submit = Input::Submit {
            ticket: self.next_ticket,
            transactions: vec![Submission::Unverified(signed.into_signed())],
        };
        self.input(through, submit);
    }

    pub(super) fn submitted(&mut self, ticket: u64, results: &[Result<Admitted, SubmitError>]) {
        let Some((sender, nonce)) = self.tickets.remove(&ticket) else { return };
        match results.first() {
            Some(Ok(_)) => self.nonces[sender] = nonce + 1,
            Some(Err(SubmitError::Pool(PoolError::Invalid(TransactionError::WrongNonce { expected, .. })))) => {
                self.nonces[sender] = *expected;
            }
            Some(Err(SubmitError::Pool(PoolError::NonceTaken { .. } | PoolError::OtherSignature))) => {
                self.nonces[sender] = nonce + 1;
            }
            _ => {}
        }
    }
}
