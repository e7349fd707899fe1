//! A network of fake nodes behind the public interface: one shared ledger in memory, faults on demand.

mod blocks;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use blockchat_ledger::{Amount, Hash};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

/// What happens to a payment request instead of the usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The payment is made, but the connection breaks before the answer is whole.
    LoseAnswer,
    /// The connection breaks before anything is done.
    LoseRequest,
    /// 503 `pool_full` with Retry-After 0.
    PoolFull,
    /// Answered as accepted, and forgotten.
    Forget,
    /// Accepted, and dropped from the pool later with a reason.
    Drop,
    /// Accepted once, put into two blocks.
    Twice,
}

/// How the fake network is set up.
pub struct Setup {
    pub nodes: u16,
    pub capacity: usize,
    pub endowment: u64,
    /// Faults of the first payment requests to each node, by node id.
    pub faults: Vec<(u16, Vec<Option<Fault>>)>,
    /// This node shows another block at this height.
    pub fork: Option<(u16, u64)>,
    /// Fees disappear instead of going to the validator.
    pub burn_fees: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { nodes: 3, capacity: 5, endowment: 1_000, faults: Vec::new(), fork: None, burn_fees: false }
    }
}

#[derive(Clone)]
struct Tx {
    id: Hash,
    from: u16,
    to: Option<u16>,
    amount: Amount,
    fee: Amount,
    message: String,
    nonce: u64,
}

struct Block {
    timestamp_ms: u64,
    validator: u16,
    transactions: Vec<Tx>,
}

pub struct World {
    setup: Setup,
    balances: Vec<u64>,
    stakes: Vec<u64>,
    nonces: Vec<u64>,
    pool: Vec<Tx>,
    blocks: Vec<Block>,
    keys: HashMap<String, Hash>,
    dropped: HashMap<Hash, &'static str>,
    faults: BTreeMap<u16, VecDeque<Option<Fault>>>,
    /// Keys of all payment requests, refused and repeated ones included.
    pub requests: Vec<String>,
    /// Recipient and text of each payment made, by node.
    pub sent: Vec<Vec<(String, String)>>,
}

