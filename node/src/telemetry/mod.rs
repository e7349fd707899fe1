//! Metrics, traces and structured logs.
//!
//! Every metric is a field of a typed struct; its doc comment is its help text, so code and `/metrics` can't disagree.
//! The structs are registered into a registry that is passed in: there is no global one, and a test makes its own.
//! Nothing here may carry a wallet, a transaction or free text as a label.

mod buckets;
mod build;
mod define;
mod figures;
mod initial;
mod kinds;
mod lines;
mod log;
mod metrics;
mod place;
mod seldom;
mod trace;
mod usage;

pub use build::{REVISION, VERSION};
pub use figures::Figures;
pub use initial::members as begin_members;
pub use kinds::{IntCounter, IntCounterVec};
pub use log::{LogFormat, TelemetryError, init_logging};
pub use metrics::{
    ConsensusMetrics, HttpMetrics, LedgerMetrics, Metrics, PeerMetrics, PoolMetrics, StorageMetrics, TraceMetrics,
    VerifyMetrics,
};
pub use place::Place;
pub use seldom::Seldom;
pub use trace::{Beside, TRACE_TARGET, TraceSettings, Traces, current as current_trace};
