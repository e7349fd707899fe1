//! Public keys, which are the addresses of the ledger, and signature verification.
//!
//! A key is accepted only in its one canonical form (DER SubjectPublicKeyInfo) and only in three sizes
//! with one exponent. All of that is checked by comparing bytes, before any arithmetic is done with a
//! number that a stranger chose.

use std::fmt;
use std::io::{Read, Result as IoResult, Write};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use borsh::{BorshDeserialize, BorshSerialize};
use rsa::pkcs8::{Document, LineEnding};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoding::{invalid, read_bytes};
use crate::hash::Hash;

/// Moduli accepted, in bits.
pub const MODULUS_BITS: [usize; 3] = [2048, 3072, 4096];
/// The longest accepted key in DER, in bytes.
pub const MAX_KEY_BYTES: usize = 550;
/// The longest signature, in bytes: that of a 4096-bit key.
pub const MAX_SIGNATURE_BYTES: usize = 512;

const PEM_LABEL: &str = "PUBLIC KEY";
/// `SEQUENCE { OID rsaEncryption, NULL }` (RFC 3279).
const ALGORITHM: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// `INTEGER 65537`.
const EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// Why bytes are not an acceptable key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a canonical DER SubjectPublicKeyInfo of an RSA key.
    #[error("the key is not a canonical RSA public key (DER SubjectPublicKeyInfo)")]
    Malformed,
    /// Not PEM, or PEM of something else.
    #[error("the key is not in PEM form")]
    Pem,
    /// The modulus has another size.
    #[error("the modulus must have exactly 2048, 3072 or 4096 bits")]
    ModulusSize,
    /// The modulus is even.
    #[error("the modulus must be odd")]
    EvenModulus,
    /// The exponent is another.
    #[error("the public exponent must be 65537")]
    Exponent,
    /// Not a private key in PKCS#8, or one that is inconsistent.
    #[error("the private key is not a valid RSA key in PKCS#8 form")]
    Private,
    /// Key generation failed.
    #[error("the key could not be generated")]
    Generation,
    /// Signing failed.
    #[error("signing failed")]
    Signing,
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A signature is exactly as long as the modulus.
    #[error("the signature has the wrong length")]
    Length,
    /// The signature is not by this key over these bytes.
    #[error("the signature does not verify")]
    Invalid,
    /// The network itself has no key: nothing but the genesis transaction comes from address 0.
    #[error("a transaction of address 0 cannot be signed")]
    NetworkSender,
}

/// SHA-256 of a public key's DER bytes: the short name of an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct AccountId(pub [u8; 32]);

impl AccountId {
    /// The fingerprint shown to people: the first eight bytes, in hexadecimal.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(16);
        text
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An RSA public key of 2048, 3072 or 4096 bits with exponent 65537. Cheap to clone; the form used by
/// the verifier is made once and shared by all clones.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    der: Box<[u8]>,
    id: AccountId,
    parsed: OnceLock<Option<ParsedPublicKey>>,
}

impl PublicKey {
    /// Accepts the canonical DER form and nothing else.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let modulus = modulus_of(der)?;
        if encode(modulus) != der {
            return Err(KeyError::Malformed);
        }
        let id = AccountId(Hash::of_bytes(der).0);
        Ok(Self(Arc::new(Inner { der: der.into(), id, parsed: OnceLock::new() })))
    }

    /// From PEM with the label `PUBLIC KEY`.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.len() > 4 * MAX_KEY_BYTES {
            return Err(KeyError::Pem);
        }
        let (label, document) = Document::from_pem(pem.trim()).map_err(|_| KeyError::Pem)?;
        if label != PEM_LABEL {
            return Err(KeyError::Pem);
        }
        Self::from_der(document.as_bytes())
    }

    /// From the base64 (standard alphabet, padded) of the DER form.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        if text.len() > 2 * MAX_KEY_BYTES {
            return Err(KeyError::Malformed);
        }
        let der = STANDARD.decode(text).map_err(|_| KeyError::Malformed)?;
        Self::from_der(&der)
    }

    /// The canonical DER form.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// PEM with the label `PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        Document::try_from(self.der())
            .and_then(|document| document.to_pem(PEM_LABEL, LineEnding::LF))
            .unwrap_or_default()
    }

    /// Base64 (standard alphabet, padded) of the DER form.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.der())
    }

    /// The account of this key.
    pub fn account_id(&self) -> AccountId {
        self.0.id
    }

    /// The modulus' length in bytes, which is also that of every signature by this key.
    pub fn signature_bytes(&self) -> usize {
        match self.der().len() {
            294 => 256,
            422 => 384,
            _ => 512,
        }
    }

    /// Verifies an RSA-PSS signature (RFC 8017) with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        if signature.len() != self.signature_bytes() {
            return Err(SignatureError::Length);
        }
        let parsed = self.0.parsed.get_or_init(|| ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, self.der()).ok());
        let parsed = parsed.as_ref().ok_or(SignatureError::Invalid)?;
        parsed.verify_sig(message, signature).map_err(|_| SignatureError::Invalid)
    }
}

