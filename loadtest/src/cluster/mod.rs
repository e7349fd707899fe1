//! Local nodes that a run starts for itself, and that are gone when it is over, however it ends.

pub mod ports;
pub mod process;

use crate::error::{LoadError, io_error};
use crate::network::Network;
use crate::report::schema::Startup;
use crate::stats::millis;
use crate::watch::HeightWatch;
use blockchat_client::api::Phase;
use blockchat_client::{Client, Options};
use blockchat_ledger::Amount;
use process::Process;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long nodes may take until all are ready and have their grants, if nobody says otherwise.
pub const START_BOUND: Duration = Duration::from_mins(1);
/// How often nodes that come up are asked.
const POLL: Duration = Duration::from_millis(10);
/// How long a node may take to end after SIGTERM.
const STOP_BOUND: Duration = Duration::from_secs(10);

/// What nodes to start.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The program.
    pub binary: PathBuf,
    /// Where the nodes' folders are made; the system's place for temporary files if missing.
    pub folder: Option<PathBuf>,
    /// Number of members.
    pub nodes: u16,
    /// Most transactions in a block.
    pub capacity: u32,
    /// BCC for each; the node's default if missing.
    pub endowment: Option<Amount>,
    /// Further settings, by name without `BLOCKCHAT_`.
    pub settings: BTreeMap<String, String>,
    /// How long the nodes may take until all are ready and have their grants.
    pub start_bound: Duration,
    /// Leave folders and logs of the nodes behind.
    pub keep: bool,
}

/// One node's process and where it listens.
#[derive(Debug)]
struct Node {
    process: Process,
    api: SocketAddr,
    admin: SocketAddr,
    /// Member id, known once it has joined.
    id: Option<u16>,
    /// Killed on purpose.
    killed: bool,
}

impl Node {
    fn url(&self) -> String {
        format!("http://{}", self.api)
    }
}

/// Running nodes. Dropping it kills them and removes their folders.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: no process may write into a folder that is being removed.
    nodes: Vec<Node>,
    folder: TempDir,
}

