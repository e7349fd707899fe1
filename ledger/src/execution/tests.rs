use super::*;
use crate::params::Parameters;
use crate::testing::{Network, assumed, bcc, key, stranger};
use crate::transaction::{MAX_MESSAGE_BYTES, Terms};

mod blocks;
mod properties;

fn network() -> Network {
    Network::funded(4)
}

/// The verdict on a transaction in the next block.
fn verdict(network: &Network, tx: &Transaction) -> Result<(), TransactionError> {
    let verdict = validate_transaction(&network.ring, &network.state, network.height() + 1, tx);
    // Whatever checks a single one and what executes a block must agree.
    let executed = network.run(&[assumed(tx.clone())]);
    match &verdict {
        Ok(()) => assert!(executed.is_ok()),
        Err(error) => {
            assert_eq!(executed, Err(BlockError::Transaction { position: 0, error: error.clone() }));
        }
    }
    verdict
}

fn balance(state: &State, id: usize) -> Amount {
    state.account(&key(id).account_id()).map_or(Amount::ZERO, |account| account.balance)
}

fn stake(state: &State, id: usize) -> Amount {
    state.account(&key(id).account_id()).map_or(Amount::ZERO, |account| account.stake)
}

#[test]
fn everybody_starts_with_the_endowment() {
    let network = network();
    for id in 0..4 {
        assert_eq!(balance(&network.state, id), bcc(1000), "{id}");
        assert_eq!(stake(&network.state, id), Amount::ZERO);
    }
    assert_eq!(network.state.total_supply(), bcc(4000));
    assert!(network.state.grants_missing(&network.ring).is_empty());
}

#[test]
fn coins_cost_three_percent_rounded_up() {
    let network = network();
    let amount = Amount::from_micros(1_000_001);
    let executed = network.run(&[assumed(network.coins(1, 2, amount, 0))]).unwrap();
    let fee = Amount::from_micros(30_001);
    assert_eq!(executed.receipts[0].fee, fee);
    let spent = amount.checked_add(fee).unwrap();
    let mut expected = [bcc(1000); 4];
    expected[1] = expected[1].checked_sub(spent).unwrap();
    expected[2] = expected[2].checked_add(amount).unwrap();
    let minter = (0..4).find(|id| key(*id) == network.drawn(0)).unwrap();
    expected[minter] = expected[minter].checked_add(fee).unwrap();
    for (id, expected) in expected.into_iter().enumerate() {
        assert_eq!(balance(&executed.state, id), expected, "{id}");
    }
}

#[test]
fn a_message_costs_one_coin_per_scalar_value() {
    let network = network();
    for (text, characters) in [("hello", 5), ("ΓΕΙΑ", 4), ("👩‍👧", 3), (" ", 1), ("\u{301}e", 2)] {
        let tx = Transaction::message(key(1), key(2), text.into(), network.terms(0));
        let executed = network.run(&[assumed(tx)]).unwrap();
        assert_eq!(executed.receipts[0].fee, bcc(characters), "{text}");
    }
    let both = Transaction::coins_and_message(key(1), key(2), bcc(100), "hello".into(), network.terms(0));
    assert_eq!(network.run(&[assumed(both)]).unwrap().receipts[0].fee, bcc(8));
}

#[test]
fn fees_are_credited_after_the_last_transaction() {
    let mut network = network();
    // Brings the minter of the next block down to what one transfer of 900 leaves.
    let minter = (0..4).find(|id| key(*id) == network.drawn(0)).unwrap();
    let other = (minter + 1) % 4;
    let third = (minter + 2) % 4;
    let nonce = |id: usize| network.nonce(id);
    let pays_fee = network.coins(other, third, bcc(500), nonce(other));
    let all_but_fee = Amount::from_micros(970_873_786);
    let needs_it = network.coins(minter, third, all_but_fee, nonce(minter));
    let then = network.coins(minter, third, bcc(1), nonce(minter) + 1);
    let txs: Vec<_> = [pays_fee, needs_it, then].into_iter().map(assumed).collect();
    let failed = network.run(&txs).unwrap_err();
    assert!(
        matches!(failed, BlockError::Transaction { position: 2, error: TransactionError::InsufficientBalance { .. } }),
        "{failed}"
    );
    let executed = network.mint(&txs[..2]);
    assert_eq!(executed.accepted.len(), 2);
    assert!(balance(&network.state, minter) > bcc(40));
}

