//! `kill -9` under load: no fork, nothing lost that was acknowledged, nothing paid twice.

use blockchat_tests::{Cluster, Load, Network, Sent, assert_exactly_once};

async fn assert_nothing_lost(cluster: &mut Cluster, sent: &[Sent]) {
    cluster.ready().await;
    let chain = cluster.assert_sound().await;
    assert_exactly_once(&chain, sent);
    for node in &cluster.nodes {
        let evidence = node.get("/evidence").await;
        assert_eq!(evidence["evidence"].as_array().map(Vec::len), Some(0), "somebody voted twice: {evidence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_in_turn_is_killed_and_comes_back() {
    let mut cluster = Network::of(5).funded().start().await;
    let load = Load::start(&cluster).await;
    load.progress(20).await;
    for index in 0..cluster.nodes.len() {
        cluster.nodes[index].kill();
        // Four of five go on, whoever is missing.
        load.progress(20).await;
        cluster.nodes[index].start();
        cluster.nodes[index].ready().await;
        load.progress(20).await;
    }
    let sent = load.stop().await;
    assert_nothing_lost(&mut cluster, &sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_are_killed_at_once_and_come_back() {
    let mut cluster = Network::of(5).funded().start().await;
    let load = Load::start(&cluster).await;
    for _ in 0..3 {
        load.progress(30).await;
        for node in &mut cluster.nodes {
            node.kill();
        }
        for node in &mut cluster.nodes {
            node.start();
        }
        cluster.ready().await;
    }
    load.progress(30).await;
    let sent = load.stop().await;
    assert_nothing_lost(&mut cluster, &sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_more_than_f_nodes_down_the_network_waits_and_goes_on_when_they_return() {
    let mut cluster = Network::of(4).funded().start().await;
    let load = Load::start(&cluster).await;
    load.progress(20).await;
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    // What was decided already may still arrive; after that, nothing may be committed by two of four.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let stalled = cluster.nodes[0].height().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(cluster.nodes[0].height().await, stalled, "two of four are no majority");

    cluster.nodes[1].start();
    load.progress(10).await;
    cluster.nodes[2].start();
    cluster.ready().await;
    load.progress(10).await;
    let sent = load.stop().await;
    assert_nothing_lost(&mut cluster, &sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_restarts_while_the_bootstrap_node_is_gone() {
    let mut cluster = Network::of(5).funded().start().await;
    let load = Load::start(&cluster).await;
    load.progress(20).await;
    cluster.nodes[0].kill();
    cluster.nodes[3].kill();
    cluster.nodes[3].start();
    cluster.nodes[3].ready().await;
    load.progress(20).await;
    cluster.nodes[0].start();
    cluster.nodes[0].ready().await;
    let sent = load.stop().await;
    assert_nothing_lost(&mut cluster, &sent).await;
}
