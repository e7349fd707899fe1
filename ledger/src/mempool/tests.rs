use super::*;
use crate::amount::Amount;
use crate::execution::TransactionError;
use crate::params::Parameters;
use crate::testing::{Network, assumed, assumed_again, bcc, key, stranger};
use crate::transaction::{Terms, Transaction};

mod properties;

const LIMITS: PoolLimits =
    PoolLimits { max_transactions: 50, max_bytes: 1 << 20, max_per_sender: 20, max_held: 5, hold_ms: 60_000 };

/// A network with a pool on top.
struct Node {
    network: Network,
    pool: Mempool,
    now_ms: u64,
}

impl Node {
    fn new(limits: PoolLimits) -> Self {
        Self { network: Network::funded(4), pool: Mempool::new(limits), now_ms: 0 }
    }

    fn submit(&mut self, tx: VerifiedTransaction, origin: Origin) -> Result<Inserted, PoolError> {
        let Network { ring, state, .. } = &self.network;
        let height = self.network.height();
        let prechecked = self.pool.precheck(ring, state, height, &tx, origin);
        let inserted = self.pool.insert(ring, state, height, self.now_ms, tx, origin);
        assert_eq!(prechecked.err(), inserted.clone().err());
        inserted
    }

    fn client(&mut self, tx: Transaction) -> Result<Inserted, PoolError> {
        self.submit(assumed(tx), Origin::Client)
    }

    fn peer(&mut self, tx: Transaction) -> Result<Inserted, PoolError> {
        self.submit(assumed(tx), Origin::Peer)
    }

    fn pay(&self, from: usize, amount: u64, nonce: u64) -> Transaction {
        self.network.coins(from, 3, bcc(amount), nonce)
    }

    /// Commits a block of these transactions.
    fn commit(&mut self, txs: &[VerifiedTransaction]) -> Vec<Dropped> {
        let accepted = self.network.mint(txs).accepted;
        assert_eq!(accepted.len(), txs.len(), "the test's own block is valid");
        let height = self.network.height();
        self.pool.on_commit(&self.network.ring, &self.network.state, height, &accepted)
    }

    fn pending(&self, id: usize) -> (Amount, Amount, u64) {
        let account = self.pool.pending_account(&self.network.state, &key(id).account_id());
        (account.balance, account.stake, account.nonce)
    }

    fn candidates(&self) -> Vec<Transaction> {
        self.pool.candidates().map(|tx| tx.transaction().clone()).collect()
    }
}

fn node() -> Node {
    Node::new(LIMITS)
}

fn reasons(dropped: &[Dropped]) -> Vec<(u64, &'static str)> {
    dropped.iter().map(|it| (it.transaction.transaction().nonce, it.reason.code())).collect()
}

#[test]
fn candidates_come_in_order_of_arrival() {
    let mut node = node();
    let order = [node.pay(1, 1, 0), node.pay(2, 1, 0), node.pay(1, 2, 1), node.pay(2, 2, 1)];
    for tx in &order {
        let inserted = node.client(tx.clone()).unwrap();
        assert_eq!(inserted.ready.len(), 1);
        node.now_ms += 10;
    }
    assert_eq!(node.candidates(), order);
    assert_eq!((node.pool.len(), node.pool.oldest_arrival_ms()), (4, Some(0)));
    let bytes: usize = order.iter().map(|tx| assumed(tx.clone()).size_bytes()).sum();
    assert_eq!(node.pool.bytes(), bytes);
    assert_eq!(node.pool.capacity_left(), 46);
    let first = assumed(order[0].clone());
    assert_eq!(node.pool.get(&first.wire_hash()), Some(&first));
    assert!(node.pool.contains_id(&first.id()));
    node.commit(&[first.clone(), assumed(order[1].clone())]);
    assert_eq!(node.candidates(), order[2..]);
    assert_eq!(node.pool.oldest_arrival_ms(), Some(20));
    assert_eq!(node.pool.get(&first.wire_hash()), None);
    assert!(!node.pool.contains_id(&first.id()));
}

#[test]
fn pending_transactions_count_against_the_sender_and_pending_income_does_not_help() {
    let mut node = node();
    node.client(node.network.coins(1, 2, bcc(500), 0)).unwrap();
    assert_eq!(node.pending(1), (bcc(485), Amount::ZERO, 1));
    assert_eq!(node.pending(2), (bcc(1000), Amount::ZERO, 0));
    let too_much = node.client(node.network.coins(1, 2, bcc(500), 1)).unwrap_err();
    let error = TransactionError::InsufficientBalance { needed: bcc(515), available: bcc(485) };
    assert_eq!(too_much, PoolError::Invalid(error));
    assert!(node.client(node.network.coins(2, 1, bcc(1200), 0)).is_err(), "what 1 sends to 2 does not count yet");
    node.commit(&[assumed(node.network.coins(1, 2, bcc(500), 0))]);
    assert!(node.client(node.network.coins(2, 1, bcc(1200), 0)).is_ok());
}

