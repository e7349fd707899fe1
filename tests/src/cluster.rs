//! A network of nodes on this machine.

use std::fmt::Display;

use tokio::sync::{Mutex, MutexGuard};

use crate::chain::Chain;
use crate::coins::{Micros, micros};
use crate::folder::Folder;
use crate::node::Node;
use crate::wait::{LONG, eventually};

/// One cluster at a time: the machine is small, and a test must not fail because another one keeps it busy.
static SLOT: Mutex<()> = Mutex::const_new(());

/// What the nodes of a network have in common.
#[derive(Clone)]
pub struct Network {
    size: usize,
    settings: Vec<(String, String)>,
}

impl Network {
    /// A network of `size` nodes with the course's settings, which mints as soon as there is something to mint.
    pub fn of(size: usize) -> Self {
        let settings = Vec::new();
        Self { size, settings }.set("NODES", size).set("CAPACITY", 5).set("MAX_BLOCK_WAIT", "20ms")
    }

    /// Gives each node a setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Gives each node so much that a test need not think of money.
    #[must_use]
    pub fn funded(self) -> Self {
        self.set("ENDOWMENT", 10_000_000)
    }

    fn endowment(&self) -> Micros {
        let given = self.settings.iter().rev().find(|(name, _)| name == "ENDOWMENT");
        given.map_or(1_000_000_000, |(_, value)| micros(value))
    }

    /// The nodes, none of them started. Node 0 is the bootstrap node.
    pub async fn prepare(self) -> Cluster {
        let slot = SLOT.lock().await;
        let folder = Folder::new();
        let mut cluster = Cluster { nodes: Vec::new(), folder, network: self, _slot: slot };
        for _ in 0..cluster.network.size {
            let node = cluster.another_node();
            cluster.nodes.push(node);
        }
        cluster
    }

    /// The nodes, started, joined, each with its first coins.
    pub async fn start(self) -> Cluster {
        let mut cluster = self.prepare().await;
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.founded().await;
        cluster
    }
}

/// The nodes of a test. All are killed when it ends.
pub struct Cluster {
    /// The nodes in the order in which they were prepared. This is no member id: those follow the order of arrival.
    pub nodes: Vec<Node>,
    folder: Folder,
    network: Network,
    _slot: MutexGuard<'static, ()>,
}

impl Cluster {
    /// A node more than the network has place for, or a substitute: not started, not in `nodes`.
    pub fn another_node(&self) -> Node {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut node = Node::new(self.folder.path().join(format!("node-{number}")));
        for (name, value) in &self.network.settings {
            node.set(name, value);
        }
        let bootstrap = self.nodes.first().map_or_else(|| node.peer_url(), Node::peer_url);
        node.set("BOOTSTRAP_URL", bootstrap);
        node
    }

    /// What each member gets at the start.
    pub fn endowment(&self) -> Micros {
        self.network.endowment()
    }

    /// All coins there are.
    pub fn supply(&self) -> Micros {
        self.endowment() * u64::try_from(self.network.size).expect("a small number")
    }

    /// Waits until every node takes part.
    pub async fn ready(&mut self) {
        for node in &mut self.nodes {
            node.ready().await;
        }
    }

    /// Waits until every node takes part and sees that each member got exactly its first coins.
    pub async fn founded(&mut self) {
        self.ready().await;
        let expected = self.endowment();
        for node in &self.nodes {
            for id in 0..self.nodes.len() {
                eventually(&format!("member {id} to have its first coins"), LONG, async || {
                    let account = node.try_get(&format!("/accounts/{id}")).await?;
                    let balance = account.body["final"]["balance"].as_str().map(micros);
                    if balance == Some(expected) { Ok(()) } else { Err(account.text) }
                })
                .await;
            }
        }
    }

    /// The running nodes' common chain, once all have the same tip. Nobody may be sending.
    pub async fn settled(&mut self) -> Chain {
        for node in &mut self.nodes {
            node.assert_running();
        }
        eventually("all nodes to have the same tip and an empty pool", LONG, async || {
            let mut tips = Vec::new();
            for node in &self.nodes {
                let status = node.status().await?;
                tips.push((
                    status["height"].clone(),
                    status["tip_hash"].clone(),
                    status["pool"]["transactions"].clone(),
                ));
            }
            let settled = tips.iter().all(|tip| *tip == tips[0]) && tips[0].2 == 0;
            if settled { Ok(()) } else { Err(format!("{tips:?}")) }
        })
        .await;
        let chain = Chain::read(&self.nodes[0]).await;
        for node in &self.nodes[1..] {
            crate::assert_same_chain(&chain, &Chain::read(node).await);
        }
        chain
    }

    /// Checks a settled chain by computing every account again, and each node's accounts against that.
    pub async fn assert_sound(&mut self) -> Chain {
        let chain = self.settled().await;
        let accounts = chain.replay(self.supply());
        for node in &self.nodes {
            for member in node.get("/network").await["members"].as_array().expect("members") {
                let account = node.get(&format!("/accounts/{}", member["id"])).await;
                let expected = &accounts[member["address"].as_str().expect("an address")];
                let state = &account["final"];
                let amount = |name: &str| micros(state[name].as_str().expect("an amount"));
                assert_eq!(amount("balance"), expected.balance, "balance of {member}");
                assert_eq!(amount("stake"), expected.stake, "stake of {member}");
                assert_eq!(state["nonce"].as_u64(), Some(expected.nonce), "nonce of {member}");
            }
        }
        chain
    }
}
