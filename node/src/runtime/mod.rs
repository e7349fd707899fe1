//! The thread that owns the consensus core, with the bounded channels, timers and workers around it.
//!
//! Everything that happens becomes an input in a bounded queue. The thread drains the queues, feeds the core, appends
//! what must be durable, syncs once, and only then acts. Nothing else ever touches the state; readers use the snapshot
//! that is published after each batch.

mod arrivals;
mod chain;
mod checkpoint;
mod driver;
mod handle;
mod inbox;
mod observe;
mod perform;
mod pulse;
mod serve;
mod timers;
mod trace;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use blockchat_consensus::{CoreConfig, CoreError, PeerMessage, Recovered};
use bytes::Bytes;
use tokio::sync::oneshot;

pub use handle::Handle;
pub use inbox::{Inputs, Senders, queues};
pub use observe::Observer;

use crate::http::Activity;
use crate::peer::PeerNetwork;
use crate::storage::log::disk::Disk;
use crate::storage::log::{Log, LogError};
use crate::storage::{Reader, StoreError, Writer};
use crate::telemetry::{Metrics, Place, Traces};

/// Exit code when the node stops because it can't go on (`EX_SOFTWARE` of sysexits.h).
pub const EXIT_FATAL: u8 = 70;

/// Why the node can't go on. Nothing it was about to say was said.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The core found a contradiction.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The log failed; a full disk ends here.
    #[error("the log failed: {0}")]
    Log(#[from] LogError),
    /// The store failed; a full disk ends here.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// Where messages to other members go. Nothing here waits.
pub trait Outbound: Send + Sync + 'static {
    /// Queues a message for one member, with trace contexts beside it.
    fn queue(&self, to: u16, message: &PeerMessage, beside: Bytes);
    /// Queues a message for all other members, with trace contexts beside it.
    fn queue_all(&self, message: &PeerMessage, beside: &Bytes);
    /// Sends what was queued.
    fn flush(&self);
    /// How many streams are up.
    fn connected(&self) -> usize;
}

impl Outbound for PeerNetwork {
    fn queue(&self, to: u16, message: &PeerMessage, beside: Bytes) {
        Self::queue(self, to, message, beside);
    }

    fn queue_all(&self, message: &PeerMessage, beside: &Bytes) {
        Self::queue_all(self, message, beside);
    }

    fn flush(&self) {
        Self::flush(self);
    }

    fn connected(&self) -> usize {
        Self::connected(self)
    }
}

/// What the thread is made of.
pub struct Parts<D: Disk> {
    /// Identity and settings of the member.
    pub core: CoreConfig,
    /// What store and log gave back.
    pub recovered: Recovered,
    /// The log, open.
    pub log: Log<D>,
    /// The way into the store.
    pub writer: Writer,
    /// Committed blocks, for members that are behind.
    pub reader: Reader,
    /// The other members.
    pub outbound: Arc<dyn Outbound>,
    /// What HTTP is told.
    pub activity: Activity,
    /// Counters.
    pub metrics: Metrics,
    /// Traces.
    pub traces: Traces,
    /// What log lines are told.
    pub place: Place,
}

/// The running thread.
pub struct Runtime {
    /// The way in for HTTP and the wallet.
    pub handle: Handle,
    /// Resolves when the thread has ended, with the reason if it was not asked to.
    pub ended: oneshot::Receiver<Result<(), RuntimeError>>,
}

/// Puts the core together from what was recovered and starts the thread. `inputs` is the other end of what peers
/// deliver into.
pub fn spawn<D: Disk>(parts: Parts<D>, inputs: Inputs) -> Result<Runtime, RuntimeError> {
    let (ended_sender, ended) = oneshot::channel();
    let (driver, handle) = driver::Driver::new(parts, inputs)?;
    let thread = std::thread::Builder::new().name("consensus".to_owned()).spawn(move || {
        // Nobody listens any more only when the process is ending anyway.
        let _ = ended_sender.send(driver.run());
    });
    thread.map_err(RuntimeError::Thread)?;
    Ok(Runtime { handle, ended })
}
