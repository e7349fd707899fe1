//! What a node itself measures while a load runs, for whoever watches. Nothing of it is in a report.

use crate::progress::Progress;
use blockchat_client::Client;
use blockchat_client::api::StatusAnswer;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time between two questions.
const PERIOD: Duration = Duration::from_secs(1);
/// A node that takes longer is asked again, or another one.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node's figures of the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Transactions in the blocks of the window.
    pub transactions: u64,
    /// The window, milliseconds.
    pub window_ms: u64,
    /// From one block to the next, mean, microseconds.
    pub block_interval_us: Option<u64>,
    /// From the node's first sight of a transaction to its commit, 95th percentile, microseconds.
    pub finality_p95_us: Option<u64>,
    /// Rounds beyond the first one of each block.
    pub extra_rounds: u64,
    /// Transactions in the node's pool.
    pub pending: u64,
    /// Index of its newest block.
    pub height: Option<u64>,
    /// Members to whom it has no stream.
    pub away: usize,
}

impl Live {
    /// None from a node of a version that does not tell them.
    fn of(status: &StatusAnswer) -> Option<Self> {
        let figures = status.figures?;
        Some(Self {
            transactions: figures.transactions,
            window_ms: figures.window_ms,
            block_interval_us: figures.block_interval_mean_us,
            finality_p95_us: figures.transaction_finality_p95_us,
            extra_rounds: figures.extra_rounds,
            pending: status.pool.as_ref().map_or(0, |pool| pool.transactions),
            height: status.height,
            away: status.peers.iter().filter(|peer| !peer.connected).count(),
        })
    }
}

/// Tells `progress` the figures of one node, until dropped. It only asks: a node that does not answer is no failure here.
#[derive(Debug)]
pub struct LiveFigures {
    progress: Progress,
    task: JoinHandle<()>,
}

impl LiveFigures {
    /// Asks the first of these nodes, and the next one when that one does not answer.
    pub fn start(clients: impl IntoIterator<Item = Client>, progress: &Progress) -> Self {
        let clients: Vec<Client> = clients.into_iter().collect();
        let task = tokio::spawn(ask(clients, progress.clone()));
        Self { progress: progress.clone(), task }
    }
}

impl Drop for LiveFigures {
    fn drop(&mut self) {
        self.task.abort();
        self.progress.live(None);
    }
}

async fn ask(clients: Vec<Client>, progress: Progress) {
    let mut turn = 0;
    while let Some(client) = clients.get(turn) {
        let answer = tokio::time::timeout(PATIENCE, client.status()).await;
        if let Ok(Ok(status)) = answer {
            progress.live(Live::of(&status));
        } else {
            // What it told before is not true any more.
            progress.live(None);
            turn = (turn + 1) % clients.len();
        }
        tokio::time::sleep(PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::net::TcpListener;

    /// A node that gives this answer.
    async fn node(body: &'static str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let status = get(move || async move { ([("content-type", "application/json")], body) });
        let app = Router::new().route("/api/v1/status", status);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Client::new(&url).unwrap()
    }

    async fn told(progress: &Progress, within: Duration) -> Option<Live> {
        let end = tokio::time::Instant::now() + within;
        while progress.told().is_none() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        progress.told()
    }

    #[tokio::test]
    async fn the_figures_of_a_node_are_told_until_nobody_asks() {
        let busy = node(
            r#"{"phase":"ready","version":"0","height":12,"peers":[{"id":1,"connected":true},{"id":2,"connected":false}],
                "pool":{"transactions":37,"bytes":1},"figures":{"window_ms":10000,
                "blocks":10,"transactions":8120,"extra_rounds":1,"block_interval_mean_us":6100,"transaction_finality_p95_us":14000}}"#,
        )
        .await;
        let progress = Progress::default();
        let figures = LiveFigures::start([busy], &progress);
        let expected = Live {
            transactions: 8_120,
            window_ms: 10_000,
            block_interval_us: Some(6_100),
            finality_p95_us: Some(14_000),
            extra_rounds: 1,
            pending: 37,
            height: Some(12),
            away: 1,
        };
        assert_eq!(told(&progress, Duration::from_secs(5)).await, Some(expected));
        drop(figures);
        assert_eq!(progress.told(), None);
    }

    #[tokio::test]
    async fn the_next_node_is_asked_and_silence_changes_nothing() {
        let gone = Client::new("http://127.0.0.1:1").unwrap();
        let old = node(r#"{"phase":"ready","version":"0"}"#).await;
        let progress = Progress::default();
        let _figures = LiveFigures::start([gone.clone(), old], &progress);
        assert_eq!(told(&progress, Duration::from_millis(1_500)).await, None, "an older version tells none");
        drop(LiveFigures::start([], &progress));
        let well = node(
            r#"{"phase":"ready","version":"0","figures":{"window_ms":5,"blocks":1,"transactions":1,"extra_rounds":0}}"#,
        )
        .await;
        let other = Progress::default();
        let _figures = LiveFigures::start([gone, well], &other);
        assert!(told(&other, Duration::from_secs(5)).await.is_some());
    }
}
