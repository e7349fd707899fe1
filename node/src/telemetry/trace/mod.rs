//! Traces of transactions and blocks across nodes: OpenTelemetry spans, sent to a collector.
//!
//! A transaction's trace begins with the request that brings it (`http.submit`, or the caller's own trace) and goes on
//! wherever the transaction goes:
//!
//! | span | where | what |
//! |---|---|---|
//! | `http.submit` | the node that is asked | the request |
//! | `wallet.sign` | there | if the node's wallet signs |
//! | `verify`, `mempool.admit` | every node | its signature is checked; it enters the pool |
//! | `gossip.send`, `gossip.receive` | the node that has it; the others | it is passed on |
//! | `mempool.pending` | every node | from the pool to its end; linked to the block's trace |
//!
//! A block is traced if one of its transactions is, and linked to those (32 at most): see `runtime/trace.rs`.
//!
//! Requests are `tracing` spans. The others begin in one turn of a thread and end in another, or are known only when they
//! have ended, which `tracing` has no words for: they are made with OpenTelemetry's own interface. Nothing is made for what
//! is not sampled.

mod book;
mod breaker;
mod envelope;
mod export;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use blockchat_consensus::{Committed, PeerMessage};
use blockchat_ledger::{Dropped, Hash, SignedTransaction};
use bytes::{Bytes, BytesMut};
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::place::Place;
use super::{TelemetryError, TraceMetrics};
use book::{BlockEntry, Book};
use breaker::Breaker;
use envelope::{About, Key};

/// The target of `tracing` spans that are parts of traces.
pub const TRACE_TARGET: &str = "blockchat_node::trace";
/// Transactions that a block's span is linked to.
const MAX_LINKS: usize = 32;
/// How long the end of the process waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The collector's base URL.
    pub endpoint: String,
    /// Share of the requests without a trace of their own that begin one, 0 to 1.
    pub ratio: f64,
    /// Which node this is, before it knows its member id.
    pub instance: String,
}

/// Traces; off without a collector. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    book: Mutex<Book>,
    breaker: Arc<Breaker>,
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Traces").field(&self.is_on()).finish()
    }
}

/// What goes beside a message, and the spans of its sending: they end when this is dropped.
#[derive(Default)]
pub struct Beside {
    /// The trace contexts.
    pub envelope: Bytes,
    _sending: Vec<Span>,
}

impl Traces {
    /// Starts the way to the collector. Needs a tokio runtime.
    pub fn start(settings: &TraceSettings, metrics: &TraceMetrics, place: &Place) -> Result<Self, TelemetryError> {
        let breaker = Arc::new(Breaker::new(metrics));
        let provider = export::provider(settings, metrics, place, &breaker)?;
        Ok(Self::of(provider, breaker))
    }

    fn of(provider: SdkTracerProvider, breaker: Arc<Breaker>) -> Self {
        let tracer = provider.tracer("blockchat");
        Self(Some(Arc::new(Inner { provider, tracer, book: Mutex::default(), breaker })))
    }

