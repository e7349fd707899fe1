//! Traces as a collector sees them: a transaction's way through all nodes, the block it ends in, and a collector that is
//! not there.

use std::collections::BTreeSet;

use blockchat_tests::{Cluster, Collector, LONG, Network, SHORT, Span, eventually, free_address, members_of};
use reqwest::Method;
use serde_json::json;

/// A trace that a client began, as W3C Trace Context writes it.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn names(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// Every span is below another one of the trace, or below the caller's.
fn assert_tree(spans: &[Span], root: &str) {
    for span in spans {
        let known = span.parent == root || spans.iter().any(|other| other.id == span.parent);
        assert!(known, "{} of member {:?} hangs in the air", span.name, span.member());
        assert!(span.times.0 <= span.times.1, "{span:?} ends before it begins");
    }
}

/// Pays once within a trace of the caller; returns the transaction's id.
async fn pay_traced(cluster: &Cluster, node: usize) -> String {
    let node = &cluster.nodes[node];
    let request = node
        .request(Method::POST, "/api/v1/wallet/transactions?wait=committed")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&json!({ "to": "0", "amount": "1", "message": "traced" }));
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
    let told = answer.headers()["traceresponse"].to_str().expect("a header").to_owned();
    assert!(told.starts_with(&format!("00-{TRACE}-")), "{told}");
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
    body["transaction_id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_one_trace_on_all_nodes_and_linked_to_its_blocks() {
    let collector = Collector::start().await;
    // Nothing is traced but what a caller wants traced.
    let network = Network::of(5).set("OTLP_ENDPOINT", collector.url()).set("TRACE_RATIO", 0);
    let cluster = network.set("LOG", "info,blockchat_node=debug").set("LOG_FORMAT", "json").start().await;
    cluster.nodes[2].transfer(&json!({ "to": "0", "amount": "1" })).await;
    let id = pay_traced(&cluster, 1).await;
    let asked = cluster.nodes[1].id().await;

    let block = eventually("the spans of the payment and of its block", SHORT, async || {
        let spans = collector.trace(TRACE);
        if !names(&spans).contains("http.submit") {
            return Err("the request has not been told yet".to_owned());
        }
        let pending: Vec<_> = spans.iter().filter(|span| span.name == "mempool.pending").collect();
        let ended = pending.iter().filter_map(|span| Some(span.links.first()?.0.clone())).collect::<Vec<_>>();
        let blocks: BTreeSet<&String> = ended.iter().collect();
        let Some(block) = blocks.first() else { return Err(format!("{:?}", names(&spans))) };
        let of_block = collector.trace(block);
        let applied = of_block.iter().filter(|span| span.name == "commit.apply").count();
        if ended.len() == 5 && applied == 5 {
            Ok(blocks.first().map(|block| (*block).clone()).expect("a block"))
        } else {
            Err(format!("{} nodes say that it ended, {applied} that its block was applied", ended.len()))
        }
    })
    .await;

    let spans = collector.trace(TRACE);
    assert_eq!(members_of(&spans), (0..5).collect(), "the payment is seen on all nodes");
    assert_tree(&spans, CALLER);
    let expected =
        ["gossip.receive", "gossip.send", "http.submit", "mempool.admit", "mempool.pending", "verify", "wallet.sign"];
    assert_eq!(names(&spans), expected.into());
    for name in ["http.submit", "wallet.sign"] {
        let of_asked: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert!(of_asked.len() == 1 && of_asked[0].member() == Some(asked), "{name}: {of_asked:?}");
    }
    for name in ["gossip.receive", "verify"] {
        let others: Vec<Span> = spans.iter().filter(|span| span.name == name).cloned().collect();
        assert!(members_of(&others).len() >= 4, "{name} on {:?}", members_of(&others));
    }
    let admitted: Vec<_> = spans.iter().filter(|span| span.name == "mempool.admit").collect();
    assert_eq!(admitted.len(), 5);
    assert!(admitted.iter().all(|span| span.attributes["blockchat.transaction"] == id));

    let of_block = collector.trace(&block);
    let proposed: Vec<_> = of_block.iter().filter(|span| span.name == "block.propose").collect();
    assert_eq!(proposed.len(), 1, "{:?}", names(&of_block));
    assert_eq!(proposed[0].parent, "", "a trace of its own");
    let linked: Vec<&str> = proposed[0].links.iter().map(|(trace, _)| trace.as_str()).collect();
    assert_eq!(linked, [TRACE], "linked to the payment");
    assert_tree(&of_block, "");
    let steps = ["block.propose", "block.verify", "commit.apply", "log.sync", "precommit", "prevote"];
    assert_eq!(names(&of_block), steps.into());
    for name in ["commit.apply", "prevote", "precommit", "log.sync"] {
        let of_step: Vec<Span> = of_block.iter().filter(|span| span.name == name).cloned().collect();
        assert!(members_of(&of_step).len() >= 4, "{name} on {:?}", members_of(&of_step));
    }
    assert!(of_block.iter().all(|span| span.attributes.contains_key("blockchat.height")));

    // Nobody else's trace: neither that of the payment before, nor that of its block.
    let traces: BTreeSet<String> = collector.spans().into_iter().map(|span| span.trace).collect();
    assert_eq!(traces, BTreeSet::from([TRACE.to_owned(), block.clone()]));
    assert_log_lines(&cluster, &block).await;
}

