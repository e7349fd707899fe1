//! `GET /events`: blocks as they become final, and what happens beside them.
//!
//! A stream holds a height and reads the blocks from the chain when its reader takes them, so that a slow reader costs
//! no memory and misses no block. What is in no block goes through one bounded channel; whoever falls behind there is
//! told so by a `gap`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use blockchat_api::{BlockEvent, Code, Event, EventRange, GapEvent};
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::http::activity::Notice;
use crate::http::error::ApiError;
use crate::http::extract::Page;
use crate::http::render;
use crate::http::state::{AppState, Joined, Node};

const LAST_EVENT_ID: &str = "last-event-id";
/// A comment in a quiet stream, so that a broken connection is noticed by both sides.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Events {
    node: Arc<Joined>,
    notices: Receiver<Notice>,
    next: u64,
    /// To be sent before anything else.
    gap: Option<GapEvent>,
    closing: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

/// `GET /events`.
pub async fn stream(
    axum::extract::State(state): axum::extract::State<AppState>,
    Node(node): Node,
    Page(range): Page<EventRange>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, ApiError> {
    let slot = state.event_slot().ok_or_else(|| {
        ApiError::new(
            Code::Unavailable,
            "this node has as many event streams as it serves; close one, or ask another node",
        )
    })?;
    // Listen first: what happens from here on is seen.
    let notices = node.activity.listen();
    let height = node.view().height;
    let resumed = last_event_id(&headers)?;
    let next = resumed.map_or(range.from.unwrap_or(height.saturating_add(1)), |last| last.saturating_add(1));
    if next > height.saturating_add(1) {
        let detail = format!("the newest block is {height}, events can start at {} at most", height.saturating_add(1));
        return Err(ApiError::new(Code::InvalidPagination, detail));
    }
    // Nobody remembers for a reader that was away what was dropped meanwhile.
    let gap = resumed.map(|_| GapEvent { missed: None, next });
    let events = Events { node, notices, next, gap, closing: state.closing(), _slot: slot };
    let stream = futures::stream::unfold(events, |mut events| async move {
        let event = events.next().await?;
        Some((Ok(event), events))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| ApiError::new(Code::InvalidPagination, "Last-Event-ID is the index of a block"))
}

impl Events {
    /// The next event; none at the end of the node's life, or when its store fails.
    async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(gap) = self.gap.take() {
                return event(&Event::Gap(gap));
            }
            if self.next <= self.node.view().height {
                return self.block().await;
            }
            let notice = tokio::select! {
                () = self.closing.cancelled() => return None,
                notice = self.notices.recv() => notice,
            };
            match notice {
                Ok(Notice::Committed) => {}
                Ok(Notice::Other(other)) => return event(&other),
                Err(RecvError::Lagged(missed)) => self.gap = Some(GapEvent { missed: Some(missed), next: self.next }),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn block(&mut self) -> Option<SseEvent> {
        if self.closing.is_cancelled() {
            return None;
        }
        let height = self.next;
        let read = self.node.read(move |node| {
            let missing = || ApiError::new(Code::Internal, format!("block {height} is missing"));
            let found = node.chain.block(height)?.ok_or_else(missing)?;
            let answer = render::block(&found, &node.ring);
            Ok(BlockEvent {
                index: answer.index,
                current_hash: answer.current_hash,
                timestamp_ms: answer.timestamp_ms,
                validator_id: answer.validator_id,
                round: answer.round,
                fees: answer.fees,
                transactions: answer.transactions.iter().map(|item| item.transaction_id).collect(),
            })
        });
        match read.await {
            Ok(block) => {
                self.next = height.saturating_add(1);
                event(&Event::Block(block))
            }
            Err(error) => {
                tracing::error!(height, detail = error.detail, "an event stream ends: its block can't be read");
                None
            }
        }
    }
}

fn event(event: &Event) -> Option<SseEvent> {
    let (name, id) = match event {
        Event::Block(block) => (Event::BLOCK, Some(block.index)),
        Event::Dropped(_) => (Event::DROPPED, None),
        Event::Evidence(_) => (Event::EVIDENCE, None),
        Event::Gap(_) => (Event::GAP, None),
    };
    let data = SseEvent::default().event(name).json_data(event).ok()?;
    Some(match id {
        Some(id) => data.id(id.to_string()),
        None => data,
    })
}