/// The modulus of a key in DER form, without leading zero, after all checks that need no arithmetic.
fn modulus_of(der: &[u8]) -> Result<&[u8], KeyError> {
    let malformed = KeyError::Malformed;
    if der.len() > 2 * MAX_KEY_BYTES {
        return Err(KeyError::ModulusSize);
    }
    let (spki, rest) = element(der, 0x30).ok_or(malformed.clone())?;
    let bits = spki.strip_prefix(&ALGORITHM).ok_or(malformed.clone())?;
    let (bits, rest_of_spki) = element(bits, 0x03).ok_or(malformed.clone())?;
    let key = bits.strip_prefix(&[0]).ok_or(malformed.clone())?;
    let (numbers, rest_of_key) = element(key, 0x30).ok_or(malformed.clone())?;
    let (modulus, exponent) = element(numbers, 0x02).ok_or(malformed.clone())?;
    if !(rest.is_empty() && rest_of_spki.is_empty() && rest_of_key.is_empty()) {
        return Err(malformed);
    }
    if element(exponent, 0x02).is_none_or(|(_, rest)| !rest.is_empty()) {
        return Err(malformed);
    }
    if exponent != EXPONENT {
        return Err(KeyError::Exponent);
    }
    // A positive integer whose top bit is set has exactly one leading zero byte; any other modulus has
    // a bit length that is not one of the three.
    let modulus = modulus.strip_prefix(&[0]).ok_or(KeyError::ModulusSize)?;
    let full = modulus.first().is_some_and(|top| top & 0x80 != 0);
    if !full || !MODULUS_BITS.contains(&(modulus.len() * 8)) {
        return Err(KeyError::ModulusSize);
    }
    if modulus.last().is_some_and(|low| low & 1 == 0) {
        return Err(KeyError::EvenModulus);
    }
    Ok(modulus)
}

/// Splits off one DER element with the tag: its contents and what follows. Lengths must be minimal.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let minimal = match *first {
        0x81 => length >= 0x80,
        0x82 => length >= 0x100,
        _ => true,
    };
    (*found == tag && minimal).then_some(())?;
    rest.split_at_checked(length)
}

/// The canonical DER form of the key with this modulus (256, 384 or 512 bytes).
fn encode(modulus: &[u8]) -> Vec<u8> {
    let header = |tag: u8, length: usize| {
        let [.., high, low] = length.to_be_bytes();
        [tag, 0x82, high, low]
    };
    let integer = modulus.len() + 1;
    let numbers = 4 + integer + EXPONENT.len();
    let bits = 1 + 4 + numbers;
    let spki = ALGORITHM.len() + 4 + bits;
    let mut der = Vec::with_capacity(4 + spki);
    der.extend(header(0x30, spki));
    der.extend(ALGORITHM);
    der.extend(header(0x03, bits));
    der.push(0);
    der.extend(header(0x30, numbers));
    der.extend(header(0x02, integer));
    der.push(0);
    der.extend(modulus);
    der.extend(EXPONENT);
    der
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for PublicKey {}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.0.id.short())
    }
}

impl BorshSerialize for PublicKey {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        BorshSerialize::serialize(self.der(), writer)
    }
}

impl BorshDeserialize for PublicKey {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        Self::from_der(&read_bytes(reader, MAX_KEY_BYTES)?).map_err(invalid)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_base64(&<String as Deserialize>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
