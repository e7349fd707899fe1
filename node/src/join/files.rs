//! Small files that must survive a crash whole: written beside, synced, renamed, directory synced.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

const CHECKSUM_BYTES: usize = 32;
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Why a file is not usable.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused.
    #[error("DATA_DIR: {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its contents are not what was written.
    #[error("DATA_DIR: {0} is damaged; restore it from a copy, or remove it if this node may start anew")]
    Damaged(PathBuf),
}

/// One durable value in the data folder: `SHA-256(payload) | payload`.
#[derive(Debug, Clone)]
pub struct DurableFile {
    path: PathBuf,
}

impl DurableFile {
    /// The file of this name in `folder`; nothing is touched yet.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(name) }
    }

    /// The value, `None` when the file does not exist.
    pub fn load<T: BorshDeserialize>(&self) -> Result<Option<T>, FileError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed(source)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(|source| self.failed(source))?;
        let damaged = || FileError::Damaged(self.path.clone());
        let (checksum, payload) = bytes.split_at_checked(CHECKSUM_BYTES).ok_or_else(damaged)?;
        if checksum != Sha256::digest(payload).as_slice() {
            return Err(damaged());
        }
        T::try_from_slice(payload).map(Some).map_err(|_| damaged())
    }

    /// Replaces the value. Durable when it returns; a crash leaves the old value or the new one.
    pub fn store<T: BorshSerialize>(&self, value: &T) -> Result<(), FileError> {
        let fail = |source| self.failed(source);
        let payload = borsh::to_vec(value).map_err(fail)?;
        let beside = self.path.with_extension("new");
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(fail)?;
        let mut file = File::create(&beside).map_err(fail)?;
        file.write_all(&Sha256::digest(&payload)).map_err(fail)?;
        file.write_all(&payload).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        fs::rename(&beside, &self.path).map_err(fail)?;
        sync_folder(folder).map_err(fail)
    }

    /// Removes the file; one that does not exist is fine.
    pub fn remove(&self) -> Result<(), FileError> {
        match fs::remove_file(&self.path) {
            Ok(()) => sync_folder(self.path.parent().unwrap_or(Path::new("."))).map_err(|e| self.failed(e)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = DurableFile::new(&folder.path().join("inner"), "value");
        assert_eq!(file.load::<u64>().unwrap(), None);
        file.store(&1u64).unwrap();
        file.store(&2u64).unwrap();
        assert_eq!(file.load::<u64>().unwrap(), Some(2));
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.load::<u64>().unwrap(), None);
    }

    #[test]
    fn a_crash_before_the_rename_leaves_the_old_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = DurableFile::new(folder.path(), "value");
        file.store(&1u64).unwrap();
        fs::write(folder.path().join("value.new"), b"half").unwrap();
        assert_eq!(file.load::<u64>().unwrap(), Some(1));
    }

    #[test]
    fn damage_is_told_apart_from_absence() {
        let folder = tempfile::tempdir().unwrap();
        let file = DurableFile::new(folder.path(), "value");
        file.store(&7u64).unwrap();
        let path = folder.path().join("value");
        let whole = fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() - 1], &whole[..3], &[]] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(file.load::<u64>(), Err(FileError::Damaged(_))));
        }
        let mut flipped = whole;
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert!(matches!(file.load::<u64>(), Err(FileError::Damaged(_))));
    }
}
