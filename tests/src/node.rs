//! One `blockchat-node` with its folder, its ports and its settings.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::api::Api;
use crate::http::{client, send};
use crate::program::{Finished, Program};
use crate::wait::{LONG, eventually};
use crate::{binary, ports};

/// A node, running or not. Its wallet key is outside its data folder, as a secret outlives a volume.
pub struct Node {
    folder: PathBuf,
    settings: BTreeMap<String, String>,
    api: Api,
    peer: SocketAddr,
    admin: SocketAddr,
    program: Option<Program>,
}

impl Deref for Node {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Node {
    /// A node that has not been started, with everything of it under `folder`.
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("keys")).expect("a folder for the node");
        let [api, peer, admin] = [ports::free_address(), ports::free_address(), ports::free_address()];
        let http = Api::new(format!("http://{api}"));
        let mut node = Self { folder, settings: BTreeMap::new(), api: http, peer, admin, program: None };
        node.set("LISTEN", api);
        node.set("PEER_LISTEN", peer);
        node.set("ADMIN_LISTEN", admin);
        node.set("ADVERTISE_URL", node.peer_url());
        node.set("DATA_DIR", node.data().display());
        node.set("WALLET_FILE", node.wallet_file().display());
        node.set("LOG", "info");
        node
    }

    /// Gives a setting, from the next start on.
    pub fn set(&mut self, name: &str, value: impl Display) {
        self.settings.insert(format!("BLOCKCHAT_{name}"), value.to_string());
    }

    /// Where other nodes reach it.
    pub fn peer_url(&self) -> String {
        format!("http://{}", self.peer)
    }

    /// Where operators reach it: `host:port` of metrics and health.
    pub fn admin_address(&self) -> String {
        self.admin.to_string()
    }

    /// The file of its wallet key.
    pub fn wallet_file(&self) -> PathBuf {
        self.folder.join("keys/wallet.pem")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts the process.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the process with further arguments.
    pub fn start_with(&mut self, arguments: &[&str]) {
        assert!(self.program.is_none(), "the node runs already");
        let settings = self.settings.clone();
        let log = self.log_file();
        self.program = Some(Program::start(&binary("blockchat-node"), arguments.iter().copied(), settings, &log));
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("node.log")
    }

    fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("the node runs")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.program().kill();
        self.program = None;
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self, within: Duration) -> Finished {
        self.program().signal(Signal::TERM);
        self.ended(within).await
    }

    /// Waits for the process to end on its own.
    pub async fn ended(&mut self, within: Duration) -> Finished {
        let finished = self.program().wait(within).await;
        self.program = None;
        finished
    }

    /// Stops the process where it is (SIGSTOP).
    pub fn pause(&mut self) {
        self.program().signal(Signal::STOP);
    }

    /// Lets a stopped process go on (SIGCONT).
    pub fn resume(&mut self) {
        self.program().signal(Signal::CONT);
    }

    /// Removes the data folder of a node that does not run. The wallet key stays.
    pub fn wipe(&mut self) {
        assert!(self.program.is_none(), "a running node can't be wiped");
        std::fs::remove_dir_all(self.data()).expect("the data folder");
    }

    /// Takes over another node's wallet key.
    pub fn use_wallet_of(&mut self, other: &Path) {
        std::fs::copy(other, self.wallet_file()).expect("the wallet key");
    }

    /// What it has logged since it was first started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Fails the test if the process has ended on its own.
    pub fn assert_running(&mut self) {
        if let Some(program) = &mut self.program
            && let Some(status) = program.ended()
        {
            panic!("the node at {} ended with {status}:\n{}", self.api.api_url(), program.tail());
        }
    }

    /// Waits until it takes part, by its status and by the probe that an orchestrator would ask.
    pub async fn ready(&mut self) {
        let what = format!("the node at {} to be ready", self.api_url());
        eventually(&what, LONG, async || {
            self.assert_running();
            let status = self.status().await?;
            if status["phase"] != "ready" {
                return Err(status.to_string());
            }
            let probe = send(client().get(format!("http://{}/readyz", self.admin))).await?;
            if probe.status == 200 { Ok(()) } else { Err(format!("/readyz: {} {}", probe.status, probe.text)) }
        })
        .await;
    }

    /// `GET /metrics` of the admin listener, as text.
    pub async fn metrics(&self) -> String {
        let answer = send(client().get(format!("http://{}/metrics", self.admin))).await.expect("metrics");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }
}
