//! What the data directory takes, and what is left on its volume.

use std::path::Path;

/// Bytes of the files in a directory; its folders are not entered, the node makes none.
pub(super) fn bytes_in(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

/// Bytes that a process without privileges may still write.
pub(super) fn bytes_left(directory: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(directory).ok()?;
    Some(volume.f_bavail.saturating_mul(volume.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_and_the_volume_has_room() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("one"), [0; 100]).unwrap();
        std::fs::write(directory.path().join("two"), [0; 28]).unwrap();
        assert_eq!(bytes_in(directory.path()), 128);
        assert!(bytes_left(directory.path()).unwrap() > 0);
        assert_eq!(bytes_in(&directory.path().join("none")), 0);
    }
}
