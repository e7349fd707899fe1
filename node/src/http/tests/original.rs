//! The original's tester and client, as far as they look at answers.

use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::{Request, header};
use blockchat_api::paths;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::fake::{self, FakeLedger};
use super::{Answer, ME, TestNode, coins, my_key, payment, wire};

async fn create(node: &TestNode, form: &str) -> Answer {
    let request = Request::post("/api/create_transaction")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    node.send(request).await
}

/// The pickled answer, read by Python.
async fn unpickled(node: &TestNode, path: &str) -> String {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = node.api.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let mut python = Command::new("python3")
        .args(["-c", "import pickle,sys;print(pickle.load(sys.stdin.buffer),end='')"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which the original is written in");
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), &bytes).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn transactions_are_created() {
    let node = TestNode::new();
    let done = "The transaction was created successfully.";
    let coins = create(&node, "receiver=2&amount=10.5&message=").await;
    assert_eq!(coins.is(200), &json!({"message": done, "balance": 989.185, "stake": 0}));
    assert!(coins.text.ends_with(r#""balance":989.185,"stake":0}"#), "{}", coins.text);
    let message = create(&node, "receiver=0&amount=0&message=hello+w%C3%B6rld").await;
    assert_eq!(message.is(200)["balance"], json!(978.185));
    let stake = create(&node, "receiver=0&amount=100&stake=true").await;
    assert_eq!(stake.is(200), &json!({"message": done, "balance": 878.185, "stake": 100}));
    let lowered = create(&node, "amount=-40.5&stake=True").await;
    assert_eq!(lowered.is(200), &json!({"message": done, "balance": 918.685, "stake": 59.5}));
    assert_eq!(node.get("/api/get_balance").await.text, r#"{"message":918.685}"#);
    assert_eq!(node.get("/api/get_stake").await.text, r#"{"message":59.5}"#);
    assert_eq!(node.get("/api/get_id").await.text, r#"{"message":1}"#);
    assert_eq!(node.get("/api/get_metrics").await.is(200), &json!({"num_blocks": 2, "capacity": 10}));
    node.ledger.mint();
    assert_eq!(node.get("/api/get_metrics").await.is(200)["num_blocks"], 3);
}

#[tokio::test]
async fn refusals_are_400_with_the_texts_its_tester_knows() {
    let node = TestNode::new();
    let before = node.fingerprint();
    let money = json!({"message": "Not enough BCCs.", "balance": 1000, "stake": 0});
    for form in ["receiver=2&amount=1000&message=", "amount=1000.5&stake=true", "amount=-1&stake=true"] {
        assert_eq!(create(&node, form).await.is(400), &money, "{form}");
    }
    let wrong = json!({"message": "Transaction failed. Wrong receiver id."});
    for receiver in ["1", "4", "-1", "two", "", "70000"] {
        let form = format!("receiver={receiver}&amount=1&message=");
        assert_eq!(create(&node, &form).await.is(400), &wrong, "{receiver}");
    }
    let long = format!("receiver=2&message={}", "x".repeat(16 * 1024 + 1));
    for form in [
        "receiver=2&amount=0",
        "receiver=2&amount=-1",
        "receiver=2&amount=x",
        "stake=true",
        "stake=true&amount=--1",
        &long,
    ] {
        let refused = create(&node, form).await;
        assert!(refused.is(400)["message"].is_string(), "{}", refused.text);
        assert!(refused.body.get("balance").is_none());
    }
    let not_a_form = node.post("/api/create_transaction", &payment("2", "1")).await;
    assert!(not_a_form.is(400)["message"].is_string());
    assert_eq!(node.fingerprint(), before);
    node.get("/get_block").await.is_problem(404, "unknown_path");
    let joining = TestNode::before_joining(FakeLedger::funded(), None);
    assert!(create(&joining, "receiver=2&amount=1").await.is(400)["message"].is_string());
    assert!(joining.get("/api/get_balance").await.is(503)["message"].is_string());
}

#[tokio::test]
async fn concurrent_changes_of_the_stake_add_up() {
    let node = TestNode::new();
    let forms = (0..20).map(|_| create(&node, "amount=10&stake=true"));
    for answer in futures::future::join_all(forms).await {
        answer.is(200);
    }
    assert_eq!(node.get("/api/get_stake").await.text, r#"{"message":200}"#);
}

#[tokio::test]
async fn with_a_token_they_are_not_there() {
    let node = TestNode::of(FakeLedger::funded(), Some("secret"));
    create(&node, "receiver=2&amount=1").await.is_problem(404, "unknown_path");
    node.get("/api/get_balance").await.is_problem(404, "unknown_path");
    assert_eq!(node.ledger.pool_len(), 0);
}

#[tokio::test]
async fn tables_are_pickled_lists() {
    let node = TestNode::new();
    create(&node, "receiver=2&amount=1.5&message=").await.is(200);
    create(&node, "amount=10&stake=true").await.is(200);
    node.ledger.mint();
    let minter = node.get(&paths::block(2)).await.body["validator_id"].clone();
    let block = format!("[[1, 2, 1.5, '', {minter}], [1, '--', 10, 'stake update', {minter}]]");
    assert_eq!(unpickled(&node, "/api/view_block").await, block);
    // One whose nonce another one takes, and one that stays pending.
    let overtaken = wire(coins(&node.ledger, 3, &my_key(), "7", 0), 3);
    node.post(paths::TRANSACTIONS, &overtaken).await.is(202);
    node.ledger.mint_of(&[fake::coins_from(&node.ledger, 3, 2, 1, 0)]);
    create(&node, "receiver=2&amount=0&message=hi").await.is(200);
    let granted = node.get(&paths::block(1)).await.body["validator_id"].clone();
    let mine = format!(
        "[[0, {ME}, 1000, '', {granted}, 'Confirmed'], [1, 2, 1.5, '', {minter}, 'Confirmed'], \
         [1, '--', 10, 'stake update', {minter}, 'Confirmed'], [3, 1, 7, '', 'None', 'Failed'], \
         [1, 2, 0, 'hi', 'None', 'Unconfirmed']]"
    );
    assert_eq!(unpickled(&node, "/api/get_my_transactions").await, mine);
}
