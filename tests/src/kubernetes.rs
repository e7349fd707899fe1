//! A release of the chart on a real Kubernetes, seen through `kubectl` and `helm` only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::folder::keep;
use crate::wait::{LONG, eventually};

/// The namespace of the tests.
pub const NAMESPACE: &str = "blockchat-test";

/// One release in the namespace of the tests, which enforces the restricted Pod Security Standard.
pub struct Release {
    /// Its name.
    pub name: String,
    /// How many nodes it has.
    pub nodes: usize,
}

/// The chart.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("charts/blockchat")
}

/// Runs a program; its exit code, what it says, and what it says about errors.
pub fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn must(program: &str, arguments: &[&str]) -> String {
    let (code, said, error) = run(program, arguments);
    assert_eq!(code, Some(0), "{program} {arguments:?}: {said}{error}");
    said
}

/// `kubectl` in the namespace of the tests.
pub fn kubectl(arguments: &[&str]) -> String {
    must("kubectl", &[&["--namespace", NAMESPACE], arguments].concat())
}

/// `helm` in the namespace of the tests.
pub fn helm(arguments: &[&str]) -> String {
    must("helm", &[&["--namespace", NAMESPACE], arguments].concat())
}

impl Release {
    /// Makes the namespace, empty, and installs the chart with a values file and further values.
    pub fn install(name: &str, nodes: usize, arguments: &[&str]) -> Self {
        let release = Self { name: name.to_owned(), nodes };
        release.install_again(arguments);
        release
    }

    /// Installs it after it was uninstalled.
    pub fn install_again(&self, arguments: &[&str]) {
        let (chart, nodes) = (chart().display().to_string(), format!("nodes={}", self.nodes));
        let usual = ["install", &self.name, &chart, "--set", &nodes, "--wait", "--timeout", "180s"];
        helm(&[&usual, arguments].concat());
    }

    /// Upgrades it, keeping its values, and waits until every pod is the new one.
    pub fn upgrade(&self, arguments: &[&str]) {
        let chart = chart().display().to_string();
        let usual = ["upgrade", &self.name, &chart, "--reuse-values", "--wait", "--timeout", "300s"];
        helm(&[&usual, arguments].concat());
    }

    /// Removes it; its volumes stay.
    pub fn uninstall(&self) {
        helm(&["uninstall", &self.name, "--wait", "--timeout", "120s"]);
    }

    /// The name of a pod.
    pub fn pod(&self, ordinal: usize) -> String {
        format!("{}-blockchat-{ordinal}", self.name)
    }

