//! What is said while joining: JSON bodies on the peer listener. Binary values are base64 of their
//! canonical bytes, hashes and nonces are hexadecimal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blockchat_ledger::{AccountId, Hash, Parameters};
use borsh::BorshSerialize;
use serde::{Deserialize, Serialize};

/// The version of the joining messages, part of their paths.
pub const FOUNDING_PATH: &str = "/peer/v1/founding";
/// Where a joiner registers and polls.
pub const REGISTER_PATH: &str = "/peer/v1/register";
/// Where a network is told and asked for.
pub const DESCRIPTOR_PATH: &str = "/peer/v1/descriptor";

const PROOF_DOMAIN: &str = "blockchat/join-proof/v1";

/// What the bootstrap node offers to joiners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the founding id is called so everywhere")]
pub struct Founding {
    /// What the network is (to be) founded with.
    pub parameters: Parameters,
    /// The bootstrap node's wallet, base64 DER.
    pub bootstrap: String,
    /// What certifications and proofs are bound to.
    pub founding_id: Hash,
    /// To be signed by the next registration, once.
    pub challenge: Hash,
}

/// A joiner asks for a place, or renews it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Its wallet, base64 DER.
    pub wallet: String,
    /// Its Ed25519 key for votes, hexadecimal.
    pub consensus_key: Hash,
    /// The wallet's signature over founding id and consensus key, base64.
    pub certification: String,
    /// Base URL of its peer listener.
    pub url: String,
    /// What it is configured with.
    pub parameters: Parameters,
    /// From the last answer.
    pub challenge: Hash,
    /// The wallet's signature over [`proof_bytes`], base64.
    pub proof: String,
}

/// The place a joiner has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Its id.
    pub id: u16,
    /// How many joiners are live.
    pub live: u16,
    /// How many there must be.
    pub needed: u16,
    /// For the next registration.
    pub challenge: Hash,
    /// The bootstrap node's clock, in milliseconds since the Unix epoch. A network with an earlier genesis was founded
    /// before this answer, as a bootstrap node that lost its data can't know.
    pub now_ms: u64,
    /// The network, once it is founded. Never in the answer that found the ring still open.
    pub network: Option<NetworkPackage>,
}

/// A founded network, as it is told to those that do not know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPackage {
    /// The signed descriptor, base64 of its canonical bytes.
    pub descriptor: String,
    /// The chain so far, base64 of each block's canonical bytes. Later blocks come with their
    /// certificates over the streams, so this is the genesis block.
    pub chain: Vec<String>,
    /// Signed URL records, base64.
    pub records: String,
    /// URLs of members without a record, by id.
    pub hints: Vec<(u16, String)>,
}

/// The answer to a network that was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The network of whoever answers.
    pub chain_id: Hash,
    /// Its URL records, base64.
    pub records: String,
}

/// What a joiner's wallet signs to show that it holds the key now.
pub fn proof_bytes(
    founding_id: &Hash,
    wallet: &AccountId,
    consensus_key: &[u8; 32],
    url: &str,
    challenge: &Hash,
) -> Vec<u8> {
    concat(&[&PROOF_DOMAIN, founding_id, &wallet.0, consensus_key, &url, challenge])
}

/// The canonical bytes of several values, one after the other.
pub fn concat(parts: &[&dyn Encode]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        part.append_to(&mut bytes);
    }
    bytes
}

/// `BorshSerialize` as an object.
pub trait Encode {
    /// Appends the canonical bytes.
    fn append_to(&self, bytes: &mut Vec<u8>);
}

impl<T: BorshSerialize> Encode for T {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        // Writing to memory cannot fail, and no value here has a length beyond 2^32.
        let written = self.serialize(bytes);
        debug_assert!(written.is_ok());
    }
}

/// Base64, standard alphabet with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The inverse of [`to_base64`].
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The first parameter in which the sides differ, as a sentence.
pub fn first_difference(yours: &Parameters, network: &Parameters) -> Option<String> {
    let fields: [(&str, String, String); 6] = [
        ("nodes", yours.nodes.to_string(), network.nodes.to_string()),
        ("capacity", yours.capacity.to_string(), network.capacity.to_string()),
        ("endowment", yours.endowment.to_string(), network.endowment.to_string()),
        ("ttl_blocks", yours.ttl_blocks.to_string(), network.ttl_blocks.to_string()),
        ("coin_fee_percent", yours.coin_fee_percent.to_string(), network.coin_fee_percent.to_string()),
        ("message_fee", yours.message_fee.to_string(), network.message_fee.to_string()),
    ];
    fields
        .into_iter()
        .find(|(_, yours, network)| yours != network)
        .map(|(name, yours, network)| format!("{name}: yours {yours}, network {network}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let network = Parameters::assignment(5, 10);
        assert_eq!(first_difference(&network, &network), None);
        let yours = Parameters { capacity: 5, ttl_blocks: 1, ..network.clone() };
        assert_eq!(first_difference(&yours, &network).unwrap(), "capacity: yours 5, network 10");
    }
}
