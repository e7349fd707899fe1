//! The chart on a real Kubernetes: installed, measured, disturbed, upgraded, rolled back, removed and put back.
//!
//! `tests/kubernetes/run.sh` gives it a cluster with the images in it, and stops that cluster afterwards.

mod experiment;
mod life;

use tokio::sync::Mutex;

/// One release at a time: the machine is small.
static SLOT: Mutex<()> = Mutex::const_new(());
