//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Path of a built binary: in `BLOCKCHAT_BIN_DIR`, or where cargo put the running test.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("BLOCKCHAT_BIN_DIR").map_or_else(beside_the_test, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built; `make system` builds the programs before it runs the tests",
        path.display()
    );
    path
}

/// The test runs from `target/PROFILE/deps/`.
fn beside_the_test() -> PathBuf {
    let mut path = std::env::current_exe().expect("the path of the running test");
    path.pop();
    path.pop();
    path
}

/// A build from sources that have a revision tells it in its metrics.
pub fn assert_has_revision(metrics: &str) {
    assert!(metrics.contains("blockchat_build_info{revision="), "{metrics}");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let asked = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(sources).output();
    if asked.is_ok_and(|output| output.status.success()) {
        assert!(!metrics.contains("revision=\"unknown\""), "the build does not say of what revision it is");
    }
}
