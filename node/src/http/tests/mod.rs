//! The API in-process: every request goes through the real router, the real wallet and a real ledger.

mod bad_inputs;
mod bad_requests;
mod browsers;
mod events;
pub(crate) mod fake;
mod openapi;
mod original;
mod reads;
mod sends;
mod serving;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use blockchat_api::{ERROR_MEDIA_TYPE, SignedTransactionRequest};
use blockchat_ledger::{Amount, PublicKey, Terms, Transaction};
use http_body_util::BodyExt as _;
use prometheus::Registry;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::http::{Activity, ApiToken, AppState, Joined, admin_router, router};
use crate::telemetry::{Metrics, Traces};
use crate::wallet::{self, WalletParts};
use fake::{FakeLedger, TTL_BLOCKS};

/// The member whose API is tested: not the bootstrap node, whose wallet has rules of its own.
const ME: u16 = 1;

/// A node as its clients see it.
struct TestNode {
    ledger: Arc<FakeLedger>,
    state: AppState,
    api: Router,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Answer {
    /// Checks that this is the documented problem, in the documented form.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], ERROR_MEDIA_TYPE);
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:blockchat:problem:{code}"));
        assert!(self.body["title"].is_string() && self.body["detail"].is_string() && self.body["message"].is_string());
        self
    }

    #[track_caller]
    fn is(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        &self.body
    }
}

impl TestNode {
    /// A member of a network in which every member has its endowment.
    fn new() -> Self {
        Self::of(FakeLedger::funded(), None)
    }

    fn of(ledger: Arc<FakeLedger>, token: Option<&str>) -> Self {
        let activity = ledger.activity.clone();
        Self::with(ledger, token, activity)
    }

    /// A node that has just started on a chain that is older.
    fn restarted(ledger: Arc<FakeLedger>) -> Self {
        Self::with(ledger, None, Activity::default())
    }

    fn with(ledger: Arc<FakeLedger>, token: Option<&str>, activity: Activity) -> Self {
        let node = Self::before_joining(ledger, token);
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let parts = WalletParts {
            signer: fake::wallet(usize::from(ME)),
            ring: Arc::clone(&node.ledger.ring),
            backend: Arc::clone(&node.ledger) as _,
            chain: Arc::clone(&node.ledger) as _,
            activity: activity.clone(),
            metrics: metrics.verify.clone(),
            traces: Traces::default(),
        };
        let (wallet, _task) = wallet::spawn(parts, Vec::new());
        node.state.join(Joined {
            me: ME,
            ring: Arc::clone(&node.ledger.ring),
            backend: Arc::clone(&node.ledger) as _,
            chain: Arc::clone(&node.ledger) as _,
            activity,
            wallet,
            urls: Arc::new(|id| Some(format!("http://node-{id}:8000"))),
            connected: Arc::new(|_| true),
            traces: Traces::default(),
        });
        node
    }

    fn before_joining(ledger: Arc<FakeLedger>, token: Option<&str>) -> Self {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let state = AppState::new(metrics, token.and_then(ApiToken::new));
        let api = router(state.clone());
        Self { ledger, state, api }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        answer(self.api.clone(), request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(json_request("POST", path, body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(json_request("PUT", path, body)).await
    }

    async fn admin(&self, path: &str) -> Answer {
        answer(admin_router(self.state.clone()), Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Everything a request could have changed.
    fn fingerprint(&self) -> (u64, String, usize, usize) {
        let ledger = &self.ledger;
        (ledger.height(), ledger.state().root().to_string(), ledger.pool_len(), ledger.wallet_log().len())
    }
}

async fn answer(service: Router, request: Request<Body>) -> Answer {
    answer_of(service.oneshot(request).await.unwrap()).await
}

async fn answer_of(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
}

fn json_request(method: &str, path: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// The key of the tested node's wallet.
fn my_key() -> PublicKey {
    fake::wallet(usize::from(ME)).public_key().clone()
}

/// Pays from the wallet of a member that is not this node, as a client would sign it.
fn coins(ledger: &FakeLedger, from: usize, to: &PublicKey, amount: &str, nonce: u64) -> Transaction {
    let terms = Terms { nonce, valid_until: ledger.height() + TTL_BLOCKS, chain_id: ledger.ring.chain_id() };
    let amount: Amount = amount.parse().unwrap();
    Transaction::coins(fake::wallet(from).public_key().clone(), to.clone(), amount, terms)
}

/// Signs a transaction and puts it into the wire form.
fn signed(transaction: Transaction, from: usize) -> SignedTransactionRequest {
    SignedTransactionRequest::from(&*transaction.sign(&*fake::wallet(from)).unwrap())
}

/// The wire form as JSON that a test may damage.
fn wire(transaction: Transaction, from: usize) -> Value {
    let mut value = serde_json::to_value(signed(transaction, from)).unwrap();
    // Without it, the fields alone decide.
    value.as_object_mut().unwrap().remove("transaction_id");
    value
}

fn payment(to: &str, amount: &str) -> Value {
    json!({"to": to, "amount": amount})
}
