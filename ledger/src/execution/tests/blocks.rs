//! Blocks that may not follow, and those that may.

use super::*;
use crate::testing::{Network, assumed, assumed_again, bcc, key};

type Change = Box<dyn Fn(&mut Block)>;

fn validate(network: &Network, block: &Block) -> Result<Execution, BlockError> {
    validate_block(&network.ring, network.tip(), &network.state, block)
}

fn some(network: &Network) -> Vec<VerifiedTransaction> {
    (0..3).map(|nonce| assumed(network.coins(1, 2, bcc(1), nonce))).collect()
}

#[test]
fn what_is_minted_is_valid_in_every_round() {
    let network = network();
    for round in [0, 1, 2, 3, 4, 7, u32::MAX] {
        let (block, execution) = network.next(round, &some(&network));
        assert_eq!(validate(&network, &block), Ok(execution));
        assert_eq!(block.header.round, round);
    }
}

#[test]
fn an_empty_block_can_be_valid() {
    let network = network();
    let (block, execution) = network.next(0, &[]);
    assert_eq!(execution.state, network.state);
    assert!(execution.touched.is_empty());
    assert_eq!(validate(&network, &block), Ok(execution));
}

#[test]
fn minting_takes_the_first_valid_ones_up_to_the_capacity() {
    let network = network();
    let valid: Vec<_> = (0..12).map(|nonce| assumed(network.coins(1, 2, bcc(1), nonce))).collect();
    let invalid = assumed(network.coins(2, 3, bcc(5000), 0));
    let late = assumed(network.coins(3, 1, bcc(1), 4));
    let candidates: Vec<_> = [vec![invalid, late], valid.clone()].concat();
    let (block, execution) = network.next(0, &candidates);
    assert_eq!(block.transactions, valid[..10]);
    assert_eq!(execution.accepted, valid[..10]);
    assert!(validate(&network, &block).is_ok());
}

#[test]
fn a_minted_block_is_later_than_its_parent_and_follows_the_clock() {
    let network = network();
    let parent_ms = network.tip().timestamp_ms;
    for (now_ms, timestamp_ms) in [(0, parent_ms + 1), (parent_ms, parent_ms + 1), (parent_ms + 50, parent_ms + 50)] {
        let validator = network.drawn(0);
        let built = build(&network.ring, &network.state, network.tip(), &validator, 0, now_ms, std::iter::empty());
        assert_eq!(built.unwrap().0.header.timestamp_ms, timestamp_ms);
    }
}

#[test]
fn nothing_follows_the_end_of_time() {
    let network = network();
    let validator = network.drawn(0);
    let last = BlockHeader { timestamp_ms: u64::MAX, ..network.tip().clone() };
    let built = build(&network.ring, &network.state, &last, &validator, 0, 0, std::iter::empty());
    assert_eq!(built.unwrap_err(), BlockError::Timestamp);
    let last = BlockHeader { index: u64::MAX, ..network.tip().clone() };
    let built = build(&network.ring, &network.state, &last, &validator, 0, 0, std::iter::empty());
    assert!(matches!(built.unwrap_err(), BlockError::Index { .. }));
}

