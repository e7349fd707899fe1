//! Why a configuration is refused. Each message is one line: the setting, its source, what is allowed.

use std::path::PathBuf;

use super::source::Origin;

/// Exit code for a configuration error (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// A refused configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that is in no table.
    #[error("{name} ({origin}) is not a setting{}; --help lists all", suggestion(.nearest.as_ref()))]
    Unknown {
        /// As it was written.
        name: String,
        /// Where it was found.
        origin: Origin,
        /// The known name that looks most like it.
        nearest: Option<String>,
    },
    /// A value that its setting does not allow.
    #[error("{name}={value} ({origin}) is not allowed: {allowed}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// The value as it was written.
        value: String,
        /// Where it was found.
        origin: Origin,
        /// What would have been allowed.
        allowed: String,
    },
    /// A setting that has no default here.
    #[error("{name} (not set) is needed: {allowed}")]
    Missing {
        /// The setting.
        name: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("{first} ({first_origin}) contradicts {second} ({second_origin}): {allowed}")]
    Contradiction {
        /// `NAME=value` of one.
        first: String,
        /// Where it was found.
        first_origin: Origin,
        /// `NAME=value` of the other.
        second: String,
        /// Where it was found.
        second_origin: Origin,
        /// How to resolve it.
        allowed: &'static str,
    },
    /// The TOML file can't be read or parsed.
    #[error("configuration file {}: {reason}; allowed: a TOML file of settings", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
    /// A file that a setting names can't be used.
    #[error("{name}={} ({origin}): {reason}", path.display())]
    Secret {
        /// The setting.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Where the setting was found.
        origin: Origin,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The command line is malformed in another way.
    #[error("command line: {0}; --help lists what is allowed")]
    Flags(String),
}

fn suggestion(nearest: Option<&String>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
