//! How far a run is, for whoever watches: a bar on a terminal, else a line for each new activity, and one now and then.

use crate::live::Live;
use crate::meters::Meters;
use crate::stats::count_f64;
use blockchat_ledger::Hash;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the bar is drawn anew.
const PERIOD: Duration = Duration::from_millis(200);
/// Over which time the pace is taken.
const WINDOW: Duration = Duration::from_secs(2);
/// How often the figures are printed where there is no terminal: a log is read later, and should stay short.
const PLAIN_PERIOD: Duration = Duration::from_secs(10);

/// Most transactions of blocks that are kept until it is known whose they are: those of a second or two.
const MAX_EARLY: usize = 1_000;

/// Counters of the run that is going on. Counting costs an atomic addition or two.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    label: Mutex<String>,
    planned: AtomicU64,
    accepted: AtomicU64,
    committed: AtomicU64,
    rejected: AtomicU64,
    waiting: AtomicU64,
    own: Mutex<Own>,
    /// The blocks of the last [`WINDOW`], by the transactions in them.
    recent: Mutex<VecDeque<(Instant, u64)>>,
    /// What a node of the network measures itself.
    live: Mutex<Option<Live>>,
    /// Prints a line when the label changes: nobody sees a bar.
    plain: Option<Instant>,
    meters: Option<Meters>,
}

/// Which transactions are the load's.
#[derive(Debug, Default)]
struct Own {
    /// Accepted, and in no block yet.
    pending: HashSet<Hash>,
    /// In a block, and not known to be accepted: the block may be told before the answer. The latest ones.
    early: VecDeque<Hash>,
}

impl Own {
    /// Whether it is in a block already, as the node that took it may know.
    fn accepted(&mut self, id: Hash, committed: bool) -> bool {
        if let Some(place) = self.early.iter().rposition(|early| *early == id) {
            return self.early.remove(place).is_some();
        }
        // If its block is still to be told, it is not known there as pending.
        if !committed {
            self.pending.insert(id);
        }
        committed
    }

    /// How many of a block's transactions were accepted before.
    fn in_block(&mut self, transactions: &[Hash]) -> u64 {
        let (ours, others): (Vec<Hash>, Vec<Hash>) = transactions.iter().partition(|id| self.pending.remove(*id));
        self.early.extend(others);
        self.early.drain(..self.early.len().saturating_sub(MAX_EARLY));
        ours.len() as u64
    }
}

impl Progress {
    /// Counters, and a task that shows them while anybody holds the result's guard.
    pub fn start(meters: Option<Meters>) -> (Self, ProgressLine) {
        let terminal = std::io::stderr().is_terminal();
        let plain = (!terminal).then(Instant::now);
        let progress = Self { shared: Arc::new(Shared { plain, meters, ..Shared::default() }) };
        let bar = terminal.then(bar);
        let task = match bar.clone() {
            Some(bar) => tokio::spawn(show(progress.clone(), bar)),
            None => tokio::spawn(print(progress.clone())),
        };
        (progress, ProgressLine { bar, task })
    }

    /// Begins a new part, for example a cell of the matrix, of `planned` requests.
    pub fn begin(&self, label: &str, planned: u64) {
        let shared = &self.shared;
        shared.planned.store(planned, Relaxed);
        for counter in [&shared.accepted, &shared.committed, &shared.rejected, &shared.waiting] {
            counter.store(0, Relaxed);
        }
        shared.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *shared.own.lock().unwrap_or_else(PoisonError::into_inner) = Own::default();
        self.label(label);
    }

    /// Says what is being done now.
    pub fn label(&self, label: &str) {
        let mut current = self.shared.label.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == label {
            return;
        }
        label.clone_into(&mut current);
        if let Some(started) = self.shared.plain {
            eprintln!("[{:>4} s] {label}", started.elapsed().as_secs());
        }
    }

    /// `count` transactions were due to be sent.
    pub fn offered(&self, count: u64) {
        self.meter(|meters| meters.offered.inc_by(count));
    }

    /// One request was accepted.
    pub fn accepted(&self) {
        self.shared.accepted.fetch_add(1, Relaxed);
        self.meter(|meters| meters.accepted.inc());
    }

    /// One request was accepted, as this transaction: it counts as committed with the block that holds it, or now if it is
    /// committed already.
    pub fn accepted_as(&self, id: Hash, committed: bool) {
        self.accepted();
        if self.shared.own.lock().unwrap_or_else(PoisonError::into_inner).accepted(id, committed) {
            self.committed(1);
        }
    }

