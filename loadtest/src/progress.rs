//! One line on stderr that says how far a run is, when somebody watches.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const PERIOD: Duration = Duration::from_millis(200);

/// Counters of the run that is going on. Counting costs one atomic addition; without a terminal nothing is written.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    label: Mutex<String>,
    planned: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    waiting: AtomicU64,
}

impl Progress {
    /// Counters, and a task that shows them while anybody holds the result's guard.
    pub fn start() -> (Self, ProgressLine) {
        let progress = Self::default();
        let visible = std::io::stderr().is_terminal();
        let task = visible.then(|| tokio::spawn(show(progress.clone())));
        (progress, ProgressLine { task })
    }

    /// Begins a new part, for example a cell of the matrix, of `planned` requests.
    pub fn begin(&self, label: &str, planned: u64) {
        self.label(label);
        self.shared.planned.store(planned, Relaxed);
        for counter in [&self.shared.accepted, &self.shared.rejected, &self.shared.waiting] {
            counter.store(0, Relaxed);
        }
    }

    /// Says what is being done now.
    pub fn label(&self, label: &str) {
        label.clone_into(&mut self.shared.label.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One request was accepted.
    pub fn accepted(&self) {
        self.shared.accepted.fetch_add(1, Relaxed);
    }

    /// One request was refused for good.
    pub fn rejected(&self) {
        self.shared.rejected.fetch_add(1, Relaxed);
    }

    /// One client begins to wait for money, until the guard is dropped.
    pub fn wait_for_money(&self) -> Waiting {
        self.shared.waiting.fetch_add(1, Relaxed);
        Waiting(self.clone())
    }

    fn line(&self, elapsed: Duration) -> String {
        let shared = &self.shared;
        let label = shared.label.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let planned = shared.planned.load(Relaxed);
        let (accepted, rejected) = (shared.accepted.load(Relaxed), shared.rejected.load(Relaxed));
        let mut line = format!("[{:>4} s] {label}", elapsed.as_secs());
        if planned > 0 {
            let _ = write!(line, " | {}/{planned} answered", accepted + rejected);
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

/// A client that waits for money.
#[derive(Debug)]
pub struct Waiting(Progress);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.shared.waiting.fetch_sub(1, Relaxed);
    }
}

/// The line on the terminal; dropping it clears the line.
#[derive(Debug)]
pub struct ProgressLine {
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            write("\r\x1b[K");
        }
    }
}

async fn show(progress: Progress) {
    let started = Instant::now();
    let mut tick = tokio::time::interval(PERIOD);
    loop {
        tick.tick().await;
        write(&format!("\r{}\x1b[K", progress.line(started.elapsed())));
    }
}

/// A terminal that is gone is no reason to stop measuring.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use std::time::Duration;

    #[test]
    fn the_line_says_what_was_counted() {
        let progress = Progress::default();
        progress.label("starting 5 nodes");
        assert_eq!(progress.line(Duration::from_secs(2)), "[   2 s] starting 5 nodes");
        progress.begin("5 nodes", 10);
        progress.accepted();
        progress.rejected();
        let waiting = progress.wait_for_money();
        let line = progress.line(Duration::ZERO);
        assert_eq!(line, "[   0 s] 5 nodes | 2/10 answered, 1 refused, 1 waiting for money");
        drop(waiting);
        progress.begin("10 nodes", 20);
        assert_eq!(progress.line(Duration::ZERO), "[   0 s] 10 nodes | 0/20 answered");
    }
}
