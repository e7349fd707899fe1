//! When blocks were seen: a node's height, asked for again and again, and its events.

use crate::progress::Progress;
use blockchat_client::Client;
use blockchat_client::api::Event;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Time between two questions. Sightings are late by at most this and the answer's way.
const PERIOD: Duration = Duration::from_millis(2);

/// Pause before a stream of events that broke is opened again.
const FEED_PAUSE: Duration = Duration::from_millis(100);
/// How long the end of a run waits for the last events.
const FEED_PATIENCE: Duration = Duration::from_secs(1);

/// A new height, and when it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Index of the newest block.
    pub height: u64,
    /// When an answer first told it.
    pub at: Instant,
}

/// Watches one node's height until dropped.
#[derive(Debug)]
pub struct HeightWatch {
    seen: Arc<Mutex<Vec<Sighting>>>,
    task: JoinHandle<()>,
}

impl HeightWatch {
    /// Starts watching. A node that does not answer (yet) is asked again.
    pub fn start(client: Client) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(watch(client, seen.clone()));
        Self { seen, task }
    }

    /// Every new height so far, in order.
    pub fn sightings(&self) -> Vec<Sighting> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a height of at least `height` was seen; `None` after `bound`.
    pub async fn reached(&self, height: u64, bound: Duration) -> Option<Sighting> {
        let started = Instant::now();
        loop {
            if let Some(found) = self.sightings().into_iter().find(|seen| seen.height >= height) {
                return Some(found);
            }
            if started.elapsed() > bound {
                return None;
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

impl Drop for HeightWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(client: Client, seen: Arc<Mutex<Vec<Sighting>>>) {
    let mut last = None;
    loop {
        if let Ok(status) = client.status().await
            && status.height > last
        {
            last = status.height;
            let sighting = status.height.map(|height| Sighting { height, at: Instant::now() });
            seen.lock().unwrap_or_else(PoisonError::into_inner).extend(sighting);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Tells `progress` of every block that one node commits, until dropped.
#[derive(Debug)]
pub struct BlockFeed {
    height: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl BlockFeed {
    /// From the block at `from` on, which need not exist yet. A stream that breaks is opened again after its last block.
    pub fn start(client: Client, from: u64, progress: Progress) -> Self {
        let height = Arc::new(AtomicU64::new(0));
        let seen = height.clone();
        let task = tokio::spawn(async move {
            let mut next = from;
            loop {
                if let Ok(mut events) = client.events(Some(next)).await {
                    while let Ok(Some(event)) = events.next().await {
                        if let Event::Block(block) = event {
                            next = block.index.saturating_add(1);
                            progress.block(&block.transactions);
                            seen.store(block.index, Relaxed);
                        }
                    }
                }
                tokio::time::sleep(FEED_PAUSE).await;
            }
        });
        Self { height, task }
    }

    /// Waits until the block at `height` was told, for a second at most: the figures are for people who watch.
    pub async fn tell_up_to(self, height: u64) {
        let give_up = Instant::now() + FEED_PATIENCE;
        while self.height.load(Relaxed) < height && Instant::now() < give_up {
            tokio::time::sleep(PERIOD).await;
        }
    }
}

impl Drop for BlockFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The longest time without a new block between `from` and `until`, the time from `from` to the first sighting and from
/// the last one to `until` included.
pub fn longest_gap(sightings: &[Sighting], from: Instant, until: Instant) -> Duration {
    let inside = sightings.iter().map(|seen| seen.at).filter(|at| (from..=until).contains(at));
    let mut longest = Duration::ZERO;
    let mut previous = from;
    for at in inside.chain([until]) {
        longest = longest.max(at.saturating_duration_since(previous));
        previous = at;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::{Sighting, longest_gap};
    use std::time::{Duration, Instant};

    #[test]
    fn gaps_count_from_the_start_and_to_the_end() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let seen = |times: &[u64]| -> Vec<Sighting> {
            times.iter().map(|time| Sighting { height: 1, at: after(*time) }).collect()
        };
        let gap = |times: &[u64], from, until| longest_gap(&seen(times), after(from), after(until)).as_millis();
        assert_eq!(gap(&[10, 20, 50, 60], 0, 60), 30);
        assert_eq!(gap(&[40, 50], 0, 60), 40, "before the first");
        assert_eq!(gap(&[10], 0, 60), 50, "after the last");
        assert_eq!(gap(&[], 0, 60), 60);
        assert_eq!(gap(&[10, 100], 50, 60), 10, "sightings outside don't count");
    }
}