    /// So many transactions were seen committed.
    pub fn committed(&self, count: u64) {
        self.shared.committed.fetch_add(count, Relaxed);
        self.meter(|meters| meters.committed.inc_by(count));
    }

    /// A block with these transactions was seen. The pace is the network's, whoever sent them.
    pub fn block(&self, transactions: &[Hash]) {
        let ours = self.shared.own.lock().unwrap_or_else(PoisonError::into_inner).in_block(transactions);
        self.committed(ours);
        let mut recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back((Instant::now(), transactions.len() as u64));
        while recent.front().is_some_and(|(at, _)| at.elapsed() > WINDOW) {
            recent.pop_front();
        }
    }

    /// Committed transactions per second and milliseconds per block, over the last blocks.
    fn pace(&self) -> Option<(f64, f64)> {
        let recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (recent.front()?.0, recent.back()?.0);
        // The first block only begins the span.
        let transactions: u64 = recent.iter().skip(1).map(|(_, transactions)| transactions).sum();
        let span = last.saturating_duration_since(first);
        let blocks = count_f64(recent.len() as u64 - 1);
        (!span.is_zero()).then(|| (count_f64(transactions) / span.as_secs_f64(), span.as_secs_f64() * 1e3 / blocks))
    }

    /// What a node measures now; nothing once nobody asks it.
    pub fn live(&self, figures: Option<Live>) {
        *self.shared.live.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// What was told last.
    pub fn told(&self) -> Option<Live> {
        *self.shared.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request was refused for good, with this code.
    pub fn rejected(&self, reason: &str) {
        self.shared.rejected.fetch_add(1, Relaxed);
        self.meter(|meters| meters.reject(reason));
    }

    /// One latency from the intended send.
    pub fn latency(&self, latency: Duration) {
        self.meter(|meters| meters.record(latency));
    }

    fn meter(&self, count: impl FnOnce(&Meters)) {
        if let Some(meters) = &self.shared.meters {
            count(meters);
        }
    }

    /// One client begins to wait for money, until the guard is dropped.
    pub fn wait_for_money(&self) -> Waiting {
        self.shared.waiting.fetch_add(1, Relaxed);
        Waiting(self.clone())
    }

    /// Whether there is more to say than what is being done: that was said when it began.
    fn is_running(&self) -> bool {
        let shared = &self.shared;
        let counts = [&shared.planned, &shared.accepted, &shared.committed, &shared.rejected];
        self.told().is_some() || counts.iter().any(|count| count.load(Relaxed) > 0)
    }

    fn line(&self) -> String {
        let shared = &self.shared;
        let mut line = shared.label.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let planned = shared.planned.load(Relaxed);
        let (accepted, rejected) = (shared.accepted.load(Relaxed), shared.rejected.load(Relaxed));
        if planned > 0 {
            let _ = write!(line, " | {accepted} accepted of {planned}");
        }
        let committed = shared.committed.load(Relaxed);
        if committed > 0 {
            let _ = write!(line, ", {committed} committed");
        }
        let live = self.told();
        if let Some((per_second, block_ms)) = self.pace().or_else(|| live.and_then(pace_of)) {
            let _ = write!(line, " ({per_second:.0} tx/s, a block each {block_ms:.1} ms)");
        }
        if let Some(live) = live {
            line.push_str(&figures(live));
        }
        if rejected > 0 {
            let _ = write!(line, ", {rejected} refused");
        }
        let waiting = shared.waiting.load(Relaxed);
        if waiting > 0 {
            let _ = write!(line, ", {waiting} waiting for money");
        }
        line
    }
}

/// Pace by a node's own figures, where no blocks are followed.
fn pace_of(live: Live) -> Option<(f64, f64)> {
    let block_ms = count_f64(live.block_interval_us?) / 1e3;
    (live.window_ms > 0).then(|| (count_f64(live.transactions) * 1e3 / count_f64(live.window_ms), block_ms))
}

/// What only the node knows.
fn figures(live: Live) -> String {
    let mut text = String::new();
    if let Some(micros) = live.finality_p95_us {
        let ms = count_f64(micros) / 1e3;
        let _ = write!(text, ", final after p95 {ms:.0$} ms", usize::from(ms < 10.0));
    }
    let _ = match live.extra_rounds {
        0 => write!(text, ", no extra rounds"),
        1 => write!(text, ", 1 extra round"),
        extra => write!(text, ", {extra} extra rounds"),
    };
    let _ = write!(text, ", {} pending", live.pending);
    if let Some(height) = live.height {
        let _ = write!(text, ", height {height}");
    }
    let _ = match live.away {
        0 => Ok(()),
        1 => write!(text, ", 1 member away"),
        away => write!(text, ", {away} members away"),
    };
    text
}

/// A client that waits for money.
#[derive(Debug)]
pub struct Waiting(Progress);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.shared.waiting.fetch_sub(1, Relaxed);
    }
}

