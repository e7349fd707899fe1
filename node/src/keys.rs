//! Keys: the wallet's file, which is 0600 and appears whole or not at all, and the consensus key that follows from it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blockchat_ledger::{KeyError, Wallet};
use ed25519_dalek::SigningKey;
use rand::rngs::OsRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncryptedPrivateKeyInfo, LineEnding, SecretDocument};
use rsa::traits::PrivateKeyParts;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Secret;

/// Size of a wallet that is made here.
const WALLET_BITS: usize = 2048;
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
const CONSENSUS_DOMAIN: &[u8] = b"blockchat/consensus-key/v1";

/// Why a key can't be used.
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
    /// Others may read or change the key.
    #[error("{} is open to others (mode {mode:o}); allowed: 600 or 400, set with chmod 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
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

/// Reads the wallet, or makes one. With a passphrase the file is encrypted; a plain file is then refused, so that
/// nobody believes that it is.
pub fn wallet(path: &Path, passphrase: Option<&Secret>) -> Result<Wallet, KeyFileError> {
    let content = |reason: String| KeyFileError::Content { path: path.to_owned(), reason };
    let Some(pem) = read_secret(path)? else { return make_wallet(path, passphrase) };
    let pem =
        String::from_utf8(pem.to_vec()).map(Zeroizing::new).map_err(|_| content("it is no PEM file".to_owned()))?;
    let encrypted = pem.contains(ENCRYPTED_LABEL);
    let plain = match (encrypted, passphrase) {
        (false, None) => pem,
        (true, Some(passphrase)) => decrypt(&pem, passphrase).map_err(content)?,
        (true, None) => return Err(content("it is encrypted; set WALLET_PASSPHRASE_FILE".to_owned())),
        (false, Some(_)) => {
            let reason = "it is not encrypted, but WALLET_PASSPHRASE_FILE is set; encrypt it (openssl pkcs8 -topk8) or \
                          unset that";
            return Err(content(reason.to_owned()));
        }
    };
    Wallet::from_pem(&plain).map_err(|error| content(error.to_string()))
}

fn make_wallet(path: &Path, passphrase: Option<&Secret>) -> Result<Wallet, KeyFileError> {
    let wallet = Wallet::generate(WALLET_BITS, &mut OsRng)?;
    let plain = wallet.to_pem()?;
    let pem = match passphrase {
        None => plain,
        Some(passphrase) => {
            encrypt(&plain, passphrase).map_err(|reason| KeyFileError::Content { path: path.to_owned(), reason })?
        }
    };
    write_secret(path, pem.as_bytes())?;
    Ok(wallet)
}

fn encrypt(pem: &str, passphrase: &Secret) -> Result<Zeroizing<String>, String> {
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(pem).map_err(|error| error.to_string())?;
    key.to_pkcs8_encrypted_pem(OsRng, passphrase.expose(), LineEnding::LF).map_err(|error| error.to_string())
}

fn decrypt(pem: &str, passphrase: &Secret) -> Result<Zeroizing<String>, String> {
    let (_, document) = SecretDocument::from_pem(pem.trim()).map_err(|error| error.to_string())?;
    let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|error| error.to_string())?;
    let key = info
        .decrypt(passphrase.expose())
        .map_err(|_| "the passphrase is wrong, or the encryption is none of PKCS#5 v2".to_owned())?;
    key.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|error| error.to_string())
}

/// The key for votes. It follows from the wallet's key, so that there is one secret to keep, and a member whose volume
/// is gone is still the member that the ring names.
pub fn consensus(wallet: &Wallet) -> Result<SigningKey, KeyError> {
    let pem = wallet.to_pem()?;
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::Private)?;
    // The primes in order: the one form of the secret that no encoding of it changes.
    let mut primes: Vec<_> = key.primes().iter().map(|prime| Zeroizing::new(prime.to_bytes_be())).collect();
    primes.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
    let mut hasher = Sha256::new();
    hasher.update(CONSENSUS_DOMAIN);
    for prime in &primes {
        hasher.update((prime.len() as u64).to_be_bytes());
        hasher.update(prime.as_slice());
    }
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(hasher.finalize().into());
    Ok(SigningKey::from_bytes(&seed))
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
    if mode & 0o040 != 0 {
        tracing::warn!(path = %path.display(), "the group of this key file may read it");
    }
    Ok(Some(Zeroizing::new(fs::read(path).map_err(fail)?)))
}

/// Writes a secret file: under another name, durable, then renamed.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let fail = |source| KeyFileError::Io { path: path.to_owned(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_wallet_is_made_once_private_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        let made = wallet(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        let again = wallet(&path, None).unwrap();
        assert_eq!(made.public_key(), again.public_key());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
        for open in [0o644, 0o660, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = wallet(&path, None).unwrap_err();
            assert!(matches!(error, KeyFileError::Open { mode, .. } if mode == open), "{error}");
        }
        let error = wallet(&path.with_extension("none").join("x"), None).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
    }

    #[test]
    fn with_a_passphrase_the_wallet_is_encrypted_at_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        let made = wallet(&path, Some(&secret("correct horse"))).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
        assert!(!text.contains("BEGIN PRIVATE KEY"));
        let again = wallet(&path, Some(&secret("correct horse"))).unwrap();
        assert_eq!(made.public_key(), again.public_key());
        assert!(wallet(&path, Some(&secret("battery"))).unwrap_err().to_string().contains("passphrase is wrong"));
        assert!(wallet(&path, None).unwrap_err().to_string().contains("WALLET_PASSPHRASE_FILE"));
        let plain = directory.path().join("plain.pem");
        wallet(&plain, None).unwrap();
        assert!(wallet(&plain, Some(&secret("x"))).unwrap_err().to_string().contains("not encrypted"));
    }

    #[test]
    fn the_consensus_key_follows_from_the_wallet_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("1.pem"), directory.path().join("2.pem"));
        let key = |path: &Path| consensus(&wallet(path, None).unwrap()).unwrap().to_bytes();
        assert_eq!(key(&one), key(&one));
        assert_ne!(key(&one), key(&other));
    }
}
