//! One file per resource.

pub(super) mod accounts;
pub(super) mod blocks;
pub(super) mod events;
pub(super) mod network;
mod submitted;
pub(super) mod transactions;
pub(super) mod wallet;
