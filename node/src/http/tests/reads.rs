//! What can be looked up.

use std::time::Duration;

use blockchat_api::{BlockPage, LotteryAnswer, paths};
use blockchat_consensus::{Evidence, EvidenceKind};
use blockchat_ledger::{PoolLimits, lottery};
use serde_json::json;

use super::fake::{self, FakeLedger, NODES};
use super::{ME, TestNode, payment};

#[tokio::test]
async fn blocks_by_index_hash_and_latest() {
    let node = TestNode::new();
    let genesis = node.get("/api/v1/blocks/0").await;
    assert_eq!(genesis.is(200)["validator"], "0");
    assert_eq!(genesis.body["previous_hash"], format!("{:064x}", 1));
    assert_eq!(genesis.body["transactions"][0]["type_of_transaction"], "genesis");
    assert_eq!(genesis.body["transactions"][0]["amount"], "4000");
    assert!(genesis.body.get("commit_round").is_none());
    let latest = node.get("/api/v1/blocks/latest").await;
    assert_eq!((&latest.is(200)["index"], &latest.body["transaction_count"]), (&json!(1), &json!(NODES - 1)));
    assert_eq!(latest.body["previous_hash"], genesis.body["current_hash"]);
    let hash = latest.body["current_hash"].as_str().unwrap();
    assert_eq!(node.get(&paths::block(hash)).await.is(200), &latest.body);
    let certificate = node.get(&paths::block_certificate(1)).await;
    assert_eq!(certificate.is(200)["block_hash"], latest.body["current_hash"]);
}

#[tokio::test]
async fn pages_of_blocks_join_up() {
    let node = TestNode::new();
    for _ in 0..6 {
        node.ledger.mint();
    }
    let mut from = Some(0);
    let mut seen = Vec::new();
    while let Some(start) = from {
        let answer = node.get(&format!("/api/v1/blocks?from={start}&limit=3")).await;
        let page: BlockPage = serde_json::from_value(answer.is(200).clone()).unwrap();
        assert_eq!(page.height, 7);
        assert!(page.blocks.len() <= 3);
        seen.extend(page.blocks.iter().map(|block| block.index));
        from = page.next;
    }
    assert_eq!(seen, (0..=7).collect::<Vec<u64>>());
}

#[tokio::test]
async fn the_lottery_can_be_drawn_again() {
    let node = TestNode::new();
    node.put(paths::WALLET_STAKE, &json!({"amount": "500"})).await.is(202);
    node.ledger.mint();
    node.ledger.mint();
    for index in 1..=3 {
        let answer = node.get(&paths::block_lottery(index)).await;
        let shown: LotteryAnswer = serde_json::from_value(answer.is(200).clone()).unwrap();
        let tickets: Vec<u64> = shown.tickets.iter().map(|entry| entry.tickets.parse().unwrap()).collect();
        let block = node.get(&paths::block(index)).await.body;
        assert_eq!(block["previous_hash"], json!(shown.previous_hash));
        assert_eq!(block["validator_id"], shown.winner);
        assert_eq!(lottery::drawn(&shown.previous_hash, &tickets, shown.round), Some(shown.winner));
        let order: Vec<u16> = shown.draws.iter().map(|draw| draw.member).collect();
        assert_eq!(order, lottery::draw_order(&shown.previous_hash, &tickets));
        // The stake counts from the block after the one that holds it.
        assert_eq!(tickets[usize::from(ME)], if index == 3 { 500_000_000 } else { 0 });
        assert_eq!(shown.draws[0].tickets_total, if index == 3 { "500000000" } else { "4" });
    }
}

#[tokio::test]
async fn the_wallets_history_comes_in_pages() {
    let node = TestNode::new();
    for amount in 1..=5 {
        node.post(paths::WALLET_TRANSACTIONS, &payment("2", &amount.to_string())).await.is(202);
        node.ledger.mint();
    }
    let mut amounts = Vec::new();
    let mut path = format!("{}?limit=2", paths::WALLET_TRANSACTIONS);
    loop {
        let page = node.get(&path).await;
        let items = page.is(200)["transactions"].as_array().unwrap();
        assert!(items.len() <= 2 && !items.is_empty());
        amounts.extend(items.iter().map(|item| item["transaction"]["amount"].as_str().unwrap().to_owned()));
        assert!(items.iter().all(|item| item["status"] == "committed"));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("{}?limit=2&before={next}", paths::WALLET_TRANSACTIONS);
    }
    // Newest first; the oldest is the grant.
    assert_eq!(amounts, ["5", "4", "3", "2", "1", "1000"]);
}

