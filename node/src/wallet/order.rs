//! What a wallet can be told to do, and what that costs it.

use blockchat_ledger::{
    Amount, Kind, Parameters, PendingAccount, PublicKey, SignedTransaction, Terms, Transaction, TransactionError,
};

/// What a client wants of the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Coins, a message, or both.
    Pay {
        /// To whom.
        receiver: PublicKey,
        /// Zero for a message alone.
        amount: Amount,
        /// Empty for coins alone.
        message: String,
    },
    /// Set the stake.
    Stake(Amount),
    /// Raise or lower the stake from what it is with everything pending, so that orders given at once add up.
    ChangeStake {
        /// By how much.
        by: Amount,
        /// Down, not up.
        lower: bool,
    },
}

impl Order {
    /// The transaction that executes the order on an account with this stake.
    pub(super) fn transaction(
        &self,
        sender: PublicKey,
        stake: Amount,
        terms: Terms,
    ) -> Result<Transaction, TransactionError> {
        Ok(match self.clone() {
            Self::Stake(amount) => Transaction::stake(sender, amount, terms),
            Self::ChangeStake { by, lower } => {
                let changed = if lower { stake.checked_sub(by) } else { stake.checked_add(by) };
                let unpayable = TransactionError::InsufficientBalance { needed: by, available: stake };
                Transaction::stake(sender, changed.ok_or(unpayable)?, terms)
            }
            Self::Pay { receiver, amount, message } if amount.is_zero() => {
                Transaction::message(sender, receiver, message, terms)
            }
            Self::Pay { receiver, amount, message } if message.is_empty() => {
                Transaction::coins(sender, receiver, amount, terms)
            }
            Self::Pay { receiver, amount, message } => {
                Transaction::coins_and_message(sender, receiver, amount, message, terms)
            }
        })
    }

    /// Whether a transaction signed before executes this very order.
    pub(super) fn is_executed_by(&self, signed: &SignedTransaction) -> bool {
        if matches!(self, Self::ChangeStake { .. }) {
            // Whether it was this change depends on what the stake was then.
            return false;
        }
        let before = signed.transaction();
        let terms = Terms { nonce: before.nonce, valid_until: before.valid_until, chain_id: before.chain_id };
        let again = before.sender.key().map(|sender| self.transaction(sender.clone(), Amount::ZERO, terms));
        again.is_some_and(|again| again.as_ref() == Ok(before))
    }
}

/// The account after one more pending transaction of its own. The pool decides; this keeps the wallet from signing in
/// vain.
pub(super) fn charge(
    account: &PendingAccount,
    transaction: &Transaction,
    parameters: &Parameters,
) -> Result<PendingAccount, TransactionError> {
    let nonce = account.nonce.checked_add(1).ok_or(TransactionError::NonceExhausted)?;
    if transaction.kind == Kind::Stake {
        let (needed, available) = (transaction.amount, account.balance.checked_add(account.stake));
        let available = available.unwrap_or(account.balance);
        let balance =
            available.checked_sub(needed).ok_or(TransactionError::InsufficientBalance { needed, available })?;
        return Ok(PendingAccount { balance, stake: needed, nonce });
    }
    let needed = transaction.cost(parameters)?.total;
    let available = account.balance;
    let balance = available.checked_sub(needed).ok_or(TransactionError::InsufficientBalance { needed, available })?;
    Ok(PendingAccount { balance, stake: account.stake, nonce })
}
