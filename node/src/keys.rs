//! The node's keys: the wallet's file, and the consensus key that follows from it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use blockchat_keyfile::KeyFileError;
use blockchat_ledger::{KeyError, Wallet};
use ed25519_dalek::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PrivateKeyParts;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Secret;

const CONSENSUS_DOMAIN: &[u8] = b"blockchat/consensus-key/v1";

/// Why the wallet can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file.
    #[error(transparent)]
    File(KeyFileError),
    /// Encrypted, and the passphrase is not set.
    #[error("{0} (WALLET_PASSPHRASE_FILE)")]
    Passphrase(KeyFileError),
    /// The key gives no consensus key.
    #[error("the consensus key: {0}")]
    Consensus(#[from] KeyError),
}

impl From<KeyFileError> for KeysError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Encrypted { .. } | KeyFileError::NotEncrypted { .. } | KeyFileError::Passphrase { .. } => {
                Self::Passphrase(error)
            }
            error => Self::File(error),
        }
    }
}

/// Reads the wallet, or makes one. With a passphrase the file is encrypted; a plain file is then refused.
pub fn wallet(path: &Path, passphrase: Option<&Secret>) -> Result<Wallet, KeysError> {
    let passphrase = passphrase.map(Secret::expose);
    close_to_group(path);
    match blockchat_keyfile::read(path, passphrase)? {
        Some(wallet) => Ok(wallet),
        None => Ok(blockchat_keyfile::create(path, passphrase)?),
    }
}

/// Takes the group's rights to write from a file of this process's own user. Kubernetes gives them to every file of a
/// volume when it hands the volume to a pod's group, and an image without a shell offers no other way to take them back.
fn close_to_group(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    let (group_writes, others) = (mode & 0o030, mode & 0o007);
    if !own || group_writes == 0 || others != 0 {
        return;
    }
    let (file, mode) = (path.display(), format!("{mode:o}"));
    match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        Ok(()) => tracing::warn!(%file, mode, "the wallet's file was open to its group: closed"),
        // Reading it says what is wrong with it.
        Err(error) => tracing::warn!(%file, mode, %error, "the wallet's file can't be closed to its group"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_opened_to_its_group_is_closed_and_one_open_to_all_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        let made = wallet(&path, None).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        let open = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        open(0o660);
        let read = wallet(&path, None).unwrap();
        assert_eq!((read.public_key(), mode()), (made.public_key(), 0o600));
        open(0o440);
        wallet(&path, None).unwrap();
        assert_eq!(mode(), 0o440, "a mounted secret stays as it is");
        open(0o664);
        assert!(wallet(&path, None).is_err());
    }

    #[test]
    fn a_refused_passphrase_names_the_setting() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.pem");
        let secret = |text: &str| Secret::new(text.to_owned());
        wallet(&path, Some(&secret("correct horse"))).unwrap();
        for wrong in [None, Some(&secret("battery"))] {
            let error = wallet(&path, wrong).unwrap_err().to_string();
            assert!(error.contains("WALLET_PASSPHRASE_FILE"), "{error}");
        }
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
