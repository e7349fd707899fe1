//! The `blockchat-node` shell: everything around the pure consensus core that touches files, sockets and clocks.
//!
//! Data flows one way (HTTP and peers → runtime → log → actions); back edges are only new inputs.

pub mod app;
mod bounded;
pub mod config;
pub mod health;
pub mod http;
pub mod join;
pub mod keys;
pub mod peer;
pub mod runtime;
pub mod storage;
pub mod telemetry;
pub mod wallet;
