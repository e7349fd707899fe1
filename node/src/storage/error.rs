//! Why the store can't go on.

use std::path::PathBuf;

use super::log::LogError;

/// A failure of the store or of the data directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused; a full disk ends here.
    #[error("the store failed: {0}")]
    Database(#[from] Box<redb::Error>),
    /// Something in the store can't be read back.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Another process uses the data directory.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The data directory can't be used.
    #[error("{}: {reason}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The storage thread gave up, for this reason.
    #[error("{0}")]
    Failed(String),
    /// The storage thread is gone.
    #[error("the storage thread has stopped")]
    Stopped,
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}

from_redb!(CommitError, DatabaseError, StorageError, TableError, TransactionError);

/// What was written can't be decoded.
pub(super) fn damaged(what: &str) -> impl FnOnce(std::io::Error) -> StoreError {
    move |error| StoreError::Damaged(format!("{what}: {error}"))
}
