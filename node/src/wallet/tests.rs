//! What a client's retry may lead to: the same bytes, or a new signature only where the old one is void.

use std::sync::Arc;

use blockchat_ledger::{Amount, PoolLimits, SignedTransaction};
use prometheus::Registry;

use super::*;
use crate::http::tests::fake::{self, FakeLedger, TTL_BLOCKS};
use crate::telemetry::{Metrics, Traces};

const ME: usize = 1;

fn start(ledger: &Arc<FakeLedger>, recovered: Vec<(Option<String>, SignedTransaction)>) -> WalletHandle {
    let parts = WalletParts {
        signer: fake::wallet(ME),
        ring: Arc::clone(&ledger.ring),
        backend: Arc::clone(ledger) as _,
        chain: Arc::clone(ledger) as _,
        activity: ledger.activity.clone(),
        metrics: Metrics::register(&Registry::new()).unwrap().verify,
        traces: Traces::default(),
    };
    spawn(parts, recovered).0
}

fn pay(bcc: u64) -> Order {
    let receiver = fake::wallet(2).public_key().clone();
    Order::Pay { receiver, amount: Amount::from_bcc(bcc).unwrap(), message: String::new() }
}

async fn settled(ledger: &FakeLedger, pending: usize) {
    while ledger.pool_len() < pending {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn after_a_restart_the_same_bytes_go_out_again() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    let first = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    let second = wallet.execute(pay(2), None).await.unwrap();
    drop(wallet);
    ledger.forget_pool();
    let mut recovered = ledger.wallet_log();
    recovered.reverse();
    ledger.be_busy(3);
    let wallet = start(&ledger, recovered);
    settled(&ledger, 2).await;
    let retried = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_eq!(retried.wire_hash(), first.wire_hash());
    let third = wallet.execute(pay(3), None).await.unwrap();
    assert_eq!(third.transaction().nonce, 2);
    ledger.mint();
    assert_eq!(ledger.state().account(&first.transaction().receiver.account_id().unwrap()).unwrap().nonce, 0);
    assert_eq!(ledger.state().account(&wallet.public_key().account_id()).unwrap().nonce, 3);
    for signed in [first, second, third] {
        assert!(ledger.locate(&signed.id()).unwrap().is_some());
    }
}

#[tokio::test]
async fn a_retry_whose_transaction_left_the_pool_sends_the_same_bytes() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    let first = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    ledger.lose(&first);
    let again = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_eq!(again.wire_hash(), first.wire_hash());
    assert_eq!(ledger.pool_len(), 1);
}

#[tokio::test]
async fn while_the_old_bytes_may_be_committed_nothing_new_is_signed() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    let first = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    ledger.lose(&first);
    // Its nonce now belongs to another pending transaction.
    wallet.execute(pay(2), None).await.unwrap();
    let refused = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap_err();
    assert!(matches!(refused, WalletError::Undecided { .. }), "{refused}");
    // Committed: the old bytes are void, and the order is signed with a new nonce.
    ledger.mint();
    let again = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_eq!((again.transaction().nonce, ledger.pool_len()), (1, 1));
    ledger.mint();
    let late = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_eq!(late.id(), again.id());
    assert_eq!(ledger.pool_len(), 0);
}

#[tokio::test]
async fn once_expired_an_order_is_signed_anew() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    let first = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    ledger.lose(&first);
    for _ in 0..TTL_BLOCKS - 1 {
        ledger.mint_of(&[]);
    }
    // One block is left in which the old bytes may stand.
    let same = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_eq!(same.id(), first.id());
    ledger.lose(&first);
    ledger.mint_of(&[]);
    let fresh = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_ne!(fresh.id(), first.id());
    assert_eq!(fresh.transaction().nonce, first.transaction().nonce);
}

#[tokio::test]
async fn one_key_used_at_once_by_many_pays_once() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    let retries = futures::future::join_all((0..20).map(|_| wallet.execute(pay(1), Some("a".to_owned())))).await;
    let ids: std::collections::BTreeSet<_> = retries.into_iter().map(|signed| signed.unwrap().id()).collect();
    assert_eq!((ids.len(), ledger.pool_len()), (1, 1));
}

#[tokio::test]
async fn a_refused_order_is_not_remembered_for_its_key() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    assert!(wallet.execute(pay(2000), Some("a".to_owned())).await.is_err());
    // The key is free: nothing was signed for it.
    wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
    assert_eq!(ledger.pool_len(), 1);
}

#[tokio::test]
async fn a_nonce_taken_by_somebody_else_with_the_key_is_no_error() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    let elsewhere = fake::coins_from(&ledger, ME, 2, 5, 0);
    // Between the wallet's look at the account and its submission.
    ledger.before_next_submission(elsewhere);
    let signed = wallet.execute(pay(1), None).await.unwrap();
    assert_eq!((signed.transaction().nonce, ledger.pool_len()), (1, 2));
}

#[tokio::test]
async fn a_full_pool_refuses_and_the_wallet_goes_on() {
    let ledger = FakeLedger::founded(PoolLimits { max_transactions: 3, ..PoolLimits::default() });
    ledger.grant();
    let wallet = start(&ledger, Vec::new());
    let results = futures::future::join_all((0..5).map(|_| wallet.execute(pay(1), None))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3, "{results:?}");
    ledger.mint();
    let next = wallet.execute(pay(1), None).await.unwrap();
    assert_eq!(next.transaction().nonce, 3);
}

#[tokio::test]
async fn a_node_that_is_behind_signs_nothing() {
    let ledger = FakeLedger::funded();
    let wallet = start(&ledger, Vec::new());
    ledger.set_peers(vec![Some(40)]);
    let refused = wallet.execute(pay(1), Some("a".to_owned())).await.unwrap_err();
    assert!(matches!(refused, WalletError::Submit(SubmitError::CatchingUp)), "{refused:?}");
    assert_eq!((ledger.pool_len(), ledger.wallet_log().len()), (0, 0));
    ledger.set_peers(vec![Some(1)]);
    wallet.execute(pay(1), Some("a".to_owned())).await.unwrap();
}
