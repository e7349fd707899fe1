//! Streams between members: one persistent, mutually authenticated connection per pair.
//!
//! Consensus sends a handful of small messages per block to every other member, so a connection is
//! opened once, kept, and written to without waiting. The member with the higher id dials the one
//! with the lower id; `docs/protocol.md` gives the bytes.

mod bytes;
mod connection;
mod dial;
mod door;
mod frame;
mod handshake;
mod network;
mod outbox;
mod problem;
mod queue;
mod rate;
mod server;
#[cfg(test)]
pub(crate) mod testing;
mod transport;

use std::future::Future;

use ::bytes::Bytes;
use blockchat_consensus::PeerMessage;

pub use bytes::PeerBytes;
pub use connection::ConnectionLimits;
pub use dial::{DialError, host_and_port};
pub use door::StreamDoor;
pub use frame::MAX_TRACE_BYTES;
pub use network::{PeerNetwork, PeerSettings, PeerStatus};
pub use outbox::OutboxLimits;
pub use problem::Problem;
pub use rate::RateLimits;
pub use server::{PeerServer, ServerError, ServerLimits};

/// How a message is treated when a peer cannot keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Votes, proposals and everything else a height waits for: sent first, dropped last.
    Urgent,
    /// Transactions and blocks for a member that is behind: dropped first, asked for again.
    Bulk,
}

/// What travels in a frame.
pub trait Message: Sized + Send + 'static {
    /// The canonical bytes.
    fn encode(&self) -> Vec<u8>;
    /// The inverse of `encode`; `None` for anything that `encode` does not produce.
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// Its treatment when a peer cannot keep up.
    fn class(&self) -> Class;
    /// Which kind of traffic it is, for counters: one of a few.
    fn kind(&self) -> &'static str;
}

/// What the connections tell the node.
#[derive(Debug)]
pub enum PeerInput<M> {
    /// The stream to this member is authenticated and takes messages.
    Connected(u16),
    /// The stream to this member is gone; what was queued for it is dropped.
    Disconnected(u16),
    /// The messages of one frame, in order. Never empty.
    Messages {
        /// The authenticated sender.
        from: u16,
        /// Trace contexts beside them, as they came: nothing but traces may depend on them.
        beside: Bytes,
        /// In the order in which they were sent.
        messages: Vec<M>,
    },
}

/// Where connections deliver: the bounded inbox of the task that owns consensus and state.
pub trait Inbox: Clone + Send + Sync + 'static {
    /// The type of the messages.
    type Message: Message;

    /// Hands over one input, waiting while the inbox is full (which stops reading from that peer).
    /// False when the receiver is gone for good.
    fn deliver(&self, input: PeerInput<Self::Message>) -> impl Future<Output = bool> + Send;
}

/// Where members are: the signed URL records, which travel on the same streams.
pub trait Directory: Send + Sync + 'static {
    /// The base URL of a member's peer listener, as far as it is known.
    fn url_of(&self, id: u16) -> Option<String>;
    /// All known records, encoded.
    fn records(&self) -> Vec<u8>;
    /// Takes encoded records from a peer, each checked by its own signature. False when they are
    /// malformed; records that are old or not properly signed are merely ignored.
    fn learn(&self, encoded: &[u8]) -> bool;
    /// Changes whenever `records` has something new.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
}

impl Message for PeerMessage {
    fn encode(&self) -> Vec<u8> {
        Self::encode(self)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }

    fn class(&self) -> Class {
        if self.is_urgent() { Class::Urgent } else { Class::Bulk }
    }

    fn kind(&self) -> &'static str {
        Self::kind(self)
    }
}
