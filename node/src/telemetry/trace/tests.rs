//! A transaction's way from one node to another, and what a collector that does not answer does.

use std::net::TcpListener;

use blockchat_ledger::Dropped;
use prometheus::Registry;

use super::*;
use crate::storage::fixture::Chain;
use crate::telemetry::Metrics;

fn parent_of(span: &opentelemetry_sdk::trace::SpanData) -> opentelemetry::trace::SpanId {
    span.parent_span_id
}

#[test]
fn a_transaction_is_one_trace_on_two_nodes() {
    let (asked, at_asked) = Traces::collecting(1.0);
    let (other, at_other) = Traces::collecting(0.0);
    let chain = Chain::found();
    let verified = chain.payment(5, 0);
    let transaction = verified.clone().into_signed();
    let hash = transaction.wire_hash();

    let request = asked.request();
    asked.submitting_within(&hash, request.clone());
    asked.verified(&hash, Duration::from_micros(50));
    asked.pooled(&transaction, SystemTime::now());
    let beside = asked.beside(&PeerMessage::Transactions(vec![transaction.clone()]), None);
    let envelope = beside.envelope.clone();
    drop(beside);

    other.received(0, &envelope);
    other.verified(&hash, Duration::from_micros(50));
    other.pooled(&transaction, SystemTime::now());
    other.pooled(&transaction, SystemTime::now());
    other.dropped(&[Dropped { transaction: verified, reason: blockchat_ledger::DropReason::Expired }]);

    assert_eq!(at_asked.names(), ["http.submit", "verify", "mempool.admit", "gossip.send"]);
    assert_eq!(at_other.names(), ["gossip.receive", "verify", "mempool.admit", "mempool.pending"]);
    for name in ["verify", "mempool.admit", "gossip.send"] {
        assert_eq!(parent_of(&at_asked.one(name)), request.span_id(), "{name}");
    }
    let sent = at_asked.one("gossip.send");
    let received = at_other.one("gossip.receive");
    assert_eq!(parent_of(&received), sent.span_context.span_id());
    for name in ["verify", "mempool.admit", "mempool.pending"] {
        let span = at_other.one(name);
        assert_eq!(span.span_context.trace_id(), request.trace_id(), "{name}");
        assert_eq!(parent_of(&span), received.span_context.span_id(), "{name}");
        assert!(span.start_time <= span.end_time, "{name}");
    }
    assert!(matches!(at_other.one("mempool.pending").status, Status::Error { .. }));
}

#[test]
fn what_is_not_sampled_leaves_nothing() {
    let (traces, collected) = Traces::collecting(0.0);
    let transaction = Chain::found().payment(5, 0).into_signed();
    let request = traces.request();
    assert!(!request.is_sampled());
    traces.submitting_within(&transaction.wire_hash(), request);
    traces.pooled(&transaction, SystemTime::now());
    assert!(traces.beside(&PeerMessage::Transactions(vec![transaction.clone()]), None).envelope.is_empty());
    assert!(traces.of_transactions(&[transaction.wire_hash()]).is_empty());
    assert!(traces.root("block.propose", SystemTime::now(), Vec::new(), Vec::new()).is_some_and(|mut span| {
        span.end();
        !span.span_context().is_sampled()
    }));
    assert_eq!(collected.names(), [""; 0]);
}

#[test]
fn a_node_whose_collector_takes_nothing_makes_no_spans_and_passes_contexts_on() {
    let (traces, collected) = Traces::collecting(1.0);
    let inner = traces.0.as_ref().unwrap();
    let transaction = Chain::found().payment(5, 0).into_signed();
    let request = traces.request();
    inner.breaker.refused();
    traces.submitting_within(&transaction.wire_hash(), request.clone());
    traces.verified(&transaction.wire_hash(), Duration::from_micros(50));
    traces.pooled(&transaction, SystemTime::now());
    let beside = traces.beside(&PeerMessage::Transactions(vec![transaction.clone()]), None);
    let passed_on: Vec<SpanContext> = envelope::read(&beside.envelope).map(|(_, context)| context).collect();
    assert_eq!((passed_on.len(), passed_on[0].span_id()), (1, request.span_id()));
    assert!(traces.root("block.propose", SystemTime::now(), vec![request], Vec::new()).is_none());
    assert_eq!(collected.names(), ["http.submit"]);
    assert_eq!(inner.breaker.dropped(), 4, "verify, admit, send, propose");
}

