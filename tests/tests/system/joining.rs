//! Who may join, and who may not.

use std::collections::BTreeSet;
use std::time::Duration;

use blockchat_tests::{LONG, Network, Node, SHORT, eventually};
use serde_json::json;

/// Waits until the node has said `words` (in any case) in its log, whether it still runs or not.
async fn says(node: &Node, words: &str) {
    eventually(&format!("\"{words}\" in the log"), SHORT, async || {
        let log = node.log();
        if log.to_lowercase().contains(&words.to_lowercase()) { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_joiner_too_many_is_told_that_the_network_is_full() {
    let mut cluster = Network::of(3).start().await;
    let mut late = cluster.another_node();
    late.start();
    says(&late, "network is full").await;
    let members = cluster.nodes[0].get("/network").await["members"].as_array().map(Vec::len);
    assert_eq!(members, Some(3));
    cluster.nodes[1].transfer(&json!({ "to": "0", "message": "still here" })).await;
    cluster.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_with_other_parameters_is_refused_by_name() {
    for (name, value) in [("CAPACITY", "7"), ("ENDOWMENT", "500"), ("NODES", "4"), ("TTL_BLOCKS", "50")] {
        let mut cluster = Network::of(3).prepare().await;
        cluster.nodes[1].set(name, value);
        cluster.nodes[0].start();
        cluster.nodes[1].start();
        says(&cluster.nodes[1], name).await;
        let finished = cluster.nodes[1].ended(LONG).await;
        assert_ne!(finished.status.code(), Some(0), "{name}: {}", cluster.nodes[1].log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_restarted_with_other_parameters_does_not_start() {
    let mut cluster = Network::of(3).start().await;
    let finished = cluster.nodes[2].terminate(SHORT).await;
    assert_eq!(finished.status.code(), Some(0));
    cluster.nodes[2].set("CAPACITY", 9);
    cluster.nodes[2].start();
    let finished = cluster.nodes[2].ended(SHORT).await;
    assert_ne!(finished.status.code(), Some(0));
    says(&cluster.nodes[2], "capacity: yours 9, network 5").await;
    cluster.nodes[2].set("CAPACITY", 5);
    cluster.nodes[2].start();
    cluster.ready().await;
    cluster.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_that_is_replaced_before_the_ring_closes_keeps_its_place() {
    let mut cluster = Network::of(3).prepare().await;
    cluster.nodes[0].start();
    cluster.nodes[1].start();
    // Registered, and killed while it waits for the others; its volume is gone, its key is not.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.nodes[1].assert_running();
    cluster.nodes[1].kill();
    cluster.nodes[1].wipe();
    cluster.nodes[1].start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.nodes[2].start();
    cluster.founded().await;
    assert_eq!(cluster.nodes[1].id().await, 1);
    assert_eq!(cluster.nodes[2].id().await, 2);
    cluster.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_one_key_are_one_member() {
    let mut cluster = Network::of(3).prepare().await;
    cluster.nodes[0].start();
    cluster.nodes[1].start();
    eventually("the joiner's wallet key", SHORT, async || {
        let file = cluster.nodes[1].wallet_file();
        if file.is_file() { Ok(()) } else { Err(format!("{} is missing", file.display())) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut twin = cluster.another_node();
    twin.use_wallet_of(&cluster.nodes[1].wallet_file());
    twin.start();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = cluster.nodes[0].status().await.expect("its status");
    assert_eq!(status["phase"], "joining", "one key took two places: {status}");

    // Only one of the two may be there when the ring closes.
    let _ = twin.terminate(SHORT).await;
    cluster.nodes[2].start();
    cluster.founded().await;
    let network = cluster.nodes[0].get("/network").await;
    let members = network["members"].as_array().expect("members");
    let keys: BTreeSet<_> = members.iter().map(|member| member["address"].as_str()).collect();
    assert_eq!((members.len(), keys.len()), (3, 3));
    cluster.assert_sound().await;
}
