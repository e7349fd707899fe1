//! Wallet files: a PKCS#8 PEM that only its owner may read, encrypted if a passphrase is given, and that appears whole
//! or not at all. Node and command line share them, so that a key made by one can be used by the other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blockchat_ledger::{KeyError, Wallet};
use rand::rngs::OsRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncryptedPrivateKeyInfo, LineEnding, SecretDocument};
use zeroize::Zeroizing;

/// Size of a wallet that is made here, bits.
const WALLET_BITS: usize = 2048;
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Why a key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// A new key is never written over something else.
    #[error("{} exists already; it is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read or change the key.
    #[error("{} is open to others (mode {mode:o}); allowed: 600 or 400, set with chmod 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is encrypted and no passphrase was given.
    #[error("{} is encrypted and needs its passphrase", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase was given for a plain file: refused, so that nobody believes that it is encrypted.
    #[error("{} is not encrypted, but a passphrase is given; encrypt it (openssl pkcs8 -topk8) or give none", path.display())]
    NotEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// It can't be decrypted.
    #[error("{}: the passphrase is wrong, or the encryption is none of PKCS#5 v2", path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no such key.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A new key can't be made.
    #[error("making a key: {0}")]
    Make(#[from] KeyError),
}

/// Reads a wallet; none if the file is missing.
///
/// # Errors
/// A file that others may read, no key, a key that the ledger refuses, or a passphrase that does not fit.
pub fn read(path: &Path, passphrase: Option<&str>) -> Result<Option<Wallet>, KeyFileError> {
    let content = |reason: String| KeyFileError::Content { path: path.to_owned(), reason };
    let Some(bytes) = read_secret(path)? else { return Ok(None) };
    let pem =
        String::from_utf8(bytes.to_vec()).map(Zeroizing::new).map_err(|_| content("it is no PEM file".to_owned()))?;
    let encrypted = pem.contains(ENCRYPTED_LABEL);
    let plain = match (encrypted, passphrase) {
        (false, None) => pem,
        (true, Some(passphrase)) => decrypt(path, &pem, passphrase)?,
        (true, None) => return Err(KeyFileError::Encrypted { path: path.to_owned() }),
        (false, Some(_)) => return Err(KeyFileError::NotEncrypted { path: path.to_owned() }),
    };
    Wallet::from_pem(&plain).map(Some).map_err(|error| content(error.to_string()))
}

/// Makes a wallet of 2048 bits and writes it, encrypted if there is a passphrase.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file already.
pub fn create(path: &Path, passphrase: Option<&str>) -> Result<Wallet, KeyFileError> {
    let wallet = Wallet::generate(WALLET_BITS, &mut OsRng)?;
    write(path, &wallet, passphrase)?;
    Ok(wallet)
}

/// Writes a wallet, encrypted if there is a passphrase.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file already.
pub fn write(path: &Path, wallet: &Wallet, passphrase: Option<&str>) -> Result<(), KeyFileError> {
    let plain = wallet.to_pem()?;
    let pem = match passphrase {
        None => plain,
        Some(passphrase) => {
            encrypt(&plain, passphrase).map_err(|reason| KeyFileError::Content { path: path.to_owned(), reason })?
        }
    };
    write_secret(path, pem.as_bytes())
}

fn encrypt(pem: &str, passphrase: &str) -> Result<Zeroizing<String>, String> {
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(pem).map_err(|error| error.to_string())?;
    key.to_pkcs8_encrypted_pem(OsRng, passphrase, LineEnding::LF).map_err(|error| error.to_string())
}

fn decrypt(path: &Path, pem: &str, passphrase: &str) -> Result<Zeroizing<String>, KeyFileError> {
    let content = |reason: String| KeyFileError::Content { path: path.to_owned(), reason };
    let (_, document) = SecretDocument::from_pem(pem.trim()).map_err(|error| content(error.to_string()))?;
    let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|error| content(error.to_string()))?;
    let key = info.decrypt(passphrase).map_err(|_| KeyFileError::Passphrase { path: path.to_owned() })?;
    key.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|error| content(error.to_string()))
}

/// The bytes of a secret file; none when it is missing.
fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFileError> {
    let fail = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    // The group may read: Kubernetes mounts a secret for a non-root user that way.
    if mode & 0o037 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    Ok(Some(Zeroizing::new(fs::read(path).map_err(fail)?)))
}

/// Writes a secret file: under another name, durable, then linked into place, which fails if something is there.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            // A file system without links: nothing is there now, and a rename is the next best.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => fs::rename(&draft, path)?,
            linked => {
                fs::remove_file(&draft)?;
                linked?;
            }
        }
        File::open(parent)?.sync_all()
    };
    write().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Io { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_wallet_is_made_once_private_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        assert!(read(&path, None).unwrap().is_none());
        let made = create(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        let again = read(&path, None).unwrap().unwrap();
        assert_eq!(made.public_key(), again.public_key());
        assert!(matches!(create(&path, None), Err(KeyFileError::Exists { .. })));
        assert_eq!(read(&path, None).unwrap().unwrap().public_key(), made.public_key(), "not overwritten");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
        for open in [0o644, 0o660, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = read(&path, None).unwrap_err();
            assert!(matches!(error, KeyFileError::Open { mode, .. } if mode == open), "{error}");
        }
        let error = create(&path.with_extension("none").join("x"), None).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
    }

    #[test]
    fn with_a_passphrase_the_wallet_is_encrypted_at_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        let made = create(&path, Some("correct horse")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
        assert!(!text.contains("BEGIN PRIVATE KEY"));
        let again = read(&path, Some("correct horse")).unwrap().unwrap();
        assert_eq!(made.public_key(), again.public_key());
        assert!(matches!(read(&path, Some("battery")), Err(KeyFileError::Passphrase { .. })));
        assert!(matches!(read(&path, None), Err(KeyFileError::Encrypted { .. })));
        let plain = directory.path().join("plain.pem");
        create(&plain, None).unwrap();
        assert!(matches!(read(&plain, Some("x")), Err(KeyFileError::NotEncrypted { .. })));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        for bytes in [&b"not a key"[..], b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
        {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read(&path, None), Err(KeyFileError::Content { .. })), "{bytes:?}");
        }
    }
}