#[test]
fn stakes_are_replayed() {
    let mut node = node();
    let stake = |node: &Node, amount, nonce| Transaction::stake(key(1), bcc(amount), node.network.terms(nonce));
    node.client(stake(&node, 900, 0)).unwrap();
    assert_eq!(node.pending(1), (bcc(100), bcc(900), 1));
    assert!(node.client(node.pay(1, 200, 1)).is_err());
    node.client(stake(&node, 400, 1)).unwrap();
    node.client(node.pay(1, 200, 2)).unwrap();
    assert_eq!(node.pending(1), (bcc(394), bcc(400), 3));
    assert!(node.client(stake(&node, 795, 3)).is_err());
    node.client(stake(&node, 794, 3)).unwrap();
    assert_eq!(node.pending(1), (bcc(0), bcc(794), 4));
    let first: Vec<_> = node.pool.candidates().take(2).cloned().collect();
    assert!(node.commit(&first).is_empty());
    assert_eq!(node.pending(1), (bcc(0), bcc(794), 4));
    let rest: Vec<_> = node.pool.candidates().cloned().collect();
    assert!(node.commit(&rest).is_empty());
    assert_eq!(node.pending(1).1, bcc(794));
    assert!(node.pool.senders.is_empty());
}

#[test]
fn a_client_is_told_the_nonce_it_should_have_used() {
    let mut node = node();
    node.client(node.pay(1, 1, 0)).unwrap();
    let wrong = |expected, found| Err(PoolError::Invalid(TransactionError::WrongNonce { expected, found }));
    assert_eq!(node.client(node.pay(1, 1, 2)), wrong(1, 2));
    assert_eq!(node.client(node.pay(1, 2, 0)), Err(PoolError::NonceTaken { nonce: 0, expected: 1 }));
    node.commit(&[assumed(node.network.coins(1, 3, bcc(1), 0))]);
    assert_eq!(node.client(node.pay(1, 2, 0)), wrong(1, 0));
    assert_eq!(node.peer(node.pay(1, 2, 0)), wrong(1, 0));
}

#[test]
fn the_same_transaction_is_known_again_with_either_signature() {
    let mut node = node();
    let tx = node.pay(1, 1, 0);
    node.client(tx.clone()).unwrap();
    assert_eq!(node.client(tx.clone()), Err(PoolError::Duplicate));
    assert_eq!(node.submit(assumed_again(tx), Origin::Peer), Err(PoolError::OtherSignature));
    assert_eq!(node.pool.len(), 1);
}

#[test]
fn a_gap_from_a_peer_is_held_until_it_is_filled() {
    let mut node = node();
    for nonce in [2, 1] {
        let inserted = node.peer(node.pay(1, nonce, nonce)).unwrap();
        assert_eq!((inserted.held, inserted.ready.len()), (true, 0));
    }
    assert_eq!((node.pool.len(), node.pool.held()), (0, 2));
    assert!(node.pool.is_empty());
    let held = assumed(node.pay(1, 2, 2));
    assert_eq!(node.pool.get(&held.wire_hash()), Some(&held), "it was verified, so it is at hand");
    assert_eq!(node.peer(node.pay(1, 7, 2)), Err(PoolError::NonceTaken { nonce: 2, expected: 0 }));
    let inserted = node.peer(node.pay(1, 5, 0)).unwrap();
    let nonces: Vec<u64> = inserted.ready.iter().map(|tx| tx.transaction().nonce).collect();
    assert_eq!(nonces, [0, 1, 2]);
    assert_eq!((node.pool.len(), node.pool.held()), (3, 0));
}

#[test]
fn a_held_one_that_cannot_be_paid_in_its_turn_leaves() {
    let mut node = node();
    node.peer(node.pay(1, 600, 1)).unwrap();
    let inserted = node.client(node.pay(1, 600, 0)).unwrap();
    assert_eq!(inserted.ready.len(), 1);
    assert_eq!(reasons(&inserted.dropped), [(1, "insufficient_balance")]);
    assert_eq!((node.pool.len(), node.pool.held()), (1, 0));
    assert_eq!(node.pool.bytes(), assumed(node.pay(1, 600, 0)).size_bytes());
    assert!(node.peer(node.pay(1, 1001, 5)).is_err(), "what the account cannot pay at all is not held");
}

