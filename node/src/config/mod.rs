//! Settings of the node: one table, four sources (defaults < TOML file < environment < flags), and where each value
//! came from.

mod error;
mod flags;
mod parse;
mod resolve;
pub mod settings;
mod source;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use blockchat_consensus::Timing;
use blockchat_ledger::{Parameters, PoolLimits};

pub use error::{ConfigError, EXIT_USAGE};
pub use flags::Invocation;
pub use source::Origin;

use crate::http::Origins;
use crate::telemetry::LogFormat;

/// A secret read from a file. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// The checked settings of a node.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the network is founded with, or must have been.
    pub parameters: Parameters,
    /// Whether this node founds the network.
    pub bootstrap: bool,
    /// Peer address of the bootstrap node, without a slash at its end.
    pub bootstrap_url: String,
    /// Peer address of this node, without a slash at its end.
    pub advertise_url: String,
    /// Public API.
    pub listen: SocketAddr,
    /// Joining and streams.
    pub peer_listen: SocketAddr,
    /// Metrics and health.
    pub admin_listen: SocketAddr,
    /// Log, store, keys.
    pub data_dir: PathBuf,
    /// Bearer token of the wallet calls.
    pub api_token: Option<Secret>,
    /// Web pages that may use the public API.
    pub cors_origins: Origins,
    /// Token a joiner must show.
    pub join_token: Option<Secret>,
    /// RSA key.
    pub wallet_file: PathBuf,
    /// Passphrase of the wallet file.
    pub wallet_passphrase: Option<Secret>,
    /// Filter of the log.
    pub log: String,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
    /// Share of the submissions that begin a trace.
    pub trace_ratio: f64,
    /// Whether the node measures itself.
    pub metrics: bool,
    /// Waits of the consensus, `MAX_BLOCK_WAIT` among them.
    pub timing: Timing,
    /// Bounds of the pool.
    pub pool: PoolLimits,
    /// The operator accepts that the log is lost.
    pub accept_lost_log: bool,
    effective: Vec<(&'static str, String, Origin)>,
}

impl Config {
    /// Reads all sources. `arguments` are those after the program's name.
    pub fn load(
        arguments: impl Iterator<Item = String>,
        environment: &[(OsString, OsString)],
    ) -> Result<(Invocation, Option<Self>), ConfigError> {
        let flags = flags::parse(arguments)?;
        if let Invocation::Print(_) = flags.invocation {
            return Ok((flags.invocation, None));
        }
        let named =
            environment.iter().find(|(name, _)| name == "BLOCKCHAT_CONFIG").map(|(_, path)| PathBuf::from(path));
        let file = flags.config.clone().or(named.filter(|path| !path.as_os_str().is_empty()));
        let values = source::merge(file.as_deref(), environment, &flags.values)?;
        let config = resolve::resolve(values, flags.accept_lost_log)?;
        Ok((flags.invocation, Some(config)))
    }

    /// The effective settings, one line each, with their origin.
    pub fn describe(&self) -> String {
        let width = |of: fn(&(&'static str, String, Origin)) -> usize| self.effective.iter().map(of).max().unwrap_or(0);
        let (names, values) = (width(|row| row.0.len()), width(|row| row.1.len()).min(48));
        let mut text = String::new();
        for (name, value, origin) in &self.effective {
            // Writing into a String can't fail.
            let _ = writeln!(text, "{name:names$} = {value:values$}  # {origin}");
        }
        text
    }
}
