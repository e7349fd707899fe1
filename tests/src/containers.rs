//! A network of nodes in containers, from the image built here: each with a volume, all on a network of their own.
//!
//! Containers are made and removed by testcontainers; what it has no call for (networks, kills, volumes) is asked of the
//! engine's command line.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use testcontainers::core::{IntoContainerPort as _, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

use crate::api::Api;
use crate::chain::{Chain, assert_same_chain};
use crate::coins::micros;
use crate::folder::keep;
use crate::http::{client, send};
use crate::ports;
use crate::wait::{LONG, eventually};

/// Image of the nodes, as `make images` names it.
const IMAGE: (&str, &str) = ("blockchat-node", env!("CARGO_PKG_VERSION"));

/// One node in its container.
pub struct Container {
    /// The name of the container, its host name for the other nodes.
    pub name: String,
    /// Its API.
    pub api: Api,
    admin: String,
    running: Option<ContainerAsync<GenericImage>>,
}

/// A network of containers. Everything is removed when it is dropped; if the test fails, the logs are kept.
pub struct Containers {
    /// The nodes in order; the first is the bootstrap node.
    pub nodes: Vec<Container>,
    prefix: String,
    settings: Vec<(String, String)>,
    keys: TempDir,
}

/// Runs the engine's command line; its exit code, and what it says.
pub fn try_docker(arguments: &[&str]) -> (Option<i32>, String) {
    // Another client, newer than the engine, may come first on the path.
    let program = if std::path::Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" };
    let output = Command::new(program).args(arguments).output().expect("the docker command line");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), said.concat())
}

/// Runs the engine's command line, which must succeed, and returns what it says.
pub fn docker(arguments: &[&str]) -> String {
    let (code, said) = try_docker(arguments);
    if code != Some(0) {
        eprintln!("docker {arguments:?}: {said}");
        assert!(std::thread::panicking(), "docker {arguments:?} failed");
    }
    said
}

