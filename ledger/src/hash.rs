//! SHA-256 values and the domain-separated way they are made.
//!
//! Every hash of the ledger names what it is a hash of, so that bytes hashed for one purpose can never
//! stand for another (a leaf for a branch, a transaction for a header).

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A 32-byte SHA-256 value. Shown and parsed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Hash(pub [u8; 32]);

/// Why a text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hexadecimal digits")]
pub struct HashError;

impl Hash {
    /// Thirty-two zero bytes: no hash of anything known.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 over the domain and the parts, each preceded by its length, so that neither the
    /// boundary between parts nor the domain can be confused.
    pub fn of(domain: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        absorb(&mut hasher, domain.as_bytes());
        for part in parts {
            absorb(&mut hasher, part);
        }
        Self(hasher.finalize().into())
    }

    /// Plain SHA-256 of the bytes, for those that carry their domain within them.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn absorb(hasher: &mut Sha256, part: &[u8]) {
    hasher.update((part.len() as u64).to_le_bytes());
    hasher.update(part);
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(HashError);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_domain_cannot_be_shifted_into_each_other() {
        let hashes = [
            Hash::of("a", &[b"bc", b"d"]),
            Hash::of("a", &[b"b", b"cd"]),
            Hash::of("a", &[b"bcd"]),
            Hash::of("ab", &[b"c", b"d"]),
            Hash::of("a", &[b"bc", b"d", b""]),
        ];
        for (i, left) in hashes.iter().enumerate() {
            for right in &hashes[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }

    #[test]
    fn text_form_is_strict() {
        let hash = Hash::of("a", &[]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "00", &hash.to_string()[1..], &format!("{hash}0"), &"F".repeat(64), &"g".repeat(64)] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError), "{bad}");
        }
        assert_eq!(hash.to_string().to_uppercase().parse::<Hash>(), Err(HashError));
    }

    #[test]
    fn plain_hash_is_sha256() {
        // FIPS 180-4, the example of one block.
        assert_eq!(
            Hash::of_bytes(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
