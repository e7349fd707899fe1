//! `top`: a network, live.
//!
//! | file | what |
//! |---|---|
//! | `collect.rs` | asks the nodes, follows the blocks of one of them |
//! | `model.rs`, `throughput.rs` | what was learnt: pure state |
//! | `snapshot.rs` | what is shown at one moment, and the JSON of it |
//! | `words.rs`, `grid.rs` | the same in words and tables, for any width |
//! | `draw.rs` | the screen |
//! | `terminal.rs` | the terminal, always given back as it was |

mod collect;
mod draw;
mod grid;
mod model;
mod snapshot;
mod terminal;
mod throughput;
mod words;

use super::args::{Format, Global, TopArgs};
use super::failure::{EXIT_UNAVAILABLE, Failure};
use super::output;
use blockchat_client::{Client, Options};
use collect::Collector;
use model::Model;
use snapshot::Snapshot;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A node that takes longer for its status counts as not answering.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for the first snapshot.
const FIRST: Duration = Duration::from_secs(4);

/// Runs until somebody ends it, or for `--count` snapshots.
pub async fn run(global: &Global, arguments: &TopArgs) -> Result<(), Failure> {
    let clients = clients(global, arguments)?;
    let model = Model::new(clients.iter().map(|client| client.url().to_owned()), Instant::now());
    let watch = Watch { model, collector: Collector::start(clients, arguments.interval) };
    if global.output == Format::Table && arguments.count.is_none() && can_draw() {
        return terminal::run(watch, arguments.interval).await;
    }
    print(watch, global.output, arguments).await
}

/// One client for each node, each named once.
fn clients(global: &Global, arguments: &TopArgs) -> Result<Vec<Client>, Failure> {
    let urls = if arguments.nodes.is_empty() { std::slice::from_ref(&global.node) } else { arguments.nodes.as_slice() };
    let timeout = PATIENCE.min(Duration::from_secs(global.timeout));
    let options = Options { timeout, connect_timeout: timeout, ..Options::default() };
    let (mut known, mut clients) = (BTreeSet::new(), Vec::new());
    for url in urls {
        let client = Client::with_options(url.trim(), &options).map_err(|error| {
            let failure = Failure::from(error);
            if arguments.nodes.is_empty() { failure } else { failure.hint("--nodes takes http://HOST:PORT,…") }
        })?;
        if !known.insert(client.url().to_owned()) {
            return Err(Failure::usage(format!("--nodes names {} twice; each node once", client.url())));
        }
        clients.push(client);
    }
    Ok(clients)
}

/// Whether there is a terminal that can be drawn on, with keys to end it.
fn can_draw() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !dumb
}

/// What was learnt, and what learns more.
struct Watch {
    model: Model,
    collector: Collector,
}

impl Watch {
    /// Takes in the next thing.
    async fn learn(&mut self) {
        if let Some(report) = self.collector.next().await {
            self.model.apply(report, Instant::now());
            if let Some((node, heights)) = self.model.missing() {
                self.collector.ask_hashes(node, &heights);
            }
        }
    }

    /// Goes on learning until then, or until `enough`.
    async fn learn_until(&mut self, end: Instant, enough: impl Fn(&Model) -> bool) {
        while !enough(&self.model) && tokio::time::timeout_at(end.into(), self.learn()).await.is_ok() {}
    }

    fn snapshot(&self) -> Snapshot {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.model.snapshot(Instant::now(), u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Prints snapshots, the first one as soon as every node was asked.
async fn print(mut watch: Watch, format: Format, arguments: &TopArgs) -> Result<(), Failure> {
    watch.learn_until(Instant::now() + FIRST, Model::complete).await;
    let (mut left, mut silence) = (arguments.count.unwrap_or(u64::MAX), watch.model.silence());
    let mut next = Instant::now();
    loop {
        let snapshot = watch.snapshot();
        match format {
            Format::Table => output::line(&words::text(&snapshot)),
            Format::Json => output::line(&serde_json::to_string(&snapshot).unwrap_or_default()),
        }
        silence = silence.and_then(|_| watch.model.silence());
        left -= 1;
        if left == 0 {
            break;
        }
        if format == Format::Table {
            output::line("");
        }
        next += arguments.interval;
        watch.learn_until(next, |_| false).await;
    }
    match silence {
        Some((url, reason)) => Err(Failure::new(EXIT_UNAVAILABLE, format!("no node answered; {url}: {reason}"))
            .hint("are the nodes running? --nodes (or --node) says which ones to ask")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod testing;
