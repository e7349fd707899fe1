//! Pages in a browser: only those of configured origins may change something or read answers.

use axum::body::Body;
use axum::http::Request;
use blockchat_api::paths;

use super::*;
use crate::http::Origins;

const OURS: &str = "https://wallet.example";

fn request(method: &str, path: &str, origin: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("origin", origin)
}

fn pay(origin: &str) -> Request<Body> {
    let body = Body::from(payment("2", "1").to_string());
    request("POST", paths::WALLET_TRANSACTIONS, origin).header("content-type", "application/json").body(body).unwrap()
}

fn form(origin: &str) -> Request<Body> {
    let body = Body::from("receiver=2&amount=1");
    let kind = "application/x-www-form-urlencoded";
    request("POST", "/api/create_transaction", origin).header("content-type", kind).body(body).unwrap()
}

#[tokio::test]
async fn a_page_from_elsewhere_can_not_spend() {
    let node = TestNode::new();
    let before = node.fingerprint();
    for origin in ["https://evil.example", "null", "http://127.0.0.1:8000", ""] {
        node.send(pay(origin)).await.is_problem(403, "origin_not_allowed");
        node.send(form(origin)).await.is_problem(403, "origin_not_allowed");
    }
    assert_eq!(node.fingerprint(), before);
    let read = node.send(request("GET", paths::STATUS, "https://evil.example").body(Body::empty()).unwrap()).await;
    assert!(!read.headers.contains_key("access-control-allow-origin"), "a page can't read what it gets");
    let asked = node.send(request("OPTIONS", paths::WALLET_TRANSACTIONS, OURS).body(Body::empty()).unwrap()).await;
    assert_eq!(asked.status, 405);
}

#[tokio::test]
async fn a_page_of_a_configured_origin_can() {
    let node = TestNode::new();
    node.state.set_origins(Origins::parse(OURS).unwrap());
    let api = router(node.state.clone());
    let paid = answer(api.clone(), pay(OURS)).await;
    assert_eq!((paid.status, &paid.headers["access-control-allow-origin"]), (202, &OURS.parse().unwrap()));
    answer(api.clone(), pay("https://evil.example")).await.is_problem(403, "origin_not_allowed");
    let asked = request("OPTIONS", paths::WALLET_TRANSACTIONS, OURS)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,idempotency-key");
    let asked = answer(api, asked.body(Body::empty()).unwrap()).await;
    assert_eq!((asked.status, &asked.headers["access-control-allow-origin"]), (200, &OURS.parse().unwrap()));
}
