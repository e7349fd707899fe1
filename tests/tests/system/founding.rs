//! The network is founded whatever comes first.

use std::time::Duration;

use blockchat_tests::{Cluster, Network};

async fn in_order(order: [usize; 5], pause: Duration) -> Cluster {
    let mut cluster = Network::of(5).prepare().await;
    for index in order {
        cluster.nodes[index].start();
        tokio::time::sleep(pause).await;
    }
    cluster.founded().await;
    cluster
}

async fn assert_founded(mut cluster: Cluster) {
    let chain = cluster.assert_sound().await;

    let genesis = &chain.blocks()[0];
    assert_eq!(genesis["validator"], "0");
    assert_eq!(genesis["previous_hash"], format!("{:064}", 1));
    assert_eq!(genesis["transactions"][0]["amount"], "5000");
    let kinds: Vec<_> = chain.transactions().map(|(_, transaction)| &transaction["type_of_transaction"]).collect();
    assert_eq!(kinds, ["genesis", "grant", "grant", "grant", "grant"]);

    let network = cluster.nodes[0].get("/network").await;
    let mut ids = Vec::new();
    for node in &cluster.nodes {
        assert_eq!(node.get("/network").await["chain_id"], network["chain_id"]);
        ids.push(node.id().await);
    }
    assert_eq!(ids[0], 0, "the bootstrap node");
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_nodes_started_at_once_have_exactly_1000_coins_each() {
    assert_founded(in_order([0, 1, 2, 3, 4], Duration::ZERO).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bootstrap_node_may_come_last() {
    assert_founded(in_order([4, 2, 3, 1, 0], Duration::from_millis(700)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bootstrap_node_may_come_in_the_middle() {
    assert_founded(in_order([3, 1, 0, 2, 4], Duration::from_millis(700)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_alone_is_a_network() {
    let mut cluster = Network::of(1).start().await;
    let other = cluster.nodes[0].get("/wallet").await;
    assert_eq!(other["final"]["balance"], "1000");
    cluster.nodes[0].stake("10").await;
    let chain = cluster.assert_sound().await;
    assert_eq!(chain.transactions().count(), 2);
}
