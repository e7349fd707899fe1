//! Spans on their way to the collector: OTLP over HTTP, in batches, from a thread of their own.
//!
//! Nothing here makes the rest of the node wait. A span for which the queue has no room is dropped and counted; so is a
//! batch that the collector does not take within [`PATIENCE`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use blockchat_names::Names;
use opentelemetry::trace::{Link, Span as _, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
    Span, SpanData, SpanExporter, SpanProcessor,
};

use super::TraceSettings;
use super::breaker::Breaker;
use crate::bounded;
use crate::telemetry::place::Place;
use crate::telemetry::{TelemetryError, TraceMetrics, VERSION};

/// Spans that wait for the collector; a few MB.
const QUEUE: usize = 8_192;
/// Spans in one request.
const BATCH: usize = 1_024;
/// A request leaves at least this often.
const DELAY: Duration = Duration::from_secs(1);
/// How long a batch is tried; at the end of the process too.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer of a collector, bytes: it says how many spans it refused, and why.
const MAX_ANSWER: usize = 64 * 1024;
/// Where the collector takes traces, below its base URL (OTLP specification 1.x, OTLP/HTTP).
const PATH: &str = "/v1/traces";

/// The provider of tracers whose spans go to the collector.
pub(super) fn provider(
    settings: &TraceSettings,
    metrics: &TraceMetrics,
    place: &Place,
    breaker: &Arc<Breaker>,
) -> Result<SdkTracerProvider, TelemetryError> {
    let failed = |error: &dyn std::fmt::Display| TelemetryError::Exporter(error.to_string());
    let base = settings.endpoint.trim_end_matches('/');
    let url = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
    let http = Http::new().map_err(|error| failed(&error))?;
    let otlp = OtlpExporter::builder().with_http().with_http_client(http).with_endpoint(url.clone());
    let otlp = otlp.with_timeout(PATIENCE).build().map_err(|error| failed(&error))?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let counted = Counted {
        inner: otlp,
        url,
        waiting: waiting.clone(),
        metrics: metrics.clone(),
        failing: AtomicBool::new(false),
        breaker: breaker.clone(),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let queue = Bounded {
        inner: BatchSpanProcessor::new(counted, batches),
        waiting,
        metrics: metrics.clone(),
        place: place.clone(),
    };
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", "blockchat-node"),
        KeyValue::new("service.version", VERSION),
        KeyValue::new("service.instance.id", settings.instance.clone()),
    ]);
    Ok(SdkTracerProvider::builder()
        .with_span_processor(queue)
        .with_resource(resource.build())
        .with_sampler(Beginning::of(settings.ratio, breaker))
        .build())
}

/// Which traces begin here: those whose caller's does, those that are linked to one (a block with a traced transaction),
/// and a share of the others, as long as the collector takes spans. What nobody sees would cost every node its part.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    by_ratio: Sampler,
    breaker: Arc<Breaker>,
}

impl Beginning {
    /// A share of 0 to 1.
    pub(super) fn of(ratio: f64, breaker: &Arc<Breaker>) -> Self {
        let by_ratio = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
        Self { by_ratio, breaker: breaker.clone() }
    }
}

impl ShouldSample for Beginning {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let linked = links.iter().any(|link| link.span_context.is_sampled());
        let inner = if linked { &Sampler::AlwaysOn } else { &self.by_ratio };
        let mut result = inner.should_sample(parent, trace, name, kind, attributes, links);
        let begins_here = !linked && !parent.is_some_and(|parent| parent.span().span_context().is_valid());
        if begins_here && result.decision == SamplingDecision::RecordAndSample && !self.breaker.allows() {
            result.decision = SamplingDecision::Drop;
        }
        result
    }
}

/// Keeps the queue bounded and counts what it does not take. The library's own queue drops too, but does not tell.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    /// Spans between here and the collector's answer.
    waiting: Arc<AtomicUsize>,
    metrics: TraceMetrics,
    place: Place,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, _: &Context) {
        if let Some(standing) = self.place.standing() {
            span.set_attribute(KeyValue::new("blockchat.member", i64::from(standing.member)));
        }
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Relaxed) >= QUEUE {
            self.waiting.fetch_sub(1, Relaxed);
            self.metrics.spans_dropped_total.inc();
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what the collector took and what it did not, and says so once when that changes.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    url: String,
    waiting: Arc<AtomicUsize>,
    metrics: TraceMetrics,
    failing: AtomicBool,
    breaker: Arc<Breaker>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let result = self.inner.export(batch).await;
        self.waiting.fetch_sub(count, Relaxed);
        let url = &self.url;
        match &result {
            Ok(()) => {
                self.breaker.taken();
                if self.failing.swap(false, Relaxed) {
                    tracing::info!(url, "the collector takes traces again");
                }
                self.metrics.spans_exported_total.inc_by(count as u64);
            }
            Err(error) => {
                if !self.failing.swap(true, Relaxed) {
                    tracing::warn!(url, %error, "the collector takes no traces: they are dropped and counted");
                }
                self.breaker.refused();
                self.metrics.spans_dropped_total.inc_by(count as u64);
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The node's HTTP client, for a thread that is outside of the runtime.
#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl Http {
    fn new() -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Names::default())
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| error.to_string())?;
        Ok(Self { client, runtime })
    }
}

#[async_trait::async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut answer = client.execute(request.try_into()?).await?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.extend(std::mem::take(answer.headers_mut()));
            }
            let Some(body) = bounded::body(&mut answer, MAX_ANSWER).await? else {
                return Err(format!("an answer of more than {MAX_ANSWER} bytes").into());
            };
            Ok::<_, HttpError>(response.body(body.into())?)
        });
        sent.await?
    }
}
