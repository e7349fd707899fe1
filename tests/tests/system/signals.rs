//! Signals that an operator or an orchestrator sends.

use std::time::Duration;

use blockchat_tests::{LONG, Load, Network, SHORT, assert_exactly_once, eventually};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_node_with_0_and_a_restart_goes_on() {
    let mut cluster = Network::of(5).funded().start().await;
    let load = Load::start(&cluster).await;
    load.progress(20).await;
    for index in [0, 4] {
        let finished = cluster.nodes[index].terminate(SHORT).await;
        assert_eq!(finished.status.code(), Some(0), "{}", cluster.nodes[index].log());
        load.progress(10).await;
        cluster.nodes[index].start();
        cluster.nodes[index].ready().await;
    }
    let sent = load.stop().await;
    let chain = cluster.assert_sound().await;
    assert_exactly_once(&chain, &sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_network_that_was_shut_down_goes_on_where_it_was() {
    let mut cluster = Network::of(4).start().await;
    cluster.nodes[1].transfer(&json!({ "to": "0", "message": "before" })).await;
    let before = cluster.assert_sound().await;
    for node in &mut cluster.nodes {
        let finished = node.terminate(SHORT).await;
        assert_eq!(finished.status.code(), Some(0), "{}", node.log());
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.ready().await;
    cluster.nodes[2].transfer(&json!({ "to": "0", "message": "after" })).await;
    let after = cluster.assert_sound().await;
    for (old, new) in before.blocks().iter().zip(after.blocks()) {
        assert_eq!(old["current_hash"], new["current_hash"]);
    }
    assert!(after.height() > before.height());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_that_waits_ends_with_0_too() {
    let mut cluster = Network::of(3).prepare().await;
    let node = &mut cluster.nodes[1];
    node.start();
    eventually("the node to say that it waits", LONG, async || {
        let status = node.status().await?;
        if status["phase"] == "joining" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let refused = node.try_get("/wallet").await.expect("an answer");
    assert_eq!((refused.status, refused.code()), (503, "not_joined"));
    let finished = node.terminate(SHORT).await;
    assert_eq!(finished.status.code(), Some(0), "{}", node.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_for_ten_seconds_catches_up() {
    let mut cluster = Network::of(5).funded().start().await;
    let load = Load::start(&cluster).await;
    load.progress(10).await;
    cluster.nodes[2].pause();
    tokio::time::sleep(Duration::from_secs(10)).await;
    load.progress(20).await;
    cluster.nodes[2].resume();
    cluster.nodes[2].ready().await;
    load.progress(20).await;
    let sent = load.stop().await;
    let chain = cluster.assert_sound().await;
    assert_exactly_once(&chain, &sent);
}
