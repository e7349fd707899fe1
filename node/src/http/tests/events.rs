//! Event streams: every block once and in order, gaps said openly, bounded in number, ended at the stop.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use blockchat_api::{Event, paths};
use futures::StreamExt as _;

use super::*;
use crate::http::state::MAX_EVENT_STREAMS;

/// An event as it stands in the stream: name, id, data.
type Raw = (String, Option<u64>, String);

struct Reader {
    body: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(node: &TestNode, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = Request::get(format!("{}{query}", paths::EVENTS));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = node.api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; none at the end of the stream.
    async fn raw(&mut self) -> Option<Raw> {
        while !self.text.contains("\n\n") {
            let read = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.expect("an event");
            self.text.push_str(std::str::from_utf8(&read?.unwrap()).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            let prefix = format!("{name}: ");
            event.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
        };
        let raw = (field("event").unwrap(), field("id").map(|id| id.parse().unwrap()), field("data").unwrap());
        self.text = rest.to_owned();
        Some(raw)
    }

    async fn next(&mut self) -> Event {
        let (name, id, data) = self.raw().await.expect("the stream goes on");
        let event = Event::parse(&name, &data).unwrap().expect("a known name");
        let height = if let Event::Block(block) = &event { Some(block.index) } else { None };
        assert_eq!(id, height, "the id of a block event is its height, others have none");
        event
    }

    async fn block(&mut self) -> u64 {
        match self.next().await {
            Event::Block(block) => block.index,
            other => panic!("{other:?}"),
        }
    }
}

/// Mints `count` blocks with a payment each; gives back the last transaction's id.
async fn grow(node: &TestNode, count: usize) -> String {
    let mut id = String::new();
    for _ in 0..count {
        let answer = node.post(paths::WALLET_TRANSACTIONS, &payment("2", "1")).await;
        id = answer.is(202)["transaction_id"].as_str().unwrap().to_owned();
        node.ledger.mint();
    }
    id
}

#[tokio::test]
async fn blocks_come_once_and_in_order() {
    let node = TestNode::new();
    let start = node.ledger.height();
    let mut all = Reader::open(&node, "?from=0", None).await;
    let mut new = Reader::open(&node, "", None).await;
    let id = grow(&node, 3).await;
    for expected in 0..=start + 3 {
        assert_eq!(all.block().await, expected);
    }
    for expected in start + 1..=start + 2 {
        assert_eq!(new.block().await, expected);
    }
    let Event::Block(block) = new.next().await else { panic!("no block") };
    assert_eq!(block.transactions.iter().map(ToString::to_string).collect::<Vec<_>>(), [id]);
    let shown = node.get(&paths::block(block.index)).await;
    assert_eq!(shown.body["current_hash"], block.current_hash.to_string());
    assert_eq!(shown.body["fees"], block.fees.to_string());
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_no_block_and_hears_of_the_gap() {
    let node = TestNode::new();
    let start = node.ledger.height();
    grow(&node, 4).await;
    // What the reader asked for at first does not matter any more.
    let mut resumed = Reader::open(&node, "?from=0", Some(&(start + 1).to_string())).await;
    let Event::Gap(gap) = resumed.next().await else { panic!("no gap") };
    assert_eq!((gap.missed, gap.next), (None, start + 2));
    for expected in start + 2..=start + 4 {
        assert_eq!(resumed.block().await, expected);
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let node = TestNode::new();
    let mut reader = Reader::open(&node, "", None).await;
    let dropped = |number: u32| {
        let terms = Terms { nonce: u64::from(number), valid_until: 1, chain_id: node.ledger.ring.chain_id() };
        let payment = Transaction::coins(fake::wallet(2).public_key().clone(), my_key(), Amount::from_micros(1), terms);
        blockchat_ledger::Dropped {
            transaction: payment.sign(&*fake::wallet(2)).unwrap(),
            reason: blockchat_ledger::DropReason::HeldTooLong,
        }
    };
    let one = dropped(1);
    node.ledger.activity.dropped(std::slice::from_ref(&one));
    let Event::Dropped(event) = reader.next().await else { panic!("not dropped") };
    assert_eq!((event.transaction_id, event.reason.as_str()), (one.transaction.id(), "predecessor_missing"));
    for _ in 0..1_100 {
        node.ledger.activity.dropped(std::slice::from_ref(&one));
    }
    let Event::Gap(gap) = reader.next().await else { panic!("no gap") };
    assert_eq!((gap.missed, gap.next), (Some(1_100 - 1_024), node.ledger.height() + 1));
    assert!(matches!(reader.next().await, Event::Dropped(_)));
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_node() {
    let node = TestNode::new();
    let mut streams = Vec::new();
    for _ in 0..MAX_EVENT_STREAMS {
        streams.push(Reader::open(&node, "", None).await);
    }
    let full = node.get(paths::EVENTS).await;
    full.is_problem(503, "unavailable");
    assert!(full.headers.contains_key(header::RETRY_AFTER));
    streams.pop();
    let mut last = Reader::open(&node, "", None).await;
    node.state.close();
    assert_eq!(last.raw().await, None);
}

#[tokio::test]
async fn a_bad_place_to_start_is_refused() {
    let node = TestNode::new();
    let beyond = node.ledger.height() + 2;
    node.get(&format!("{}?from={beyond}", paths::EVENTS)).await.is_problem(400, "invalid_pagination");
    node.get(&format!("{}?from=-1", paths::EVENTS)).await.is_problem(400, "invalid_pagination");
    let request = |id: &str| Request::get(paths::EVENTS).header("last-event-id", id).body(Body::empty()).unwrap();
    for id in ["", "x", "-1", "99999999999999999999", &beyond.to_string()] {
        node.send(request(id)).await.is_problem(400, "invalid_pagination");
    }
    TestNode::before_joining(FakeLedger::funded(), None).get(paths::EVENTS).await.is_problem(503, "not_joined");
}
