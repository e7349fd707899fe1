//! Every bad transaction gets its documented status and code, and changes nothing.

use blockchat_api::{MAX_BATCH_TRANSACTIONS, paths};
use blockchat_ledger::{Amount, MAX_MESSAGE_BYTES, PoolLimits, Terms, Transaction};
use serde_json::{Value, json};

use super::fake::{self, FakeLedger, TTL_BLOCKS};
use super::{TestNode, coins, json_request, payment, signed, wire};

#[tokio::test]
async fn wallet_payments() {
    let node = TestNode::new();
    let before = node.fingerprint();
    let me = fake::wallet(1).public_key().to_base64();
    let too_long = "é".repeat(MAX_MESSAGE_BYTES / 2 + 1);
    let dear = "x".repeat(1_001);
    let weak_key = fake::wallet(2).public_key().to_base64().replace("IDAQAB", "IDAQAD");
    for (body, status, code) in [
        (payment("2", "0"), 422, "zero_amount"),
        (payment("2", "0.000000"), 422, "zero_amount"),
        (payment("2", "-1"), 422, "invalid_amount"),
        (payment("2", "0.0000001"), 422, "invalid_amount"),
        (payment("2", "18446744073710"), 422, "invalid_amount"),
        (payment("2", "1e3"), 422, "invalid_amount"),
        (payment("2", " 1"), 422, "invalid_amount"),
        (payment("2", ""), 422, "invalid_amount"),
        (payment("2", "NaN"), 422, "invalid_amount"),
        (payment("2", "18446744073709.551615"), 422, "invalid_amount"),
        (payment("2", "1000"), 409, "insufficient_balance"),
        (payment("2", "970.873787"), 409, "insufficient_balance"),
        (payment("4", "1"), 404, "unknown_recipient"),
        (payment("65536", "1"), 404, "unknown_recipient"),
        (payment("0123456789abcdef", "1"), 404, "unknown_recipient"),
        (payment("", "1"), 422, "invalid_address"),
        (payment("-1", "1"), 422, "invalid_address"),
        (payment("alice", "1"), 422, "invalid_address"),
        (payment(&weak_key, "1"), 422, "invalid_key"),
        (payment("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "1"), 422, "invalid_key"),
        (payment("1", "1"), 422, "self_transfer"),
        (payment(&me, "1"), 422, "self_transfer"),
        (json!({"to": "2"}), 422, "empty_transaction"),
        (json!({"to": "2", "message": ""}), 422, "empty_message"),
        (json!({"to": "2", "message": too_long}), 422, "message_too_long"),
        (json!({"to": "2", "message": dear}), 409, "insufficient_balance"),
        (json!({"to": "2", "amount": 1}), 422, "invalid_request"),
        (json!({"to": 2, "amount": "1"}), 422, "invalid_request"),
        (json!({"amount": "1"}), 422, "invalid_request"),
        (json!({"to": "2", "mesage": "typo", "amount": "1"}), 422, "invalid_request"),
        (json!([]), 422, "invalid_request"),
    ] {
        let answer = node.post(paths::WALLET_TRANSACTIONS, &body).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{body}: {}", answer.text);
        answer.is_problem(status, code);
        assert_eq!(node.fingerprint(), before, "{body}");
    }
}

#[tokio::test]
async fn stakes() {
    let node = TestNode::new();
    let before = node.fingerprint();
    for (amount, status, code) in [
        ("1000.000001", 409, "insufficient_balance"),
        ("-5", 422, "invalid_amount"),
        ("0.0000001", 422, "invalid_amount"),
        ("all", 422, "invalid_amount"),
    ] {
        node.put(paths::WALLET_STAKE, &json!({"amount": amount})).await.is_problem(status, code);
        assert_eq!(node.fingerprint(), before, "{amount}");
    }
}

#[tokio::test]
async fn client_signed_transactions() {
    let node = TestNode::new();
    let ledger = &node.ledger;
    let to = fake::wallet(3).public_key().clone();
    let good = || coins(ledger, 2, &to, "1", 0);
    let before = node.fingerprint();
    let me = fake::wallet(2).public_key().clone();
    let cases = [
        (wire(coins(ledger, 2, &to, "0", 0), 2), 422, "zero_amount"),
        (wire(coins(ledger, 2, &to, "18446744073709.551615", 0), 2), 422, "invalid_amount"),
        (wire(coins(ledger, 2, &to, "1000", 0), 2), 409, "insufficient_balance"),
        (wire(coins(ledger, 2, &to, "1", 1), 2), 409, "wrong_nonce"),
        (wire(coins(ledger, 2, &to, "1", u64::MAX), 2), 409, "wrong_nonce"),
        (wire(coins(ledger, 2, &me, "1", 0), 2), 422, "self_transfer"),
        (wire(coins(ledger, 4, &to, "1", 0), 4), 409, "insufficient_balance"),
        (wire(Transaction { valid_until: 1, ..good() }, 2), 422, "expired"),
        (wire(Transaction { valid_until: 3 + TTL_BLOCKS, ..good() }, 2), 422, "valid_until_too_far"),
        (wire(Transaction { chain_id: ledger.ring.founding_id(), ..good() }, 2), 422, "wrong_chain"),
        (wire(Transaction { message: "coins carry none".into(), ..good() }, 2), 422, "invalid_transaction"),
        (wire(message(ledger, ""), 2), 422, "empty_message"),
        (wire(message(ledger, &"x".repeat(MAX_MESSAGE_BYTES)), 2), 409, "insufficient_balance"),
        (wire(stake(ledger, 2, "1000.5"), 2), 409, "insufficient_balance"),
        (wire(stake(ledger, 4, "0"), 4), 403, "not_a_member"),
        (wire(grant(ledger), 2), 422, "invalid_transaction"),
        (wire(Transaction { receiver: blockchat_ledger::Party::Network, ..good() }, 2), 422, "invalid_transaction"),
        (damaged(wire(good(), 2), "type_of_transaction", json!("genesis")), 422, "invalid_transaction"),
        (damaged(wire(good(), 2), "type_of_transaction", json!("gift")), 422, "invalid_request"),
        (damaged(wire(good(), 2), "nonce", json!(-1)), 422, "invalid_request"),
        (damaged(wire(good(), 2), "nonce", json!(1.5)), 422, "invalid_request"),
        (damaged(wire(good(), 2), "amount", json!("-1")), 422, "invalid_amount"),
        (damaged(wire(good(), 2), "message", json!("x".repeat(MAX_MESSAGE_BYTES + 1))), 422, "message_too_long"),
        (damaged(wire(good(), 2), "sender_address", json!("2")), 422, "invalid_key"),
        (damaged(wire(good(), 2), "sender_address", json!("0")), 422, "invalid_signature"),
        (damaged(wire(good(), 2), "receiver_address", json!("AAAA")), 422, "invalid_key"),
        (damaged(wire(good(), 2), "chain_id", json!("1")), 422, "invalid_hash"),
        (damaged(wire(good(), 2), "transaction_id", json!("0".repeat(64))), 422, "id_mismatch"),
        (damaged(wire(good(), 2), "signature", json!("")), 422, "invalid_signature"),
        (damaged(wire(good(), 2), "signature", json!("not base64!")), 422, "invalid_signature"),
        (damaged(wire(good(), 2), "extra", json!(1)), 422, "invalid_request"),
    ];
    for (body, status, code) in cases {
        let answer = node.post(paths::TRANSACTIONS, &body).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{body}: {}", answer.text);
        answer.is_problem(status, code);
        assert_eq!(node.fingerprint(), before, "{body}");
    }
}

/// Each field is signed: changing any of them, to a value that would be valid, breaks the signature.
#[tokio::test]
async fn tampering_field_by_field() {
    let node = TestNode::new();
    let ledger = &node.ledger;
    let before = node.fingerprint();
    let good = wire(coins(ledger, 2, fake::wallet(3).public_key(), "1", 0), 2);
    let other = signed(coins(ledger, 2, fake::wallet(3).public_key(), "2", 0), 2).signature;
    let both = damaged(good.clone(), "type_of_transaction", json!("coins_and_message"));
    for (field, body) in [
        ("sender_address", damaged(good.clone(), "sender_address", json!(fake::wallet(0).public_key().to_base64()))),
        (
            "receiver_address",
            damaged(good.clone(), "receiver_address", json!(fake::wallet(4).public_key().to_base64())),
        ),
        ("amount", damaged(good.clone(), "amount", json!("1.000001"))),
        ("type_of_transaction and message", damaged(both, "message", json!("hi"))),
        ("valid_until", damaged(good.clone(), "valid_until", json!(ledger.height() + TTL_BLOCKS - 1))),
        ("signature", damaged(good.clone(), "signature", json!(other))),
    ] {
        // The bootstrap node's nonce is another: the pool refuses before it looks at the signature.
        let (status, code) = if field == "sender_address" { (409, "wrong_nonce") } else { (422, "invalid_signature") };
        let answer = node.post(paths::TRANSACTIONS, &body).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{field}: {}", answer.text);
        assert_eq!(node.fingerprint(), before, "{field}");
    }
    // The nonce and the chain are refused by their own rules before the signature is looked at.
    let again = damaged(good.clone(), "nonce", json!(1));
    node.post(paths::TRANSACTIONS, &again).await.is_problem(409, "wrong_nonce");
    let elsewhere = damaged(good.clone(), "chain_id", json!("00".repeat(32)));
    node.post(paths::TRANSACTIONS, &elsewhere).await.is_problem(422, "wrong_chain");
    assert_eq!(node.fingerprint(), before);
    assert_eq!(node.post(paths::TRANSACTIONS, &good).await.status, 202);
}

#[tokio::test]
async fn a_wrong_nonce_names_the_right_one() {
    let node = TestNode::new();
    let body = wire(coins(&node.ledger, 2, fake::wallet(3).public_key(), "1", 5), 2);
    let answer = node.post(paths::TRANSACTIONS, &body).await;
    assert_eq!(answer.is_problem(409, "wrong_nonce").body["expected_nonce"], 0);
}

#[tokio::test]
async fn a_full_pool_and_a_full_sender() {
    let limits = PoolLimits { max_transactions: 6, max_per_sender: 4, ..PoolLimits::default() };
    let ledger = FakeLedger::founded(limits);
    ledger.grant();
    let node = TestNode::of(ledger, None);
    for _ in 0..4 {
        node.post(paths::WALLET_TRANSACTIONS, &payment("2", "1")).await.is(202);
    }
    let answer = node.post(paths::WALLET_TRANSACTIONS, &payment("2", "1")).await;
    assert_eq!(answer.is_problem(429, "sender_limit").headers["retry-after"], "1");
    for nonce in 0..2 {
        let body = wire(coins(&node.ledger, 2, fake::wallet(3).public_key(), "1", nonce), 2);
        node.post(paths::TRANSACTIONS, &body).await.is(202);
    }
    let before = node.fingerprint();
    let body = wire(coins(&node.ledger, 3, fake::wallet(2).public_key(), "1", 0), 3);
    let answer = node.post(paths::TRANSACTIONS, &body).await;
    assert_eq!(answer.is_problem(503, "pool_full").headers["retry-after"], "1");
    assert_eq!(node.fingerprint(), before);
}

#[tokio::test]
async fn the_bootstrap_node_grants_first() {
    let node = TestNode::of(FakeLedger::founded(PoolLimits::default()), None);
    let body = wire(coins(&node.ledger, 0, fake::wallet(2).public_key(), "1", 0), 0);
    let answer = node.post(paths::TRANSACTIONS, &body).await;
    answer.is_problem(503, "grants_pending");
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_batch_judges_each_transaction_alone() {
    let node = TestNode::new();
    let to = fake::wallet(3).public_key().clone();
    let item = |amount, nonce| wire(coins(&node.ledger, 2, &to, amount, nonce), 2);
    let forged = damaged(item("3", 1), "amount", json!("4"));
    let body = json!({"transactions": [item("1", 0), item("2", 5), forged, item("3", 1), item("1", 0)]});
    let answer = node.post(paths::TRANSACTIONS_BATCH, &body).await;
    let results = answer.is(200)["results"].as_array().unwrap();
    let seen: Vec<&str> = results.iter().map(|r| r["code"].as_str().or(r["status"].as_str()).unwrap()).collect();
    assert_eq!(seen, ["pending", "wrong_nonce", "invalid_signature", "pending", "pending"]);
    assert_eq!(results[0]["transaction_id"], results[4]["transaction_id"]);
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(3), &json!(2)));
    assert_eq!(node.ledger.pool_len(), 2);
}

#[tokio::test]
async fn batches_without_or_with_too_many_transactions() {
    let node = TestNode::new();
    node.post(paths::TRANSACTIONS_BATCH, &json!({"transactions": []})).await.is_problem(422, "batch_empty");
    let one = wire(coins(&node.ledger, 2, fake::wallet(3).public_key(), "1", 0), 2);
    let one = damaged(damaged(one, "sender_address", json!("")), "receiver_address", json!(""));
    let many = json!({"transactions": vec![one; MAX_BATCH_TRANSACTIONS + 1]});
    assert!(many.to_string().len() < blockchat_api::MAX_BATCH_BODY_BYTES);
    let answer = node.send(json_request("POST", paths::TRANSACTIONS_BATCH, &many)).await;
    answer.is_problem(413, "batch_too_large");
    assert_eq!(node.ledger.pool_len(), 0);
}

fn damaged(mut body: Value, field: &str, value: Value) -> Value {
    body.as_object_mut().unwrap().insert(field.to_owned(), value);
    body
}

fn terms(ledger: &FakeLedger) -> Terms {
    Terms { nonce: 0, valid_until: ledger.height() + TTL_BLOCKS, chain_id: ledger.ring.chain_id() }
}

fn message(ledger: &FakeLedger, text: &str) -> Transaction {
    let (from, to) = (fake::wallet(2).public_key().clone(), fake::wallet(3).public_key().clone());
    Transaction::message(from, to, text.to_owned(), terms(ledger))
}

fn stake(ledger: &FakeLedger, from: usize, amount: &str) -> Transaction {
    Transaction::stake(fake::wallet(from).public_key().clone(), amount.parse().unwrap(), terms(ledger))
}

fn grant(ledger: &FakeLedger) -> Transaction {
    let (from, to) = (fake::wallet(2).public_key().clone(), fake::wallet(3).public_key().clone());
    Transaction::grant(from, to, Amount::from_bcc(1000).unwrap(), terms(ledger))
}
