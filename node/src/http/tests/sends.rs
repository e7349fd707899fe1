//! Transactions that are good: from admission to the block, once and only once.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use blockchat_api::paths;
use serde_json::{Value, json};

use super::fake;
use super::{Answer, TestNode, coins, json_request, my_key, payment, wire};

fn with_key(key: &str, body: &Value) -> Request<Body> {
    let mut request = json_request("POST", paths::WALLET_TRANSACTIONS, body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

async fn status(node: &TestNode, answer: &Answer) -> Value {
    let id = answer.body["transaction_id"].as_str().unwrap();
    node.get(&paths::transaction(id)).await.body
}

#[tokio::test]
async fn a_payment_is_pending_then_committed() {
    let node = TestNode::new();
    let answer = node.post(paths::WALLET_TRANSACTIONS, &json!({"to": "2", "amount": "10.5", "message": "hi"})).await;
    assert_eq!((&answer.is(202)["status"], &answer.body["nonce"]), (&json!("pending"), &json!(0)));
    let shown = status(&node, &answer).await;
    assert_eq!((&shown["status"], &shown["transaction"]["amount"]), (&json!("pending"), &json!("10.5")));
    assert_eq!(shown["transaction"]["type_of_transaction"], "coins_and_message");
    let wallet = node.get(paths::WALLET).await;
    assert_eq!(wallet.is(200)["final"], json!({"balance": "1000", "stake": "0", "nonce": 0}));
    // 10.5 + 3 % of it + 2 characters.
    assert_eq!(wallet.body["pending"], json!({"balance": "987.185", "stake": "0", "nonce": 1}));
    node.ledger.mint();
    let shown = status(&node, &answer).await;
    assert_eq!((&shown["status"], &shown["block_index"]), (&json!("committed"), &json!(2)));
    let validator = shown["validator_id"].as_u64().unwrap();
    assert_eq!(shown["validator"], fake::wallet(usize::try_from(validator).unwrap()).public_key().to_base64());
    let receiver = node.get("/api/v1/accounts/2").await;
    let earned = if validator == 2 { "1012.815" } else { "1010.5" };
    assert_eq!(receiver.is(200)["final"]["balance"], earned);
    let id = answer.body["transaction_id"].as_str().unwrap();
    let receipt = node.get(&paths::transaction_receipt(id)).await;
    assert_eq!((&receipt.is(200)["fee"], &receipt.body["block_index"]), (&json!("2.315"), &json!(2)));
}

#[tokio::test]
async fn waiting_ends_with_the_commit() {
    let node = TestNode::new();
    let (body, ledger) = (payment("2", "1"), node.ledger.clone());
    let waiting = node.post("/api/v1/wallet/transactions?wait=committed", &body);
    let minting = async {
        while ledger.pool_len() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        ledger.mint();
    };
    let (answer, ()) = tokio::join!(waiting, minting);
    assert_eq!((&answer.is(200)["status"], &answer.body["block_index"]), (&json!("committed"), &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn waiting_is_bounded() {
    let node = TestNode::new();
    let body = wire(coins(&node.ledger, 2, fake::wallet(3).public_key(), "1", 0), 2);
    let answer = node.post("/api/v1/transactions?wait=committed", &body).await;
    assert_eq!(answer.is(202)["status"], "pending");
}

#[tokio::test]
async fn a_transaction_submitted_twice_counts_once() {
    let node = TestNode::new();
    let transaction = coins(&node.ledger, 2, fake::wallet(3).public_key(), "1", 0);
    let body = wire(transaction.clone(), 2);
    let first = node.post(paths::TRANSACTIONS, &body).await;
    first.is(202);
    assert_eq!(node.post(paths::TRANSACTIONS, &body).await.is(202), &first.body);
    // Another signature of the same transaction is the same transaction.
    assert_eq!(node.post(paths::TRANSACTIONS, &wire(transaction.clone(), 2)).await.is(202), &first.body);
    assert_eq!(node.ledger.pool_len(), 1);
    node.ledger.mint();
    let root = node.ledger.state().root();
    for body in [body, wire(transaction, 2)] {
        let again = node.post(paths::TRANSACTIONS, &body).await;
        assert_eq!(again.is(200)["status"], "committed");
        assert_eq!(again.body["transaction_id"], first.body["transaction_id"]);
        assert_eq!(again.body["block_index"], 2);
    }
    node.ledger.mint();
    assert_eq!(node.ledger.state().root(), root);
    // With a nonce that is used up, but another content, it is a wrong nonce.
    let other = wire(coins(&node.ledger, 2, fake::wallet(3).public_key(), "2", 0), 2);
    node.post(paths::TRANSACTIONS, &other).await.is_problem(409, "wrong_nonce");
}

#[tokio::test]
async fn a_key_pays_once_however_often_it_is_sent() {
    let node = TestNode::new();
    let body = payment("2", "1");
    let first = node.send(with_key("order-1", &body)).await;
    first.is(202);
    assert_eq!(node.send(with_key("order-1", &body)).await.is(202), &first.body);
    // The same recipient and amount in other words are the same request.
    let words = payment(&fake::wallet(2).public_key().to_pem(), "1.000000");
    assert_eq!(node.send(with_key("order-1", &words)).await.is(202), &first.body);
    node.send(with_key("order-1", &payment("2", "2"))).await.is_problem(422, "idempotency_conflict");
    node.send(with_key("order-1", &payment("3", "1"))).await.is_problem(422, "idempotency_conflict");
    let second = node.send(with_key("order-2", &body)).await;
    assert_eq!(second.is(202)["nonce"], 1);
    node.ledger.mint();
    let after = node.send(with_key("order-1", &body)).await;
    assert_eq!(after.is(200)["status"], "committed");
    assert_eq!(after.body["transaction_id"], first.body["transaction_id"]);
    assert_eq!(node.ledger.wallet_log().len(), 2);
    assert_eq!(node.ledger.pool_len(), 0);
}

#[tokio::test]
async fn a_key_is_known_after_a_restart() {
    let before = TestNode::new();
    let body = payment("2", "1");
    let first = before.send(with_key("order-1", &body)).await;
    let (id, signed) = (&first.is(202)["transaction_id"], wire(coins(&before.ledger, 2, &my_key(), "1", 0), 2));
    before.post(paths::TRANSACTIONS, &signed).await.is(202);
    before.ledger.mint();
    let node = TestNode::restarted(before.ledger.clone());
    for request in [with_key("order-1", &body), json_request("POST", paths::TRANSACTIONS, &signed)] {
        let again = node.send(request).await;
        assert_eq!((&again.is(200)["status"], &again.body["block_index"]), (&json!("committed"), &json!(2)));
    }
    assert_eq!(&node.send(with_key("order-1", &body)).await.body["transaction_id"], id);
    let waited = json_request("POST", "/api/v1/transactions?wait=committed", &signed);
    assert_eq!(node.send(waited).await.is(200)["status"], "committed");
    node.send(with_key("order-1", &payment("2", "2"))).await.is_problem(422, "idempotency_conflict");
}

#[tokio::test]
async fn many_orders_at_once_get_consecutive_nonces() {
    let node = TestNode::new();
    let body = payment("2", "1");
    let sending: Vec<_> = (0..100).map(|_| node.post(paths::WALLET_TRANSACTIONS, &body)).collect();
    let answers = futures::future::join_all(sending).await;
    let mut nonces: Vec<u64> = answers.iter().map(|answer| answer.is(202)["nonce"].as_u64().unwrap()).collect();
    nonces.sort_unstable();
    assert_eq!(nonces, (0..100).collect::<Vec<_>>());
    while node.ledger.pool_len() > 0 {
        node.ledger.mint();
    }
    let wallet = node.get(paths::WALLET).await;
    assert_eq!(wallet.is(200)["final"]["nonce"], 100);
}

#[tokio::test]
async fn an_order_that_cannot_be_paid_leaves_no_gap() {
    let node = TestNode::new();
    let (cheap, dear) = (payment("2", "300"), payment("2", "900"));
    let bodies = [&cheap, &dear, &cheap, &dear, &cheap];
    let answers = futures::future::join_all(bodies.map(|body| node.post(paths::WALLET_TRANSACTIONS, body))).await;
    let refused = answers.iter().filter(|answer| answer.body["code"] == "insufficient_balance").count();
    let pending = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!((pending, refused), (3, 2), "{answers:?}");
    let next = node.post(paths::WALLET_TRANSACTIONS, &payment("2", "1")).await;
    assert_eq!(next.is(202)["nonce"], 3);
}

#[tokio::test]
async fn a_stake_is_set_and_freed() {
    let node = TestNode::new();
    node.put(paths::WALLET_STAKE, &json!({"amount": "400"})).await.is(202);
    node.post(paths::WALLET_TRANSACTIONS, &payment("2", "600")).await.is_problem(409, "insufficient_balance");
    node.ledger.mint();
    let wallet = node.get(paths::WALLET).await;
    assert_eq!(wallet.is(200)["final"], json!({"balance": "600", "stake": "400", "nonce": 1}));
    node.put(paths::WALLET_STAKE, &json!({"amount": "0"})).await.is(202);
    let wallet = node.get(paths::WALLET).await;
    assert_eq!(wallet.is(200)["pending"], json!({"balance": "1000", "stake": "0", "nonce": 2}));
}

#[tokio::test]
async fn a_dropped_transaction_says_why() {
    let node = TestNode::new();
    let to = fake::wallet(3).public_key().clone();
    let mut short = coins(&node.ledger, 2, &to, "1", 0);
    short.valid_until = node.ledger.height() + 1;
    let expiring = node.post(paths::TRANSACTIONS, &wire(short.clone(), 2)).await;
    let overtaken = node.post(paths::TRANSACTIONS, &wire(coins(&node.ledger, 3, &my_key(), "1", 0), 3)).await;
    expiring.is(202);
    overtaken.is(202);
    // Another member's block holds neither, but another transaction with the same nonce.
    let other = coins(&node.ledger, 3, &my_key(), "2", 0).sign(&*fake::wallet(3)).unwrap();
    node.ledger.mint_of(&[other]);
    for (answer, state, reason) in [(&expiring, "expired", "expired"), (&overtaken, "rejected", "nonce_used")] {
        let shown = status(&node, answer).await;
        assert_eq!((&shown["status"], &shown["reason"]), (&json!(state), &json!(reason)));
        let id = answer.body["transaction_id"].as_str().unwrap();
        node.get(&paths::transaction_receipt(id)).await.is_problem(409, "not_committed");
    }
    node.post(paths::TRANSACTIONS, &wire(short, 2)).await.is_problem(422, "expired");
    assert_eq!(node.ledger.pool_len(), 0);
}

#[tokio::test]
async fn waiting_ends_with_the_drop() {
    let node = TestNode::new();
    let body = wire(coins(&node.ledger, 3, &my_key(), "1", 0), 3);
    let waiting = node.post("/api/v1/transactions?wait=committed", &body);
    let dropping = async {
        while node.ledger.pool_len() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let other = coins(&node.ledger, 3, &my_key(), "2", 0).sign(&*fake::wallet(3)).unwrap();
        node.ledger.mint_of(&[other]);
    };
    let (answer, ()) = tokio::join!(waiting, dropping);
    assert_eq!((&answer.is(200)["status"], &answer.body["reason"]), (&json!("rejected"), &json!("nonce_used")));
}

#[tokio::test]
async fn recipients_have_many_names() {
    let node = TestNode::new();
    let key = fake::wallet(3).public_key().clone();
    let account = key.account_id();
    let names = [
        "3".to_owned(),
        key.to_base64(),
        key.to_pem(),
        account.short(),
        account.to_string(),
        account.to_string().to_uppercase(),
        account.to_string()[..8].to_owned(),
    ];
    for name in names {
        let answer = node.post(paths::WALLET_TRANSACTIONS, &payment(&name, "1")).await;
        let id = answer.is(202)["transaction_id"].as_str().unwrap().to_owned();
        let shown = node.get(&paths::transaction(id)).await;
        assert_eq!(shown.body["transaction"]["receiver_id"], 3, "{name}");
        assert_eq!(node.get(&paths::account(&name)).await.is(200)["id"], 3, "{name}");
    }
    // A key nobody has seen is an account as soon as it is paid, and then its fingerprint is known.
    let stranger = fake::wallet(5).public_key().clone();
    let fingerprint = stranger.account_id().short();
    node.post(paths::WALLET_TRANSACTIONS, &payment(&fingerprint, "1")).await.is_problem(404, "unknown_recipient");
    node.get(&paths::account(&stranger.to_base64())).await.is_problem(404, "unknown_account");
    node.post(paths::WALLET_TRANSACTIONS, &payment(&stranger.to_base64(), "1")).await.is(202);
    node.ledger.mint();
    node.post(paths::WALLET_TRANSACTIONS, &payment(&fingerprint, "1")).await.is(202);
    assert_eq!(node.get(&paths::account(&fingerprint)).await.is(200)["final"]["balance"], "1");
}