#[test]
fn a_node_whose_collector_takes_nothing_begins_no_traces_and_goes_on_with_those_of_callers() {
    use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _};
    let (traces, collected) = Traces::collecting(1.0);
    let (caller, _) = Traces::collecting(1.0);
    let callers = Context::new().with_remote_span_context(caller.request());
    let inner = traces.0.as_ref().unwrap();
    inner.breaker.refused();
    assert!(!traces.request().is_sampled());
    assert_eq!(inner.breaker.dropped(), 1, "the trace that did not begin");
    let tracer = inner.provider.tracer("test");
    assert!(tracer.start_with_context("of a caller", &callers).span_context().is_sampled());
    inner.breaker.pause_ends();
    assert!(traces.request().is_sampled(), "a probe");
    assert_eq!(collected.names(), ["of a caller", "http.submit"]);
}

#[test]
fn what_the_pool_refuses_is_forgotten_unless_it_has_it() {
    let (traces, _) = Traces::collecting(1.0);
    let transaction = Chain::found().payment(5, 0).into_signed();
    let hash = transaction.wire_hash();
    let remembered = |traces: &Traces| !traces.of_transactions(&[hash]).is_empty();
    traces.submitting_within(&hash, traces.request());
    traces.refused(&hash);
    assert!(!remembered(&traces));
    traces.submitting_within(&hash, traces.request());
    traces.pooled(&transaction, SystemTime::now());
    // The same once more: refused as a duplicate.
    traces.submitting_within(&hash, traces.request());
    traces.refused(&hash);
    assert!(remembered(&traces));
}

#[test]
fn a_block_with_a_traced_transaction_is_traced() {
    let (traces, collected) = Traces::collecting(0.0);
    let (caller, _) = Traces::collecting(1.0);
    let links = vec![caller.request()];
    let mut span = traces.root("block.propose", SystemTime::now(), links.clone(), Vec::new()).unwrap();
    span.end();
    let found = collected.one("block.propose");
    assert_eq!(found.links.links[0].span_context, links[0]);
}

#[test]
fn a_block_is_linked_to_so_many_transactions_and_no_more() {
    let (traces, _) = Traces::collecting(1.0);
    let hashes: Vec<Hash> = (0..100).map(|number| Hash([number; 32])).collect();
    for hash in &hashes {
        traces.submitting_within(hash, traces.request());
    }
    assert_eq!(traces.of_transactions(&hashes).len(), MAX_LINKS);
}

#[test]
fn without_a_collector_nothing_is_traced() {
    let traces = Traces::default();
    let transaction = Chain::found().payment(5, 0).into_signed();
    assert!(!traces.is_on());
    traces.submitting(&transaction.wire_hash());
    traces.received(1, &[0; 34]);
    assert!(traces.beside(&PeerMessage::Transactions(vec![transaction]), None).envelope.is_empty());
    assert!(traces.root("block.propose", SystemTime::now(), Vec::new(), Vec::new()).is_none());
}

fn settings(port: u16) -> TraceSettings {
    TraceSettings { endpoint: format!("http://127.0.0.1:{port}"), ratio: 1.0, instance: "test".into() }
}

/// Makes so many spans that end at once.
fn make(traces: &Traces, count: usize) {
    for _ in 0..count {
        if let Some(mut span) = traces.root("test", SystemTime::now(), Vec::new(), Vec::new()) {
            span.end();
        }
    }
}

async fn stop(traces: Traces) {
    tokio::task::spawn_blocking(move || traces.stop()).await.unwrap();
}

#[tokio::test]
async fn spans_for_nobody_are_counted() {
    let metrics = Metrics::register(&Registry::new()).unwrap().trace;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let traces = Traces::start(&settings(port), &metrics, &Place::default()).unwrap();
    make(&traces, 10);
    stop(traces).await;
    assert_eq!(metrics.spans_dropped_total.get(), 10);
    assert_eq!(metrics.spans_exported_total.get(), 0);
}

#[tokio::test]
async fn a_collector_that_says_more_than_it_may_is_not_listened_to() {
    let metrics = Metrics::register(&Registry::new()).unwrap().trace;
    let long = axum::routing::post(|| async { vec![0_u8; 128 * 1024] });
    let router = axum::Router::new().route("/v1/traces", long);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let traces = Traces::start(&settings(port), &metrics, &Place::default()).unwrap();
    make(&traces, 10);
    stop(traces).await;
    assert_eq!((metrics.spans_dropped_total.get(), metrics.spans_exported_total.get()), (10, 0));
    server.abort();
}

#[tokio::test]
async fn a_collector_that_never_answers_makes_nobody_wait() {
    let metrics = Metrics::register(&Registry::new()).unwrap().trace;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let traces = Traces::start(&settings(silent.local_addr().unwrap().port()), &metrics, &Place::default()).unwrap();
    make(&traces, 20_000);
    let dropped = metrics.spans_dropped_total.get();
    assert!(dropped >= 20_000 - 8_192 - 1_024, "the queue holds no more: {dropped}");
    stop(traces).await;
    assert!(metrics.spans_dropped_total.get() >= dropped);
    assert_eq!(metrics.spans_exported_total.get(), 0);
}
