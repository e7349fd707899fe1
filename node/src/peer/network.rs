//! The connections of one member to all others: dialling, accepting, replacing, sending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blockchat_ledger::Ring;
use blockchat_names::Names;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use rand::Rng;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::bytes::PeerBytes;
use super::connection::{ConnectionLimits, Context, Ended, ReadCounters};
use super::dial::dial;
use super::door::StreamDoor;
use super::frame;
use super::handshake::Credentials;
use super::outbox::{Outbox, OutboxLimits};
use super::transport::{self, Raw};
use super::{Directory, Inbox, Message};
use crate::telemetry::Seldom;

const REDIAL_FIRST: Duration = Duration::from_millis(50);
const REDIAL_LAST: Duration = Duration::from_secs(1);

/// What the connections are made of.
pub struct PeerSettings {
    /// The members.
    pub ring: Arc<Ring>,
    /// This member.
    pub me: u16,
    /// Its consensus key.
    pub key: SigningKey,
    /// Where the others are.
    pub directory: Arc<dyn Directory>,
    /// Where host names are looked up.
    pub names: Names,
    /// Where bytes are counted.
    pub bytes: PeerBytes,
    /// Bounds on what waits for a peer.
    pub outbox: OutboxLimits,
    /// Bounds on a connection.
    pub connection: ConnectionLimits,
}

impl PeerSettings {
    /// Settings with the usual bounds.
    pub fn new(ring: Arc<Ring>, me: u16, key: SigningKey, directory: Arc<dyn Directory>, bytes: PeerBytes) -> Self {
        let (outbox, connection) = (OutboxLimits::default(), ConnectionLimits::default());
        Self { ring, me, key, directory, names: Names::default(), bytes, outbox, connection }
    }
}

/// One other member.
struct Peer {
    outbox: Arc<Outbox>,
    counters: Arc<ReadCounters>,
    connected: AtomicBool,
    /// The running connection. Held while it is replaced, so that the end of the older one is
    /// delivered before the start of the newer one.
    slot: tokio::sync::Mutex<Option<Running>>,
}

struct Running {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

struct Inner {
    peers: BTreeMap<u16, Peer>,
    directory: Arc<dyn Directory>,
    bytes: PeerBytes,
    shutdown: CancellationToken,
}

/// What is known about one peer, for status and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The member.
    pub id: u16,
    /// Where it is said to be.
    pub url: Option<String>,
    /// Whether its stream is open.
    pub connected: bool,
    /// Bytes read from it, and of those messages.
    pub received_bytes: u64,
    /// Messages read from it.
    pub received_messages: u64,
    /// Bytes written to it.
    pub sent_bytes: u64,
    /// Bytes of urgent messages queued for it so far.
    pub urgent_bytes: u64,
    /// Bytes of bulk messages queued for it so far.
    pub bulk_bytes: u64,
    /// Bytes that wait for it now.
    pub queued_bytes: u64,
    /// Urgent messages dropped on overflow.
    pub dropped_urgent: u64,
    /// Bulk messages dropped on overflow.
    pub dropped_bulk: u64,
    /// Messages dropped while it was not connected, or longer than a frame.
    pub dropped_other: u64,
    /// Connections closed because it sent what no member sends.
    pub malformed: u64,
    /// Frames after which it had to wait.
    pub throttled: u64,
}

/// The streams to all other members. A handle: clones share them.
#[derive(Clone)]
pub struct PeerNetwork {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for PeerNetwork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PeerNetwork").field("peers", &self.inner.peers.len()).finish()
    }
}

