//! One `blockchat-node` with its folder, its ports and its settings.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use rustix::process::Signal;
use serde_json::Value;

use crate::http::{Answer, client, send};
use crate::program::{Finished, Program};
use crate::wait::{LONG, eventually};
use crate::{binary, ports};

/// A node, running or not. Its wallet key is outside its data folder, as a secret outlives a volume.
pub struct Node {
    folder: PathBuf,
    settings: BTreeMap<String, String>,
    api: SocketAddr,
    peer: SocketAddr,
    admin: SocketAddr,
    program: Option<Program>,
}

impl Node {
    /// A node that has not been started, with everything of it under `folder`.
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("keys")).expect("a folder for the node");
        let [api, peer, admin] = [ports::free_address(), ports::free_address(), ports::free_address()];
        let mut node = Self { folder, settings: BTreeMap::new(), api, peer, admin, program: None };
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

    /// Where clients reach it.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
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
            panic!("the node at {} ended with {status}:\n{}", self.api, program.tail());
        }
    }

    /// A request to the public API, by full path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.api_url()))
    }

    /// `GET` below `/api/v1`; the error says why nothing came back.
    pub async fn try_get(&self, path: &str) -> Result<Answer, String> {
        send(self.request(Method::GET, &format!("/api/v1{path}"))).await
    }

    /// `GET` below `/api/v1` that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.unwrap_or_else(|error| panic!("GET {path} of {}: {error}", self.api)).ok()
    }

    /// Sends JSON below `/api/v1`, or nothing if it is `Null`.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, &format!("/api/v1{path}"));
        send(if body.is_null() { request } else { request.json(body) })
            .await
            .unwrap_or_else(|error| panic!("{path} of {}: {error}", self.api))
    }

    /// Lets the node's wallet pay or write, and waits until it is committed.
    pub async fn transfer(&self, body: &Value) -> Value {
        self.committed(Method::POST, "/wallet/transactions?wait=committed", body).await
    }

    /// Sets the stake of the node's wallet, and waits until it is committed.
    pub async fn stake(&self, amount: &str) -> Value {
        self.committed(Method::PUT, "/wallet/stake?wait=committed", &serde_json::json!({ "amount": amount })).await
    }

    async fn committed(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body).await.ok();
        let id = answer["transaction_id"].as_str().expect("a transaction id").to_owned();
        eventually(&format!("transaction {id} to be committed"), LONG, async || {
            let answer = self.get(&format!("/transactions/{id}")).await;
            match answer["status"].as_str() {
                Some("committed") => Ok(answer),
                _ => Err(answer.to_string()),
            }
        })
        .await
    }

    /// `GET /status`.
    pub async fn status(&self) -> Result<Value, String> {
        let answer = self.try_get("/status").await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.text) }
    }

    /// Its member id.
    pub async fn id(&self) -> u64 {
        let status = self.status().await.expect("its status");
        status["id"].as_u64().unwrap_or_else(|| panic!("not a member: {status}"))
    }

    /// Index of its newest block.
    pub async fn height(&self) -> u64 {
        let status = self.status().await.expect("its status");
        status["height"].as_u64().unwrap_or_else(|| panic!("no chain: {status}"))
    }

    /// Waits until it takes part, by its status and by the probe that an orchestrator would ask.
    pub async fn ready(&mut self) {
        let what = format!("the node at {} to be ready", self.api);
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