#[test]
fn a_stake_is_set_raised_lowered_and_freed() {
    let mut network = network();
    for (nonce, (amount, left)) in [(10, 990), (1000, 0), (0, 1000), (250, 750), (250, 750)].into_iter().enumerate() {
        let tx = Transaction::stake(key(1), bcc(amount), network.terms(nonce as u64));
        let executed = network.mint(&[assumed(tx)]);
        assert_eq!(executed.receipts[0].fee, Amount::ZERO);
        assert_eq!((stake(&network.state, 1), balance(&network.state, 1)), (bcc(amount), bcc(left)));
        assert_eq!(network.state.total_stake(), bcc(amount));
        assert_eq!(network.state.stakes(&network.ring), [0, bcc(amount).micros(), 0, 0]);
    }
    let above = Transaction::stake(key(1), bcc(1001), network.terms(5));
    let error = TransactionError::InsufficientBalance { needed: bcc(1001), available: bcc(1000) };
    assert_eq!(verdict(&network, &above), Err(error));
}

#[test]
fn staked_coins_cannot_be_spent() {
    let network = network();
    let txs =
        [assumed(Transaction::stake(key(1), bcc(990), network.terms(0))), assumed(network.coins(1, 2, bcc(10), 1))];
    let error = TransactionError::InsufficientBalance { needed: Amount::from_micros(10_300_000), available: bcc(10) };
    assert_eq!(network.run(&txs), Err(BlockError::Transaction { position: 1, error }));
}

#[test]
fn malformed_transactions_are_refused_by_name() {
    let network = network();
    let good = network.coins(1, 2, bcc(1), 0);
    assert_eq!(verdict(&network, &good), Ok(()));
    let text = |kind, message: &str| Transaction { kind, message: message.into(), ..good.clone() };
    let long = "a".repeat(MAX_MESSAGE_BYTES + 1);
    let cases = [
        (Transaction { amount: Amount::ZERO, ..good.clone() }, TransactionError::ZeroAmount),
        (text(Kind::Coins, "x"), TransactionError::UnexpectedMessage),
        (text(Kind::Message, "x"), TransactionError::UnexpectedAmount),
        (Transaction { amount: Amount::ZERO, ..text(Kind::Message, "") }, TransactionError::EmptyMessage),
        (Transaction { amount: Amount::ZERO, ..text(Kind::Message, &long) }, TransactionError::MessageTooLong),
        (text(Kind::CoinsAndMessage, ""), TransactionError::EmptyMessage),
        (Transaction { amount: Amount::ZERO, ..text(Kind::CoinsAndMessage, "x") }, TransactionError::ZeroAmount),
        (Transaction { receiver: Party::Key(key(1)), ..good.clone() }, TransactionError::SelfReceiver),
        (Transaction { receiver: Party::Network, ..good.clone() }, TransactionError::NetworkReceiver),
        (Transaction { sender: Party::Network, ..good.clone() }, TransactionError::NetworkSender),
        (
            Transaction {
                kind: Kind::Message,
                amount: Amount::ZERO,
                receiver: Party::Network,
                ..text(Kind::Message, "x")
            },
            TransactionError::NetworkReceiver,
        ),
        (Transaction { kind: Kind::Stake, ..good.clone() }, TransactionError::StakeReceiver),
        (
            Transaction { kind: Kind::Stake, receiver: Party::Network, ..text(Kind::Stake, "x") },
            TransactionError::UnexpectedMessage,
        ),
        (Transaction { kind: Kind::Genesis, ..good.clone() }, TransactionError::GenesisOutsideGenesis),
        (
            Transaction { kind: Kind::Genesis, sender: Party::Network, ..good.clone() },
            TransactionError::GenesisOutsideGenesis,
        ),
        (Transaction { sender: Party::Key(stranger(1)), ..good.clone() }, TransactionError::UnknownSender),
        (Transaction { chain_id: network.ring.founding_id(), ..good.clone() }, TransactionError::WrongChain),
        (Transaction { chain_id: crate::testing::hash(1), ..good.clone() }, TransactionError::WrongChain),
    ];
    for (tx, error) in cases {
        assert_eq!(verdict(&network, &tx), Err(error), "{tx:?}");
    }
}

#[test]
fn the_longest_message_is_allowed_to_who_can_pay() {
    let parameters = Parameters { endowment: bcc(100_000), ..Parameters::assignment(1, 5) };
    let network = Network::founded(&parameters);
    let tx = Transaction::message(key(0), key(1), "a".repeat(MAX_MESSAGE_BYTES), network.terms(0));
    assert_eq!(verdict(&network, &tx), Ok(()));
}

