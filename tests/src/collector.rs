//! A collector of traces: takes OTLP over HTTP (`POST /v1/traces`, protobuf) and keeps what comes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Wire;
use prost::Message as _;
use tokio::task::JoinHandle;

/// A span as it was sent, with ids in hexadecimal.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// What happened.
    pub name: String,
    /// The trace it is part of.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of the span it is below; empty for the first of a trace.
    pub parent: String,
    /// Traces and spans it is linked to.
    pub links: Vec<(String, String)>,
    /// Its attributes and those of the process that sent it, as text.
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since 1970: beginning and end.
    pub times: (u64, u64),
}

impl Span {
    /// The member that sent it; `None` before it was one.
    pub fn member(&self) -> Option<u64> {
        self.attributes.get("blockchat.member")?.parse().ok()
    }
}

/// A collector at work.
pub struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    /// Everything that came, byte by byte.
    bytes: Vec<u8>,
}

impl Collector {
    /// Listens at a free port.
    pub async fn start() -> Self {
        Self::at(crate::free_address()).await
    }

    /// Listens there.
    pub async fn at(address: SocketAddr) -> Self {
        let received = Arc::new(Mutex::new(Received::default()));
        let router = Router::new().route("/v1/traces", post(take)).with_state(received.clone());
        let listener = tokio::net::TcpListener::bind(address).await.expect("a free port");
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { address, received, server }
    }

    /// What a node's `OTLP_ENDPOINT` has to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span that came.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().expect("no panic in the server").spans.clone()
    }

    /// The spans of a trace.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Everything that came, byte by byte.
    pub fn bytes(&self) -> Vec<u8> {
        self.received.lock().expect("no panic in the server").bytes.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The members whose spans these are.
pub fn members_of(spans: &[Span]) -> BTreeSet<u64> {
    spans.iter().filter_map(Span::member).collect()
}

async fn take(State(received): State<Arc<Mutex<Received>>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    assert_eq!(headers.get(header::CONTENT_TYPE).expect("a content type"), "application/x-protobuf");
    let request = match ExportTraceServiceRequest::decode(body.clone()) {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let mut received = received.lock().expect("no panic in the server");
    received.bytes.extend_from_slice(&body);
    for resource in request.resource_spans {
        let process = resource.resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.spans.push(read(span, process.clone()));
        }
    }
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    ([(header::CONTENT_TYPE, "application/x-protobuf")], answer).into_response()
}

fn read(span: Wire, process: BTreeMap<String, String>) -> Span {
    let mut all = process;
    all.extend(attributes(&span.attributes));
    Span {
        name: span.name,
        trace: hex::encode(&span.trace_id),
        id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        links: span.links.iter().map(|link| (hex::encode(&link.trace_id), hex::encode(&link.span_id))).collect(),
        attributes: all,
        times: (span.start_time_unix_nano, span.end_time_unix_nano),
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    list.iter().map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref()))).collect()
}

fn text(value: Option<&Any>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(AnyValue::StringValue(text)) => text.clone(),
        Some(AnyValue::IntValue(number)) => number.to_string(),
        Some(AnyValue::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}
