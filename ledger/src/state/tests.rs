use proptest::prelude::*;

use super::*;
use crate::testing::{bcc, key, stranger};

fn account(number: u64, balance: u64) -> Account {
    Account { balance: Amount::from_micros(balance), ..Account::new(stranger(number)) }
}

#[test]
fn an_empty_state_has_a_root_of_its_own() {
    assert_eq!(State::default().root(), Hash::of("blockchat/state-empty/v1", &[]));
    assert!(State::default().is_empty());
    assert_eq!(State::default().iter().count(), 0);
}

#[test]
fn every_field_of_an_account_is_in_the_root() {
    let base = Account { balance: bcc(1), stake: bcc(2), nonce: 3, granted: false, key: key(0) };
    let others = [
        Account { balance: bcc(2), ..base.clone() },
        Account { stake: bcc(1), ..base.clone() },
        Account { balance: bcc(2), stake: bcc(1), ..base.clone() },
        Account { nonce: 4, ..base.clone() },
        Account { granted: true, ..base.clone() },
        Account { key: key(1), ..base.clone() },
    ];
    let root = State::from_accounts([base]).root();
    for other in others {
        assert_ne!(State::from_accounts([other]).root(), root);
    }
}

#[test]
fn a_clone_does_not_see_what_is_put_into_the_other() {
    let mut state = State::from_accounts((0..100).map(|number| account(number, number)));
    let old = state.clone();
    let root = old.root();
    for number in 0..100 {
        state.put(account(number, 7));
    }
    state.put(account(100, 1));
    assert_ne!(state.root(), root);
    assert_eq!(old.root(), root);
    assert_eq!(State::from_accounts(old.iter().cloned()).root(), root);
    assert_eq!((old.len(), state.len()), (100, 101));
    assert_eq!(old.account(&account(100, 1).key.account_id()), None);
}

#[test]
fn an_account_survives_its_bytes() {
    let account = Account { balance: bcc(1), stake: bcc(2), nonce: 3, granted: true, key: key(0) };
    assert_eq!(Account::decode(&account.encode()), Ok(account.clone()));
    assert!(Account::decode(&[account.encode(), vec![0]].concat()).is_err());
    let mut bytes = account.encode();
    *bytes.last_mut().unwrap() = 2;
    assert!(Account::decode(&bytes).is_err(), "a truth value is 0 or 1");
}

#[test]
fn sums_beyond_an_amount_do_not_overflow() {
    let state = State::from_accounts((0..3).map(|number| account(number, u64::MAX)));
    assert_eq!(state.total_supply(), Amount::from_micros(u64::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_root_depends_on_the_contents_alone(
        steps in proptest::collection::vec((0..60_u64, any::<u64>()), 0..200),
        look: bool,
    ) {
        let mut state = State::default();
        let mut last = std::collections::BTreeMap::new();
        for (number, balance) in &steps {
            state.put(account(*number, *balance));
            last.insert(*number, *balance);
            if look {
                // A root that was asked for must not be kept once it is out of date.
                state.root();
            }
        }
        let rebuilt = State::from_accounts(last.iter().rev().map(|(number, balance)| account(*number, *balance)));
        prop_assert_eq!(state.root(), rebuilt.root());
        prop_assert_eq!(state.len(), last.len());
        let ids: Vec<AccountId> = state.iter().map(|account| account.key.account_id()).collect();
        prop_assert!(ids.is_sorted());
        for (number, balance) in &last {
            let id = stranger(*number).account_id();
            prop_assert_eq!(state.account(&id).map(|account| account.balance.micros()), Some(*balance));
        }
        prop_assert_eq!(state.account(&stranger(1_000).account_id()), None);
    }
}
