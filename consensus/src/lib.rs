//! Agreement: the part of a BlockChat node below HTTP and above the disk, without any I/O.
//!
//! [`Core`] is one member. It takes [`Input`]s (messages, timers, submissions) with the caller's clock and returns
//! [`Outputs`]: records to make durable, then actions to perform. It owns mempool, state, the Tendermint engine,
//! the bodies of candidate blocks, sync and recovery. No threads, sockets, files, clocks or randomness of its own, so the
//! same code runs in the node and under the simulation's virtual time.
//!
//! | module | decides |
//! |---|---|
//! | [`context`], `engine`, [`signing`] | how BlockChat's types, the lottery and Ed25519 plug into malachite's core |
//! | `core` | when a height starts, what is proposed, what is committed |
//! | `candidates` | how a proposed block is put together from the pool and from peers |
//! | `sync` | how a member that is behind catches up |
//! | `lost_log` | how a member without its log gets its vote back |
//! | [`message`], [`record`], [`certificate`] | the bytes on the wire and in the log |
//!
//! The algorithm is Tendermint (Buchman, Kwon, Milosevic: *The latest gossip on BFT consensus*, arXiv:1807.04938).

mod candidates;
pub mod certificate;
pub mod config;
pub mod context;
mod core;
mod engine;
pub mod io;
pub mod message;
pub mod record;
pub mod signing;
#[cfg(test)]
mod simulation;

pub use certificate::{Certificate, CertificateError, CommitSignature};
pub use config::{CoreConfig, LogStatus, Recovered, Timing};
pub use context::quorum;
pub use core::{Core, CoreError};
pub use engine::EngineError;
pub use io::{
    Action, Admitted, Committed, Event, Evidence, EvidenceKind, Input, Now, Outputs, Submission, SubmitError, TimerId,
    View,
};
pub use message::{CertifiedBlock, LostLogAnswer, MessageError, PeerMessage, ProposalMessage};
pub use record::Record;
