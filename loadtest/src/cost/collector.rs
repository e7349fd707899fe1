//! The other side of observing: a collector that takes traces, one that never answers, and what scrapes metrics.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::LoadError;

/// How often nodes are scraped: as by the compose file's Prometheus, thrice as often as by the chart's ServiceMonitor.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// Takes OTLP over HTTP and throws it away. Its own cost is not the nodes' cost.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    dead_address: SocketAddr,
    /// Connections wait here for ever.
    _dead: TcpListener,
    server: JoinHandle<()>,
}

impl Collector {
    /// Listens at free ports of loopback.
    ///
    /// # Errors
    /// There are none.
    pub async fn start() -> Result<Self, LoadError> {
        let failed = |error: std::io::Error| LoadError::Failed(format!("a collector on 127.0.0.1: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let dead = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let (address, dead_address) = (listener.local_addr().map_err(failed)?, dead.local_addr().map_err(failed)?);
        // An empty answer is an empty ExportTraceServiceResponse: everything was taken.
        let take = |_: Bytes| async { ([(header::CONTENT_TYPE, "application/x-protobuf")], Bytes::new()) };
        let router = Router::new().route("/v1/traces", post(take));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, dead_address, _dead: dead, server })
    }

    /// Where traces are taken.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where connections are taken and nothing ever is answered.
    pub fn dead_url(&self) -> String {
        format!("http://{}", self.dead_address)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What became of the nodes' spans.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spans {
    /// A collector took them.
    pub exported: f64,
    /// Nobody did.
    pub dropped: f64,
}

/// Reads every node's metrics again and again, as a Prometheus does.
#[derive(Debug)]
pub struct Scraper {
    http: reqwest::Client,
    nodes: Vec<SocketAddr>,
    task: JoinHandle<()>,
}

impl Scraper {
    /// Begins.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub fn start(nodes: Vec<SocketAddr>) -> Result<Self, LoadError> {
        let http = reqwest::Client::builder().no_proxy().timeout(SCRAPE_EVERY).build();
        let http = http.map_err(|error| LoadError::Failed(error.to_string()))?;
        let (client, targets) = (http.clone(), nodes.clone());
        let task = tokio::spawn(async move {
            loop {
                for node in &targets {
                    let _ = scrape(&client, *node).await;
                }
                tokio::time::sleep(SCRAPE_EVERY).await;
            }
        });
        Ok(Self { http, nodes, task })
    }

    /// Ends, with the last word about spans.
    pub async fn stop(self) -> Spans {
        self.task.abort();
        let mut spans = Spans::default();
        for node in &self.nodes {
            let text = scrape(&self.http, *node).await.unwrap_or_default();
            spans.exported += sample(&text, "blockchat_spans_exported_total");
            spans.dropped += sample(&text, "blockchat_spans_dropped_total");
        }
        spans
    }
}

async fn scrape(http: &reqwest::Client, node: SocketAddr) -> Option<String> {
    http.get(format!("http://{node}/metrics")).send().await.ok()?.text().await.ok()
}

/// The value of a metric without labels; 0 if it is not there.
fn sample(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_collector_takes_everything_and_the_other_never_answers() {
        let collector = Collector::start().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(200)).build().unwrap();
        let post = |url: String| http.post(format!("{url}/v1/traces")).body("spans").send();
        assert_eq!(post(collector.url()).await.unwrap().status(), 200);
        assert!(post(collector.dead_url()).await.unwrap_err().is_timeout());
    }

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let text = "# HELP a_total x\na_total_more 3\na_total 7\n";
        assert!((sample(text, "a_total") - 7.0).abs() < 1e-9);
        assert!(sample(text, "b_total").abs() < 1e-9);
    }
}