impl Cluster {
    /// Starts all processes at once. They are not ready yet: see [`Cluster::ready`].
    ///
    /// # Errors
    /// No free ports, no folder, or the program cannot be started.
    pub fn start(spec: &ClusterSpec) -> Result<Self, LoadError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("blockchat-loadtest-").disable_cleanup(spec.keep);
        let parent = spec.folder.clone().unwrap_or_else(std::env::temp_dir);
        let folder = builder.tempdir_in(&parent).map_err(io_error(&parent))?;
        let count = usize::from(spec.nodes);
        let addresses = ports::free_addresses(3 * count)
            .ok_or_else(|| LoadError::Failed("there are not enough free ports on 127.0.0.1".to_owned()))?;
        let mut cluster = Self { nodes: Vec::new(), folder };
        let bootstrap_peer = addresses[1];
        for (index, ports) in addresses.chunks_exact(3).enumerate() {
            let [api, peer, admin] = [ports[0], ports[1], ports[2]];
            let home = cluster.folder.path().join(format!("node{index}"));
            std::fs::create_dir_all(&home).map_err(io_error(&home))?;
            let mut settings = spec.settings.clone();
            let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
            set("NODES", spec.nodes.to_string());
            set("CAPACITY", spec.capacity.to_string());
            set("BOOTSTRAP_URL", format!("http://{bootstrap_peer}"));
            set("ADVERTISE_URL", format!("http://{peer}"));
            set("LISTEN", api.to_string());
            set("PEER_LISTEN", peer.to_string());
            set("ADMIN_LISTEN", admin.to_string());
            set("DATA_DIR", home.join("data").display().to_string());
            if let Some(endowment) = spec.endowment {
                set("ENDOWMENT", endowment.to_string());
            }
            let settings = settings.into_iter().map(|(name, value)| (format!("BLOCKCHAT_{name}"), value));
            let name = format!("the node at {api}");
            let process = Process::start(&name, &spec.binary, &[], settings, home.join("log"))?;
            cluster.nodes.push(Node { process, api, admin, id: None, killed: false });
        }
        Ok(cluster)
    }

    /// Waits until every node is ready and knows every member's endowment; `since` is when the first was started.
    ///
    /// # Errors
    /// A node has ended, or they are not ready within `bound`; with the end of the log.
    pub async fn ready(&mut self, since: Instant, bound: Duration) -> Result<(Network, Startup), LoadError> {
        let options = Options { timeout: Duration::from_mins(2), ..Options::default() };
        let first = Client::with_options(&self.nodes[0].url(), &options);
        let first = first.map_err(|error| LoadError::Usage(error.to_string()))?;
        let watch = HeightWatch::start(first);
        let deadline = since + bound;
        for index in 0..self.nodes.len() {
            self.wait_ready(index, deadline).await?;
        }
        let all_ready = since.elapsed();
        let urls: Vec<String> = self.nodes.iter().map(Node::url).collect();
        let network = Network::connect(&urls, &options).await?;
        for member in &network.members {
            let url = format!("{}/", member.client.url());
            if let Some(node) = self.nodes.iter_mut().find(|node| format!("{}/", node.url()) == url) {
                node.id = Some(member.id);
            }
        }
        self.wait_granted(&network, deadline).await?;
        let all_granted = since.elapsed();
        let first_commit = watch.reached(1, Duration::ZERO).await.map_or(all_granted, |seen| seen.at - since);
        let startup = Startup {
            first_commit_ms: millis(first_commit),
            all_ready_ms: millis(all_ready),
            all_granted_ms: millis(all_granted),
        };
        Ok((network, startup))
    }

    async fn wait_ready(&mut self, index: usize, deadline: Instant) -> Result<(), LoadError> {
        let probe = format!("http://{}/readyz", self.nodes[index].admin);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        let http = http.map_err(|error| LoadError::Failed(error.to_string()))?;
        let client = Client::new(&self.nodes[index].url()).map_err(|error| LoadError::Usage(error.to_string()))?;
        loop {
            self.check()?;
            let ready = http.get(&probe).send().await.is_ok_and(|answer| answer.status().is_success());
            let status = client.status().await;
            if ready && status.as_ref().is_ok_and(|status| status.phase == Phase::Ready) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let node = &self.nodes[index].process;
                let said = status.map_or_else(|error| error.to_string(), |status| format!("{status:?}"));
                return Err(LoadError::Failed(format!(
                    "{} is not ready in time: {said}; the end of its log:\n{}",
                    node.name(),
                    node.tail()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn wait_granted(&mut self, network: &Network, deadline: Instant) -> Result<(), LoadError> {
        let endowment = network.parameters.endowment;
        for member in &network.members {
            for id in 0..network.parameters.nodes {
                loop {
                    let account = member.client.account(&id.to_string()).await;
                    if account.is_ok_and(|account| account.final_state.balance == endowment) {
                        break;
                    }
                    self.check()?;
                    if Instant::now() > deadline {
                        let text = format!("node {} does not see the grant of node {id} in time", member.id);
                        return Err(LoadError::Failed(text));
                    }
                    tokio::time::sleep(POLL).await;
                }
            }
        }
        Ok(())
    }

    /// Fails if a node has ended that was not killed on purpose, with the end of its log.
    ///
    /// # Errors
    /// Names the node.
    pub fn check(&mut self) -> Result<(), LoadError> {
        let running = self.nodes.iter_mut().filter(|node| !node.killed);
        let failures: Vec<String> = running.filter_map(|node| node.process.failure()).collect();
        if failures.is_empty() { Ok(()) } else { Err(LoadError::Failed(failures.join("\n"))) }
    }

    /// Kills the node with this member id (SIGKILL), on purpose.
    ///
    /// # Errors
    /// There is no such node.
    pub fn kill(&mut self, id: u16) -> Result<Instant, LoadError> {
        let node = self.nodes.iter_mut().find(|node| node.id == Some(id));
        let node = node.ok_or_else(|| LoadError::Usage(format!("there is no node {id} to kill")))?;
        node.killed = true;
        let at = Instant::now();
        node.process.kill();
        Ok(at)
    }

    /// Ends all nodes (SIGTERM, and SIGKILL for one that takes too long) and removes their folders.
    ///
    /// # Errors
    /// A node had ended before, or did not end by itself; with the end of its log.
    pub async fn stop(mut self) -> Result<(), LoadError> {
        self.check()?;
        let mut stubborn = Vec::new();
        for node in &mut self.nodes {
            node.process.terminate();
        }
        let deadline = Instant::now() + STOP_BOUND;
        for node in self.nodes.iter_mut().filter(|node| !node.killed) {
            let left = deadline.saturating_duration_since(Instant::now());
            match node.process.wait(left).await {
                Some(status) if status.success() => {}
                Some(_) => stubborn.extend(node.process.failure()),
                None => {
                    let (name, tail) = (node.process.name(), node.process.tail());
                    stubborn.push(format!("{name} did not end within {STOP_BOUND:?} of SIGTERM:\n{tail}"));
                }
            }
        }
        if stubborn.is_empty() { Ok(()) } else { Err(LoadError::Failed(stubborn.join("\n"))) }
    }

    /// Processor time that all nodes have used so far.
    pub fn cpu_time(&self) -> Duration {
        self.nodes.iter().map(|node| node.process.cpu_time()).sum()
    }

    /// Where the nodes serve their metrics.
    pub fn admin_addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.admin).collect()
    }

    /// Where the nodes keep their data.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cluster, ClusterSpec};
    use crate::error::LoadError;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    /// A cluster of programs that do `script` instead of being nodes.
    fn stub(folder: &Path, script: &str) -> ClusterSpec {
        let binary = folder.join("stub-node");
        std::fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.join("data");
        std::fs::create_dir(&data).unwrap();
        ClusterSpec {
            binary,
            folder: Some(data),
            nodes: 3,
            capacity: 5,
            endowment: Some("2500".parse().unwrap()),
            settings: BTreeMap::from([("MAX_BLOCK_WAIT".to_owned(), "1ms".to_owned())]),
            start_bound: Duration::from_secs(20),
            keep: false,
        }
    }

    fn entries(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder.join("data")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn nodes_get_their_settings_and_a_folder_that_goes_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let spec = stub(folder.path(), "env | grep ^BLOCKCHAT_ | sort; exec sleep 600");
        let cluster = Cluster::start(&spec).unwrap();
        let log = |index: usize| cluster.folder().join(format!("node{index}/log"));
        let mut text = String::new();
        while text.lines().count() < 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            text = std::fs::read_to_string(log(1)).unwrap();
        }
        for expected in [
            "BLOCKCHAT_NODES=3\n",
            "BLOCKCHAT_CAPACITY=5\n",
            "BLOCKCHAT_ENDOWMENT=2500\n",
            "BLOCKCHAT_MAX_BLOCK_WAIT=1ms\n",
            "/node1/data\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert_eq!(entries(folder.path()).len(), 1);
        drop(cluster);
        assert!(entries(folder.path()).is_empty(), "the folder is removed");
    }

    #[tokio::test]
    async fn a_node_that_ends_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let spec = stub(folder.path(), "echo unknown setting FOO; exit 64");
        let mut cluster = Cluster::start(&spec).unwrap();
        let error = cluster.ready(Instant::now(), spec.start_bound).await.unwrap_err();
        assert!(matches!(error, LoadError::Failed(_)));
        let text = error.to_string();
        assert!(text.contains("exit status: 64") && text.contains("unknown setting FOO"), "{text}");
        drop(cluster);
        assert!(entries(folder.path()).is_empty());
    }

    #[tokio::test]
    async fn nodes_that_never_are_ready_are_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let spec = stub(folder.path(), "echo starting; exec sleep 600");
        let mut cluster = Cluster::start(&spec).unwrap();
        let error = cluster.ready(Instant::now(), Duration::from_millis(300)).await.unwrap_err().to_string();
        assert!(error.contains("not ready in time") && error.ends_with("starting"), "{error}");
    }

    #[tokio::test]
    async fn a_node_that_fails_while_it_stops_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let spec = stub(folder.path(), "trap 'echo disk full; exit 1' TERM; echo up; while :; do sleep 0.05; done");
        let mut cluster = Cluster::start(&spec).unwrap();
        while cluster.nodes.iter().any(|node| node.process.tail() != "up") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cluster.check().unwrap();
        let error = cluster.stop().await.unwrap_err().to_string();
        assert_eq!(error.matches("disk full").count(), 3, "{error}");
        assert!(entries(folder.path()).is_empty());
    }
}
