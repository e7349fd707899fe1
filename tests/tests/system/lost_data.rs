//! Volumes that are gone while the keys are still there.

use blockchat_tests::{Cluster, LONG, Load, Network, assert_exactly_once, eventually};

/// Under load: kill a node, remove its data folder, start it again; it must take part again, vote included.
async fn wiped(mut cluster: Cluster, index: usize, also_down: usize) {
    let before = cluster.nodes[index].get("/status").await;
    let load = Load::start(&cluster).await;
    load.progress(20).await;
    cluster.nodes[index].kill();
    cluster.nodes[index].wipe();
    load.progress(20).await;
    cluster.nodes[index].start();
    cluster.nodes[index].ready().await;
    eventually("the node to vote again", LONG, async || {
        let status = cluster.nodes[index].status().await?;
        if status["voting"] == true { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let after = cluster.nodes[index].get("/status").await;
    assert_eq!((&after["id"], &after["chain_id"]), (&before["id"], &before["chain_id"]));

    // With another member down, nothing is committed without the vote of this one.
    cluster.nodes[also_down].kill();
    load.progress(20).await;
    cluster.nodes[also_down].start();
    cluster.ready().await;

    // Payments are remembered under their keys by the node that signed them. The wiped one forgot: what it was asked
    // to pay while it went down may have been paid, so its sender is left out of the count.
    let id = after["id"].as_u64().expect("an id");
    let sent: Vec<_> = load.stop().await;
    let chain = cluster.assert_sound().await;
    let mine = format!("n{id}-");
    let others: Vec<_> = sent.into_iter().filter(|payment| !payment.message.starts_with(&mine)).collect();
    assert!(!others.is_empty());
    for payment in &others {
        assert_eq!(chain.block_of(&payment.transaction_id).map(|index| index as u64), Some(payment.block_index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_joiner_catches_up_and_votes_again() {
    wiped(Network::of(5).funded().start().await, 2, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_bootstrap_node_finds_its_network_again() {
    wiped(Network::of(5).funded().start().await, 0, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_of_an_idle_network_is_released_without_traffic() {
    let mut cluster = Network::of(4).start().await;
    cluster.nodes[3].kill();
    cluster.nodes[3].wipe();
    cluster.nodes[3].start();
    cluster.nodes[3].ready().await;
    eventually("the node to vote again", LONG, async || {
        let status = cluster.nodes[3].status().await?;
        if status["voting"] == true { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    cluster.nodes[1].kill();
    let load_nodes = serde_json::json!({ "to": "0", "message": "three of four" });
    let sender = if cluster.nodes[2].id().await == 0 { &cluster.nodes[3] } else { &cluster.nodes[2] };
    sender.transfer(&load_nodes).await;
    cluster.nodes[1].start();
    cluster.ready().await;
    let chain = cluster.assert_sound().await;
    assert_exactly_once(&chain, &[]);
}