    /// Whether there is a collector.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What turns `tracing` spans of [`TRACE_TARGET`] into spans of traces.
    pub(super) fn layer(&self) -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
        let inner = self.0.as_ref()?;
        let layer = tracing_opentelemetry::layer()
            .with_tracer(inner.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        // Events are log lines, not parts of spans.
        let spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == TRACE_TARGET);
        Some(layer.with_filter(spans).boxed())
    }

    /// Sends what is left, for a bounded time. Blocks.
    pub fn stop(&self) {
        if let Some(inner) = &self.0
            && let Err(error) = inner.provider.shutdown_with_timeout(LAST_WORDS)
        {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }

    /// A client's transaction is about to be submitted within the present trace.
    pub fn submitting(&self, transaction: &Hash) {
        if self.is_on()
            && let Some(parent) = current()
        {
            self.submitting_within(transaction, parent);
        }
    }

    /// The same, within another trace than the present one.
    pub fn submitting_within(&self, transaction: &Hash, parent: SpanContext) {
        if let Some(inner) = &self.0
            && parent.is_sampled()
        {
            inner.book().begin(transaction.into(), parent, None, None);
        }
    }

    /// The pool did not take what was submitted. If it has it already, that one's trace goes on.
    pub fn refused(&self, transaction: &Hash) {
        let Some(inner) = &self.0 else { return };
        let (mut book, key) = (inner.book(), transaction.into());
        if book.get(key).is_some_and(|entry| entry.pooled.is_none()) {
            book.end(key);
        }
    }

    /// The wallet signed within a trace.
    pub fn signed(&self, parent: &SpanContext, began: SystemTime) {
        if let Some(mut span) = self.span("wallet.sign", parent, began, Vec::new) {
            span.end();
        }
    }

    /// Contexts came beside messages of a member.
    pub fn received(&self, from: u16, contexts: &[u8]) {
        let Some(inner) = self.0.as_ref().filter(|_| !contexts.is_empty()) else { return };
        let now = SystemTime::now();
        let mut book = inner.book();
        for (about, parent) in envelope::read(contexts) {
            match about {
                About::Transaction(key) => book.begin(key, parent, Some(from), Some(now)),
                About::Block(key) => book.begin_block(key, BlockEntry { parent, received: now }, from),
            }
        }
    }

    /// Contexts for a message that is about to be sent. `proposal` is the trace of the block, if it is a proposal.
    pub fn beside(&self, message: &PeerMessage, proposal: Option<&SpanContext>) -> Beside {
        let Some(inner) = &self.0 else { return Beside::default() };
        match message {
            PeerMessage::Transactions(transactions) => inner.sending(transactions),
            PeerMessage::Proposal(proposed) => {
                let mut bytes = BytesMut::new();
                if let Some(context) = proposal {
                    let about = About::Block((&proposed.proposal.message.block.0).into());
                    envelope::push(&mut bytes, about, context);
                }
                Beside { envelope: bytes.freeze(), _sending: Vec::new() }
            }
            _ => Beside::default(),
        }
    }

    /// A signature was checked, which took so long until now.
    pub fn verified(&self, transaction: &Hash, took: Duration) {
        let Some(inner) = &self.0 else { return };
        if let Some(entry) = inner.book().get_mut(transaction.into()) {
            let now = SystemTime::now();
            entry.verified = Some((now.checked_sub(took).unwrap_or(now), now));
        }
    }

    /// A transaction is in the pool. The turn of the state's thread that put it there began at `began`.
    pub fn pooled(&self, transaction: &SignedTransaction, began: SystemTime) {
        let Some(inner) = &self.0 else { return };
        let mut book = inner.book();
        let Some(entry) = book.get_mut((&transaction.wire_hash()).into()) else { return };
        if entry.pooled.is_some() {
            return;
        }
        let now = SystemTime::now();
        entry.pooled = Some(now);
        let attributes = || vec![KeyValue::new("blockchat.transaction", transaction.id().to_string())];
        if let Some(received) = entry.received
            && let Some(span) = inner.span("gossip.receive", SpanKind::Consumer, &entry.parent, received, attributes)
        {
            // It ends here, when the transaction has arrived where it was sent to.
            entry.parent = span.span_context().clone();
        }
        let finished = |name, began, ended, attributes: &dyn Fn() -> Vec<KeyValue>| {
            if let Some(mut span) = inner.span(name, SpanKind::Internal, &entry.parent, began, attributes) {
                span.end_with_timestamp(ended);
            }
        };
        if let Some((from, to)) = entry.verified {
            finished("verify", from, to, &Vec::new);
        }
        finished("mempool.admit", began, now, &attributes);
    }

    /// Transactions left the pool without being committed.
    pub fn dropped(&self, dropped: &[Dropped]) {
        let Some(inner) = &self.0 else { return };
        for Dropped { transaction, reason } in dropped {
            if let Some(mut span) = inner.pending(&transaction.wire_hash(), None, Vec::new) {
                span.set_status(Status::error(reason.code()));
                span.end();
            }
        }
    }

    /// A block is final; `block` is its trace.
    pub fn committed(&self, committed: &Committed, block: Option<&SpanContext>) {
        let Some(inner) = &self.0 else { return };
        for (position, transaction) in (0_i64..).zip(&committed.block.transactions) {
            let attributes = || {
                let height = i64::try_from(committed.block.header.index).unwrap_or(i64::MAX);
                vec![KeyValue::new("blockchat.height", height), KeyValue::new("blockchat.position", position)]
            };
            if let Some(mut span) = inner.pending(&transaction.wire_hash(), block, attributes) {
                span.end();
            }
        }
    }

    /// The traces of those of these transactions that have one, `MAX_LINKS` at most.
    pub fn of_transactions(&self, wire_hashes: &[Hash]) -> Vec<SpanContext> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let book = inner.book();
        let traced = wire_hashes.iter().filter_map(|hash| book.get(hash.into()));
        traced.take(MAX_LINKS).map(|entry| entry.parent.clone()).collect()
    }

    /// The trace of a block that `from` proposed, and when its proposal came.
    pub fn of_block(&self, block: &Hash, from: u16) -> Option<(SpanContext, SystemTime)> {
        let book = self.0.as_ref()?.book();
        book.block(block.into(), from).map(|entry| (entry.parent.clone(), entry.received))
    }

    /// A span below `parent` that began then; none if traces are off, or nobody takes them.
    pub fn span(
        &self,
        name: &'static str,
        parent: &SpanContext,
        began: SystemTime,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Option<Span> {
        self.0.as_ref()?.span(name, SpanKind::Internal, parent, began, attributes)
    }

    /// The first span of a trace, which is linked to others; none as above.
    pub fn root(
        &self,
        name: &'static str,
        began: SystemTime,
        links: Vec<SpanContext>,
        attributes: Vec<KeyValue>,
    ) -> Option<Span> {
        let inner = self.0.as_ref().filter(|inner| inner.breaker.allows())?;
        let links = links.into_iter().map(Link::with_context).collect();
        let builder = inner.tracer.span_builder(name).with_kind(SpanKind::Producer).with_start_time(began);
        let builder = builder.with_links(links).with_attributes(attributes);
        Some(inner.tracer.build_with_context(builder, &Context::new()))
    }
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn span(
        &self,
        name: &'static str,
        kind: SpanKind,
        parent: &SpanContext,
        began: SystemTime,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Option<Span> {
        if !self.breaker.allows() {
            return None;
        }
        let builder = self.tracer.span_builder(name).with_kind(kind).with_start_time(began);
        let builder = builder.with_attributes(attributes());
        Some(self.tracer.build_with_context(builder, &Context::new().with_remote_span_context(parent.clone())))
    }

    fn sending(&self, transactions: &[SignedTransaction]) -> Beside {
        let now = SystemTime::now();
        let book = self.book();
        let mut bytes = BytesMut::new();
        let mut sending = Vec::new();
        for transaction in transactions {
            let key = Key::from(&transaction.wire_hash());
            let Some(entry) = book.get(key) else { continue };
            let span = self.span("gossip.send", SpanKind::Producer, &entry.parent, now, Vec::new);
            let context = span.as_ref().map_or(&entry.parent, Span::span_context);
            if !envelope::push(&mut bytes, About::Transaction(key), context) {
                break;
            }
            sending.extend(span);
        }
        Beside { envelope: bytes.freeze(), _sending: sending }
    }

    /// The time of a transaction in the pool, which has just ended.
    fn pending(
        &self,
        wire_hash: &Hash,
        block: Option<&SpanContext>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Option<Span> {
        let entry = self.book().end(wire_hash.into())?;
        let mut span = self.span("mempool.pending", SpanKind::Internal, &entry.parent, entry.pooled?, attributes)?;
        if let Some(block) = block {
            span.add_link(block.clone(), Vec::new());
        }
        Some(span)
    }
}

/// The present trace, if it is sampled.
pub fn current() -> Option<SpanContext> {
    Context::map_current(|context| Some(context.span().span_context().clone())).filter(SpanContext::is_sampled)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