#[test]
fn a_block_changed_in_any_field_is_refused_by_name() {
    let network = network();
    let (good, _) = network.next(0, &some(&network));
    assert!(validate(&network, &good).is_ok());
    let other = (0..4).find(|id| key(*id) != network.drawn(0)).unwrap();
    let parent_ms = network.tip().timestamp_ms;
    let founding = network.ring.founding_id();
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|block| block.header.index += 1), "index"),
        (Box::new(|block| block.header.index -= 1), "index"),
        (Box::new(|block| block.header.previous_hash = Hash::ZERO), "previous_hash"),
        (Box::new(move |block| block.header.chain_id = founding), "wrong_chain"),
        (Box::new(move |block| block.header.timestamp_ms = parent_ms), "timestamp"),
        (Box::new(|block| block.header.timestamp_ms = 0), "timestamp"),
        (Box::new(move |block| block.header.validator = Party::Key(key(other))), "validator"),
        (Box::new(|block| block.header.validator = Party::Key(key(7))), "validator"),
        (Box::new(|block| block.header.validator = Party::Network), "validator"),
        (Box::new(|block| block.header.round = 1), "validator"),
        (Box::new(|block| block.header.transaction_count = 11), "capacity"),
        (Box::new(|block| block.header.transaction_count = u32::MAX), "capacity"),
        (Box::new(|block| block.header.transaction_count = 2), "transaction_count"),
        (Box::new(|block| drop(block.transactions.pop())), "transaction_count"),
        (Box::new(|block| block.header.transaction_root = Hash::ZERO), "transaction_root"),
        (Box::new(|block| block.transactions.swap(0, 1)), "transaction_root"),
        (
            Box::new(|block| {
                let tx = block.transactions[0].transaction().clone();
                block.transactions[0] = assumed_again(tx);
            }),
            "transaction_root",
        ),
        (Box::new(|block| block.header.state_root = Hash::ZERO), "state_root"),
        (
            Box::new(|block| {
                block.transactions.swap(0, 1);
                block.header.transaction_root = transaction_root(&block.transactions);
            }),
            "transaction",
        ),
        (
            Box::new(|block| {
                block.transactions.pop();
                block.header.transaction_count -= 1;
                block.header.transaction_root = transaction_root(&block.transactions);
            }),
            "state_root",
        ),
    ];
    for (number, (change, code)) in cases.iter().enumerate() {
        let mut block = good.clone();
        change(&mut block);
        assert_eq!(validate(&network, &block).unwrap_err().code(), *code, "case {number}");
    }
}

#[test]
fn more_transactions_than_fit_are_refused_though_each_is_valid() {
    let network = network();
    let txs: Vec<_> = (0..11).map(|nonce| assumed(network.coins(1, 2, bcc(1), nonce))).collect();
    let (mut block, _) = network.next(0, &txs);
    let execution = network.run(&txs).unwrap();
    block.header.transaction_root = transaction_root(&txs);
    block.header.state_root = execution.state.root();
    block.transactions = txs;
    block.header.transaction_count = 11;
    assert_eq!(validate(&network, &block), Err(BlockError::Capacity { capacity: 10, found: 11 }));
    block.header.transaction_count = 10;
    assert_eq!(validate(&network, &block), Err(BlockError::Capacity { capacity: 10, found: 11 }));
}

#[test]
fn more_bytes_than_fit_are_neither_minted_nor_accepted() {
    let parameters = Parameters { endowment: bcc(1 << 40), ..Parameters::assignment(1, 2000) };
    let network = Network::founded(&parameters);
    let long = "a".repeat(MAX_MESSAGE_BYTES);
    let txs: Vec<_> = (0..1100)
        .map(|nonce| assumed(Transaction::message(key(0), key(1), long.clone(), network.terms(nonce))))
        .collect();
    let (mut block, _) = network.next(0, &txs);
    let bytes: usize = block.transactions.iter().map(|tx| tx.size_bytes()).sum();
    assert!(bytes <= MAX_BLOCK_BYTES && bytes + txs[0].size_bytes() > MAX_BLOCK_BYTES);
    assert!(validate(&network, &block).is_ok());
    block.transactions = txs[..=block.transactions.len()].to_vec();
    block.header.transaction_count += 1;
    assert_eq!(validate(&network, &block).unwrap_err().code(), "size");
}

#[test]
fn stakes_of_the_parent_decide_who_may_mint() {
    let mut network = network();
    network.mint(&[assumed(Transaction::stake(key(3), bcc(10), network.terms(0)))]);
    assert_eq!(network.drawn(0), key(3));
    // Taking the stake back in the block itself changes nothing for that block.
    let (block, _) = network.next(0, &[assumed(Transaction::stake(key(3), bcc(0), network.terms(1)))]);
    assert!(validate(&network, &block).is_ok());
}
