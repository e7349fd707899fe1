//! The public HTTP API.
//!
//! A handler parses, asks, and renders; what is true is decided elsewhere. Everything it needs from the rest of the
//! node goes through the two traits in [`backend`], so the whole API is tested in-process. The listener is up before
//! the node has joined: until then each endpoint that needs a ledger answers 503 with code `not_joined`.

pub mod activity;
mod address;
mod admin;
mod auth;
pub mod backend;
mod error;
mod extract;
mod handlers;
mod middleware;
mod origin;
mod original;
mod render;
mod router;
mod serve;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod trace;

use std::time::Duration;

pub use activity::Activity;
pub use admin::{admin_router, serve_admin};
pub use auth::ApiToken;
pub use error::ApiError;
pub use origin::Origins;
pub use router::{router, serve};
pub use state::{AppState, Joined};

/// Longest that `?wait=committed` withholds an answer; then it says `pending`.
pub const MAX_WAIT: Duration = Duration::from_secs(30);
