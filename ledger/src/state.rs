//! The accounts at one height: the state that blocks lead from and to.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::amount::Amount;
use crate::encoding::{DecodeError, decode, encode};
use crate::hash::Hash;
use crate::keys::{AccountId, PublicKey};
use crate::ring::Ring;
use crate::trie::Trie;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// The wallet.
    pub key: PublicKey,
    /// Spendable coins.
    pub balance: Amount,
    /// Staked coins, which cannot be spent.
    pub stake: Amount,
    /// The nonce of the account's next transaction.
    pub nonce: u64,
    /// Whether the bootstrap node has paid the endowment to it.
    pub granted: bool,
}

impl Account {
    /// An account that holds nothing and has sent nothing.
    pub const fn new(key: PublicKey) -> Self {
        Self { key, balance: Amount::ZERO, stake: Amount::ZERO, nonce: 0, granted: false }
    }

    /// The canonical bytes, as a store keeps them.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Accepts the canonical bytes only.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

/// All accounts at one height. Cloning is O(1); clones share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: Trie,
    totals: Totals,
}

/// Sums over all accounts, kept as accounts change. Wider than an amount, so that sums over accounts
/// that were read from a damaged store cannot overflow either.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    accounts: usize,
    granted: usize,
    balance: u128,
    stake: u128,
}

impl State {
    /// The state that consists of these accounts, in whatever order they come.
    pub fn from_accounts(accounts: impl IntoIterator<Item = Account>) -> Self {
        let mut state = Self::default();
        for account in accounts {
            state.put(account);
        }
        state
    }

    /// The hash of all accounts.
    pub fn root(&self) -> Hash {
        self.accounts.root()
    }

    /// The account with the id.
    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// All accounts in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter()
    }

    /// Number of accounts.
    pub fn len(&self) -> usize {
        self.totals.accounts
    }

    /// Whether there is no account at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All stakes together.
    pub fn total_stake(&self) -> Amount {
        clamp(self.totals.stake)
    }

    /// All balances and stakes together.
    pub fn total_supply(&self) -> Amount {
        clamp(self.totals.balance.saturating_add(self.totals.stake))
    }

    /// The tickets of the lottery: stakes in millionths, by member id.
    pub fn stakes(&self, ring: &Ring) -> Vec<u64> {
        let stake = |key: &PublicKey| self.account(&key.account_id()).map_or(0, |account| account.stake.micros());
        ring.members().iter().map(|member| stake(&member.wallet)).collect()
    }

    /// The members that the bootstrap node still owes their endowment.
    pub fn grants_missing(&self, ring: &Ring) -> Vec<u16> {
        if self.grants_complete(ring) {
            return Vec::new();
        }
        let granted = |key: &PublicKey| self.account(&key.account_id()).is_some_and(|account| account.granted);
        let owed = ring.members().iter().skip(1).filter(|member| !granted(&member.wallet));
        owed.map(|member| member.id).collect()
    }

    /// Whether every member but the bootstrap node has its endowment. Grants go to members only, so
    /// counting them is enough.
    pub fn grants_complete(&self, ring: &Ring) -> bool {
        self.totals.granted + 1 >= ring.members().len()
    }

    /// Puts an account in place of the one with the same key.
    pub(crate) fn put(&mut self, account: Account) {
        let id = account.key.account_id();
        if let Some(old) = self.accounts.get(&id) {
            self.totals.remove(old);
        }
        self.totals.add(&account);
        self.accounts.put(id, account);
    }
}

impl Totals {
    fn add(&mut self, account: &Account) {
        self.accounts += 1;
        self.granted += usize::from(account.granted);
        self.balance += u128::from(account.balance.micros());
        self.stake += u128::from(account.stake.micros());
    }

    fn remove(&mut self, account: &Account) {
        self.accounts -= 1;
        self.granted -= usize::from(account.granted);
        self.balance -= u128::from(account.balance.micros());
        self.stake -= u128::from(account.stake.micros());
    }
}

fn clamp(micros: u128) -> Amount {
    Amount::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

impl Eq for State {}

#[cfg(test)]
mod tests;
