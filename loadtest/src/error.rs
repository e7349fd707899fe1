//! Why a run ended early or failed, and the exit code that says so.

use crate::input::InputError;
use std::path::PathBuf;

/// Exit code of a run that did what it was asked and found nothing wrong.
pub const EXIT_OK: u8 = 0;

/// The end of a run that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line asks for something impossible.
    #[error("{0}")]
    Usage(String),
    /// A transaction file cannot be used; nothing was sent.
    #[error("{}", join(.0))]
    Input(Vec<InputError>),
    /// A node does not answer.
    #[error("{what}: {source}")]
    Unreachable {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: blockchat_client::Error,
    },
    /// Nodes failed in the middle; the report has what the others did.
    #[error("{0}")]
    NodesFailed(String),
    /// A report cannot be read or compared.
    #[error("{0}")]
    Report(String),
    /// The ledger is wrong (forked, a transaction lost, supply changed), or a node failed.
    #[error("{0}")]
    Failed(String),
    /// A file could not be read or written, or a process not started.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A signal asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl LoadError {
    /// The process's exit code: 1 failed, 64 usage, 65 bad input, 69 unreachable, 130 interrupted (as `sysexits.h`).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Io { .. } => 1,
            Self::Usage(_) => 64,
            Self::Input(_) | Self::Report(_) => 65,
            Self::Unreachable { .. } | Self::NodesFailed(_) => 69,
            Self::Interrupted => 130,
        }
    }
}

/// Turns an I/O error into a [`LoadError`] that names the file.
pub fn io_error(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> LoadError {
    let path = path.into();
    |source| LoadError::Io { path, source }
}

/// Turns a client's error into a [`LoadError`] that names what was being done.
pub fn unreachable(what: impl Into<String>) -> impl FnOnce(blockchat_client::Error) -> LoadError {
    let what = what.into();
    |source| LoadError::Unreachable { what, source }
}

fn join(errors: &[InputError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
