//! What clients get wrong, at the real HTTP surface: each case has its status and stable code, and changes nothing.

use std::time::Duration;

use blockchat_tests::{Answer, Cluster, Network};
use reqwest::Method;
use serde_json::{Value, json};

/// Method, path, JSON body, status, code.
type Case = (Method, &'static str, Value, u16, &'static str);

fn wallet_cases(own_id: &str, own_address: &str) -> Vec<Case> {
    let post = |body: Value, status, code| (Method::POST, "/wallet/transactions", body, status, code);
    let stake = |amount: &str, status, code| (Method::PUT, "/wallet/stake", json!({ "amount": amount }), status, code);
    let long = "x".repeat(16 * 1024 + 1);
    let weak_key = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL\n-----END PUBLIC KEY-----\n";
    vec![
        post(json!({ "amount": "1" }), 422, "invalid_request"),
        post(json!({ "to": "1", "amount": 1 }), 422, "invalid_request"),
        post(json!({ "to": "1", "amuont": "1" }), 422, "invalid_request"),
        post(json!({ "to": 1, "amount": "1" }), 422, "invalid_request"),
        post(json!([]), 422, "invalid_request"),
        post(json!({ "to": "1" }), 422, "empty_transaction"),
        post(json!({ "to": "1", "amount": "-1" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "+1" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "1e3" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "NaN" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "1,5" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": " 1" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "0.0000001" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "99999999999999999999" }), 422, "invalid_amount"),
        post(json!({ "to": "1", "amount": "0" }), 422, "zero_amount"),
        post(json!({ "to": "1", "message": long }), 422, "message_too_long"),
        post(json!({ "to": "99", "amount": "1" }), 404, "unknown_recipient"),
        post(json!({ "to": "0123456789abcdef", "amount": "1" }), 404, "unknown_recipient"),
        post(json!({ "to": "", "amount": "1" }), 422, "invalid_address"),
        post(json!({ "to": "nobody!", "amount": "1" }), 422, "invalid_address"),
        post(json!({ "to": weak_key, "amount": "1" }), 422, "invalid_key"),
        post(json!({ "to": own_id, "amount": "1" }), 422, "self_transfer"),
        post(json!({ "to": own_address, "amount": "1" }), 422, "self_transfer"),
        // 970.873787 and its 3 % are the most that 1000 pay for.
        post(json!({ "to": "1", "amount": "970.873787" }), 409, "insufficient_balance"),
        post(json!({ "to": "1", "message": "y".repeat(1001) }), 409, "insufficient_balance"),
        stake("-1", 422, "invalid_amount"),
        stake("x", 422, "invalid_amount"),
        stake("1000.000001", 409, "insufficient_balance"),
        (Method::PUT, "/wallet/stake", json!({}), 422, "invalid_request"),
    ]
}

fn read_cases() -> Vec<Case> {
    let get = |path, status, code| (Method::GET, path, Value::Null, status, code);
    vec![
        get("/nothing/here", 404, "unknown_path"),
        get("/transactions/xyz", 422, "invalid_hash"),
        get(
            "/transactions/00000000000000000000000000000000000000000000000000000000000000ff",
            404,
            "unknown_transaction",
        ),
        get("/blocks/1000000", 404, "unknown_block"),
        get("/blocks/1000000/certificate", 404, "unknown_block"),
        get("/blocks/first", 400, "invalid_parameter"),
        get("/blocks/-1", 400, "invalid_parameter"),
        get("/blocks?limit=0", 400, "invalid_pagination"),
        get("/blocks?limit=1000000", 400, "invalid_pagination"),
        get("/blocks?form=1", 400, "invalid_pagination"),
        get("/accounts/99", 404, "unknown_account"),
        get("/accounts/0123456789abcdef", 404, "unknown_account"),
        (Method::DELETE, "/wallet", Value::Null, 405, "method_not_allowed"),
        (Method::POST, "/network", json!({}), 405, "method_not_allowed"),
    ]
}

/// A transaction signed by the client, each time with one field spoiled.
fn signed_cases(good: &Value) -> Vec<Case> {
    let spoiled = |field: &str, value: Value, status, code| {
        let mut body = good.clone();
        body[field] = value;
        (Method::POST, "/transactions", body, status, code)
    };
    vec![
        spoiled("signature", json!("AAAA"), 422, "invalid_signature"),
        spoiled("signature", json!("not base64!"), 422, "invalid_signature"),
        spoiled("sender_address", json!("AAAA"), 422, "invalid_key"),
        spoiled("receiver_address", json!("3"), 422, "invalid_key"),
        spoiled("receiver_address", json!("0"), 422, "invalid_transaction"),
        spoiled("amount", json!("-5"), 422, "invalid_amount"),
        spoiled("type_of_transaction", json!("theft"), 422, "invalid_request"),
        spoiled("type_of_transaction", json!("genesis"), 422, "invalid_transaction"),
        spoiled("chain_id", json!("00"), 422, "invalid_hash"),
        spoiled("chain_id", json!("0".repeat(64)), 422, "wrong_chain"),
        spoiled("transaction_id", json!("0".repeat(64)), 422, "id_mismatch"),
        spoiled("nonce", json!(-1), 422, "invalid_request"),
        spoiled("nonce", json!(good["nonce"].as_u64().map(|nonce| nonce + 7)), 409, "wrong_nonce"),
        spoiled("valid_until", json!(1_000_000_000_u64), 422, "valid_until_too_far"),
        spoiled("valid_until", json!(0), 422, "expired"),
        // All fields right, another amount than was signed.
        spoiled("amount", json!("6"), 422, "invalid_signature"),
        spoiled("bonus", json!("6"), 422, "invalid_request"),
    ]
}

fn assert_problem(what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{what}: {}", answer.text);
    assert_eq!(answer.content_type, "application/problem+json", "{what}");
    for field in ["type", "title", "detail", "message"] {
        assert!(
            answer.body[field].as_str().is_some_and(|text| !text.is_empty()),
            "{what}: no {field}: {}",
            answer.text
        );
    }
    assert_eq!(answer.body["status"], status, "{what}");
}

async fn state(cluster: &Cluster) -> Vec<Value> {
    let mut state = Vec::new();
    for node in &cluster.nodes {
        let mut status = node.get("/status").await;
        // What others say may lag, and figures of the time that goes by are no state.
        for moving in ["peers", "figures"] {
            status[moving] = Value::Null;
        }
        state.push(status);
        state.push(node.get("/wallet").await);
    }
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_a_code_and_change_nothing() {
    let mut cluster = Network::of(4).start().await;
    cluster.settled().await;
    let before = state(&cluster).await;

    let node = &cluster.nodes[0];
    let wallet = node.get("/wallet").await;
    let nonce = wallet["final"]["nonce"].as_u64().expect("a nonce");
    let (id, address) = (wallet["id"].to_string(), wallet["address"].as_str().expect("an address"));
    let peer = node.get("/network").await["members"][1].clone();
    let good = json!({
        "sender_address": address, "receiver_address": peer["address"], "type_of_transaction": "coins",
        "amount": "5", "message": "", "nonce": nonce, "valid_until": 100,
        "chain_id": before[0]["chain_id"], "signature": base64_of_zeros(256),
    });
    let cases = [wallet_cases(&id, address), read_cases(), signed_cases(&good)].concat();
    let mut wrong = Vec::new();
    for (method, path, body, status, code) in &cases {
        let answer = node.send(method.clone(), path, body).await;
        if (answer.status, answer.code()) == (*status, *code) {
            assert_problem(&format!("{method} {path} {body:.200}"), &answer, *status, code);
        } else {
            let shown: String = body.to_string().chars().take(120).collect();
            wrong.push(format!("{method} {path} {shown}\n   expected {status} {code}, got {}", answer.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));

    // Nothing of this stays: no pending transaction, no nonce used, no coin moved.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(state(&cluster).await, before);
    cluster.nodes[3].transfer(&json!({ "to": "0", "amount": "1" })).await;
    cluster.assert_sound().await;
}

fn base64_of_zeros(bytes: usize) -> String {
    // 256 bytes are 85 groups of three and one byte.
    format!("{}AA==", "AAAA".repeat(bytes / 3))
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_or_too_large_are_refused() {
    let cluster = Network::of(1).start().await;
    let node = &cluster.nodes[0];
    let post = |body: Vec<u8>, content_type: &'static str| async move {
        let path = "/api/v1/wallet/transactions";
        let request = node.request(Method::POST, path).header("content-type", content_type).body(body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("JSON");
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let expect = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(post(b"{".to_vec(), "application/json").await, expect(400, "malformed_json"));
    assert_eq!(post(vec![0xff; 10], "application/json").await, expect(400, "malformed_json"));
    assert_eq!(post(b"{}".to_vec(), "text/plain").await, expect(415, "unsupported_media_type"));
    assert_eq!(post(vec![b' '; 5 * 1024 * 1024], "application/json").await, expect(413, "body_too_large"));
    assert_eq!(post(b"{\"to\":\"?\"}".to_vec(), "application/json").await, expect(422, "invalid_address"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_for_one_request() {
    let cluster = Network::of(4).start().await;
    let post = async |key: &str, amount: &str| {
        let body = json!({ "to": "1", "amount": amount });
        let request = cluster.nodes[0].request(Method::POST, "/api/v1/wallet/transactions");
        let response = request.header("idempotency-key", key).json(&body).send().await.expect("an answer");
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("JSON");
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(post("a", "1").await, (202, String::new()));
    assert_eq!(post("a", "2").await, (422, "idempotency_conflict".to_owned()));
    assert_eq!(post("", "2").await, (422, "invalid_idempotency_key".to_owned()));
    assert_eq!(post(&"k".repeat(200), "2").await, (422, "invalid_idempotency_key".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_original_client_is_answered_as_before() {
    let cluster = Network::of(4).start().await;
    let node = &cluster.nodes[1];
    let id = node.id().await;
    let get = async |path: &str| -> (u16, Value) {
        let response = node.request(Method::GET, path).send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    };
    let post = async |form: &[(&str, &str)]| -> (u16, Value) {
        let request = node.request(Method::POST, "/api/create_transaction").form(form);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    };
    assert_eq!(get("/api/get_id").await.1["message"], id);
    assert_eq!(get("/api/get_balance").await.1["message"], 1000);
    assert_eq!(get("/api/get_stake").await.1["message"], 0);
    assert_eq!(get("/api/get_metrics").await.1["capacity"], 5);

    let other = ((id + 1) % 4).to_string();
    let (status, body) = post(&[("receiver", &other), ("amount", "10"), ("message", "")]).await;
    assert_eq!((status, &body["message"]), (200, &json!("The transaction was created successfully.")));
    let (status, body) = post(&[("receiver", &other), ("amount", "99999")]).await;
    assert_eq!((status, &body["message"]), (400, &json!("Not enough BCCs.")));
    assert!(body["balance"].is_number() && body["stake"].is_number(), "{body}");
    for wrong in [id.to_string(), "99".to_owned(), "x".to_owned()] {
        let (status, body) = post(&[("receiver", &wrong), ("amount", "1")]).await;
        assert_eq!((status, &body["message"]), (400, &json!("Transaction failed. Wrong receiver id.")), "{wrong}");
        assert!(body.get("balance").is_none(), "{body}");
    }
    let (status, _) = post(&[("stake", "true"), ("amount", "10")]).await;
    assert_eq!(status, 200);
    assert_eq!(get("/api/get_stake").await.1["message"], 10);
    assert_eq!(get("/get_block").await.0, 404);
}