/// HTTP status and code.
type Refusal = (u16, &'static str);
type Shared = Arc<Mutex<World>>;

/// The nodes' URLs, and the world behind them.
pub struct Fake {
    pub urls: Vec<String>,
    world: Shared,
}

impl Fake {
    pub async fn start(setup: Setup) -> Self {
        let nodes = usize::from(setup.nodes);
        let world = World {
            balances: vec![setup.endowment * Amount::MICROS_PER_BCC; nodes],
            stakes: vec![0; nodes],
            nonces: vec![0; nodes],
            pool: Vec::new(),
            blocks: vec![Block { timestamp_ms: now_ms(), validator: 0, transactions: Vec::new() }],
            keys: HashMap::new(),
            dropped: HashMap::new(),
            faults: setup.faults.iter().map(|(node, faults)| (*node, faults.iter().copied().collect())).collect(),
            requests: Vec::new(),
            sent: vec![Vec::new(); nodes],
            setup,
        };
        let world = Arc::new(Mutex::new(world));
        let mut urls = Vec::new();
        for id in 0..nodes {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.push(format!("http://{}", listener.local_addr().unwrap()));
            let node = Node { id: u16::try_from(id).unwrap(), world: world.clone() };
            tokio::spawn(async move { axum::serve(listener, router(node)).await });
        }
        let minter = world.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                minter.lock().unwrap().mint();
            }
        });
        Self { urls, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

impl World {
    fn available(&self, node: u16) -> u64 {
        let pending = self.pool.iter().filter(|tx| tx.from == node);
        let cost: u64 = pending.map(|tx| tx.amount.micros() + tx.fee.micros()).sum();
        self.balances[usize::from(node)].saturating_sub(cost)
    }

    fn mint(&mut self) {
        let count = self.pool.len().min(self.setup.capacity);
        if count == 0 {
            return;
        }
        let transactions: Vec<Tx> = self.pool.drain(..count).collect();
        let validator = u16::try_from(self.blocks.len() % usize::from(self.setup.nodes)).unwrap();
        for tx in &transactions {
            let total = tx.amount.micros() + tx.fee.micros();
            self.balances[usize::from(tx.from)] -= total;
            if let Some(to) = tx.to {
                self.balances[usize::from(to)] += tx.amount.micros();
            } else {
                let stake = &mut self.stakes[usize::from(tx.from)];
                self.balances[usize::from(tx.from)] += *stake;
                *stake = tx.amount.micros();
            }
            if !self.setup.burn_fees {
                self.balances[usize::from(validator)] += tx.fee.micros();
            }
        }
        let timestamp_ms = now_ms().max(self.blocks.last().unwrap().timestamp_ms + 1);
        self.blocks.push(Block { timestamp_ms, validator, transactions });
    }

    /// Puts a transaction into the pool, or answers why not.
    fn admit(&mut self, from: u16, to: Option<u16>, amount: Amount, message: &str) -> Result<Hash, Refusal> {
        let characters = message.chars().count() as u64 * Amount::MICROS_PER_BCC;
        let coin_fee = if to.is_some() { (amount.micros() * 3).div_ceil(100) } else { 0 };
        let fee = Amount::from_micros(characters + coin_fee);
        if self.available(from) < amount.micros() + fee.micros() {
            return Err((409, "insufficient_balance"));
        }
        let nonce = self.nonces[usize::from(from)];
        self.nonces[usize::from(from)] += 1;
        let id = Hash::of("fake", &[&from.to_be_bytes(), &nonce.to_be_bytes()]);
        self.pool.push(Tx { id, from, to, amount, fee, message: message.to_owned(), nonce });
        Ok(id)
    }

    fn hash(&self, node: u16, index: u64) -> Hash {
        let forked = self.setup.fork.is_some_and(|(liar, height)| liar == node && index >= height);
        Hash::of("fake block", &[&index.to_be_bytes(), &[u8::from(forked)]])
    }
}

#[derive(Clone)]
struct Node {
    id: u16,
    world: Shared,
}

fn router(node: Node) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/network", get(network))
        .route("/api/v1/wallet", get(wallet))
        .route("/api/v1/wallet/stake", put(stake))
        .route("/api/v1/wallet/transactions", post(pay))
        .route("/api/v1/transactions/{id}", get(transaction))
        .route("/api/v1/accounts/{address}", get(account))
        .route("/api/v1/blocks", get(blocks::page))
        .route("/api/v1/events", get(blocks::events))
        .with_state(node)
}