#[test]
fn a_block_that_fills_the_gap_releases_what_was_held() {
    let mut node = node();
    node.peer(node.pay(1, 3, 1)).unwrap();
    let first = assumed(node.pay(1, 2, 0));
    assert!(node.commit(&[first]).is_empty());
    assert_eq!((node.pool.len(), node.pool.held()), (1, 0));
}

#[test]
fn a_block_with_another_transaction_in_a_held_ones_place_drops_it() {
    let mut node = node();
    node.peer(node.pay(1, 3, 1)).unwrap();
    node.peer(node.pay(1, 3, 2)).unwrap();
    let dropped = node.commit(&[assumed(node.pay(1, 5, 0)), assumed(node.pay(1, 6, 1))]);
    assert_eq!(reasons(&dropped), [(1, "nonce_used")]);
    assert_eq!((node.pool.len(), node.pool.held()), (1, 0));
}

#[test]
fn held_ones_are_given_up_in_time() {
    let mut node = node();
    node.peer(node.pay(1, 1, 1)).unwrap();
    node.now_ms = 30_000;
    node.peer(node.pay(2, 1, 1)).unwrap();
    assert!(node.pool.expire_held(59_999).is_empty());
    assert_eq!(reasons(&node.pool.expire_held(60_000)), [(1, "predecessor_missing")]);
    assert_eq!(node.pool.held(), 1);
    assert_eq!(node.pool.expire_held(u64::MAX).len(), 1);
    assert_eq!((node.pool.bytes(), node.pool.capacity_left()), (0, 50));
    assert!(node.pool.senders.is_empty() && node.pool.expiry.is_empty() && node.pool.by_wire_hash.is_empty());
}

#[test]
fn the_pool_is_bounded_in_every_way() {
    let mut node = Node::new(PoolLimits { max_transactions: 4, max_per_sender: 3, max_held: 1, ..LIMITS });
    for nonce in 0..3 {
        node.client(node.pay(1, 1, nonce)).unwrap();
    }
    assert_eq!(node.client(node.pay(1, 1, 3)), Err(PoolError::SenderFull));
    node.peer(node.pay(2, 1, 1)).unwrap();
    assert_eq!(node.client(node.pay(2, 1, 0)), Err(PoolError::Full));

    let mut node = Node::new(PoolLimits { max_held: 1, max_per_sender: 3, ..LIMITS });
    node.peer(node.pay(2, 1, 1)).unwrap();
    assert_eq!(node.peer(node.pay(2, 1, 2)), Err(PoolError::HeldFull));
    let error = TransactionError::WrongNonce { expected: 0, found: 3 };
    assert_eq!(node.peer(node.pay(1, 1, 3)), Err(PoolError::Invalid(error)), "too far ahead to be worth holding");

    let size = assumed(node.pay(1, 1, 0)).size_bytes();
    let mut node = Node::new(PoolLimits { max_bytes: 2 * size, ..LIMITS });
    node.client(node.pay(1, 1, 0)).unwrap();
    node.client(node.pay(1, 1, 1)).unwrap();
    assert_eq!(node.client(node.pay(1, 1, 2)), Err(PoolError::Full));
    assert!(PoolError::Full.is_temporary());
}

#[test]
fn one_that_would_expire_before_its_turn_is_refused() {
    let mut node = node();
    for nonce in 0..20 {
        node.client(node.pay(1, 1, nonce)).unwrap();
    }
    // 20 are waiting and 10 fit in a block, so the next one stands two blocks after the next.
    let next = node.network.height() + 1;
    let tx = |valid_until| {
        Transaction::coins(
            key(2),
            key(3),
            bcc(1),
            Terms { nonce: 0, valid_until, chain_id: node.network.ring.chain_id() },
        )
    };
    let (late, in_time) = (tx(next + 1), tx(next + 2));
    assert_eq!(node.client(late), Err(PoolError::TooDeep));
    assert!(node.client(in_time).is_ok());
}

