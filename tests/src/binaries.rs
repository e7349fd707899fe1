//! Where the programs under test are.

use std::path::PathBuf;

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