#[tokio::test]
async fn the_network_and_the_status() {
    let node = TestNode::new();
    let network = node.get(paths::NETWORK).await;
    let ring = &node.ledger.ring;
    assert_eq!(network.is(200)["chain_id"], ring.chain_id().to_string());
    assert_eq!(network.body["parameters"]["endowment"], "1000");
    let members = network.body["members"].as_array().unwrap();
    assert_eq!(members.len(), usize::from(NODES));
    assert_eq!(members[2]["address"], fake::wallet(2).public_key().to_base64());
    assert_eq!(members[2]["url"], "http://node-2:8000");
    node.ledger.set_peers(vec![Some(1), None, Some(2), None]);
    let status = node.get(paths::STATUS).await;
    assert_eq!((&status.is(200)["phase"], &status.body["id"]), (&json!("ready"), &json!(ME)));
    assert_eq!((&status.body["height"], &status.body["voting"]), (&json!(1), &json!(true)));
    assert_eq!(status.body["peers"].as_array().unwrap().len(), usize::from(NODES) - 1);
    assert_eq!(status.body["peers"][1], json!({"id": 2, "connected": true, "height": 2}));
}

#[tokio::test]
async fn the_status_tells_what_was_measured_lately() {
    let node = TestNode::new();
    let before = node.get(paths::STATUS).await;
    let figures = &before.is(200)["figures"];
    assert_eq!((&figures["blocks"], &figures["transactions"]), (&json!(0), &json!(0)), "{figures}");
    assert!(figures.get("block_interval_mean_us").is_none(), "nothing was measured: {figures}");
    let metrics = node.state.metrics();
    metrics.figures.block(3, 0);
    metrics.figures.block(5, 2);
    metrics.figures.finality(std::time::Duration::from_millis(7));
    let after = node.get(paths::STATUS).await;
    let (figures, pool) = (&after.is(200)["figures"], &after.body["pool"]);
    assert_eq!(pool["capacity_transactions"], PoolLimits::default().max_transactions);
    assert_eq!((&figures["blocks"], &figures["transactions"]), (&json!(2), &json!(8)), "{figures}");
    assert_eq!((&figures["extra_rounds"], &figures["transaction_finality_p95_us"]), (&json!(2), &json!(7_000)));
    assert!(figures["block_interval_p95_us"].is_u64() && figures["window_ms"].is_u64(), "{figures}");
}

#[tokio::test]
async fn evidence_is_shown() {
    let node = TestNode::of(FakeLedger::funded(), None);
    assert_eq!(node.get(paths::EVIDENCE).await.is(200), &json!({"evidence": []}));
    node.ledger.add_evidence(Evidence {
        member: 2,
        height: 7,
        kind: EvidenceKind::Vote,
        first: vec![1],
        second: vec![2],
    });
    let shown = node.get(paths::EVIDENCE).await;
    let expected = json!({"kind": "vote", "member": 2, "height": 7, "statements": ["AQ==", "Ag=="]});
    assert_eq!(shown.is(200)["evidence"], json!([expected]));
}

#[tokio::test]
async fn readiness_says_why_not() {
    let ledger = FakeLedger::funded();
    let joining = TestNode::before_joining(ledger.clone(), None);
    joining.state.set_waiting_for("the bootstrap node");
    let answer = joining.admin("/readyz").await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "joining: waiting for the bootstrap node\n"));
    let answer = joining.admin("/startupz").await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "joining: waiting for the bootstrap node\n"));
    assert_eq!(joining.admin("/healthz").await.status, 200);
    let node = TestNode::of(ledger, None);
    assert_eq!(node.admin("/readyz").await.status, 200);
    // One block behind is normal: the block is on its way.
    node.ledger.set_peers(vec![Some(2), None, None, None]);
    assert_eq!(node.admin("/readyz").await.status, 200);
    node.ledger.set_peers(vec![Some(3), None, None, None]);
    let answer = node.admin("/readyz").await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "syncing, 2 blocks behind\n"));
    node.ledger.set_peers(vec![Some(40), None, None, None]);
    assert_eq!(node.admin("/readyz").await.text, "syncing, 39 blocks behind\n");
    assert_eq!(node.get(paths::STATUS).await.body["phase"], "syncing");
    // A restart would not make it faster.
    assert_eq!(node.admin("/startupz").await.text, "joined\n");
    assert_eq!(node.admin("/healthz").await.text, "ok\n");
}

#[tokio::test]
async fn only_a_hanging_thread_makes_a_node_not_alive() {
    let node = TestNode::new();
    node.ledger.hang(Duration::from_secs(59));
    assert_eq!(node.admin("/healthz").await.status, 200);
    node.ledger.hang(Duration::from_secs(61));
    let answer = node.admin("/healthz").await;
    assert_eq!((answer.status, answer.text.starts_with("stuck: ")), (503, true), "{}", answer.text);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let node = TestNode::new();
    node.get("/api/v1/accounts/2").await.is(200);
    node.get("/api/v1/nowhere/secret").await.is_problem(404, "unknown_path");
    let text = node.admin("/metrics").await.text;
    assert!(text.contains("route=\"/api/v1/accounts/{address}\",status=\"200\""), "{text}");
    assert!(text.contains("route=\"unmatched\",status=\"404\""), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