fn problem(status: u16, code: &str) -> Response {
    let body = json!({
        "type": format!("urn:blockchat:problem:{code}"), "title": code, "status": status, "detail": code, "code": code,
        "message": code,
    });
    let mut response = (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    if status == 503 {
        response.headers_mut().insert("retry-after", "0".parse().unwrap());
    }
    response
}

/// An answer whose body never ends well.
fn broken() -> Response {
    let body = futures::stream::iter([Ok("{"), Err(std::io::Error::other("broken on purpose"))]);
    Body::from_stream(body).into_response()
}

fn address(id: u16) -> String {
    format!("key/{id}+=")
}

async fn status(State(node): State<Node>) -> Json<Value> {
    let world = node.world.lock().unwrap();
    let height = world.blocks.len() as u64 - 1;
    Json(json!({
        "phase": "ready", "version": "fake", "id": node.id, "chain_id": Hash::ZERO, "height": height,
        "tip_hash": world.hash(node.id, height), "voting": true, "peers": [],
    }))
}

async fn network(State(node): State<Node>) -> Json<Value> {
    let world = node.world.lock().unwrap();
    let parameters = json!({
        "nodes": world.setup.nodes, "capacity": world.setup.capacity, "endowment": world.setup.endowment.to_string(),
        "ttl_blocks": 100, "coin_fee_percent": 3, "message_fee": "1",
    });
    Json(
        json!({"chain_id": Hash::ZERO, "genesis_hash": Hash::ZERO, "parameters": parameters, "members": [], "descriptor": ""}),
    )
}

fn holdings(world: &World, id: u16) -> Value {
    let amount = |micros: u64| Amount::from_micros(micros);
    let node = usize::from(id);
    let settled = json!({
        "balance": amount(world.balances[node]), "stake": amount(world.stakes[node]), "nonce": world.nonces[node],
    });
    json!({"id": id, "address": address(id), "fingerprint": "f", "final": settled, "pending": settled})
}

async fn wallet(State(node): State<Node>) -> Json<Value> {
    Json(holdings(&node.world.lock().unwrap(), node.id))
}

async fn account(State(node): State<Node>, Path(asked): Path<String>) -> Response {
    let world = node.world.lock().unwrap();
    match (0..world.setup.nodes).find(|id| asked == address(*id) || asked == id.to_string()) {
        Some(id) => Json(holdings(&world, id)).into_response(),
        None => problem(404, "unknown_account"),
    }
}

async fn stake(State(node): State<Node>, Json(body): Json<Value>) -> Response {
    let amount = body["amount"].as_str().unwrap().parse().unwrap();
    let admitted = node.world.lock().unwrap().admit(node.id, None, amount, "");
    match admitted {
        Ok(id) => submitted(&node, id, true).await,
        Err((status, code)) => problem(status, code),
    }
}

async fn pay(
    State(node): State<Node>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let fault = {
        let mut world = node.world.lock().unwrap();
        world.requests.push(key.clone());
        world.faults.get_mut(&node.id).and_then(VecDeque::pop_front).flatten()
    };
    match fault {
        Some(Fault::LoseRequest) => return broken(),
        Some(Fault::PoolFull) => return problem(503, "pool_full"),
        _ => {}
    }
    let id = match payment(&node, key, &body, fault) {
        Ok(id) => id,
        Err((status, code)) => return problem(status, code),
    };
    if fault == Some(Fault::LoseAnswer) {
        return broken();
    }
    submitted(&node, id, query.get("wait").is_some_and(|wait| wait == "committed")).await
}

/// Makes the payment unless one with this key was made.
fn payment(node: &Node, key: String, body: &Value, fault: Option<Fault>) -> Result<Hash, Refusal> {
    let mut world = node.world.lock().unwrap();
    if let Some(id) = world.keys.get(&key) {
        return Ok(*id);
    }
    let to = body["to"].as_str().unwrap();
    let text = body["message"].as_str().unwrap_or_default();
    let amount = body["amount"].as_str().unwrap_or("0").parse().unwrap();
    let id = world.admit(node.id, Some(to.parse().unwrap()), amount, text)?;
    world.keys.insert(key, id);
    world.sent[usize::from(node.id)].push((to.to_owned(), text.to_owned()));
    match fault {
        Some(Fault::Forget) => drop(world.pool.pop()),
        Some(Fault::Drop) => {
            world.pool.pop();
            world.dropped.insert(id, "nonce_used");
        }
        Some(Fault::Twice) => {
            let again = world.pool.last().unwrap().clone();
            world.mint();
            world.pool.push(again);
        }
        _ => {}
    }
    Ok(id)
}

async fn submitted(node: &Node, id: Hash, wait: bool) -> Response {
    loop {
        let committed = find(&node.world.lock().unwrap(), id);
        if committed.is_some() || !wait {
            let status = if committed.is_some() { "committed" } else { "pending" };
            let answer = json!({"transaction_id": id, "status": status, "nonce": 0, "valid_until": 9});
            return (StatusCode::ACCEPTED, Json(answer)).into_response();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn find(world: &World, id: Hash) -> Option<usize> {
    world.blocks.iter().position(|block| block.transactions.iter().any(|tx| tx.id == id))
}

async fn transaction(State(node): State<Node>, Path(id): Path<String>) -> Response {
    let world = node.world.lock().unwrap();
    let id: Hash = id.parse().unwrap();
    let pooled = world.pool.iter().any(|tx| tx.id == id);
    let (status, reason) = match (find(&world, id), world.dropped.get(&id)) {
        (Some(_), _) => ("committed", None),
        (None, Some(reason)) => ("rejected", Some(*reason)),
        (None, None) if pooled => ("pending", None),
        (None, None) => return problem(404, "unknown_transaction"),
    };
    Json(json!({"transaction_id": id, "status": status, "reason": reason})).into_response()
}
