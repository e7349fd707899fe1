//! What went wrong, what to do about it, and the exit code that says so to a script (those of BSD's sysexits.h).

use blockchat_client::api::Code;
use blockchat_client::{Error, OrderError, ReceiptError};
use blockchat_keyfile::KeyFileError;
use std::fmt;

/// Done.
pub const EXIT_OK: u8 = 0;
/// The node or the ledger refused, a transaction was dropped, a proof does not hold.
pub const EXIT_REFUSED: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 64;
/// A file's content is wrong.
pub const EXIT_DATA: u8 = 65;
/// A file can't be read.
pub const EXIT_NO_INPUT: u8 = 66;
/// No answer from the node.
pub const EXIT_UNAVAILABLE: u8 = 69;
/// A file can't be written.
pub const EXIT_CANT_CREATE: u8 = 73;
/// The node can't do it now, or the outcome is not known yet; the same command may succeed later.
pub const EXIT_TEMPORARY: u8 = 75;
/// A token, passphrase or file permission is wrong.
pub const EXIT_NO_PERMISSION: u8 = 77;

/// For `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  refused by the node or the ledger; a proof that does not hold
  64  wrong usage
  65  the content of a file is wrong
  66  a file cannot be read
  69  no answer from the node
  73  a file cannot be written
  75  not possible now, or not known yet: try again
  77  wrong token, passphrase or file permission";

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(EXIT_USAGE, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match &error {
            Error::InvalidUrl { .. } => Self::usage(message).hint("--node takes http://HOST:PORT"),
            Error::InvalidHeader { .. } => Self::new(EXIT_DATA, message),
            Error::Connection { .. } => Self::new(EXIT_UNAVAILABLE, message)
                .hint("is the node running? --node (or BLOCKCHAT_NODE) says which one to ask"),
            Error::Timeout { .. } => {
                Self::new(EXIT_UNAVAILABLE, message).hint("the node is busy or stuck; --timeout gives it more time")
            }
            Error::UnexpectedAnswer { .. } => Self::new(EXIT_UNAVAILABLE, message)
                .hint("something else may listen there, or the node has another version"),
            Error::Problem { problem, retry_after } => {
                let failure = Self::new(EXIT_REFUSED, problem.detail.clone());
                match problem.known_code() {
                    Some(Code::Unauthorized) => Self::new(EXIT_NO_PERMISSION, problem.detail.clone()).hint(
                        "--token-file (or BLOCKCHAT_TOKEN_FILE) names the node's token; --wallet FILE needs none",
                    ),
                    Some(Code::NotJoined) => Self::new(EXIT_TEMPORARY, problem.detail.clone())
                        .hint("`blockchat status` shows what it waits for"),
                    Some(Code::UnknownRecipient | Code::UnknownAccount) => failure
                        .hint("`blockchat network` lists the members; anybody else is named by the whole public key"),
                    Some(Code::AmbiguousAddress) => failure.hint("give more digits of the fingerprint"),
                    Some(Code::InsufficientBalance) => failure.hint("`blockchat balance` shows what can be spent"),
                    Some(Code::UnknownBlock) => failure.hint("`blockchat status` shows the height of the chain"),
                    Some(Code::NotCommitted) => Self::new(EXIT_TEMPORARY, problem.detail.clone()),
                    _ if retry_after.is_some() => {
                        Self::new(EXIT_TEMPORARY, problem.detail.clone()).hint("try again in a moment")
                    }
                    _ => failure,
                }
            }
        }
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Node(error) => error.into(),
            OrderError::NotJoined => {
                Self::new(EXIT_TEMPORARY, error.to_string()).hint("`blockchat status` shows what it waits for")
            }
            error => Self::new(EXIT_REFUSED, error.to_string()),
        }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let message = error.to_string();
        match error {
            KeyFileError::Io { .. } => Self::new(EXIT_NO_INPUT, message),
            KeyFileError::Exists { .. } => Self::new(EXIT_CANT_CREATE, message).hint("choose another name"),
            KeyFileError::Open { .. } => Self::new(EXIT_NO_PERMISSION, message),
            KeyFileError::Encrypted { .. } => {
                Self::new(EXIT_NO_PERMISSION, message).hint("--passphrase-file names a file that holds it")
            }
            KeyFileError::NotEncrypted { .. } | KeyFileError::Passphrase { .. } => {
                Self::new(EXIT_NO_PERMISSION, message)
            }
            KeyFileError::Content { .. } | KeyFileError::Make(_) => Self::new(EXIT_DATA, message),
        }
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Self {
        Self::new(EXIT_REFUSED, format!("the receipt proves nothing: {error}"))
    }
}
