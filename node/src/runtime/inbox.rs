//! The bounded queues in front of the core. What agreement waits for has a queue of its own and goes first, so that no
//! flood of transactions or requests can delay a vote.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use blockchat_consensus::{Input, PeerMessage};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::peer::{Inbox, PeerInput};
use crate::telemetry::Traces;

/// Votes, proposals, connections: what agreement waits for.
const URGENT: usize = 4_096;
/// Transactions and blocks from peers; a peer is not read from while this is full.
const BULK: usize = 512;
/// Submissions and questions of clients; a client is refused while this is full.
const CLIENT: usize = 1_024;
/// Answers of the verification workers. The core bounds how many checks are under way.
const VERIFIED: usize = 4_096;

/// Most inputs of each queue in one batch: one sync serves them all, and the batch stays short.
const URGENT_BATCH: usize = 256;
const VERIFIED_BATCH: usize = 64;
const CLIENT_BATCH: usize = 64;
const BULK_BATCH: usize = 32;

/// Wakes the thread that owns the core.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<OnceLock<Thread>>);

impl Waker {
    /// The present thread is the one to wake.
    pub fn register(&self) {
        let _ = self.0.set(std::thread::current());
    }

    /// Wakes it, or lets its next wait end at once. Before it runs there is nothing to wake: it looks at its queues
    /// before it first waits.
    pub fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// The sending ends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Senders {
    urgent: Sender<Input>,
    bulk: Sender<Input>,
    client: Sender<Input>,
    verified: Sender<Input>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    traces: Traces,
}

/// The receiving ends, owned by the thread.
#[derive(Debug)]
pub struct Inputs {
    urgent: Receiver<Input>,
    bulk: Receiver<Input>,
    client: Receiver<Input>,
    verified: Receiver<Input>,
    pub(super) senders: Senders,
}

/// Makes the queues: what peers deliver into, and what the thread takes from.
pub fn queues(traces: Traces) -> (Senders, Inputs) {
    let (urgent, urgent_end) = mpsc::channel(URGENT);
    let (bulk, bulk_end) = mpsc::channel(BULK);
    let (client, client_end) = mpsc::channel(CLIENT);
    let (verified, verified_end) = mpsc::channel(VERIFIED);
    let senders = Senders { urgent, bulk, client, verified, stop: Arc::default(), waker: Waker::default(), traces };
    let inputs = Inputs {
        urgent: urgent_end,
        bulk: bulk_end,
        client: client_end,
        verified: verified_end,
        senders: senders.clone(),
    };
    (senders, inputs)
}

impl Senders {
    /// Hands over what a client wants. False when the queue is full or the thread is gone.
    pub fn client(&self, input: Input) -> bool {
        let taken = self.client.try_send(input).is_ok();
        self.waker.wake();
        taken
    }

    /// Hands over the results of a check, from a worker's thread.
    pub fn verified(&self, input: Input) {
        // The thread is gone only when the node stops.
        let _ = self.verified.blocking_send(input);
        self.waker.wake();
    }

    /// Asks the thread to stop after its present batch.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }
}

impl Inbox for Senders {
    type Message = PeerMessage;

    async fn deliver(&self, input: PeerInput<PeerMessage>) -> bool {
        let delivered = match input {
            PeerInput::Connected(peer) => self.urgent.send(Input::Connected(peer)).await.is_ok(),
            PeerInput::Disconnected(peer) => self.urgent.send(Input::Disconnected(peer)).await.is_ok(),
            PeerInput::Messages { from, beside, messages } => {
                // Before the messages: whoever meets them looks for their contexts.
                self.traces.received(from, &beside);
                self.messages(from, messages).await
            }
        };
        self.waker.wake();
        delivered
    }
}

impl Senders {
    async fn messages(&self, from: u16, messages: Vec<PeerMessage>) -> bool {
        let (urgent, bulk): (Vec<_>, Vec<_>) = messages.into_iter().partition(PeerMessage::is_urgent);
        // All urgent ones first: a full queue of bulk must not hold them up.
        for (queue, messages) in [(&self.urgent, urgent), (&self.bulk, bulk)] {
            for message in messages {
                let input = Input::Peer { from, message };
                if let Err(mpsc::error::TrySendError::Full(input)) = queue.try_send(input) {
                    self.waker.wake();
                    if queue.send(input).await.is_err() {
                        return false;
                    }
                }
            }
        }
        !self.urgent.is_closed()
    }
}

impl Inputs {
    /// Takes what there is, urgent first, up to the bounds of a batch.
    pub fn drain(&mut self, batch: &mut Vec<Input>) {
        take(&mut self.urgent, URGENT_BATCH, batch);
        take(&mut self.verified, VERIFIED_BATCH, batch);
        take(&mut self.client, CLIENT_BATCH, batch);
        take(&mut self.bulk, BULK_BATCH, batch);
    }
}

fn take(queue: &mut Receiver<Input>, most: usize, batch: &mut Vec<Input>) {
    for _ in 0..most {
        let Ok(input) = queue.try_recv() else { return };
        batch.push(input);
    }
}