/// What is shown; dropping it ends that, and clears the line on a terminal.
#[derive(Debug)]
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("[{elapsed_precise}] {bar:24} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

async fn show(progress: Progress, bar: ProgressBar) {
    let mut tick = tokio::time::interval(PERIOD);
    loop {
        tick.tick().await;
        let shared = &progress.shared;
        bar.set_length(shared.planned.load(Relaxed).max(1));
        bar.set_position(shared.accepted.load(Relaxed) + shared.rejected.load(Relaxed));
        bar.set_message(progress.line());
        bar.tick();
    }
}

/// Where nobody sees a bar: the figures now and then, as long as they change.
async fn print(progress: Progress) {
    let mut last = String::new();
    let mut tick = tokio::time::interval(PLAIN_PERIOD);
    tick.tick().await;
    loop {
        tick.tick().await;
        let line = progress.line();
        if let Some(started) = progress.shared.plain
            && progress.is_running()
            && line != last
        {
            eprintln!("[{:>4} s] {line}", started.elapsed().as_secs());
            last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use crate::live::Live;
    use blockchat_ledger::Hash;

    #[test]
    fn the_line_says_what_was_counted() {
        let progress = Progress::default();
        progress.label("starting 5 nodes");
        assert_eq!(progress.line(), "starting 5 nodes");
        progress.begin("5 nodes", 10);
        progress.accepted();
        progress.committed(1);
        progress.rejected("pool_full");
        let waiting = progress.wait_for_money();
        assert_eq!(progress.line(), "5 nodes | 1 accepted of 10, 1 committed, 1 refused, 1 waiting for money");
        drop(waiting);
        let ids: Vec<Hash> = (0u8..12).map(|byte| Hash::of_bytes(&[byte])).collect();
        progress.accepted_as(ids[6], false);
        progress.block(&ids[..7]);
        assert!(progress.pace().is_none(), "one block has no pace");
        std::thread::sleep(std::time::Duration::from_millis(2));
        progress.block(&ids[7..]);
        let (per_second, block_ms) = progress.pace().unwrap();
        assert!((per_second * block_ms / 1e3 - 5.0).abs() < 1e-6, "five in one block's time: {per_second} {block_ms}");
        assert!(progress.line().contains("2 committed ("), "others sent the rest: {}", progress.line());
        // The block came before the answer.
        progress.accepted_as(ids[0], false);
        assert!(progress.line().contains("3 committed ("), "{}", progress.line());
        // The answer came after a repetition, and long after the block.
        progress.accepted_as(Hash::of_bytes(b"old"), true);
        assert!(progress.line().contains("4 committed ("), "{}", progress.line());
        progress.begin("10 nodes", 20);
        assert_eq!(progress.line(), "10 nodes | 0 accepted of 20");
    }

    #[test]
    fn the_line_says_what_the_node_measures() {
        let progress = Progress::default();
        progress.label("waiting");
        assert!(!progress.is_running());
        progress.begin("sending", 10);
        progress.committed(1);
        let live = Live {
            transactions: 8_120,
            window_ms: 10_000,
            block_interval_us: Some(6_149),
            finality_p95_us: Some(14_400),
            extra_rounds: 0,
            pending: 37,
            height: Some(274),
            away: 0,
        };
        progress.live(Some(live));
        assert!(progress.is_running());
        let expected = "sending | 0 accepted of 10, 1 committed (812 tx/s, a block each 6.1 ms), final after p95 14 ms, no extra rounds, 37 pending, height 274";
        assert_eq!(progress.line(), expected);
        progress.live(Some(Live { extra_rounds: 2, finality_p95_us: Some(8_640), away: 2, ..live }));
        assert!(
            progress
                .line()
                .ends_with(", final after p95 8.6 ms, 2 extra rounds, 37 pending, height 274, 2 members away"),
            "{}",
            progress.line()
        );
        // A node that has seen nothing yet.
        progress.live(Some(Live::default()));
        assert_eq!(progress.line(), "sending | 0 accepted of 10, 1 committed, no extra rounds, 0 pending");
        progress.live(None);
        assert_eq!(progress.line(), "sending | 0 accepted of 10, 1 committed");
    }
}