    /// `GET` of a path of a pod, through the API server: port 8000 is the API, 10000 the admin listener.
    pub fn try_get(&self, ordinal: usize, port: u16, path: &str) -> Result<String, String> {
        let url = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}:{port}/proxy{path}", self.pod(ordinal));
        match run("kubectl", &["get", "--raw", &url]) {
            (Some(0), said, _) => Ok(said),
            (_, _, error) => Err(error),
        }
    }

    /// `GET` below `/api/v1` of a pod.
    pub fn get(&self, ordinal: usize, path: &str) -> Result<Value, String> {
        let said = self.try_get(ordinal, 8000, &format!("/api/v1{path}"))?;
        serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))
    }

    /// The height of a pod's chain.
    pub fn height(&self, ordinal: usize) -> Result<u64, String> {
        let status = self.get(ordinal, "/status")?;
        status["height"].as_u64().ok_or_else(|| status.to_string())
    }

    /// Hash of a block on a pod.
    pub fn block_hash(&self, ordinal: usize, index: u64) -> Result<String, String> {
        let block = self.get(ordinal, &format!("/blocks/{index}"))?;
        block["current_hash"].as_str().map(str::to_owned).ok_or_else(|| block.to_string())
    }

    /// Waits until all pods are ready.
    pub async fn ready(&self) {
        eventually("all pods to be ready", LONG, async || {
            let path = "{range .items[*]}{.status.containerStatuses[0].ready} {end}";
            let selector = format!("app.kubernetes.io/instance={},app.kubernetes.io/component=node", self.name);
            let said = kubectl(&["get", "pods", "--selector", &selector, "--output", &format!("jsonpath={path}")]);
            if said.split_whitespace().filter(|ready| *ready == "true").count() == self.nodes {
                Ok(())
            } else {
                Err(said)
            }
        })
        .await;
    }

    /// The identity of a pod, which another one of the same name does not have; empty if there is none.
    pub fn uid(&self, ordinal: usize) -> String {
        kubectl(&["get", "pod", &self.pod(ordinal), "--ignore-not-found", "--output", "jsonpath={.metadata.uid}"])
    }

    /// Waits until a pod is another one than it was.
    pub async fn replaced(&self, ordinal: usize, uid: &str) {
        eventually(&format!("pod {ordinal} to be replaced"), LONG, async || {
            let found = self.uid(ordinal);
            if found.is_empty() || found == uid { Err(format!("it is '{found}'")) } else { Ok(()) }
        })
        .await;
    }

    /// Waits until all pods have the same tip; its index and hash.
    pub async fn settled(&self) -> (u64, String) {
        eventually("all pods to have the same tip", LONG, async || {
            let mut tips = Vec::new();
            for ordinal in 0..self.nodes {
                let status = self.get(ordinal, "/status")?;
                let tip = (status["height"].as_u64(), status["tip_hash"].as_str().map(str::to_owned));
                let (Some(height), Some(hash)) = tip else { return Err(status.to_string()) };
                if status["pool"]["transactions"] != 0 {
                    return Err(format!("pending on pod {ordinal}: {status}"));
                }
                tips.push((height, hash));
            }
            if tips.iter().all(|tip| *tip == tips[0]) { Ok(tips[0].clone()) } else { Err(format!("{tips:?}")) }
        })
        .await
    }

    /// Waits until a pod has a higher chain than `height`.
    pub async fn higher_than(&self, ordinal: usize, height: u64) -> u64 {
        eventually(&format!("pod {ordinal} to have a block after {height}"), LONG, async || {
            let found = self.height(ordinal)?;
            if found > height { Ok(found) } else { Err(format!("at {found}")) }
        })
        .await
    }

    /// Waits for a Job of the load generator to end and returns its report and log. It must have succeeded.
    pub async fn report(&self, job: &str) -> (Value, String) {
        let log = self.finished(job).await;
        let report = log
            .rsplit_once("-----BEGIN BLOCKCHAT REPORT-----")
            .and_then(|(_, after)| Some(after.split_once("-----END BLOCKCHAT REPORT-----")?.0))
            .unwrap_or_else(|| panic!("no report in {log}"));
        (serde_json::from_str(report).expect("a report"), log)
    }

    /// Waits for a Job to succeed and returns the log of its (first) pod.
    pub async fn finished(&self, job: &str) -> String {
        eventually(&format!("job {job} to end"), Duration::from_mins(5), async || {
            let status = kubectl(&["get", "job", job, "--output", "json"]);
            let status: Value = serde_json::from_str(&status).expect("JSON");
            let failed = status["status"]["failed"].as_u64().unwrap_or_default() > 0;
            assert!(!failed, "{job}: {}", kubectl(&["logs", "--tail=40", &format!("job/{job}")]));
            if status["status"]["completionTime"].is_string() { Ok(()) } else { Err(status["status"].to_string()) }
        })
        .await;
        kubectl(&["logs", &format!("job/{job}")])
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (_, pods, _) = run("kubectl", &["--namespace", NAMESPACE, "describe", "pods"]);
            keep("kubernetes", "pods.txt", &pods);
            for ordinal in 0..self.nodes {
                for previous in [&[][..], &["--previous"]] {
                    let pod = self.pod(ordinal);
                    let logs = run("kubectl", &[&["--namespace", NAMESPACE, "logs", &pod], previous].concat());
                    if logs.0 == Some(0) {
                        keep("kubernetes", &format!("{pod}{}.log", previous.concat()), &logs.1);
                    }
                }
            }
        }
        let _ = run("helm", &["--namespace", NAMESPACE, "uninstall", &self.name, "--wait", "--timeout", "60s"]);
        let _ = run("kubectl", &["delete", "namespace", NAMESPACE, "--wait", "--timeout", "60s"]);
    }
}

/// A fresh namespace that lets only hardened pods in.
pub fn fresh_namespace() {
    let _ = run("kubectl", &["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "90s"]);
    must("kubectl", &["create", "namespace", NAMESPACE]);
    must("kubectl", &["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"]);
}
