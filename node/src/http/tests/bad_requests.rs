//! Requests that never become transactions: broken JSON, oversized bodies, missing tokens, a node that has not joined.
//! Even the framework's refusals are JSON problems.

use axum::body::Body;
use axum::http::{Request, header};
use blockchat_api::{MAX_BODY_BYTES, paths};
use serde_json::json;

use super::fake::FakeLedger;
use super::{TestNode, json_request, payment};

fn raw(path: &str, content_type: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn malformed_bodies() {
    let node = TestNode::new();
    let before = node.fingerprint();
    for path in [paths::WALLET_TRANSACTIONS, paths::TRANSACTIONS, paths::TRANSACTIONS_BATCH] {
        let json = Some("application/json");
        node.send(raw(path, json, "{\"")).await.is_problem(400, "malformed_json");
        node.send(raw(path, json, "")).await.is_problem(400, "malformed_json");
        node.send(raw(path, json, vec![0xff, 0xfe, 0x00])).await.is_problem(400, "malformed_json");
        node.send(raw(path, json, "null")).await.is_problem(422, "invalid_request");
        node.send(raw(path, Some("text/plain"), "{}")).await.is_problem(415, "unsupported_media_type");
        node.send(raw(path, None, "{}")).await.is_problem(415, "unsupported_media_type");
    }
    let deep = "[".repeat(100_000);
    node.send(raw(paths::TRANSACTIONS, Some("application/json"), deep)).await.is_problem(422, "invalid_request");
    assert_eq!(node.fingerprint(), before);
}

#[tokio::test]
async fn oversized_bodies() {
    let node = TestNode::new();
    let before = node.fingerprint();
    let body = json!({"to": "2", "message": "x".repeat(MAX_BODY_BYTES)});
    node.post(paths::WALLET_TRANSACTIONS, &body).await.is_problem(413, "body_too_large");
    node.post(paths::TRANSACTIONS, &body).await.is_problem(413, "body_too_large");
    // A batch may be larger, but not without end.
    node.post(paths::TRANSACTIONS_BATCH, &body).await.is_problem(422, "invalid_request");
    let body = json!({"transactions": "x".repeat(blockchat_api::MAX_BATCH_BODY_BYTES)});
    node.post(paths::TRANSACTIONS_BATCH, &body).await.is_problem(413, "body_too_large");
    assert_eq!(node.fingerprint(), before);
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let node = TestNode::new();
    for path in ["/", "/api/v1", "/api/v1/wallets", "/api/v2/status", "/get_block"] {
        node.get(path).await.is_problem(404, "unknown_path");
    }
    let delete = |path: &str| Request::delete(path).body(Body::empty()).unwrap();
    let answer = node.send(delete(paths::STATUS)).await;
    answer.is_problem(405, "method_not_allowed");
    assert_eq!(answer.headers[header::ALLOW], "GET,HEAD");
    node.get(paths::TRANSACTIONS).await.is_problem(405, "method_not_allowed");
    node.send(delete(paths::WALLET)).await.is_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn bad_parameters() {
    let node = TestNode::new();
    for (path, status, code) in [
        ("/api/v1/blocks?limit=0", 400, "invalid_pagination"),
        ("/api/v1/blocks?limit=1001", 400, "invalid_pagination"),
        ("/api/v1/blocks?limit=-1", 400, "invalid_pagination"),
        ("/api/v1/blocks?limit=many", 400, "invalid_pagination"),
        ("/api/v1/blocks?from=2", 400, "invalid_pagination"),
        ("/api/v1/blocks?from=-1", 400, "invalid_pagination"),
        ("/api/v1/blocks?form=1", 400, "invalid_pagination"),
        ("/api/v1/wallet/transactions?limit=0", 400, "invalid_pagination"),
        ("/api/v1/wallet/transactions?before=x", 400, "invalid_pagination"),
        ("/api/v1/wallet/transactions?before=1-", 400, "invalid_pagination"),
        ("/api/v1/blocks/newest", 400, "invalid_parameter"),
        ("/api/v1/blocks/-1", 400, "invalid_parameter"),
        ("/api/v1/blocks/%ff", 400, "invalid_parameter"),
        ("/api/v1/blocks/2", 404, "unknown_block"),
        ("/api/v1/blocks/99999999999999999999999", 404, "unknown_block"),
        (&format!("/api/v1/blocks/{}", "0".repeat(64)), 404, "unknown_block"),
        ("/api/v1/blocks/0/certificate", 404, "unknown_block"),
        ("/api/v1/blocks/0/lottery", 404, "unknown_block"),
        ("/api/v1/transactions/12", 422, "invalid_hash"),
        (&format!("/api/v1/transactions/{}", "0".repeat(64)), 404, "unknown_transaction"),
        (&format!("/api/v1/transactions/{}/receipt", "0".repeat(64)), 404, "unknown_transaction"),
        ("/api/v1/accounts/4", 404, "unknown_account"),
        ("/api/v1/accounts/somebody", 422, "invalid_address"),
    ] {
        let answer = node.get(path).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{path}: {}", answer.text);
        answer.is_problem(status, code);
    }
    let body = payment("2", "1");
    node.post("/api/v1/wallet/transactions?wait=forever", &body).await.is_problem(400, "invalid_parameter");
    assert_eq!(node.ledger.pool_len(), 0);
}

#[tokio::test]
async fn wallet_calls_need_the_token() {
    let node = TestNode::of(FakeLedger::funded(), Some("open sesame\n"));
    let before = node.fingerprint();
    let with = |value: &str| {
        let mut request = json_request("POST", paths::WALLET_TRANSACTIONS, &payment("2", "1"));
        request.headers_mut().insert(header::AUTHORIZATION, value.parse().unwrap());
        request
    };
    for value in ["Bearer", "Bearer ", "Bearer open", "Bearer open sesame!", "Basic open sesame", "open sesame"] {
        let answer = node.send(with(value)).await;
        answer.is_problem(401, "unauthorized");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    node.get(paths::WALLET).await.is_problem(401, "unauthorized");
    node.get(paths::WALLET_TRANSACTIONS).await.is_problem(401, "unauthorized");
    node.put(paths::WALLET_STAKE, &json!({"amount": "1"})).await.is_problem(401, "unauthorized");
    // The token comes first: without it nobody learns what is wrong with the body.
    node.post(paths::WALLET_TRANSACTIONS, &json!("?")).await.is_problem(401, "unauthorized");
    assert_eq!(node.fingerprint(), before);
    node.get(paths::STATUS).await.is(200);
    node.get("/api/v1/blocks/latest").await.is(200);
    node.send(with("Bearer open sesame")).await.is(202);
    node.send(with("bearer open sesame")).await.is(202);
}

#[tokio::test]
async fn before_joining_everything_but_the_status_waits() {
    let node = TestNode::before_joining(FakeLedger::funded(), None);
    node.state.set_waiting_for("2 of 4 members");
    for path in [
        paths::WALLET,
        paths::WALLET_TRANSACTIONS,
        "/api/v1/accounts/1",
        paths::BLOCKS,
        "/api/v1/blocks/latest",
        "/api/v1/blocks/0/certificate",
        "/api/v1/blocks/0/lottery",
        paths::EVIDENCE,
        paths::NETWORK,
        "/api/v1/transactions/00",
        "/api/v1/transactions/00/receipt",
    ] {
        let answer = node.get(path).await;
        assert_eq!(answer.is_problem(503, "not_joined").headers[header::RETRY_AFTER], "1", "{path}");
        assert!(answer.text.contains("2 of 4 members"), "{path}");
    }
    for path in [paths::TRANSACTIONS, paths::TRANSACTIONS_BATCH, paths::WALLET_TRANSACTIONS] {
        node.post(path, &payment("2", "1")).await.is_problem(503, "not_joined");
    }
    node.put(paths::WALLET_STAKE, &json!({"amount": "1"})).await.is_problem(503, "not_joined");
    let status = node.get(paths::STATUS).await;
    assert_eq!(status.is(200)["phase"], "joining");
    assert_eq!(status.body["waiting_for"], "2 of 4 members");
}

#[tokio::test]
async fn idempotency_keys_have_a_form() {
    let node = TestNode::new();
    for key in [String::new(), "k".repeat(129), "with space".to_owned(), "é".to_owned()] {
        let mut request = json_request("POST", paths::WALLET_TRANSACTIONS, &payment("2", "1"));
        let value = header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        request.headers_mut().insert("idempotency-key", value);
        node.send(request).await.is_problem(422, "invalid_idempotency_key");
    }
    assert_eq!(node.ledger.pool_len(), 0);
}
