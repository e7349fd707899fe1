//! The load generator of BlockChat: it fires the course's transaction files at a running network, offers load at a
//! fixed rate, and reproduces the experiments on nodes that it starts and stops itself.
//!
//! Every run measures two throughputs and two block times, which answer different questions and are never mixed; their
//! definitions are in [`stats`]. Every run ends with a check of the ledger itself ([`chain`]): one chain on all nodes,
//! supply conserved, and each accepted transaction in exactly one block. A fast run that loses a transaction has
//! failed.

pub mod chain;
pub mod cli;
pub mod cluster;
pub mod cost;
pub mod environment;
pub mod error;
pub mod fire;
pub mod input;
pub mod live;
pub mod meters;
pub mod network;
pub mod progress;
pub mod rate;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod signals;
pub mod signed;
pub mod stats;
pub mod watch;
