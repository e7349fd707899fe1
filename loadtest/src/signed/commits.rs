//! When transactions are committed: nonces follow each other, so the committed nonce of a wallet, asked for after each
//! new block, says how many of its transactions stand in the chain. That costs a small request for each wallet and
//! block instead of reading every block's transactions from a node that is busy.

use super::lane::Waiting;
use super::wallets::Lane;
use crate::progress::Progress;
use crate::stats::Latencies;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Pause between two looks at the height.
const POLL: Duration = Duration::from_millis(3);
/// A look at the nonces without a new height: an answer may come after the block that holds its transaction.
const SWEEP: Duration = Duration::from_millis(50);

/// Commits seen so far.
#[derive(Debug, Default)]
pub struct Commits {
    /// How many.
    pub count: u64,
    /// From the intended send to the commit.
    pub finality: Latencies,
    /// When the last was seen.
    pub last: Option<Instant>,
    height: Option<u64>,
    swept: Option<Instant>,
}

impl Commits {
    /// Looks once, and pauses.
    pub async fn look(&mut self, lanes: &[(Lane, Waiting)], progress: &Progress) {
        let asked = lanes.iter().find(|(_, waiting)| !is_empty(waiting));
        if let Some((lane, _)) = asked {
            let height = lane.member.client.status().await.ok().and_then(|status| status.height);
            let due = self.swept.is_none_or(|swept| swept.elapsed() > SWEEP);
            if height != self.height || due {
                self.height = height;
                self.swept = Some(Instant::now());
                let open = lanes.iter().filter(|(_, waiting)| !is_empty(waiting));
                let answers = open.map(|(lane, waiting)| async move { (committed_nonce(lane).await, waiting) });
                for (nonce, waiting) in futures::future::join_all(answers).await {
                    self.take(nonce, waiting, progress);
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }

    fn take(&mut self, nonce: u64, waiting: &Waiting, progress: &Progress) {
        let now = Instant::now();
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, due)) = waiting.pop_front_if(|(first, _)| *first < nonce) {
            let latency = now.saturating_duration_since(due);
            self.finality.record(latency);
            self.count += 1;
            self.last = Some(now);
            progress.committed(1);
            progress.latency(latency);
        }
    }
}

fn is_empty(waiting: &Waiting) -> bool {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

/// 0 if the node does not answer: nothing is known to be committed then.
async fn committed_nonce(lane: &Lane) -> u64 {
    lane.member.client.account(&lane.address).await.map_or(0, |account| account.final_state.nonce)
}
