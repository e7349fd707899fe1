//! Load for the tests: each node's wallet pays, one request in flight, until told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::chain::Chain;
use crate::cluster::Cluster;
use crate::http::{client, is_temporary, send};
use crate::wait::{LONG, eventually};

/// A payment that its node said was committed.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its message, which no other payment has.
    pub message: String,
    /// Its id.
    pub transaction_id: String,
    /// The block named in the answer.
    pub block_index: u64,
}

/// Running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<Vec<Sent>>>,
}

impl Load {
    /// Starts one sender for each node of a cluster.
    pub async fn start(cluster: &Cluster) -> Self {
        Self::on(cluster.nodes.iter().map(|node| (**node).clone()).collect()).await
    }

    /// Starts one sender for each node.
    pub async fn on(nodes: Vec<Api>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let mut senders = Vec::new();
        for node in &nodes {
            let sender = Sender {
                url: format!("{}/api/v1/wallet/transactions?wait=committed", node.api_url()),
                id: node.id().await,
                members: u64::try_from(nodes.len()).expect("a small number"),
                stop: Arc::clone(&stop),
                count: Arc::clone(&count),
            };
            senders.push(tokio::spawn(sender.run()));
        }
        Self { stop, count, senders }
    }

    /// How many payments were acknowledged as committed so far.
    pub fn committed(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until `more` further payments are acknowledged: proof that the network goes on.
    pub async fn progress(&self, more: usize) {
        let goal = self.committed() + more;
        eventually(&format!("{more} more payments"), LONG, async || {
            let committed = self.committed();
            if committed >= goal { Ok(()) } else { Err(format!("{committed} of {goal}")) }
        })
        .await;
    }

    /// Stops; returns what was acknowledged. A payment in flight is repeated until its fate is known.
    pub async fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for sender in self.senders {
            sent.extend(sender.await.expect("a sender that did not fail"));
        }
        sent
    }
}

/// Checks that each acknowledged payment is in the block that was named, and each exactly once.
pub fn assert_exactly_once(chain: &Chain, sent: &[Sent]) {
    let mut found = BTreeMap::<&str, Vec<(usize, &str)>>::new();
    for (index, transaction) in chain.transactions() {
        let message = transaction["message"].as_str().unwrap_or_default();
        let id = transaction["transaction_id"].as_str().unwrap_or_default();
        found.entry(message).or_default().push((index, id));
    }
    for payment in sent {
        let index = usize::try_from(payment.block_index).expect("a small number");
        let places = found.get(payment.message.as_str()).cloned().unwrap_or_default();
        assert_eq!(places, [(index, payment.transaction_id.as_str())], "{payment:?}");
    }
    let paid = found.keys().filter(|message| message.starts_with('n')).count();
    assert_eq!(paid, sent.len(), "payments in the chain and payments acknowledged");
}

struct Sender {
    url: String,
    id: u64,
    members: u64,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Sender {
    async fn run(self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let number = u64::try_from(sent.len()).expect("a small number");
            let receiver = (self.id + 1 + number % (self.members - 1)) % self.members;
            sent.push(self.pay(receiver, format!("n{}-{number}", self.id)).await);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// One payment, repeated under the same key until the node says that it is committed.
    async fn pay(&self, receiver: u64, message: String) -> Sent {
        let body = json!({ "to": receiver.to_string(), "amount": "0.01", "message": message });
        let started = Instant::now();
        loop {
            let request = client().post(&self.url).header("idempotency-key", &message).json(&body);
            let reason = match send(request).await {
                Ok(answer) if answer.status == 200 => {
                    let status = answer.body["status"].as_str();
                    assert_eq!(status, Some("committed"), "{message}: {}", answer.text);
                    return Sent {
                        transaction_id: answer.body["transaction_id"].as_str().expect("an id").to_owned(),
                        block_index: answer.body["block_index"].as_u64().expect("a block"),
                        message,
                    };
                }
                Ok(answer) if answer.status == 202 || is_temporary(answer.status) => answer.text,
                Ok(answer) => panic!("{message}: {} {}", answer.status, answer.text),
                // The node was killed, or is not up again yet.
                Err(error) => error,
            };
            assert!(started.elapsed() < LONG * 2, "{message} was not committed: {reason}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