#[test]
fn a_peer_may_be_a_little_ahead() {
    let mut node = node();
    let last = node.network.height() + 1 + node.network.ring.parameters().ttl_blocks;
    let tx = |valid_until| {
        Transaction::coins(
            key(2),
            key(3),
            bcc(1),
            Terms { nonce: 0, valid_until, chain_id: node.network.ring.chain_id() },
        )
    };
    let (ahead, too_far) = (tx(last + 1), tx(last + 1_001));
    assert!(matches!(node.client(ahead.clone()), Err(PoolError::Invalid(TransactionError::ValidUntilTooFar { .. }))));
    assert!(matches!(node.peer(too_far), Err(PoolError::Invalid(TransactionError::ValidUntilTooFar { .. }))));
    node.peer(ahead).unwrap();
    let (block, _) = node.network.next(0, &node.pool.candidates().cloned().collect::<Vec<_>>());
    assert!(block.transactions.is_empty(), "not valid yet, so passed over");
    node.commit(&[]);
    let (block, _) = node.network.next(0, &node.pool.candidates().cloned().collect::<Vec<_>>());
    assert_eq!(block.transactions.len(), 1);
}

#[test]
fn an_expired_one_takes_the_later_ones_with_it() {
    let mut node = node();
    let height = node.network.height();
    for (nonce, valid_until) in [(0, height + 50), (1, height + 2), (2, height + 50)] {
        let terms = Terms { nonce, valid_until, chain_id: node.network.ring.chain_id() };
        node.client(Transaction::coins(key(1), key(3), bcc(1), terms)).unwrap();
    }
    node.client(node.pay(2, 1, 0)).unwrap();
    assert!(node.commit(&[]).is_empty());
    let dropped = node.commit(&[]);
    assert_eq!(reasons(&dropped), [(1, "expired"), (2, "predecessor_dropped")]);
    assert_eq!(dropped[1].reason, DropReason::Predecessor { nonce: 1, code: "expired" });
    assert_eq!(node.pool.len(), 2);
    assert_eq!(node.pending(1), (Amount::from_micros(998_970_000), Amount::ZERO, 1));
    assert!(node.client(node.pay(1, 4, 1)).is_ok(), "the nonce is free again");
}

#[test]
fn another_transaction_of_the_sender_in_a_block_decides() {
    let mut node = node();
    for (nonce, amount) in [(0, 1), (1, 500), (2, 1), (3, 1)] {
        node.client(node.pay(1, amount, nonce)).unwrap();
    }
    // Sent through another node: the same nonce, but far more.
    let dropped = node.commit(&[assumed(node.pay(1, 900, 0))]);
    assert_eq!(
        reasons(&dropped),
        [(0, "nonce_used"), (1, "insufficient_balance"), (2, "predecessor_dropped"), (3, "predecessor_dropped")]
    );
    assert!(node.pool.is_empty() && node.pool.senders.is_empty());
    assert_eq!(node.pool.bytes(), 0);
}

#[test]
fn another_signature_of_a_pooled_transaction_in_a_block_commits_it() {
    let mut node = node();
    node.client(node.pay(1, 1, 0)).unwrap();
    node.client(node.pay(1, 1, 1)).unwrap();
    let dropped = node.commit(&[assumed_again(node.pay(1, 1, 0))]);
    assert!(dropped.is_empty());
    assert_eq!(node.pool.len(), 1);
    assert_eq!(node.pool.ids.len(), 1);
}

#[test]
fn the_bootstrap_node_grants_once_each_and_nothing_else_before() {
    let mut node = node();
    node.network = Network::founded(&Parameters::assignment(4, 10));
    let grant = |node: &Node, member, nonce| node.network.grant(member, nonce).transaction().clone();
    assert_eq!(node.client(node.pay(0, 1, 0)), Err(PoolError::Invalid(TransactionError::GrantsPending)));
    node.client(grant(&node, 1, 0)).unwrap();
    assert_eq!(node.client(grant(&node, 1, 1)), Err(PoolError::Invalid(TransactionError::AlreadyGranted)));
    node.client(grant(&node, 2, 1)).unwrap();
    node.client(grant(&node, 3, 2)).unwrap();
    assert_eq!(node.client(node.pay(0, 1, 3)), Err(PoolError::Invalid(TransactionError::GrantsPending)));
    let grants: Vec<_> = node.pool.candidates().cloned().collect();
    assert!(node.commit(&grants).is_empty());
    assert!(node.client(node.pay(0, 1, 3)).is_ok());
}

#[test]
fn a_sender_without_account_is_refused() {
    let mut node = node();
    let tx = Transaction::coins(stranger(1), key(1), bcc(1), node.network.terms(0));
    assert_eq!(node.client(tx), Err(PoolError::Invalid(TransactionError::UnknownSender)));
    let id = stranger(1).account_id();
    let pending = node.pool.pending_account(&node.network.state, &id);
    assert_eq!(pending, PendingAccount { balance: Amount::ZERO, stake: Amount::ZERO, nonce: 0 });
}