#[test]
fn a_transaction_that_costs_more_than_any_balance_is_refused() {
    let network = network();
    let huge = network.coins(1, 2, Amount::from_micros(u64::MAX), 0);
    assert_eq!(verdict(&network, &huge), Err(TransactionError::CostOverflow(CostOverflow)));
    let stake = Transaction::stake(key(1), Amount::from_micros(u64::MAX), network.terms(0));
    assert!(matches!(verdict(&network, &stake), Err(TransactionError::InsufficientBalance { .. })));
}

#[test]
fn the_last_millionth_decides() {
    let network = network();
    let most = Amount::from_micros(970_873_786);
    assert_eq!(verdict(&network, &network.coins(1, 2, most, 0)), Ok(()));
    let more = Amount::from_micros(970_873_787);
    let error =
        TransactionError::InsufficientBalance { needed: Amount::from_micros(1_000_000_001), available: bcc(1000) };
    assert_eq!(verdict(&network, &network.coins(1, 2, more, 0)), Err(error));
}

#[test]
fn nonces_count_up_by_one() {
    let network = network();
    for found in [1, 2, u64::MAX] {
        let error = TransactionError::WrongNonce { expected: 0, found };
        assert_eq!(verdict(&network, &network.coins(1, 2, bcc(1), found)), Err(error));
    }
    let twice = [assumed(network.coins(1, 2, bcc(1), 0)), assumed(network.coins(1, 2, bcc(1), 0))];
    let error = TransactionError::WrongNonce { expected: 1, found: 0 };
    assert_eq!(network.run(&twice), Err(BlockError::Transaction { position: 1, error }));
    let (first, second) = (network.coins(1, 2, bcc(1), 0), network.coins(1, 3, bcc(1), 1));
    assert!(network.run(&[assumed(first.clone()), assumed(second.clone())]).is_ok());
    assert!(network.run(&[assumed(second), assumed(first)]).is_err());
}

#[test]
fn the_last_nonce_is_never_used() {
    let mut network = network();
    let account = network.state.account(&key(1).account_id()).unwrap().clone();
    network.state.put(Account { nonce: u64::MAX, ..account });
    let tx = network.coins(1, 2, bcc(1), u64::MAX);
    assert_eq!(verdict(&network, &tx), Err(TransactionError::NonceExhausted));
}

#[test]
fn a_transaction_stands_within_its_window_only() {
    let network = network();
    let ttl_blocks = network.ring.parameters().ttl_blocks;
    let height = network.height() + 1;
    let at = |valid_until| {
        let terms = Terms { valid_until, ..network.terms(0) };
        verdict(&network, &Transaction::coins(key(1), key(2), bcc(1), terms))
    };
    assert_eq!(at(height), Ok(()));
    assert_eq!(at(height + ttl_blocks), Ok(()));
    assert_eq!(at(height - 1), Err(TransactionError::Expired { valid_until: height - 1, height }));
    assert_eq!(at(0), Err(TransactionError::Expired { valid_until: 0, height }));
    for valid_until in [height + ttl_blocks + 1, u64::MAX] {
        assert_eq!(at(valid_until), Err(TransactionError::ValidUntilTooFar { valid_until, height, ttl_blocks }));
    }
}

#[test]
fn only_members_stake() {
    let mut network = network();
    network.mint(&[assumed(Transaction::coins(key(1), key(5), bcc(100), network.terms(0)))]);
    let tx = Transaction::stake(key(5), bcc(10), network.terms(0));
    assert_eq!(verdict(&network, &tx), Err(TransactionError::NotAMember));
    assert_eq!(verdict(&network, &network.coins(5, 1, bcc(10), 0)), Ok(()), "though it can spend");
}

