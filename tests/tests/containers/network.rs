//! Five containers become a network, and nothing else can be done to them than the image allows.

use blockchat_tests::{Containers, LONG, assert_has_revision, docker, eventually, send, try_docker};
use reqwest::Method;
use serde_json::{Value, json};

use crate::SLOT;

#[tokio::test(flavor = "multi_thread")]
async fn containers_find_each_other_and_pay() {
    let _slot = SLOT.lock().await;
    let mut network = Containers::start(5, &[]).await;
    network.founded().await;
    let ids: Vec<u64> = {
        let mut ids = Vec::new();
        for node in &network.nodes {
            ids.push(node.api.id().await);
        }
        ids
    };
    assert_eq!(ids[0], 0, "the container at BOOTSTRAP_URL is the bootstrap node");
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2, 3, 4]);

    let [one, other] = [&network.nodes[1], &network.nodes[3]];
    let coins = one.api.transfer(&json!({ "to": ids[3].to_string(), "amount": "12.5" })).await;
    let message = other.api.transfer(&json!({ "to": ids[1].to_string(), "message": "across containers" })).await;
    for sent in [&coins, &message] {
        let id = sent["transaction_id"].as_str().expect("an id");
        for node in &network.nodes {
            eventually(&format!("{} to have {id}", node.name), LONG, async || {
                let found = node.api.try_get(&format!("/transactions/{id}")).await?;
                if found.body["status"] == "committed" { Ok(()) } else { Err(found.text) }
            })
            .await;
        }
    }

    // The original's interface, which is on without a token.
    let form = [("receiver", ids[3].to_string()), ("amount", "1".to_owned())];
    let answer = send(one.api.request(Method::POST, "/api/create_transaction").form(&form)).await.expect("an answer");
    assert_eq!(answer.ok()["message"], "The transaction was created successfully.");
    let id = send(one.api.request(Method::GET, "/api/get_id")).await.expect("an answer").ok();
    assert_eq!(id["message"], json!(ids[1]));

    for node in &network.nodes {
        let metrics = node.metrics().await;
        let height = metrics.lines().find(|line| line.starts_with("blockchat_consensus_height ")).expect("a height");
        assert!(height.split(' ').nth(1).expect("a value").parse::<f64>().expect("a number") >= 1.0, "{height}");
        assert_has_revision(&metrics);
        // For machines, as the image has it without any setting.
        let log = node.log();
        let line = log.trim_end().lines().next_back().expect("a line");
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let place = ["member", "height", "round"].map(|field| line[field].is_u64());
        assert!(place == [true; 3] && line["level"].is_string(), "{line}");
    }
    stranger_is_refused(&mut network).await;
    network.settled().await;
}

/// The ring is closed: one more is told so.
async fn stranger_is_refused(network: &mut Containers) {
    let stranger = network.add().await;
    let name = stranger.name.clone();
    eventually("the stranger to be told that network is full (network_full)", LONG, async || {
        let log = docker(&["logs", &name]);
        if log.contains("network is full (network_full)") { Ok(()) } else { Err(log) }
    })
    .await;
    let stranger = network.nodes.pop().expect("just added");
    docker(&["rm", "--force", "--volumes", &stranger.name]);
    docker(&["volume", "rm", "--force", &stranger.name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_allows_what_is_needed_and_no_more() {
    let _slot = SLOT.lock().await;
    let network = Containers::start(1, &[]).await;
    let node = &network.nodes[0];
    node.ready().await;
    let user = docker(&["top", &node.name, "-eo", "pid,uid,comm"]);
    assert!(user.lines().count() == 2 && user.contains(" 65532 "), "{user}");
    assert_eq!(docker(&["inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", &node.name]).trim(), "true");
    // Nothing but the program and the folder of its data.
    let listing = tempfile::tempdir().expect("a folder");
    let archive = listing.path().join("image.tar");
    docker(&["export", "--output", &archive.display().to_string(), &node.name]);
    let output = std::process::Command::new("tar").args(["tf"]).arg(&archive).output().expect("tar");
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let files: Vec<&str> = names.lines().filter(|name| !name.ends_with('/')).collect();
    let made_by_the_engine = ["dev/", "etc/", "proc/", "sys/", ".dockerenv", "keys/"];
    let ours: Vec<&&str> =
        files.iter().filter(|name| !made_by_the_engine.iter().any(|made| name.starts_with(made))).collect();
    assert_eq!(ours, [&"blockchat-node", &"data/.keep"], "{files:?}");
    let size: u64 =
        docker(&["image", "inspect", "--format", "{{.Size}}", "blockchat-node:0.1.0"]).trim().parse().expect("a size");
    assert!(size <= 25_000_000, "the image has {size} bytes");
    eventually("the engine to call it healthy", LONG, async || {
        let health = docker(&["inspect", "--format", "{{.State.Health.Status}}", &node.name]);
        if health.trim() == "healthy" { Ok(()) } else { Err(health) }
    })
    .await;
    let labels = docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", "blockchat-node:0.1.0"]);
    let labels: serde_json::Value = serde_json::from_str(&labels).expect("labels");
    assert_eq!(labels["org.opencontainers.image.title"], "blockchat-node");
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    // A wrong setting is one line and exit code 64, as on a terminal.
    let wrong = [
        "run",
        "--rm",
        "--env=BLOCKCHAT_NODES=0",
        "--env=BLOCKCHAT_ADVERTISE_URL=http://x:9000",
        "blockchat-node:0.1.0",
    ];
    let (code, said) = try_docker(&wrong);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("NODES=0 (environment) is not allowed") && said.trim().lines().count() == 1, "{said}");
}
