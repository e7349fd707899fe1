//! One authenticated stream, from its first frame to its end.
//!
//! Reading, writing and watching run in one task: a message in needs one wake-up, and dropping the
//! task drops all of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::io::AsyncRead;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bytes::PeerBytes;
use super::frame::{self, Frame, FrameError, FrameReader};
use super::outbox::Outbox;
use super::rate::{RateBound, RateLimits};
use super::transport::Halves;
use super::{Directory, Inbox, Message, PeerInput};

/// What a connection keeps to.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// A side that wrote nothing for this long sends a ping.
    pub ping_every: Duration,
    /// A peer from which nothing came for this many of those spans is taken for dead.
    pub silent_spans: u32,
    /// Bounds on what is read.
    pub rate: RateLimits,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { ping_every: Duration::from_secs(2), silent_spans: 3, rate: RateLimits::default() }
    }
}

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum Ended {
    /// The peer closed it.
    #[error("closed by the peer")]
    Closed,
    /// Bytes that are no frames, or a failed socket.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket failed while writing.
    #[error("writing: {0}")]
    Write(io::Error),
    /// Nothing came for too long.
    #[error("silent for too long")]
    Silent,
    /// It sends but takes nothing.
    #[error("takes no bytes")]
    Stalled,
    /// A newer connection of the same member, or the end of this process.
    #[error("replaced or stopped")]
    Cancelled,
    /// Nobody takes the messages any more.
    #[error("this node is stopping")]
    InboxClosed,
}

/// Counts of what was read, since the start of the process.
#[derive(Debug, Default)]
pub struct ReadCounters {
    /// Bytes of frames.
    pub bytes: AtomicU64,
    /// Messages.
    pub messages: AtomicU64,
    /// Connections closed because of bytes no member sends.
    pub malformed: AtomicU64,
    /// Frames after which the peer had to wait.
    pub throttled: AtomicU64,
}

/// What a connection works with.
pub struct Context<I> {
    /// The authenticated peer.
    pub peer: u16,
    /// Where its messages go.
    pub inbox: I,
    /// What waits for it.
    pub outbox: Arc<Outbox>,
    /// Where URL records come from and go to.
    pub directory: Arc<dyn Directory>,
    /// Counters of this peer.
    pub counters: Arc<ReadCounters>,
    /// Counters by kind of message.
    pub bytes: PeerBytes,
    /// Bounds.
    pub limits: ConnectionLimits,
    /// Ends the connection.
    pub cancel: CancellationToken,
}

/// Signs of life that the watcher looks at, so that no message has to move a timer.
#[derive(Default)]
struct Life {
    received: AtomicBool,
    /// The reader waits for the inbox, not for the peer.
    delivering: AtomicBool,
}

impl<I: Inbox> Context<I> {
    /// Runs a connection to its end. `Connected` is delivered before its first message and
    /// `Disconnected` after its last one.
    pub async fn run(self, halves: Halves, early: &[u8]) -> Ended {
        let generation = self.outbox.open(Arc::clone(&halves.sink));
        if !self.inbox.deliver(PeerInput::Connected(self.peer)).await {
            self.outbox.close(generation);
            return Ended::InboxClosed;
        }
        self.outbox.control(frame::urls(&self.directory.records()));
        let life = Life::default();
        let ended = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Ended::Cancelled,
            ended = self.read(FrameReader::new(halves.reader, early), &life) => ended,
            error = self.outbox.drive(&halves.sink) => Ended::Write(error),
            ended = self.watch(&life) => ended,
        };
        self.outbox.close(generation);
        if let Ended::Frame(error) = &ended
            && error.is_violation()
        {
            self.counters.malformed.fetch_add(1, Ordering::Relaxed);
        }
        self.inbox.deliver(PeerInput::Disconnected(self.peer)).await;
        ended
    }

    async fn read<R: AsyncRead + Unpin>(&self, mut frames: FrameReader<R>, life: &Life) -> Ended {
        let started = Instant::now();
        let mut bound = RateBound::new(self.limits.rate, Duration::ZERO);
        loop {
            let (frame, length) = match frames.next().await {
                Ok(Some(found)) => found,
                Ok(None) => return Ended::Closed,
                Err(error) => return error.into(),
            };
            life.received.store(true, Ordering::Relaxed);
            self.counters.bytes.fetch_add(length as u64, Ordering::Relaxed);
            let count = match frame {
                Frame::Ping => 1,
                Frame::Urls(encoded) => {
                    if !self.directory.learn(&encoded) {
                        return FrameError::Malformed("URL records").into();
                    }
                    1
                }
                Frame::Batch { trace, messages } => match self.deliver(&messages, trace, life).await {
                    Ok(()) => messages.len(),
                    Err(ended) => return ended,
                },
            };
            let wait = bound.charge(started.elapsed(), length, count);
            if !wait.is_zero() {
                self.counters.throttled.fetch_add(1, Ordering::Relaxed);
                life.delivering.store(true, Ordering::Relaxed);
                tokio::time::sleep(wait).await;
                life.delivering.store(false, Ordering::Relaxed);
            }
        }
    }

    async fn deliver(&self, encoded: &[Bytes], beside: Bytes, life: &Life) -> Result<(), Ended> {
        let mut messages = Vec::with_capacity(encoded.len());
        for bytes in encoded {
            let message = I::Message::decode(bytes).ok_or(FrameError::Malformed("message"))?;
            self.bytes.received(message.kind(), bytes.len());
            messages.push(message);
        }
        self.counters.messages.fetch_add(messages.len() as u64, Ordering::Relaxed);
        life.delivering.store(true, Ordering::Relaxed);
        let taken = self.inbox.deliver(PeerInput::Messages { from: self.peer, beside, messages }).await;
        life.received.store(true, Ordering::Relaxed);
        life.delivering.store(false, Ordering::Relaxed);
        if taken { Ok(()) } else { Err(Ended::InboxClosed) }
    }

    /// Sends a ping when nothing was written for a span, ends when nothing was read for several.
    async fn watch(&self, life: &Life) -> Ended {
        let mut spans = tokio::time::interval(self.limits.ping_every);
        spans.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        spans.tick().await;
        let mut written_before = self.outbox.written();
        let (mut silent, mut stalled) = (0, 0);
        loop {
            spans.tick().await;
            if life.received.swap(false, Ordering::Relaxed) || life.delivering.load(Ordering::Relaxed) {
                silent = 0;
            } else {
                silent += 1;
                if silent >= self.limits.silent_spans {
                    return Ended::Silent;
                }
            }
            if self.outbox.written() != written_before {
                stalled = 0;
            } else if self.outbox.is_idle() {
                self.outbox.control(frame::ping());
            } else {
                stalled += 1;
                if stalled > self.limits.silent_spans {
                    return Ended::Stalled;
                }
            }
            written_before = self.outbox.written();
        }
    }
}