#[test]
fn a_grant_is_the_bootstrap_nodes_once_per_member_and_exact() {
    let founded = Network::founded(&Parameters::assignment(4, 10));
    let grant =
        |from: usize, to: usize, amount, nonce| Transaction::grant(key(from), key(to), amount, founded.terms(nonce));
    assert_eq!(verdict(&founded, &grant(0, 1, bcc(1000), 0)), Ok(()));
    let endowment = bcc(1000);
    for wrong in [bcc(999), bcc(1001), Amount::from_micros(1)] {
        assert_eq!(verdict(&founded, &grant(0, 1, wrong, 0)), Err(TransactionError::GrantAmount { endowment }));
    }
    assert_eq!(verdict(&founded, &grant(0, 1, Amount::ZERO, 0)), Err(TransactionError::ZeroAmount));
    assert_eq!(verdict(&founded, &grant(0, 0, bcc(1000), 0)), Err(TransactionError::SelfReceiver));
    assert_eq!(verdict(&founded, &grant(0, 6, bcc(1000), 0)), Err(TransactionError::GrantReceiver));
    assert_eq!(verdict(&founded, &grant(1, 2, bcc(1000), 0)), Err(TransactionError::NotTheBootstrap));
    let twice = [assumed(grant(0, 1, bcc(1000), 0)), assumed(grant(0, 1, bcc(1000), 1))];
    let error = BlockError::Transaction { position: 1, error: TransactionError::AlreadyGranted };
    assert_eq!(founded.run(&twice), Err(error));
    let with_text = Transaction { message: "x".into(), ..grant(0, 1, bcc(1000), 0) };
    assert_eq!(verdict(&founded, &with_text), Err(TransactionError::UnexpectedMessage));

    let network = network();
    let again = Transaction::grant(key(0), key(1), bcc(1000), network.terms(network.nonce(0)));
    let error = verdict(&network, &again).unwrap_err();
    assert!(matches!(error, TransactionError::InsufficientBalance { .. } | TransactionError::AlreadyGranted));
}

#[test]
fn the_bootstrap_node_pays_its_members_first() {
    let mut network = Network::founded(&Parameters::assignment(3, 10));
    let other = |network: &Network, nonce| {
        [
            network.coins(0, 1, bcc(1), nonce),
            Transaction::message(key(0), key(1), "x".into(), network.terms(nonce)),
            Transaction::stake(key(0), bcc(1), network.terms(nonce)),
        ]
    };
    for tx in other(&network, 0) {
        assert_eq!(verdict(&network, &tx), Err(TransactionError::GrantsPending));
    }
    assert_eq!(network.state.grants_missing(&network.ring), [1, 2]);
    network.mint(&[network.grant(2, 0)]);
    assert_eq!(network.state.grants_missing(&network.ring), [1]);
    for tx in other(&network, 1) {
        assert_eq!(verdict(&network, &tx), Err(TransactionError::GrantsPending));
    }
    // A member that has its endowment need not wait for the others.
    assert_eq!(verdict(&network, &network.coins(2, 1, bcc(1), 0)), Ok(()));
    // Within a block the last grant opens the way.
    assert!(network.run(&[network.grant(1, 1), assumed(network.coins(0, 1, bcc(1), 2))]).is_ok());
    network.mint(&[network.grant(1, 1)]);
    for tx in other(&network, 2) {
        assert_eq!(verdict(&network, &tx), Ok(()));
    }
}

#[test]
fn a_wallet_becomes_an_account_when_it_is_first_paid() {
    let network = network();
    let text = Transaction::message(key(1), key(6), "x".into(), network.terms(0));
    assert_eq!(network.run(&[assumed(text)]).unwrap().state.account(&key(6).account_id()), None);
    let executed = network.run(&[assumed(network.coins(1, 6, bcc(1), 0))]).unwrap();
    let account = executed.state.account(&key(6).account_id()).unwrap();
    assert_eq!(*account, Account { balance: bcc(1), ..Account::new(key(6)) });
    assert!(executed.touched.contains(&key(6).account_id()));
}

#[test]
fn touched_names_the_accounts_that_differ_and_no_others() {
    let network = network();
    let txs = [
        assumed(network.coins(1, 6, bcc(1), 0)),
        assumed(Transaction::message(key(2), key(5), "x".into(), network.terms(0))),
    ];
    let executed = network.run(&txs).unwrap();
    let ids: BTreeSet<AccountId> =
        network.state.iter().chain(executed.state.iter()).map(|a| a.key.account_id()).collect();
    let differ: Vec<_> = ids.into_iter().filter(|id| network.state.account(id) != executed.state.account(id)).collect();
    assert_eq!(executed.touched, differ);
}

#[test]
fn codes_are_distinct_from_one_another() {
    let codes = ["wrong_chain", "expired", "insufficient_balance", "grants_pending"];
    let errors = [
        TransactionError::WrongChain,
        TransactionError::Expired { valid_until: 0, height: 0 },
        TransactionError::InsufficientBalance { needed: bcc(1), available: bcc(0) },
        TransactionError::GrantsPending,
    ];
    for (code, error) in codes.iter().zip(errors) {
        assert_eq!(error.code(), *code);
    }
}
