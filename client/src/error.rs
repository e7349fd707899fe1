//! What can go wrong between a client and a node.

use blockchat_api::{Problem, printable};
use std::time::Duration;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node's URL cannot be used.
    #[error("{url} is no usable node URL: {reason}")]
    InvalidUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bearer token or the `Idempotency-Key` cannot stand in an HTTP header.
    #[error("the {what} holds characters that an HTTP header cannot carry")]
    InvalidHeader {
        /// Which one.
        what: &'static str,
    },
    /// No connection, or it broke before the whole answer was read. The request may have been carried out.
    #[error("no answer from {url}: {}", innermost(.source))]
    Connection {
        /// What was called.
        url: String,
        /// The transport's error.
        source: reqwest::Error,
    },
    /// No whole answer within the client's bound. The request may have been carried out.
    #[error("no answer from {url} in time")]
    Timeout {
        /// What was called.
        url: String,
    },
    /// The node refused: see [`Error::code`].
    #[error("{} ({}, HTTP {})", .problem.detail, .problem.code, .problem.status)]
    Problem {
        /// What the node said.
        problem: Box<Problem>,
        /// How long the node asks the client to wait before it tries again.
        retry_after: Option<Duration>,
    },
    /// An answer that is not of the documented form: something else listens there, or the versions don't fit.
    #[error("{url} answered HTTP {status} in a form that is not documented: {}", printable(.reason))]
    UnexpectedAnswer {
        /// What was called.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What could not be read; it may quote the answer.
        reason: String,
    },
}

impl Error {
    /// The stable code of the node's refusal, see `blockchat_api::Code`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem { problem, .. } => Some(&problem.code),
            _ => None,
        }
    }

    /// How long the node asks to wait before the same call is tried again; `None` if trying again would not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the outcome is unknown, because no whole answer came.
    pub fn is_transport(&self) -> bool {
        matches!(self, Self::Connection { .. } | Self::Timeout { .. })
    }
}

/// The cause at the bottom of the chain, which names the system's error ("Connection refused").
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
