//! Sends committed blocks to members that are behind, off the thread that owns the core.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use blockchat_consensus::PeerMessage;
use bytes::Bytes;

use super::{Outbound, RuntimeError};
use crate::storage::{Reader, StoreError};

/// Requests that may wait; more are dropped, and members ask again.
const QUEUE: usize = 64;
/// Bytes of blocks in one answer, so that it stays well below the longest message.
const ANSWER_BYTES: usize = 4 << 20;

/// A member's question.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Who asks.
    pub to: u16,
    /// First height.
    pub from_height: u64,
    /// How many at most.
    pub max: u32,
}

/// The way to the serving thread, which ends when this is dropped.
#[derive(Debug)]
pub struct BlockServer(SyncSender<Request>);

impl BlockServer {
    /// Starts the thread.
    pub fn start(reader: Reader, outbound: Arc<dyn Outbound>) -> Result<Self, RuntimeError> {
        let (requests, inbox) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("serve-blocks".to_owned());
        thread.spawn(move || run(&inbox, &reader, &*outbound)).map_err(RuntimeError::Thread)?;
        Ok(Self(requests))
    }

    /// Answers in a while, or not at all when too many ask.
    pub fn ask(&self, request: Request) {
        if self.0.try_send(request).is_err() {
            tracing::debug!(?request, "too many members ask for blocks");
        }
    }
}

fn run(inbox: &Receiver<Request>, reader: &Reader, outbound: &dyn Outbound) {
    while let Ok(request) = inbox.recv() {
        match read(reader, request) {
            Ok(Some(message)) => {
                outbound.queue(request.to, &message, Bytes::new());
                outbound.flush();
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, ?request, "reading blocks for a member failed"),
        }
    }
}

/// The blocks from the height on that fit into one answer; none if there is none.
pub fn read(reader: &Reader, request: Request) -> Result<Option<PeerMessage>, StoreError> {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for height in request.from_height..request.from_height.saturating_add(u64::from(request.max)) {
        let Some(block) = reader.certified(height)? else { break };
        bytes += block.block.len();
        if !blocks.is_empty() && bytes > ANSWER_BYTES {
            break;
        }
        blocks.push(block);
    }
    Ok((!blocks.is_empty()).then_some(PeerMessage::Blocks(blocks)))
}
