//! A network of nodes in containers, made as `docker run` makes them, and what happens to containers.
//!
//! Needs an engine and the images (`make images`).

mod compose;
mod faults;
mod network;

use tokio::sync::Mutex;

/// One network at a time: the machine is small.
static SLOT: Mutex<()> = Mutex::const_new(());
