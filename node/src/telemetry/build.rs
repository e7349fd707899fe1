//! Which program this is.

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Revision of the source, set by the build (`BLOCKCHAT_REVISION`); `unknown` in a build outside of it.
pub const REVISION: &str = match option_env!("BLOCKCHAT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
