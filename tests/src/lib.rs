//! The harness of the system tests: it starts real `blockchat-node` processes, each with its own folder and loopback
//! ports, and treats them badly.
//!
//! It sees what an operator sees: binaries, settings, HTTP, signals, exit codes, logs. It shares no type with the
//! node, so a change of the interface shows up here. Deadlines are generous bounds against hanging, never a
//! measurement. A function that can't do what it says fails the test: it panics.

#![allow(clippy::missing_panics_doc, reason = "said once, above")]

mod api;
mod binaries;
mod chain;
mod cluster;
mod coins;
mod collector;
mod containers;
mod folder;
mod http;
mod kubernetes;
mod load;
mod node;
mod ports;
mod program;
mod screen;
mod shell;
mod wait;

pub use api::Api;
pub use binaries::{assert_has_revision, binary};
pub use chain::{Account, Chain, assert_same_chain};
pub use cluster::{Cluster, Network};
pub use coins::{Micros, micros};
pub use collector::{Collector, Span, members_of};
pub use containers::{Container, Containers, docker, try_docker};
pub use folder::{Folder, keep};
pub use http::{Answer, client, send};
pub use kubernetes::{NAMESPACE, Release, chart, fresh_namespace, helm, kubectl, run};
pub use load::{Load, Sent, assert_exactly_once};
pub use node::Node;
pub use ports::free_address;
pub use program::{Finished, Program};
pub use screen::Screen;
pub use shell::{Ran, Shell};
pub use wait::{LONG, SHORT, eventually};
