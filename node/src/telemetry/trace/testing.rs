//! Traces that stay here, for tests.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanContext, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor, SpanData, SpanExporter};

use prometheus::Registry;

use super::breaker::Breaker;
use super::{Traces, export};
use crate::telemetry::Metrics;

/// Every span that has ended, in that order.
#[derive(Clone, Debug, Default)]
pub struct Collected(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Collected {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Collected {
    /// The spans with this name.
    pub fn named(&self, name: &str) -> Vec<SpanData> {
        self.0.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The only span with this name.
    pub fn one(&self, name: &str) -> SpanData {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "{name}: {:?}", self.names());
        found.into_iter().next().unwrap()
    }

    /// The names of all, in the order in which they ended.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|span| span.name.to_string()).collect()
    }
}

impl Traces {
    /// Traces whose spans are kept; of those that nobody else began, this share.
    pub(crate) fn collecting(ratio: f64) -> (Self, Collected) {
        let collected = Collected::default();
        let metrics = Metrics::register(&Registry::new()).unwrap().trace;
        let breaker = Arc::new(Breaker::new(&metrics));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(SimpleSpanProcessor::new(collected.clone()))
            .with_sampler(export::Beginning::of(ratio, &breaker))
            .build();
        (Self::of(provider, breaker), collected)
    }

    /// The span of a request that has just ended.
    pub(crate) fn request(&self) -> SpanContext {
        use opentelemetry::trace::{Span as _, Tracer as _};
        let inner = self.0.as_ref().unwrap();
        inner.provider.tracer("test").start("http.submit").span_context().clone()
    }
}