impl PeerNetwork {
    /// Starts dialling the members with lower ids and opens the door to those with higher ones.
    /// Must be called inside a tokio runtime; everything ends with `shutdown`.
    pub fn start<I: Inbox>(settings: PeerSettings, inbox: I, door: &StreamDoor, shutdown: CancellationToken) -> Self {
        let PeerSettings { ring, me, key, directory, names, bytes, outbox, connection } = settings;
        let members: Vec<[u8; 32]> = ring.members().iter().map(|member| member.consensus_key).collect();
        let ids = (0..).zip(&members).map(|(id, _)| id).filter(|id| *id != me);
        let peers: BTreeMap<u16, Peer> = ids.map(|id| (id, Peer::new(outbox))).collect();
        let inner = Arc::new(Inner { peers, directory, bytes, shutdown });
        let network = Self { inner };
        let credentials = Arc::new(Credentials { chain_id: ring.chain_id(), me, key, members });
        let adopter = Adopter { network: network.clone(), inbox, limits: connection };
        for &id in network.inner.peers.keys().filter(|id| **id < me) {
            tokio::spawn(keep_dialled(adopter.clone(), names.clone(), Arc::clone(&credentials), id));
        }
        tokio::spawn(network.clone().forward_records());
        door.open(credentials, move |peer, raw| {
            let adopter = adopter.clone();
            tokio::spawn(async move {
                adopter.adopt(peer, raw).await;
            });
        });
        network
    }

    /// Sends a message to one member, without waiting; from any thread.
    pub fn send(&self, to: u16, message: &impl Message) {
        self.queue(to, message, Bytes::new());
        self.flush_one(to);
    }

    /// Sends a message to all other members, encoded once, without waiting; from any thread.
    pub fn broadcast(&self, message: &impl Message) {
        self.queue_all(message, &Bytes::new());
        self.flush();
    }

    /// As `send`, but `flush` must follow: several messages then leave with one write. `beside` are trace contexts.
    pub fn queue(&self, to: u16, message: &impl Message, beside: Bytes) {
        if let Some(peer) = self.inner.peers.get(&to) {
            let bytes = Bytes::from(message.encode());
            self.inner.bytes.sent(message.kind(), bytes.len());
            peer.outbox.queue(message.class(), bytes, beside);
        }
    }

    /// As `broadcast`, but `flush` must follow: several messages then leave with one write.
    pub fn queue_all(&self, message: &impl Message, beside: &Bytes) {
        let (class, bytes) = (message.class(), Bytes::from(message.encode()));
        self.inner.bytes.sent(message.kind(), bytes.len() * self.inner.peers.len());
        for peer in self.inner.peers.values() {
            peer.outbox.queue(class, bytes.clone(), beside.clone());
        }
    }

    /// Writes what `queue` and `queue_all` left, as far as the sockets take it.
    pub fn flush(&self) {
        for peer in self.inner.peers.values() {
            peer.outbox.flush();
        }
    }

    fn flush_one(&self, to: u16) {
        if let Some(peer) = self.inner.peers.get(&to) {
            peer.outbox.flush();
        }
    }

    /// Whether the stream to this member is open.
    pub fn is_connected(&self, id: u16) -> bool {
        self.inner.peers.get(&id).is_some_and(|peer| peer.connected.load(Ordering::Relaxed))
    }

    /// How many streams are open.
    pub fn connected(&self) -> usize {
        self.inner.peers.values().filter(|peer| peer.connected.load(Ordering::Relaxed)).count()
    }

    /// All other members, by id.
    pub fn status(&self) -> Vec<PeerStatus> {
        let url = |id| self.inner.directory.url_of(id);
        self.inner.peers.iter().map(|(id, peer)| peer.status(*id, url(*id))).collect()
    }

    /// Tells every connected peer about new URL records, whoever they came from.
    async fn forward_records(self) {
        let mut changes = self.inner.directory.changes();
        loop {
            tokio::select! {
                () = self.inner.shutdown.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            let frame = frame::urls(&self.inner.directory.records());
            for peer in self.inner.peers.values().filter(|peer| peer.connected.load(Ordering::Relaxed)) {
                peer.outbox.control(frame.clone());
            }
        }
    }
}

impl Peer {
    fn new(limits: OutboxLimits) -> Self {
        Self {
            outbox: Arc::new(Outbox::new(limits)),
            counters: Arc::default(),
            connected: AtomicBool::new(false),
            slot: tokio::sync::Mutex::default(),
        }
    }

