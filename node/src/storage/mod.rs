//! Durable state: the append-only log that is written before anything is said, and the store that serves reads.
//!
//! The log is the truth about what this node said and committed; the store is an index of it that may lag and is
//! filled up from the log at the next start. `docs/storage.md` specifies both.

mod error;
pub mod log;
mod open;
mod store;
mod tables;
mod writer;

#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use open::{DataDir, OpenLog, open_log, own_transaction};
pub use store::{Batch, Store};
pub use tables::{OwnTransaction, StoredBlock};
pub use writer::{Item, Progress, Reader, Writer, start};