/// Log lines carry the trace, the member, the height and the round.
async fn assert_log_lines(cluster: &Cluster, block: &str) {
    let mut with_block = 0;
    for node in &cluster.nodes {
        let id = node.id().await;
        let log = node.log();
        let lines: Vec<serde_json::Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        let last = lines.last().expect("lines");
        assert!(last["member"] == id && last["height"].is_u64() && last["round"].is_u64(), "{last}");
        with_block += usize::from(lines.iter().any(|line| line["trace_id"] == block));
    }
    assert_eq!(with_block, 5, "nodes whose log names the trace of the block");
    let asked = cluster.nodes[1].log();
    assert!(asked.contains(&format!("\"trace_id\":\"{TRACE}\"")), "the request's line names its trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_loses_spans_and_nothing_else() {
    let address = free_address();
    let network = Network::of(4).set("OTLP_ENDPOINT", format!("http://{address}")).set("TRACE_RATIO", 1);
    let mut cluster = network.start().await;
    for _ in 0..5 {
        cluster.nodes[1].transfer(&json!({ "to": "0", "amount": "1" })).await;
    }
    eventually("spans that nobody takes to be counted", SHORT, async || {
        let metrics = cluster.nodes[1].metrics().await;
        let dropped = sample(&metrics, "blockchat_spans_dropped_total");
        if dropped > 0.0 { Ok(()) } else { Err(format!("{dropped}")) }
    })
    .await;
    let log = cluster.nodes[1].log();
    assert_eq!(log.matches("takes no traces").count(), 1, "said once: {log}");

    let collector = Collector::at(address).await;
    eventually("spans to arrive once there is a collector", LONG, async || {
        cluster.nodes[1].transfer(&json!({ "to": "0", "amount": "1" })).await;
        let seen = members_of(&collector.spans());
        if seen.len() == 4 { Ok(()) } else { Err(format!("of {seen:?}")) }
    })
    .await;
    // The node hears a moment later that they arrived.
    eventually("the node to know it", SHORT, async || {
        let exported = sample(&cluster.nodes[1].metrics().await, "blockchat_spans_exported_total");
        let told = cluster.nodes[1].log().contains("takes traces again");
        if told && exported > 0.0 { Ok(()) } else { Err(format!("{exported} exported, told: {told}")) }
    })
    .await;
    cluster.assert_sound().await;
}

fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
    line.trim().parse().expect("a number")
}