    fn status(&self, id: u16, url: Option<String>) -> PeerStatus {
        let (read, written) = (&self.counters, self.outbox.counters());
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        PeerStatus {
            id,
            url,
            connected: self.connected.load(Ordering::Relaxed),
            received_bytes: load(&read.bytes),
            received_messages: load(&read.messages),
            sent_bytes: load(&written.written_bytes),
            urgent_bytes: load(&written.urgent_bytes),
            bulk_bytes: load(&written.bulk_bytes),
            queued_bytes: self.outbox.queued_bytes() as u64,
            dropped_urgent: load(&written.dropped_urgent),
            dropped_bulk: load(&written.dropped_bulk),
            dropped_other: load(&written.dropped_unconnected) + load(&written.dropped_too_long),
            malformed: load(&read.malformed),
            throttled: load(&read.throttled),
        }
    }
}

/// Turns authenticated streams into running connections.
#[derive(Clone)]
struct Adopter<I> {
    network: PeerNetwork,
    inbox: I,
    limits: ConnectionLimits,
}

impl<I: Inbox> Adopter<I> {
    /// Runs a new stream of `id` in place of the one it may have. Returns a token that fires when
    /// the new one has ended.
    async fn adopt(&self, id: u16, raw: Raw) -> Option<CancellationToken> {
        let inner = &self.network.inner;
        let peer = inner.peers.get(&id)?;
        let mut slot = peer.slot.lock().await;
        if let Some(older) = slot.take() {
            older.cancel.cancel();
            // A panic in it has been reported by the runtime; the slot is free either way.
            let _ = older.task.await;
        }
        let cancel = inner.shutdown.child_token();
        let ended = CancellationToken::new();
        let context = Context {
            peer: id,
            inbox: self.inbox.clone(),
            outbox: Arc::clone(&peer.outbox),
            directory: Arc::clone(&inner.directory),
            counters: Arc::clone(&peer.counters),
            bytes: self.network.inner.bytes.clone(),
            limits: self.limits,
            cancel: cancel.clone(),
        };
        let (network, signal) = (self.network.clone(), ended.clone().drop_guard());
        let task = tokio::spawn(async move {
            let _signal = signal;
            network.mark(id, true);
            info!(peer = id, "connected");
            let ended = context.run(transport::split(raw.stream), &raw.early).await;
            network.mark(id, false);
            match ended {
                Ended::Cancelled | Ended::InboxClosed => debug!(peer = id, reason = %ended, "disconnected"),
                ended => warn!(peer = id, reason = %ended, "disconnected"),
            }
        });
        *slot = Some(Running { cancel, task });
        Some(ended)
    }
}

impl PeerNetwork {
    fn mark(&self, id: u16, connected: bool) {
        if let Some(peer) = self.inner.peers.get(&id) {
            peer.connected.store(connected, Ordering::Relaxed);
        }
    }
}

/// Keeps a stream to a member with a lower id, for ever.
async fn keep_dialled<I: Inbox>(adopter: Adopter<I>, names: Names, credentials: Arc<Credentials>, id: u16) {
    let shutdown = adopter.network.inner.shutdown.clone();
    let attempts = async {
        let mut wait = REDIAL_FIRST;
        let mut complaints = Seldom::default();
        loop {
            let error = match adopter.network.inner.directory.url_of(id) {
                None => Some("its URL is not known yet".to_owned()),
                Some(url) => match dial(&names, &url, &credentials, id).await {
                    Err(error) => Some(format!("{url}: {error}")),
                    Ok(raw) => {
                        let started = Instant::now();
                        complaints.reset();
                        if let Some(ended) = adopter.adopt(id, raw).await {
                            ended.cancelled().await;
                        }
                        if started.elapsed() > REDIAL_LAST {
                            wait = REDIAL_FIRST;
                        }
                        None
                    }
                },
            };
            if let Some(error) = error
                && complaints.due().is_some()
            {
                warn!(peer = id, %error, "cannot reach the member, trying again");
            }
            let jitter = rand::thread_rng().gen_range(0.5..1.0);
            tokio::time::sleep(wait.mul_f64(jitter)).await;
            wait = (wait * 2).min(REDIAL_LAST);
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = attempts => {}
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
