//! The generator's own figures while it runs, as Prometheus text on `--metrics-listen`.

use crate::error::LoadError;
use axum::Router;
use axum::routing::get;
use blockchat_client::api::Code;
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Upper bounds of the latency histogram, seconds: from one answer on loopback to a network that hardly moves.
const LATENCY_BUCKETS_SECONDS: [f64; 15] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// What else than a code of the API a refusal is counted under: no answer, or why a transaction left the pool.
pub(crate) const OTHER: &str = "other";
const OWN_REASONS: [&str; 8] = [
    "connection",
    "timeout",
    "unexpected_answer",
    "nonce_used",
    "predecessor_dropped",
    "predecessor_missing",
    "dropped",
    OTHER,
];

/// Counters since the program started, over all parts of a run.
#[derive(Clone, Debug)]
pub struct Meters {
    registry: Registry,
    /// Transactions that were due to be sent.
    pub offered: IntCounter,
    /// Transactions that a node accepted.
    pub accepted: IntCounter,
    /// Transactions of the load seen committed.
    pub committed: IntCounter,
    /// Transactions refused for good, by the node's code.
    pub rejected: IntCounterVec,
    /// From the intended send to the commit (with `fire`: to the acceptance), seconds.
    pub latency: Histogram,
}

impl Meters {
    /// All at zero.
    ///
    /// # Errors
    /// Only a defect: two figures of one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let offered = counter("blockchat_loadtest_offered_total", "Transactions that were due to be sent.")?;
        let accepted = counter("blockchat_loadtest_accepted_total", "Transactions that a node accepted.")?;
        let committed = counter("blockchat_loadtest_committed_total", "Transactions of the load seen committed.")?;
        let help = "Transactions refused for good, by the node's code.";
        let rejected = IntCounterVec::new(Opts::new("blockchat_loadtest_rejected_total", help), &["reason"])?;
        registry.register(Box::new(rejected.clone()))?;
        // There from the start: a rate over a counter that appears with its first event misses that event.
        for reason in ["insufficient_balance", "pool_full", "timeout"] {
            rejected.with_label_values(&[reason]);
        }
        let help = "From the intended send to the commit; with fire, to the acceptance.";
        let options = HistogramOpts::new("blockchat_loadtest_latency_seconds", help);
        let latency = Histogram::with_opts(options.buckets(LATENCY_BUCKETS_SECONDS.to_vec()))?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self { registry, offered, accepted, committed, rejected, latency })
    }

    /// Counts one refusal. A node may not make as many series as it likes: what no code of this version is, is `other`.
    pub fn reject(&self, reason: &str) {
        let known = Code::ALL.iter().map(|code| code.as_str()).chain(OWN_REASONS).find(|known| *known == reason);
        self.rejected.with_label_values(&[known.unwrap_or(OTHER)]).inc();
    }

    /// Adds one latency.
    pub fn record(&self, latency: Duration) {
        self.latency.observe(latency.as_secs_f64());
    }

    /// The Prometheus text.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Serves `GET /metrics` until the result is dropped.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> Result<MetricsServer, LoadError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| LoadError::Usage(format!("--metrics-listen {address}: {error}")))?;
        let local = listener.local_addr().map_err(|error| LoadError::Usage(error.to_string()))?;
        let meters = self.clone();
        let answer = move || {
            let text = meters.text();
            async move { ([("content-type", "text/plain; version=0.0.4")], text) }
        };
        let router = Router::new().route("/metrics", get(answer));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(MetricsServer { address: local, task })
    }
}

/// The listener of the metrics; it ends when this is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    /// Where it listens (the port, if 0 was asked for).
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::Meters;
    use std::time::Duration;

    #[test]
    fn the_written_page_has_every_metric() {
        let page = include_str!("../../docs/metrics.md");
        let written: Vec<&str> = page.lines().filter(|line| line.starts_with("| `blockchat_loadtest_")).collect();
        let families = Meters::new().unwrap().registry.gather();
        assert_eq!(written.len(), families.len());
        for family in families {
            let kind = format!("{:?}", family.get_field_type()).to_lowercase();
            let start = format!("| `{}` | {kind} | ", family.name());
            let is_its = |line: &&&str| line.starts_with(&start) && line.ends_with(&format!(" | {} |", family.help()));
            assert!(written.iter().any(|line| is_its(&line)), "{start}{}", family.help());
        }
    }

    #[tokio::test]
    async fn figures_are_served_as_prometheus_text() {
        let meters = Meters::new().unwrap();
        meters.offered.inc_by(3);
        meters.reject("pool_full");
        meters.reject("timeout");
        meters.reject("predecessor_dropped");
        meters.reject("whatever a node writes");
        meters.record(Duration::from_millis(15));
        let server = meters.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let text = reqwest::get(format!("http://{}/metrics", server.address)).await.unwrap().text().await.unwrap();
        assert!(text.contains("blockchat_loadtest_offered_total 3"), "{text}");
        assert!(text.contains("blockchat_loadtest_rejected_total{reason=\"pool_full\"} 1"), "{text}");
        assert!(text.contains("blockchat_loadtest_rejected_total{reason=\"timeout\"} 1"), "{text}");
        assert!(text.contains("blockchat_loadtest_rejected_total{reason=\"other\"} 1"), "{text}");
        assert!(text.contains("blockchat_loadtest_rejected_total{reason=\"predecessor_dropped\"} 1"), "{text}");
        assert!(text.contains("blockchat_loadtest_latency_seconds_bucket{le=\"0.02\"} 1"), "{text}");
        let taken = meters.serve(server.address).await.unwrap_err();
        assert_eq!(taken.exit_code(), 64);
    }
}
