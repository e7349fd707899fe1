//! The compose file: valid in all its parts, and the part whose images are built here does what it says.

use std::path::Path;
use std::process::Command;

use blockchat_tests::{LONG, client, eventually, send};

use crate::SLOT;

/// A project of compose, removed with its volumes at the end.
struct Project;

fn compose(arguments: &[&str]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("docker/compose.yaml");
    let output = Command::new("docker-compose")
        .args(["--project-name", "blockchat-compose-test", "--file"])
        .arg(file)
        .args(arguments)
        .output()
        .expect("docker-compose");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() || std::thread::panicking(), "docker-compose {arguments:?}: {said}");
    said
}

impl Drop for Project {
    fn drop(&mut self) {
        compose(&["down", "--volumes", "--timeout", "20"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_starts_five_nodes_and_fires_the_load() {
    let _slot = SLOT.lock().await;
    let config = compose(&["config"]);
    for part in ["node0:", "node4:", "prometheus:", "grafana:", "jaeger:", "load:"] {
        assert!(config.contains(part), "{part} in {config}");
    }
    let _project = Project;
    compose(&["up", "--detach", "node0", "node1", "node2", "node3", "node4"]);
    for node in 0..5 {
        eventually(&format!("node{node} to be ready"), LONG, async || {
            let probe = send(client().get(format!("http://127.0.0.1:{}/readyz", 10_000 + node))).await?;
            if probe.status == 200 { Ok(()) } else { Err(probe.text) }
        })
        .await;
    }
    let said = compose(&["run", "--rm", "load"]);
    assert!(said.contains("one chain"), "{said}");
}
