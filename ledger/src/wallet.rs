//! Private keys: generation, files and signing.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use rand::{CryptoRng, RngCore};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use crate::keys::{KeyError, MODULUS_BITS, PublicKey};

/// Something that signs for one public key. A trait, so that a simulation can sign deterministically.
pub trait TransactionSigner: Send + Sync {
    /// The key that verifies what this signs.
    fn public_key(&self) -> &PublicKey;
    /// An RSA-PSS-SHA256 signature with a salt of 32 bytes.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// A private key. Shown nowhere; its bytes are wiped when it goes away.
pub struct Wallet {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: KeyPair,
    public: PublicKey,
}

impl Wallet {
    /// A new key of 2048, 3072 or 4096 bits.
    pub fn generate(bits: usize, rng: &mut (impl CryptoRng + RngCore)) -> Result<Self, KeyError> {
        if !MODULUS_BITS.contains(&bits) {
            return Err(KeyError::ModulusSize);
        }
        let key = RsaPrivateKey::new(rng, bits).map_err(|_| KeyError::Generation)?;
        Self::from_rsa(&key)
    }

    /// From PKCS#8 PEM (`PRIVATE KEY`).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_pkcs8_pem(pem.trim()).map_err(|_| KeyError::Private)?;
        Self::from_rsa(&key)
    }

    fn from_rsa(key: &RsaPrivateKey) -> Result<Self, KeyError> {
        let public = RsaPublicKey::from(key).to_public_key_der().map_err(|_| KeyError::Private)?;
        let public = PublicKey::from_der(public.as_bytes())?;
        let pkcs8 = key.to_pkcs8_der().map_err(|_| KeyError::Private)?.to_bytes();
        let pair = KeyPair::from_pkcs8(&pkcs8).map_err(|_| KeyError::Private)?;
        Ok(Self { pkcs8, pair, public })
    }

    /// PKCS#8 PEM, wiped when it goes away.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let key = RsaPrivateKey::from_pkcs8_der(&self.pkcs8).map_err(|_| KeyError::Private)?;
        key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Private)
    }

    /// The public key: the wallet's address.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// An RSA-PSS-SHA256 signature with a random salt of 32 bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| KeyError::Signing)?;
        Ok(signature)
    }
}

impl TransactionSigner for Wallet {
    fn public_key(&self) -> &PublicKey {
        self.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign(message)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.public.account_id().short())
    }
}

#[cfg(test)]
mod tests;
