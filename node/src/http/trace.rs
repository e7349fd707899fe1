//! The first span of a transaction's trace: the request that submits it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use blockchat_api::paths;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceState};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::original::CREATE_TRANSACTION;
use crate::telemetry::TRACE_TARGET;

/// Tells a caller the trace of its request (W3C Trace Context Level 2, section 4).
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Routes whose requests begin a trace. Reads don't: there are many, and `http_request_seconds` has all there is to know.
const SUBMISSIONS: [&str; 5] = [
    paths::TRANSACTIONS,
    paths::TRANSACTIONS_BATCH,
    paths::WALLET_TRANSACTIONS,
    paths::WALLET_STAKE,
    CREATE_TRANSACTION,
];

/// The span of a request: below the caller's trace, if it named one. None for requests that submit nothing, and without a
/// collector.
pub fn submission(route: &str, method: &Method, headers: &HeaderMap) -> Span {
    if !SUBMISSIONS.contains(&route) || method == Method::GET {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: TRACE_TARGET,
        "http.submit",
        otel.kind = "server",
        http.route = route,
        http.request.method = method.as_str(),
        http.response.status_code = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    if !span.is_disabled() {
        let caller = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        let caller = caller.span().span_context().clone();
        if caller.is_valid() {
            // Without its trace state: up to 16 KB that every span would carry, and that nothing here reads.
            let (trace, parent, flags) = (caller.trace_id(), caller.span_id(), caller.trace_flags());
            let caller = SpanContext::new(trace, parent, flags, true, TraceState::default());
            // Fails only for a span that has begun.
            let _ = span.set_parent(Context::new().with_remote_span_context(caller));
        }
    }
    span
}

/// Notes the outcome, and tells the caller which trace it is if it is sent to the collector.
pub fn answered(span: &Span, response: &mut Response) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    if context.is_sampled()
        && let Ok(value) = HeaderValue::from_str(&format!("00-{}-{}-01", context.trace_id(), context.span_id()))
    {
        response.headers_mut().insert(TRACE_RESPONSE, value);
    }
}
