//! Logs: text for a terminal, JSON lines for a collector.

use std::io::IsTerminal as _;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::prelude::*;

use super::lines::{JsonLines, TextLines};
use super::place::Place;
use super::trace::{TRACE_TARGET, Traces};

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
    /// The way to the collector can't be set up.
    #[error("OTLP_ENDPOINT: {0}")]
    Exporter(String),
    /// A metric's name is taken or invalid.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Sends logs to standard error, and spans to the collector if there is one. `filter` is a level or `target=level` list
/// (`info`, `warn,blockchat_node::http=debug`); it says nothing about spans.
pub fn init_logging(filter: &str, format: LogFormat, place: &Place, traces: &Traces) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            lines.with_ansi(colours).event_format(TextLines::new(place.clone(), colours)).boxed()
        }
        LogFormat::Json => lines.with_ansi(false).event_format(JsonLines::new(place.clone())).boxed(),
    };
    // Spans of traces are no part of a line: the line has the trace's id.
    let lines = lines.with_filter(parsed.and(filter_fn(|metadata| metadata.target() != TRACE_TARGET)));
    let installed = tracing_subscriber::registry().with(traces.layer()).with(lines).try_init();
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
        let error = init_logging("blockchat=loud", LogFormat::Text, &Place::default(), &Traces::default()).unwrap_err();
        assert!(error.to_string().contains("blockchat=loud"), "{error}");
    }
}
