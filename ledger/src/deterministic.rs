//! A signer whose signatures depend on nothing but key, seed and message.
//!
//! For simulation and test vectors only: it is slower than [`crate::wallet::Wallet`] and, unlike it,
//! not constant time (RUSTSEC-2023-0071), so a node must not sign with it.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::pss::SigningKey;
use rsa::sha2::Sha256;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};

use crate::hash::Hash;
use crate::keys::{KeyError, PublicKey};
use crate::wallet::TransactionSigner;

const SALT_BYTES: usize = 32;

/// Signs the same message with the same salt each time.
pub struct DeterministicSigner {
    key: SigningKey<Sha256>,
    public: PublicKey,
    seed: [u8; 32],
}

impl DeterministicSigner {
    /// From PKCS#8 PEM and the seed that, with the message, determines each salt.
    pub fn from_pem(pem: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_pkcs8_pem(pem.trim()).map_err(|_| KeyError::Private)?;
        let public = key.to_public_key().to_public_key_der().map_err(|_| KeyError::Private)?;
        let public = PublicKey::from_der(public.as_bytes())?;
        Ok(Self { key: SigningKey::new_with_salt_len(key, SALT_BYTES), public, seed })
    }
}

impl TransactionSigner for DeterministicSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let seed = Hash::of("blockchat/deterministic-salt/v1", &[&self.seed, message]);
        let mut rng = ChaCha20Rng::from_seed(seed.0);
        let signature = self.key.try_sign_with_rng(&mut rng, message).map_err(|_| KeyError::Signing)?;
        Ok(signature.to_vec())
    }
}

impl fmt::Debug for DeterministicSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeterministicSigner({})", self.public.account_id().short())
    }
}
