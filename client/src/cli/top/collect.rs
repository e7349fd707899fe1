//! Asking: a task for each node's status, and one that follows the blocks of the first node that answers.

use super::super::output;
use super::model::Report;
use blockchat_client::api::{Event, Hash};
use blockchat_client::{Client, Error, EventStream};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Blocks before the newest one that are read at the start, so that there is something to see.
const BEFORE: u64 = 31;
/// Pause before the nodes are tried again when none gives its blocks.
const AGAIN: Duration = Duration::from_millis(300);
/// How often a silent stream is looked at: perhaps its node is gone.
const LOOK: Duration = Duration::from_millis(500);
/// Questions without an answer after which a node counts as gone.
const GONE: u32 = 2;
/// Least time between two questions for the stakes.
const STAKES: Duration = Duration::from_secs(1);
/// Most hashes that are asked for at once.
const MAX_HASHES: usize = 4;

/// The tasks; they end with it.
pub struct Collector {
    reports: mpsc::Receiver<Report>,
    sender: mpsc::Sender<Report>,
    nodes: Arc<Nodes>,
    /// They go on for ever; dropping them ends them.
    _tasks: JoinSet<()>,
    /// Questions for the hash at a height; false if it did not come.
    questions: JoinSet<(u64, bool)>,
    /// Heights whose hash was asked for.
    asked: BTreeSet<u64>,
}

struct Nodes {
    clients: Vec<Client>,
    /// Questions in a row that each node did not answer.
    failures: Vec<AtomicU32>,
}

impl Collector {
    /// Begins to ask.
    pub fn start(clients: Vec<Client>, interval: Duration) -> Self {
        let (sender, reports) = mpsc::channel(1_024);
        let failures = clients.iter().map(|_| AtomicU32::new(0)).collect();
        let nodes = Arc::new(Nodes { clients, failures });
        let mut tasks = JoinSet::new();
        for node in 0..nodes.clients.len() {
            tasks.spawn(statuses(nodes.clone(), node, interval, sender.clone()));
        }
        tasks.spawn(follow(nodes.clone(), sender.clone()));
        Self { reports, sender, nodes, _tasks: tasks, questions: JoinSet::new(), asked: BTreeSet::new() }
    }

    /// The next thing that was learnt.
    pub async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Asks a node for the hashes of these blocks, a few at a time; again for those that did not come.
    pub fn ask_hashes(&mut self, node: usize, heights: &BTreeSet<u64>) {
        while let Some(ended) = self.questions.try_join_next() {
            if let Ok((height, false)) = ended {
                self.asked.remove(&height);
            }
        }
        self.asked.retain(|height| heights.contains(height));
        let Some(client) = self.nodes.clients.get(node) else { return };
        for height in heights {
            if self.asked.len() >= MAX_HASHES || !self.asked.insert(*height) {
                continue;
            }
            let (client, sender, height) = (client.clone(), self.sender.clone(), *height);
            self.questions.spawn(async move {
                let Ok(block) = client.block(height).await else { return (height, false) };
                let hash = block.current_hash;
                (height, sender.send(Report::Hash { node, height, hash }).await.is_ok())
            });
        }
    }
}

/// Asks one node for its status, for ever.
async fn statuses(nodes: Arc<Nodes>, node: usize, interval: Duration, reports: mpsc::Sender<Report>) {
    let (Some(client), Some(failures)) = (nodes.clients.get(node), nodes.failures.get(node)) else { return };
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let answer = client.status().await.map(Box::new).map_err(|error| plain(&error));
        if answer.is_ok() {
            failures.store(0, Relaxed);
        } else {
            failures.fetch_add(1, Relaxed);
        }
        if reports.send(Report::Status { node, answer }).await.is_err() {
            return;
        }
    }
}

/// Follows the blocks of the first node that gives them; when it goes away, those of the next one, from there on.
async fn follow(nodes: Arc<Nodes>, reports: mpsc::Sender<Report>) {
    let mut place: Option<(Hash, u64)> = None;
    let mut node = 0;
    loop {
        for _ in 0..nodes.clients.len() {
            if follow_one(&nodes, node, &mut place, &reports).await.is_none() {
                return;
            }
            node = (node + 1) % nodes.clients.len();
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Until the node goes away. `place` is the network and the next block. None when nobody listens any more.
async fn follow_one(
    nodes: &Nodes,
    node: usize,
    place: &mut Option<(Hash, u64)>,
    reports: &mpsc::Sender<Report>,
) -> Option<()> {
    let Some((client, failures)) = nodes.clients.get(node).zip(nodes.failures.get(node)) else { return Some(()) };
    let Ok(status) = client.status().await else { return Some(()) };
    let Some((chain_id, height)) = status.chain_id.zip(status.height) else { return Some(()) };
    let from = match *place {
        Some((known, next)) if known == chain_id => next,
        _ => height.saturating_sub(BEFORE),
    };
    // A node that is behind has no stream from there.
    let Ok(mut events) = client.events(Some(from)).await else { return Some(()) };
    reports.send(Report::Source { node, chain_id, height }).await.ok()?;
    let (mut stakes_at, mut stale) = (None::<Instant>, true);
    loop {
        match tokio::time::timeout(LOOK, events.next()).await {
            Ok(Ok(Some(Event::Block(block)))) => {
                *place = Some((chain_id, block.index.saturating_add(1)));
                stale = true;
                reports.send(Report::Block(Box::new(block))).await.ok()?;
            }
            Ok(Ok(None) | Err(_)) => return Some(()),
            Err(_) if failures.load(Relaxed) >= GONE => return Some(()),
            // Something else than a block, or nothing for a while.
            Ok(Ok(Some(_))) | Err(_) => {}
        }
        if stale && caught_up(&events, height) && stakes_at.is_none_or(|at| at.elapsed() >= STAKES) {
            stakes_at = Some(Instant::now());
            // Genesis was not drawn: then nobody has a stake yet.
            if let Ok(lottery) = client.lottery("latest").await {
                reports.send(Report::Tickets(Box::new(lottery))).await.ok()?;
            }
            stale = false;
        }
    }
}

fn caught_up(events: &EventStream, height: u64) -> bool {
    events.position().is_none_or(|position| position >= height)
}

/// Why there was no answer, in a few plain words.
pub fn plain(error: &Error) -> String {
    match error {
        Error::Timeout { .. } => "no answer in time".to_owned(),
        Error::Connection { url, .. } => {
            let text = error.to_string();
            let cause = text.strip_prefix(&format!("no answer from {url}: ")).unwrap_or(&text);
            // "Connection refused (os error 111)": the number tells nobody anything.
            let cause = cause.split(" (os error").next().unwrap_or(cause);
            output::text(&cause.to_lowercase())
        }
        Error::Problem { problem, .. } => problem.detail.clone(),
        Error::UnexpectedAnswer { status, .. } => format!("answers as no BlockChat node does (HTTP {status})"),
        Error::InvalidUrl { .. } | Error::InvalidHeader { .. } => output::text(&error.to_string()),
    }
}