impl Containers {
    /// Starts `size` nodes with further settings. They find each other through the bootstrap node.
    pub async fn start(size: usize, settings: &[(&str, &str)]) -> Self {
        // A host name has 63 characters at most.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("blockchat-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut all = vec![
            ("NODES".to_owned(), size.to_string()),
            ("BOOTSTRAP_URL".to_owned(), format!("http://{prefix}-0:9000")),
            ("MAX_BLOCK_WAIT".to_owned(), "20ms".to_owned()),
            ("ALLOW_OPEN_WALLET".to_owned(), "true".to_owned()),
        ];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let keys = tempfile::tempdir().expect("a folder for keys");
        let mut network = Self { nodes: Vec::new(), prefix, settings: all, keys };
        for _ in 0..size {
            network.add().await;
        }
        network
    }

    /// Starts one more node.
    pub async fn add(&mut self) -> &Container {
        let name = format!("{}-{}", self.prefix, self.nodes.len());
        let keys = self.keys.path().join(&name);
        std::fs::create_dir(&keys).expect("a folder for a key");
        // The node runs as a user that this machine does not know.
        std::fs::set_permissions(&keys, Permissions::from_mode(0o777)).expect("rights");
        let node = self.run(name).await;
        self.nodes.push(node);
        self.nodes.last().expect("just added")
    }

    async fn run(&self, name: String) -> Container {
        let [api, admin] = [ports::free_address().port(), ports::free_address().port()];
        let mut request = GenericImage::new(IMAGE.0, IMAGE.1)
            .with_container_name(&name)
            .with_network(&self.prefix)
            .with_mount(Mount::volume_mount(&name, "/data"))
            .with_mount(Mount::bind_mount(self.keys.path().join(&name).display().to_string(), "/keys"))
            .with_readonly_rootfs(true)
            .with_cap_drop("ALL")
            .with_security_opt("no-new-privileges")
            .with_mapped_port(api, 8000.tcp())
            .with_mapped_port(admin, 10_000.tcp())
            .with_env_var("BLOCKCHAT_ADVERTISE_URL", format!("http://{name}:9000"))
            .with_env_var("BLOCKCHAT_WALLET_FILE", "/keys/wallet.pem");
        for (setting, value) in &self.settings {
            request = request.with_env_var(format!("BLOCKCHAT_{setting}"), value);
        }
        let running = request.start().await.unwrap_or_else(|error| panic!("starting {name}: {error:?}"));
        let api = Api::new(format!("http://127.0.0.1:{api}"));
        Container { name, api, admin: format!("http://127.0.0.1:{admin}"), running: Some(running) }
    }

    /// Waits until every node takes part.
    pub async fn ready(&self) {
        for node in &self.nodes {
            node.ready().await;
        }
    }

    /// Waits until every node takes part and knows that each member got its first coins.
    pub async fn founded(&self) {
        self.ready().await;
        for node in &self.nodes {
            for id in 0..self.nodes.len() {
                eventually(&format!("member {id} to have its first coins on {}", node.name), LONG, async || {
                    let account = node.api.try_get(&format!("/accounts/{id}")).await?;
                    let balance = account.body["final"]["balance"].as_str().map(micros);
                    if balance.is_some_and(|balance| balance > 0) { Ok(()) } else { Err(account.text) }
                })
                .await;
            }
        }
    }

    /// The nodes' common chain, once all have the same tip and nothing is pending.
    pub async fn settled(&self) -> Chain {
        eventually("all nodes to have the same tip and an empty pool", LONG, async || {
            let mut tips = Vec::new();
            for node in &self.nodes {
                let status = node.api.status().await?;
                tips.push((status["tip_hash"].clone(), status["pool"]["transactions"].clone()));
            }
            let settled = tips.iter().all(|tip| *tip == tips[0]) && tips[0].1 == 0;
            if settled { Ok(()) } else { Err(format!("{tips:?}")) }
        })
        .await;
        let chain = Chain::read(&self.nodes[0].api).await;
        for node in &self.nodes[1..] {
            assert_same_chain(&chain, &Chain::read(&node.api).await);
        }
        chain
    }

    /// Takes a node off the network for a while.
    pub async fn disconnected(&self, index: usize, time: Duration) {
        let name = &self.nodes[index].name;
        docker(&["network", "disconnect", &self.prefix, name]);
        tokio::time::sleep(time).await;
        docker(&["network", "connect", "--alias", name, &self.prefix, name]);
    }

    /// Every node's API.
    pub fn apis(&self) -> Vec<Api> {
        self.nodes.iter().map(|node| node.api.clone()).collect()
    }

    /// Gives a node a new container with an empty volume. Its key, which is elsewhere, is the same.
    pub async fn wipe(&mut self, index: usize) {
        let name = self.nodes[index].name.clone();
        self.nodes[index].running.take().expect("a container").rm().await.expect("a container that goes");
        docker(&["volume", "rm", &name]);
        self.nodes[index] = self.run(name).await;
    }
}

impl Container {
    /// Waits until it takes part, by its own probe.
    pub async fn ready(&self) {
        eventually(&format!("{} to be ready", self.name), LONG, async || {
            let probe = send(client().get(format!("{}/readyz", self.admin))).await?;
            if probe.status == 200 { Ok(()) } else { Err(probe.text) }
        })
        .await;
    }

    fn container(&self) -> &ContainerAsync<GenericImage> {
        self.running.as_ref().expect("there until it is wiped")
    }

    /// `GET /metrics`.
    pub async fn metrics(&self) -> String {
        let answer = send(client().get(format!("{}/metrics", self.admin))).await.expect("metrics");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }

    /// `kill -9`.
    pub fn kill(&self) {
        docker(&["kill", &self.name]);
    }

    /// Starts it again after an end.
    pub async fn start_again(&self) {
        self.container().start().await.expect("a container that starts");
    }

    /// SIGTERM, and waits.
    pub async fn stop(&self) {
        self.container().stop_with_timeout(Some(20)).await.expect("a container that stops");
    }

    /// Freezes it for a while.
    pub async fn paused(&self, time: Duration) {
        self.container().pause().await.expect("a pause");
        tokio::time::sleep(time).await;
        self.container().unpause().await.expect("the end of a pause");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        docker(&["logs", &self.name])
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for node in &self.nodes {
            if std::thread::panicking() {
                keep(&self.prefix, &format!("{}.log", node.name), &node.log());
            }
            // A volume can go only after its container.
            docker(&["rm", "--force", "--volumes", &node.name]);
            docker(&["volume", "rm", "--force", &node.name]);
        }
        docker(&["network", "rm", &self.prefix]);
    }
}
