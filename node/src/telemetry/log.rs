//! Logs: text for a terminal, JSON lines for a collector.

use std::io::IsTerminal as _;
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; with colours if it goes to a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Reads the value of `LOG_FORMAT`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Why logs or metrics could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter (`LOG`) can't be read.
    #[error("log filter {filter:?}: {reason}")]
    Filter {
        /// As given.
        filter: String,
        /// By the parser.
        reason: String,
    },
    /// Something else installed a subscriber before.
    #[error("logging is already set up")]
    AlreadySet,
    /// A metric's name is taken or invalid.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Sends logs to standard error. `filter` is a level or `target=level` list (`info`, `warn,blockchat_node::http=debug`).
pub fn init_logging(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let installed = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    installed.map_err(|_| TelemetryError::AlreadySet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_text_and_json_only() {
        assert_eq!(LogFormat::parse("json"), Some(LogFormat::Json));
        assert_eq!(LogFormat::parse("text"), Some(LogFormat::Text));
        assert_eq!(LogFormat::parse("JSON5"), None);
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = init_logging("blockchat=loud", LogFormat::Text).unwrap_err();
        assert!(error.to_string().contains("blockchat=loud"), "{error}");
    }
}
