use super::*;
use crate::amount::Amount;
use crate::block::UnverifiedBlock;
use crate::hash::Hash;
use crate::params::Parameters;
use crate::testing::{Network, WALLETS, assumed, bcc, key};
use crate::transaction::{Kind, Party, Transaction, VerifiedTransaction};

/// A chain whose transactions are really signed.
fn signed() -> Network {
    let mut network = Network::founded(&Parameters::assignment(3, 5));
    let sign = |tx: Transaction, id: usize| tx.sign(&WALLETS[id]).unwrap();
    let grants = [1_u16, 2].map(|member| {
        let terms = network.terms(u64::from(member) - 1);
        sign(Transaction::grant(key(0), key(usize::from(member)), bcc(1000), terms), 0)
    });
    network.mint(&grants);
    let stake = sign(Transaction::stake(key(1), bcc(10), network.terms(0)), 1);
    let coins = sign(network.coins(2, 1, bcc(5), 0), 2);
    network.mint(&[stake, coins]);
    network.mint(&[sign(Transaction::message(key(0), key(2), "hello".into(), network.terms(2)), 0)]);
    network
}

#[test]
fn a_chain_sent_as_bytes_ends_in_the_same_state() {
    let network = signed();
    let received: Vec<Block> = network
        .blocks
        .iter()
        .map(|block| UnverifiedBlock::decode(&block.encode()).unwrap().verify().unwrap())
        .collect();
    assert_eq!(received, network.blocks);
    let state = validate_chain(&network.ring, &received).unwrap();
    assert_eq!(state.root(), network.state.root());
    assert_eq!(state.root(), network.tip().state_root);
}

#[test]
fn a_block_that_is_missing_repeated_or_moved_is_refused() {
    let network = signed();
    let blocks = &network.blocks;
    let chain = |order: &[usize]| validate_chain(&network.ring, order.iter().map(|index| &blocks[*index]));
    assert!(chain(&[0, 1, 2, 3]).is_ok());
    assert_eq!(chain(&[]), Err(ChainError::Empty));
    for order in [&[1, 2, 3][..], &[3], &[1, 0]] {
        assert_eq!(chain(order), Err(ChainError::Genesis), "{order:?}");
    }
    for order in [&[0, 2][..], &[0, 0], &[0, 3]] {
        assert!(matches!(chain(order), Err(ChainError::Block { index: 1, .. })), "{order:?}");
    }
    for order in [&[0, 1, 1][..], &[0, 1, 3, 2]] {
        assert!(matches!(chain(order), Err(ChainError::Block { index: 2, .. })), "{order:?}");
    }
}

#[test]
fn only_the_named_genesis_block_is_one() {
    let network = signed();
    let good = &network.blocks[0];
    assert!(genesis_state(&network.ring, good).is_ok());
    let refused = |block: Block| assert_eq!(genesis_state(&network.ring, &block), Err(ChainError::Genesis));
    let header = |change: fn(&mut crate::block::BlockHeader)| {
        let mut block = good.clone();
        change(&mut block.header);
        block
    };
    refused(header(|header| header.timestamp_ms += 1));
    refused(header(|header| header.previous_hash = Hash::ZERO));
    refused(header(|header| header.state_root = Hash::ZERO));
    refused(header(|header| header.round = 1));
    refused(header(|header| header.chain_id = Hash::ZERO));
    refused(Block { transactions: vec![], ..good.clone() });
    let more = Transaction { amount: bcc(3001), ..good.transactions[0].transaction().clone() };
    refused(Block { transactions: vec![VerifiedTransaction::genesis(more).unwrap()], ..good.clone() });
}

#[test]
fn the_genesis_block_is_the_assignments() {
    let network = signed();
    let Block { header, transactions } = &network.blocks[0];
    assert_eq!(header.index, 0);
    assert_eq!(header.validator, Party::Network);
    assert_eq!(header.previous_hash.to_string(), format!("{:064}", 1));
    assert_eq!(transactions.len(), 1);
    let tx = transactions[0].transaction();
    assert_eq!((&tx.sender, &tx.receiver, tx.kind), (&Party::Network, &Party::Key(key(0)), Kind::Genesis));
    assert_eq!(tx.amount, bcc(3000));
    assert_eq!(tx.chain_id, network.ring.founding_id());
}

#[test]
fn a_genesis_transaction_passes_unsigned_in_block_0_only() {
    let network = signed();
    let unsigned = |index: usize| UnverifiedBlock::decode(&network.blocks[index].encode()).unwrap();
    let mut block = unsigned(1);
    block.transactions.push(unsigned(0).transactions[0].clone());
    assert!(block.verify().is_err());
    let mut block = unsigned(0);
    block.header.index = 1;
    assert!(block.verify().is_err());
}

#[test]
fn one_bad_signature_spoils_a_block() {
    let network = signed();
    let good = &network.blocks[2];
    let mut bytes = good.encode();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(UnverifiedBlock::decode(&bytes).unwrap().verify().is_err());
    assert!(UnverifiedBlock::decode(&good.encode()).unwrap().verify().is_ok());
}

#[test]
fn another_networks_chain_is_refused() {
    let network = signed();
    let other = Network::founded(&Parameters { endowment: bcc(999), ..Parameters::assignment(3, 5) });
    assert_eq!(validate_chain(&other.ring, &network.blocks), Err(ChainError::Genesis));
    let mut mixed = other.clone();
    let foreign = network.blocks[1].transactions[0].clone();
    let (block, _) = mixed.next(0, &[foreign]);
    assert!(block.transactions.is_empty(), "a transaction of another network is not minted");
    mixed.blocks.push(block);
    assert!(validate_chain(&mixed.ring, &mixed.blocks).is_ok());
}

#[test]
fn a_network_of_one_needs_no_grants() {
    let mut network = Network::founded(&Parameters::assignment(1, 5));
    assert!(network.state.grants_missing(&network.ring).is_empty());
    network.mint(&[assumed(network.coins(0, 1, bcc(1), 0))]);
    assert_eq!(network.state.total_supply(), bcc(1000));
    assert_eq!(network.state.account(&key(0).account_id()).unwrap().balance, bcc(999));
    assert_eq!(network.state.total_stake(), Amount::ZERO);
}
