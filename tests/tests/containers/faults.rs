//! Containers that are killed, frozen, cut off, restarted and emptied under load: the chain goes on, nothing is lost.

use std::time::{Duration, Instant};

use blockchat_tests::{Containers, Load, assert_exactly_once, assert_same_chain};

use crate::SLOT;

/// Payments that show that the network goes on.
const SOME: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn five_containers_under_load_survive_what_happens_to_containers() {
    let _slot = SLOT.lock().await;
    let mut network = Containers::start(5, &[("ENDOWMENT", "10000000")]).await;
    network.founded().await;
    // The one with nearly all the stake mints nearly every block.
    network.nodes[4].api.stake("1000000").await;
    network.nodes[0].api.stake("10").await;
    let load = Load::on(network.apis()).await;
    load.progress(SOME).await;

    let killed = Instant::now();
    network.nodes[4].kill();
    load.progress(SOME).await;
    println!("validator killed: {SOME} payments {} ms later", killed.elapsed().as_millis());
    network.nodes[4].start_again().await;
    network.nodes[4].ready().await;

    network.nodes[2].paused(Duration::from_secs(10)).await;
    network.nodes[2].ready().await;
    println!("paused for 10 s: back");

    network.disconnected(3, Duration::from_secs(10)).await;
    network.nodes[3].ready().await;
    println!("cut off for 10 s: back");

    network.nodes[0].stop().await;
    load.progress(SOME).await;
    network.nodes[0].start_again().await;
    network.nodes[0].ready().await;
    println!("bootstrap node restarted: back");

    load.progress(SOME).await;
    let sent = load.stop().await;
    let before = network.settled().await;
    assert_exactly_once(&before, &sent);

    for node in &network.nodes {
        node.stop().await;
    }
    for node in &network.nodes {
        node.start_again().await;
    }
    network.ready().await;
    let after = network.settled().await;
    assert_same_chain(&before, &after);
    println!("all stopped and started: the same chain of {} blocks", after.height());

    network.wipe(1).await;
    network.nodes[1].ready().await;
    let load = Load::on(network.apis()).await;
    load.progress(SOME).await;
    let sent = load.stop().await;
    let chain = network.settled().await;
    assert!(chain.height() > after.height());
    for payment in sent {
        assert!(chain.block_of(&payment.transaction_id).is_some(), "{payment:?}");
    }
    println!("volume wiped: caught up, {} blocks", chain.height());
}
